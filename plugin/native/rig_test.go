package native

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rashost/dialog"
	"rashost/plugin"
)

// patience is how long something may take that happens at once.
const patience = 30 * time.Second

// account is who the libraries run as: nobody, or whoever runs the tests.
func account() string {
	if os.Geteuid() == 0 {
		return "nobody"
	}
	return ""
}

// logText collects what is logged.
type logText struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// setup is what a configuration gives the plugin for the options o.
func setup(log io.Writer, o Options) plugin.Setup {
	return plugin.Setup{
		Dialog: "test",
		Decode: func(into any) error {
			*into.(*Options) = o
			return nil
		},
		User: account(),
		Log:  slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// rig is a host with one plugin that runs a library of its own copy.
type rig struct {
	t       testing.TB
	host    *dialog.Host
	log     *logText
	library string
	plugin  *Plugin
	seen    *recorder
	o       dialog.Options
}

// newRig makes a plugin of a library; change may alter the setup.
func newRig(t testing.TB, library string, o Options, change ...func(s *plugin.Setup)) *rig {
	t.Helper()
	r := &rig{t: t, log: new(logText), library: privateCopy(t, library)}
	r.host = dialog.New(slog.New(slog.NewTextHandler(r.log, nil)))
	o.Library = r.library
	if o.Rasdll == "" {
		o.Rasdll = rasdll(t)
	}
	s := setup(r.log, o)
	for _, c := range change {
		c(&s)
	}
	p, err := New(s)
	if err != nil {
		t.Fatalf("%v\n%s", err, r.log)
	}
	r.plugin = p.(*Plugin)
	r.seen = &recorder{inner: p}
	r.o = dialog.Options{Timeout: dialog.MinTimeout, EndGrace: 2 * time.Second, DeviceName: "Test Modem 9600"}
	t.Cleanup(r.close)
	return r
}

// shutdown ends the calls and then the plugin.
func (r *rig) shutdown() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.host.Shutdown(ctx); err != nil {
		r.t.Errorf("Shutdown: %v", err)
	}
	if err := r.plugin.Close(); err != nil {
		r.t.Errorf("Close: %v", err)
	}
}

// close is shutdown; nothing of the library may be left then.
func (r *rig) close() {
	r.shutdown()
	r.gone()
	if r.t.Failed() {
		r.t.Logf("log:\n%s", r.log)
	}
}

// gone waits until no process has the library in its arguments.
func (r *rig) gone() {
	r.t.Helper()
	var left []string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if left = processes(r.library); len(left) == 0 {
			return
		}
	}
	r.t.Errorf("processes %v have outlived their call", left)
}

// settled waits until no transaction waits for its plugin any more.
func (r *rig) settled() {
	r.t.Helper()
	for end := time.Now().Add(patience); r.host.Stats().Deferred > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("a transaction still waits for its plugin: %+v", r.host.Stats())
		}
	}
}

// processes lists those with text in their arguments.
func processes(text string) []string {
	var found []string
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		if args, err := os.ReadFile(path); err == nil && bytes.Contains(args, []byte(text)) {
			found = append(found, strings.Split(path, "/")[2])
		}
	}
	return found
}

// call is one caller.
type call struct {
	t       testing.TB
	conn    net.Conn
	cancel  context.CancelCauseFunc
	done    chan struct{}
	outcome dialog.Outcome

	mu      sync.Mutex
	changed chan struct{}
	out     []byte // what the plugin has sent
	used    int    // bytes of it that were expected
}

// call starts a call on a line.
func (r *rig) call(line string) *call {
	near, far := net.Pipe()
	ctx, cancel := context.WithCancelCause(context.Background())
	c := &call{t: r.t, conn: far, cancel: cancel, done: make(chan struct{}), changed: make(chan struct{})}
	o := r.o
	o.Call = plugin.Call{ID: "call-" + line, Line: line, DeviceName: o.DeviceName}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		c.listen()
	}()
	go func() {
		c.outcome = r.host.Run(ctx, near, r.seen, o)
		near.Close()
		<-heard
		cancel(nil)
		close(c.done)
	}()
	return c
}

