package external

import (
	"context"
	"sync"
	"time"

	"rashost/plugin"
)

// stage is where a transaction stands between the host and the program.
type stage int

const (
	stageBegin    stage = iota // the program has not answered Begin
	stageDialog                // the program talks with the caller
	stageEnding                // End is asked; what the program reports waits for the answer
	stageDeferred              // End was answered with 0: a Complete is owed
	stageClosed                // the program may do nothing more with the HPORT
)

// heldMax is how many Completes are kept of each kind until End is answered.
const heldMax = 4

// receive is a Receive in progress.
type receive struct {
	n      uint16
	event  *plugin.Event // manual-reset: two look at it
	cancel context.CancelFunc
}

// transaction carries one Begin..End between the host and a process. Its lock is held while it calls the host, which never calls back
// under its own.
type transaction struct {
	b      plugin.Begin
	p      *process
	done   chan struct{} // closed with stageClosed
	forget func()        // called then

	mu       sync.Mutex
	stage    stage
	reported plugin.Verdict            // what the host was told, 0 for nothing
	extra    []*plugin.SecurityMessage // reported again before End is asked: never what a deferral owes (rule C2)
	held     []*plugin.SecurityMessage // reported while End is asked: the first is what a deferral owes (rule E3)
	pending  *receive
}

func newTransaction(b plugin.Begin, p *process, forget func()) *transaction {
	return &transaction{b: b, p: p, done: make(chan struct{}), forget: forget}
}

// begin opens the transaction, which the process already knows, and returns the code of Begin.
func (t *transaction) begin(deadline time.Time) plugin.Code {
	if !t.b.Host.Go(t.b.HPort, t.watch) {
		t.close(true)
		return plugin.ErrorInvalidPortHandle
	}
	c := t.b.Call
	code, f := t.p.callCode(methodBegin, beginParams{
		HPort: t.b.HPort, SendSize: len(t.b.SendBuf), RecvSize: len(t.b.RecvBuf), Call: cut(c.ID), Line: cut(c.Line), Device: cut(c.Device),
		DeviceName: cut(c.DeviceName), CallerID: cut(c.CallerID), Called: cut(c.Called), Connect: cut(c.Connect), Trusted: c.Trusted,
	}, deadline, t.begun)
	if f != nil {
		t.close(false)
	}
	return code
}

// begun takes the answer to Begin, before anything that the program says after it.
func (t *transaction) begun(code plugin.Code) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.stage != stageBegin: // the host has closed it meanwhile
	case code == plugin.NoError:
		t.stage = stageDialog
		t.checkProcess()
	default:
		t.closeLocked(true)
	}
}

// end asks the program to end the transaction and returns the code of End.
func (t *transaction) end(deadline time.Time) plugin.Code {
	t.mu.Lock()
	if t.stage == stageClosed {
		t.mu.Unlock()
		return plugin.ErrorPortDisconnected
	}
	t.stage = stageEnding
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if t.pending != nil && t.pending.event.Wait(over) == nil {
		t.receiveDone() // the drop that brings this End: the program learns of it first (rule R7)
	}
	t.mu.Unlock()
	code, f := t.p.callCode(methodEnd, endParams{t.b.HPort}, deadline, t.ended)
	if f != nil {
		return t.endFailed(f)
	}
	return code
}

// ended takes the answer to End, before anything that the program says after it.
func (t *transaction) ended(code plugin.Code) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stage == stageClosed { // the host has closed it meanwhile
		return
	}
	t.stage = stageDeferred
	if code != plugin.NoError {
		t.held = append(t.held, t.extra...) // breaches of the contract, which the host is to see
	}
	if code != plugin.NoError || len(t.held) > 0 {
		t.closeLocked(true)
	}
	for _, m := range t.held {
		t.b.Complete(m)
	}
	t.checkProcess()
}

// endFailed is the End of a program that cannot answer. A Success must not outlive the program that has reported it: End counts as deferred,
// and the Complete that is then owed is an Error (rule E5). Otherwise the transaction is over.
func (t *transaction) endFailed(f *failure) plugin.Code {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closeLocked(false)
	if t.reported != plugin.Success {
		return plugin.ErrorPortDisconnected
	}
	t.b.Complete(plugin.NewMessage(t.b.HPort, plugin.Error, f.code, "", ""))
	return plugin.NoError
}

