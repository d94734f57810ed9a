package password

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golang.org/x/sync/semaphore"
	"gopkg.in/yaml.v3"

	"rashost/plugin"
)

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
		if err != nil || !ok || user.Name != "Alice" {
			t.Fatalf("login: %+v, %v, %v", user, ok, err)
		}
	}
	if _, ok, _ := p.check(t.Context(), "alice", []byte("wrong"), "modem1"); ok {
		t.Fatal("a wrong password was accepted")
	}
	if users, _ := p.file.List(); users[0].Kind != "bcrypt" {
		t.Error("a wrong password led to a rehash")
	}
	login()
	users, err := p.file.List()
	if err != nil || users[0].Kind != "argon2id" || users[0].Mark != "" || users[0].Name != "Alice" {
		t.Errorf("after the login: %+v, %v", users, err)
	}
	login()
	if n := strings.Count(log.String(), "password rehashed"); n != 1 {
		t.Errorf("%d rehashes: %s", n, log)
	}
}

func TestRehashThatFailsLetsTheUserIn(t *testing.T) {
	path := writeUsers(t, oneUser("Alice", cheapHash))
	s, log := setup(t, path)
	p := mustPlugin(t, s)
	if err := os.Mkdir(path+".new", 0o700); err != nil { // nobody can write there, not even root
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new/x", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := p.check(t.Context(), "alice", []byte("correct horse"), "modem1"); !ok || err != nil {
		t.Errorf("login: %v, %v", ok, err)
	}
	if !strings.Contains(log.String(), "password not rehashed") {
		t.Errorf("log: %s", log)
	}
	if users, err := p.file.List(); err != nil || users[0].Mark != "rehash at next login: bcrypt" {
		t.Errorf("%+v, %v", users, err)
	}
}

// A rehash does not undo a password that was changed while the login ran.
func TestRehashLosesAgainstPasswd(t *testing.T) {
	f := mustFile(t, writeUsers(t, oneUser("alice", cheapHash)))
	if err := f.Passwd("alice", []byte("new secret")); err != nil {
		t.Fatal(err)
	}
	if err := f.rehash(t.Context(), "alice", cheapHash, glibcHashes["yescrypt"]); err != nil {
		t.Fatal(err)
	}
	if ok, err := f.Verify("alice", []byte("new secret")); !ok || err != nil {
		t.Errorf("the new password: %v, %v", ok, err)
	}
}

func TestReload(t *testing.T) {
	path := writeUsers(t, oneUser("alice", cheapHash))
	s, log := setup(t, path)
	p := mustPlugin(t, s)
	known := func(want bool, names ...string) {
		t.Helper()
		for _, name := range names {
			if _, got := p.users.find(name); got != want {
				t.Errorf("%s is known: %v, want %v", name, got, want)
			}
		}
	}
	known(true, "alice")
	replaceUsers(t, path, oneUser("bob", cheapHash))
	known(true, "bob")
	known(false, "alice")
	replaceUsers(t, path, oneUser("carol", "broken"))
	known(true, "bob")
	known(false, "carol")
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), "line 4: hash") {
		t.Errorf("the broken file was reported %d times: %s", n, log)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	known(false, "bob", "alice")
	known(false, "bob")
	if n := strings.Count(log.String(), "user file is missing"); n != 1 {
		t.Errorf("the missing file was reported %d times", n)
	}
	replaceUsers(t, path, oneUser("dave", cheapHash))
	known(true, "dave")
}

