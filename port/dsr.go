package port

import "strings"

// DSRMode says what a low DSR means (configuration, `dsr`).
type DSRMode string

// The DSR modes. The empty mode is DSRAuto.
const (
	// DSRAuto takes a low DSR for a modem that is switched off or unplugged once DSR has been seen high on the line.
	DSRAuto DSRMode = "auto"
	// DSRRequired always does.
	DSRRequired DSRMode = "required"
	// DSRIgnore never reads DSR.
	DSRIgnore DSRMode = "ignore"
)

const dsrLow = "DSR is low: the modem is switched off or unplugged"

// poweredOff says that DSR shows a modem that is switched off. It is looked at when something asks for it, never by a timer of its own:
// after an open, when a command or a hang-up fails, at each idle probe and each step of the ladder, and where DCD is polled anyway.
func (l *line) poweredOff() bool {
	if l.cfg.DSR == DSRIgnore || l.tty.dev == nil {
		return false
	}
	s, err := l.tty.dev.Signals()
	return err == nil && l.dsrShowsOff(s)
}

// dsrShowsOff is poweredOff for signals that have been read.
func (l *line) dsrShowsOff(s Signals) bool {
	if l.cfg.DSR == DSRIgnore || s.DSR {
		l.dsrHigh = l.dsrHigh || s.DSR
		return false
	}
	return l.cfg.DSR == DSRRequired || l.dsrHigh
}

// signs adds to the reason of a failure what the control signals tell of it, and makes that known.
func (l *line) signs(why string) string {
	if l.poweredOff() {
		l.event(EventDSRLow, dsrLow, why)
		if why == dsrLow {
			return why
		}
		return dsrLow + " (" + why + ")"
	}
	if l.ctsLow() {
		l.event(EventCTSLow, ctsLow, why)
		return why + "; " + ctsLow
	}
	if path, alone := l.nobodyThere(); alone {
		return why + "; nobody has opened " + path
	}
	return why
}

// ptyPath is the link of a line on a pty of our own, which has no signals but DCD: somebody has the link open.
func (l *line) ptyPath() (path string, ok bool) { return strings.CutPrefix(l.cfg.Device, "pty:") }

// nobodyThere says that no program is at the far end of a pty, and which link waits for one.
func (l *line) nobodyThere() (path string, alone bool) {
	path, ok := l.ptyPath()
	if !ok || l.tty.dev == nil {
		return path, false
	}
	s, err := l.tty.dev.Signals()
	return path, err == nil && !s.DCD
}

const ctsLow = "CTS is low: the modem takes no bytes"

// ctsLow says that flow control keeps the modem from taking what we send.
func (l *line) ctsLow() bool {
	if _, pty := l.ptyPath(); pty || l.tty.dev == nil || !l.cfg.Settings().RTSCTS {
		return false
	}
	s, err := l.tty.dev.Signals()
	return err == nil && !s.CTS
}
