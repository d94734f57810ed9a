package dialog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"rashost/plugin"
)

// state is where a transaction stands (contract, state machine).
type state int

const (
	stateNone          state = iota
	stateBegin               // Begin is running
	stateDialog              // the plugin talks with the caller; Complete is awaited
	stateEnding              // Complete came; End is running; the caller waits
	stateDeferred            // End answered NO_ERROR; one more Complete is awaited; the caller waits
	stateVerdict             // the HPORT is dead; what was sent is drained to the line
	stateAbortBegin          // the line is gone; Begin is still running
	stateAborting            // the line is gone; End is running
	stateDeferredAbort       // the line is gone; End answered NO_ERROR; a Complete is awaited
	stateClosed              // over
	stateCount
)

// input is what can happen to a transaction. When several have happened, the loop takes them in this order.
type input int

const (
	inBegun    input = iota // Begin returned NoError
	inRefused               // Begin returned anything else, or panicked
	inComplete              // the Complete that is awaited in this state
	inEnded                 // End returned nonzero, or panicked
	inDefers                // End returned NoError
	inDrop                  // the line is lost or the service stops
	inDrained               // nothing is left to send
	inDeadline              // the state's time is over
	inCount
)

// transition is one entry of the table: what to do, and the state that follows. to is stateNone where the input must wait.
type transition struct {
	to state
	do func(t *transaction)
}

// table is the whole life of a transaction. Every state but stateClosed has a deadline; states that still have the line have a drop.
var table = [stateCount][inCount]transition{
	stateBegin: {
		inBegun:    {stateDialog, (*transaction).opened},
		inRefused:  {stateClosed, (*transaction).refused},
		inDrop:     {stateAbortBegin, (*transaction).abort},
		inDeadline: {stateClosed, (*transaction).beginOverdue},
	},
	stateDialog: {
		inComplete: {stateEnding, (*transaction).completed},
		inDrop:     {stateAborting, (*transaction).abortDialog},
		inDeadline: {stateAborting, (*transaction).limitReached},
	},
	stateEnding: {
		inEnded:    {stateVerdict, (*transaction).ended},
		inDefers:   {stateDeferred, (*transaction).deferred},
		inDrop:     {stateAborting, (*transaction).abort},
		inDeadline: {stateClosed, (*transaction).endOverdue},
	},
	stateDeferred: {
		inComplete: {stateVerdict, (*transaction).completedAgain},
		inDrop:     {stateDeferredAbort, (*transaction).abort},
		inDeadline: {stateClosed, (*transaction).endOverdue},
	},
	stateVerdict: {
		inDrop:     {stateClosed, (*transaction).decide},
		inDrained:  {stateClosed, (*transaction).decide},
		inDeadline: {stateClosed, (*transaction).decide},
	},
	stateAbortBegin: {
		inBegun:    {stateAborting, (*transaction).callEnd},
		inRefused:  {stateClosed, (*transaction).close},
		inDeadline: {stateClosed, (*transaction).beginOverdue},
	},
	stateAborting: {
		inEnded:    {stateClosed, (*transaction).close},
		inDefers:   {stateDeferredAbort, (*transaction).deferred},
		inDeadline: {stateClosed, (*transaction).endOverdue},
	},
	stateDeferredAbort: {
		inComplete: {stateClosed, (*transaction).completedLate},
		inDeadline: {stateClosed, (*transaction).endOverdue},
	},
}

// call is an entry point of the plugin in progress.
type call struct {
	returned, overdue bool
	code              plugin.Code
}