func TestKnownUser(t *testing.T) {
	s, _ := setup(t, writeUsers(t, oneUser("Alice", cheapHash)))
	p := mustPlugin(t, s)
	if !p.KnownUser("aLiCe") || p.KnownUser("hunter2") || p.KnownUser("") {
		t.Error("wrong answers")
	}
	// Case folds in ASCII only: the Kelvin sign is no k.
	if fold("AZaz\u212a") != "azaz\u212a" {
		t.Error("fold goes beyond ASCII")
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
		"broken file": {func(s *plugin.Setup) { replaceUsers(t, s.Resolve("users.yaml"), "version: 7\n") }, "line 1: version must be 1"},
		"state": {func(s *plugin.Setup) {
			s.LockoutDenials = 1
			if err := os.WriteFile(LockoutPath(s.StateDir, "staff"), []byte("?"), 0o600); err != nil {
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
	s, log := setup(t, filepath.Join(t.TempDir(), "users.yaml"))
	p := mustPlugin(t, s)
	if !strings.Contains(log.String(), "rashost user add") {
		t.Errorf("log: %s", log)
	}
	if _, ok, err := p.check(t.Context(), "alice", []byte("correct horse"), "modem1"); ok || err != nil {
		t.Errorf("login: %v, %v", ok, err)
	}
	if err := p.file.Add("alice", []byte("correct horse")); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := p.check(t.Context(), "alice", []byte("correct horse"), "modem1"); !ok || err != nil {
		t.Errorf("login after user add: %v, %v", ok, err)
	}
}

// blocking is a hash that waits to be let go and counts how many run.
type blocking struct {
	running, most, total atomic.Int32
	release              chan struct{}
}

func (b *blocking) MatchBytes([]byte) bool {
	n := b.running.Add(1)
	for most := b.most.Load(); n > most && !b.most.CompareAndSwap(most, n); most = b.most.Load() {
	}
	<-b.release
	b.running.Add(-1)
	b.total.Add(1)
	return false
}

func TestHashesAreBoundedAndFair(t *testing.T) {
	path := writeUsers(t, "version: 1\nusers: []\n")
	s, _ := setup(t, path)
	p := mustPlugin(t, s)
	synctest.Test(t, func(t *testing.T) {
		const cores, callers = 2, 256
		p.gate = semaphore.NewWeighted(cores)
		hash := &blocking{release: make(chan struct{})}
		p.nobody = hash
		order := make(chan int, callers)
		for i := range callers {
			go func() {
				if _, _, err := p.check(t.Context(), "mallory", []byte("x"), fmt.Sprint("modem", i)); err != nil {
					t.Error(err)
				}
				order <- i
			}()
			synctest.Wait() // so that they queue one after the other
		}
		for done := range callers {
			if n := hash.running.Load(); n > cores {
				t.Fatalf("%d hashes run at once", n)
			}
			hash.release <- struct{}{}
			synctest.Wait()
			if i := <-order; i > done+1 {
				t.Errorf("caller %d was served as number %d", i, done)
			}
		}
		if hash.most.Load() != cores || hash.total.Load() != callers {
			t.Errorf("at most %d at once, %d in all", hash.most.Load(), hash.total.Load())
		}
	})
}

// A hash that matches does not help when the rules for passwords forbid the password.
func TestRulesForPasswordsHoldAtLogin(t *testing.T) {
	longest := strings.Repeat("x", MaxSecret)
	s, _ := setup(t, writeUsers(t, "version: 1\nusers: []\n"))
	p := mustPlugin(t, s)
	users := map[string]account{}
	for name, secret := range map[string]string{"empty": "", "long": longest, "longer": longest + "x"} {
		hash, err := p.hashes.make([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := p.hashes.parse(hash)
		if err != nil {
			t.Fatal(err)
		}
		users[name] = account{Name: name, Hash: hash, parsed: parsed}
	}
	p.users.users.Store(&users)
	for _, c := range []struct {
		name, secret string
		want         bool
	}{{"empty", "", false}, {"long", longest, true}, {"long", longest + "x", false}, {"longer", longest + "x", false}} {
		if _, ok, err := p.check(t.Context(), c.name, []byte(c.secret), "modem1"); ok != c.want || err != nil {
			t.Errorf("%s with %d bytes: %v, %v", c.name, len(c.secret), ok, err)
		}
	}
}
