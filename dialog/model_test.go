package dialog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rashost/plugin"
)

// TestModel drives random interleavings of what callers, plugins and the service can do, several transactions at once, and checks
// what must hold whatever happens: exactly one outcome per transaction, no grant after a drop, no call on a dead HPORT reaches
// another transaction, End exactly once, and everything over by its deadline.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			m := newModel(t)
			defer m.release()
			for range rapid.IntRange(1, 30).Draw(t, "steps") {
				m.step()
			}
			m.finish()
		})
	})
}

// act says what an entry point of a plugin does.
type act int

const (
	actUsual act = iota // Begin: NO_ERROR; End: nonzero
	actOther            // Begin: refuses; End: NO_ERROR
	actSlow             // the usual answer after three seconds
	actHang             // does not return
	actPanic
)

// model is the host under test with all its transactions.
type model struct {
	t    *rapid.T
	host *Host
	log  *logText
	n    int // steps so far
	all  []*modelTx
}

func newModel(t *rapid.T) *model {
	log := &logText{}
	return &model{t: t, log: log, host: New(slog.New(slog.NewTextHandler(log, nil)))}
}

// modelTx is one transaction, its line, its caller and its plugin.
type modelTx struct {
	host           *Host
	line           *fakeLine
	ctx            context.Context
	cancel         context.CancelCauseFunc
	out            chan Outcome
	hang           chan struct{}
	onBegin, onEnd act
	key            rune // all that the caller types

	outcome  *Outcome // once Run has returned
	overStep int      // the step in which it did

	mu       sync.Mutex
	b        plugin.Begin
	start    time.Time
	opened   time.Time // when Begin returned NO_ERROR
	ends     int
	foreign  bool // End came for another transaction
	dropStep int  // the first step with a drop; 0: none
	ctxEnded bool
	success  bool // a Success was reported
	late     bool // but only after ctx had ended
	recv     *receiving
}

func (x *modelTx) SecurityDialogBegin(b plugin.Begin) plugin.Code {
	x.mu.Lock()
	x.b = b
	x.mu.Unlock()
	answer := x.play(x.onBegin, plugin.NoError, plugin.ErrorUnknown)
	x.mu.Lock()
	defer x.mu.Unlock()
	if answer == plugin.NoError {
		x.opened = time.Now()
	}
	return answer
}

func (x *modelTx) SecurityDialogEnd(h plugin.HPORT) plugin.Code {
	x.mu.Lock()
	x.ends++
	x.foreign = x.foreign || h != x.b.HPort
	x.mu.Unlock()
	return x.play(x.onEnd, plugin.ErrorPortDisconnected, plugin.NoError)
}

func (x *modelTx) play(a act, usual, other plugin.Code) plugin.Code {
	switch a {
	case actOther:
		return other
	case actSlow:
		time.Sleep(3 * time.Second)
	case actHang:
		<-x.hang
	case actPanic:
		panic("played")
	default:
	}
	return usual
}

// hport is the transaction's handle, 0 before Begin.
func (x *modelTx) hport() plugin.HPORT {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.HPort
}

// tag marks the output, user the name, that belong to the transaction.
func tag(h plugin.HPORT) string  { return fmt.Sprintf("<%d>", h) }
func user(h plugin.HPORT) string { return fmt.Sprintf("user%d", h) }

// step draws one to four operations and runs them in order or all at once.
func (m *model) step() {
	m.n++
	var ops []func()
	for range rapid.IntRange(1, 4).Draw(m.t, "operations") {
		ops = append(ops, m.draw())
	}
	if rapid.Bool().Draw(m.t, "at once") {
		var wg sync.WaitGroup
		for _, op := range ops {
			wg.Go(op)
		}
		wg.Wait()
	} else {
		for _, op := range ops {
			op()
		}
	}
	m.settle()
}

// draw chooses one operation. Those on a transaction take any one, the dead included.
func (m *model) draw() func() {
	kind := rapid.SampledFrom([]string{
		"start", "complete", "complete", "send", "receive", "type", "time", "drop", "carrier", "stop", "panic", "work", "block",
	}).Draw(m.t, "operation")
	if kind == "start" || len(m.all) == 0 {
		return m.start()
	}
	x := m.all[rapid.IntRange(0, len(m.all)-1).Draw(m.t, "transaction")]
	switch kind {
	case "complete":
		v := rapid.SampledFrom([]plugin.Verdict{plugin.Success, plugin.Success, plugin.Failure, plugin.Error, 7}).Draw(m.t, "verdict")
		return func() { x.complete(v) }
	case "send":
		return func() { _ = x.host.DialogSend(x.hport(), []byte(tag(x.hport()))) }
	case "receive":
		timeout := rapid.Uint32Range(0, 3).Draw(m.t, "timeout")
		return func() { x.receive(timeout) }
	case "type":
		return func() { x.line.typed(strings.Repeat(string(x.key), 3)) }
	case "time":
		d := rapid.SampledFrom([]int{1, 3, 5, 29, 30, 119}).Draw(m.t, "seconds")
		return func() { time.Sleep(time.Duration(d) * time.Second) }
	case "drop":
		return func() { x.drop(m.n, func() { x.line.hangUp(io.EOF) }) }
	case "carrier":
		return func() { x.drop(m.n, func() { x.cancel(errors.New("carrier lost")) }) }
	case "stop":
		return func() { x.drop(m.n, func() { x.cancel(ErrStop) }) }
	case "panic":
		return func() { x.host.Go(x.hport(), func(context.Context) { panic("played") }) }
	case "work":
		return func() { x.host.Go(x.hport(), func(ctx context.Context) { <-ctx.Done() }) }
	default:
		stuck := rapid.Bool().Draw(m.t, "stuck")
		return func() { x.line.block(stuck) }
	}
}