// transaction is one Begin..End. The loop owns state, timer, expired, attached, verdict and outcome; the mutex guards the rest.
type transaction struct {
	host    *Host
	hport   plugin.HPORT
	plugin  plugin.Plugin
	line    Line
	o       Options
	ctx     context.Context // Run's: its end is the end of the line
	started time.Time
	workCtx context.Context
	endWork context.CancelCauseFunc
	chain   chain
	wake    chan struct{}  // one token: something happened
	letGo   chan struct{}  // closed when released is set
	io      sync.WaitGroup // the goroutines that touch the line

	state    state
	timer    *time.Timer
	expired  bool
	attached bool   // the line is ours
	verdict  report // of the Complete that was acted on, if any
	outcome  Outcome

	mu         sync.Mutex
	beginCall  call
	endCall    call
	endCalled  bool
	first      *report // the Complete of the dialog
	after      *report // the Complete after End was called (rule E3)
	crashed    bool    // a worker or End panicked
	lost       error   // why the line is gone; nil while it is there
	unreadable bool    // lost before a byte came, and not by a hang-up
	released   bool    // Run is taking the line away from its goroutines
	closed     bool    // the HPORT is dead
	draining   bool
	recv       *pending
	lastError  plugin.Code // what GetInfo says of the last Receive
	lastCount  uint32
	in         queue
	out        []byte
	queued     int // bytes of out and of the Write in progress
	writing    bool
	received   uint64
	overrun    uint64
	sent       uint64
	unsent     uint64
	workers    int
	stuck      int
	stuckTimer *time.Timer
}

// newTransaction returns a transaction without an HPORT.
func newTransaction(ctx context.Context, h *Host, line Line, p plugin.Plugin, o Options) *transaction {
	t := &transaction{
		host: h, plugin: p, line: line, o: o, ctx: ctx, started: time.Now(), state: stateBegin, attached: true,
		wake: make(chan struct{}, 1), letGo: make(chan struct{}),
	}
	t.workCtx, t.endWork = context.WithCancelCause(context.WithoutCancel(ctx))
	return t
}

// begin starts the reader and Begin. It returns false when the line cannot be read: then the plugin is not asked at all.
func (t *transaction) begin() bool {
	t.timer = time.NewTimer(min(t.o.BeginLimit, t.o.Timeout))
	t.chain.add("dialog begins, HPORT %d, limit %v", t.hport, t.o.Timeout)
	err := t.line.SetReadDeadline(time.Time{})
	if err == nil {
		err = t.line.SetWriteDeadline(time.Time{})
	}
	if err != nil || t.ctx.Err() != nil {
		t.drop(err, err != nil)
		t.outcome = t.aborted()
		t.close()
		t.state = stateClosed
		return false
	}
	t.io.Go(t.read)
	b := plugin.Begin{
		HPort: t.hport, SendBuf: make([]byte, plugin.BufferSize), RecvBuf: make([]byte, plugin.BufferSize),
		Complete: t.host.DialogComplete, Host: t.host, Call: t.o.Call,
	}
	t.enter(&t.beginCall, "SecurityDialogBegin", func() plugin.Code { return t.plugin.SecurityDialogBegin(b) })
	return true
}

// loop runs the machine until the transaction is closed or, while it has the line, until it has lost it.
func (t *transaction) loop() {
	attached := t.attached
	for t.state != stateClosed && t.attached == attached {
		in, ok := t.next()
		if !ok {
			t.wait()
			continue
		}
		row := table[t.state][in]
		t.state = row.to
		row.do(t)
	}
}

// linger is the rest of the life of a transaction that has lost its line.
func (t *transaction) linger() {
	t.host.count(func() { t.host.deferred++ })
	t.loop()
	t.host.count(func() { t.host.deferred--; t.host.busy-- })
}

// next returns the first input that has happened and has a row in the table now.
func (t *transaction) next() (input, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for in := range inCount {
		if table[t.state][in].to != stateNone && t.happened(in) {
			return in, true
		}
	}
	return 0, false
}

// happened says whether in holds, seen from the present state. t.mu is held.
func (t *transaction) happened(in input) bool {
	switch in {
	case inBegun:
		return t.beginCall.returned && t.beginCall.code == plugin.NoError
	case inRefused:
		return t.beginCall.returned && t.beginCall.code != plugin.NoError
	case inComplete:
		if t.state == stateDialog {
			return t.first != nil
		}
		return t.after != nil
	case inEnded:
		return t.endCall.returned && t.endCall.code != plugin.NoError
	case inDefers:
		return t.endCall.returned && t.endCall.code == plugin.NoError
	case inDrop:
		return t.lost != nil
	case inDrained:
		return !t.writing
	case inDeadline:
		return t.expired
	default:
		return false
	}
}

