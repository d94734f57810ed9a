package hardware

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// forbidden are the rules of lint that no profile may break: the host would dial, leave the answering to the modem, or wear out the
// modem's store, at every set-up.
var forbidden = []string{"acts", "auto-answer", "stored"}

// raw are the commands in what a set-up sends as it stands.
func (d *Dictionary) raw(p *Profile) (all []Explained) {
	for i, s := range p.Init {
		at := strings.Index(strings.ToUpper(s.Send), "AT")
		if !s.Raw || at < 0 {
			continue
		}
		for _, e := range d.LintString(p.Dialect, s.Send[at:]).Commands {
			e.Key = fmt.Sprintf("init[%d]", i)
			all = append(all, e)
		}
	}
	return all
}

// Remarks are what lint finds at fault in a profile, with places: faults where it may not be used, warnings where the operator may know
// better. data and filename are what Parse was given, p what it returned.
func (d *Dictionary) Remarks(p *Profile, data []byte, filename string) (faults, warnings []Fault) {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil || len(root.Content) == 0 {
		return nil, nil
	}
	at := func(key, text string) Fault { return placed(filename, root.Content[0], key, text) }
	lint := d.LintProfile(p)
	lint.Commands = append(lint.Commands, d.raw(p)...)
	for _, e := range lint.Commands {
		for _, f := range e.Findings {
			text := fmt.Sprintf("%.80q: %s", e.Command, f.Text)
			switch {
			case slices.Contains(forbidden, f.Rule):
				faults = append(faults, at(e.Key, text))
			case f.Severity == SeverityFault:
				warnings = append(warnings, at(e.Key, text))
			}
		}
	}
	var missing []string
	for _, f := range lint.Missing {
		name, _, plain := strings.Cut(f.Text, " is missing: ")
		switch {
		case f.Severity == SeverityFault && plain:
			missing = append(missing, name)
		case f.Severity == SeverityFault:
			warnings = append(warnings, at("", f.Text))
		}
	}
	if len(missing) > 0 {
		warnings = append(warnings, at("init", "does not set "+strings.Join(missing, ", ")+": `rashost modem lint` says what for"))
	}
	return faults, warnings
}

// Objections are what speaks against a command of a line's own in its set-up, in the meaning of a dialect: that it dials, answers or hangs
// up, leaves the answering to the modem, stores, undoes the set-up, or what else lint calls a fault.
func (d *Dictionary) Objections(dialect, command string) []string {
	var all []string
	for _, e := range d.LintString(dialect, command).Commands {
		name := strings.ToUpper(e.Command)
		if strings.HasPrefix(name, "Z") || strings.HasPrefix(name, "&F") {
			all = append(all, fmt.Sprintf("%.40q: it undoes what the set-up did before it", e.Command))
		}
		for _, f := range e.Findings {
			if f.Severity == SeverityFault || slices.Contains(forbidden, f.Rule) {
				all = append(all, fmt.Sprintf("%.40q: %s", e.Command, f.Text))
			}
		}
	}
	return all
}
