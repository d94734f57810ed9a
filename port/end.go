package port

import (
	"fmt"
	"log/slog"
	"time"
)

// why a call ends, for the handler, and what that is called in a record.
var endings = []struct {
	on    event
	err   error
	cause TerminateCause
	text  string
}{
	{evCarrierLost, ErrCarrierLost, LostCarrier, "carrier lost"},
	{evGone, ErrDeviceGone, PortError, "device gone"},
	{evLoop, ErrEchoLoop, UserError, "what the line sent came back"},
	{evHangup, ErrHangup, AdminReset, "hung up by the operator"},
	{evRestart, ErrReset, AdminReset, "line reset by the operator"},
	{evDisable, ErrHangup, AdminReset, "line disabled by the operator"},
	{evRemove, ErrRemoved, PortUnneeded, "line removed or changed by a reload"},
	{evShutdown, ErrShutdown, AdminReboot, "service stops"},
	{evDeadline, ErrOverdue, NASError, "deadline"},
	{evNoConnect, ErrCarrierLost, PortError, "no connection"},
}

// tellCall notes why the call ends and tells its handler.
func (l *line) tellCall(o occurrence) {
	c := l.call
	if c == nil {
		return
	}
	c.endedAt = l.hang.began
	why := o.why
	for _, e := range endings {
		if e.on != o.ev {
			continue
		}
		if o.cause != 0 {
			e.cause = o.cause
		}
		if o.ev == evDeadline && l.stopping {
			e.err, e.cause, why = ErrShutdown, AdminReboot, "service stops: the grace is over"
		}
		if o.ev == evDeadline && !c.connected {
			e.cause = PortError
		}
		if why == "" {
			why = e.text
		}
		c.lineCause, c.lineWhy = e.cause, why
		c.cancel(e.err)
		c.end(e.err)
	}
	if o.ev == evServed {
		c.step("the handler is done: " + orElse(c.outcome.Reason, "no reason given"))
		c.cancel(ErrClosed)
		return
	}
	c.step("hang up: " + why)
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// endCall ends the call for good: the hang-up was proven, or given up. (Leaving hanging-up.)
func (l *line) endCall(next State, why string) {
	c := l.call
	if c == nil {
		return
	}
	if l.lent { // given up: the device is about to be closed under it
		c.end(ErrClosed)
	}
	l.lent, l.call = false, nil
	if next == Absent && c.lineCause == LostCarrier { // an unplugged device hangs up first, and only then its name goes
		c.lineCause, c.lineWhy = PortError, "device gone: at first it looked like this: "+c.lineWhy
	}
	if next != Listening && next != Initializing {
		c.step("the line is " + string(next) + ": " + orElse(why, "no reason given"))
	}
	l.dcd = carrier{told: l.dcd.told, tells: l.dcd.tells, low: l.dcd.low && l.cfg.direct()}
	e := c.ending()
	e.IdleAt = time.Now()
	l.logAt(slog.LevelInfo, "call ended", "call", c.ID, "cause", e.Cause, "why", e.Reason, "in", e.In, "out", e.Out)
	if c.observed {
		l.mgr.observer.Ended(c, e)
	}
}

// ending puts together what is known of a call that is over.
func (c *Call) ending() End {
	e := End{Cause: c.outcome.Cause, Reason: c.outcome.Reason, At: c.endedAt, Connected: c.connected, ConnectedAt: c.ConnectedAt}
	lineBroke := e.Cause == LostCarrier || e.Cause == PortError // of that the line itself knows more
	if c.lineCause != 0 && (e.Cause == 0 || lineBroke) {
		e.Cause, e.Reason = c.lineCause, c.lineWhy
	}
	if e.Cause == 0 {
		e.Cause = NASRequest
	}
	e.Reason = orElse(e.Reason, c.lineWhy)
	e.In, e.Out = c.Octets()
	if n := c.breaks.Load(); n > 1 {
		c.step(fmt.Sprintf("%d escape sequences in what we sent were broken in time", n))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e.Steps = append(e.Steps, c.steps...)
	return e
}
