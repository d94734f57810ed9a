// Package users is the user file: what is kept of each user to check them by password, by SASL mechanism or by Digest, how it is read
// while the host runs, and how it is changed.
package users

import "time"

// Account is one user as the file describes them. Whoever gets one only reads it.
type Account struct {
	// Name is spelled as it was added; names compare without ASCII case.
	Name string
	// Disabled users are refused like unknown ones.
	Disabled bool
	// Hash is the password's hash in crypt(5) form, for plugin password and for PLAIN and LOGIN; "" when none is kept.
	Hash string
	// SCRAM holds the keys by mechanism: "SCRAM-SHA-256", "SCRAM-SHA-1", "SCRAM-SHA-512".
	SCRAM map[string]SCRAMKeys
	// Digest holds the keys of HTTP Digest and DIGEST-MD5, one for each realm and algorithm.
	Digest []DigestKey
	// Secret is the password itself, kept only where CRAM-MD5 was enabled; "" otherwise.
	Secret string
	// OTP is the state of one-time passwords (RFC 2289), nil when the user has none.
	OTP *OTP
	// Created and Changed are zero when the file does not say.
	Created, Changed time.Time
}

// SCRAMKeys are the verifiers of RFC 5802, section 3.
type SCRAMKeys struct {
	Iterations                 int
	Salt, StoredKey, ServerKey []byte
}

// DigestKey is H(user ":" realm ":" password) (RFC 7616, section 3.4.2; RFC 2831, section 2.1.2.1).
type DigestKey struct {
	// Realm is as the server sends it. Algorithm is "MD5" or "SHA-256".
	Realm, Algorithm string
	// HA1 is over UTF-8. Latin1 is over ISO 8859-1, nil when name and password are ASCII or have no such form.
	HA1, Latin1 []byte
}

// OTP is the state of one user's one-time passwords (RFC 2289; RFC 2444).
type OTP struct {
	// Algorithm is "md5" or "sha1"; "md4" is read and not given out anew.
	Algorithm string
	// Seed is 1 to 16 letters and digits. Sequence is the number of the last one-time password that was accepted; the next login
	// proves Sequence-1.
	Seed     string
	Sequence int
	// Last is that one-time password, 8 bytes.
	Last []byte
}
