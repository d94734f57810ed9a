package port

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"time"

	"rashost/port/modem"
)

// ringing says that a caller waits. What rang longer ago has given up.
func (l *line) ringing() bool { return l.rings > 0 && time.Since(l.ringAt) < ringGap }

// ring looks whether it has rung long enough. (RING.)
func (l *line) ring(occurrence) {
	l.in(timeState, ringGap)
	if l.rings == stormRing {
		l.event(EventRingStorm, "RING without end", fmt.Sprintf("%d in a row; the line does not answer", l.rings))
	}
	if l.rings < l.cfg.rings() || l.refused {
		return
	}
	if why := l.closedTo(l.callerID()); why != "" {
		l.refused = true
		l.turnAway(why)
		return
	}
	l.post(evRings, "")
}

// callerID is what is known of who rings.
func (l *line) callerID() modem.CallerID {
	if l.ids == nil {
		return modem.CallerID{}
	}
	return l.ids.CallerID()
}

// closedTo says why the policy does not let the line answer a call, "" when it does.
func (l *line) closedTo(id modem.CallerID) string {
	switch {
	case l.cfg.Policy.Armed && !l.mgr.armed(l.cfg.Name):
		return "the line is not armed (rashost arm " + l.cfg.Name + ")"
	case l.cfg.direct():
		return ""
	default:
		return l.cfg.Policy.Judge(id)
	}
}

// turnAway leaves a call unanswered and makes that known.
func (l *line) turnAway(why string) {
	c := &Call{
		ID: l.mgr.ids.next(time.Now()), Line: l.cfg.Name, Device: l.cfg.Device, DeviceName: l.deviceName(),
		Rings: l.rings, Start: time.Now(), CallerID: l.callerID(),
	}
	if l.rings > 0 {
		c.Start = l.rangAt
	}
	l.logAt(slog.LevelInfo, "call not answered", "call", c.ID, "why", why, "caller_id", c.CallerID.Number, "status", c.CallerID.Status.String())
	l.mgr.observer.NotAnswered(c, why)
}

// ringStopped goes back to listening. (Deadline of ringing.)
func (l *line) ringStopped(o occurrence) {
	l.missed++
	l.dirty = true
	l.logAt(slog.LevelInfo, "call not answered: the ringing stopped", "rings", l.rings)
	l.rings, l.ids = 0, nil
	l.listen(o)
}

// letRing leaves a call unanswered that nobody may take. (Not to be answered.)
func (l *line) letRing(o occurrence) {
	l.refused = true
	l.logAt(slog.LevelWarn, "call not answered", "why", o.why)
}

// newCall makes the call that is to be answered.
func (l *line) newCall() *Call {
	c := &Call{
		ID: l.mgr.ids.next(time.Now()), Line: l.cfg.Name, Device: l.cfg.Device, DeviceName: l.deviceName(),
		Rings: l.rings, Start: time.Now(), wake: make(chan struct{}, 1), done: make(chan Outcome, 1),
	}
	if l.rings > 0 {
		c.Start = l.rangAt
	}
	c.CallerID = l.callerID()
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	l.rings, l.ids = 0, nil
	return c
}

// deviceName is the friendly name of the line's modem.
func (l *line) deviceName() string {
	if p := l.cfg.Profile; p != nil && p.Description != "" {
		return p.Description
	}
	return "direct line"
}

// answer takes the call: the observer first, then ATA. (Entering answering.)
func (l *line) answer(o occurrence) {
	c := l.newCall()
	if l.cfg.direct() {
		c.connected, c.ConnectedAt = true, c.Start
		c.step("direct line: " + o.why)
	} else {
		c.step(ringText(c))
		if doubt := c.CallerID.Doubt(); doubt != "" {
			c.step(doubt)
		}
	}
	l.call = c
	l.soon = time.Since(l.goodAt) < goodTime
	if l.poweredOff() {
		l.event(EventDSRLow, "DSR is low although a call comes", "answered all the same: dsr: ignore if it is not wired")
	}
	if err := l.mgr.observer.Answering(c.ctx, c); err != nil {
		c.cancel(ErrClosed)
		l.call = nil
		if l.cfg.direct() {
			l.post(evNoConnect, err.Error())
		} else {
			l.post(evRefused, err.Error())
		}
		return
	}
	l.dirty = true
	c.observed = true
	if l.cfg.direct() {
		if l.vain == 0 && !l.echoed {
			l.failures, l.tries = 0, 0
		}
		if l.dcd.usable {
			l.obeyCarrier()
		}
		l.typedAhead(l.dcd.first)
		l.dcd.first = nil
		l.post(evServe, "")
		return
	}
	l.carrierBefore()
	command := l.cfg.Profile.Answer.Command
	if l.write([]byte(command + "\r")) {
		c.step("answered: " + command)
	}
}

