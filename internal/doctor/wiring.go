package doctor

import (
	"context"
	"strconv"
	"strings"
	"time"

	"rashost/hardware"
)

// flowControl asks for a long answer while RTS is low: a modem that minds RTS keeps it.
func (e *Exam) flowControl(ctx context.Context) (Finding, error) {
	if !e.Settings.RTSCTS {
		return Finding{Verdict: Untested, Text: "the line uses no RTS/CTS"}, nil
	}
	if !e.signals {
		return Finding{Verdict: Untested, Text: "the device has no control signals"}, nil
	}
	free := e.Settings
	free.RTSCTS = false // or the kernel would raise RTS by itself
	if err := e.Device.Apply(free); err != nil {
		return Finding{}, err
	}
	defer func() { _ = e.Device.Apply(e.Settings) }()
	if err := e.Device.SetRTS(false); err != nil {
		return Finding{}, err
	}
	defer func() { _ = e.Device.SetRTS(true) }()
	if err := wait(ctx, settle); err != nil {
		return Finding{}, err
	}
	if err := e.talk.send(ctx, "ATI4\r", patience); err != nil {
		return Finding{}, err
	}
	while, err := e.talk.quiet(ctx, 2*settle)
	if err != nil {
		return Finding{}, err
	}
	if err := e.Device.SetRTS(true); err != nil {
		return Finding{}, err
	}
	after, err := e.talk.quiet(ctx, 3*settle)
	if err != nil {
		return Finding{}, err
	}
	e.talk.note("ATI4 with RTS low: %d bytes; then with RTS high: %d bytes", while, after)
	switch {
	case while == 0 && after > 0:
		return Finding{Verdict: Good, Text: "the modem sends nothing while RTS is low"}, nil
	case while > 0:
		return Finding{Verdict: Doubtful, Text: "the modem sends although RTS is low: bytes get lost when this machine is busy",
			Advice: "is pin 7 (DB9) wired, and does the profile switch flow control on (AT&K3, AT+IFC=2,2)?"}, nil
	default:
		return Finding{Verdict: Doubtful, Text: "the modem said nothing, neither with RTS low nor with RTS high"}, nil
	}
}

// dtrWiring proves DTR without a call: a modem that is told to reset when DTR drops forgets what was put into a register.
func (e *Exam) dtrWiring(ctx context.Context) (Finding, error) {
	switch {
	case !e.signals:
		return Finding{Verdict: Untested, Text: "the device has no control signals"}, nil
	case e.profile.DTR == hardware.DTRIgnored:
		return Finding{Verdict: Untested, Text: "profile " + e.profile.Name + " says that the modem ignores DTR"}, nil
	}
	before, known, err := e.register(ctx)
	if err != nil {
		return Finding{}, err
	}
	marked := before%100 + 7
	if known {
		var took answer
		if took, err = e.talk.ask(ctx, "ATS8="+strconv.Itoa(marked), patience); err != nil {
			return Finding{}, err
		}
		known = took.ok()
	}
	if known {
		var took answer
		if took, err = e.talk.ask(ctx, e.resetAtDTR(), patience); err != nil {
			return Finding{}, err
		}
		known = took.ok()
	}
	if !known {
		return e.restored(ctx, Finding{Verdict: Untested, Text: "the modem has no AT&D3 by which DTR could be proven without a call; a call shows it"})
	}
	if err := e.pulseDTR(ctx); err != nil {
		return Finding{}, err
	}
	for range 3 { // it may still be starting
		if a, err := e.talk.ask(ctx, "ATE0Q0V1", patience); err != nil || a.ok() {
			if err != nil {
				return Finding{}, err
			}
			break
		}
	}
	after, ok, err := e.register(ctx)
	switch {
	case err != nil:
		return Finding{}, err
	case ok && after != marked:
		return e.restored(ctx, Finding{Verdict: Good, Text: "DTR reaches the modem: it reset itself when DTR dropped"})
	case ok:
		return e.restored(ctx, Finding{Verdict: Doubtful, Text: "the modem did not reset itself when DTR dropped: a hang-up may need the escape",
			Advice: "is pin 4 (DB9) or 20 (DB25) wired? Take dtr: ignored in a profile of your own if it can't be"})
	default:
		return e.restored(ctx, Finding{Verdict: Doubtful, Text: "the modem does not answer any more since DTR dropped"})
	}
}

