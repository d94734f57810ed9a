package password

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-crypt/crypt/algorithm/argon2"
	"go.uber.org/goleak"
	"golang.org/x/sync/semaphore"
	"gopkg.in/yaml.v3"

	"rashost/dialog"
	"rashost/plugin"
	"rashost/plugin/plugintest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logBuffer takes log lines from any goroutine.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// setup is what a configuration gives the plugin for the user file at path.
func setup(t testing.TB, path string) (plugin.Setup, *logBuffer) {
	log := new(logBuffer)
	return plugin.Setup{
		Dialog:   "staff",
		Decode:   func(into any) error { return yaml.Unmarshal([]byte("file: users.yaml"), into) },
		Resolve:  func(name string) string { return filepath.Join(filepath.Dir(path), name) },
		StateDir: t.TempDir(),
		Timeout:  120,
		Log:      slog.New(slog.NewTextHandler(log, nil)),
	}, log
}

// mustPlugin makes a plugin whose own hashes cost next to nothing. How they are used is tested, not what they cost.
func mustPlugin(t testing.TB, s plugin.Setup) *Plugin {
	t.Helper()
	h := mustHashes(t)
	cheap, err := argon2.New(argon2.WithVariant(argon2.VariantID), argon2.WithM(64), argon2.WithT(1), argon2.WithP(1))
	if err != nil {
		t.Fatal(err)
	}
	h.hasher = cheap
	p, err := newPlugin(s, semaphore.NewWeighted(1), h)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// quick makes the hash of a file's users count as the default, so that they are not rehashed.
func quick(p *Plugin) *Plugin {
	for name, u := range *p.users.users.Load() {
		u.parsed.current = true
		(*p.users.users.Load())[name] = u
	}
	return p
}

// call is a call inside a synctest bubble: the caller's end of the line.
type call struct {
	t    *testing.T
	conn net.Conn
	mu   sync.Mutex
	out  bytes.Buffer
	done chan dialog.Outcome
	hang context.CancelFunc
}

// dial starts a dialog with p.
func dial(t *testing.T, host *dialog.Host, p plugin.Plugin, line string, timeout time.Duration) *call {
	caller, lineEnd := net.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	c := &call{t: t, conn: caller, done: make(chan dialog.Outcome, 1), hang: cancel}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := caller.Read(buf)
			c.mu.Lock()
			c.out.Write(buf[:n])
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	go func() {
		c.done <- host.Run(ctx, lineEnd, p, dialog.Options{Timeout: timeout, Call: plugin.Call{ID: "1", Line: line}})
		cancel()
		_ = lineEnd.Close()
		_ = caller.Close()
	}()
	return c
}

// say types text once the plugin waits.
func (c *call) say(text string) {
	c.t.Helper()
	synctest.Wait()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Errorf("typing %q: %v", text, err)
	}
	synctest.Wait()
}

// heard returns what has come since the last time.
func (c *call) heard() string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	text := c.out.String()
	c.out.Reset()
	return text
}

// expect checks what has come since the last time.
func (c *call) expect(want string) {
	c.t.Helper()
	if got := c.heard(); got != want {
		c.t.Errorf("caller sees %q, want %q", got, want)
	}
}

// ends checks the outcome.
func (c *call) ends(verdict plugin.Verdict, user string) dialog.Outcome {
	c.t.Helper()
	out := <-c.done
	if out.Verdict != verdict || out.User != user {
		c.t.Errorf("outcome %v, %q, %v; want %v, %q", out.Verdict, out.User, out.Ended, verdict, user)
	}
	return out
}

