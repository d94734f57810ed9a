package dialog

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"rashost/plugin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeLine is a line in memory with deadlines, whose every wait is visible to synctest.
type fakeLine struct {
	mu       sync.Mutex
	in, out  []byte
	lost     error // what Read returns once in is empty; Write fails at once
	stuck    bool  // the caller's end takes no bytes
	closed   bool  // SetReadDeadline fails too
	rd, wd   time.Time
	changed  chan struct{}
	ioCalls  int    // Reads and Writes
	accepted func() // called by Write, outside the lock, after the bytes were taken
}

func newLine() *fakeLine { return &fakeLine{changed: make(chan struct{})} }

// change alters the line and wakes whoever waits on it.
func (l *fakeLine) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	close(l.changed)
	l.changed = make(chan struct{})
}

// await blocks until try says done or the deadline passes.
func (l *fakeLine) await(deadline func() time.Time, try func() bool) error {
	for {
		l.mu.Lock()
		at, changed := deadline(), l.changed
		if !at.IsZero() && !at.After(time.Now()) {
			l.mu.Unlock()
			return os.ErrDeadlineExceeded
		}
		done := try()
		l.mu.Unlock()
		if done {
			return nil
		}
		var expired <-chan time.Time
		if !at.IsZero() {
			expired = time.After(time.Until(at))
		}
		select {
		case <-changed:
		case <-expired:
		}
	}
}

func (l *fakeLine) Read(p []byte) (n int, err error) {
	awaited := l.await(func() time.Time { return l.rd }, func() bool {
		l.ioCalls++
		n = copy(p, l.in)
		l.in = l.in[n:]
		if n == 0 {
			err = l.lost
		}
		return n > 0 || err != nil
	})
	if awaited != nil {
		return 0, awaited
	}
	return n, err
}

func (l *fakeLine) Write(p []byte) (n int, err error) {
	awaited := l.await(func() time.Time { return l.wd }, func() bool {
		l.ioCalls++
		if l.lost != nil {
			err = io.ErrClosedPipe
			return true
		}
		if l.stuck {
			return false
		}
		l.out = append(l.out, p...)
		n = len(p)
		return true
	})
	if awaited != nil {
		return 0, awaited
	}
	if l.accepted != nil {
		l.accepted()
	}
	return n, err
}

func (l *fakeLine) SetReadDeadline(at time.Time) error {
	if l.closed {
		return os.ErrClosed
	}
	l.change(func() { l.rd = at })
	return nil
}

func (l *fakeLine) SetWriteDeadline(at time.Time) error {
	l.change(func() { l.wd = at })
	return nil
}

// typed is the caller typing, hangUp the loss of the line, output what the caller's screen has got.
func (l *fakeLine) typed(s string)   { l.change(func() { l.in = append(l.in, s...) }) }
func (l *fakeLine) hangUp(err error) { l.change(func() { l.lost = err }) }
func (l *fakeLine) block(stuck bool) { l.change(func() { l.stuck = stuck }) }
func (l *fakeLine) output() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.out)
}

// scripted is a plugin played by the test.
type scripted struct {
	onBegin func(b plugin.Begin) plugin.Code // nil: NoError
	onEnd   func(h plugin.HPORT) plugin.Code // nil: ErrorPortDisconnected
	begun   chan plugin.Begin

	mu   sync.Mutex
	ends map[plugin.HPORT]int
}

func newPlugin() *scripted {
	return &scripted{begun: make(chan plugin.Begin, 16), ends: make(map[plugin.HPORT]int)}
}

func (p *scripted) SecurityDialogBegin(b plugin.Begin) plugin.Code {
	p.begun <- b
	if p.onBegin != nil {
		return p.onBegin(b)
	}
	return plugin.NoError
}

func (p *scripted) SecurityDialogEnd(h plugin.HPORT) plugin.Code {
	p.mu.Lock()
	p.ends[h]++
	p.mu.Unlock()
	if p.onEnd != nil {
		return p.onEnd(h)
	}
	return plugin.ErrorPortDisconnected
}

// endCalls is how often End was called for h.
func (p *scripted) endCalls(h plugin.HPORT) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ends[h]
}

// logText collects what a host logs.
type logText struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// count is the number of log lines that hold all of parts.
func (l *logText) count(parts ...string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
next:
	for line := range strings.Lines(l.buf.String()) {
		for _, part := range parts {
			if !strings.Contains(line, part) {
				continue next
			}
		}
		n++
	}
	return n
}

// rig is a host with one line and one plugin; further Runs may be started on it.
type rig struct {
	t    *testing.T
	host *Host
	log  *logText
	line *fakeLine
	p    *scripted
	o    Options
}

