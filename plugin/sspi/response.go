package sspi

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Response is what a client answers to a challenge (RFC 7616, section 3.4; RFC 2831, section 2.1.2).
type Response struct {
	// Username is in UTF-8, as it was meant. A name that was sent in ISO 8859-1 has been converted.
	Username string
	// Realm is "" when there is none, which only SASL allows. Algorithm is "" when there is none; SASL ignores it.
	Realm, Nonce, CNonce, Opaque, URI, QOP, Algorithm string
	// Digest is the response itself, in lower-case hex.
	Digest string
	// NC is the nonce count, from 1.
	NC uint32
	// AuthzID is the authorization identity of SASL, "" for none.
	AuthzID string
	// MaxBuf is the longest packet that the client takes in the integrity layer of SASL, in bytes.
	MaxBuf uint32

	nc string // as it was sent
}

// Limits of maxbuf (RFC 2831, section 2.1.2).
const (
	defaultMaxBuf = 65536
	maxMaxBuf     = 1<<24 - 1
)

// ParseResponse reads and checks a response, without the word Digest in HTTP mode. The error says what is wrong, for a log; it repeats
// nothing of what the client sent.
//
// Username, realm, nonce, cnonce, opaque and URI must stand in quotes. The others are taken with and without: stock clients quote them,
// although RFC 7616 forbids it for qop, nc and algorithm.
func ParseResponse(mode Mode, token []byte) (*Response, error) {
	var room [16]Directive
	ds, err := appendDirectives(room[:0], string(token))
	if err != nil {
		return nil, err
	}
	r := &Response{MaxBuf: defaultMaxBuf}
	realms := 0
	for _, d := range ds {
		name := strings.ToLower(d.Name)
		if name == "realm" {
			realms++
		}
		if err := r.take(mode, name, d); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if realms > 1 {
		return nil, errors.New("realm stands there twice")
	}
	if err := r.complete(mode, ds); err != nil {
		return nil, err
	}
	return r, nil
}

// take reads one directive. One that has no meaning in the mode is passed over.
func (r *Response) take(mode Mode, name string, d Directive) (err error) {
	switch name {
	case "username":
		r.Username, err = toUTF8(d.Value), mustQuote(d)
	case "realm":
		r.Realm, err = d.Value, mustQuote(d)
	case "nonce":
		r.Nonce, err = d.Value, mustQuote(d)
	case "cnonce":
		r.CNonce, err = d.Value, mustQuote(d)
	case "qop":
		r.QOP = strings.ToLower(d.Value)
	case "nc":
		r.nc = d.Value
		r.NC, err = nonceCount(d.Value)
	case "response":
		r.Digest = d.Value
		if n := len(d.Value); n != 32 && n != 64 || !lowerHex(d.Value) {
			err = errors.New("must be 32 or 64 digits of lower-case hex")
		}
	default:
		if mode == SASL {
			return r.takeSASL(name, d)
		}
		return r.takeHTTP(name, d)
	}
	return err
}

// takeHTTP reads a directive that only HTTP has.
func (r *Response) takeHTTP(name string, d Directive) (err error) {
	switch name {
	case "username*":
		r.Username, err = extValue(d)
	case "opaque":
		r.Opaque, err = d.Value, mustQuote(d)
	case "uri":
		r.URI, err = d.Value, mustQuote(d)
	case "algorithm":
		r.Algorithm = d.Value
	case "userhash":
		if !strings.EqualFold(d.Value, "false") {
			err = errors.New("is not on offer")
		}
	}
	return err
}

// takeSASL reads a directive that only SASL has.
func (r *Response) takeSASL(name string, d Directive) (err error) {
	switch name {
	case "digest-uri":
		r.URI, err = d.Value, mustQuote(d)
	case "charset":
		if !strings.EqualFold(d.Value, "utf-8") {
			err = errors.New("must be utf-8")
		}
	case "maxbuf":
		r.MaxBuf, err = maxBuf(d.Value)
	case "authzid":
		r.AuthzID, err = d.Value, mustQuote(d)
		if d.Value == "" {
			err = errors.New("must not be empty")
		}
	}
	return err
}

// complete checks that nothing is missing.
func (r *Response) complete(mode Mode, ds Directives) error {
	need := []string{"nonce", "cnonce", "nc", "response", "realm", "uri", "opaque", "qop"}
	if mode == SASL {
		need = append(need[:4], "digest-uri")
		if !ds.has("qop") {
			r.QOP = qopAuth
		}
	}
	for _, name := range need {
		if !ds.has(name) {
			return fmt.Errorf("%s is missing", name)
		}
	}
	switch {
	case mode == HTTP && ds.has("username") && ds.has("username*"):
		return errors.New("username and username* at once")
	case r.Username == "":
		return errors.New("username is missing or empty")
	case r.CNonce == "":
		return errors.New("cnonce is empty")
	case mode == HTTP && !echoable(r.CNonce):
		return errors.New("cnonce is not ASCII, or contains +++")
	}
	return nil
}

// echoable says whether a cnonce, which Authentication-Info repeats to the client, is ASCII (RFC 7616, section 3.4) without what the client's
// modem may take as its escape.
func echoable(cnonce string) bool {
	return strings.IndexFunc(cnonce, func(c rune) bool { return c >= utf8.RuneSelf }) < 0 && !strings.Contains(cnonce, "+++")
}

// mustQuote refuses a bare value.
func mustQuote(d Directive) error {
	if !d.Quoted {
		return errors.New("must stand in quotes")
	}
	return nil
}

// toUTF8 takes what is not UTF-8 as ISO 8859-1 (RFC 2831, section 2.1.2, charset).
func toUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

// extValue reads the value of username* (RFC 5987, section 3.2; RFC 7616 allows UTF-8 only).
func extValue(d Directive) (string, error) {
	charset, rest, _ := strings.Cut(d.Value, "'")
	_, text, ok := strings.Cut(rest, "'")
	if d.Quoted || !ok || !strings.EqualFold(charset, "UTF-8") {
		return "", errors.New("must be UTF-8''text, without quotes")
	}
	name, err := url.PathUnescape(text)
	if err != nil || !utf8.ValidString(name) {
		return "", errors.New("must be UTF-8 in percent encoding")
	}
	return name, nil
}

// nonceCount reads nc: exactly eight digits of lower-case hex, not zero.
func nonceCount(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 16, 32)
	if err != nil || len(s) != 8 || !lowerHex(s) || n == 0 {
		return 0, errors.New("must be eight digits of lower-case hex, from 00000001")
	}
	return uint32(n), nil
}

// maxBuf reads maxbuf: more than the 16 bytes of a signature, at most 2^24-1.
func maxBuf(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n <= signatureSize || n > maxMaxBuf {
		return 0, fmt.Errorf("must be a number from %d to %d", signatureSize+1, maxMaxBuf)
	}
	return uint32(n), nil
}

// lowerHex says whether s is digits of lower-case hex and nothing else.
func lowerHex(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool { return (c < '0' || c > '9') && (c < 'a' || c > 'f') }) < 0
}