func (c *call) listen() {
	buf := make([]byte, 4096)
	for {
		n, err := c.conn.Read(buf)
		c.mu.Lock()
		c.out = append(c.out, buf[:n]...)
		close(c.changed)
		c.changed = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// expect waits until text has come.
func (c *call) expect(text string) {
	c.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	ended := false
	for {
		c.mu.Lock()
		rest, changed := c.out[c.used:], c.changed
		i := bytes.Index(rest, []byte(text))
		if i >= 0 {
			c.used += i + len(text)
		}
		c.mu.Unlock()
		switch {
		case i >= 0:
			return
		case ended:
			c.t.Fatalf("the dialog ended without %q; it sent %q; %+v", text, rest, c.outcome)
		}
		select {
		case <-changed:
		case <-c.done:
			ended = true
		case <-timer.C:
			c.t.Fatalf("waited for %q, got %q", text, rest)
		}
	}
}

// text is all that has come so far.
func (c *call) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.out)
}

// send types text.
func (c *call) send(text string) {
	c.t.Helper()
	if err := c.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatalf("typing %q: %v", text, err)
	}
}

// hangUp is the loss of the line.
func (c *call) hangUp() { c.cancel(errors.New("no carrier")) }

// end waits for the outcome.
func (c *call) end() dialog.Outcome {
	c.t.Helper()
	select {
	case <-c.done:
	case <-time.After(patience):
		c.t.Fatalf("the dialog does not end; it sent %q", c.text())
	}
	return c.outcome
}

// result is what an outcome decides.
type result struct {
	ended   dialog.Ended
	verdict plugin.Verdict
	code    plugin.Code
	event   plugin.EventID
	user    string
}

func (r result) String() string {
	return fmt.Sprintf("%v, %v, code %d, event %d, user %q", r.ended, r.verdict, uint32(r.code), r.event, r.user)
}

// granted is the result of a good login.
func granted(user string) result { return result{dialog.Completed, plugin.Success, 0, 0, user} }

// refused is the result of a bad one.
func refused(user string) result {
	return result{dialog.Completed, plugin.Failure, 0, plugin.EventSecurityFailure, user}
}

// failed is the result of a library that could not decide.
func failed(code plugin.Code) result {
	return result{dialog.Completed, plugin.Error, code, plugin.EventSecurityInternal, ""}
}

// dropped is the result of a caller who has hung up.
func dropped() result { return result{ended: dialog.Dropped, code: plugin.ErrorPortDisconnected} }

// want compares the outcome with a result.
func (c *call) want(want result) dialog.Outcome {
	c.t.Helper()
	o := c.end()
	if got := (result{o.Ended, o.Verdict, o.Code, o.Event, o.User}); got != want {
		c.t.Errorf("outcome: %v\nwant:    %v\n%v", got, want, o.Steps)
	}
	if o.Granted() != (want.verdict == plugin.Success && want.ended == dialog.Completed) {
		c.t.Errorf("Granted() is %v after %v", o.Granted(), want)
	}
	return o
}

// recorder stands between host and plugin and notes the calls of the contract.
type recorder struct {
	inner plugin.Plugin

	mu       sync.Mutex
	sends    []string
	receives []uint16
	ends     []plugin.Code
	verdicts []plugin.Verdict
}

func (r *recorder) note(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// reset forgets what was noted.
func (r *recorder) reset() {
	r.note(func() { r.sends, r.receives, r.ends, r.verdicts = nil, nil, nil, nil })
}

func (r *recorder) SecurityDialogBegin(b plugin.Begin) plugin.Code {
	b.Host = recordingHost{b.Host, r}
	complete := b.Complete
	b.Complete = func(m *plugin.SecurityMessage) {
		complete(m)
		r.note(func() { r.verdicts = append(r.verdicts, m.MsgID) })
	}
	return r.inner.SecurityDialogBegin(b)
}

func (r *recorder) SecurityDialogEnd(hport plugin.HPORT) plugin.Code {
	code := r.inner.SecurityDialogEnd(hport)
	r.note(func() { r.ends = append(r.ends, code) })
	return code
}

type recordingHost struct {
	plugin.Host
	r *recorder
}

func (h recordingHost) DialogSend(hport plugin.HPORT, buf []byte) plugin.Code {
	h.r.note(func() { h.r.sends = append(h.r.sends, string(buf)) })
	return h.Host.DialogSend(hport, buf)
}

func (h recordingHost) DialogReceive(hport plugin.HPORT, buf []byte, n *uint16, timeout uint32, ev *plugin.Event) plugin.Code {
	h.r.note(func() { h.r.receives = append(h.r.receives, *n) })
	return h.Host.DialogReceive(hport, buf, n, timeout, ev)
}

// reported waits until the library has reported a verdict.
func (r *rig) reported(v plugin.Verdict) {
	r.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		seen := false
		r.seen.note(func() { seen = slices.Contains(r.seen.verdicts, v) })
		if seen {
			return
		}
	}
	r.t.Fatalf("the library has not reported %v", v)
}
