// Package plugintest checks any plugin against the contract of package plugin. It drives the plugin through a real dialog.Host over
// lines in memory, with a scripted caller at the far end, and names the rule that each fault breaks.
//
// A test calls Run; a program calls Check and prints the results.
package plugintest

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rashost/dialog"
	"rashost/plugin"
)

// Subject is a plugin under test and what the suite must know of it.
type Subject struct {
	// New makes a fresh plugin; every case gets its own. A plugin that is an io.Closer is closed after its case. Goroutines that New
	// starts belong to the plugin and are not looked at.
	New func() (plugin.Plugin, error)
	// Good is the login that succeeds, of the caller n of Callers; the users should differ, so that mixed-up callers are seen.
	Good func(n int) Login
	// Bad is a login with a wrong secret, through all attempts until the plugin refuses. Its User is the name that the plugin must
	// report with Failure, "" for any name. Nil means that the plugin refuses nobody: the cases about refusal are left out.
	Bad func(n int) Login
	// Virtual runs every case in a bubble of testing/synctest, where waiting costs no time. It suits a plugin that is pure Go and
	// blocks on nothing but channels, timers and events. Only Run heeds it.
	Virtual bool
	// Options are the host's; zero fields take the host's defaults, except that in real time EndGrace is 5 s and Timeout 20 s.
	Options dialog.Options
	// Goroutines names packages (with what is below them) whose goroutines are accepted: a library that works on several cores and
	// waits for them, or the watcher of a child process.
	Goroutines []string
	// Skip gives the reason for leaving a case out, by its name.
	Skip map[string]string
}

// Callers is how many callers a Subject must be able to name.
const Callers = 20

// Login is one way through the dialog, seen from the caller's end.
type Login struct {
	// User is the name that the plugin must report, compared without ASCII case.
	User string
	// Steps is what the caller does. Without steps the plugin decides before the caller says anything.
	Steps []Step
	// Secrets are texts that must never appear on the line, beside those of SendSecret. Take some that no prompt contains.
	Secrets []string
}

// Step is one thing that a caller does.
type Step struct {
	expect string
	send   string
	reply  func(seen string) (string, error)
	secret bool
}

// Expect waits until the plugin has sent text.
func Expect(text string) Step { return Step{expect: text} }

// Send types text as it stands; a line ends with "\r".
func Send(text string) Step { return Step{send: text} }

// SendSecret types text and makes it, without its line end, one of the login's secrets.
func SendSecret(text string) Step { return Step{send: text, secret: true} }

// Reply types an answer that is computed from what the plugin has sent since the caller last typed. It is kept out of the trace.
func Reply(answer func(seen string) (string, error)) Step { return Step{reply: answer, secret: true} }

// types says whether the caller types something in this step.
func (s Step) types() bool { return s.send != "" || s.reply != nil }

// secrets lists what must not appear on the line.
func (l Login) secrets() []string {
	all := l.Secrets
	for _, s := range l.Steps {
		if text := strings.TrimRight(s.send, "\r\n"); s.secret && text != "" {
			all = append(all[:len(all):len(all)], text)
		}
	}
	return all
}

// Fault is one breach of the contract.
type Fault struct {
	// Rule is the rule of the contract, for instance "C2", or "goroutines", "secrets", "script" (the subject's own login failed).
	Rule string
	// What says what happened and what should have.
	What string
}

// Result is what one case found.
type Result struct {
	// Case is the name, Rules are what it is about, Title says it in words.
	Case  string
	Rules []string
	Title string
	// Skipped is why the case was left out, "" when it ran.
	Skipped string
	// Faults is empty when the plugin kept the contract.
	Faults []Fault
	// Trace is the exchange that broke the contract, line by line. Secrets are not in it.
	Trace []string
}

// String renders r for a person: one line, and below it the faults with the trace.
func (r Result) String() string {
	var b strings.Builder
	word := "pass"
	switch {
	case r.Skipped != "":
		word = "skip"
	case len(r.Faults) > 0:
		word = "FAIL"
	}
	fmt.Fprintf(&b, "%s  %-14s %s (%s)", word, r.Case, r.Title, strings.Join(r.Rules, " "))
	if r.Skipped != "" {
		fmt.Fprintf(&b, ": %s", r.Skipped)
	}
	for _, f := range r.Faults {
		fmt.Fprintf(&b, "\n    %s: %s", f.Rule, f.What)
	}
	if len(r.Faults) > 0 {
		for _, line := range r.Trace {
			fmt.Fprintf(&b, "\n        %s", line)
		}
	}
	return b.String()
}

// Check runs every case in real time and hands each result to report as soon as it is there. It takes at least the 20 s of the
// shortest dialog limit.
func Check(s Subject, report func(Result)) {
	s.Virtual = false
	for _, c := range cases() {
		report(c.run(s))
	}
}

// Run runs every case as a subtest of t. Nothing else may run at the same time, because the cases look at all goroutines.
func Run(t *testing.T, s Subject) {
	t.Helper()
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			c.runIn(t, s, func(r Result) {
				if len(r.Faults) > 0 {
					t.Error(r)
				} else if r.Skipped != "" {
					t.Log("left out: " + r.Skipped)
				}
			})
		})
	}
}

// runIn runs c, in a bubble when the subject asks for one, and reports before the bubble ends: a goroutine that is left in it for ever
// makes synctest panic.
func (c testCase) runIn(t *testing.T, s Subject, report func(Result)) {
	if !s.Virtual {
		report(c.run(s))
		return
	}
	synctest.Test(t, func(*testing.T) { report(c.run(s)) })
}

// run runs c on a fresh plugin.
func (c testCase) run(s Subject) Result {
	res := Result{Case: c.name, Rules: c.rules, Title: c.title, Skipped: s.Skip[c.name]}
	if res.Skipped == "" && c.needsBad && s.Bad == nil {
		res.Skipped = "no login that is refused was given"
	}
	if res.Skipped != "" {
		return res
	}
	p, err := s.New()
	if err != nil {
		res.Faults = []Fault{{"script", "the plugin could not be made: " + err.Error()}}
		return res
	}
	r := newRun(s, p)
	r.skip = func(reason string) { res.Skipped = reason }
	c.body(r)
	r.finish()
	if closer, ok := p.(io.Closer); ok {
		if err := closer.Close(); err != nil {
			r.fault(nil, "script", "the plugin's Close failed: %v", err)
		}
	}
	res.Faults, res.Trace = r.result()
	return res
}

// defaults fills in the host's options.
func (s Subject) defaults() dialog.Options {
	o := s.Options
	if o.EndGrace == 0 {
		o.EndGrace = dialog.DefaultEndGrace
		if !s.Virtual {
			o.EndGrace = 5 * time.Second
		}
	}
	if o.Timeout == 0 {
		o.Timeout = dialog.DefaultTimeout
		if !s.Virtual {
			o.Timeout = dialog.MinTimeout
		}
	}
	if o.BeginLimit == 0 {
		o.BeginLimit = dialog.DefaultBeginLimit
	}
	if o.DrainLimit == 0 {
		o.DrainLimit = dialog.DefaultDrainLimit
	}
	return o
}
