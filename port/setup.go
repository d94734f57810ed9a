package port

import (
	"errors"
	"slices"
	"strings"

	"rashost/hardware"
	"rashost/port/modem"
)

// initialise sets the modem up. (Entering initializing.)
func (l *line) initialise(occurrence) {
	if l.mode() == CarrierRequired {
		if _, err := l.tty.dev.Signals(); errors.Is(err, errors.ErrUnsupported) {
			l.post(evFailed, "carrier: required, but the device has no control signals: use carrier: ignore")
			return
		}
	}
	if l.cfg.direct() {
		l.post(evReady, "")
		return
	}
	l.succeed()
	l.back.ask, l.testing, l.countersign.asked = nil, false, false
	if l.signFirst() {
		return
	}
	l.beginSetUp()
}

// beginSetUp asks the modem what it is, where that is not known, and sets it up.
func (l *line) beginSetUp() {
	if l.openedAnew() && l.onlyDTR() { // the close has not ended the call: there is nobody to ask
		l.stuckWhy = l.stuckText()
		l.post(evFailed, errStillInCall.Error())
		return
	}
	if l.recognise() {
		return
	}
	l.startScript(l.setUpSteps())
}

// setUp ends the set-up of a modem. One that is still in a call is not ready, whatever it answers.
func (l *line) setUp(refused []*modem.StepError) {
	off := l.cfg.Profile.EscapeOff
	l.noEscape = off != "" && !slices.ContainsFunc(refused, func(e *modem.StepError) bool { return e.Step.Send == off })
	if off != "" && !l.noEscape {
		l.event(EventEscape, "the modem does not take "+off+": its escape is on", "what is sent to callers is broken in time all the same")
	}
	for _, r := range refused {
		if strings.HasPrefix(r.Step.Send, givesSign) {
			l.countersign.kept = false // it is asked whether it took the number
		}
		if slices.Contains(l.cfg.Init, r.Step.Send) {
			l.event(EventModem, "the modem does not take "+r.Step.Send, "it stands in the line's `init`: `rashost modem lint` explains it")
		}
	}
	if l.inCall() {
		l.stuckWhy = l.stuckText()
		l.post(evFailed, "the modem is set up but still in a call")
		return
	}
	l.noEscape = l.noEscape && !l.back.escapeOn
	if !l.checkSign() {
		l.readBackSetUp()
	}
}

// readBackSetUp asks the modem what it took.
func (l *line) readBackSetUp() {
	l.back.ask = questions(l.cfg.Profile)
	if !l.readBackNext() {
		l.isSetUp()
	}
}

// isSetUp ends the set-up.
func (l *line) isSetUp() {
	switch {
	case l.cfg.OutOfService != "": // the modem is set up only to be taken off hook
		l.post(evOff, l.cfg.OutOfService)
		return
	case l.retest:
		l.onHookAgain()
		l.testIdle()
		return
	}
	l.onHookAgain()
	l.post(evReady, "")
}

// setUpSteps are the commands that set the line's modem up. On a device that was opened anew because its modem was silent AT comes first:
// one that is silent still need not be waited for as long as for a command that takes its time.
func (l *line) setUpSteps() []modem.Step {
	var first []modem.Step
	if l.openedAnew() {
		if d, resets := l.dtrResets(); resets && d > 0 {
			first = append(first, modem.Step{Raw: true, NoReply: true, Delay: d})
		}
		first = append(first, modem.Step{Send: "AT", Optional: true, Timeout: probeTime}, modem.Step{Send: "AT", Alternative: true, Timeout: probeTime})
	}
	return slices.Concat(first, l.backOnHook(), initSteps(l.cfg), l.giveSign())
}

// initSteps are the commands of the line's profile, those for distinctive ring, where the line asks for it, and caller id last.
func initSteps(c *LineConfig) []modem.Step {
	return append(SetUpSteps(c), CallerIDSteps(c.Profile)...)
}

// SetUpSteps are the commands by which a line sets its modem up, in order: its profile's, with c.DistinctiveRing also the one for that, where
// the profile has it, and the line's own. CallerIDSteps follow.
func SetUpSteps(c *LineConfig) []modem.Step {
	p := c.Profile
	steps := commands(p, p.Init)
	if c.DistinctiveRing && p.DistinctiveRing.Send != "" {
		ring := commands(p, []hardware.Step{p.DistinctiveRing})[0]
		ring.Optional = true
		steps = append(steps, ring)
	}
	for _, command := range c.Init {
		steps = append(steps, commands(p, []hardware.Step{{Send: command, Optional: true}})...)
	}
	return steps
}

// CallerIDSteps are the commands by which a line asks for caller id: alternatives, tried until one is answered by OK.
func CallerIDSteps(p *hardware.Profile) []modem.Step {
	steps := commands(p, p.CallerID.Enable)
	for i := range steps {
		steps[i].Optional, steps[i].Alternative = true, i > 0
	}
	return steps
}

// commands turns a profile's steps into a script's.
func commands(p *hardware.Profile, from []hardware.Step) []modem.Step {
	steps := make([]modem.Step, 0, len(from)+2)
	for _, s := range from {
		timeout := s.Timeout
		if timeout == 0 {
			timeout = p.CommandTimeout
		}
		steps = append(steps, modem.Step{
			Send: s.Send, Raw: s.Raw, Expect: s.Expect, NoReply: s.NoReply, Optional: s.Optional,
			Timeout: timeout.Std(), Delay: (s.DelayAfter + p.CommandDelay).Std(),
		})
	}
	return steps
}
