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
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"gopkg.in/yaml.v3"

	"rashost/dialog"
	"rashost/plugin"
	"rashost/plugin/users"
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

// cheapHash is of "correct horse" and fast.
const cheapHash = "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2"

// writeUsers makes a user file and returns its path.
func writeUsers(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// oneUser is a file with one user.
func oneUser(name, hash string) string {
	return fmt.Sprintf("version: 1\nusers:\n  - name: %s\n    hash: %s\n", name, hash)
}

// spy stands in for the hashes: it computes those of the file and nothing for names without one, counts, and keeps the last secret as it
// is in memory. What the real ones cost, and that they wait for their turn, is tested where they are.
type spy struct {
	real passwords
	wait chan struct{} // taken by every comparison, if not nil

	mu     sync.Mutex
	n      int
	secret []byte
}

func (s *spy) Check(ctx context.Context, hash string, secret []byte) (bool, error) {
	s.mu.Lock()
	s.n++
	s.secret = secret
	s.mu.Unlock()
	if s.wait != nil {
		select {
		case <-s.wait:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	if hash == "" {
		return false, nil
	}
	return s.real.Check(ctx, hash, secret)
}

// Renew keeps the cheap hashes of the tests.
func (s *spy) Renew(context.Context, string, []byte) (string, error) { return "", nil }

func (s *spy) Kind(hash string) string { return s.real.Kind(hash) }

// count returns how many comparisons there were.
func (s *spy) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

// realHashes are shared by the tests, since they cost a hash to make.
var realHashes = sync.OnceValues(users.NewHashes)

// mustPlugin makes a plugin with a spy.
func mustPlugin(t testing.TB, s plugin.Setup) (*Plugin, *spy) {
	t.Helper()
	h, err := realHashes()
	if err != nil {
		t.Fatal(err)
	}
	watch := &spy{real: h}
	p, err := newPlugin(s, watch)
	if err != nil {
		t.Fatal(err)
	}
	return p, watch
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

// rig is what a test of the dialog works with.
type rig struct {
	*Plugin
	hashes *spy
	log    *logBuffer
	host   *dialog.Host
	state  string // the lock-out state's path
}

// bubble runs f with a plugin on a file with the user Alice, whose password is "correct horse".
func bubble(t *testing.T, edit func(s *plugin.Setup), f func(t *testing.T, r rig)) {
	path := writeUsers(t, oneUser("Alice", cheapHash))
	s, log := setup(t, path)
	if edit != nil {
		edit(&s)
	}
	synctest.Test(t, func(t *testing.T) {
		p, watch := mustPlugin(t, s)
		host := dialog.New(nil)
		f(t, rig{p, watch, log, host, users.LockoutPath(s.StateDir, s.Dialog)})
		if err := host.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
