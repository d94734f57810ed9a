package exchange

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"strconv"
	"strings"
	"unicode/utf8"

	"rashost/plugin/users"
)

// scram is SCRAM (RFC 5802; RFC 7677) without channel binding. Judging a proof costs two HMACs and a hash; what is slow was computed when
// the password was set.
type scram struct {
	x    *Exchange
	hash func() hash.Hash

	header string // gs2-header, as the client sent it
	bare   string // client-first-message-bare
	first  string // server-first-message; "" before it
	nonce  string // the client's and ours
	who    claim
	keys   users.SCRAMKeys // made up when who is doomed
}

// Bounds of SCRAM, in bytes.
const (
	maxScram  = 4096 // of a message
	maxNonce  = 512  // of a client's nonce
	saltOfOne = 16   // the salt that is made up, as long as a new user's
)

func newScram(x *Exchange) server {
	return &scram{x: x, hash: x.work.hash(strings.TrimPrefix(x.mechanism.name, "SCRAM-"))}
}

func (s *scram) step(ctx context.Context, in []byte) ([]byte, Code, string) {
	switch {
	case len(in) > maxScram || !utf8.Valid(in) || bytes.IndexByte(in, 0) >= 0:
		return nil, SASL_BADPROT, "too long, not UTF-8 or with a NUL"
	case s.first == "":
		return s.clientFirst(ctx, string(in))
	default:
		return s.clientFinal(string(in))
	}
}

// clientFirst takes the flag of channel binding, the identity to act as, name and nonce: "n,,n=user,r=nonce" (RFC 5802, section 7). A
// client that could bind and found no -PLUS mechanism on offer says "y", which is right.
func (s *scram) clientFirst(ctx context.Context, in string) ([]byte, Code, string) {
	flag, rest, _ := strings.Cut(in, ",")
	actAs, bare, ok := strings.Cut(rest, ",")
	switch {
	case len(flag) > 2 && strings.HasPrefix(flag, "p=") && ok:
		return nil, SASL_BADBINDING, ""
	case flag != "n" && flag != "y" || !ok:
		return nil, SASL_BADPROT, "no header with a flag for channel binding"
	}
	s.header, s.bare = in[:len(in)-len(bare)], bare
	fields := strings.Split(bare, ",")
	if len(fields) < 2 || !strings.HasPrefix(fields[0], "n=") || !strings.HasPrefix(fields[1], "r=") || !optional(fields[2:]) {
		return nil, SASL_BADPROT, "not name, nonce and nothing that must be understood"
	}
	nonce := fields[1][2:]
	name, ok := saslName(fields[0][2:])
	if !ok || !validNonce(nonce) {
		return nil, SASL_BADPROT, "the name or the nonce is not acceptable"
	}
	authzid := ""
	if actAs != "" {
		if authzid, ok = saslName(strings.TrimPrefix(actAs, "a=")); !ok || !strings.HasPrefix(actAs, "a=") {
			return nil, SASL_BADPROT, "the identity to act as is not acceptable"
		}
	}
	if !actsAs(authzid, name) {
		s.x.name = name
		return nil, SASL_NOAUTHZ, ""
	}
	return s.serverFirst(ctx, name, nonce)
}

// serverFirst sends both nonces, the salt and the number of iterations.
func (s *scram) serverFirst(ctx context.Context, name, nonce string) ([]byte, Code, string) {
	who, code, detail := s.x.claim(ctx, name)
	if code != SASL_OK {
		return nil, code, detail
	}
	ours, err := s.x.work.nonce()
	if err != nil {
		return nil, SASL_FAIL, err.Error()
	}
	made := s.madeUp(name)
	keys, ok := who.account.SCRAM[s.x.mechanism.name]
	if !ok {
		who.doom(SASL_NOVERIFY)
		keys = made
	}
	s.who, s.keys, s.nonce = who, keys, nonce+ours
	s.first = "r=" + s.nonce + ",s=" + base64.StdEncoding.EncodeToString(keys.Salt) + ",i=" + strconv.Itoa(keys.Iterations)
	return []byte(s.first), SASL_CONTINUE, ""
}

// madeUp returns keys for a name that is nobody's. They are made for every name, so that the work is the same.
func (s *scram) madeUp(name string) users.SCRAMKeys {
	size := s.hash().Size()
	keys := s.x.fake(s.x.mechanism.name, name, saltOfOne+2*size)
	return users.SCRAMKeys{
		Iterations: users.SCRAMIterations, Salt: keys[:saltOfOne], StoredKey: keys[saltOfOne : saltOfOne+size], ServerKey: keys[saltOfOne+size:],
	}
}

// clientFinal takes channel binding, both nonces and the proof: "c=biws,r=nonces,p=proof" (RFC 5802, section 7).
func (s *scram) clientFinal(in string) ([]byte, Code, string) {
	without, proof64, ok := cutLast(in, ",p=")
	fields := strings.Split(without, ",")
	if !ok || len(fields) < 2 || !strings.HasPrefix(fields[0], "c=") || !strings.HasPrefix(fields[1], "r=") || !optional(fields[2:]) {
		return nil, SASL_BADPROT, "not channel binding, nonce, nothing that must be understood, and the proof"
	}
	binding, errBinding := base64.StdEncoding.Strict().DecodeString(fields[0][2:])
	proof, errProof := base64.StdEncoding.Strict().DecodeString(proof64)
	switch {
	case errBinding != nil:
		return nil, SASL_BADPROT, "the channel binding is not base64"
	case string(binding) != s.header:
		return nil, SASL_BADBINDING, "the header is not the one of the first message"
	case subtle.ConstantTimeCompare([]byte(fields[1][2:]), []byte(s.nonce)) != 1:
		return nil, SASL_BADPROT, "the nonce is not the one of this exchange"
	case errProof != nil || len(proof) != s.hash().Size():
		return nil, SASL_BADPROT, "the proof is not base64 of the right length"
	}
	message := []byte(s.bare + "," + s.first + "," + without)
	key := s.mac(s.keys.StoredKey, message)
	subtle.XORBytes(key, key, proof)
	stored := s.hash()
	stored.Write(key)
	right := hmac.Equal(stored.Sum(nil), s.keys.StoredKey)
	signature := s.mac(s.keys.ServerKey, message)
	return s.x.judge(s.who, right, []byte("v="+base64.StdEncoding.EncodeToString(signature)))
}

func (s *scram) mac(key, message []byte) []byte {
	m := hmac.New(s.hash, key)
	m.Write(message)
	return m.Sum(nil)
}

// optional says whether every attribute is one that may be passed over: a letter but m, "=" and a value (RFC 5802, section 5.1).
func optional(attributes []string) bool {
	for _, a := range attributes {
		if len(a) < 3 || a[1] != '=' || a[0] == 'm' || (a[0]|0x20) < 'a' || (a[0]|0x20) > 'z' {
			return false
		}
	}
	return true
}

// saslName undoes =2C and =3D and prepares the name (RFC 5802, section 5.1).
func saslName(text string) (string, bool) {
	if strings.Count(text, "=") != strings.Count(text, "=2C")+strings.Count(text, "=3D") {
		return "", false
	}
	return prepare([]byte(strings.NewReplacer("=2C", ",", "=3D", "=").Replace(text)))
}

// validNonce says whether a client's nonce is printable ASCII without a comma (RFC 5802, section 7).
func validNonce(nonce string) bool {
	return nonce != "" && len(nonce) <= maxNonce && !strings.ContainsFunc(nonce, func(r rune) bool { return r <= ' ' || r > '~' || r == ',' })
}

// cutLast is strings.Cut at the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
