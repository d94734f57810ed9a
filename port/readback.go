package port

import (
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"

	"rashost/hardware"
	"rashost/port/modem"
)

// readBack asks a modem that was set up what it really took. It never keeps a line from listening: what does not fit is made known.
type readBack struct {
	ask      []hardware.ReadBack // what is still to be asked, the one in progress first; empty when nothing is
	answer   []string            // the lines of the answer in progress
	escapeOn bool                // the modem says so, whatever it accepted; until the device goes
}

// Bounds of one answer.
const (
	maxAnswerLines = 16
	maxAnswerLine  = 80
	readBackTime   = 2 * time.Second // a modem that does not answer in that time is asked nothing more
)

// escapeRegister finds the value that a profile's EscapeOff gives S2.
var escapeRegister = regexp.MustCompile(`(?i)S0*2=([0-9]{1,3})$`)

// registerValue finds the values of registers.
var registerValue = regexp.MustCompile(`\b[0-9]{1,4}\b`)

// escapeQuery asks for S2.
const escapeQuery = "ATS2?"

// questions are what to ask of the profile's modem: what the profile says, and S2 where the set-up switches the escape off by it.
func questions(p *hardware.Profile) []hardware.ReadBack {
	ask := append([]hardware.ReadBack(nil), p.ReadBack...)
	for _, q := range ask {
		if strings.EqualFold(q.Query, escapeQuery) {
			return ask
		}
	}
	if escapeRegister.MatchString(p.EscapeOff) {
		ask = append(ask, hardware.ReadBack{Query: escapeQuery, Pattern: `\d`, Means: "the escape is off"})
	}
	return ask
}

// readBackNext asks the next question. It says whether there was one. While a caller waits nothing is asked.
func (l *line) readBackNext() bool {
	b := &l.back
	if len(b.ask) == 0 || l.ringing() || !l.hang.began.IsZero() {
		b.ask = nil
		return false
	}
	b.answer = nil
	l.startScript([]modem.Step{{Send: b.ask[0].Query, Optional: true, Timeout: readBackTime}})
	return true
}

// readBackLine takes a line of an answer, and says whether it is one.
func (l *line) readBackLine(text string) bool {
	b := &l.back
	if len(b.ask) == 0 || l.script == nil || l.state != Initializing {
		return false
	}
	if len(b.answer) < maxAnswerLines {
		b.answer = append(b.answer, text[:min(len(text), maxAnswerLine)])
	}
	return true
}

// readBackOver looks at an answer, and goes on with the next question. A modem that refuses the question leaves things open.
func (l *line) readBackOver(refused []*modem.StepError) {
	b := &l.back
	q, answer := b.ask[0], strings.Join(b.answer, "\n")
	b.ask = b.ask[1:]
	switch {
	case len(refused) > 0 && refused[0].Answer.Kind == modem.None:
		l.logAt(slog.LevelDebug, "read-back: no answer", "query", q.Query)
		b.ask = nil
	case len(refused) > 0 || answer == "":
		l.logAt(slog.LevelDebug, "read-back: refused, or nothing said", "query", q.Query)
	case !fits(q, answer):
		l.event(EventReadBack, fmt.Sprintf("%s does not show that %s", q.Query, q.Means), fmt.Sprintf("the modem says %.120q", answer))
		if strings.EqualFold(q.Query, escapeQuery) {
			l.noEscape, b.escapeOn = false, true
		}
	}
	if !l.readBackNext() {
		l.isSetUp()
	}
}

// fits says whether an answer shows what the question asks. S2 must be a number over 127 besides.
func fits(q hardware.ReadBack, answer string) bool {
	pattern, err := regexp.Compile(q.Pattern)
	if err != nil || !pattern.MatchString(answer) {
		return false
	}
	if !strings.EqualFold(q.Query, escapeQuery) {
		return true
	}
	all := registerValue.FindAllString(answer, -1)
	if len(all) == 0 {
		return false
	}
	n, err := strconv.Atoi(all[len(all)-1]) // S2 may be named before
	return err == nil && n > 127
}
