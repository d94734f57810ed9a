package exchange

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/xdg-go/stringprep"

	"rashost/plugin/users"
)

// scram is SCRAM (RFC 5802; RFC 7677) without channel binding. The server computes two HMACs and a hash; what is slow was computed when
// the password was set.
type scram struct {
	x    *Exchange
	hash func() hash.Hash

	header string // gs2-header, as the client sent it
	bare   string // client-first-message-bare
	first  string // server-first-message; "" before it
	nonce  string // both nonces
	known  bool
	user   string
	keys   users.SCRAMKeys
}

// Bounds of SCRAM, in bytes.
const (
	maxNonce    = 512
	serverNonce = 18 // random bytes, 24 in base64
)

func newScram(x *Exchange) server {
	h := map[string]func() hash.Hash{"SCRAM-SHA-1": sha1.New, "SCRAM-SHA-256": sha256.New, "SCRAM-SHA-512": sha512.New}[x.mechanism.name]
	return &scram{x: x, hash: h}
}

func (s *scram) step(ctx context.Context, in []byte) ([]byte, Code, string) {
	if !utf8.Valid(in) || bytes.IndexByte(in, 0) >= 0 {
		return nil, SASL_BADPROT, "not UTF-8 without NUL"
	}
	if s.first == "" {
		return s.clientFirst(ctx, string(in))
	}
	return s.clientFinal(string(in))
}

// clientFirst takes "n,a=authzid,n=name,r=nonce" (RFC 5802, section 7).
func (s *scram) clientFirst(ctx context.Context, in string) ([]byte, Code, string) {
	flag, rest, _ := strings.Cut(in, ",")
	authzid, bare, ok := strings.Cut(rest, ",")
	switch {
	case strings.HasPrefix(flag, "p="):
		return nil, SASL_BADBINDING, "channel binding, which a line does not have"
	case flag != "n" && flag != "y":
		return nil, SASL_BADPROT, "no channel binding flag"
	case !ok:
		return nil, SASL_BADPROT, "no header"
	}
	s.header, s.bare = in[:len(in)-len(bare)], bare
	attributes := strings.Split(bare, ",")
	if len(attributes) < 2 || !strings.HasPrefix(attributes[0], "n=") || !strings.HasPrefix(attributes[1], "r=") {
		return nil, SASL_BADPROT, "not name and nonce first, or an extension that must be understood"
	}
	name, nameOK := saslName(attributes[0][2:])
	nonce := attributes[1][2:]
	if !nameOK || !validNonce(nonce) {
		return nil, SASL_BADPROT, "a bad name or nonce"
	}
	if authzid != "" {
		as, ok := "", false
		if text, found := strings.CutPrefix(authzid, "a="); found {
			as, ok = saslName(text)
		}
		if !ok {
			return nil, SASL_BADPROT, "a bad authorization identity"
		}
		if users.Fold(as) != users.Fold(name) {
			s.x.name = name
			return nil, SASL_NOAUTHZ, "asks to act as somebody else"
		}
	}
	return s.serverFirst(ctx, name, nonce)
}

func (s *scram) serverFirst(ctx context.Context, name, nonce string) ([]byte, Code, string) {
	a, known, code, detail := s.x.account(ctx, name)
	if code != SASL_OK {
		return nil, code, detail
	}
	keys, has := a.SCRAM[s.x.mechanism.name]
	if s.known = known && has; !s.known {
		size := s.hash().Size()
		keys = users.SCRAMKeys{
			Iterations: users.SCRAMIterations, Salt: s.x.fake(s.x.mechanism.name+" salt", name, 16),
			StoredKey: s.x.fake("stored key", name, size), ServerKey: s.x.fake("server key", name, size),
		}
	}
	b, err := s.x.random(serverNonce)
	if err != nil {
		return nil, SASL_FAIL, err.Error()
	}
	s.keys, s.user = keys, a.Name
	s.nonce = nonce + base64.StdEncoding.EncodeToString(b)
	s.first = "r=" + s.nonce + ",s=" + base64.StdEncoding.EncodeToString(keys.Salt) + ",i=" + strconv.Itoa(keys.Iterations)
	return []byte(s.first), SASL_CONTINUE, ""
}

// clientFinal takes "c=header,r=nonce,p=proof" and judges the proof.
func (s *scram) clientFinal(in string) ([]byte, Code, string) {
	i := strings.LastIndex(in, ",p=")
	if i < 0 {
		return nil, SASL_BADPROT, "no proof"
	}
	without, proofText := in[:i], in[i+3:]
	attributes := strings.Split(without, ",")
	if len(attributes) < 2 || !strings.HasPrefix(attributes[0], "c=") || !strings.HasPrefix(attributes[1], "r=") {
		return nil, SASL_BADPROT, "not channel binding and nonce first"
	}
	for _, extension := range attributes[2:] {
		if strings.HasPrefix(extension, "m=") {
			return nil, SASL_BADPROT, "an extension that must be understood"
		}
	}
	binding, err := base64.StdEncoding.Strict().DecodeString(attributes[0][2:])
	switch {
	case err != nil:
		return nil, SASL_BADPROT, "channel binding is not base64"
	case string(binding) != s.header:
		return nil, SASL_BADBINDING, "channel binding is not that of the first message"
	case subtle.ConstantTimeCompare([]byte(attributes[1][2:]), []byte(s.nonce)) != 1:
		return nil, SASL_BADPROT, "not the nonce of this exchange"
	}
	proof, err := base64.StdEncoding.Strict().DecodeString(proofText)
	if err != nil || len(proof) != s.hash().Size() {
		return nil, SASL_BADPROT, "the proof is not base64, or of another length"
	}
	message := []byte(s.bare + "," + s.first + "," + without)
	key := s.mac(s.keys.StoredKey, message)
	subtle.XORBytes(key, key, proof)
	h := s.hash()
	h.Write(key)
	signature := s.mac(s.keys.ServerKey, message)
	if good := hmac.Equal(h.Sum(nil), s.keys.StoredKey); !good || !s.known {
		return refused(s.known, "wrong proof")
	}
	s.x.user = s.user
	return []byte("v=" + base64.StdEncoding.EncodeToString(signature)), SASL_OK, ""
}

func (s *scram) mac(key, message []byte) []byte {
	m := hmac.New(s.hash, key)
	m.Write(message)
	return m.Sum(nil)
}

// saslName undoes =2C and =3D and prepares the name (RFC 5802, section 5.1; RFC 4013).
func saslName(text string) (string, bool) {
	plain := strings.NewReplacer("=2C", ",", "=3D", "=").Replace(text)
	if strings.Count(text, "=") != strings.Count(text, "=2C")+strings.Count(text, "=3D") {
		return "", false
	}
	name, err := stringprep.SASLprep.Prepare(plain)
	return name, err == nil && name != "" && len(name) <= maxField
}

// validNonce says whether a client's nonce is printable ASCII without a comma (RFC 5802, section 7).
func validNonce(nonce string) bool {
	return nonce != "" && len(nonce) <= maxNonce && !strings.ContainsFunc(nonce, func(r rune) bool { return r <= ' ' || r > '~' || r == ',' })
}
