package hardware

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// rule finds a command that does harm here, whatever the family thinks of it.
type rule struct {
	name     string
	severity Severity
	// text is said when matches; m is nil for a command that the family does not know.
	matches func(l *linter, t Token, m *Meaning) bool
	text    string
}

func (r rule) apply(l *linter, t Token, m *Meaning) (Finding, bool) {
	if t.Asks || t.Bit != "" || !r.matches(l, t, m) {
		return Finding{}, false
	}
	return Finding{r.name, r.severity, r.text}, true
}

// sets matches a command with one of these values.
func sets(name string, values ...string) func(*linter, Token, *Meaning) bool {
	return func(_ *linter, t Token, _ *Meaning) bool { return t.Name == name && slices.Contains(values, t.Value) }
}

// setsOther matches a command with any value but this.
func setsOther(name, value string) func(*linter, Token, *Meaning) bool {
	return func(_ *linter, t Token, _ *Meaning) bool { return t.Name == name && t.Value != value }
}

// rules is the table of what does harm.
var rules = []rule{
	{"auto-answer", SeverityFault, setsOther("S0", "0"),
		"the modem answers by itself: it takes calls that the host has not allowed, and a command sent meanwhile hangs it up. S0=0"},
	{"dtr-ignored", SeverityFault, func(l *linter, t Token, _ *Meaning) bool { return t.Name == "&D" && t.Value == "0" && !l.noDTR() },
		"the host can't hang up by DTR. &D2"},
	{"dtr-command", SeverityFault, sets("&D", "1"), "when DTR drops the call goes on. &D2"},
	{"dtr-reset", SeverityFault, func(l *linter, t Token, _ *Meaning) bool {
		return t.Name == "&D" && t.Value == "3" && l.profile != nil && l.profile.DTR != DTRReset
	}, "the modem resets when DTR drops, and the profile does not say dtr: reset: the set-up would be lost"},
	{"supra", SeverityFault, func(l *linter, t Token, _ *Meaning) bool {
		return t.Name == "&D" && t.Value == "3" && l.profile != nil && l.profile.supra()
	}, "&D3 breaks data calls on a Supra. &D2"},
	{"carrier-forced", SeverityFault, sets("&C", "0"), "DCD is always high: the host does not see that the caller has gone. &C1"},
	{"echo", SeverityFault, setsOther("E", "0"),
		"the modem gives back every command, and takes a prompt for one. E0"},
	{"quiet", SeverityFault, setsOther("Q", "0"), "the host waits in vain for results. Q0"},
	{"numeric", SeverityFault, sets("V", "0"), "the makes do not agree on the numbers. V1"},
	{"no-results", SeverityWarning, func(_ *linter, t Token, _ *Meaning) bool { return t.Name == "X" && t.number() >= 0 && t.number() < 3 },
		"BUSY or the rate may be missing from the results. X4"},
	{"escape-on", SeverityFault, func(l *linter, t Token, _ *Meaning) bool {
		return t.Name == "S2" && t.number() <= 127 && !l.noDTR()
	}, "what a caller makes us send can bring the modem into command mode. S2=255"},
	{"escape-needed", SeverityFault, func(l *linter, t Token, _ *Meaning) bool { return t.Name == "S2" && t.number() > 127 && l.noDTR() },
		"without DTR the escape is the only way to hang up: leave S2 alone"},
	{"remote-escape", SeverityFault, func(_ *linter, t Token, m *Meaning) bool { return m != nil && m.RemoteEscape && t.Value != "0" },
		"a caller who knows the factory password can configure the modem. Set it to 0"},
	{"callback", SeverityFault, func(_ *linter, t Token, m *Meaning) bool { return m != nil && m.Callback && t.Value != "0" },
		"the modem asks for passwords or dials by itself, behind the host's back. Set it to 0"},
	{"command-characters", SeverityFault, func(_ *linter, t Token, _ *Meaning) bool {
		return t.Name == "S3" && t.Value != "13" || t.Name == "S4" && t.Value != "10"
	}, "the host ends commands by CR and reads lines that end in CR LF. S3=13, S4=10"},
	{"stored", SeverityWarning, sets("&W", "0", "1", "2", "3"),
		"what is stored outlives the profile, and the store wears out when it is written at every start; the host sets everything up itself"},
	{"test-timer", SeverityFault, setsOther("S18", "0"), "it starts a test; on a ZyXEL, RING then comes at a rate of its own. S18=0"},
	{"never-hang-up", SeverityFault, sets("S10", "255"), "a caller who is cut off is never noticed"},
	{"long-wait", SeverityWarning, func(l *linter, t Token, _ *Meaning) bool {
		return t.Name == "S7" && l.profile != nil && time.Duration(t.number()+5)*time.Second > l.profile.Answer.Timeout.Std()
	}, "the modem waits longer for the carrier than answer.timeout allows: five seconds more than S7"},
	{"rate-follows", SeverityWarning, func(_ *linter, t Token, m *Meaning) bool {
		return m != nil && strings.Contains(m.Means, "DTE rate") && strings.Contains(m.Values[t.Value], "follows the line")
	}, "after CONNECT the modem speaks at another rate than the host"},
	{"fax", SeverityFault, setsOther("+FCLASS", "0"), "the modem would answer as a fax or a telephone. +FCLASS=0"},
	{"restarts", SeverityFault, func(_ *linter, t Token, m *Meaning) bool {
		return m != nil && m.Restarts && strings.HasSuffix(t.Value, ",1")
	},
		"the modem restarts; by USB it goes away and comes back under another number"},
	{"acts", SeverityFault, func(l *linter, t Token, _ *Meaning) bool {
		return !l.outside && (slices.Contains([]string{"A", "D", "O"}, t.Name) || t.Name == "H" && t.Value == "1" || t.Name == "&T" && t.Value != "0")
	}, "it begins a call or takes the line; it has no place in a set-up"},
	{"before-reset", SeverityFault, func(l *linter, t Token, _ *Meaning) bool {
		on := func(name string) bool { return l.state[name] != "" }
		return !l.outside && (t.Name == "Z" || t.Name == "&F") && slices.ContainsFunc(callerIDs, on)
	}, "caller id was switched on before this reset, which forgets it: switch it on afterwards"},
}

