package port

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"rashost/hardware"
	"rashost/port/modemsim"
)

// newAutoRig starts a line that finds out itself what modem it has.
func newAutoRig(t *testing.T, personality string, f modemsim.Faults) *simRig {
	t.Helper()
	o, err := modemsim.Personality(personality)
	if err != nil {
		t.Fatal(err)
	}
	p, err := hardware.Load(hardware.Fallback)
	if err != nil {
		t.Fatal(err)
	}
	o.Faults = f
	return newSimRigWith(t, o, LineConfig{Name: "modem1", Device: "sim:" + personality, Profile: &p, Auto: modemProfiles(t), Rings: 2})
}

// asked counts how often the modem was asked what it is.
func (r *simRig) asked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, c := range r.commands {
		if c == "ATI0" {
			n++
		}
	}
	return n
}

func (r *simRig) sent(command string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.commands, command)
}

// TestComplaint2_4_AutoPicksTheInit: with `modem: auto` each family gets its own set-up, says why, and takes calls with caller id.
func TestComplaint2_4_AutoPicksTheInit(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for _, tc := range []struct{ personality, init, not string }{
		{"usr-courier", "AT#CID=1", "AT+MS=V34"},
		{"conexant-cx93010", "AT+VCID=1", "AT#CID=1"},
		{"zyxel-u1496", "ATS40.2=1", "AT+VCID=1"},
		{"telit", "AT+CLIP=1", "AT+VCID=1"},
	} {
		t.Run(tc.personality, func(t *testing.T) {
			r := newAutoRig(t, tc.personality, modemsim.Faults{})
			defer r.stop()
			r.until("listening", Listening)
			if s := r.snap(); s.Modem != tc.personality || s.ModemWhy == "" || !strings.Contains(r.told(EventModem), "the modem is "+tc.personality) {
				t.Errorf("modem %q: %q; told %q", s.Modem, s.ModemWhy, r.told(EventModem))
			}
			if !r.sent(tc.init) || r.sent(tc.not) {
				t.Errorf("set up with %q", r.commands)
			}
			call := r.dial(modemsim.DialOptions{Number: "5551234", Rings: 30})
			r.talk(call)
			if n := r.lastCall().CallerID.Number; n != "5551234" {
				t.Errorf("caller id %q", n)
			}
			r.quit(call)
			r.until("listening again", Listening)
			if n := r.asked(); n != 1 {
				t.Errorf("asked %d times: it is the same device", n)
			}
		})
	}
}

// TestAutoAsksAnew: another device may be another modem, and so may one that an operator had reset.
func TestAutoAsksAnew(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	r := newAutoRig(t, "usr-courier", modemsim.Faults{})
	defer r.stop()
	r.until("listening", Listening)
	r.sim.Unplug()
	r.until("absent", Absent)
	for end := time.Now().Add(familyPatience); r.snap().Modem != "auto" || r.snap().ModemWhy != ""; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("unplugged: %+v", r.snap())
		}
	}
	r.sim.Plug()
	r.until("listening after the replug", Listening)
	if n := r.asked(); n != 2 {
		t.Errorf("after a replug asked %d times, want 2", n)
	}
	if err := r.mgr.Reset(t.Context(), "modem1"); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(familyPatience); r.asked() < 3; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not asked after a reset: %+v", r.snap())
		}
	}
	r.until("listening after the reset", Listening)
}

// TestAutoStaysOverReload: a reload that changes nothing leaves the line alone, whatever profile it found.
func TestAutoStaysOverReload(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	r := newAutoRig(t, "usr-courier", modemsim.Faults{})
	defer r.stop()
	r.until("listening", Listening)
	since := r.snap().Since
	p, err := hardware.Load(hardware.Fallback)
	if err != nil {
		t.Fatal(err)
	}
	cfg := LineConfig{Name: "modem1", Device: "sim:usr-courier", Profile: &p, Auto: modemProfiles(t), Rings: 2}
	if err := r.mgr.Apply(t.Context(), []LineConfig{cfg}); err != nil {
		t.Fatal(err)
	}
	if s := r.snap(); s.State != Listening || !s.Since.Equal(since) {
		t.Errorf("after the reload: %+v", s)
	}
}

// TestAutoOnMute: a line whose modem does not answer says so, and tries on.
func TestAutoOnMute(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		r.cfg.Auto = modemProfiles(t)
		r.modem.set(func(m *fakeModem) { m.mute = true })
	}, func(r *rig) {
		s := r.within(20*time.Second, Recovering)
		if !strings.Contains(s.Reason, "does not answer AT") || s.Modem != "auto" {
			t.Errorf("%+v", s)
		}
		r.modem.set(func(m *fakeModem) { m.mute = false })
		r.within(2*time.Minute, Listening)
	})
}

// TestAutoRingsMeanwhile: a call that comes while the modem is asked is answered at once, and the modem is asked again after it.
func TestAutoRingsMeanwhile(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		r.cfg.Auto = modemProfiles(t)
		r.modem.set(func(m *fakeModem) {
			m.answers["ATI0"] = "\r\nRING\r\n\r\n3366\r\n\r\nOK\r\n"
			m.answers["ATI3"] = "\r\nUSRobotics Courier V.Everything\r\n\r\nOK\r\n"
		})
		r.handler = func(context.Context, *Call) Outcome { return Outcome{} }
	}, func(r *rig) {
		r.within(30*time.Second, HangingUp)
		r.modem.set(func(m *fakeModem) { m.answers["ATI0"] = "\r\n3366\r\n\r\nOK\r\n" })
		for end := time.Now().Add(time.Minute); r.snap().Modem != "usr-courier" || r.snap().State != Listening; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%+v", r.snap())
			}
		}
		if r.calls() != 1 {
			t.Errorf("%d calls", r.calls())
		}
	})
}

// TestLateCommandsAreDropped: a modem or an adapter that takes no bytes for a while does not get, when it does again, all that was asked
// meanwhile: its answers would be taken for those to what is asked then.
func TestLateCommandsAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, FakeOptions{})
		defer r.stop()
		r.cfg.Auto = modemProfiles(t)
		r.far.Wedge(true)
		r.apply()
		time.Sleep(3*attentionTime + attentionTime/2)
		r.far.Wedge(false)
		r.within(time.Minute, Listening)
		r.modem.mu.Lock()
		defer r.modem.mu.Unlock()
		if got := r.modem.commands; len(got) == 0 || got[0] != "ATV1" {
			t.Errorf("the modem got %q, want none of those before ATV1", got)
		}
	})
}
