package hardware

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Severity is how bad a finding is.
type Severity string

// The severities: a fault keeps the host from working or opens a door, a warning may do so, a note is for the reader.
const (
	SeverityFault   Severity = "fault"
	SeverityWarning Severity = "warning"
	SeverityNote    Severity = "note"
)

// Finding is one thing to say about a command or a set-up.
type Finding struct {
	// Rule is a stable word, such as auto-answer; docs/modem-profiles.md lists them.
	Rule     string
	Severity Severity
	Text     string
}

// Explained is one command of a set-up, and what there is to say about it.
type Explained struct {
	// Key is where it stands: init[2], caller_id.enable[0]; "" in a bare string.
	Key string
	// Line is the whole command line, Command the part that is explained; the same where there is one command on a line.
	Line, Command string
	// Means is what it does in this family, "" when the family's dictionary does not know it.
	Means string
	// Source names where that is known from; Unverified: nowhere. Of a profile's step it is the step's own source.
	Source     string
	Unverified bool
	// Optional: the host goes on when the modem refuses it.
	Optional bool
	Findings []Finding
}

// Lint is the explanation of a set-up.
type Lint struct {
	// Dialect is the one that it was read in.
	Dialect  string
	Commands []Explained
	// Missing is what the host needs and the set-up does not set.
	Missing []Finding
}

// Worst returns the worst severity of all findings, "" when there is none.
func (l *Lint) Worst() Severity {
	rank := map[Severity]int{"": 0, SeverityNote: 1, SeverityWarning: 2, SeverityFault: 3}
	worst := Severity("")
	all := slices.Clone(l.Missing)
	for _, e := range l.Commands {
		all = append(all, e.Findings...)
	}
	for _, f := range all {
		if rank[f.Severity] > rank[worst] {
			worst = f.Severity
		}
	}
	return worst
}

// LongLine is how many characters of a command line every modem takes, AT included.
const LongLine = 40

// LintString explains an init string: command lines, one to a line.
func (d *Dictionary) LintString(dialect, text string) *Lint {
	l := linter{dict: d, out: &Lint{Dialect: orAny(dialect)}, state: map[string]string{}, pairs: map[string]bool{}}
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if len(l.out.Commands) >= maxTokens {
			break
		}
		l.line("", Step{Send: strings.TrimSpace(line)})
	}
	l.needs(DTRHangup, FlowRTSCTS)
	return l.out
}

// LintProfile explains a whole profile: its set-up and caller id in the order in which they are sent.
func (d *Dictionary) LintProfile(p *Profile) *Lint {
	l := linter{dict: d, profile: p, out: &Lint{Dialect: orAny(p.Dialect)}, state: map[string]string{}, pairs: map[string]bool{}}
	if p.Direct {
		return l.out
	}
	for i, s := range p.Init {
		l.line(fmt.Sprintf("init[%d]", i), s)
	}
	for i, s := range p.CallerID.Enable {
		s.Optional = true
		l.line(fmt.Sprintf("caller_id.enable[%d]", i), s)
	}
	l.needs(p.DTR, p.Flow)
	l.outside = true
	l.line("answer", Step{Send: p.Answer.Command, Source: p.Answer.Source, Unverified: p.Answer.Unverified})
	l.line("hangup", Step{Send: p.Hangup.Command, Source: p.Hangup.Source, Unverified: p.Hangup.Unverified})
	l.line("reset", Step{Send: p.Reset.Command, Source: p.Reset.Source, Unverified: p.Reset.Unverified})
	for i, s := range p.Recover {
		l.line(fmt.Sprintf("recover[%d]", i), s)
	}
	for i, s := range p.Diagnostics {
		l.line(fmt.Sprintf("diagnostics[%d]", i), s)
	}
	l.line("distinctive_ring", p.DistinctiveRing)
	l.line("off_hook", p.OffHook)
	l.query()
	return l.out
}

// linter goes through command lines in the order in which they are sent.
type linter struct {
	dict    *Dictionary
	profile *Profile // nil with a bare string
	out     *Lint
	state   map[string]string // what is set since the last reset, by command
	pairs   map[string]bool   // the same as command and value: &E of old Multi-Techs sets a different thing with each value
	outside bool              // past the set-up: a command that acts, such as answer, is in its place
}

