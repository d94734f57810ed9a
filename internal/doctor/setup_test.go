package doctor

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"rashost/hardware"
	"rashost/port"
	"rashost/port/modem"
	"rashost/port/modemsim"
)

// tapped is a device that keeps what is written to it, and whose modem hears nothing for a while after a reset.
type tapped struct {
	port.Device
	deaf time.Duration

	until time.Time
	sent  []string
}

func (d *tapped) Write(p []byte) (int, error) {
	d.sent = append(d.sent, string(p))
	if time.Now().Before(d.until) {
		return len(p), nil // it starts anew
	}
	if bytes.Contains(p, []byte("&F")) || bytes.Contains(p, []byte("ATZ")) {
		defer func() { d.until = time.Now().Add(d.deaf) }()
	}
	return d.Device.Write(p)
}

// open opens a virtual modem, which takes a profile's set-up.
func open(t *testing.T, p *hardware.Profile) *tapped {
	t.Helper()
	o, err := modemsim.Personality("generic")
	if err != nil {
		t.Fatal(err)
	}
	cfg := port.LineConfig{Name: "modem1", Device: "sim:x", Profile: p, Baud: 115200}
	dev, err := port.NewSimOpener("sim:x", modemsim.New(o), cfg.Settings(), nil).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dev.Close() })
	return &tapped{Device: dev}
}

func steps(d time.Duration) []hardware.Step {
	return []hardware.Step{
		{Send: "ATZ", DelayAfter: hardware.Duration(d)}, {Send: "ATE0V1Q0"}, {Send: "AT&F", DelayAfter: hardware.Duration(d)}, {Send: "ATE0"},
		{Send: "ATS0=0"},
	}
}

// A modem that hears nothing for a while after a reset is given the time that its profile asks for, after the command or after each.
func TestSetUpKeepsTheDelays(t *testing.T) {
	const deaf = 500 * time.Millisecond
	for name, change := range map[string]func(p *hardware.Profile){
		"delay_after": func(p *hardware.Profile) { p.Init = steps(deaf + 100*time.Millisecond) },
		"command_delay": func(p *hardware.Profile) {
			p.CommandDelay, p.Init = hardware.Duration(deaf+100*time.Millisecond), steps(0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := hardware.Defaults()
			p.Name, p.CommandTimeout = "ours", hardware.Duration(time.Second)
			change(&p)
			d := open(t, &p)
			d.deaf = deaf
			e := &Exam{Profile: &p, Device: d}
			e.talk = talk{dev: d}
			e.goBy(p)
			f, err := e.setUp(t.Context())
			if err != nil || f.Verdict != Good || f.Text != "the modem takes the whole set-up" {
				t.Errorf("%+v, %v", f, err)
			}
			if f, err = e.restored(t.Context(), Finding{Verdict: Good}); err != nil || f.Verdict != Good {
				t.Errorf("restored: %+v, %v", f, err)
			}
		})
	}
}

// The doctor sends byte for byte what the line sends.
func TestSendsWhatTheLineSends(t *testing.T) {
	all, err := hardware.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	special := hardware.Defaults()
	special.Name = "special"
	special.Init = []hardware.Step{
		{Send: "\x10\x03", Raw: true, NoReply: true, DelayAfter: hardware.Duration(10 * time.Millisecond)},
		{Send: "ATZ", NoReply: true, DelayAfter: hardware.Duration(50 * time.Millisecond)},
		{Send: "ATE1", Optional: true}, {Send: "ATE0"},
		{Send: "ATNOTHING", Expect: "ERROR"},
	}
	special.CallerID.Enable = []hardware.Step{{Send: "AT#CID=9"}, {Send: "AT+VCID=1"}, {Send: "AT#CID=1"}}
	special.DistinctiveRing.Send = "AT-SDR=7"
	compared := 0
	for _, p := range append(all, special) {
		if p.Direct {
			continue
		}
		for i := range p.Init { // how long it waits, another test looks at
			p.Init[i].DelayAfter = min(p.Init[i].DelayAfter, hardware.Duration(50*time.Millisecond))
		}
		p.CommandDelay = 0
		line, doctor := open(t, &p), open(t, &p)
		ctx, cancel := context.WithCancel(t.Context())
		lineErr := port.Monitor(ctx, line, &p, func([]*modem.StepError) { cancel() }, func(port.Heard) {})
		set := ctx.Err() != nil
		cancel()
		e := &Exam{Profile: &p, Device: doctor, DistinctiveRing: true}
		e.talk = talk{dev: doctor}
		e.goBy(p)
		f, err := e.setUp(t.Context())
		if err != nil || (f.Verdict == Good) != set {
			t.Errorf("%s: the line %v, the doctor %+v, %v", p.Name, lineErr, f, err)
		}
		if set {
			compared++
			if _, err := e.enableCallerID(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(line.sent, doctor.sent) {
			t.Errorf("%s: the line sends %q, the doctor %q", p.Name, line.sent, doctor.sent)
		}
	}
	if compared == 0 {
		t.Error("no set-up was taken")
	}
}

// What is found in no manual of the family is named, where it is sent and where it is asked.
func TestUnverifiedIsNamed(t *testing.T) {
	p := hardware.Defaults()
	p.Name = "ours"
	p.Init = []hardware.Step{{Send: "ATE0", Source: "a manual"}, {Send: "ATS0=0", Unverified: true}}
	p.ReadBack = []hardware.ReadBack{{Query: "ATS0?", Pattern: "^0+$", Means: "it does not answer by itself", Unverified: true}}
	d := open(t, &p)
	e := &Exam{Profile: &p, Device: d}
	e.talk = talk{dev: d}
	e.goBy(p)
	for check, want := range map[string]string{
		"set-up":    "the modem takes the whole set-up; found in no manual of the family: ATS0=0",
		"read-back": "one setting is as it was made; found in no manual of the family: ATS0?",
	} {
		run := e.setUp
		if check == "read-back" {
			run = e.readBack
		}
		f, err := run(t.Context())
		if err != nil || f.Verdict != Good || f.Text != want {
			t.Errorf("%s: %+v, %v", check, f, err)
		}
		if evidence := strings.Join(e.talk.take(), "\n"); strings.Count(evidence, " (found in no manual of the family) -> ") != 1 {
			t.Errorf("%s: %s", check, evidence)
		}
	}
}

// A line that does without a signal is not blamed for it.
func TestSignalsThatAreNotUsed(t *testing.T) {
	for _, without := range []bool{false, true} {
		p, err := hardware.Load("generic")
		if err != nil {
			t.Fatal(err)
		}
		o, err := modemsim.Personality("generic")
		if err != nil {
			t.Fatal(err)
		}
		o.Faults.StuckDCD = true
		cfg := port.LineConfig{Name: "modem1", Device: "sim:x", Profile: &p, Baud: 115200}
		dev, err := port.NewSimOpener("sim:x", modemsim.New(o), cfg.Settings(), nil).Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		e := &Exam{Profile: &p, Device: dev, NoDCD: without, signals: true}
		e.talk = talk{dev: dev}
		e.goBy(p)
		f, err := e.dcdWiring(t.Context())
		if err != nil || (f.Verdict == Good) != without || strings.Contains(f.Text, "does without") != without || (f.Advice == "") != without {
			t.Errorf("without %v: %+v, %v", without, f, err)
		}
		if err := dev.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
