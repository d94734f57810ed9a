package client

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

// vector is a published exchange. The nonces of the RFCs are no base64, so a test sets the mechanism's own.
type vector struct {
	name, nonce, serverFirst, clientFinal, serverFinal string
}

// vectors are RFC 5802, section 5, and RFC 7677, section 3: user "user", password "pencil".
func vectors() []vector {
	return []vector{
		{
			SCRAMSHA1, "fyko+d2lbbFgONRv9qkxdawL", "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
			"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
		},
		{
			SCRAMSHA256, "rOprNGfwEbeRWgbNEkqO", "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
			"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
		},
	}
}

// mechanism makes the vector's client.
func (v vector) mechanism(t testing.TB) *scram {
	t.Helper()
	m, err := New(v.name, Credentials{"user", []byte("pencil")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := m.(*scram)
	s.nonce, s.bare = v.nonce, "n=user,r="+v.nonce
	return s
}

func TestVectors(t *testing.T) {
	for _, v := range vectors() {
		t.Run(v.name, func(t *testing.T) {
			m := v.mechanism(t)
			first, err := m.Start()
			if want := "n,,n=user,r=" + v.nonce; err != nil || string(first) != want {
				t.Fatalf("first %q, %v, want %q", first, err, want)
			}
			final, err := m.Next([]byte(v.serverFirst))
			if err != nil || string(final) != v.clientFinal {
				t.Fatalf("final %q, %v, want %q", final, err, v.clientFinal)
			}
			if err := m.Finish(); !errors.Is(err, ErrImpostor) {
				t.Errorf("success before the proof: %v", err)
			}
			last, err := m.Next([]byte(v.serverFinal))
			if err != nil || last == nil || len(last) != 0 {
				t.Errorf("answer to the proof %q, %v, want an empty one", last, err)
			}
			if err := m.Finish(); err != nil {
				t.Errorf("after the proof: %v", err)
			}
			if _, err := m.Next([]byte(v.serverFinal)); !errors.Is(err, ErrProtocol) {
				t.Errorf("one challenge more: %v", err)
			}
			if err := m.Finish(); err == nil {
				t.Error("success after a challenge too many")
			}
		})
	}
}

// TestServerFirst: what a server may not say first.
func TestServerFirst(t *testing.T) {
	v := vectors()[1]
	for _, tc := range []struct{ name, message string }{
		{"empty", ""},
		{"another nonce", strings.Replace(v.serverFirst, "r=rOpr", "r=xOpr", 1)},
		{"our nonce alone", "r=" + v.nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"},
		{"nonce cut", "r=" + v.nonce[:10] + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"},
		{"control character in the nonce", "r=" + v.nonce + "\x01x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"},
		{"long nonce", "r=" + v.nonce + strings.Repeat("x", maxNonce) + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"},
		{"salt not base64", "r=" + v.nonce + "x,s=W22ZaJ0SNY7soEsUEjb6gQ=,i=4096"},
		{"no salt", "r=" + v.nonce + "x,s=,i=4096"},
		{"long salt", "r=" + v.nonce + "x,s=" + base64.StdEncoding.EncodeToString(make([]byte, maxSalt+1)) + ",i=4096"},
		{"order", "s=W22ZaJ0SNY7soEsUEjb6gQ==,r=" + v.nonce + "x,i=4096"},
		{"no count", "r=" + v.nonce + "x,s=W22ZaJ0SNY7soEsUEjb6gQ=="},
		{"count 4095", "r=" + v.nonce + "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095"},
		{"count 1", "r=" + v.nonce + "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1"},
		{"count 0", "r=" + v.nonce + "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0"},
		{"negative count", "r=" + v.nonce + "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-4096"},
		{"signed count", "r=" + v.nonce + "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=+4096"},
		{"huge count", "r=" + v.nonce + "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1000001"},
		{"overflow", "r=" + v.nonce + "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999999999999999"},
		{"no number", "r=" + v.nonce + "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=many"},
		{"mandatory extension", "m=x," + v.serverFirst},
		{"proof at once", v.serverFinal},
		{"too long", v.serverFirst + "," + strings.Repeat("x", maxMessage)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := v.mechanism(t)
			_, _ = m.Start()
			if final, err := m.Next([]byte(tc.message)); !errors.Is(err, ErrProtocol) || final != nil {
				t.Errorf("got %q, %v", final, err)
			}
			if _, err := m.Next([]byte(v.serverFirst)); err == nil {
				t.Error("the exchange went on after a fault")
			}
		})
	}
	m := v.mechanism(t)
	_, _ = m.Start()
	if _, err := m.Next([]byte(v.serverFirst + ",x=unknown")); err != nil {
		t.Errorf("an extension that may be ignored: %v", err)
	}
}

// TestServerFinal: what is no proof.
func TestServerFinal(t *testing.T) {
	v := vectors()[1]
	for _, tc := range []struct {
		name, message string
		want          error
	}{
		{"another signature", "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", ErrImpostor},
		{"of another hash", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", ErrImpostor},
		{"empty signature", "v=", ErrImpostor},
		{"not base64", "v=!", ErrImpostor},
		{"no signature", "", ErrProtocol},
		{"first message again", v.serverFirst, ErrProtocol},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := v.mechanism(t)
			_, _ = m.Start()
			if _, err := m.Next([]byte(v.serverFirst)); err != nil {
				t.Fatal(err)
			}
			if _, err := m.Next([]byte(tc.message)); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
			if err := m.Finish(); !errors.Is(err, ErrImpostor) {
				t.Errorf("success all the same: %v", err)
			}
		})
	}
	m := v.mechanism(t)
	_, _ = m.Start()
	_, _ = m.Next([]byte(v.serverFirst))
	if _, err := m.Next([]byte("e=invalid-proof")); !isRefused(err, "the login") {
		t.Errorf("the server's error: %v", err)
	}
}

func isRefused(err error, what string) bool {
	refused, ok := errors.AsType[*RefusedError](err)
	return ok && refused.What == what
}

// TestPreparation: SASLprep, and the characters of a name that SCRAM escapes.
func TestPreparation(t *testing.T) {
	for _, tc := range []struct{ user, secret, bare, password string }{
		{"user", "pencil", "n=user,", "pencil"},
		{"a=b,c", "x", "n=a=3Db=2Cc,", "x"},
		{"I\u00adX", "\u2168", "n=IX,", "IX"}, // RFC 4013, section 3: the soft hyphen goes, the Roman numeral nine is two letters
		{"\u00aa", "a\u00a0b", "n=a,", "a b"},
	} {
		m, err := New(SCRAMSHA256, Credentials{tc.user, []byte(tc.secret)}, nil)
		if err != nil {
			t.Errorf("%q: %v", tc.user, err)
			continue
		}
		if s := m.(*scram); !strings.HasPrefix(s.bare, tc.bare) || s.password != tc.password {
			t.Errorf("%q, %q: %q, %q", tc.user, tc.secret, s.bare, s.password)
		}
	}
	for _, c := range []Credentials{
		{"", []byte("x")}, {"user", nil}, {"us\x07er", []byte("x")}, {"user", []byte("topsecret\x07")}, {"user", []byte("\xff\xfe")},
		{"\u06271", []byte("x")}, {"user", []byte("\u00ad")}, {strings.Repeat("x", maxCredential+1), []byte("x")},
	} {
		_, err := New(SCRAMSHA256, c, nil)
		if !errors.Is(err, ErrCredentials) || strings.Contains(err.Error(), "topsecret") || strings.Contains(err.Error(), "0007") {
			t.Errorf("%q: %v", c.User, err)
		}
	}
}

func TestNonces(t *testing.T) {
	nonce := func(random []byte) (string, error) {
		m, err := New("scram-sha-256", Credentials{"user", []byte("pencil")}, bytes.NewReader(random))
		if err != nil {
			return "", err
		}
		return m.(*scram).nonce, nil
	}
	if n, err := nonce(make([]byte, nonceBytes)); err != nil || n != strings.Repeat("A", 32) || !printable(n) {
		t.Errorf("nonce %q, %v", n, err)
	}
	if _, err := nonce(make([]byte, nonceBytes-1)); err == nil {
		t.Error("a nonce of too little randomness")
	}
	a, b := vectors()[1].mechanism(t), vectors()[1].mechanism(t)
	if m, _ := New(SCRAMSHA256, Credentials{"user", []byte("pencil")}, nil); m.(*scram).nonce == a.nonce || a == b {
		t.Error("a nonce came twice")
	}
}

func TestPlain(t *testing.T) {
	m, err := New("plain", Credentials{"tim", []byte("tanstaaftanstaaf")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	message, err := m.Start()
	if err != nil || string(message) != "\x00tim\x00tanstaaftanstaaf" { // RFC 4616, section 4
		t.Errorf("message %q, %v", message, err)
	}
	if err := m.Finish(); err != nil || string(message) != strings.Repeat("\x00", len(message)) {
		t.Errorf("after the end: %q, %v", message, err)
	}
	if _, err := m.Next(nil); !errors.Is(err, ErrProtocol) {
		t.Errorf("a challenge: %v", err)
	}
	for _, c := range []Credentials{{"a\x00b", []byte("x")}, {"a", []byte("x\x00y")}, {"\xff", []byte("x")}, {"a", []byte("\xff")}} {
		if _, err := New(PLAIN, c, nil); !errors.Is(err, ErrCredentials) {
			t.Errorf("%q: %v", c.User, err)
		}
	}
	if _, err := New("LOGIN", Credentials{"a", []byte("b")}, nil); err == nil || !strings.Contains(err.Error(), SCRAMSHA256) {
		t.Errorf("an unknown mechanism: %v", err)
	}
}

// FuzzSCRAM: no server that does not know the password gets through, whatever it says in both messages.
func FuzzSCRAM(f *testing.F) {
	for _, v := range vectors() {
		f.Add(v.serverFirst, "v=")
		f.Add("r="+v.nonce+"x,s=AA==,i=4096", v.serverFinal)
	}
	f.Add("m=1", "e=other-error")
	f.Add("r=,s=,i=", "v=\x00")
	f.Fuzz(func(t *testing.T, first, second string) {
		v := vectors()[0]
		m := v.mechanism(t)
		m.password = "not pencil" // so that the published signature proves nothing
		_, _ = m.Start()
		if count := strings.Index(first, "i="); count >= 0 && !strings.HasPrefix(first[count:], "i=4096") {
			t.Skip("only the first count is cheap enough")
		}
		_, _ = m.Next([]byte(first))
		_, _ = m.Next([]byte(second))
		if err := m.Finish(); !errors.Is(err, ErrImpostor) {
			t.Errorf("%q, %q: let in with %v", first, second, err)
		}
	})
}