// processFailed gives the verdict that the process can no longer give.
func (t *transaction) processFailed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.checkProcess()
}

// checkProcess is processFailed with t.mu held; it does nothing while the process is well. It is called when the process fails and also
// after each change of stage that the program has brought about, because the failure may have come before.
func (t *transaction) checkProcess() {
	f := t.p.failure()
	if f == nil {
		return
	}
	t.cancelReceive()
	switch t.stage {
	case stageDialog:
		if t.reported != 0 {
			return // End is about to be called, and knows what to do
		}
		t.reported = plugin.Error
	case stageDeferred:
		t.closeLocked(false)
	case stageBegin, stageEnding, stageClosed:
		return // Begin and End answer for themselves
	}
	t.b.Complete(plugin.NewMessage(t.b.HPort, plugin.Error, f.code, "", ""))
}

// watch is the worker that sees a transaction closed by the host alone, because its grace was over or its Begin came too late: a program
// that still holds it then loses it.
func (t *transaction) watch(ctx context.Context) {
	select {
	case <-t.done:
		return
	case <-ctx.Done(): // closed, or without a line and waiting for the program
	}
	tick := time.NewTicker(t.p.limits.expiry)
	defer tick.Stop()
	for !t.isClosed() && t.b.Host.DialogGetInfo(t.b.HPort, &plugin.SecurityInfo{}) != plugin.ErrorInvalidPortHandle {
		select {
		case <-t.done:
			return
		case <-tick.C:
		}
	}
	if t.isClosed() {
		return
	}
	t.close(false)
	if t.p.sharing == perCall {
		t.p.fail(silent("did not end its transaction in time"))
	}
}

// close ends the transaction without a word to the host. orderly says that the program has ended it as it should.
func (t *transaction) close(orderly bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closeLocked(orderly)
}

// closeLocked is close with t.mu held.
func (t *transaction) closeLocked(orderly bool) {
	if t.stage != stageClosed {
		t.stage = stageClosed
		t.cancelReceive()
		close(t.done)
		t.p.remove(t.b.HPort, orderly)
		t.forget()
	}
}

func (t *transaction) isClosed() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

// cancelReceive forgets a pending Receive: no ReceiveDone follows (rule C7). t.mu is held.
func (t *transaction) cancelReceive() {
	if t.pending != nil {
		t.pending.cancel()
		t.pending = nil
	}
}

// await waits for the end of r, if it is not cancelled.
func (t *transaction) await(ctx context.Context, r *receive) {
	if r.event.Wait(ctx) != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pending == r {
		t.receiveDone()
	}
}

// receiveDone says the end of the pending Receive to the program. The received bytes are wiped: a secret may be in them. t.mu is held.
func (t *transaction) receiveDone() {
	r := t.pending
	t.cancelReceive()
	done := receiveDoneParams{HPort: t.b.HPort, Data: t.b.RecvBuf[:r.n]}
	if r.n == 0 {
		done.Code = plugin.ErrorPortDisconnected
		var info plugin.SecurityInfo
		if t.b.Host.DialogGetInfo(t.b.HPort, &info) == plugin.NoError && info.LastError == plugin.ErrorRequestTimeout {
			done.Code = plugin.ErrorRequestTimeout
		}
	}
	t.p.received()
	t.p.post(request{"2.0", 0, methodReceiveDone, done})
	clear(done.Data)
}

// complete passes a verdict on to the host, or keeps it until the program has answered End.
func (t *transaction) complete(msg *plugin.SecurityMessage) plugin.Code {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cancelReceive()
	switch t.stage {
	case stageBegin, stageDialog:
		if t.reported != 0 {
			// The host may have begun to call End: then it would take this one for what a deferral owes.
			if len(t.extra) < heldMax {
				t.extra = append(t.extra, msg)
			}
			return plugin.NoError
		}
		t.reported = msg.MsgID
	case stageEnding:
		if len(t.held) < heldMax {
			t.held = append(t.held, msg)
		}
		return plugin.NoError
	case stageDeferred:
		t.closeLocked(true)
	case stageClosed:
		return plugin.ErrorInvalidPortHandle
	}
	t.b.Complete(msg)
	return plugin.NoError
}
