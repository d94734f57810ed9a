package password

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"rashost/plugin"
	"rashost/plugin/users"
)

// hashOf reads a user's hash from a file.
func hashOf(t *testing.T, path, name string) string {
	t.Helper()
	s, err := users.OpenStore(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, ok, err := s.Lookup(t.Context(), name)
	if !ok || err != nil {
		t.Fatalf("%s: %v, %v", name, ok, err)
	}
	return a.Hash
}

func TestRehashAtLogin(t *testing.T) {
	path := writeUsers(t, oneUser("Alice", cheapHash))
	s, log := setup(t, path)
	made, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	p := made.(*Plugin)
	login := func() {
		t.Helper()
		user, ok, err := p.check(t.Context(), "alice", []byte("correct horse"), "modem1")
		if err != nil || !ok || user != "Alice" {
			t.Fatalf("login: %q, %v, %v", user, ok, err)
		}
	}
	if _, ok, _ := p.check(t.Context(), "alice", []byte("wrong"), "modem1"); ok {
		t.Fatal("a wrong password was accepted")
	}
	if hashOf(t, path, "alice") != cheapHash {
		t.Error("a wrong password led to a rehash")
	}
	login()
	if hash := hashOf(t, path, "alice"); !strings.HasPrefix(hash, "$argon2id$") {
		t.Errorf("after the login: %s", hash)
	}
	login()
	if n := strings.Count(log.String(), "password rehashed"); n != 1 || !strings.Contains(log.String(), "from=bcrypt") {
		t.Errorf("%d rehashes: %s", n, log)
	}
}

func TestRehashThatFailsLetsTheUserIn(t *testing.T) {
	path := writeUsers(t, oneUser("Alice", cheapHash))
	s, log := setup(t, path)
	made, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path+".lock", 0o700); err != nil { // nobody can lock that, not even root
		t.Fatal(err)
	}
	if _, ok, err := made.(*Plugin).check(t.Context(), "alice", []byte("correct horse"), "modem1"); !ok || err != nil {
		t.Errorf("login: %v, %v", ok, err)
	}
	if !strings.Contains(log.String(), "password not rehashed") {
		t.Errorf("log: %s", log)
	}
	if hashOf(t, path, "alice") != cheapHash {
		t.Error("the hash was changed")
	}
}

func TestKnownUser(t *testing.T) {
	s, _ := setup(t, writeUsers(t, oneUser("Alice", cheapHash)))
	p, _ := mustPlugin(t, s)
	if !p.KnownUser("aLiCe") || p.KnownUser("hunter2") || p.KnownUser("") {
		t.Error("wrong answers")
	}
}

func TestNeeds(t *testing.T) {
	s, _ := setup(t, "users.yaml")
	file, v, err := Needs(s.Decode)
	if file != "users.yaml" || !reflect.DeepEqual(v, users.Verifiers{Hash: true}) || err != nil {
		t.Errorf("%q, %+v, %v", file, v, err)
	}
	if _, _, err := Needs(func(any) error { return os.ErrInvalid }); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(s *plugin.Setup)
		want string
	}{
		"no file":          {func(s *plugin.Setup) { s.Decode = func(any) error { return nil } }, "file is missing"},
		"options":          {func(s *plugin.Setup) { s.Decode = func(any) error { return os.ErrInvalid } }, "options: invalid argument"},
		"attempts":         {func(s *plugin.Setup) { s.Attempts = -1 }, "attempts is -1"},
		"too many":         {func(s *plugin.Setup) { s.Attempts = 101 }, "attempts is 101"},
		"denials":          {func(s *plugin.Setup) { s.LockoutDenials = -1 }, "lockout"},
		"escape in banner": {func(s *plugin.Setup) { s.Banner = "+++ATH" }, "banner contains +++"},
		"control":          {func(s *plugin.Setup) { s.Banner = "\x1b[2J" }, "banner contains a control character"},
		"long prompt": {func(s *plugin.Setup) {
			s.Decode = func(into any) error {
				return yaml.Unmarshal([]byte("{file: x, login: "+strings.Repeat("x", 300)+"}"), into)
			}
		}, "options: login is longer"},
		"broken file": {func(s *plugin.Setup) {
			path := writeUsers(t, "version: 7\n")
			s.Resolve = func(string) string { return path }
		}, "line 1: version must be 1"},
		"state": {func(s *plugin.Setup) {
			s.LockoutDenials = 1
			if err := os.WriteFile(users.LockoutPath(s.StateDir, "staff"), []byte("?"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := setup(t, writeUsers(t, oneUser("alice", cheapHash)))
			c.edit(&s)
			if p, err := New(s); p != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, %v; want %q", p, err, c.want)
			}
		})
	}
}

func TestMissingFileLetsNobodyIn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yaml")
	s, log := setup(t, path)
	p, _ := mustPlugin(t, s)
	if !strings.Contains(log.String(), "rashost user add") {
		t.Errorf("log: %s", log)
	}
	if _, ok, err := p.check(t.Context(), "alice", []byte("correct horse"), "modem1"); ok || err != nil {
		t.Errorf("login: %v, %v", ok, err)
	}
	f, err := users.NewFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Add("alice", []byte("correct horse"), users.Verifiers{}); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := p.check(t.Context(), "alice", []byte("correct horse"), "modem1"); !ok || err != nil {
		t.Errorf("login after user add: %v, %v", ok, err)
	}
}
