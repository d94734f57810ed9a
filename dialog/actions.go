package dialog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"rashost/plugin"
)

// The actions of the table. Each runs on the loop, after the state has changed.

// opened: Begin answered NoError; from now on the limit of the dialog counts, which began with Run.
func (t *transaction) opened() {
	t.chain.add("SecurityDialogBegin answered NO_ERROR")
	t.within(t.o.Timeout - time.Since(t.started))
}

// refused: Begin answered nonzero; nothing more is owed on either side (rules B4, B5, E2).
func (t *transaction) refused() {
	t.refuse(BeginRefused, t.beginCall.code)
}

// beginOverdue: Begin has not returned within its limit, which counts as a nonzero answer (rule B3).
func (t *transaction) beginOverdue() {
	t.overdue(&t.beginCall)
	t.say(slog.LevelError, "SecurityDialogBegin has not returned within its limit: the plugin is not healthy", slog.String("plugin", t.kind()),
		event(plugin.EventSecurityInternal), code(plugin.ErrorRequestTimeout))
	t.refuse(BeginTimedOut, plugin.ErrorRequestTimeout)
}

// refuse closes a transaction whose Begin did not open it.
func (t *transaction) refuse(how Ended, c plugin.Code) {
	t.chain.add("SecurityDialogBegin did not begin: %s", c.Error())
	if t.attached {
		t.outcome = Outcome{Verdict: plugin.Error, Code: c, Event: plugin.EventSecurityInternal, Ended: how}
	}
	t.close()
}

// completed: the plugin has reported; the limit stops, and End cleans up (rule E1).
func (t *transaction) completed() {
	t.mu.Lock()
	t.verdict = *t.first
	t.mu.Unlock()
	t.callEnd()
}

// callEnd calls End, exactly once in a transaction's life; EndGrace begins.
func (t *transaction) callEnd() {
	t.mu.Lock()
	t.endCalled = true
	t.mu.Unlock()
	t.within(t.o.EndGrace)
	t.enter(&t.endCall, "SecurityDialogEnd", func() plugin.Code { return t.plugin.SecurityDialogEnd(t.hport) })
}

// ended: End answered nonzero; a Complete that came meanwhile was not owed (rule C2).
func (t *transaction) ended() {
	t.chain.add("SecurityDialogEnd answered %s", t.endCall.code.String())
	t.close()
	t.drain()
}

// deferred: End answered NoError; EndGrace goes on (rule E4).
func (t *transaction) deferred() {
	t.chain.add("SecurityDialogEnd deferred the end")
}

// completedAgain: the Complete that a deferral owed (rules E3 and E5).
func (t *transaction) completedAgain() {
	t.mu.Lock()
	t.verdict = merge(t.verdict, *t.after)
	t.mu.Unlock()
	t.close()
	t.drain()
}

// completedLate: the Complete that a deferral after an abort owed; it is only logged (rule E6).
func (t *transaction) completedLate() {
	t.mu.Lock()
	r := *t.after
	t.mu.Unlock()
	t.say(slog.LevelInfo, "the plugin has ended a transaction whose line was gone", slog.String("report", r.String()))
	t.close()
}

// endOverdue: End or the Complete that it deferred to did not come in time; the transaction is ended by force (rule E4).
func (t *transaction) endOverdue() {
	t.overdue(&t.endCall)
	t.chain.add("the plugin did not end the transaction within %v", t.o.EndGrace)
	if t.attached {
		t.outcome = Outcome{Verdict: plugin.Error, Code: plugin.ErrorRequestTimeout, Event: plugin.EventSecurityInternal, Ended: EndOverdue}
	} else {
		t.say(slog.LevelError, "the plugin did not end a transaction whose line was gone: it was ended by force", slog.String("plugin", t.kind()),
			event(plugin.EventSecurityInternal), code(plugin.ErrorRequestTimeout))
	}
	t.close()
}

// overdue marks an entry point that has not returned.
func (t *transaction) overdue(c *call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !c.returned {
		c.overdue = true
		t.host.unhealthy(t.kind(), 1)
	}
}

// abort lets go of the line because it is lost or the service stops (rule E7).
func (t *transaction) abort() {
	t.outcome = t.aborted()
	t.attached = false
	t.endWork(t.lost)
}

// abortDialog is abort before Complete: End is called early (rule E6).
func (t *transaction) abortDialog() {
	t.abort()
	t.callEnd()
}

// limitReached: no Complete within the limit (rule C9). What the plugin has sent is drained by finish.
func (t *transaction) limitReached() {
	t.drop(errLimit, false)
	t.abortDialog()
}

