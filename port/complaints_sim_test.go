package port

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"rashost/hardware"
	"rashost/port/modem"
	"rashost/port/modemsim"
)

// personality makes the modem of a faultBubble one of that family.
func personality(t *testing.T, name string) func(o *modemsim.Options, c *LineConfig) {
	return func(o *modemsim.Options, c *LineConfig) {
		p, err := modemsim.Personality(name)
		if err != nil {
			t.Error(err)
		}
		p.Timing, p.OnSignals = o.Timing, o.OnSignals
		*o = p
		c.Rings = 2
	}
}

// TestComplaint2_1_LineNeverAnswersAgain: whatever way a call ended, the next one is answered, and nobody restarted anything.
func TestComplaint2_1_LineNeverAnswersAgain(t *testing.T) {
	for name, end := range map[string]func(r *faultRig, call *modemsim.FarCall){
		"the caller vanishes, the modem says nothing": func(r *faultRig, call *modemsim.FarCall) {
			r.sim.SetFaults(modemsim.Faults{SilentHangup: true})
			_ = call.Close()
		},
		"the caller vanishes, DCD never drops": func(r *faultRig, call *modemsim.FarCall) {
			r.sim.SetFaults(modemsim.Faults{StuckDCD: true})
			_ = call.Close()
			time.AfterFunc(20*time.Minute, func() { r.sim.SetFaults(modemsim.Faults{}) })
			_ = r.mgr.Hangup(context.Background(), r.cfg.Name)
		},
		"the modem does not hear DTR": func(r *faultRig, call *modemsim.FarCall) {
			r.sim.SetFaults(modemsim.Faults{DeafToDTR: true})
			_, _ = io.WriteString(call, "quit\r")
			time.AfterFunc(time.Minute, func() { _ = call.Close() })
		},
		"the modem falls silent for ten minutes": func(r *faultRig, call *modemsim.FarCall) {
			r.sim.SetFaults(modemsim.Faults{Wedged: true})
			_ = call.Close()
			_ = r.mgr.Hangup(context.Background(), r.cfg.Name) // as the idle limit would
			time.AfterFunc(10*time.Minute, func() { r.sim.SetFaults(modemsim.Faults{}) })
		},
		"the device goes and comes back": func(r *faultRig, _ *modemsim.FarCall) { r.sim.Replug(time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			faultBubble(t, nil, func(r *faultRig) {
				r.reaches(time.Minute, Listening)
				call := r.dial(modemsim.DialOptions{})
				r.talk(call)
				end(r, call)
				r.reaches(time.Minute, HangingUp, Absent, Recovering)
				r.reaches(40*time.Minute, Listening)
				r.sim.SetFaults(modemsim.Faults{})
				r.works()
			})
		})
	}
}

// TestComplaint2_2_USBModemsWedge: a modem that is dead until somebody pulls its plug puts the line out of service with a reason, and into
// service again when it is plugged in; nothing else has to be done.
func TestComplaint2_2_USBModemsWedge(t *testing.T) {
	faultBubble(t, personality(t, "conexant-cx93010"), func(r *faultRig) {
		r.reaches(time.Minute, Listening)
		r.sim.SetFaults(modemsim.Faults{DieConnected: true})
		r.dial(modemsim.DialOptions{})
		_ = r.mgr.Hangup(context.Background(), r.cfg.Name)
		if s := r.reaches(30*time.Minute, Quarantined); s.Reason == "" || s.NextTry.IsZero() {
			t.Errorf("%+v", s)
		}
		r.sim.Unplug()
		r.reaches(quarantineTime+time.Minute, Absent)
		r.sim.SetFaults(modemsim.Faults{})
		r.sim.Plug()
		r.reaches(15*time.Second, Listening)
		r.works()
	})
}

