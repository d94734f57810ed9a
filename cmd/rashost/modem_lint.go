package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rashost/hardware"
	"rashost/internal/config"
)

const modemLintHelp = `Explains a modem profile, or an init string, command by command: what each command does in that family, which are unknown to it
or take another value, which do harm here, what the host needs and is missing, and what was found in no document. Nothing is sent to a modem.

PROFILE is a name (of the configuration's folder, or built in) or the path of a YAML file. STRING begins with AT; with --family it need not.
Without --family a string is read as that of an unknown make.

Exit status 0: no fault, 1: a fault, 2: bad usage, or a profile that can't be read.`

// modemLint is `rashost modem lint`.
type modemLint struct {
	app    *app
	family string
	asJSON bool
}

func newModemLintCommand(a *app) *cobra.Command {
	l := &modemLint{app: a}
	cmd := &cobra.Command{
		Use:   "lint PROFILE|STRING",
		Short: "explain a modem profile or an init string, command by command",
		Long:  modemLintHelp,
		Args:  arguments("PROFILE|STRING"),
		RunE:  func(_ *cobra.Command, args []string) error { return l.run(args[0]) },
	}
	cmd.Flags().StringVar(&l.family, "family", "", "the profile, or the dialect, whose commands these are")
	cmd.Flags().BoolVar(&l.asJSON, "json", false, "print JSON (docs/json.md)")
	return cmd
}

// lintReply is the schema of --json.
type lintReply struct {
	// Subject is the profile or the string as it was given; Kind is "profile" or "string".
	Subject string `json:"subject"`
	Kind    string `json:"kind"`
	// Dialect is the one that the commands were read in.
	Dialect  string        `json:"dialect"`
	Commands []lintCommand `json:"commands"`
	Missing  []lintFinding `json:"missing"`
	Traps    []lintTrap    `json:"traps"`
	// Facts are what a profile claims besides: how it is recognised, what it answers and says, and the bytes that are no commands.
	Facts      []lintFact `json:"facts"`
	Faults     int        `json:"faults"`
	Warnings   int        `json:"warnings"`
	Unverified int        `json:"unverified"`
}

type lintCommand struct {
	Key        string        `json:"key,omitempty"`
	Line       string        `json:"line"`
	Command    string        `json:"command"`
	Means      string        `json:"means,omitempty"`
	Source     string        `json:"source,omitempty"`
	Unverified bool          `json:"unverified"`
	Optional   bool          `json:"optional"`
	Findings   []lintFinding `json:"findings"`
}

type lintFinding struct {
	Rule     string `json:"rule"`
	Severity string `json:"severity"`
	Text     string `json:"text"`
}

type lintTrap struct {
	Text       string `json:"text"`
	Source     string `json:"source,omitempty"`
	Unverified bool   `json:"unverified"`
}

type lintFact struct {
	Key        string `json:"key"`
	Text       string `json:"text"`
	Source     string `json:"source,omitempty"`
	Unverified bool   `json:"unverified"`
}

func (l *modemLint) run(subject string) error {
	dict, err := hardware.LoadDictionary()
	if err != nil {
		return err
	}
	reply := lintReply{Subject: subject, Commands: []lintCommand{}, Missing: []lintFinding{}, Traps: []lintTrap{}, Facts: []lintFact{}}
	if err := l.explain(&reply, dict); err != nil {
		return err
	}
	if l.asJSON {
		err = l.app.printJSON(reply)
	} else {
		reply.write(l.app.stdout)
	}
	if err == nil && reply.Faults > 0 {
		return &exitError{code: exitFailed}
	}
	return err
}

// explain fills the reply in for a profile, or else for an init string.
func (l *modemLint) explain(reply *lintReply, dict *hardware.Dictionary) error {
	profile, err := l.profile(reply.Subject)
	if err == nil {
		reply.Kind = "profile"
		if profile.Dialect, err = l.dialect(dict, profile.Dialect); err != nil {
			return err
		}
		reply.take(dict.LintProfile(profile))
		reply.facts(profile)
		return nil
	}
	if l.family == "" && !isCommand(reply.Subject) {
		return err
	}
	reply.Kind = "string"
	dialect, err := l.dialect(dict, hardware.AnyDialect)
	if err != nil {
		return err
	}
	reply.take(dict.LintString(dialect, reply.Subject))
	return nil
}

// isCommand says that a word begins as a command line does.
func isCommand(s string) bool {
	s = strings.TrimSpace(s)
	return len(s) >= 2 && strings.EqualFold(s[:2], "AT")
}

// profile returns the profile of that name or path. A name that is none is a usageError.
func (l *modemLint) profile(name string) (*hardware.Profile, error) {
	if own, err := l.own(name); own != nil || err != nil {
		return own, err
	}
	p, err := hardware.Load(name)
	switch {
	case err == nil:
		return &p, nil
	case strings.TrimSpace(name) == "":
		return nil, usageError(errors.New("nothing to explain: give the name of a profile, or an init string, which begins with AT"))
	case strings.HasPrefix(name, "+++"):
		return nil, usageError(fmt.Errorf("%.64q begins with the escape, which belongs to no set-up: give what follows it, beginning with AT", name))
	case strings.Trim(name, nameLetters) != "":
		return nil, usageError(fmt.Errorf("%.64q is neither the name of a profile (small letters, digits and dashes, or a path that ends in .yaml) nor "+
			"an init string, which begins with AT; with --family it need not", name))
	default:
		return nil, usageError(fmt.Errorf("%w; an init string begins with AT", err))
	}
}

