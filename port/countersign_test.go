package port

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// deaf is a modem that does not hear DTR, and does not obey the escape, on a line whose DCD shows nothing; its caller types OK at each
// command that he sees.
func deaf(r *rig) {
	r.handler = once
	r.cfg.Rings, r.cfg.Carrier = 2, CarrierIgnore
	r.cfg.Policy = Policy{Rules: []CallerRule{{Allow: true, Caller: "555*"}}}
	r.modem.deafDTR, r.modem.guarded, r.modem.parrot = true, true, "\r\nOK\r\n"
}

// anotherCaller types what a modem says of the next call.
func (r *rig) anotherCaller(number string) {
	r.say("\r\nRING\r\n\r\nNMBR = " + number + "\r\n")
	r.say("\r\nRING\r\n")
	time.Sleep(time.Second)
	r.say("\r\nCONNECT 9600\r\n")
	time.Sleep(20 * time.Second)
}

// TestCallerPosesAsTheNext: a caller whom no hang-up reaches can type what a modem says, but he does not know the modem's number. The line
// goes out of service, with the reason, and answers again when he has gone.
func TestCallerPosesAsTheNext(t *testing.T) {
	for name, o := range map[string]FakeOptions{"carrier: ignore": {}, "no signals": {NoSignals: true}} {
		for typed, parrot := range map[string]string{"OK": "\r\nOK\r\n", "a number": "\r\n002\r\n\r\nOK\r\n", "an echo": "AT\r\n\r\nOK\r\n"} {
			t.Run(name+", "+typed, func(t *testing.T) {
				bubble(t, o, func(r *rig) { deaf(r); r.modem.parrot = parrot }, func(r *rig) {
					r.within(time.Second, Listening)
					r.anotherCaller("5550000")
					for range 3 {
						r.anotherCaller("5551234")
					}
					s := r.snap()
					if r.calls() != 1 || s.State != Quarantined || !strings.Contains(s.Reason, "a caller may still be there") {
						t.Errorf("%d calls, %+v", r.calls(), s)
					}
					r.modem.set(func(m *fakeModem) { m.parrot = "" })
					r.modem.lose("\r\nNO CARRIER\r\n")
					r.within(quarantineTime+time.Minute, Listening)
					if told := r.told(EventUnproven); len(told) > 0 { // it gave its number
						t.Error(told)
					}
					r.modem.set(func(m *fakeModem) { m.deafDTR = false })
					r.anotherCaller("5551234")
					if r.calls() != 2 {
						t.Errorf("%d calls afterwards", r.calls())
					}
				})
			})
		}
	}
}

// TestCountersign: the number is another at each set-up, it is asked for after each call, and not told to anybody.
func TestCountersign(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { deaf(r); r.modem.deafDTR = false }, func(r *rig) {
		r.within(time.Second, Listening)
		given := func() string {
			for _, c := range r.modem.said() {
				if _, n, ok := strings.Cut(c, "ATS8="); ok {
					defer r.modem.set(func(m *fakeModem) { m.commands = nil })
					return n
				}
			}
			return ""
		}
		var all []string
		for range 5 {
			n := given()
			all = append(all, n)
			r.anotherCaller("5550000")
			if said := strings.Join(r.modem.said(), " "); !strings.HasSuffix(said, "ATA AT ATH ATS8?") {
				t.Errorf("commands: %s", said)
			}
			if text := stepsText(r.lastEnd()) + r.snap().Reason + fmt.Sprint(r.told(EventLadder)); n == "" || strings.Contains(text, n) {
				t.Errorf("%q is told: %s", n, text)
			}
			if err := r.mgr.Reset(context.Background(), r.cfg.Name); err != nil {
				t.Fatal(err)
			}
			r.within(10*time.Second, Listening)
		}
		same := 0
		for _, n := range all[1:] {
			if n == all[0] {
				same++
			}
		}
		if same == 4 {
			t.Errorf("always the same number: %v", all)
		}
	})
}

// TestModemWithoutCountersign: where the modem keeps no number the escape comes before any AT; where that is off, the line says what is amiss.
func TestModemWithoutCountersign(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { deaf(r); r.modem.forgets, r.modem.guarded = true, false }, func(r *rig) {
		r.within(time.Second, Listening)
		r.anotherCaller("5550000")
		if data := r.modem.sent(); data != "+++" {
			t.Errorf("the caller was sent %q", data)
		}
	})
	bubble(t, FakeOptions{}, func(r *rig) {
		deaf(r)
		r.modem.forgets, r.modem.deafDTR = true, false
		r.cfg.Profile = readBackProfile()
	}, func(r *rig) {
		r.within(time.Second, Listening)
		r.anotherCaller("5550000")
		if told := r.told(EventUnproven); len(told) != 1 || r.snap().State != Listening {
			t.Errorf("told %v, %+v", told, r.snap())
		}
	})
}

