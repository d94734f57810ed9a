package users

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"unicode/utf8"

	"github.com/xdg-go/stringprep"
)

// SCRAMIterations is the iteration count of every user's new keys. It is one number for all, because a server tells it to whoever
// claims a name: an odd one would show that the name exists (docs/adr/0012-one-user-file.md).
const SCRAMIterations = 15_000

// The least and the most that is accepted: RFC 7677, section 4, and what a caller's machine computes in seconds.
const (
	minSCRAMIterations = 4096
	maxSCRAMIterations = 1_000_000
	minSCRAMSalt       = 8 // bytes
	maxSCRAMSalt       = 64
	newSCRAMSalt       = 16
)

// scramHash returns the hash of a mechanism, nil for one that is unknown.
func scramHash(mechanism string) func() hash.Hash {
	switch mechanism {
	case "SCRAM-SHA-1":
		return sha1.New
	case "SCRAM-SHA-256":
		return sha256.New
	case "SCRAM-SHA-512":
		return sha512.New
	default:
		return nil
	}
}

// SCRAMKeysFor makes the verifiers of a password (RFC 5802, section 3; RFC 7677): mechanism is "SCRAM-SHA-1", "SCRAM-SHA-256" or
// "SCRAM-SHA-512", secret is UTF-8 and is prepared with SASLprep as a stored string (RFC 4013). Errors: an unknown mechanism, a
// secret that can't be prepared, iterations below 1.
func SCRAMKeysFor(mechanism string, secret, salt []byte, iterations int) (SCRAMKeys, error) {
	hash := scramHash(mechanism)
	if hash == nil {
		return SCRAMKeys{}, fmt.Errorf("%q is no SCRAM mechanism that is known", clip(mechanism))
	}
	if !utf8.Valid(secret) {
		return SCRAMKeys{}, fmt.Errorf("%s needs a password in UTF-8", mechanism)
	}
	prepared, err := stringprep.SASLprep.Prepare(string(secret))
	if err != nil {
		// The library's text names the character, which is part of the password.
		return SCRAMKeys{}, fmt.Errorf("%s does not allow a character of the password, or its order (RFC 4013)", mechanism)
	}
	if prepared == "" {
		return SCRAMKeys{}, ErrNoSecret
	}
	if iterations < 1 {
		return SCRAMKeys{}, errors.New("SCRAM: iterations must be at least 1")
	}
	salted, err := pbkdf2.Key(hash, prepared, salt, iterations, hash().Size())
	if err != nil {
		return SCRAMKeys{}, fmt.Errorf("%s: %w", mechanism, err)
	}
	defer clear(salted)
	mac := func(text string) []byte {
		m := hmac.New(hash, salted)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	stored := hash()
	stored.Write(mac("Client Key"))
	return SCRAMKeys{Iterations: iterations, Salt: salt, StoredKey: stored.Sum(nil), ServerKey: mac("Server Key")}, nil
}

// newSCRAMKeys makes the verifiers with a new salt.
func newSCRAMKeys(mechanism string, secret []byte) (SCRAMKeys, error) {
	salt := make([]byte, newSCRAMSalt)
	_, _ = rand.Read(salt) // it never fails
	return SCRAMKeysFor(mechanism, secret, salt, SCRAMIterations)
}