// nameLetters are those of a profile's name.
const nameLetters = "abcdefghijklmnopqrstuvwxyz0123456789-"

// maxPath is the longest path that Linux takes.
const maxPath = 4096

// own returns the profile of the configuration's folder, nil where there is none. A file is checked as `rashost check` does.
func (l *modemLint) own(name string) (*hardware.Profile, error) {
	if len(name) > maxPath || strings.ContainsRune(name, 0) {
		return nil, usageError(fmt.Errorf("%.64q... is no path, name or string that could be explained: it has %d bytes", name, len(name)))
	}
	if strings.HasSuffix(name, ".yaml") {
		data, err := readProfile(name)
		if err != nil {
			return nil, usageError(err)
		}
		p, err := parseProfile(name, strings.TrimSuffix(name[strings.LastIndexByte(name, '/')+1:], ".yaml"), data)
		if err != nil {
			return nil, l.app.faults(err)
		}
		return &p, nil
	}
	env, err := configEnv()
	if err != nil {
		return nil, err
	}
	c, _ := config.Inspect(l.app.configPath, env) // without one the built-in profiles remain
	if c == nil || c.Profiles == "" {
		return nil, nil
	}
	file := c.Resolve(c.Profiles) + "/" + name + ".yaml"
	if _, err := os.Lstat(file); err != nil || strings.ContainsAny(name, "/ \t\r\n") {
		return nil, nil
	}
	return l.own(file)
}

// dialect is what --family names, or else what the subject says.
func (l *modemLint) dialect(dict *hardware.Dictionary, of string) (string, error) {
	if l.family == "" {
		return of, nil
	}
	if dict.Has(l.family) {
		return l.family, nil
	}
	p, err := l.profile(l.family)
	if err != nil {
		return "", usageError(fmt.Errorf("--family %.64q: there is no such profile, and the dialects are %s", l.family, strings.Join(dict.Dialects(), ", ")))
	}
	return p.Dialect, nil
}

func (r *lintReply) take(lint *hardware.Lint) {
	r.Dialect = lint.Dialect
	for _, e := range lint.Commands {
		c := lintCommand{
			Key: e.Key, Line: e.Line, Command: e.Command, Means: e.Means, Source: e.Source, Unverified: e.Unverified, Optional: e.Optional,
			Findings: r.count(e.Findings),
		}
		if e.Unverified {
			r.Unverified++
		}
		r.Commands = append(r.Commands, c)
	}
	r.Missing = r.count(lint.Missing)
}

func (r *lintReply) count(findings []hardware.Finding) []lintFinding {
	all := []lintFinding{}
	for _, f := range findings {
		switch f.Severity {
		case hardware.SeverityFault:
			r.Faults++
		case hardware.SeverityWarning:
			r.Warnings++
		case hardware.SeverityNote:
		}
		all = append(all, lintFinding{f.Rule, string(f.Severity), f.Text})
	}
	return all
}

// facts adds what a profile claims and is no command, and counts what of all that it claims was found in no document.
func (r *lintReply) facts(p *hardware.Profile) {
	for _, t := range p.Traps {
		r.Traps = append(r.Traps, lintTrap(t))
	}
	r.Unverified = 0
	for _, f := range p.Facts() {
		if f.Unverified {
			r.Unverified++
		}
		explained := slices.ContainsFunc(r.Commands, func(c lintCommand) bool { return c.Key == f.Key })
		if !explained && !strings.HasPrefix(f.Key, "traps[") {
			r.Facts = append(r.Facts, lintFact(f))
		}
	}
}

// write prints the explanation for people. What comes from outside is made safe for a terminal.
func (r *lintReply) write(out io.Writer) {
	fmt.Fprintf(out, "%s, read as %s\n\n", onScreen(quoteString(r)), r.Dialect)
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, c := range r.Commands {
		means := c.Means
		if means == "" {
			means = "?"
		}
		if c.Unverified {
			means += " (unverified)"
		}
		if c.Optional {
			means += " (optional)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", c.Key, c.Command, means)
		for _, f := range c.Findings {
			if f.Rule != "unverified" {
				fmt.Fprintf(w, "\t  %s:\t%s\n", f.Severity, f.Text)
			}
		}
	}
	_ = w.Flush()
	for _, f := range r.Missing {
		fmt.Fprintf(&text, "%s: %s\n", f.Severity, f.Text)
	}
	for _, t := range r.Traps {
		mark := ""
		if t.Unverified {
			mark = " (unverified)"
		}
		fmt.Fprintf(&text, "trap: %s%s\n", t.Text, mark)
	}
	for _, f := range r.Facts {
		if f.Unverified {
			fmt.Fprintf(&text, "%s: %s (unverified)\n", f.Key, strings.ReplaceAll(f.Text, "\n", " / "))
		}
	}
	fmt.Fprint(out, onScreen(text.String()))
	fmt.Fprintf(out, "\n%s, %s, %d unverified\n", many(r.Faults, "fault"), many(r.Warnings, "warning"), r.Unverified)
}

// quoteString is the subject as it is shown: a string in quotation marks.
func quoteString(r *lintReply) string {
	if r.Kind == "string" {
		return fmt.Sprintf("%.200q", r.Subject)
	}
	return "profile " + r.Subject
}

func many(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
