package sasl

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"gopkg.in/yaml.v3"

	"rashost/dialog"
	"rashost/plugin"
	"rashost/plugin/sasl/exchange"
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

// decodeYAML decodes options as the configuration does.
func decodeYAML(text string) func(into any) error {
	return func(into any) error {
		d := yaml.NewDecoder(strings.NewReader(text))
		d.KnownFields(true)
		if err := d.Decode(into); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		return nil
	}
}

// setup is what a configuration with these options gives the plugin.
func setup(t testing.TB, options string) (plugin.Setup, *logBuffer) {
	log := new(logBuffer)
	dir := t.TempDir()
	return plugin.Setup{
		Dialog:   "staff",
		Decode:   decodeYAML("file: users.yaml\n" + options),
		Resolve:  func(name string) string { return filepath.Join(dir, name) },
		StateDir: dir,
		Timeout:  600,
		Log:      slog.New(slog.NewTextHandler(log, nil)),
	}, log
}

// everything enables what the scripted exchange knows.
const everything = "mechanisms: [SCRAM-SHA-256, CRAM-MD5, OTP, EXTERNAL, PLAIN, LOGIN]\n"

// scripted is an exchange without cryptography. "PLAIN" takes "\0NAME\0PASSWORD". "SCRAM-SHA-256" is three messages: NAME, a proof that is
// the password, and an empty one. "CRAM-MD5" speaks first. "EXTERNAL" takes an empty message. "OTP" answers with what is in codes.
// The only user is alice, whose password is "sesame".
type scripted struct {
	mechanism, name string
	step            int
	ok              bool
	rig             *rig
}

func (x *scripted) Start(_ context.Context, mechanism string, initial []byte) ([]byte, exchange.Code, string) {
	x.mechanism = mechanism
	if !slices.Contains(x.rig.options.Mechanisms, mechanism) {
		return nil, exchange.SASL_NOMECH, "unknown"
	}
	x.rig.starts = append(x.rig.starts, start{mechanism, initial != nil, string(initial)})
	switch {
	case mechanism == "CRAM-MD5" && initial != nil:
		return nil, exchange.SASL_BADPROT, "initial response to a server-first mechanism"
	case mechanism == "CRAM-MD5":
		return []byte("<1@x>"), exchange.SASL_CONTINUE, ""
	case initial == nil:
		return []byte{}, exchange.SASL_CONTINUE, ""
	}
	return x.Step(context.Background(), initial)
}

func (x *scripted) Step(_ context.Context, in []byte) ([]byte, exchange.Code, string) {
	x.step++
	x.rig.seen = append(x.rig.seen, in) // not a copy: it must be wiped
	text := string(in)
	switch x.mechanism {
	case "PLAIN":
		parts := strings.Split(text, "\x00")
		if len(parts) != 3 {
			return nil, exchange.SASL_BADPROT, "not three fields"
		}
		x.name = parts[1]
		return x.judge(parts[2] == "sesame")
	case "CRAM-MD5":
		name, digest, _ := strings.Cut(text, " ")
		x.name = name
		return x.judge(digest == "sesame")
	case "SCRAM-SHA-256":
		switch x.step {
		case 1:
			x.name = text
			return []byte("r=1,s=2"), exchange.SASL_CONTINUE, ""
		case 2:
			if text != "sesame" || !strings.EqualFold(x.name, "alice") {
				return nil, exchange.SASL_BADAUTH, "wrong proof"
			}
			return []byte("v=3"), exchange.SASL_CONTINUE, ""
		}
		if text != "" {
			return nil, exchange.SASL_BADPROT, "data behind the end"
		}
		return x.judge(true)
	case "EXTERNAL":
		x.name = "alice"
		return x.judge(text == "")
	case "OTP":
		x.name = text
		return nil, x.rig.code, "as scripted"
	}
	return nil, exchange.SASL_NOMECH, "unknown"
}

func (x *scripted) judge(right bool) ([]byte, exchange.Code, string) {
	x.ok = right && strings.EqualFold(x.name, "alice")
	if !x.ok {
		return nil, exchange.SASL_BADAUTH, "no match for " + x.name
	}
	return nil, exchange.SASL_OK, ""
}

func (x *scripted) Identity() (string, bool) {
	if x.rig.identity != "" {
		return x.rig.identity, x.ok
	}
	return "Alice", x.ok
}

func (x *scripted) Name() string { return x.name }
func (x *scripted) Close()       { x.rig.closed++ }

func (x *scripted) Renew(context.Context) { x.rig.renewed++ }

// nobody stands in for the user file.
type nobody struct{}

func (nobody) Known(name string) bool { return strings.EqualFold(name, "alice") }

func (nobody) Lookup(context.Context, string) (users.Account, bool, error) {
	return users.Account{}, false, nil
}

func (nobody) UpdateOTP(context.Context, string, users.OTP, users.OTP) error { return users.ErrNoUser }

