package doctor

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"rashost/hardware"
	"rashost/port"
	"rashost/port/modem"
)

// Exam is what is examined.
type Exam struct {
	// Device is open, and nobody else uses it. It is left as the set-up of the profile leaves it.
	Device port.Device
	// Settings are those that the line uses.
	Settings port.Settings
	// Profile is the line's modem profile; nil takes the one that fits best (`modem: auto`). Direct lines have no modem to ask.
	Profile *hardware.Profile
	// DistinctiveRing: the line asks for it. NoDCD and NoDSR: it does without those signals (`carrier: ignore`, `dsr: ignore`).
	DistinctiveRing, NoDCD, NoDSR bool
	// Init are the commands of the line's own.
	Init []string
	// Profiles are all that are known.
	Profiles []hardware.Profile
	// Found is told each finding as it comes; nil for nobody.
	Found func(Finding)

	talk    talk
	profile hardware.Profile // in force
	signals bool             // the device has control signals
}

// check is one row of the examination. fatal: when it is bad, the others have nothing to ask.
type check struct {
	name  string
	fatal bool
	run   func(e *Exam, ctx context.Context) (Finding, error)
}

// signalsCheck is the check that asks nobody.
const signalsCheck = "control signals"

// checks is the examination, in order.
func checks() []check {
	return []check{
		{signalsCheck, false, (*Exam).controlSignals},
		{"answers", true, (*Exam).answers},
		{"identify", false, (*Exam).identify},
		{"set-up", true, (*Exam).setUp},
		{"caller id", false, (*Exam).callerID},
		{"read-back", false, (*Exam).readBack},
		{"speed", false, (*Exam).speed},
		{"flow control", false, (*Exam).flowControl},
		{"DTR wiring", false, (*Exam).dtrWiring},
		{"DCD wiring", false, (*Exam).dcdWiring},
		{"escape", false, (*Exam).escape},
	}
}

// Run examines, and returns what was found. An error is the device's or ctx's; what was found before it is returned too.
func (e *Exam) Run(ctx context.Context) ([]Finding, error) {
	e.talk = talk{dev: e.Device}
	if e.Profile != nil {
		e.goBy(*e.Profile)
	}
	var all []Finding
	for _, c := range checks() {
		f, err := c.run(e, ctx)
		if err != nil && ctx.Err() != nil {
			return all, err
		}
		if err != nil {
			f = Finding{Verdict: Bad, Text: err.Error(), Advice: "is the device still plugged in?"}
		}
		f.Check, f.Evidence = c.name, e.talk.take()
		all = append(all, f)
		if e.Found != nil {
			e.Found(f)
		}
		if err != nil || f.Verdict == Bad && c.fatal || e.profile.Direct && c.name == signalsCheck {
			return all, nil
		}
	}
	return all, nil
}

// goBy examines by a profile from now on.
func (e *Exam) goBy(p hardware.Profile) {
	e.profile = p
	e.talk.delay, e.talk.parse.Codes = p.CommandDelay.Std(), p.ResultCodes
	e.talk.unverified = map[string]bool{}
	for _, s := range append(slices.Clone(p.Init), append([]hardware.Step{p.DistinctiveRing}, p.CallerID.Enable...)...) {
		if s.Unverified {
			e.talk.unverified[s.Send] = true
		}
	}
	for _, q := range p.ReadBack {
		if q.Unverified {
			e.talk.unverified[q.Query] = true
		}
	}
}

// Chosen is the profile that the examination went by; the zero Profile before it.
func (e *Exam) Chosen() hardware.Profile { return e.profile }

const (
	patience = 3 * time.Second        // for an answer
	settle   = 300 * time.Millisecond // for a signal to follow
)

// controlSignals reads what the modem shows before anything is sent.
func (e *Exam) controlSignals(context.Context) (Finding, error) {
	s, err := e.Device.Signals()
	if errors.Is(err, errors.ErrUnsupported) {
		return Finding{Verdict: Untested, Text: "the device has no control signals (a pty has none)"}, nil
	}
	if err != nil {
		return Finding{}, err
	}
	e.signals = true
	e.talk.note("CTS %s, DSR %s, DCD %s, RI %s", level(s.CTS), level(s.DSR), level(s.DCD), level(s.RI))
	switch {
	case e.profile.Direct && (!s.CTS && e.Settings.RTSCTS || !s.DSR && !e.NoDSR):
		return Finding{Verdict: Untested, Text: fmt.Sprintf("CTS is %s and DSR %s: nobody is at the other end now, or the cable lacks these wires", level(s.CTS), level(s.DSR))}, nil
	case e.profile.Direct:
		return Finding{Verdict: Good, Text: "somebody is at the other end (DSR is high)"}, nil
	case !s.CTS && e.Settings.RTSCTS:
		return Finding{Verdict: Bad, Text: "CTS is low: with flow control rtscts nothing can be sent",
			Advice: "is the modem on, and is pin 8 (DB9) wired? `flow: none` does without"}, nil
	case !s.DSR && e.NoDSR:
		return Finding{Verdict: Good, Text: "the modem takes bytes (CTS); DSR is low, and the line does without it"}, nil
	case !s.DSR:
		return Finding{Verdict: Doubtful, Text: "DSR is low: the modem is off, or DSR is not wired", Advice: "`dsr: ignore` if the modem answers all the same"}, nil
	default:
		return Finding{Verdict: Good, Text: "the modem is on (DSR), and takes bytes (CTS)"}, nil
	}
}

