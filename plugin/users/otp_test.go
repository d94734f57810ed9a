package users

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// RFC 2289, appendix C; the sha1 rows are folded as its appendix A has it.
func TestOTPVectors(t *testing.T) {
	for _, c := range []struct {
		algorithm, phrase, seed string
		want                    [3]string // numbers 0, 1 and 99
	}{
		{"md4", "This is a test.", "TeSt", [3]string{"D1854218EBBB0B51", "63473EF01CD0B444", "C5E612776E6C237A"}},
		{"md4", "AbCdEfGhIjK", "alpha1", [3]string{"50076F47EB1ADE4E", "65D20D1949B5F7AB", "D150C82CCE6F62D1"}},
		{"md4", "OTP's are good", "correct", [3]string{"849C79D4F6F55388", "8C0992FB250847B1", "3F3BF4B4145FD74B"}},
		{"md5", "This is a test.", "TeSt", [3]string{"9E876134D90499DD", "7965E05436F5029F", "50FE1962C4965880"}},
		{"md5", "AbCdEfGhIjK", "alpha1", [3]string{"87066DD9644BF206", "7CD34C1040ADD14B", "5AA37A81F212146C"}},
		{"md5", "OTP's are good", "correct", [3]string{"F205753943DE4CF9", "DDCDAC956F234937", "B203E28FA525BE47"}},
		{"sha1", "This is a test.", "TeSt", [3]string{"BB9E6AE1979D8FF4", "63D936639734385B", "87FEC7768B73CCF9"}},
		{"sha1", "AbCdEfGhIjK", "alpha1", [3]string{"AD85F658EBE383C9", "D07CE229B5CF119B", "27BC71035AAF3DC6"}},
		{"sha1", "OTP's are good", "correct", [3]string{"D51F3E99BF8E6F0B", "82AEB52D943774E4", "4F296A74FE1567EC"}},
	} {
		for i, n := range []int{0, 1, 99} {
			got, err := OTPStart(c.algorithm, c.seed, []byte(c.phrase), n)
			if text := strings.ToUpper(hex.EncodeToString(got)); err != nil || text != c.want[i] {
				t.Errorf("%s %s %d: %s, %v; want %s", c.algorithm, c.seed, n, text, err, c.want[i])
			}
			if n != 1 {
				continue
			}
			before, err := OTPStart(c.algorithm, c.seed, []byte(c.phrase), 0)
			if err != nil {
				t.Fatal(err)
			}
			if step, err := OTPStep(c.algorithm, before); err != nil || !bytes.Equal(step, got) {
				t.Errorf("%s %s: a step from 0 is %x, %v", c.algorithm, c.seed, step, err)
			}
		}
	}
	// RFC 2444, section 5: what the caller sends after "otp-md5 499 ke1234".
	if got, err := OTPStart("md5", "ke1234", []byte("This is a test."), 499); err != nil || hex.EncodeToString(got) != "5bf075d9959d036f" {
		t.Errorf("md5 499 ke1234: %x, %v", got, err)
	}
}

func TestOTPRefused(t *testing.T) {
	good := []byte("This is a test.")
	for _, seed := range []string{"", "A Seed", "Length_Okay", "LengthOfSeventeen", "s\u00e9ed"} {
		if _, err := OTPStart("md5", seed, good, 1); !errors.Is(err, ErrSeed) {
			t.Errorf("seed %q: %v", seed, err)
		}
	}
	for _, phrase := range []string{"", "Too_short", strings.Repeat("x", 64)} {
		if _, err := OTPStart("md5", "seed", []byte(phrase), 1); !errors.Is(err, ErrPassPhrase) {
			t.Errorf("pass phrase of %d bytes: %v", len(phrase), err)
		}
	}
	for _, n := range []int{-1, MaxOTPSequence + 1} {
		if _, err := OTPStart("md5", "seed", good, n); err == nil {
			t.Errorf("sequence number %d is allowed", n)
		}
	}
	if _, err := OTPStart("sha256", "seed", good, 1); err == nil {
		t.Error("an unknown algorithm is allowed")
	}
	if _, err := newOTP("md4", good); err == nil {
		t.Error("md4 is given out anew")
	}
}

func TestNewSeeds(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		seed, err := newSeed()
		if err != nil || len(seed) != 7 || !ValidSeed(seed) || seed != strings.ToLower(seed) {
			t.Fatalf("%q, %v", seed, err)
		}
		seen[seed] = true
	}
	if len(seen) < 90 {
		t.Errorf("100 seeds, %d different", len(seen))
	}
}
