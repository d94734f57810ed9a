package port

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"rashost/hardware"
	"rashost/port/modemsim"
)

// modemProfiles are all built-in profiles of modems.
func modemProfiles(t *testing.T) []hardware.Profile {
	t.Helper()
	all, err := hardware.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(p hardware.Profile) bool { return p.Direct })
}

// TestIdentifyPersonalities: each virtual modem, whose answers come from sources of their own, is known for what it is, and the same
// asked twice.
func TestIdentifyPersonalities(t *testing.T) {
	other := map[string]string{"ties": hardware.Fallback} // a nameless modem
	for _, name := range modemsim.Personalities() {
		if isCable(name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			want := name
			if other[name] != "" {
				want = other[name]
			}
			for _, stored := range []string{"", "E1V0Q1"} {
				id, commands, err := identifySim(t, name, stored, modemsim.Faults{})
				if err != nil || id.Profile.Name != want {
					t.Errorf("stored %q: %s (score %d: %s), %v; it said %q", stored, id.Profile.Name, id.Score, id.Why, err, id.Answers)
				}
				neverTooEarly(t, commands)
			}
		})
	}
}

// identifySim asks a virtual modem on a real pty.
func identifySim(t *testing.T, personality, stored string, f modemsim.Faults) (Identification, []string, error) {
	t.Helper()
	o, err := modemsim.Personality(personality)
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	o.Stored, o.Faults = stored, f
	o.OnCommand = func(line string) { commands = append(commands, line) }
	sim := modemsim.New(o)
	dev, err := NewSimOpener("sim:"+personality, sim, Settings{CLOCAL: true}, nil).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id, err := Identify(t.Context(), dev, modemProfiles(t))
	if err := dev.Close(); err != nil { // the modem is switched off: commands is ours
		t.Error(err)
	}
	return id, commands, err
}

// neverTooEarly fails when something is asked before the modem was told E0 V1.
func neverTooEarly(t *testing.T, commands []string) {
	t.Helper()
	for i, c := range commands {
		if strings.HasPrefix(c, "ATI") || strings.HasPrefix(c, "AT+") {
			if !slices.Contains(commands[:i], "ATE0") || !slices.Contains(commands[:i], "ATV1") {
				t.Errorf("%s before E0 V1: %q", c, commands)
			}
			return
		}
	}
}

// identifyFake asks a fake modem in simulated time, at all speeds.
func identifyFake(t *testing.T, change func(m *fakeModem), far func(r *Far)) (id Identification, baud int, took time.Duration, said []string, err error) {
	t.Helper()
	profiles := modemProfiles(t)
	synctest.Test(t, func(t *testing.T) {
		f := NewFake("ttyFAKE", FakeOptions{})
		m := newFakeModem(f.Far())
		defer m.stop()
		m.set(func(m *fakeModem) {
			m.answers["ATI0"], m.answers["ATI3"] = "\r\n3366\r\n\r\nOK\r\n", "\r\nUSRobotics Courier V.Everything\r\n\r\nOK\r\n"
			change(m)
		})
		if far != nil {
			far(f.Far())
		}
		dev, e := f.Open(t.Context())
		if e != nil {
			t.Fatal(e)
		}
		defer func() { _ = dev.Close() }()
		start := time.Now()
		id, baud, err = IdentifyAtSpeeds(t.Context(), dev, Settings{Baud: 9600, CLOCAL: true}, nil, profiles)
		took, said = time.Since(start), m.said()
	})
	return id, baud, took, said, err
}

func TestIdentifyFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		modem func(m *fakeModem)
		far   func(r *Far)
		want  string // the profile, "" for no answer
		why   string // in Why, or in the error
	}{
		"a good one":      {func(*fakeModem) {}, nil, "usr-courier", "ATI3 says"},
		"one that echoes": {func(m *fakeModem) { m.echo = true }, nil, "usr-courier", "ATI3 says"},
		"mute":            {func(m *fakeModem) { m.mute = true }, nil, "", "switched off, at another speed"},
		"switched off":    {func(m *fakeModem) { m.mute = true }, func(r *Far) { r.SetDSR(false); r.SetCTS(false) }, "", "DSR and CTS are low"},
		"no DSR":          {func(m *fakeModem) { m.mute = true }, func(r *Far) { r.SetDSR(false) }, "", "DSR is low"},
		"a getty":         {func(m *fakeModem) { m.getty = true }, nil, "", "what is sent comes back"},
		"garbage":         {func(m *fakeModem) { garbage(m) }, nil, "", "no answer: another speed"},
		"one in a call":   {func(m *fakeModem) { m.online = true; m.far.SetDCD(true) }, nil, "usr-courier", "ATI3 says"},
		"deaf in a call":  {func(m *fakeModem) { m.online, m.deafDTR = true, true; m.far.SetDCD(true) }, nil, "usr-courier", "ATI3 says"},
		"stuck in a call": {func(m *fakeModem) {
			m.online, m.deafDTR, m.guarded, m.stuck = true, true, true, true
			m.far.SetDCD(true)
		}, nil, "", "DCD is high"},
		"says nothing":      {func(m *fakeModem) { m.answers["ATI0"], m.answers["ATI3"] = "\r\nOK\r\n", "\r\nOK\r\n" }, nil, "generic", "nothing that the modem says"},
		"refuses all":       {refuseQuestions, nil, "generic", "nothing that the modem says"},
		"falls silent":      {silentQuestions, nil, "generic", "does not answer all questions"},
		"rings meanwhile":   {ringingQuestions, nil, "usr-courier", "ATI3 says"},
		"talks without end": {talkingQuestions, nil, "usr-courier", "ATI3 says"},
		"hostile":           {func(m *fakeModem) { m.answers["ATI3"] = "\r\n\x1b[2JCourier\x9b31m\r\nOK\r\n" }, nil, "usr-courier", `"[2JCourier`},
	} {
		t.Run(name, func(t *testing.T) {
			id, baud, took, said, err := identifyFake(t, tc.modem, tc.far)
			text := id.Why
			if err != nil {
				text = err.Error()
			}
			if id.Profile.Name != tc.want || (err == nil) != (tc.want != "") || !strings.Contains(text, tc.why) {
				t.Errorf("%q at %d: %s, %v", id.Profile.Name, baud, id.Why, err)
			}
			if err != nil && !errors.Is(err, ErrNoAnswer) {
				t.Errorf("the error is %v", err)
			}
			if limit := time.Minute + 30*time.Second; took > limit {
				t.Errorf("it took %v", took)
			}
			for _, a := range id.Answers {
				if len(a.Text) > maxInquiryText || strings.ContainsFunc(a.Text, func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }) {
					t.Errorf("%s: %q", a.Query, a.Text)
				}
				if strings.Contains(a.Text, "RING") || strings.Contains(a.Text, "NMBR") {
					t.Errorf("%s: a caller in the answer %q", a.Query, a.Text)
				}
			}
			neverTooEarly(t, said)
		})
	}
}

func garbage(m *fakeModem) {
	for _, c := range []string{"AT", "ATQ0", "ATE0", "ATV1"} {
		m.answers[c] = "\xfe\x81x\xff\r\n~q\r\n"
	}
}

func eachQuestion(m *fakeModem, answer string) {
	for _, q := range []string{"ATI0", "ATI3", "ATI4", "ATI6", "ATI7", "ATI9", "AT+GMI", "AT+GMM", "AT+GMR", "AT+FMI?", "AT+FMM?", "AT+FMFR?", "AT+FMDL?", "AT+CGMI", "AT+GMI9"} {
		m.answers[q] = answer
	}
}

func refuseQuestions(m *fakeModem) { eachQuestion(m, "\r\nERROR\r\n") }
func silentQuestions(m *fakeModem) { eachQuestion(m, "-") }

func ringingQuestions(m *fakeModem) {
	m.answers["ATI0"] = "\r\nRING\r\n\r\nDATE = 1121\r\nTIME = 1030\r\nNMBR = 5551234\r\nNAME = COURIER\r\n\r\n1\r\nOK\r\n"
	m.answers["ATI3"] = "\r\nRING\r\n\r\nUSRobotics Courier V.Everything\r\n\r\nRING\r\n\r\nOK\r\n"
}

func talkingQuestions(m *fakeModem) {
	m.answers["ATI0"] = strings.Repeat("one of many lines\r\n", 500) // and never OK
}

// TestIdentifyAtAnotherSpeed: a modem whose speed is fixed at 19200 is found there.
func TestIdentifyAtAnotherSpeed(t *testing.T) {
	profiles := modemProfiles(t)
	synctest.Test(t, func(t *testing.T) {
		f := NewFake("ttyFAKE", FakeOptions{})
		far := f.Far()
		m := newFakeModem(far)
		defer m.stop()
		m.set(func(m *fakeModem) { m.mute = true })
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			if _, err := far.Wait(ctx, func(s FakeState) bool { return s.Settings.Baud == 19200 }); err == nil {
				m.set(func(m *fakeModem) { m.mute = false })
			}
		}()
		dev, err := f.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = dev.Close() }()
		_, baud, err := IdentifyAtSpeeds(t.Context(), dev, Settings{Baud: 115200, CLOCAL: true}, nil, profiles)
		if err != nil || baud != 19200 || far.State().Settings.Baud != 19200 {
			t.Errorf("found at %d, the device is at %d: %v", baud, far.State().Settings.Baud, err)
		}
	})
}

// TestIdentifyStops: the end of the context ends an identification at once.
func TestIdentifyStops(t *testing.T) {
	profiles := modemProfiles(t)
	synctest.Test(t, func(t *testing.T) {
		f := NewFake("ttyFAKE", FakeOptions{})
		m := newFakeModem(f.Far())
		defer m.stop()
		m.set(func(m *fakeModem) { m.mute = true })
		dev, err := f.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = dev.Close() }()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		start := time.Now()
		if _, err := Identify(ctx, dev, profiles); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 300*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}