// bubble runs f with a plugin on a file with the user Alice, whose password is "correct horse".
func bubble(t *testing.T, edit func(s *plugin.Setup), f func(t *testing.T, p *Plugin, log *logBuffer, host *dialog.Host)) {
	path := writeUsers(t, oneUser("Alice", cheapHash))
	s, log := setup(t, path)
	if edit != nil {
		edit(&s)
	}
	p := quick(mustPlugin(t, s))
	synctest.Test(t, func(t *testing.T) {
		p.gate = semaphore.NewWeighted(1) // belongs to the bubble
		host := dialog.New(nil)
		f(t, p, log, host)
		if err := host.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestGoodLogin(t *testing.T) {
	bubble(t, func(s *plugin.Setup) { s.Banner = "Authorised\nuse only." }, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
		c := dial(t, host, p, "modem1", 0)
		c.expect("Authorised\r\nuse only.\r\nlogin: ")
		c.say("aLICE\r")
		c.expect("aLICE\r\nPassword: ")
		c.say("correct horse\rls\r")
		out := c.ends(plugin.Success, "Alice") // as stored
		c.expect("\r\n")
		if string(out.Unread) != "ls\r" || !out.Granted() {
			t.Errorf("%+v", out)
		}
	})
}

// Whatever is wrong, the caller sees the same.
func TestRefusalsLookAlike(t *testing.T) {
	for name, c := range map[string]struct{ name, secret, user string }{
		"wrong password":        {"alice", "battery staple", "alice"},
		"unknown name":          {"mallory", "correct horse", "mallory"},
		"disabled":              {"bob", "correct horse", "bob"},
		"leading dash":          {"-froot", "correct horse", ""},
		"leading space":         {" alice", "correct horse", ""},
		"not a name":            {"alice;reboot", "correct horse", ""},
		"too long a name":       {strings.Repeat("a", 65), "correct horse", ""},
		"empty password":        {"alice", "", "alice"},
		"password and more":     {"alice", "correct horse" + strings.Repeat("x", 300), "alice"},
		"unknown, odd password": {"mallory", strings.Repeat("x", 128), "mallory"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(s *plugin.Setup) {
				s.Attempts = 2
				replaceUsers(t, s.Resolve("users.yaml"), oneUser("Alice", cheapHash)+"  - {name: bob, hash: "+cheapHash+", disabled: true}\n")
			}, func(t *testing.T, p *Plugin, log *logBuffer, host *dialog.Host) {
				var hashed atomic.Int32
				count(p, &hashed)
				call := dial(t, host, p, "modem1", 0)
				for range 2 {
					call.expect("login: ")
					call.say(c.name + "\r")
					call.expect(c.name + "\r\nPassword: ")
					call.say(c.secret + "\r")
					bell := strings.Repeat("\a", min(1, len(c.secret)/(MaxSecret+2)))
					if got := call.heard(); !strings.HasPrefix(got, bell+"\r\nAccess denied.\r\n") {
						t.Errorf("caller sees %q", got)
					} else {
						call.mu.Lock()
						call.out.WriteString(strings.TrimPrefix(got, bell+"\r\nAccess denied.\r\n"))
						call.mu.Unlock()
					}
				}
				call.ends(plugin.Failure, c.user)
				if hashed.Load() != 2 {
					t.Errorf("%d hashes were computed for 2 tries", hashed.Load())
				}
				if c.secret != "" && strings.Contains(log.String(), c.secret) {
					t.Error("the log shows the password")
				}
			})
		})
	}
}

// counted counts the hashes that are computed, now and at most at the same time.
type counted struct {
	digest
	n *atomic.Int32
}

func (c counted) MatchBytes(secret []byte) bool {
	c.n.Add(1)
	return c.digest.MatchBytes(secret)
}

// count makes every hash of p count itself.
func count(p *Plugin, n *atomic.Int32) {
	p.nobody = counted{p.nobody, n}
	users := *p.users.users.Load()
	for name, u := range users {
		u.parsed.digest = counted{u.parsed.digest, n}
		users[name] = u
	}
}

func TestInterruptAndEmptyNameStartAgain(t *testing.T) {
	bubble(t, nil, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
		c := dial(t, host, p, "modem1", 0)
		c.say("mallory\rsecr\x03")
		c.expect("login: mallory\r\nPassword: \r\nlogin: ")
		c.say("mal\x03\r\n")
		c.expect("mal\r\nlogin: \r\nlogin: ")
		for range 3 {
			c.say("mallory\r")
			c.say("x\r")
		}
		c.ends(plugin.Failure, "mallory")
	})
}

func TestRestartsAreBounded(t *testing.T) {
	for _, key := range []string{"\r", "\x03", "a\x03"} {
		bubble(t, nil, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
			c := dial(t, host, p, "modem1", 0)
			c.say(strings.Repeat(key, maxRestarts))
			c.ends(plugin.Failure, "")
			if got := c.heard(); !strings.HasSuffix(got, "Access denied.\r\n") || strings.Count(got, "login: ") != maxRestarts {
				t.Errorf("%q: caller sees %q", key, got)
			}
		})
	}
}

func TestSevenBitCaller(t *testing.T) {
	even := func(s string) string {
		b := []byte(s)
		for i, c := range b {
			for x := c; x != 0; x &= x - 1 {
				b[i] ^= 0x80
			}
		}
		return string(b)
	}
	bubble(t, nil, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
		c := dial(t, host, p, "modem1", 0)
		c.say(even("alice\r"))
		c.expect("login: " + even("alice\r\nPassword: "))
		c.say(even("wrong\r"))
		c.expect(even("\r\nAccess denied.\r\nlogin: "))
		c.say(even("alice\rcorrect horse\r"))
		c.ends(plugin.Success, "Alice")
	})
}

func TestFloodIsRefused(t *testing.T) {
	bubble(t, nil, func(t *testing.T, p *Plugin, log *logBuffer, host *dialog.Host) {
		c := dial(t, host, p, "modem1", 0)
		c.say("mallory\r")
		go func() { _, _ = io.WriteString(c.conn, strings.Repeat("A", 1<<20)) }() // ends with the line
		c.ends(plugin.Failure, "mallory")
		if !strings.Contains(log.String(), "floods") {
			t.Errorf("log: %s", log)
		}
	})
}

