package doctor

import (
	"context"
	"strings"
	"testing"

	"rashost/hardware"
	"rashost/port"
	"rashost/port/modemsim"
)

// examine runs the examination of a virtual modem.
func examine(t *testing.T, personality, profile string, change func(o *modemsim.Options)) map[string]Finding {
	t.Helper()
	o, err := modemsim.Personality(personality)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&o)
	}
	profiles, err := hardware.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	e := &Exam{Profiles: profiles}
	if profile != "" {
		p, err := hardware.Load(profile)
		if err != nil {
			t.Fatal(err)
		}
		e.Profile = &p
	}
	cfg := port.LineConfig{Name: "modem1", Device: "sim:" + personality, Profile: e.Profile, Baud: 115200, Flow: "rtscts"}
	e.Settings = cfg.Settings()
	dev, err := port.NewSimOpener(cfg.Device, modemsim.New(o), e.Settings, nil).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dev.Close() }()
	e.Device = dev
	told := 0
	e.Found = func(Finding) { told++ }
	all, err := e.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if told != len(all) {
		t.Errorf("%d findings, %d were told", len(all), told)
	}
	found := map[string]Finding{}
	for _, f := range all {
		found[f.Check] = f
	}
	return found
}

// want fails when a check's finding is another one.
func want(t *testing.T, found map[string]Finding, check string, v Verdict, text string) {
	t.Helper()
	if f := found[check]; f.Verdict != v || !strings.Contains(f.Text, text) {
		t.Errorf("%s: %s %q, want %s %q\nevidence: %s", check, f.Verdict, f.Text, v, text, strings.Join(f.Evidence, "\n  "))
	}
}

// A modem with which all is well is found so, and why is shown.
func TestGoodModem(t *testing.T) {
	found := examine(t, "usr-courier", "", nil)
	for _, c := range checks() {
		if f := found[c.name]; f.Verdict != Good && f.Verdict != Untested || len(f.Evidence) == 0 && f.Verdict == Good {
			t.Errorf("%+v", f)
		}
	}
	want(t, found, "identify", Good, "profile usr-courier")
	want(t, found, "DTR wiring", Good, "DTR reaches the modem")
	want(t, found, "DCD wiring", Good, "follows")
	want(t, found, "speed", Good, "30 commands without a fault")
}

// Each fault of a modem, of a cable or of the configuration is found by the check that is there for it.
func TestFaultsAreFound(t *testing.T) {
	for _, c := range []struct {
		name, personality, profile string
		change                     func(o *modemsim.Options)
		check                      string
		verdict                    Verdict
		text                       string
	}{
		{"says nothing", "generic", "generic", func(o *modemsim.Options) { o.Faults.Wedged = true }, "answers", Bad, "does not answer AT"},
		{"another make", "usr-courier", "zyxel-u1496", nil, "identify", Doubtful, "looks like usr-courier"},
		{"a refused command", "generic", "generic", func(o *modemsim.Options) { o.Faults.Reject = []string{"S0=0"} }, "set-up", Bad, "ATS0=0"},
		{"DTR not wired", "conexant-cx93010", "conexant-cx93010", func(o *modemsim.Options) { o.Faults.DeafToDTR = true }, "DTR wiring", Doubtful, "did not reset itself"},
		{"RTS not wired", "generic", "generic", func(o *modemsim.Options) { o.Faults.DeafToRTS = true }, "flow control", Doubtful, "although RTS is low"},
		{"DCD bridged", "generic", "generic", func(o *modemsim.Options) { o.Faults.StuckDCD = true }, "DCD wiring", Bad, "stays high"},
		{"answers get lost", "generic", "generic", func(o *modemsim.Options) { o.Faults.Noise = []byte("x~y\r\n") }, "speed", Bad, "spoilt"},
		{"caller id refused", "generic", "generic", func(o *modemsim.Options) { o.Faults.Reject = []string{"+VCID=1", "#CID=1"} }, "caller id", Doubtful, "refuses every way"},
		{"the escape stays on", "generic", "generic", func(o *modemsim.Options) { o.Faults.Reject = []string{"S2=255"} }, "escape", Doubtful, "the escape is on (S2=43)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			found := examine(t, c.personality, c.profile, c.change)
			want(t, found, c.check, c.verdict, c.text)
			if f := found[c.check]; f.Verdict == Bad && f.Advice == "" {
				t.Error("no advice")
			}
		})
	}
}

// After a check that changed the modem it is as the set-up leaves it.
func TestModemIsLeftSetUp(t *testing.T) {
	o, err := modemsim.Personality("generic")
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	o.OnCommand = func(line string) { said = append(said, line) }
	profiles, err := hardware.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	p, err := hardware.Load("generic")
	if err != nil {
		t.Fatal(err)
	}
	cfg := port.LineConfig{Name: "modem1", Device: "sim:x", Profile: &p, Baud: 115200}
	dev, err := port.NewSimOpener("sim:x", modemsim.New(o), cfg.Settings(), nil).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e := &Exam{Profile: &p, Profiles: profiles, Device: dev, Settings: cfg.Settings()}
	if _, err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := dev.Close(); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(said, "|")
	last := p.Init[len(p.Init)-1].Send
	for _, changed := range []string{"AT&D3", "AT&C0"} {
		if i := strings.LastIndex(all, changed); i >= 0 && !strings.Contains(all[i:], last) {
			t.Errorf("after %s the set-up did not follow: %s", changed, all[i:])
		}
	}
}

// An examination can be interrupted, and ends when the device goes.
func TestInterrupted(t *testing.T) {
	p, err := hardware.Load("generic")
	if err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]func(cancel context.CancelFunc, dev port.Device){
		"interrupted": func(cancel context.CancelFunc, _ port.Device) { cancel() },
		"unplugged":   func(_ context.CancelFunc, dev port.Device) { _ = dev.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			dev, err := port.NewSimOpener("sim:x", modemsim.New(modemsim.Options{}), port.Settings{}, nil).Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = dev.Close() }()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			e := &Exam{Profile: &p, Device: dev, Found: func(f Finding) {
				if f.Check == "answers" {
					end(cancel, dev)
				}
			}}
			all, err := e.Run(ctx)
			last := all[len(all)-1]
			if name == "interrupted" && (err == nil || last.Check != "answers") {
				t.Errorf("%+v, %v", last, err)
			}
			if name == "unplugged" && (err != nil || last.Verdict != Bad || last.Check != "identify") {
				t.Errorf("%+v, %v", last, err)
			}
		})
	}
}

func TestConclude(t *testing.T) {
	for _, c := range []struct {
		verdicts []Verdict
		want     Verdict
		summary  string
	}{
		{[]Verdict{Good, Good}, Good, "line a works: 2 checks are good"},
		{[]Verdict{Good, Untested}, Good, "line a works: 1 check is good; 1 could not be tested"},
		{[]Verdict{Good, Doubtful, Untested}, Doubtful, "with doubts: see 1; 1 could not be tested"},
		{[]Verdict{Bad, Doubtful, Bad}, Bad, "2 of 3 checks failed, first 0"},
		{[]Verdict{Untested}, Untested, "nothing of line a could be tested"},
		{nil, Untested, "nothing of line a could be tested"},
	} {
		r := Report{Line: "a"}
		for i, v := range c.verdicts {
			r.Findings = append(r.Findings, Finding{Check: string(rune('0' + i)), Verdict: v})
		}
		if r.Conclude(); r.Verdict != c.want || !strings.Contains(r.Summary, c.summary) {
			t.Errorf("%v: %s, %q", c.verdicts, r.Verdict, r.Summary)
		}
	}
}