// start is what an exchange was started with.
type start struct {
	mechanism string
	given     bool
	initial   string
}

// rig is what a test of the dialog works with. Its fields are read when nothing moves.
type rig struct {
	*Plugin
	t     *testing.T
	setup plugin.Setup
	log   *logBuffer
	host  *dialog.Host
	call  plugin.Call

	code     exchange.Code // of OTP
	identity string        // other than Alice
	broken   error         // of newExchange
	starts   []start
	seen     [][]byte
	closed   int
	renewed  int
}

// bubble runs f with a plugin on scripted exchanges, on a trusted line.
func bubble(t *testing.T, options string, edit func(s *plugin.Setup), f func(r *rig)) {
	t.Helper()
	s, log := setup(t, options)
	if edit != nil {
		edit(&s)
	}
	synctest.Test(t, func(t *testing.T) {
		p, err := newPlugin(s, users.NewHashes, users.NewAttempts(0, nil))
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{Plugin: p, t: t, setup: s, log: log, host: dialog.New(nil), call: plugin.Call{ID: "1", Line: "modem1", Trusted: true}}
		p.users = nobody{}
		p.newExchange = func(plugin.Call, string, func() bool) (exchanger, error) {
			if r.broken != nil {
				return nil, r.broken
			}
			return &scripted{rig: r}, nil
		}
		f(r)
		if err := r.host.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// caller is a call inside a bubble: the caller's end of the line.
type caller struct {
	t    *testing.T
	conn net.Conn
	mu   sync.Mutex
	out  bytes.Buffer
	done chan dialog.Outcome
	hang context.CancelFunc
}

// dial starts a dialog. What ahead holds is on the line before it.
func (r *rig) dial(ahead string) *caller {
	near, far := net.Pipe()
	ctx, cancel := context.WithCancel(r.t.Context())
	c := &caller{t: r.t, conn: near, done: make(chan dialog.Outcome, 1), hang: cancel}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := near.Read(buf)
			c.mu.Lock()
			c.out.Write(buf[:n])
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	var line dialog.Line = far
	if ahead != "" {
		line = &early{Line: far, ahead: strings.NewReader(ahead)}
	}
	go func() {
		c.done <- r.host.Run(ctx, line, slow{r.Plugin, ahead != ""}, dialog.Options{Timeout: r.timeout, Call: r.call})
		cancel()
		_ = far.Close()
		_ = near.Close()
	}()
	return c
}

// early is a line on which there is something already.
type early struct {
	dialog.Line
	ahead *strings.Reader
}

func (e *early) Read(p []byte) (int, error) {
	if n, err := e.ahead.Read(p); err == nil {
		return n, nil
	}
	return e.Line.Read(p)
}

// slow begins a second late, if asked to, so that what was early has arrived.
type slow struct {
	*Plugin
	late bool
}

func (s slow) SecurityDialogBegin(b plugin.Begin) plugin.Code {
	if s.late {
		time.Sleep(time.Second)
	}
	return s.Plugin.SecurityDialogBegin(b)
}

// say types text once the plugin waits.
func (c *caller) say(text string) {
	c.t.Helper()
	synctest.Wait()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Errorf("typing %q: %v", text, err)
	}
	synctest.Wait()
}

// heard returns what has come since the last time.
func (c *caller) heard() string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	text := c.out.String()
	c.out.Reset()
	return text
}

// expect checks what has come since the last time.
func (c *caller) expect(want string) {
	c.t.Helper()
	if got := c.heard(); got != want {
		c.t.Errorf("caller sees %q, want %q", got, want)
	}
}

// talk plays a transcript: what follows "C: " is typed with CR LF, what follows "S: " must come back. Other lines are the server's next.
func (c *caller) talk(transcript string) {
	c.t.Helper()
	want := ""
	check := func() {
		if want != "" {
			c.expect(want)
		}
		want = ""
	}
	for line := range strings.Lines(strings.TrimLeft(transcript, "\n")) {
		line = strings.TrimLeft(strings.TrimSuffix(line, "\n"), "\t")
		if text, ok := strings.CutPrefix(line, "C:"); ok {
			check()
			c.say(strings.TrimPrefix(text, " ") + "\r\n")
		} else if text, ok := strings.CutPrefix(line, "S: "); ok {
			want += text + "\r\n"
		} else if line != "" {
			c.t.Fatalf("transcript: %q", line)
		}
	}
	check()
}

// ends checks the outcome.
func (c *caller) ends(verdict plugin.Verdict, user string) dialog.Outcome {
	c.t.Helper()
	out := <-c.done
	if out.Verdict != verdict || out.User != user {
		c.t.Errorf("outcome %v, %q, %v, %v; want %v, %q", out.Verdict, out.User, out.Ended, out.Code, verdict, user)
	}
	return out
}

// leaves hangs up.
func (c *caller) leaves() {
	c.hang()
	<-c.done
}