func level(high bool) string {
	if high {
		return "high"
	}
	return "low"
}

// answers looks whether anybody is there.
func (e *Exam) answers(ctx context.Context) (Finding, error) {
	if _, err := e.talk.quiet(ctx, settle); err != nil {
		return Finding{}, err
	}
	for range 3 {
		a, err := e.talk.ask(ctx, "AT", time.Second)
		if err != nil {
			return Finding{}, err
		}
		if a.ok() {
			return Finding{Verdict: Good, Text: "the modem answers AT at " + e.Settings.String()}, nil
		}
	}
	return Finding{Verdict: Bad, Text: "the modem does not answer AT at " + e.Settings.String(),
		Advice: "wrong speed, wrong cable, switched off, or hung: `rashost modem probe` tries other speeds; switch it off and on"}, nil
}

// identify asks the modem what it is.
func (e *Exam) identify(ctx context.Context) (Finding, error) {
	for _, command := range []string{"ATQ0", "ATV1", "ATE0"} {
		if _, err := e.talk.ask(ctx, command, patience); err != nil {
			return Finding{}, err
		}
	}
	answers := map[string]string{}
	for _, q := range hardware.Queries(e.Profiles) {
		a, err := e.talk.ask(ctx, q, patience)
		if err != nil {
			return Finding{}, err
		}
		if a.ok() {
			answers[q] = a.text()
		}
	}
	r := hardware.Recognise(e.Profiles, answers)
	switch {
	case e.Profile == nil:
		e.goBy(r.Profile)
		return Finding{Verdict: Good, Text: fmt.Sprintf("profile %s: %s", r.Profile.Name, r.Why)}, nil
	case r.Score == 0:
		return Finding{Verdict: Good, Text: fmt.Sprintf("profile %s, as configured; %s", e.profile.Name, r.Why)}, nil
	case r.Profile.Name != e.profile.Name:
		return Finding{Verdict: Doubtful, Text: fmt.Sprintf("the line says modem: %s, and the modem looks like %s (%s)", e.profile.Name, r.Profile.Name, r.Why),
			Advice: "try modem: " + r.Profile.Name}, nil
	default:
		return Finding{Verdict: Good, Text: fmt.Sprintf("profile %s, as configured: %s", r.Profile.Name, r.Why)}, nil
	}
}

// setUp sends what the line sends.
func (e *Exam) setUp(ctx context.Context) (Finding, error) {
	refused, failed, err := e.initialise(ctx)
	unproven := e.unverified(e.setUpSteps())
	switch {
	case err != nil:
		return Finding{}, err
	case failed != "":
		return Finding{Verdict: Bad, Text: fmt.Sprintf("the modem refuses %s, which profile %s needs", failed, e.profile.Name) + unproven,
			Advice: "another profile, or `rashost modem lint " + e.profile.Name + "` for what the command is about"}, nil
	case len(refused) > 0:
		return Finding{Verdict: Good, Text: "the modem is set up; it refuses " + strings.Join(refused, ", ") + ", which it may" + unproven}, nil
	default:
		return Finding{Verdict: Good, Text: "the modem takes the whole set-up" + unproven}, nil
	}
}

// setUpSteps are those that the line sends.
func (e *Exam) setUpSteps() []modem.Step {
	return port.SetUpSteps(&port.LineConfig{Profile: &e.profile, DistinctiveRing: e.DistinctiveRing, Init: e.Init})
}

