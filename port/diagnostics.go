package port

import (
	"strconv"
	"strings"
	"time"

	"rashost/hardware"
	"rashost/port/modem"
)

// Bounds of the questions about a call that is over.
const (
	diagnosticsTime  = 3 * time.Second // all answers together
	diagnosticsSpare = 5 * time.Second // of the 15 s of a hang-up, so much is left for what follows
	diagnosticsSteps = 6               // questions
	diagnosticsText  = 900             // bytes of the answers that are kept
	diagnosticsLine  = 160             // bytes of one line of them
)

// diagnostics is what the modem says of a call that is over.
type diagnostics struct {
	before bool            // DTR is not down yet: the reset that it brings would take the answers away
	text   strings.Builder // one line, each part quoted
}

// askDiagnostics asks what the profile wants to know of the call; false when there is nothing to ask, or no time.
func (l *line) askDiagnostics(before bool) bool {
	h, p := &l.hang, l.cfg.Profile
	if l.cfg.direct() || len(p.Diagnostics) == 0 || h.diag != nil || l.call == nil || !l.call.connected || h.unset {
		return false
	}
	if time.Since(h.began)+diagnosticsTime+diagnosticsSpare > hangupLimit {
		l.note("no time is left to ask the modem about the call")
		return false
	}
	h.diag = &diagnostics{before: before}
	h.phase = phaseDiagnostics
	steps := commands(p, p.Diagnostics[:min(len(p.Diagnostics), diagnosticsSteps)])
	for i := range steps {
		steps[i].Optional = true
		steps[i].Timeout = min(steps[i].Timeout, diagnosticsTime/time.Duration(len(steps)))
		steps[i].Delay = min(steps[i].Delay, 100*time.Millisecond)
	}
	l.startScript(steps)
	return true
}

// dtrForgets says that DTR must stay up for the questions, because its drop would reset the modem. The caller must have gone: only then
// does the modem take commands.
func (l *line) dtrForgets() bool {
	p := l.cfg.Profile
	return p != nil && p.DTR == hardware.DTRReset && len(p.Diagnostics) > 0 && l.hang.onHook && !l.hang.broken && l.hang.dtrLow.IsZero()
}

// heardDiagnostics keeps one line of the answers.
func (l *line) heardDiagnostics(r modem.Result, text string) {
	d := l.hang.diag
	if r.Kind == modem.OK || r.Kind == modem.Error || strings.TrimSpace(text) == "" || d.text.Len() > diagnosticsText {
		return
	}
	if len(text) > diagnosticsLine {
		text = text[:diagnosticsLine]
	}
	quoted := strconv.QuoteToASCII(text)
	if d.text.Len() > 0 {
		d.text.WriteString(" | ")
	}
	d.text.WriteString(strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`))
}

// diagnosticsOver makes the answers known and goes on with the hang-up.
func (l *line) diagnosticsOver() {
	d := l.hang.diag
	l.script = nil
	l.in(timeStep, 0)
	if d.text.Len() > 0 {
		l.event(EventDiagnostics, "what the modem says of the call", d.text.String())
	} else {
		l.note("the modem says nothing of the call")
	}
	if d.before {
		l.drop()
		return
	}
	l.idle()
}