// ringText says how the call announced itself.
func ringText(c *Call) string {
	text := "RING " + strconv.Itoa(c.Rings)
	if c.CallerID.Status != 0 || c.CallerID.Number != "" {
		text += ", caller id " + strconv.Quote(c.CallerID.Number) + " (" + c.CallerID.Status.String() + ")"
	}
	return text
}

// answerTime is how long CONNECT may take.
func (l *line) answerTime() time.Duration {
	if l.cfg.Profile == nil || l.cfg.Profile.Answer.Timeout <= 0 {
		return 80 * time.Second
	}
	return l.cfg.Profile.Answer.Timeout.Std()
}

// connected waits for carrier and the settle time. (CONNECT.)
func (l *line) connected(occurrence) {
	c := l.call
	if c.connected {
		return
	}
	c.connected, c.ConnectedAt = true, time.Now()
	c.step("CONNECT " + strconv.Quote(c.Connect.Text))
	l.failures, l.tries = 0, 0
	l.in(timeState, l.cfg.Settle+2*carrierTime)
	l.carrierAtConnect()
	if l.cfg.Settle > 0 {
		l.in(timeStep, l.cfg.Settle)
	} else {
		l.settled()
	}
}

// settled serves the call, unless carrier is still awaited.
func (l *line) settled() {
	l.hang.settled = true
	if l.carrierReady() {
		l.post(evServe, "")
	}
}

// maxTypedAhead bounds what a caller can type before the handler reads.
const maxTypedAhead = 4096

// typedAhead keeps bytes that came behind CONNECT for the handler.
func (l *line) typedAhead(p []byte) {
	if c := l.call; len(p) > 0 && len(c.typed)+len(p) <= maxTypedAhead {
		c.in.Add(uint64(len(p)))
		c.typed = append(c.typed, p...)
	}
}

// serve gives the call to the handler. (Entering dialog.)
func (l *line) serve(occurrence) {
	c := l.call
	l.typedAhead(l.park())
	c.dev = l.tty.dev
	c.guard = newEscapeGuard(l.cfg.guardTime(), l.settings().withDefaults().Baud)
	c.dropLF = !l.cfg.direct() && l.split.AfterCR()
	c.unread.Store(int32(len(c.typed)))
	c.tail.on = !l.dcd.usable
	if c.tail.received(c.typed) {
		c.wakeLine()
	}
	l.split.Reset()
	_ = c.dev.SetWriteDeadline(time.Time{})
	l.lent = true
	l.calls++
	l.dirty = true
	c.step("handed to the dialog")
	l.logAt(slog.LevelInfo, "call", "call", c.ID, "caller_id", c.CallerID.Number, "connect", c.Connect.Text)
	go c.serve(l.mgr.handler)
}

// letIn marks the session. (Call.Session.)
func (l *line) letIn(occurrence) {
	c := l.call
	c.mu.Lock()
	who := c.sessionAs
	c.mu.Unlock()
	c.step("let in as " + strconv.Quote(who))
	l.dirty = true
}

// lookAtCall finds out why the call woke the line.
func (l *line) lookAtCall() {
	c := l.call
	if l.state != Dialog && l.state != Session {
		return
	}
	if err := c.fault.Load(); err != nil {
		l.callBroke(*err)
		return
	}
	if l.state == Dialog && c.letIn.Load() {
		l.post(evLetIn, "")
	}
	if c.echo.looped.Load() && l.state == Dialog {
		l.event(EventEchoLoop, "what the line sent came back", "the call is ended")
		l.post(evLoop, "echo loop: what the line sent came back: the far end prompts, or is wired back")
		return
	}
	if c.breaks.Load() > 0 && !c.broken {
		c.broken = true
		l.event(EventEscape, "an escape sequence in what we send was broken in time", "")
	}
	l.lookAtTail()
}

// handlerReturned takes the data direction back.
func (l *line) handlerReturned(out Outcome) {
	c := l.call
	l.lent = false
	c.outcome = out
	if c.crash != "" {
		l.logAt(slog.LevelError, "the handler crashed", "call", c.ID, "panic", out.Reason, "stack", c.crash)
	}
	if c.letIn.Load() && l.state == Dialog {
		l.post(evLetIn, "")
	}
	switch err := c.fault.Load(); {
	case l.state != HangingUp && err != nil:
		l.callBroke(*err)
	default:
		l.post(evServed, out.Reason)
	}
}

// stack is the stack of a panic, bounded.
func stack() string {
	const most = 4096
	s := debug.Stack()
	return string(s[:min(len(s), most)])
}