func TestWarningBeforeTheEnd(t *testing.T) {
	for timeout, want := range map[time.Duration][2]string{
		120 * time.Second: {"1m0s", "One minute left."},
		600 * time.Second: {"9m0s", "One minute left."},
		60 * time.Second:  {"30s", "30 seconds left."},
	} {
		bubble(t, func(s *plugin.Setup) { s.Timeout = int(timeout / time.Second) }, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
			at, err := time.ParseDuration(want[0])
			if err != nil {
				t.Fatal(err)
			}
			c := dial(t, host, p, "modem1", timeout)
			c.say("ali")
			c.expect("login: ali")
			time.Sleep(at - time.Millisecond)
			c.expect("")
			time.Sleep(time.Millisecond)
			c.expect("\r\n" + want[1] + "\r\nlogin: ali")
			if out := c.ends(0, ""); out.Ended != dialog.LimitReached {
				t.Errorf("ended: %v", out.Ended)
			}
			c.expect("\r\nTime is up.\r\nlogin: ali")
		})
	}
}

func TestLockoutInTheDialog(t *testing.T) {
	bubble(t, func(s *plugin.Setup) { s.LockoutDenials, s.LockoutReset, s.Attempts = 2, 3600, 4 }, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
		var hashed atomic.Int32
		count(p, &hashed)
		c := dial(t, host, p, "modem1", 0)
		for _, secret := range []string{"wrong", "wrong", "correct horse", "wrong"} {
			c.say("alice\r" + secret + "\r")
		}
		c.ends(plugin.Failure, "alice")
		if got := c.heard(); got != strings.Repeat("login: alice\r\nPassword: \r\nAccess denied.\r\n", 4) {
			t.Errorf("caller sees %q", got)
		}
		if hashed.Load() != 4 {
			t.Errorf("%d hashes for 4 tries: a locked account must cost the same", hashed.Load())
		}
		if was, err := Unlock(LockoutPath(filepath.Dir(p.lockout.path), "staff"), "alice"); !was || err != nil {
			t.Fatalf("Unlock: %v, %v", was, err)
		}
		c = dial(t, host, p, "modem1", 0)
		c.say("alice\rcorrect horse\r")
		c.ends(plugin.Success, "Alice")
	})
}

// never is a hash that nothing matches.
type never struct{}

func (never) MatchBytes([]byte) bool { return false }

func TestThreeHundredWrongLogins(t *testing.T) {
	bubble(t, func(s *plugin.Setup) { s.LockoutDenials = 5 }, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
		p.nobody = never{}
		for i := range 100 {
			c := dial(t, host, p, "modem1", 0)
			for try := range 3 {
				c.say(fmt.Sprintf("user%d\rwrong%d\r", i, try))
			}
			c.ends(plugin.Failure, fmt.Sprintf("user%d", i))
		}
		if n := len(p.lockout.state.Failures); n != 100 {
			t.Errorf("%d accounts are kept", n)
		}
		if s := host.Stats(); s.Open != 0 {
			t.Errorf("%+v", s)
		}
	})
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

// A caller who hangs up leaves the queue without a hash.
func TestQueueLetsGo(t *testing.T) {
	s, _ := setup(t, writeUsers(t, "version: 1\nusers: []\n"))
	p := mustPlugin(t, s)
	synctest.Test(t, func(t *testing.T) {
		p.gate = semaphore.NewWeighted(1)
		hash := &blocking{release: make(chan struct{})}
		p.nobody = hash
		go func() { _, _, _ = p.check(t.Context(), "first", []byte("x"), "modem1") }() // what it returns is tested elsewhere
		synctest.Wait()
		host := dialog.New(nil)
		c := dial(t, host, p, "modem2", 0)
		c.say("second\rx\r")
		c.hang()
		if out := c.ends(0, ""); out.Ended != dialog.Dropped {
			t.Errorf("ended: %v", out.Ended)
		}
		hash.release <- struct{}{}
		synctest.Wait()
		if hash.total.Load() != 1 {
			t.Errorf("%d hashes", hash.total.Load())
		}
		if err := host.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestConformance(t *testing.T) {
	text := "version: 1\nusers:\n"
	for n := range plugintest.Callers {
		text += fmt.Sprintf("  - {name: user%d, hash: %s}\n", n, cheapHash)
	}
	login := func(user, secret string) plugintest.Login {
		return plugintest.Login{User: user, Steps: []plugintest.Step{
			plugintest.Expect("login: "), plugintest.Send(user + "\r"), plugintest.Expect("Password: "), plugintest.SendSecret(secret + "\r"),
		}}
	}
	plugintest.Run(t, plugintest.Subject{
		New: func() (plugin.Plugin, error) {
			s, _ := setup(t, writeUsers(t, text))
			s.Attempts = 1
			return quick(mustPlugin(t, s)), nil
		},
		Good:    func(n int) plugintest.Login { return login(fmt.Sprint("user", n), "correct horse") },
		Bad:     func(n int) plugintest.Login { return login(fmt.Sprint("user", n), "battery staple") },
		Virtual: true,
		// argon2 computes on goroutines and waits for them.
		Goroutines: []string{"github.com/go-crypt/x/argon2", "golang.org/x/crypto/argon2"},
	})
}