// wait blocks until something has happened.
func (t *transaction) wait() {
	var done <-chan struct{}
	if t.attached {
		done = t.ctx.Done()
	}
	select {
	case <-t.wake:
	case <-t.timer.C:
		t.expired = true
	case <-done:
		t.drop(nil, false)
	}
}

// signal wakes the loop.
func (t *transaction) signal() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// within sets the deadline of the present state, and of those that follow until the next call.
func (t *transaction) within(d time.Duration) {
	t.timer.Reset(d)
	t.expired = false
}

// enter calls an entry point of the plugin on a goroutine of its own: it may hang, and End must not run inside Complete (rule E1).
func (t *transaction) enter(c *call, name string, f func() plugin.Code) {
	t.host.enter()
	go func() {
		defer t.host.leave()
		answer := plugin.ErrorProcessAborted
		t.guard(name, func() { answer = f() }, func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.crashed = true
			t.returned(c, answer)
		})
		t.mu.Lock()
		defer t.mu.Unlock()
		t.returned(c, answer)
	}()
}

// returned notes what an entry point has answered. t.mu is held.
func (t *transaction) returned(c *call, answer plugin.Code) {
	if c.returned {
		return
	}
	c.returned, c.code = true, answer
	if c.overdue {
		t.host.unhealthy(t.kind(), -1)
		t.say(slog.LevelWarn, "a call of the plugin has returned after its limit", code(answer))
	}
	t.signal()
}

// kind names the plugin's Go type.
func (t *transaction) kind() string { return fmt.Sprintf("%T", t.plugin) }

// down says whether the line is gone. t.mu is held.
func (t *transaction) down() bool { return t.lost != nil || t.ctx.Err() != nil }

// drop notes the loss of the line and fails a pending Receive (rule R7). err may be nil when ctx has ended.
func (t *transaction) drop(err error, unreadable bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost != nil || t.released && errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	if cause := context.Cause(t.ctx); cause != nil {
		err, unreadable = cause, false
	}
	t.lost, t.unreadable = err, unreadable || errors.Is(err, ErrCannotReceive)
	if t.recv != nil {
		clear(t.recv.buf)
		t.endReceive(plugin.ErrorPortDisconnected, 0)
	}
	t.signal()
}

// complete takes a Complete. It never calls the plugin. t.mu is held.
func (t *transaction) complete(r report) {
	switch {
	case t.endCalled && t.after == nil:
		t.chain.add("the plugin reported again: %v", r)
		t.after = &r
	case !t.endCalled && t.down(): // rules C6 and E6
		t.chain.add("the plugin reported %v, ignored: the line was gone", r)
		return
	case t.first == nil:
		t.chain.add("the plugin reported %v", r)
		t.first = &r
	default: // rule C2
		t.chain.add("the plugin reported %v once more, ignored", r)
		t.say(slog.LevelWarn, "a second verdict without a deferral was ignored")
		return
	}
	t.cancelReceive() // rule C7
	t.signal()
}

// crash makes the panic of a worker the outcome, and the Complete that is owed after a deferral.
func (t *transaction) crash() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.crashed = true
	r := failed(plugin.ErrorProcessAborted, "a worker panicked")
	switch {
	case t.closed:
		return
	case t.first == nil && !t.down():
		t.first = &r
	case t.endCalled && t.after == nil:
		t.after = &r
	}
	t.cancelReceive()
	t.signal()
}

// say logs a message of the transaction.
func (t *transaction) say(level slog.Level, msg string, attrs ...slog.Attr) {
	t.host.log.LogAttrs(context.WithoutCancel(t.ctx), level, msg, append(attrs,
		slog.Uint64("hport", uint64(t.hport)), slog.String("line", t.o.Call.Line), slog.String("call", t.o.Call.ID))...)
}
