package password

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-crypt/crypt/algorithm/argon2"
	"go.uber.org/goleak"
	"golang.org/x/sync/semaphore"
	"gopkg.in/yaml.v3"

	"rashost/dialog"
	"rashost/plugin"
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
