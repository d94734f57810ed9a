package port

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"rashost/port/modem"
)

// rung is one step of the ladder by which a line that failed is brought back. A try climbs from the gentlest step up, and stops at the
// first that helps. When that turns out not to last, the next try goes on above it.
type rung struct {
	name  string             // in the log, in events and in reasons
	fits  func(l *line) bool // the step makes sense on this line now
	begin func(l *line)      // begins the step; rungOver ends it
}

// ladder is the table of steps. Each but the last two ends with the question AT; DCD that shows a call says no to any answer. The last
// two open the device, and what follows is the set-up.
func ladder() []rung {
	return []rung{
		{"flush, AT", (*line).fitsAT, (*line).askAT},
		{"DTR low", (*line).fitsDTR, (*line).dropDTR},
		{"escape, ATH", (*line).fitsEscape, (*line).sendEscape},
		{"DLE ETX, escape, ATH", (*line).fitsVoice, (*line).sendVoiceEnd},
		{"reset", (*line).fitsReset, (*line).sendReset},
		{"device closed and opened", always, (*line).openAgain},
		{"USB device off and on", (*line).fitsUSB, (*line).openAfterUSB},
	}
}

// climb is where a line is on the ladder.
type climb struct {
	at      int       // the step
	from    int       // where the next try begins
	hopeful string    // the step that seems to have helped; what follows shows
	dtrLow  time.Time // DTR is low since then, zero when it is not
	on      bool      // a step is going on
	refused bool      // the modem obeys, but not in its set-up: nothing below a reset can help
	silent  bool      // it did not answer the first question of this try
	resets  bool      // DTR was low, and the modem resets itself
}

const (
	// rungLimit is how long one step may take.
	rungLimit = 15 * time.Second
	// rungPatience is how long a command of a step may take: a modem that is still silent must not keep the next step from being tried.
	rungPatience = 4 * time.Second
)

// tryAgain begins the next try. (Deadline of recovering: the wait is over, or a step took too long.)
func (l *line) tryAgain(occurrence) {
	switch {
	case l.climb.on:
		l.rungOver(fmt.Errorf("not over within %s", rungLimit))
	case l.tty.busy: // nothing has failed: another program has it
		l.tty.busy = false
		l.post(evReopen, l.reason)
	case l.poweredOff(): // nobody hears what the steps send
		l.post(evFailed, dsrLow)
	default:
		l.climb.at = l.climb.from
		if !l.climbOn() {
			l.climb.at = 0
			l.climbOn()
		}
	}
}

// climbOn begins the next step that fits; false when there is none.
func (l *line) climbOn() bool {
	steps := ladder()
	for c := &l.climb; c.at < len(steps); c.at++ {
		if !steps[c.at].fits(l) {
			continue
		}
		c.on = true
		l.script = nil
		l.in(timeStep, 0)
		l.in(timeState, rungLimit)
		l.logAt(slog.LevelDebug, "recovery", "step", steps[c.at].name)
		steps[c.at].begin(l)
		return true
	}
	return false
}

var errStillInCall = errors.New("DCD is high: the modem is still in a call")

// rungOver ends a step: with nil it seems to have helped, and the set-up shows.
func (l *line) rungOver(err error) {
	c := &l.climb
	name := ladder()[c.at].name
	l.script = nil
	l.in(timeStep, 0)
	if !c.dtrLow.IsZero() && l.tty.dev != nil {
		_ = l.tty.dev.SetDTR(true)
	}
	c.dtrLow, c.resets = time.Time{}, false
	if c.at == 0 {
		c.silent = err != nil && !obeyed(err)
	}
	if err == nil && l.inCall() {
		err = errStillInCall
	}
	if err == nil && c.at == 0 && c.refused {
		err = errors.New("the modem answers AT, but its set-up failed")
	} else if err != nil && c.at == 0 {
		c.refused = false // silence needs all the steps
	}
	c.at++
	if err != nil {
		l.event(EventLadder, name, "did not help: "+err.Error())
		if !l.climbOn() {
			c.on, c.from = false, 0
			l.post(evFailed, err.Error())
		}
		return
	}
	c.on, c.from, c.hopeful = false, c.at, name
	l.post(evIdle, "")
}

// climbed tells how the step went that seemed to help: why is "" when the line listens.
func (l *line) climbed(why string) {
	name := l.climb.hopeful
	l.climb.hopeful = ""
	switch {
	case name == "":
	case why == "":
		l.eventAs(name+" helped", EventLadder, name, "helped: the line listens again")
	default:
		l.event(EventLadder, name, "did not help: "+why)
	}
	l.climb.on = false
}

func always(*line) bool { return true }

// hasModem says that there is an open device with a modem that can be asked.
func (l *line) hasModem() bool { return l.tty.dev != nil && !l.cfg.direct() }

