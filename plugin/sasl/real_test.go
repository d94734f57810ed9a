package sasl

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"rashost/plugin"
	"rashost/plugin/sasl/exchange"
	"rashost/plugin/users"
)

// allOf enables every mechanism.
const allOf = "mechanisms: [SCRAM-SHA-512, SCRAM-SHA-256, SCRAM-SHA-1, OTP, DIGEST-MD5, CRAM-MD5, PLAIN, LOGIN, EXTERNAL]\n"

// Whom the file of realUsers has: alice and 5551234, a caller's number, with a secret for every mechanism, and dora, who is disabled.
const (
	secret     = "correct horse"
	passPhrase = "this is a test"
	number     = "5551234"
)

// realUsers makes a user file with what the options need.
func realUsers(t testing.TB, path, options string) {
	t.Helper()
	_, needs, err := Needs(decodeYAML("file: users.yaml\n" + options))
	if err != nil {
		t.Fatal(err)
	}
	file, err := users.NewFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"alice", "dora", number} {
		if err := file.Add(name, []byte(secret), needs); err != nil {
			t.Fatal(err)
		}
		if needs.OTP {
			if err := file.StartOTP(name, "md5", []byte(passPhrase)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := file.SetDisabled("dora", true); err != nil {
		t.Fatal(err)
	}
}

// realPlugin makes a plugin with real users, exchanges and hashes. It never slows down: that is tested elsewhere.
func realPlugin(t testing.TB, options string) (*Plugin, *logBuffer) {
	t.Helper()
	s, log := setup(t, options)
	realUsers(t, s.Resolve("users.yaml"), options)
	made, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := made.(*Plugin)
	p.attemptLog = patient{}
	return p, log
}

// patient lets nobody wait.
type patient struct{}

func (patient) Failed(string, string)              {}
func (patient) Succeeded(string, string)           {}
func (patient) Delay(string, string) time.Duration { return 0 }

// Every mechanism of the exchange can be enabled, and New finds what each needs.
func TestEveryMechanismStarts(t *testing.T) {
	p, _ := realPlugin(t, allOf)
	if len(p.options.Mechanisms) != len(exchange.Mechanisms()) {
		t.Fatalf("the exchange has %v", exchange.Mechanisms())
	}
	for _, m := range p.options.Mechanisms {
		x, err := p.newExchange(plugin.Call{Line: "modem1", CallerID: number, Trusted: true}, "pop", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, code, detail := x.Start(t.Context(), m, nil); code != exchange.SASL_CONTINUE {
			t.Errorf("%s starts with %v: %s", m, code, detail)
		}
		x.Close()
	}
}

// New writes nothing, since `rashost check` makes plugins as well; the key for unknown users is made by the first login, and a folder
// that can't take it is a fault of the moment.
func TestNewWritesNothing(t *testing.T) {
	s, _ := setup(t, allOf)
	s.LockoutDenials = 3
	if _, err := New(s); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(s.StateDir); err != nil || len(entries) != 0 {
		t.Errorf("%v, %v", entries, err)
	}
	p, _ := realPlugin(t, "")
	missing := filepath.Join(t.TempDir(), "missing")
	fake := fakeKey{dir: missing}
	if key, err := fake.get(); err == nil {
		t.Fatalf("a key without a folder: %x", key)
	}
	if err := os.Mkdir(missing, 0o700); err != nil {
		t.Fatal(err)
	}
	key, err := fake.get()
	if again, _ := fake.get(); err != nil || len(key) == 0 || string(again) != string(key) {
		t.Errorf("%x, then %x, %v", key, again, err)
	}
	if x, err := p.newExchange(plugin.Call{}, "pop", nil); err != nil || x == nil {
		t.Errorf("%v", err)
	}
}