// callerIDs are the commands that switch caller id on.
var callerIDs = []string{"+VCID", "#CID", "%CCID", "+CLIP", "*ID", "#CC"}

// noDTR says that the modem hangs up by its escape alone.
func (l *linter) noDTR() bool { return l.profile != nil && l.profile.DTR == DTRIgnored }

// supra says that the profile is for Supra modems, which &D3 breaks.
func (p *Profile) supra() bool {
	return p.Name == "supra" || slices.ContainsFunc(p.Families, func(f string) bool { return strings.Contains(strings.ToLower(f), "supra") })
}

// needs finds what the host needs and the set-up leaves open.
func (l *linter) needs(dtr DTR, flow Flow) {
	need := func(name, value, why string) {
		if got, ok := l.state[name]; !ok || got != value && name != "S2" {
			l.miss("missing", SeverityFault, name+setter(name)+value+" is missing: "+why)
		}
	}
	need("E", "0", "no echo of commands")
	need("V", "1", "results in words")
	need("Q", "0", "results at all")
	need("&C", "1", "the host sees by DCD that the caller has gone")
	need("S0", "0", "the host answers, not the modem")
	if dtr != DTRIgnored {
		need("S2", "255", "the escape must be off")
		if got := l.state["&D"]; got != "2" && got != "3" {
			l.miss("missing", SeverityFault, "&D2 is missing: the host hangs up by DTR")
		}
	}
	if m := l.dict.remoteEscape(l.out.Dialect); m != nil && l.state[m.Name] != "0" {
		l.miss("missing", SeverityFault, m.Name+setter(m.Name)+"0 is missing: a caller can configure the modem")
	}
	l.needsFlow(flow)
}

// needsFlow wants RTS/CTS switched on where the line uses it and the dialect knows how.
func (l *linter) needsFlow(flow Flow) {
	ways := l.dict.flow(l.out.Dialect)
	if flow != FlowRTSCTS || len(ways) == 0 {
		return
	}
	if slices.ContainsFunc(ways, func(way string) bool { return l.pairs[way] }) {
		return
	}
	l.miss("missing", SeverityWarning, "no RTS/CTS flow control: one of "+strings.Join(ways, ", "))
}

func (l *linter) miss(name string, s Severity, text string) {
	l.out.Missing = append(l.out.Missing, Finding{name, s, text})
}

// setter is "=" where a command takes it before its value.
func setter(name string) string {
	if strings.HasPrefix(name, "+") || strings.HasPrefix(name, "S") && len(name) > 1 {
		return "="
	}
	return ""
}

// query finds a profile that asks before the modem is quiet and speaks in words, or that asks what does not fit.
func (l *linter) query() {
	p := l.profile
	ready := map[string]bool{}
	for _, e := range l.out.Commands {
		if !strings.HasPrefix(e.Key, "init[") {
			continue
		}
		for _, t := range l.dict.tokens(e.Line) {
			if t.Name == "I" || t.Asks {
				if !ready["E"] || !ready["V"] {
					l.miss("early-query", SeverityFault, fmt.Sprintf("%s: %s asks before E0 and V1", e.Key, e.Line))
				}
			}
			if t.Name == "E" && t.Value == "0" || t.Name == "V" && t.Value == "1" {
				ready[t.Name] = true
			}
		}
	}
	for _, q := range p.questions() {
		for _, t := range l.dict.tokens(q) {
			if !t.onlyAsks() {
				l.miss("query-changes", SeverityFault, q+": a question must change nothing")
			}
		}
	}
	if p.EscapeOff == "" && p.DTR != DTRIgnored {
		l.miss("escape-off", SeverityWarning, "escape_off names no command: every hang-up sends the escape")
	}
	for _, name := range callerIDs {
		for _, s := range p.Init {
			if strings.HasPrefix(strings.ToUpper(s.Send), "AT"+name+"=1") {
				l.miss("caller-id-place", SeverityWarning, s.Send+" stands in init: in caller_id.enable it comes last, after every reset")
			}
		}
	}
}

// questions are what the profile asks a modem.
func (p *Profile) questions() []string {
	var all []string
	for _, m := range p.Match {
		all = append(all, m.Query)
	}
	for _, r := range p.ReadBack {
		all = append(all, r.Query)
	}
	return all
}

// onlyAsks says that the command changes nothing.
func (t Token) onlyAsks() bool {
	return t.Asks || t.Name == "I" || t.Name == "&V" || t.Extended && t.Value == ""
}