// resetAtDTR makes the modem reset itself when DTR drops. U.S. Robotics' have a register for it, which means something else to others.
func (e *Exam) resetAtDTR() string {
	if e.profile.Dialect == "usr" {
		return "ATS13=1"
	}
	return "AT&D3"
}

// register reads S8, which changes nothing but the length of a comma in a dial string.
func (e *Exam) register(ctx context.Context) (value int, ok bool, err error) {
	a, err := e.talk.ask(ctx, "ATS8?", patience)
	if err != nil {
		return 0, false, err
	}
	value, convErr := strconv.Atoi(strings.TrimSpace(a.text()))
	return value, a.ok() && convErr == nil, nil
}

// pulseDTR drops DTR for as long as a hang-up does.
func (e *Exam) pulseDTR(ctx context.Context) error {
	d := max(e.profile.Hangup.DTRTime.Std(), 500*time.Millisecond)
	if err := e.Device.SetDTR(false); err != nil {
		return err
	}
	err := wait(ctx, d)
	if upErr := e.Device.SetDTR(true); err == nil {
		err = upErr
	}
	e.talk.note("DTR low for %v", d)
	if err == nil {
		_, err = e.talk.quiet(ctx, e.profile.Reset.Delay.Std()+2*settle)
	}
	return err
}

// restored sets the modem up again after a check that changed it.
func (e *Exam) restored(ctx context.Context, f Finding) (Finding, error) {
	_, failed, err := e.initialise(ctx)
	if err == nil {
		_, err = e.enableCallerID(ctx)
	}
	if err == nil && failed != "" {
		f.Verdict, f.Text = Bad, f.Text+"; afterwards it refuses "+failed
	}
	return f, err
}

// dcdWiring proves DCD without a call: &C0 makes the modem raise it, &C1 lower it.
func (e *Exam) dcdWiring(ctx context.Context) (Finding, error) {
	if !e.signals {
		return Finding{Verdict: Untested, Text: "the device has no control signals"}, nil
	}
	var seen [2]bool
	for i, command := range []string{"AT&C0", "AT&C1"} {
		a, err := e.talk.ask(ctx, command, patience)
		if err != nil {
			return Finding{}, err
		}
		if !a.ok() {
			return e.restored(ctx, Finding{Verdict: Untested, Text: "the modem does not take " + command})
		}
		if err := wait(ctx, settle); err != nil {
			return Finding{}, err
		}
		s, err := e.Device.Signals()
		if err != nil {
			return Finding{}, err
		}
		seen[i] = s.DCD
		e.talk.note("DCD is %s", level(s.DCD))
	}
	f := Finding{Verdict: Good, Text: "DCD follows the modem"}
	switch seen {
	case [2]bool{false, false}:
		f = Finding{Verdict: Bad, Text: "DCD stays low although the modem raises it: a caller who hangs up is noticed by words of the modem alone",
			Advice: "is pin 1 (DB9) or 8 (DB25) wired? `carrier: ignore` with `idle` on the service does without"}
	case [2]bool{true, true}:
		f = Finding{Verdict: Bad, Text: "DCD stays high although the modem lowers it: it is bridged in the cable, or a switch of the modem overrides &C1",
			Advice: "another cable, or `carrier: ignore` with `idle` on the service"}
	case [2]bool{false, true}:
		f = Finding{Verdict: Bad, Text: "DCD does the opposite of what the modem was told"}
	}
	if f.Verdict == Bad && e.NoDCD {
		f.Verdict, f.Advice = Good, ""
		f.Text += "; the line does without it"
	}
	return e.restored(ctx, f)
}

// wait waits for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
