package port

import (
	"math/rand/v2"
	"regexp"
	"strconv"

	"rashost/hardware"
	"rashost/port/modem"
)

// countersign is a number that a modem is given on hook and asked for after a call, on a line whose DCD does not show calls. A caller who is
// still there sees the question and can type OK, but does not know the number.
type countersign struct {
	number int  // in signRegister; 0 for none
	heard  int  // what was said to the question; -1 for nothing
	wrongs int  // so many wrong answers in a row
	kept   bool // the modem has shown that it keeps such a number; until the device goes
	tried  bool // it was given one; until the device goes
	asked  bool // the answer is awaited
	due    bool // a call has ended, or should have: nothing else is sent before the modem has given the number
	wrong  bool // AT was answered instead, or another number given
}

// The number is kept in S8, the length of the comma in a dial string: every family has it, it takes 0 to 255, and who answers calls does not dial.
const givesSign, asksSign = "ATS8=", "ATS8?"

// The numbers that are given: none is a factory's, and all have three digits, as no numeric OK has.
const signLeast, signMost = 100, 250

// signTrust is how many wrong numbers in a row, each with its quarantine, make a modem one that forgets: it is not given any more.
const signTrust = 2

// registerAnswer is how a modem shows a register.
var registerAnswer = regexp.MustCompile(`^(?:S?0*8 ?[=:] ?)?([0-9]{3})$`)

// blind says that DCD does not show whether the modem is in a call.
func (l *line) blind() bool {
	if l.cfg.direct() {
		return false
	}
	_, readable := l.readDCD()
	return l.mode() == CarrierIgnore || !readable || l.dcd.told
}

// takesSign says that a number is of use. A modem that resets itself when DTR drops would forget it.
func (l *line) takesSign() bool { return l.blind() && l.cfg.Profile.DTR != hardware.DTRReset }

// wantsSign says that it has turned out to be of use since the set-up.
func (l *line) wantsSign() bool { return !l.countersign.tried && l.takesSign() }

// giveSign are the commands that give the modem a new number.
func (l *line) giveSign() []modem.Step {
	t := &l.countersign
	t.number, t.asked, t.due, t.wrong = 0, false, false, false
	if !l.takesSign() || t.wrongs >= signTrust {
		return nil
	}
	t.tried = true
	t.number = signLeast + rand.N(signMost-signLeast+1)
	return []modem.Step{{Send: givesSign + strconv.Itoa(t.number), Optional: true, Timeout: probeTime}}
}

// ask begins the question.
func (t *countersign) ask() modem.Step {
	t.asked, t.heard = true, -1
	return modem.Step{Send: asksSign, Optional: true, Timeout: probeTime}
}

// line takes a line that the modem says, and says whether it answers the question.
func (t *countersign) line(text string) bool {
	m := registerAnswer.FindStringSubmatch(text)
	if !t.asked || m == nil {
		return false
	}
	t.heard, _ = strconv.Atoi(m[1])
	return true
}

// over ends the question, and says whether the number was right.
func (t *countersign) over() bool {
	t.asked = false
	return t.heard == t.number
}

// checkSign begins the question that ends the set-up: does the modem keep the number? It says whether there is one. A caller who is ringing
// waits for it: without the number nobody could say later when he has gone.
func (l *line) checkSign() bool {
	t := &l.countersign
	if t.number == 0 || t.kept {
		return false
	}
	l.startScript([]modem.Step{t.ask()})
	return true
}

// signOver ends a question in the set-up, before it or behind it.
func (l *line) signOver() {
	t := &l.countersign
	switch {
	case !t.due:
		if t.kept = t.over(); !t.kept {
			t.number = 0
		}
		l.readBackSetUp()
	case l.signKnown():
		l.beginSetUp()
	case l.retest: // or a modem that was switched off in a call would never come back
		l.event(EventUnproven, "after the quarantine the modem is believed again", signWrong+", who sees the number that it is given now")
		l.beginSetUp()
	default:
		l.post(evFailed, signWrong)
	}
}

// succeed takes over what a line of this device knew of its last call, which this one replaces: its caller may still be there.
func (l *line) succeed() {
	for old := l.before; old != nil; old = old.before {
		select {
		case <-old.done: // nothing of it changes any more
			if old.countersign.due && !l.countersign.due {
				l.countersign = old.countersign
			}
		default:
			return
		}
	}
	l.before = nil
}

// signFirst begins the set-up of a line whose last call is not known to be over: nothing else is sent before the modem gives its number, or
// the caller would see the next one.
func (l *line) signFirst() bool {
	t := &l.countersign
	if !t.due || t.number == 0 {
		return false
	}
	l.startScript([]modem.Step{{Send: "AT", Optional: l.retest, Timeout: probeTime}, t.ask()})
	return true
}

// signKnown says whether the modem gave the right number, where it was asked. What gave a wrong one may be a caller who is still there: a
// line that does not get rid of him goes to quarantine at once, instead of letting him guess on.
func (l *line) signKnown() bool {
	t := &l.countersign
	switch {
	case !t.asked:
		return true
	case t.over():
		t.due, t.wrong, t.wrongs = false, false, 0
		return true
	case !t.wrong:
		t.wrong = true
		t.wrongs++
	}
	return false
}

// signWrong is what to say then.
const signWrong = "it is not the modem that answers, or it was reset: it does not know the number it was given; a caller may still be there"

// proof are the commands that show that the modem has hung up: AT, and where DCD showed nothing of the call the number as well, behind a
// hang-up by command, since a modem may keep its call in command mode.
func (l *line) proof() []modem.Step {
	steps := []modem.Step{{Send: "AT", Timeout: probeTime}}
	l.countersign.asked = false
	if !l.hang.unseen || l.countersign.number == 0 {
		return steps
	}
	if command := l.cfg.Profile.Hangup.Command; command != "" && !l.hang.escaped {
		steps = append(steps, modem.Step{Send: command, Optional: true, Timeout: probeTime})
	}
	return append(steps, l.countersign.ask())
}
