package port

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"rashost/hardware"
)

// phase is where a hang-up is.
type phase string

const (
	phaseNone        phase = ""
	phaseHandler     phase = "waiting for the handler" // DTR is low already
	phaseDrain       phase = "sending what is queued"
	phaseDTR         phase = "DTR low"
	phaseReset       phase = "the modem resets itself"
	phaseReopen      phase = "device closed and opened"
	phaseProbe       phase = "AT"
	phaseEscape      phase = "escape"
	phaseQuiet       phase = "silence"
	phaseDiagnostics phase = "diagnostics"
	phaseDone        phase = "done"
)

const (
	probeTime       = 2 * time.Second        // AT must be answered by OK
	quietTime       = 200 * time.Millisecond // then nothing else may come
	quietMost       = 3 * time.Second        // and for so long something may, where DCD shows that the modem has hung up
	directQuietTime = time.Second            // silence that proves a direct line idle
	drainTime       = 2 * time.Second        // what is queued at an orderly end may still go out
	drainPoll       = 10 * time.Millisecond
	lastWords       = 100 * time.Millisecond // and a UART, an adapter and the far end have them that the kernel no longer counts
)

// hangup is the state of a hang-up.
type hangup struct {
	phase   phase
	began   time.Time
	dtrLow  time.Time    // since when DTR is low, zero when it is not
	quietBy time.Time    // silence is awaited until then at least
	diag    *diagnostics // what was asked about the call; nil: nothing yet
	dcd     bool         // DCD was high in this call: when it is low, the modem is on hook
	unseen  bool         // there was a call of which DCD showed nothing
	onHook  bool         // the modem is known to be on hook: what comes is its word, not the caller's
	settled bool         // the settle time after CONNECT is over
	orderly bool         // the handler ended the call: its last words may go out
	empty   bool         // and they did: a flush could only take them from a far end that has not read yet, as on a pty
	broken  bool         // the device is dead
	gone    bool         // and that is why the call ended
	escaped bool         // the second way to hang up was tried
	closed  bool         // the device was closed for the DTR time
	unset   bool         // the modem lost its settings
	reopen  bool         // open the device anew afterwards
	off     bool         // switch the line off afterwards
}

// hangUp begins to hang up. (Entering hanging-up.)
func (l *line) hangUp(o occurrence) {
	l.hang = hangup{
		began: time.Now(), orderly: o.ev == evServed, broken: l.hang.broken, gone: o.ev == evGone,
		reopen: o.ev == evRestart, off: l.stopping || l.draining || o.ev == evDisable || o.ev == evRemove || o.ev == evShutdown,
	}
	l.leaving = l.leaving || o.ev == evRemove || o.ev == evShutdown
	l.rings, l.ids, l.connect = 0, nil, nil
	l.in(timePoll, 0)
	l.in(timeTail, 0)
	l.tellCall(o)
	if !l.hang.gone {
		_ = l.tty.dev.Flush(In)
		l.split.Reset()
		l.hang.dcd = l.dcd.usable
		shown := l.dcd.tells && (l.dcd.usable || l.mode() == CarrierRequired)
		l.hang.unseen = !shown && !l.cfg.direct() && l.call != nil && (l.call.connected || l.countersign.number != 0)
		l.countersign.due = l.countersign.due || l.hang.unseen && l.countersign.number != 0
		l.hang.onHook = o.ev == evCarrierLost || o.ev == evNoConnect || l.hang.dcd && !l.inCall()
	}
	if !l.lent {
		l.takeBack(o)
		return
	}
	l.hang.phase = phaseHandler
	if err := l.tty.dev.Flush(Out); err == nil && !l.hang.gone && !l.dtrForgets() && l.tty.dev.SetDTR(false) == nil {
		l.hang.dtrLow = time.Now()
		l.lookOnHook()
	}
	l.in(timeStep, l.cfg.handlerGrace())
}

// takeBack takes the data direction over from the handler. (Handler returned.)
func (l *line) takeBack(occurrence) {
	h := &l.hang
	l.in(timeStep, 0)
	dev := l.tty.dev
	if !h.broken {
		_ = dev.SetReadDeadline(time.Time{})
		if l.dcd.clear { // or the kernel would hang the device up when DTR drops
			h.broken = dev.Apply(l.settings()) != nil
		}
	}
	l.dcd.clear = false
	if l.call.handedOver() && !h.broken { // whatever the program left: our settings, so that DTR drops with the close
		h.broken = dev.Apply(l.settings()) != nil
	}
	switch {
	case h.gone:
		l.post(evAbsent, l.reason)
	case h.orderly && !h.broken:
		l.drain()
	default:
		l.drained()
	}
}

// drained goes on when nothing more is to be sent.
func (l *line) drained() {
	switch {
	case l.hang.reopen || l.hang.off && !l.canBeBusy():
		l.offOrReopen()
	case l.dtrForgets() && l.askDiagnostics(true):
	default:
		l.drop()
	}
}

// offOrReopen does at the end of a call what the operator asked for.
func (l *line) offOrReopen() {
	if l.hang.dtrLow.IsZero() && !l.hang.broken {
		l.flushOut()
		_ = l.tty.dev.SetDTR(false)
	}
	if l.hang.off {
		l.post(evOff, "switched off")
	} else {
		l.post(evReopen, "reset by the operator")
	}
}