// line explains one command line.
func (l *linter) line(key string, step Step) {
	if step.Raw || step.Send == "" {
		return
	}
	tokens := l.dict.tokens(step.Send)
	if len(tokens) == 0 {
		if !strings.EqualFold(strings.TrimSpace(step.Send), "AT") {
			return
		}
		l.out.Commands = append(l.out.Commands, Explained{Key: key, Line: step.Send, Command: "AT",
			Means: "nothing: the modem answers OK, and learns the DTE rate", Source: "ITU-T V.250 5.1"})
	}
	reset := ""
	for i, t := range tokens {
		e := Explained{Key: key, Line: step.Send, Command: t.Text, Optional: step.Optional, Source: step.Source, Unverified: step.Unverified}
		m := l.dict.find(l.out.Dialect, t)
		if m != nil {
			e.Means = m.say(t)
			if key == "" {
				e.Source, e.Unverified = m.Source, m.Unverified
			}
		}
		e.Findings = append(e.Findings, l.lineRules(i, tokens, step.Send, reset)...)
		e.Findings = append(e.Findings, l.unknown(t, m, step.Optional)...)
		for _, r := range rules {
			if f, ok := r.apply(l, t, m); ok {
				e.Findings = append(e.Findings, f)
			}
		}
		if e.Unverified {
			e.Findings = append(e.Findings, Finding{"unverified", SeverityNote, "found in no document"})
		}
		if t.Name == "Z" || t.Name == "&F" {
			reset = t.Text
			l.state, l.pairs = map[string]string{}, map[string]bool{}
			if t.Name == "&F" { // ITU-T V.250 6.1.2 and the defaults of 6.2
				l.state["E"], l.state["Q"], l.state["V"] = "1", "0", "1"
			}
		}
		if !t.Asks && t.Bit == "" && !l.outside {
			l.state[t.Name] = t.Value
			l.pairs[t.Name+setter(t.Name)+t.Value] = true
		}
		l.out.Commands = append(l.out.Commands, e)
	}
}

// lineRules are about the place of command i on its line.
func (l *linter) lineRules(i int, tokens []Token, line, reset string) []Finding {
	var all []Finding
	if i == 0 && len(line) > LongLine {
		all = append(all, Finding{"long-line", SeverityFault, fmt.Sprintf("the line has %d characters, and some modems take no more than %d: "+
			"send one command at a time", len(line), LongLine)})
	}
	if i == 0 && len(tokens) > 1 {
		all = append(all, Finding{"several", SeverityNote, fmt.Sprintf("%d commands on one line: when the modem says ERROR nobody knows which; "+
			"send one at a time", len(tokens))})
	}
	if reset != "" {
		all = append(all, Finding{"after-reset", SeverityFault, "stands after " + reset + " on the same line: the reset throws it away on many " +
			"modems; send it on a line of its own"})
	}
	if i > 0 && tokens[i-1].Extended && !strings.Contains(line[tokens[i-1].At:tokens[i].At], ";") {
		all = append(all, Finding{"semicolon", SeverityFault, "a ; is missing before it: after " + tokens[i-1].Name + " the line goes on only " +
			"behind a semicolon"})
	}
	return all
}

// unknown is about a command, or a value, that the family does not have.
func (l *linter) unknown(t Token, m *Meaning, optional bool) []Finding {
	severity := SeverityFault
	if optional {
		severity = SeverityWarning
	}
	switch {
	case t.Bad != "":
		return []Finding{{"syntax", SeverityWarning, t.Bad}}
	case m == nil:
		text := fmt.Sprintf("%s is unknown in this family (%s)", t.Name, l.out.Dialect)
		if there := l.dict.Elsewhere(t.Name); len(there) > 0 {
			text += "; known in " + strings.Join(there, ", ")
		}
		return []Finding{{"unknown", severity, text}}
	case !t.Asks && t.Bit == "" && !m.accept(t.Value):
		text := m.Wrong
		if text == "" {
			text = "the family does not know this value"
		}
		return []Finding{{"value", severity, fmt.Sprintf("%s: %s", t.Value, text)}}
	}
	return nil
}

// say is what a command does, with what its value means.
func (m *Meaning) say(t Token) string {
	switch v, ok := m.Values[t.Value]; {
	case t.Asks:
		return "asks: " + m.Means
	case t.Bit != "":
		return fmt.Sprintf("%s: bit %s is %s", m.Means, t.Bit, t.Value)
	case ok:
		return m.Means + ": " + v
	case !m.accept(t.Value), m.Accepts == "" && (t.Value == "0" || t.Value == ""):
		return m.Means
	case strings.HasPrefix(t.Name, "D"):
		return m.Means
	default:
		return m.Means + ": " + t.Value
	}
}

// number is the value as a number, -1 for none.
func (t Token) number() int {
	n, err := strconv.Atoi(t.Value)
	if err != nil {
		return -1
	}
	return n
}