// unverified names those of a set-up's commands that are, for the end of a sentence.
func (e *Exam) unverified(steps []modem.Step) string {
	var all []string
	for _, s := range steps {
		if e.talk.unverified[s.Send] {
			all = append(all, s.Send)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return "; " + inNoManual + ": " + strings.Join(all, ", ")
}

// initialise sends the profile's set-up: refused are the optional commands that failed, failed is the required one that did.
func (e *Exam) initialise(ctx context.Context) (refused []string, failed string, err error) {
	e.talk.parse.Reset() // as a line has it: the modem may say numbers until it is told to use words
	optional, required, err := e.talk.run(ctx, e.setUpSteps())
	for _, r := range optional {
		refused = append(refused, r.Step.Send)
	}
	if required != nil {
		failed = required.Step.Send
	}
	return refused, failed, err
}

// readBack asks whether the modem really took the set-up.
func (e *Exam) readBack(ctx context.Context) (Finding, error) {
	if len(e.profile.ReadBack) == 0 {
		return Finding{Verdict: Untested, Text: "profile " + e.profile.Name + " knows no settings that can be read back"}, nil
	}
	var wrong, unproven []string
	shown := 0
	for _, q := range e.profile.ReadBack {
		a, err := e.talk.ask(ctx, q.Query, patience)
		if err != nil {
			return Finding{}, err
		}
		re, err := regexp.Compile(q.Pattern)
		if err != nil {
			return Finding{}, err
		}
		switch {
		case !a.ok() || a.text() == "": // not every modem of a family can be asked
		case re.MatchString(a.text()):
			shown++
		case q.Unverified:
			wrong = append(wrong, q.Query+" does not show that "+q.Means+", a question "+inNoManual)
		default:
			wrong = append(wrong, q.Query+" does not show that "+q.Means)
		}
		if q.Unverified {
			unproven = append(unproven, q.Query)
		}
	}
	if len(wrong) > 0 {
		return Finding{Verdict: Doubtful, Text: strings.Join(wrong, "; "), Advice: "the modem said OK to a setting that it does not keep: see docs/modems.md"}, nil
	}
	if shown == 0 {
		return Finding{Verdict: Untested, Text: "the modem shows none of its settings"}, nil
	}
	text := "one setting is as it was made"
	if shown > 1 {
		text = fmt.Sprintf("%d settings are as they were made", shown)
	}
	if len(unproven) > 0 {
		text += "; " + inNoManual + ": " + strings.Join(unproven, ", ")
	}
	return Finding{Verdict: Good, Text: text}, nil
}

// speed sends many commands and looks whether each is understood and each answer comes whole.
func (e *Exam) speed(ctx context.Context) (Finding, error) {
	const tries = 30
	e.talk.split.Reset()
	good, strange := 0, 0
	for range tries {
		a, err := e.talk.ask(ctx, "ATE0Q0V1", patience)
		if err != nil {
			return Finding{}, err
		}
		if a.ok() {
			good++
		}
		strange += len(a.lines)
	}
	e.talk.take()
	e.talk.note("%d of %d commands answered by OK at %s, %d other lines", good, tries, e.Settings, strange)
	if good < tries || strange > 0 {
		return Finding{Verdict: Bad, Text: fmt.Sprintf("%d of %d commands were lost or spoilt at %s", tries-good, tries, e.Settings),
			Advice: "a lower baud, another cable; is parity right?"}, nil
	}
	return Finding{Verdict: Good, Text: fmt.Sprintf("%d commands without a fault at %s", tries, e.Settings)}, nil
}

// callerID looks which of the ways to ask for caller id the modem takes.
func (e *Exam) callerID(ctx context.Context) (Finding, error) {
	s, err := e.enableCallerID(ctx)
	switch {
	case err != nil:
		return Finding{}, err
	case len(e.profile.CallerID.Enable) == 0:
		return Finding{Verdict: Untested, Text: "the family reports no caller id, as far as is known"}, nil
	case s.Send == "":
		return Finding{Verdict: Doubtful, Text: "the modem refuses every way to ask for caller id", Advice: "rules on caller_id won't work on this line"}, nil
	}
	text := "the modem takes " + s.Send
	if s.Unverified {
		text += " (" + inNoManual + ")"
	}
	return Finding{Verdict: Good, Text: text + "; whether the network sends a number, a call shows: `rashost modem caller-id`"}, nil
}

// enableCallerID tries the profile's ways in turn and returns the one that the modem took; the zero Step for none.
func (e *Exam) enableCallerID(ctx context.Context) (hardware.Step, error) {
	refused, _, err := e.talk.run(ctx, port.CallerIDSteps(&e.profile))
	if ways := e.profile.CallerID.Enable; err == nil && len(refused) < len(ways) {
		return ways[len(refused)], nil
	}
	return hardware.Step{}, err
}

// escape looks whether our own modem can be brought into command mode by bytes that it is sent.
func (e *Exam) escape(ctx context.Context) (Finding, error) {
	a, err := e.talk.ask(ctx, "ATS2?", patience)
	if err != nil {
		return Finding{}, err
	}
	n, convErr := strconv.Atoi(strings.TrimSpace(a.text()))
	switch {
	case convErr == nil && n > 127:
		return Finding{Verdict: Good, Text: fmt.Sprintf("the escape is off (S2=%d): +++ in data is data", n)}, nil
	case convErr == nil:
		return Finding{Verdict: Doubtful, Text: fmt.Sprintf("the escape is on (S2=%d): only what rashost does against it in what it sends protects the line", n),
			Advice: "a profile with escape_off, if the modem takes ATS2=255"}, nil
	default:
		return Finding{Verdict: Doubtful, Text: "the modem does not say whether its escape is on"}, nil
	}
}