// aborted is the outcome of a transaction that has lost its line. A Failure or Error that was acted on stands; a Success does not.
func (t *transaction) aborted() Outcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := Outcome{Code: plugin.ErrorPortDisconnected, Ended: Dropped}
	if t.verdict.verdict > plugin.Success {
		o = t.verdict.outcome()
		o.Ended = Dropped
	}
	switch {
	case errors.Is(t.lost, ErrStop):
		o.Ended = Stopped
		t.chain.add("the service stops")
	case errors.Is(t.lost, errLimit):
		o = Outcome{Code: plugin.ErrorRequestTimeout, Event: plugin.EventAuthTimeout, Ended: LimitReached}
		t.chain.add("no verdict within %v", t.o.Timeout)
	case t.unreadable && o.Verdict == 0:
		o.Event = plugin.EventCannotReceive
		t.chain.add("the line cannot be read: %s", bounded(t.lost))
	default:
		t.chain.add("the line was lost: %s", bounded(t.lost))
	}
	return o
}

// drain waits for the output in stateVerdict (rule C8).
func (t *transaction) drain() {
	t.mu.Lock()
	t.draining = true
	t.mu.Unlock()
	t.within(t.o.DrainLimit)
}

// decide takes the verdict. finish still lets a drop win over it.
func (t *transaction) decide() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.crashed && t.verdict.verdict != plugin.Error {
		t.verdict = failed(plugin.ErrorProcessAborted, "the plugin panicked")
	}
	t.outcome = t.verdict.outcome()
	if t.state == stateClosed && t.writing && t.lost == nil {
		t.chain.add("%d bytes did not leave within %v", t.queued, t.o.DrainLimit)
	}
}

// close makes the HPORT dead: every later call on it gets 601.
func (t *transaction) close() {
	t.host.remove(t.hport)
	t.timer.Stop()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.cancelReceive()
	t.endWork(errClosed)
	t.watchWorkers()
}

// finish gives the outcome once the line is free. Until then a drop wins over a Success.
func (t *transaction) finish() Outcome {
	t.release()
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.outcome
	if o.Verdict == plugin.Success && t.down() {
		o = Outcome{Code: plugin.ErrorPortDisconnected, Ended: Dropped}
		if errors.Is(context.Cause(t.ctx), ErrStop) {
			o.Ended = Stopped
		}
		t.chain.add("success ignored: the line was gone before it could be acted on")
	}
	o.HPort = t.hport
	if n := t.in.size(); n > 0 && o.Granted() {
		o.Unread = make([]byte, n)
		t.in.pop(o.Unread)
	}
	t.in.wipe()
	last := []string{fmt.Sprintf("%d bytes received, %d sent", t.received, t.sent)}
	if t.overrun > 0 {
		last = append(last, fmt.Sprintf("%d bytes received beyond the limit of %d were dropped", t.overrun, inputLimit))
	}
	if t.unsent > 0 {
		last = append(last, fmt.Sprintf("%d bytes could not be sent", t.unsent))
	}
	o.Steps = t.chain.all(last...)
	return o
}

// release takes the line away from the transaction's goroutines.
func (t *transaction) release() {
	switch t.outcome.Ended {
	case LimitReached, BeginRefused, BeginTimedOut:
		t.lastWords()
	default: // stateVerdict has drained, or the line is gone
	}
	t.mu.Lock()
	t.released = true
	t.mu.Unlock()
	close(t.letGo)
	past := time.Unix(1, 0)
	_ = t.line.SetReadDeadline(past) // an error means that the line is closed, and Read and Write return without it
	_ = t.line.SetWriteDeadline(past)
	t.io.Wait()
	_ = t.line.SetReadDeadline(time.Time{})
	_ = t.line.SetWriteDeadline(time.Time{})
}

// lastWords drains the output of a transaction that has ended with the line still there, but not by stateVerdict.
func (t *transaction) lastWords() {
	timer := time.NewTimer(t.o.DrainLimit)
	defer timer.Stop()
	for {
		t.mu.Lock()
		t.draining = true
		writing := t.writing
		t.mu.Unlock()
		if !writing {
			return
		}
		select {
		case <-t.wake:
		case <-timer.C:
			return
		case <-t.ctx.Done():
			return
		}
	}
}

// report logs the one outcome of a transaction.
func (t *transaction) report(o Outcome) Outcome {
	user := o.User
	if o.Verdict != plugin.Success {
		user = masked(o.User)
	}
	attrs := []slog.Attr{slog.String("verdict", o.Verdict.String()), code(o.Code), slog.String("ended", o.Ended.String()), slog.String("user", user)}
	level := slog.LevelInfo
	if o.Event != 0 {
		attrs = append(attrs, event(o.Event))
		level = slog.LevelWarn
	}
	t.say(level, "dialog ended", attrs...)
	return o
}

// masked makes a name fit for a log: a refused one may be a password typed at the wrong prompt.
func masked(name string) string {
	switch {
	case name == "":
		return "(unknown)"
	case name[0] <= ' ' || name[0] >= 0x7f:
		return fmt.Sprintf("?... (%d bytes)", len(name))
	default:
		return fmt.Sprintf("%c... (%d bytes)", name[0], len(name))
	}
}

// bounded is the text of err for a step.
func bounded(err error) string {
	text := strconv.Quote(err.Error())
	text = text[1 : len(text)-1]
	return text[:min(len(text), maxPanicText)]
}