// in runs f in a synctest bubble with a fresh rig and checks afterwards that the host has nothing left.
func in(t *testing.T, f func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log := &logText{}
		r := &rig{t: t, log: log, line: newLine(), p: newPlugin()}
		r.host = New(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
		f(t, r)
		if err := r.host.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if s := r.host.Stats(); s.Open+s.Deferred+s.Workers+s.WorkersStuck+len(s.Unhealthy) != 0 {
			t.Errorf("left over: %+v", s)
		}
	})
}

// dialog is one Run in progress.
type dialog struct {
	r      *rig
	line   *fakeLine
	cancel context.CancelCauseFunc
	out    chan Outcome
	b      plugin.Begin
}

// run starts a Run and does not wait for Begin.
func (r *rig) run(line *fakeLine) *dialog {
	ctx, cancel := context.WithCancelCause(context.Background())
	d := &dialog{r: r, line: line, cancel: cancel, out: make(chan Outcome, 1)}
	go func() {
		defer cancel(nil)
		d.out <- r.host.Run(ctx, line, r.p, r.o)
	}()
	return d
}

// start starts a Run on the rig's line and waits until its dialog is open.
func (r *rig) start() *dialog {
	d := r.run(r.line)
	d.b = <-r.p.begun
	synctest.Wait()
	return d
}

// over says whether Run has returned.
func (d *dialog) over() bool {
	synctest.Wait()
	return len(d.out) > 0
}

// wait waits for the outcome.
func (d *dialog) wait() Outcome {
	d.r.t.Helper()
	o := <-d.out
	if n := d.r.log.count(`msg="dialog ended"`, " hport="+utoa(o.HPort)+" "); n != 1 {
		d.r.t.Errorf("the outcome was logged %d times, want once", n)
	}
	return o
}

func utoa(h plugin.HPORT) string { return plugin.EventID(h).String() }

// complete reports a verdict for the dialog.
func (d *dialog) complete(v plugin.Verdict, c plugin.Code, user string) {
	d.b.Complete(plugin.NewMessage(d.b.HPort, v, c, user, ""))
}

// receive asks for n bytes into RecvBuf.
func (d *dialog) receive(n uint16, timeout uint32) *receiving {
	rc := &receiving{d: d, n: n, event: plugin.NewEvent(false)}
	rc.code = d.r.host.DialogReceive(d.b.HPort, d.b.RecvBuf, &rc.n, timeout, rc.event)
	return rc
}

// receiving is one Receive.
type receiving struct {
	d     *dialog
	code  plugin.Code
	n     uint16
	event *plugin.Event
}

// set says whether the event is set, and clears it.
func (rc *receiving) set() bool {
	synctest.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- rc.event.Wait(ctx) }()
	synctest.Wait()
	cancel()
	return <-done == nil
}

// text waits for the event and returns what was received.
func (rc *receiving) text() string {
	rc.d.r.t.Helper()
	if rc.code != plugin.Pending || !rc.set() {
		rc.d.r.t.Fatalf("Receive = %v and no event", rc.code)
	}
	return string(rc.d.b.RecvBuf[:rc.n])
}

// info is GetInfo.
func (d *dialog) info() plugin.SecurityInfo {
	d.r.t.Helper()
	var info plugin.SecurityInfo
	if c := d.r.host.DialogGetInfo(d.b.HPort, &info); c != plugin.NoError {
		d.r.t.Fatalf("GetInfo = %v", c)
	}
	return info
}

// end completes the dialog with a failure and waits for it: the usual end of a test about something else.
func (d *dialog) end() Outcome {
	d.r.t.Helper()
	d.complete(plugin.Failure, 0, "nobody")
	return d.wait()
}

// check compares the parts of an outcome that are decided.
func check(t *testing.T, got Outcome, ended Ended, v plugin.Verdict, c plugin.Code, ev plugin.EventID) {
	t.Helper()
	if got.Ended != ended || got.Verdict != v || got.Code != c || got.Event != ev {
		t.Errorf("outcome: %v, verdict %v, code %d, event %d; want %v, %v, %d, %d\n%v",
			got.Ended, got.Verdict, uint32(got.Code), got.Event, ended, v, uint32(c), ev, got.Steps)
	}
	if want := v == plugin.Success; got.Granted() != want {
		t.Errorf("Granted() = %v, want %v", got.Granted(), want)
	}
}

// mustPend fails unless c is Pending.
func mustPend(t *testing.T, c plugin.Code) {
	t.Helper()
	if c != plugin.Pending {
		t.Errorf("code %d, want Pending", uint32(c))
	}
}