// TestSilentCallerPosesLater: a caller who says nothing while the line hangs up, and OK to whatever comes later, is not told the next number.
func TestSilentCallerPosesLater(t *testing.T) {
	for name, again := range map[string]func(r *rig) error{
		"by itself": func(*rig) error { return nil },
		"by operator disable and enable": func(r *rig) error {
			if err := r.mgr.Disable(context.Background(), r.cfg.Name); err != nil {
				return err
			}
			r.within(time.Minute, Disabled)
			return r.mgr.Enable(context.Background(), r.cfg.Name)
		},
		"by operator reset": func(r *rig) error { return r.mgr.Reset(context.Background(), r.cfg.Name) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, FakeOptions{}, func(r *rig) { deaf(r); r.modem.parrot = "" }, func(r *rig) {
				r.within(time.Second, Listening)
				r.say("\r\nRING\r\n\r\nNMBR = 5550000\r\n")
				r.say("\r\nRING\r\n")
				r.within(time.Minute, Recovering)
				r.modem.set(func(m *fakeModem) { m.parrot = "\r\nOK\r\n"; m.data.Reset() })
				if err := again(r); err != nil {
					t.Fatal(err)
				}
				for range 3 {
					r.anotherCaller("5551234")
				}
				if data := r.modem.sent(); r.calls() != 1 || strings.Contains(data, "ATS8=") {
					t.Errorf("%d calls, the caller was sent %q", r.calls(), data)
				}
				r.within(quarantineTime, Quarantined)
			})
		})
	}
}

// TestModemThatForgets: a modem that resets itself when DTR drops, though its profile does not say so, is found out, and then goes without.
func TestModemThatForgets(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { deaf(r); r.modem.deafDTR, r.modem.resets = false, true }, func(r *rig) {
		r.within(time.Second, Listening)
		for range signTrust {
			r.anotherCaller("5550000")
			r.within(time.Minute, Quarantined)
			r.within(quarantineTime+time.Minute, Listening)
		}
		for range 3 {
			r.anotherCaller("5550000")
			r.within(time.Minute, Listening)
		}
		if r.calls() != signTrust+3 {
			t.Errorf("%d calls", r.calls())
		}
	})
}

// TestRingInTheSetUp: a call that comes before the modem has shown that it keeps the number does not keep it from being asked.
func TestRingInTheSetUp(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { deaf(r); r.modem.answers["ATS0=0"] = "\r\nRING\r\n\r\nOK\r\n" }, func(r *rig) {
		r.within(time.Second, Ringing)
		r.modem.set(func(m *fakeModem) { clear(m.answers) })
		for range 3 {
			r.anotherCaller("5551234")
		}
		if s := r.snap(); r.calls() != 1 || s.State != Quarantined {
			t.Errorf("%d calls, %+v", r.calls(), s)
		}
	})
}

// TestCallerOutlastsTheQuarantine: it is told that who is still there then sees the next number.
func TestCallerOutlastsTheQuarantine(t *testing.T) {
	bubble(t, FakeOptions{}, deaf, func(r *rig) {
		r.within(time.Second, Listening)
		r.anotherCaller("5550000")
		r.within(time.Minute, Quarantined)
		r.within(quarantineTime+time.Minute, Listening)
		if told := r.told(EventUnproven); len(told) != 1 || !strings.Contains(told[0], "sees the number that it is given now") {
			t.Error(told)
		}
	})
}

// TestReloadInACall: the line that replaces one in a call asks for the number that the modem was given, and tells the caller no other.
func TestReloadInACall(t *testing.T) {
	bubble(t, FakeOptions{}, deaf, func(r *rig) {
		r.within(time.Second, Listening)
		r.handler = func(ctx context.Context, _ *Call) Outcome { <-ctx.Done(); return Outcome{} }
		r.say("\r\nRING\r\n\r\nNMBR = 5550000\r\n")
		r.say("\r\nRING\r\n")
		r.within(time.Minute, Dialog)
		for range 2 {
			r.cfg.HandlerGrace += time.Second
			r.apply()
		}
		r.anotherCaller("5551234")
		if data := r.modem.sent(); strings.Contains(data, "ATS8=") || r.calls() != 1 {
			t.Errorf("%d calls, the caller was sent %q", r.calls(), data)
		}
		r.within(time.Minute, Quarantined)
	})
	bubble(t, FakeOptions{}, func(r *rig) { deaf(r); r.modem.deafDTR = false }, func(r *rig) {
		r.within(time.Second, Listening)
		r.handler = func(ctx context.Context, _ *Call) Outcome { <-ctx.Done(); return Outcome{} }
		r.say("\r\nRING\r\n\r\nNMBR = 5550000\r\n")
		r.say("\r\nRING\r\n")
		r.within(time.Minute, Dialog)
		r.cfg.HandlerGrace += time.Second
		r.apply()
		r.within(15*time.Second, Listening)
	})
}

// TestNumberRefusedLater: a modem that kept its number once, and later refuses another one, is asked again.
func TestNumberRefusedLater(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { deaf(r); r.modem.deafDTR = false }, func(r *rig) {
		r.within(time.Second, Listening)
		r.modem.set(func(m *fakeModem) { m.forgets, m.refuses = true, "ATS8=" })
		if err := r.mgr.Reset(context.Background(), r.cfg.Name); err != nil {
			t.Fatal(err)
		}
		r.within(10*time.Second, Listening)
		r.anotherCaller("5550000")
		if s := r.snap(); r.calls() != 1 || s.State != Listening {
			t.Errorf("%d calls, %+v", r.calls(), s)
		}
	})
}
