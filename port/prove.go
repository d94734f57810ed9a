package port

import (
	"fmt"
	"time"

	"rashost/hardware"
	"rashost/port/modem"
)

// prove finds out whether the line is on hook: DCD low where it tells, AT answered by OK, then silence. What a caller types must not
// pass for an answer: where DCD does not show calls, the modem is asked for its countersign; one without is sent the escape first.
func (l *line) prove() {
	switch {
	case l.cfg.direct():
		l.quiet()
	case l.inCall():
		l.note("DCD is still high")
		l.notIdle("the hang-up failed")
	case l.hang.unseen && (l.countersign.number == 0 || l.dtrIgnored()) && !l.hang.escaped && l.canEscape():
		l.note("nothing shows whether the modem has hung up")
		l.escape()
	default:
		l.hang.phase = phaseProbe
		l.split.Echo("")
		l.startScript(l.proof())
	}
}

// canEscape says whether the modem can be brought out of data mode by what we send.
func (l *line) canEscape() bool {
	return l.cfg.Profile.Hangup.Escape != "" && !l.noEscape
}

// escape is the second way to hang up: out of data mode by "+++", then ATH. With the escape switched off "+++" would be nothing but
// text for the caller; a modem that fell into command mode when DTR dropped (&D1) hears ATH all the same.
func (l *line) escape() {
	p := l.cfg.Profile
	l.hang.phase, l.hang.escaped = phaseEscape, true
	var steps []modem.Step
	switch {
	case l.canEscape():
		steps = escapeSteps(p)
	case p.Hangup.Command != "":
		steps = []modem.Step{{Send: p.Hangup.Command, Optional: true, Timeout: probeTime}}
	}
	if l.noEscape {
		l.note("the escape is not sent: " + p.EscapeOff + " switched it off")
	}
	l.startScript(append(steps, l.proof()...))
}

// escapeSteps are the escape between its two silences, and the command that hangs up.
func escapeSteps(p *hardware.Profile) []modem.Step {
	h := p.Hangup
	// The modem's clock starts when the last character has left, ours when the driver took it.
	guard := max(h.Guard.Std()+h.Guard.Std()/5, time.Nanosecond)
	steps := []modem.Step{{Raw: true, NoReply: true, Delay: guard}, {Send: h.Escape, Raw: true, NoReply: true, Delay: guard}}
	if h.Command != "" {
		steps = append(steps, modem.Step{Send: h.Command, Optional: true, Timeout: probeTime})
	}
	return steps
}

// notIdle goes on when the line is not proven idle: the escape; where there is none, the device closed for the DTR time, which is all
// that is left; then a recovery.
func (l *line) notIdle(why string) {
	switch {
	case !l.hang.escaped:
		l.escape()
	case !l.canEscape() && !l.hang.closed:
		l.note("the device is closed and opened")
		l.openAnew()
	default:
		l.heededDTR(false)
		if l.inCall() {
			l.event(EventStuckDCD, "DCD is still high after the hang-up", why)
		}
		l.stuckWhy = l.stuckText()
		l.post(evFailed, why)
	}
}

// stuckText says what may keep the modem in a call, and what to do about it; "" when there is nothing to say.
func (l *line) stuckText() string {
	var text string
	switch high := l.inCall(); {
	case high && l.noEscape:
		text = "DCD is high: the modem is still in a call. It ignores DTR, and its escape is switched off"
	case high:
		text = "DCD is high: the modem is still in a call. Neither DTR nor the escape helped"
	case l.dcd.tells: // and it is low
		return ""
	case l.noEscape:
		text = "if the modem is still in a call, it ignores DTR, and its escape is switched off"
	default:
		return ""
	}
	if l.noEscape {
		text += " (" + l.cfg.Profile.EscapeOff + ")"
	}
	return text + ": wire DTR, and have the modem hang up on it (&D2)"
}