// drain lets the handler's last words out before the hang-up.
func (l *line) drain() {
	n, err := l.tty.dev.OutQueue()
	if err != nil || n == 0 || time.Since(l.hang.began) >= drainTime {
		l.hang.empty = err == nil && n == 0
		if n > 0 && l.ctsLow() {
			l.event(EventCTSLow, ctsLow, fmt.Sprintf("%d bytes at the end of a call are dropped", n))
		}
		left := min(time.Until(l.call.guard.free.Add(lastWords)), drainTime-time.Since(l.hang.began))
		if left > 0 && l.hang.empty && l.takesDTR() {
			l.hang.phase = phaseDrain
			l.in(timeStep, left)
			return
		}
		l.drained()
		return
	}
	l.hang.phase = phaseDrain
	l.in(timeStep, drainPoll)
}

// takesDTR says that DTR drops when the line hangs up, and takes with it what the modem has not sent yet. A pty that another program has made
// has none.
func (l *line) takesDTR() bool {
	_, err := l.tty.dev.Signals()
	return !errors.Is(err, errors.ErrUnsupported) && l.cfg.dtrTime() > 0 && !l.dtrIgnored()
}

// drop takes DTR down. A device without control signals is closed for the same time; a dead one is opened anew.
func (l *line) drop() {
	h, d := &l.hang, l.cfg.dtrTime()
	switch {
	case h.broken:
		l.openAnew()
		return
	case l.call.handedOver():
		_ = l.tty.dev.SetDTR(false)
		l.openAnew()
		return
	case !h.dtrLow.IsZero():
	case d <= 0 || l.dtrIgnored():
		l.flushOut()
		l.prove()
		return
	default:
		l.flushOut()
		if err := l.tty.dev.SetDTR(false); err != nil {
			h.broken = !errors.Is(err, errors.ErrUnsupported)
			l.openAnew()
			return
		}
		h.dtrLow = time.Now()
	}
	h.phase = phaseDTR
	l.lookOnHook()
	l.in(timeStep, max(time.Nanosecond, d-time.Since(h.dtrLow)))
}

// flushOut drops what the caller shall not get any more.
func (l *line) flushOut() {
	if !l.hang.empty {
		_ = l.tty.dev.Flush(Out)
	}
}

func (l *line) dtrIgnored() bool {
	return l.cfg.Profile != nil && l.cfg.Profile.DTR == hardware.DTRIgnored
}

// openAnew closes the device for the DTR time and opens it again.
func (l *line) openAnew() {
	l.hang.phase, l.hang.closed = phaseReopen, true
	l.hang.dtrLow = time.Now()
	l.closeDevice()
	l.startOpen()
}

// dtrUp raises DTR and goes on to prove the line idle.
func (l *line) dtrUp() {
	_ = l.tty.dev.SetDTR(true)
	l.hang.broken = false
	l.onHook()
	l.note("DTR was low for " + time.Since(l.hang.dtrLow).Round(time.Millisecond).String())
	if d, resets := l.dtrResets(); resets {
		l.hang.phase, l.hang.unset = phaseReset, true
		l.in(timeStep, max(time.Nanosecond, d))
		return
	}
	l.prove()
}

// dtrResets says whether the modem resets itself when DTR drops, and for how long it is deaf then.
func (l *line) dtrResets() (time.Duration, bool) {
	p := l.cfg.Profile
	if p == nil || p.DTR != hardware.DTRReset {
		return 0, false
	}
	return p.Reset.Delay.Std(), true
}

// hangupStep goes on when a phase's time is over.
func (l *line) hangupStep() {
	switch l.hang.phase {
	case phaseHandler:
		l.abandon()
	case phaseDrain:
		l.drain()
	case phaseDTR:
		l.dtrUp()
	case phaseReset:
		l.prove()
	case phaseQuiet:
		if !l.askDiagnostics(false) {
			l.idle()
		}
	case phaseNone, phaseReopen, phaseProbe, phaseEscape, phaseDiagnostics, phaseDone:
	}
}

// abandon goes on without a handler that does not return: the device is closed under it.
func (l *line) abandon() {
	l.logAt(slog.LevelError, "the handler did not return: the device is closed under it", "call", l.call.ID, "grace", l.cfg.handlerGrace())
	l.note("the handler did not return within " + l.cfg.handlerGrace().String() + ": given up")
	if l.hang.off {
		l.closeDevice()
		l.post(evOff, "switched off")
		return
	}
	l.post(evReopen, "the handler of the last call did not return")
}

// overdue gives the hang-up up. (Deadline of hanging-up.)
func (l *line) overdue(o occurrence) {
	l.stuckWhy = l.stuckText()
	l.closeDevice()
	l.failed(o)
}

// lostWhileHangingUp notes that the device went. (Device gone.)
func (l *line) lostWhileHangingUp(o occurrence) {
	l.hang.broken, l.hang.gone = true, true
	if !l.lent {
		l.post(evAbsent, o.why)
	}
}

// wantReopen is a reset in the middle of a hang-up.
func (l *line) wantReopen(occurrence) {
	l.hang.reopen = true
	if !l.lent {
		l.offOrReopen()
	}
}

// wantOff switches the line off in the middle of a hang-up.
func (l *line) wantOff(o occurrence) {
	l.hang.off = true
	l.leaving = l.leaving || o.ev == evRemove || o.ev == evShutdown
	if !l.lent && !l.canBeBusy() {
		l.offOrReopen()
	}
}

// note adds to the call's chain of events, or to the log when there is no call.
func (l *line) note(what string) {
	if l.call != nil {
		l.call.step(what)
		return
	}
	l.logAt(slog.LevelDebug, what)
}