// fitsAT says that the modem can be asked.
func (l *line) fitsAT() bool { return l.hasModem() && !l.onlyDTR() }

// askAT drops what is queued both ways and asks.
func (l *line) askAT() {
	_ = l.tty.dev.Flush(Both)
	l.split.Reset()
	l.startScript([]modem.Step{{Send: "AT", Timeout: probeTime}})
}

// fitsDTR says that DTR can be dropped. Where only the set-up is refused, or DTR means nothing, it need not.
func (l *line) fitsDTR() bool {
	return l.tty.dev != nil && l.cfg.dtrTime() > 0 && !l.dtrIgnored() && !l.climb.refused
}

// dropDTR hangs up by DTR.
func (l *line) dropDTR() {
	_ = l.tty.dev.Flush(Both)
	if err := l.tty.dev.SetDTR(false); err != nil {
		l.rungOver(fmt.Errorf("DTR: %w", err))
		return
	}
	l.climb.dtrLow = time.Now()
	l.in(timeStep, l.cfg.dtrTime())
}

// climbStep goes on when DTR was low long enough. A direct line has nobody to ask.
func (l *line) climbStep() {
	if l.climb.resets {
		l.climb.resets = false
		l.askAT()
	}
	if l.climb.dtrLow.IsZero() {
		return
	}
	l.climb.dtrLow = time.Time{}
	_ = l.tty.dev.SetDTR(true)
	if l.cfg.direct() {
		l.rungOver(nil)
		return
	}
	if l.inCall() { // it did not hang up in all that time
		l.rungOver(errStillInCall)
		return
	}
	if d, resets := l.dtrResets(); resets && d > 0 {
		l.climb.resets = true
		l.in(timeStep, d)
		return
	}
	l.askAT()
}

// fitsEscape says that the modem would take "+++" for an escape.
func (l *line) fitsEscape() bool {
	return l.hasModem() && !l.climb.refused && l.cfg.Profile.Hangup.Escape != "" && !l.noEscape
}

// sendEscape leads the modem out of data mode by the guarded escape and hangs up.
func (l *line) sendEscape() {
	l.startScript(append(escapeSteps(l.cfg.Profile), modem.Step{Send: "AT", Timeout: probeTime}))
}

// fitsVoice says that the modem may be in voice mode, in which it takes no commands.
func (l *line) fitsVoice() bool { return l.hasModem() && !l.climb.refused && !l.onlyDTR() }

// onlyDTR says that the modem is in a call that it can't be escaped from: it takes all that is sent for data, and only DTR ends it.
func (l *line) onlyDTR() bool { return l.climb.silent && l.noEscape && l.inCall() }

// sendVoiceEnd does what the profile says frees the family; without a word of it DLE ETX ends voice mode, and then comes the escape.
func (l *line) sendVoiceEnd() {
	p := l.cfg.Profile
	steps := commands(p, p.Recover)
	if len(steps) == 0 {
		const voiceEnd = "\x10\x03"
		steps = []modem.Step{{Send: voiceEnd, Raw: true, NoReply: true, Delay: time.Second}}
		if !l.noEscape {
			steps = append(steps, escapeSteps(p)...)
		} else if p.Hangup.Command != "" {
			steps = append(steps, modem.Step{Send: p.Hangup.Command, Optional: true, Timeout: probeTime})
		}
	}
	for i := range steps {
		steps[i].Timeout = min(steps[i].Timeout, rungPatience)
	}
	l.startScript(append(steps, modem.Step{Send: "AT", Timeout: probeTime}))
}

// fitsReset says that the modem can be reset by a command.
func (l *line) fitsReset() bool {
	return l.hasModem() && l.cfg.Profile.Reset.Command != "" && !l.onlyDTR()
}

// sendReset brings the modem back to its stored settings. A bare AT follows, because some families fall back to a stored speed and must
// hear one to find the present one again; whether it is answered by the first or the second is all the same.
func (l *line) sendReset() {
	p := l.cfg.Profile
	l.startScript([]modem.Step{
		{Send: p.Reset.Command, Optional: true, Timeout: min(p.CommandTimeout.Std(), rungPatience), Delay: p.Reset.Delay.Std()},
		{Send: "AT", Optional: true, Timeout: probeTime},
		{Send: "AT", Alternative: true, Timeout: probeTime},
	})
}

// openAgain closes the device, which drops DTR and RTS for the profile's time, and opens it.
func (l *line) openAgain() {
	c := &l.climb
	c.on, c.from, c.hopeful = false, c.at+1, ladder()[c.at].name
	l.post(evReopen, l.reason)
}

// openedAnew says that the step that may have helped opened the device, and nobody has answered AT yet.
func (l *line) openedAnew() bool {
	steps := ladder()
	return slices.ContainsFunc(steps[len(steps)-2:], func(s rung) bool { return s.name == l.climb.hopeful })
}
