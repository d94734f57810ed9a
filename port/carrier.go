package port

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"rashost/port/modem"
)

// carrier is what a line knows of DCD in the present call, and between the calls of a direct line.
type carrier struct {
	low    bool      // it was low before this call
	tells  bool      // and so it tells whether the modem is on hook; known until the next call, or the device goes
	usable bool      // its loss ends this call
	clear  bool      // CLOCAL is off: the kernel hangs the device up
	told   bool      // that DCD is ignored has been logged
	by     time.Time // required: it must be high by then
	first  []byte    // direct line: the bytes that began the call
	mark   uint64    // the tail that is being watched
	since  time.Time // since when there was silence
}

const (
	// carrierPoll is how often DCD is read in a call, and on a direct line that waits for one.
	carrierPoll = 250 * time.Millisecond
	// carrierTime is how long after CONNECT carrier may come.
	carrierTime = 5 * time.Second
)

// mode is the carrier mode in force.
func (l *line) mode() CarrierMode { return l.cfg.carrier() }

// readDCD reads DCD; ok is false when it cannot be read.
func (l *line) readDCD() (high, ok bool) {
	s, err := l.tty.dev.Signals()
	return s.DCD, err == nil
}

// carrierBefore notes what DCD was before CONNECT. Wired high it says nothing of a call, neither now nor when it ends.
func (l *line) carrierBefore() {
	l.dcd = carrier{told: l.dcd.told}
	if l.mode() == CarrierIgnore {
		return
	}
	high, ok := l.readDCD()
	l.dcd.low = ok && !high
	l.dcd.tells = l.dcd.low
	if high && l.mode() == CarrierRequired && !l.dcd.told {
		l.dcd.told = true
		l.event(EventStuckDCD, "DCD was high before the call", "it does not show whether the modem has hung up")
	}
}

// inCall says that the modem is still in a call, as far as DCD tells.
func (l *line) inCall() bool {
	if !l.dcd.tells || l.tty.dev == nil {
		return false
	}
	high, ok := l.readDCD()
	return ok && high
}

// carrierAtConnect begins to wait for carrier where it is required.
func (l *line) carrierAtConnect() {
	if l.mode() != CarrierRequired {
		return
	}
	if high, ok := l.readDCD(); ok && high {
		l.obeyCarrier()
		return
	}
	l.dcd.by = time.Now().Add(carrierTime)
	l.in(timePoll, carrierPoll)
}

// carrierReady says whether the call may begin, as far as carrier goes.
func (l *line) carrierReady() bool {
	switch l.mode() {
	case CarrierRequired:
		return l.dcd.usable
	case CarrierIgnore:
	case CarrierAuto:
		if high, ok := l.readDCD(); ok && high && l.dcd.low {
			l.obeyCarrier()
		} else if !l.dcd.told {
			l.dcd.told = true
			l.logAt(slog.LevelInfo, "carrier is ignored on this line: DCD did not rise with CONNECT", "readable", ok, "dcd", high)
		}
	}
	return true
}

// obeyCarrier makes the loss of DCD end this call.
func (l *line) obeyCarrier() {
	l.dcd.usable = true
	l.call.step("carrier is up and obeyed")
	s := l.settings()
	s.CLOCAL = false
	if err := l.tty.dev.Apply(s); err == nil {
		l.dcd.clear = true
	}
	l.in(timePoll, carrierPoll)
}

// pollCarrier looks at DCD.
func (l *line) pollCarrier() {
	switch l.state {
	case Listening:
		l.watchForCarrier()
	case Answering, Dialog, Session:
		l.carrierInCall()
	case HangingUp:
		l.directQuiet()
		l.lookOnHook()
	default:
	}
}

// carrierInCall looks at DCD while there is a caller.
func (l *line) carrierInCall() {
	s, err := l.tty.dev.Signals()
	switch {
	case err != nil && !errors.Is(err, errors.ErrUnsupported):
		l.callBroke(err)
	case err == nil && s.DCD && l.dcd.usable && l.dsrShowsOff(s):
		l.event(EventDSRLow, dsrLow, "the call is ended")
		l.post(evCarrierLost, dsrLow)
	case err == nil && s.DCD && l.dcd.usable:
		l.in(timePoll, carrierPoll)
	case err == nil && s.DCD:
		l.obeyCarrier()
		if l.hang.settled {
			l.settled()
		}
	case l.dcd.usable:
		l.post(evCarrierLost, "DCD dropped")
	case time.Now().Before(l.dcd.by):
		l.in(timePoll, carrierPoll)
	default:
		l.post(evCarrierLost, "no carrier within "+carrierTime.String()+" of CONNECT")
	}
}

