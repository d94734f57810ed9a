package sspi

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strings"
)

// The algorithms of HTTP mode, as the challenge names them (RFC 7616, section 3.3).
const (
	MD5     = "MD5"
	MD5Sess = "MD5-sess"
	SHA256  = "SHA-256"
)

// The qualities of protection.
const (
	qopAuth = "auth"
	qopInt  = "auth-int"
)

// zeroEntity stands for the hash of a body in SASL mode, where there is none (RFC 2831, section 2.1.2.1).
const zeroEntity = "00000000000000000000000000000000"

// algorithm is the arithmetic behind one name.
type algorithm struct {
	name string // as the challenge spells it
	key  string // the users.DigestKey.Algorithm that it starts from
	size int    // of a hash, in bytes
	sess bool   // the session key mixes in the first nonces
}

// algorithmNamed returns the algorithm of a name, without case.
func algorithmNamed(name string) (algorithm, bool) {
	switch {
	case strings.EqualFold(name, MD5):
		return algorithm{name: MD5, key: MD5, size: md5.Size}, true
	case strings.EqualFold(name, MD5Sess):
		return algorithm{name: MD5Sess, key: MD5, size: md5.Size, sess: true}, true
	case strings.EqualFold(name, SHA256):
		return algorithm{name: SHA256, key: SHA256, size: sha256.Size}, true
	default:
		return algorithm{}, false
	}
}

// hash appends the hash of text to dst.
func (a algorithm) hash(dst, text []byte) []byte {
	if a.key == SHA256 {
		sum := sha256.Sum256(text)
		return append(dst, sum[:]...)
	}
	sum := md5.Sum(text)
	return append(dst, sum[:]...)
}

// raw appends the hash of the parts with colons between them to dst.
func (a algorithm) raw(dst []byte, parts ...string) []byte {
	var room [512]byte
	text := room[:0]
	for i, part := range parts {
		if i > 0 {
			text = append(text, ':')
		}
		text = append(text, part...)
	}
	return a.hash(dst, text)
}

// hex is raw in lower-case hex, the H() of RFC 7616.
func (a algorithm) hex(parts ...string) string {
	var sum [sha256.Size]byte
	return hex.EncodeToString(a.raw(sum[:0], parts...))
}

// EntityHash returns the hash of a request's body in hex, as AcceptSecurityContext takes it for auth-int. An algorithm that is unknown
// counts as MD5.
func EntityHash(name string, body []byte) []byte {
	a, ok := algorithmNamed(name)
	if !ok {
		a, _ = algorithmNamed(MD5)
	}
	return hex.AppendEncode(nil, a.hash(nil, body))
}

// session is the key that a first response leaves behind: H(A1).
type session struct {
	raw []byte // SASL only, for the keys of the integrity layer
	hex string
}

// newSession makes H(A1) from the kept key of a user and the nonces of the first response (RFC 7616, section 3.4.2; RFC 2831, section
// 2.1.2.1, where the key goes in as bytes and an authorization identity follows).
func newSession(mode Mode, a algorithm, key []byte, r *Response) session {
	switch {
	case mode == SASL:
		parts := []string{string(key), r.Nonce, r.CNonce}
		if r.AuthzID != "" {
			parts = append(parts, r.AuthzID)
		}
		raw := a.raw(nil, parts...)
		return session{raw: raw, hex: hex.EncodeToString(raw)}
	case a.sess:
		return session{hex: a.hex(hex.EncodeToString(key), r.Nonce, r.CNonce)}
	default:
		return session{hex: hex.EncodeToString(key)}
	}
}

// digest computes the response to r's nonces: of the client with its method, of the server (rspauth) with method "".
func (a algorithm) digest(key session, r *Response, method, uri, entity string) string {
	var a2 string
	if r.QOP == qopInt {
		a2 = a.hex(method, uri, entity)
	} else {
		a2 = a.hex(method, uri)
	}
	return a.hex(key.hex, r.Nonce, r.nc, r.CNonce, r.QOP, a2)
}

// equal compares without telling by its time where two texts differ.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// fakeKey stands in for the key of a user who has none: the same every time, so that it tells nothing.
func fakeKey(secret []byte, realm string, a algorithm, name string) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("digest\x00" + a.key + "\x00" + realm + "\x00" + strings.ToLower(name)))
	return mac.Sum(nil)[:a.size]
}
