package users

import (
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxRealm is the longest realm of a DigestKey, in bytes.
const maxRealm = 255

// digestHash returns the hash of an algorithm, nil for one that is unknown.
func digestHash(algorithm string) func() hash.Hash {
	switch algorithm {
	case "MD5":
		return md5.New
	case "SHA-256":
		return sha256.New
	default:
		return nil
	}
}

// DigestKeyFor makes H(name ":" realm ":" secret) by algorithm "MD5" or "SHA-256" (RFC 7616, section 3.4.2), and, where a client may
// compute it over ISO 8859-1 instead (RFC 2831, section 2.1.2.1: name and password, each for itself), that one too. The name counts as
// it is spelled. Errors: an unknown algorithm, a realm that can't be sent.
func DigestKeyFor(realm, algorithm, name string, secret []byte) (DigestKey, error) {
	hash := digestHash(algorithm)
	if hash == nil {
		return DigestKey{}, fmt.Errorf("%q is no Digest algorithm that is known", clip(algorithm))
	}
	if err := checkRealm(realm); err != nil {
		return DigestKey{}, err
	}
	sum := func(name, secret string) []byte {
		h := hash()
		h.Write([]byte(name + ":" + realm + ":" + secret))
		return h.Sum(nil)
	}
	key := DigestKey{Realm: realm, Algorithm: algorithm, HA1: sum(name, string(secret))}
	if n, s := latin1(name), latin1(string(secret)); n != name || s != string(secret) {
		key.Latin1 = sum(n, s)
	}
	return key, nil
}

// latin1 returns text in ISO 8859-1, or as it is when it is not UTF-8 or has a character beyond.
func latin1(text string) string {
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r > 0xff }) {
		return text
	}
	b := make([]byte, 0, len(text))
	for _, r := range text {
		b = append(b, byte(r))
	}
	return string(b)
}

// checkRealm refuses a realm that does not fit into a quoted string of a challenge.
func checkRealm(realm string) error {
	switch {
	case len(realm) > maxRealm:
		return fmt.Errorf("the realm is longer than %d bytes", maxRealm)
	case !utf8.ValidString(realm) || strings.ContainsFunc(realm, unicode.IsControl):
		return errors.New("the realm is not UTF-8 or contains a control character")
	}
	return nil
}