// callBroke tells carrier loss from a lost device: when the kernel hangs a device up because of DCD, or the far end of a pty goes,
// the name stays.
func (l *line) callBroke(err error) {
	l.hang.broken = true
	name, isPTY := strings.CutPrefix(l.tty.dev.Path(), "pty:")
	if _, statErr := os.Stat(name); statErr == nil && (l.dcd.clear || isPTY) {
		l.post(evCarrierLost, "carrier lost: the kernel hung the device up")
		return
	}
	l.post(evGone, "device gone: "+err.Error())
}

// watchForCarrier looks whether a call begins on a direct line.
func (l *line) watchForCarrier() {
	if l.mode() == CarrierIgnore {
		return
	}
	s, err := l.tty.dev.Signals()
	switch {
	case err != nil:
		return // the first byte begins a call
	case l.dsrShowsOff(s):
		l.event(EventDSRLow, dsrLow, "no call begins")
		l.dcd.low = true
	case !s.DCD:
		l.dcd.low = true
		if l.auto.carrier { // its caller has gone; on a cable without DCD nobody has
			l.auto.carrier = false
			l.firstSpeed()
		}
	case l.cfg.autobauds():
		l.auto.carrier = true
	case l.dcd.low:
		if l.directCall(true, nil); l.dcd.usable {
			return
		}
	}
	l.in(timePoll, carrierPoll)
}

// directCall begins a call on a direct line, by carrier or by its first bytes, unless the policy is against it: then carrier must drop
// before it can begin one, and the line be quiet for ringGap before the next try counts as another call.
func (l *line) directCall(byCarrier bool, first []byte) {
	if why := l.closedTo(modem.CallerID{}); why != "" {
		l.dcd.low = false
		if time.Since(l.ringAt) >= ringGap {
			l.turnAway(why)
		}
		l.ringAt = time.Now()
		return
	}
	l.dcd = carrier{usable: byCarrier, told: l.dcd.told, first: append([]byte(nil), first...)}
	switch {
	case l.cfg.autobauds():
		l.post(evCaller, fmt.Sprintf("CR at %d bit/s", l.settings().Baud))
	case byCarrier:
		l.post(evCaller, "carrier came up")
	default:
		l.post(evCaller, "first byte")
	}
}

// directInput takes bytes from a direct line.
func (l *line) directInput(p []byte) {
	switch {
	case l.state == Listening:
		l.directBytes(p)
	case l.hang.phase == phaseQuiet:
		l.in(timeStep, directQuietTime)
	}
}

// directBytes looks whether the first bytes begin a call, and keeps them for it.
func (l *line) directBytes(p []byte) {
	if l.poweredOff() {
		return // noise: the far end is switched off
	}
	byCarrier := false
	if l.mode() != CarrierIgnore {
		high, ok := l.readDCD()
		required := l.mode() == CarrierRequired
		byCarrier = ok && high && (l.dcd.low || required)
		if !byCarrier && required {
			return // noise: nobody is there
		}
	}
	if l.cfg.autobauds() {
		rest, found := l.findSpeed(p)
		if !found {
			return
		}
		p = rest
	}
	l.directCall(byCarrier, p)
}

// lookAtTail starts the silence that must follow the modem's own words.
func (l *line) lookAtTail() {
	kind, mark := l.call.tail.stands()
	if kind == 0 {
		return
	}
	l.dcd.mark, l.dcd.since = mark, time.Now()
	l.in(timeTail, silenceAfter(kind))
}

// tailDue ends the call when nothing was heard or sent since the modem's own words.
func (l *line) tailDue() {
	c := l.call
	if c == nil {
		return
	}
	kind, mark := c.tail.stands()
	if kind == 0 || mark != l.dcd.mark {
		return
	}
	if at := time.Unix(0, c.tail.written.Load()); at.After(l.dcd.since) {
		l.dcd.since = at
		l.in(timeTail, max(time.Nanosecond, time.Until(at.Add(silenceAfter(kind)))))
		return
	}
	l.post(evCarrierLost, "the modem said "+kind.String()+", then there was silence")
}