// start draws a plugin and starts a Run with it.
func (m *model) start() func() {
	acts := rapid.SampledFrom([]act{actUsual, actUsual, actUsual, actOther, actSlow, actHang, actPanic})
	x := &modelTx{host: m.host, line: newLine(), out: make(chan Outcome, 1), hang: make(chan struct{}), start: time.Now()}
	x.key = rune('0' + len(m.all)%64)
	x.onBegin, x.onEnd = acts.Draw(m.t, "Begin"), acts.Draw(m.t, "End")
	x.ctx, x.cancel = context.WithCancelCause(context.Background())
	m.all = append(m.all, x)
	return func() {
		x.mu.Lock()
		x.start = time.Now()
		x.mu.Unlock()
		go func() { x.out <- m.host.Run(x.ctx, x.line, x, Options{}) }()
	}
}

// complete reports v for the transaction, open or not.
func (x *modelTx) complete(v plugin.Verdict) {
	x.mu.Lock()
	h := x.b.HPort
	if h != 0 && v == plugin.Success && !x.success {
		x.success, x.late = true, x.ctxEnded
	}
	x.mu.Unlock()
	x.host.DialogComplete(plugin.NewMessage(h, v, 0, user(h), ""))
}

// receive starts a Receive unless the last one is still without its event.
func (x *modelTx) receive(timeout uint32) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.recv != nil || x.b.HPort == 0 {
		return
	}
	rc := &receiving{n: 5, event: plugin.NewEvent(false)}
	if x.host.DialogReceive(x.b.HPort, x.b.RecvBuf, &rc.n, timeout, rc.event) == plugin.Pending {
		x.recv = rc
	}
}

// drop loses the line in one of three ways.
func (x *modelTx) drop(step int, lose func()) {
	lose()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ctxEnded = x.ctx.Err() != nil
	if x.dropStep == 0 {
		x.dropStep = step
	}
}

// settle waits until nothing moves and checks what must hold at any time.
func (m *model) settle() {
	synctest.Wait()
	for _, x := range m.all {
		if x.outcome == nil && len(x.out) > 0 {
			o := <-x.out
			x.outcome, x.overStep = &o, m.n
		}
		m.check(x)
	}
}

func (m *model) check(x *modelTx) {
	x.mu.Lock()
	defer x.mu.Unlock()
	h := x.b.HPort
	if x.foreign {
		m.t.Fatalf("End of another transaction was called for %d", h)
	}
	if rc := x.recv; rc != nil && rc.set() {
		x.recv = nil
		if got := x.b.RecvBuf[:rc.n]; len(bytes.Trim(got, string(x.key))) > 0 {
			m.t.Fatalf("HPORT %d received %q, its caller types only %q", h, got, x.key)
		}
	}
	if out := x.line.output(); strings.ReplaceAll(out, tag(h), "") != "" {
		m.t.Fatalf("HPORT %d: its caller got %q", h, out)
	}
	if x.outcome == nil {
		if x.dropStep > 0 {
			m.t.Fatalf("HPORT %d: Run has not returned after a drop (rule E7)", h)
		}
		return
	}
	o := *x.outcome
	if o.HPort != h && h != 0 {
		m.t.Fatalf("HPORT %d: the outcome is that of %d", h, o.HPort)
	}
	if n := m.log.count(`msg="dialog ended"`, fmt.Sprintf(" hport=%d ", o.HPort)); n != 1 {
		m.t.Fatalf("HPORT %d: %d outcomes", o.HPort, n)
	}
	if o.Granted() && (!x.success || x.late || o.User != user(h) || x.dropStep > 0 && x.dropStep < x.overStep || x.onBegin == actPanic || x.onEnd == actPanic) {
		m.t.Fatalf("HPORT %d: granted to %q; success %v, late %v, drop in step %d, over in step %d", h, o.User, x.success, x.late, x.dropStep, x.overStep)
	}
}

// finish lets all deadlines pass, then lets the plugins that hang return.
func (m *model) finish() {
	m.n++
	time.Sleep(DefaultTimeout + DefaultEndGrace + DefaultDrainLimit)
	m.settle()
	for _, x := range m.all {
		if x.outcome == nil {
			m.t.Fatalf("HPORT %d: Run goes on after every deadline", x.hport())
		}
	}
	time.Sleep(DefaultEndGrace)
	synctest.Wait()
	if s := m.host.Stats(); s.Open != 0 || s.Deferred != 0 || s.WorkersStuck != 0 {
		m.t.Fatalf("after every deadline: %+v", s)
	}
	m.release()
	if s := m.host.Stats(); s.Workers != 0 || len(s.Unhealthy) != 0 {
		m.t.Fatalf("after every plugin has returned: %+v", s)
	}
	for _, x := range m.all {
		want := 0
		if !x.opened.IsZero() && x.opened.Sub(x.start) < DefaultBeginLimit {
			want = 1
		}
		if x.ends != want {
			m.t.Fatalf("HPORT %d: End was called %d times, want %d", x.b.HPort, x.ends, want)
		}
	}
}

// release lets the plugins that hang return, ends the contexts and waits until nothing is left. It may be called twice.
func (m *model) release() {
	for _, x := range m.all {
		select {
		case <-x.hang:
		default:
			close(x.hang)
		}
		x.cancel(nil)
	}
	if err := m.host.Shutdown(context.Background()); err != nil {
		m.t.Error(err)
	}
	synctest.Wait()
}
