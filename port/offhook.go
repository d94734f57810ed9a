package port

import (
	"rashost/hardware"
	"rashost/port/modem"
)

// canBeBusy says that the line's modem is to be taken off hook when it is out of service.
func (l *line) canBeBusy() bool {
	return l.cfg.BusyWhenDead && !l.leaving && l.loan == nil && !l.cfg.direct() && l.cfg.Profile.OffHook.Send != ""
}

// giveUpDevice gives the device back, after the modem was taken off hook where that is wanted. (Disabled, in maintenance, quarantined.)
func (l *line) giveUpDevice() {
	if l.tty.dev == nil || !l.canBeBusy() || l.inCall() {
		l.closeDevice()
		return
	}
	l.offHook = true // it may obey although its answer is not heard
	_ = l.tty.dev.SetDTR(true)
	_ = l.tty.dev.Flush(Both)
	l.split.Reset()
	p := l.cfg.Profile
	steps := []modem.Step{{Send: "AT", Optional: true, Timeout: probeTime}}
	l.startScript(append(steps, commands(p, []hardware.Step{p.OffHook})...))
}

// offHookOver gives the device back when the modem is off hook, or does not obey. DTR stays up, or the modem would hang up.
func (l *line) offHookOver(err error) {
	l.script = nil
	l.in(timeStep, 0)
	if l.tty.dev == nil {
		return
	}
	if err != nil {
		l.offHook = false
		l.event(EventOffHook, "the modem can't be taken off hook: callers hear it ring", err.Error())
	} else {
		s := l.cfg.Settings()
		s.HUPCL = false
		if err := l.tty.dev.Apply(s); err != nil {
			l.event(EventOffHook, "the modem may go back on hook: DTR can't be kept up", err.Error())
		} else {
			l.event(EventOffHook, "the modem is off hook: callers hear busy", "")
		}
	}
	l.closeDevice()
}

// offHookAgain opens the device to take the modem of a line that is out of service off hook, where that is wanted: it was not open then, or
// a program that had it may have put the modem on hook. (Entering disabled; return in disabled.)
func (l *line) offHookAgain() {
	if l.canBeBusy() {
		l.onlyOffHook = true
		l.startOpen()
	}
}

// openedOffHook takes what came of the open of offHookAgain. The line may have been lent again, or have its device by now.
func (l *line) openedOffHook(r opening) {
	t := &l.tty
	if r.err == nil {
		t.closed, t.dev = nil, r.dev
		if r.err = l.prepare(); r.err == nil {
			l.giveUpDevice()
			return
		}
		l.closeDevice()
	}
	l.event(EventOffHook, "the modem can't be taken off hook: callers hear it ring", r.err.Error())
}

// backOnHook puts a modem back on hook that was taken off, or, the first time, may have been by a line or a rashost before: the first command
// of its set-up.
func (l *line) backOnHook() []modem.Step {
	h := l.cfg.Profile.Hangup
	before := l.cfg.BusyWhenDead && !l.onHookOnce
	l.onHookOnce = true
	if !l.offHook && !before || h.Command == "" {
		return nil
	}
	return []modem.Step{{Send: h.Command, Optional: true, Timeout: probeTime}}
}

// onHookAgain notes that the modem is set up and on hook.
func (l *line) onHookAgain() {
	if l.offHook {
		l.offHook = false
		l.event(EventOffHook, "the modem is on hook again", "")
	}
}

// dropDevice closes a device that went while its line is out of service. (Device gone.)
func (l *line) dropDevice(occurrence) {
	l.script = nil
	l.in(timeStep, 0)
	l.closeDevice()
}