// hangupScriptOver goes on when the modem answered, or did not.
func (l *line) hangupScriptOver(err error) {
	switch {
	case l.hang.phase == phaseDiagnostics:
		l.diagnosticsOver()
	case err == nil && !l.signKnown():
		l.note("AT is answered, and the number is not known")
		l.notIdle(signWrong)
	case err == nil:
		l.note("the modem answers AT")
		switch {
		case l.stillInCall():
		case l.rings > 0:
			l.idle() // a modem that rings is on hook
		default:
			l.quiet()
		}
	case l.hang.phase == phaseProbe:
		l.note("no answer to AT")
		l.notIdle(err.Error())
	case l.ringing() && !l.hang.unseen:
		l.idle() // too busy to answer; but where nothing shows that the call is over, a caller may have typed it
	default:
		l.notIdle(err.Error())
	}
}

// stillInCall looks at DCD again, and goes on with the hang-up when it is high. A modem that lost its settings may show it high on
// hook; its set-up looks again.
func (l *line) stillInCall() bool {
	if l.hang.unset || !l.inCall() {
		return false
	}
	l.note("DCD is high")
	l.notIdle("the hang-up failed")
	return true
}

// quiet waits for silence.
func (l *line) quiet() {
	l.hang.phase = phaseQuiet
	if !l.cfg.direct() {
		l.hang.quietBy = time.Now().Add(quietMost)
		l.in(timeStep, quietTime)
		return
	}
	l.in(timeStep, directQuietTime)
	l.directQuiet()
}

// notQuiet starts the silence anew. A modem that has dropped DCD since CONNECT is on hook whatever it says: that one may babble, if it
// goes on for longer than quietMost.
func (l *line) notQuiet() {
	if l.hang.dcd && !time.Now().Before(l.hang.quietBy) && !l.inCall() {
		l.event(EventNoise, "the modem goes on talking after the hang-up", "DCD is low: it has hung up")
		l.idle()
		return
	}
	l.in(timeStep, quietTime)
}

// directQuiet looks whether the other end of a direct line let go.
func (l *line) directQuiet() {
	if !l.dcd.usable || l.hang.phase != phaseQuiet {
		return
	}
	if high, ok := l.readDCD(); ok && !high {
		l.dcd.low = true // it may be high again when the line listens
		l.idle()
		return
	}
	l.in(timePoll, carrierPoll)
}

// idle ends the hang-up: it is proven, unless DCD came up meanwhile.
func (l *line) idle() {
	if l.stillInCall() {
		return
	}
	l.in(timeStep, 0)
	l.in(timePoll, 0)
	l.hang.phase = phaseDone
	if !l.hang.unseen || l.countersign.number != 0 {
		l.heededDTR(!l.hang.escaped)
	}
	l.unproven()
	l.note(fmt.Sprintf("proven idle %s after the hang-up began", time.Since(l.hang.began).Round(time.Millisecond)))
	why := l.countVain()
	l.echoed = l.call != nil && l.call.echo.looped.Load()
	switch {
	case l.hang.off:
		l.post(evOff, "switched off")
	case why != "":
		l.post(evFailed, why)
	case l.hang.unset:
		l.post(evUnset, "the modem lost its settings")
	case l.unknown():
		l.post(evUnset, "the modem is to be asked what it is")
	case l.wantsSign():
		l.post(evUnset, "DCD does not show calls: the modem is given a number to know it by")
	default:
		l.post(evIdle, "")
	}
}

// unproven tells of a line on which nothing but an OK shows that a call has ended, which a caller can type who is still there.
func (l *line) unproven() {
	if l.hang.unseen && l.countersign.number == 0 && !l.canEscape() {
		l.event(EventUnproven, "nothing but OK shows that the modem has hung up",
			"DCD does not show calls, the escape is off, and the modem keeps no number in S8: `rashost doctor` tries whether DTR hangs up; see docs/lines.md")
	}
}

// deafHangups is how many hang-ups in a row make a modem one that ignores DTR.
const deafHangups = 3

// heededDTR learns whether the modem hangs up when DTR drops.
func (l *line) heededDTR(heeded bool) {
	switch {
	case l.hang.dtrLow.IsZero() || l.cfg.direct() || l.dtrIgnored():
		return
	case heeded:
		l.deaf = 0
		return
	}
	if l.deaf++; l.deaf >= deafHangups {
		l.event(EventDTRIgnored, "the modem does not hang up when DTR drops", fmt.Sprintf(
			"%d calls in a row ended otherwise or not at all: wire DTR, and have the modem hang up on it (&D2)", l.deaf))
	}
}
