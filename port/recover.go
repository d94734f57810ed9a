package port

import (
	"context"
	"log/slog"
	"strings"
	"time"
)

// The waits between tries.
const (
	absentFirst, absentMost   = 100 * time.Millisecond, 5 * time.Second
	absentTold                = time.Minute // instead of absentMost where the kernel tells of devices: should an event be lost
	busyFirst, busyMost       = 500 * time.Millisecond, 10 * time.Second
	recoverFirst, recoverMost = time.Second, 3 * time.Second
	// quarantineAfter is how many failures in a row put a line into quarantine, where the configuration does not say.
	quarantineAfter = 6
	// goodTime is how long a line must have listened for earlier failures to be forgotten, probationTime the same after a quarantine.
	goodTime, probationTime = 10 * time.Second, 5 * time.Minute
)

// eventDeviceNotFunctioning is the number of the RAS event log for a device that does not work.
const eventDeviceNotFunctioning = 20015

// backoff is first, doubled with each of n tries, up to most.
func backoff(n int, first, most time.Duration) time.Duration {
	d := first
	for range n {
		if d *= 2; d >= most {
			return most
		}
	}
	return d
}

// forgive forgets earlier failures when the line worked since. One that came back from quarantine has to work longer.
func (l *line) forgive() {
	enough := goodTime
	if l.probation {
		enough = probationTime
	}
	if !l.goodAt.IsZero() && time.Since(l.goodAt) > enough {
		l.failures, l.tries, l.probation = 0, 0, false
		l.climb = climb{refused: l.climb.refused}
	}
	l.goodAt = time.Time{}
}

// missing waits for the device to appear. (Entering absent.)
func (l *line) missing(o occurrence) {
	l.closeDevice()
	off := l.hang.off || l.draining
	l.hang = hangup{}
	if off { // an operator wanted it off when the call is over
		l.post(evDisable, "switched off; the device is absent: "+o.why)
	}
	l.tty.absent, l.climb.on, l.before = true, false, nil
	l.forget()
	// Whatever rang went with the device, and another one may come.
	l.rings, l.ids = 0, nil
	l.dcd.tells, l.noEscape, l.stuckWhy, l.dsrHigh, l.back, l.countersign = false, false, "", false, readBack{}, countersign{}
	l.forgive()
	l.in(timeState, l.absentTime())
	if l.tries == 0 {
		l.logAt(slog.LevelWarn, "the device is absent: the line comes back when it does", "device", l.cfg.Device, "why", o.why, "event", eventDeviceNotFunctioning)
		l.event(EventDevice, "absent", o.why)
	}
	l.tries++
}

// waitForOther waits until another program lets go of the device. (Open found it in use.)
func (l *line) waitForOther(o occurrence) {
	l.hang = hangup{}
	l.tty.busy = true
	l.in(timeState, backoff(l.tries, busyFirst, l.cfg.waitMost(busyMost)))
	if l.tries == 0 {
		l.logAt(slog.LevelWarn, "the device is in use: it is tried again until it is free", "device", l.cfg.Device, "why", o.why)
	}
	l.tries++
}

// failed waits before the next try, or gives up for a while. (Entering recovering, and each try that fails.)
func (l *line) failed(o occurrence) {
	l.forgive()
	off := l.hang.off
	l.hang = hangup{}
	l.script = nil
	l.in(timeStep, 0)
	if off { // an operator wanted it off, or the program ends
		l.post(evDisable, "switched off; the hang-up failed: "+o.why)
		return
	}
	o.why = l.signs(o.why)
	l.climbed(o.why)
	if l.stuckWhy != "" && !strings.Contains(o.why, l.stuckWhy) {
		o.why += "; " + l.stuckWhy
	}
	l.reason, l.dirty = o.why, true
	l.failures++
	if l.countersign.wrong {
		l.failures = max(l.failures, l.cfg.quarantineAfter())
	}
	if l.failures >= l.cfg.quarantineAfter() {
		l.post(evGiveUp, o.why)
		return
	}
	d := backoff(l.failures-1, recoverFirst, l.cfg.waitMost(recoverMost))
	if l.onlyDTR() { // nothing but the next drop of DTR can help, and that takes its time
		d = recoverFirst
	}
	l.in(timeState, d)
	l.logAt(slog.LevelWarn, "the line failed", "why", o.why, "failures", l.failures, "next_try", d, "event", eventDeviceNotFunctioning)
}

// quarantine gives up for a while. (Entering quarantined.)
func (l *line) quarantine(o occurrence) {
	l.giveUpDevice()
	l.retest = true
	l.event(EventQuarantine, "failed too often", o.why)
	l.logAt(slog.LevelError, "the line is quarantined", "why", o.why, "failures", l.failures, "next_try", quarantineTime, "event", eventDeviceNotFunctioning)
}

// closeDown switches the line off: the device is free for others. (Entering disabled.)
func (l *line) closeDown(o occurrence) {
	l.reason = orElse(o.why, "disabled by the operator")
	if l.tty.dev == nil && !l.tty.absent && !l.offHook { // it is being opened, or was closed under a call
		l.offHookAgain()
	} else {
		l.giveUpDevice()
	}
	l.tty.before = nil
	if l.hang.began.IsZero() {
		l.tty.notBefore = time.Time{} // no call: DTR need not be seen low
	}
	l.rings, l.ids, l.failures, l.tries = 0, nil, 0, 0
	l.dcd.tells, l.noEscape, l.stuckWhy, l.dsrHigh, l.back = false, false, "", false, readBack{}
	if !l.countersign.due { // whoever has the device meanwhile may change it; but a caller may still be there
		l.countersign = countersign{}
	}
	l.deaf, l.vain, l.echoed = 0, 0, false
	l.hang, l.climb, l.retest, l.probation = hangup{}, climb{}, false, false
	l.draining, l.pending, l.maintained = false, "", false
	l.dirty = true
}

// leave ends the machine. (Remove, shutdown.)
func (l *line) leave(o occurrence) {
	l.leaving = true
	l.closeDown(o)
}

// tellShutdown asks the handler to come to an end, and leaves the call its grace. (Shutdown in a call.)
func (l *line) tellShutdown(occurrence) {
	l.leaving, l.stopping = true, true
	l.call.step("service stops: the caller is told")
	l.call.lineCause, l.call.lineWhy = AdminReboot, "service stops" // unless the call ends otherwise meanwhile
	l.call.cancel(ErrShutdown)
	l.in(timeState, l.cfg.handlerGrace())
}

// closeTime is how long the end of a machine waits for a device that does not close.
const closeTime = 5 * time.Second

// finish gives back all that the line has.
func (l *line) finish() {
	l.tellHeld(time.Now(), true)
	t := &l.tty
	limit, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if t.opening {
		t.stopOpen()
		select {
		case r := <-t.opened:
			t.dev = r.dev
			l.closeDevice()
		case <-limit.Done():
		}
	}
	close(t.starts)
	for _, c := range t.closed {
		select {
		case <-c:
		case <-limit.Done():
		}
	}
	if d := time.Until(t.notBefore); d > 0 {
		time.Sleep(d) // whoever opens next must not hide the DTR drop from the modem
	}
	l.publish()
	close(l.done)
}