// TestComplaint2_4_WrongInitStrings: the command that a modem refuses is named, and what a reset makes it forget is set again.
func TestComplaint2_4_WrongInitStrings(t *testing.T) {
	bell := func(base func(*modemsim.Options, *LineConfig)) func(*modemsim.Options, *LineConfig) {
		return func(o *modemsim.Options, c *LineConfig) {
			base(o, c)
			p := *c.Profile
			p.Init = append(append([]hardware.Step(nil), p.Init...), hardware.Step{Send: "AT+MS=B212"})
			c.Profile = &p
		}
	}
	t.Run("taken by one model", func(t *testing.T) {
		faultBubble(t, bell(personality(t, "conexant-cx93010")), func(r *faultRig) { r.reaches(time.Minute, Listening) })
	})
	t.Run("refused by another", func(t *testing.T) {
		faultBubble(t, bell(personality(t, "usr-5637")), func(r *faultRig) {
			if s := r.reaches(time.Minute, Recovering); !strings.Contains(s.Reason, `"AT+MS=B212"`) || !strings.Contains(s.Reason, "ERROR") {
				t.Errorf("the reason does not name the command: %s", s.Reason)
			}
		})
	})
	t.Run("caller id survives a reset", func(t *testing.T) {
		faultBubble(t, personality(t, "conexant-cx93010"), func(r *faultRig) { resetAndCall(r) })
	})
	t.Run("RING is understood after a reset", func(t *testing.T) {
		faultBubble(t, personality(t, "usr-courier"), func(r *faultRig) { resetAndCall(r) })
	})
	t.Run("commands wait for a slow reset", func(t *testing.T) {
		faultBubble(t, personality(t, "telebit"), func(r *faultRig) {
			r.reaches(time.Minute, Listening)
			r.sim.SetFaults(modemsim.Faults{Mute: true})
			r.reaches(2*time.Minute, Recovering)
			r.sim.SetFaults(modemsim.Faults{})
			r.reaches(time.Minute, Listening)
			r.works()
		})
	})
}

// resetAndCall makes the recovery reset the modem, and then calls.
func resetAndCall(r *faultRig) {
	r.t.Helper()
	r.reaches(time.Minute, Listening)
	r.sim.SetFaults(modemsim.Faults{Reject: []string{"Q0"}}) // so that the set-up fails until after the reset
	_ = r.mgr.Reset(context.Background(), r.cfg.Name)
	r.reaches(time.Minute, Recovering)
	r.sim.SetFaults(modemsim.Faults{})
	r.reaches(time.Minute, Listening)
	call := r.dial(modemsim.DialOptions{Number: "5551234"})
	r.talk(call)
	r.mu.Lock()
	id := r.begun[len(r.begun)-1].CallerID
	r.mu.Unlock()
	if id.Number != "5551234" {
		r.t.Errorf("caller id after a reset: %+v", id)
	}
	_ = call.Close()
	r.reaches(15*time.Second, Listening)
}

// TestComplaint2_5_CallerIDNeverArrives: caller id counts whether it comes before the first ring or behind it, misspelt or without a
// name; and where none comes the call is answered all the same.
func TestComplaint2_5_CallerIDNeverArrives(t *testing.T) {
	const number = "5551234"
	for name, c := range map[string]struct {
		o      modemsim.DialOptions
		status modem.CallerStatus
	}{
		"between the rings":     {modemsim.DialOptions{Number: number, Name: "ANNA"}, modem.Present},
		"before the first ring": {modemsim.DialOptions{Number: number, IDFirst: true}, modem.Present},
		"misspelt":              {modemsim.DialOptions{Lines: []string{"DATE = 1121", "NMRB = " + number}}, modem.Present},
		"withheld":              {modemsim.DialOptions{Number: modemsim.Withheld}, modem.Withheld},
		"none":                  {modemsim.DialOptions{}, modem.Absent},
	} {
		t.Run(name, func(t *testing.T) {
			faultBubble(t, func(_ *modemsim.Options, l *LineConfig) { l.Rings = 2 }, func(r *faultRig) {
				r.reaches(time.Minute, Listening)
				call := r.dial(c.o)
				r.talk(call)
				r.mu.Lock()
				id := r.begun[len(r.begun)-1].CallerID
				r.mu.Unlock()
				if id.Status != c.status || (id.Number == number) != (c.status == modem.Present) {
					t.Errorf("%+v", id)
				}
			})
		})
	}
}

// TestComplaint2_10_EscapeInjection: a modem that obeys +++AT in data (TIES) does not obey ours: the set-up switched its escape off.
func TestComplaint2_10_EscapeInjection(t *testing.T) {
	faultBubble(t, personality(t, "ties"), func(r *faultRig) {
		r.handler = func(_ context.Context, c *Call) Outcome {
			_, _ = io.WriteString(c, "+++ATH0\r motd +++ATZ\r")
			_, _ = c.Read(make([]byte, 1))
			return Outcome{Cause: UserRequest}
		}
		r.reaches(time.Minute, Listening)
		call := r.dial(modemsim.DialOptions{})
		time.Sleep(time.Minute)
		select {
		case <-call.Done():
			t.Fatal("the modem obeyed what the host sent to the caller")
		default:
		}
		_, _ = io.WriteString(call, "x")
		r.reaches(15*time.Second, Listening)
		wantCause(t, r.lastEnd(), UserRequest, "")
	})
}
