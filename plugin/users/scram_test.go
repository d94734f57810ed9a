package users

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

// The keys of RFC 5802, section 5, and RFC 7677, section 3, for the password "pencil".
func TestSCRAMKeysOfTheRFCs(t *testing.T) {
	for _, c := range []struct{ mechanism, salt, stored, server string }{
		{"SCRAM-SHA-1", "QSXCR+Q6sek8bf92", "6dlGYMOdZcOPutkcNY8U2g7vK9Y=", "D+CSWLOshSulAsxiupA+qs2/fTE="},
		{
			"SCRAM-SHA-256", "W22ZaJ0SNY7soEsUEjb6gQ==",
			"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=", "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
		},
	} {
		salt, err := base64.StdEncoding.DecodeString(c.salt)
		if err != nil {
			t.Fatal(err)
		}
		k, err := SCRAMKeysFor(c.mechanism, []byte("pencil"), salt, 4096)
		if err != nil {
			t.Fatal(err)
		}
		stored, server := base64.StdEncoding.EncodeToString(k.StoredKey), base64.StdEncoding.EncodeToString(k.ServerKey)
		if stored != c.stored || server != c.server || k.Iterations != 4096 || !bytes.Equal(k.Salt, salt) {
			t.Errorf("%s: StoredKey %s ServerKey %s, want %s %s", c.mechanism, stored, server, c.stored, c.server)
		}
	}
	k, err := SCRAMKeysFor("SCRAM-SHA-512", []byte("pencil"), []byte("salt"), 4096)
	if err != nil || len(k.StoredKey) != 64 || len(k.ServerKey) != 64 {
		t.Errorf("SCRAM-SHA-512: %d and %d bytes, %v", len(k.StoredKey), len(k.ServerKey), err)
	}
}

// The examples of RFC 4013, section 3, as passwords.
func TestSCRAMPreparesThePassword(t *testing.T) {
	keys := func(secret string) []byte {
		t.Helper()
		k, err := SCRAMKeysFor("SCRAM-SHA-256", []byte(secret), []byte("salt"), 1)
		if err != nil {
			t.Fatalf("%q: %v", secret, err)
		}
		return k.StoredKey
	}
	for secret, same := range map[string]string{
		"I\u00adX": "IX", "\u00aa": "a", "\u2168": "IX", "pass\u00a0word": "pass word", "p\u00e4ss": "pa\u0308ss",
	} {
		if !bytes.Equal(keys(secret), keys(same)) {
			t.Errorf("%q and %q have different keys", secret, same)
		}
	}
	if bytes.Equal(keys("user"), keys("USER")) {
		t.Error("case does not count")
	}
	for name, secret := range map[string]string{
		"control": "sesa\x07me", "bidirectional": "\u06271", "unassigned": "sesame\u0221", "not UTF-8": "sesame\xff",
	} {
		_, err := SCRAMKeysFor("SCRAM-SHA-256", []byte(secret), []byte("salt"), 1)
		if err == nil || strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), "0221") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := SCRAMKeysFor("SCRAM-SHA-256", []byte("\u00ad"), []byte("salt"), 1); !errors.Is(err, ErrNoSecret) {
		t.Errorf("a password of nothing that counts: %v", err)
	}
	if _, err := SCRAMKeysFor("SCRAM-MD5", []byte("x"), []byte("salt"), 1); err == nil {
		t.Error("an unknown mechanism has keys")
	}
	if _, err := SCRAMKeysFor("SCRAM-SHA-1", []byte("x"), []byte("salt"), 0); err == nil {
		t.Error("0 iterations")
	}
}

func TestNewSCRAMKeysHaveSaltsOfTheirOwn(t *testing.T) {
	a, err := newSCRAMKeys("SCRAM-SHA-256", []byte("pencil"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := newSCRAMKeys("SCRAM-SHA-256", []byte("pencil"))
	if err != nil || len(a.Salt) != 16 || bytes.Equal(a.Salt, b.Salt) || bytes.Equal(a.StoredKey, b.StoredKey) {
		t.Errorf("%+v, %+v, %v", a, b, err)
	}
	if a.Iterations != SCRAMIterations || b.Iterations != SCRAMIterations {
		t.Errorf("%d and %d iterations", a.Iterations, b.Iterations)
	}
}
