package port

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"rashost/port/modemsim"
)

// lasting is a fault that stays until somebody mends the modem.
type lasting struct {
	name   string
	faults modemsim.Faults
	// in says that the fault sets in during a call; otherwise on an idle line. start brings it about; nil is the end of the call, or the
	// next idle probe.
	in    bool
	start func(r *faultRig, call *modemsim.FarCall)
	// says is what the reason of the quarantine must contain; "" when the line listens in spite of the fault.
	says string
	// event is the kind of line event that must be told; "" for none.
	event string
	// change may alter modem and line.
	change func(o *modemsim.Options, c *LineConfig)
}

// TestLastingFaults: whatever is wrong with a modem, the line listens, or is quarantined with a reason that names it; and when the modem
// is mended it listens and takes calls again.
func TestLastingFaults(t *testing.T) {
	for _, f := range []lasting{
		{name: "wedge", faults: modemsim.Faults{Wedged: true}, event: EventProbe, says: "no OK"},
		{name: "wedge in a call", faults: modemsim.Faults{Wedged: true}, event: EventStuckDCD, in: true, says: "DCD is high"},
		{name: "mute", faults: modemsim.Faults{Mute: true}, says: "no OK"},
		{name: "babble", faults: modemsim.Faults{Babble: []byte("login: ")}, event: EventNoise},
		{name: "babble in lines", faults: modemsim.Faults{Babble: []byte("\r\nlogin: \r\n")}},
		{name: "line noise", faults: modemsim.Faults{Burst: 40, Every: 200 * time.Millisecond}, event: EventNoise},
		{name: "noise before every result", faults: modemsim.Faults{Noise: []byte("\x80\xff{}\x01")}},
		{name: "numeric results", faults: modemsim.Faults{Numeric: true}},
		{name: "stuck DCD", faults: modemsim.Faults{StuckDCD: true}, event: EventStuckDCD, in: true, says: "DCD is high"},
		{name: "no DTR, escape off", faults: modemsim.Faults{DeafToDTR: true}, in: true, says: "ignores DTR"},
		{name: "no DTR, escape on", faults: modemsim.Faults{DeafToDTR: true, Reject: []string{"S2=255"}}, in: true,
			change: func(o *modemsim.Options, _ *LineConfig) { o.Faults.Reject = []string{"S2=255"} }},
		{name: "echo loop", faults: modemsim.Faults{Echo: true}, says: "AT"},
		{name: "slow", faults: modemsim.Faults{Slow: 1500 * time.Millisecond}},
		{name: "RING during each command", faults: modemsim.Faults{RingInCommand: 30}},
		{name: "every command refused", faults: modemsim.Faults{Reject: []string{"Q0", "V1", "E0", "S0=0"}}, says: "ATQ0", start: resets},
		{name: "noise before every result, from the start", faults: modemsim.Faults{Noise: []byte("\x80\xff{}\x01")}, start: resets},
		{name: "numeric results, from the start", faults: modemsim.Faults{Numeric: true}, start: resets},
		{name: "slow, from the start", faults: modemsim.Faults{Slow: 1500 * time.Millisecond}, start: resets},
		{name: "RING during each command, from the start", faults: modemsim.Faults{RingInCommand: 30}, start: resets},
		{name: "babble from the start", faults: modemsim.Faults{Babble: []byte("login: ")}, start: resets},
		{name: "echo loop from the start", faults: modemsim.Faults{Echo: true}, says: "AT", start: resets},
		{name: "CTS low", faults: modemsim.Faults{HoldCTS: true}, event: EventCTSLow, says: "AT"},
		{name: "CTS low in a call with output queued", faults: modemsim.Faults{HoldCTS: true}, event: EventCTSLow, in: true, says: "AT", start: floods},
		{name: "switched off", faults: modemsim.Faults{Off: true}, event: EventDSRLow, says: "DSR is low"},
		{name: "switched off in a call", faults: modemsim.Faults{Off: true}, event: EventDSRLow, in: true, says: "DSR is low"},
		{name: "silent hang-up", faults: modemsim.Faults{SilentHangup: true}, in: true, start: leaves},
		{name: "OK before CONNECT", faults: modemsim.Faults{OKBeforeConnect: true}},
	} {
		t.Run(f.name, func(t *testing.T) {
			faultBubble(t, f.change, func(r *faultRig) { r.suffer(f) })
		})
	}
}

// suffer brings the fault about, sees what becomes of the line, mends the modem, and sees it work.
func (r *faultRig) suffer(f lasting) {
	r.t.Helper()
	r.reaches(time.Minute, Listening)
	var call *modemsim.FarCall
	if f.in {
		call = r.dial(modemsim.DialOptions{})
		r.talk(call)
	}
	r.sim.SetFaults(f.faults)
	switch {
	case f.start != nil:
		f.start(r, call)
	case f.in:
		_ = r.mgr.Hangup(context.Background(), r.cfg.Name)
	}
	r.checkSuffering(f)
	if f.event != "" && len(r.told(f.event)) == 0 {
		r.t.Errorf("no event %s", f.event)
	}
	r.sim.SetFaults(modemsim.Faults{})
	if r.snap().State == Quarantined {
		r.reaches(quarantineTime+time.Minute, Listening)
	}
	r.reaches(15*time.Second, Listening)
	r.works()
}

// checkSuffering looks what becomes of the line while the fault lasts.
func (r *faultRig) checkSuffering(f lasting) {
	r.t.Helper()
	if f.says == "" {
		time.Sleep(2 * time.Minute) // and two idle probes
		r.reaches(15*time.Second, Listening)
		r.works()
		return
	}
	s := r.reaches(30*time.Minute, Quarantined)
	if !strings.Contains(s.Reason, f.says) || s.NextTry.IsZero() {
		r.t.Errorf("the reason %q does not say %q; next try %s", s.Reason, f.says, s.NextTry)
	}
}

// passing is a fault that goes by itself.
type passing struct {
	name   string
	change func(o *modemsim.Options, c *LineConfig)
	// happen brings the fault about on a line that listens; what it returns may say how the call ended.
	happen func(r *faultRig)
	cause  TerminateCause // of the call in which it happened; 0 for none
	reason string
}

// TestPassingFaults: 15 s after a fault that passes the line listens again, without anybody's help, and takes calls.
func TestPassingFaults(t *testing.T) {
	for _, f := range []passing{
		{name: "lost OK", happen: func(r *faultRig) {
			r.sim.SetFaults(modemsim.Faults{LoseOK: 1})
			_ = r.mgr.Reset(context.Background(), r.cfg.Name)
		}},
		{name: "lost OK after a call", cause: UserRequest, happen: func(r *faultRig) {
			call := r.dial(modemsim.DialOptions{})
			r.sim.SetFaults(modemsim.Faults{LoseOK: 1})
			_, _ = io.WriteString(call, "quit\r")
		}},
		{name: "re-enumerates while listening", happen: func(r *faultRig) { r.sim.Replug(3 * time.Second) }},
		{name: "re-enumerates in a call", cause: PortError, reason: "device gone", happen: func(r *faultRig) {
			r.dial(modemsim.DialOptions{})
			r.sim.Replug(3 * time.Second)
		}},
		{name: "re-enumerates while it rings", change: func(_ *modemsim.Options, c *LineConfig) { c.Rings = 3 }, happen: func(r *faultRig) {
			go func() { _, _ = r.sim.Dial(context.Background(), modemsim.DialOptions{Rings: 3}) }()
			r.reaches(time.Second, Ringing)
			r.sim.Replug(3 * time.Second)
		}},
		{name: "a burst of noise in a hang-up", cause: UserRequest, happen: func(r *faultRig) {
			call := r.dial(modemsim.DialOptions{})
			r.sim.SetFaults(modemsim.Faults{Burst: 100, Every: 5 * time.Millisecond})
			_, _ = io.WriteString(call, "\rquit\r")
			time.AfterFunc(4*time.Second, func() { r.sim.SetFaults(modemsim.Faults{}) })
		}},
		{name: "wedge of five seconds", happen: func(r *faultRig) {
			r.sim.SetFaults(modemsim.Faults{Wedged: true})
			_ = r.mgr.Reset(context.Background(), r.cfg.Name)
			time.AfterFunc(5*time.Second, func() { r.sim.SetFaults(modemsim.Faults{}) })
		}},
		{name: "CTS low for five seconds", happen: func(r *faultRig) {
			r.sim.SetFaults(modemsim.Faults{HoldCTS: true})
			_ = r.mgr.Reset(context.Background(), r.cfg.Name)
			time.AfterFunc(5*time.Second, func() { r.sim.SetFaults(modemsim.Faults{}) })
		}},
		{name: "the far end echoes all", cause: LostCarrier, happen: func(r *faultRig) {
			call := r.dial(modemsim.DialOptions{Echo: true})
			time.Sleep(10 * time.Second)
			_ = call.Close()
		}},
	} {
		t.Run(f.name, func(t *testing.T) {
			faultBubble(t, f.change, func(r *faultRig) {
				r.reaches(time.Minute, Listening)
				f.happen(r)
				time.Sleep(time.Millisecond) // the line has taken notice
				r.reaches(15*time.Second, Listening)
				if f.cause != 0 {
					wantCause(t, r.lastEnd(), f.cause, f.reason)
				}
				r.sim.SetFaults(modemsim.Faults{})
				r.works()
			})
		})
	}
}

// TestDiesInCONNECT: a modem that falls silent between ATA and CONNECT, or behind it, costs one call; once it was switched off and on, or
// unplugged, the line takes the next.
func TestDiesInCONNECT(t *testing.T) {
	for name, c := range map[string]struct {
		faults modemsim.Faults
		cause  TerminateCause
	}{
		"before CONNECT": {modemsim.Faults{DieAnswering: true}, PortError},
		"behind CONNECT": {modemsim.Faults{DieConnected: true}, AdminReset},
	} {
		t.Run(name, func(t *testing.T) {
			faultBubble(t, nil, func(r *faultRig) {
				r.reaches(time.Minute, Listening)
				r.sim.SetFaults(c.faults)
				go func() { _, _ = r.sim.Dial(context.Background(), modemsim.DialOptions{}) }()
				r.reaches(time.Minute, Answering)
				if c.cause == AdminReset { // the caller's silence ends it, here the operator
					r.reaches(time.Minute, Dialog)
					_ = r.mgr.Hangup(context.Background(), r.cfg.Name)
				}
				r.reaches(3*time.Minute, Recovering)
				wantCause(t, r.lastEnd(), c.cause, "")
				r.sim.SetFaults(modemsim.Faults{})
				r.sim.Replug(time.Second)
				r.reaches(30*time.Second, Listening)
				r.works()
			})
		})
	}
}

// floods makes the device take more than the modem does, and ends the call.
func floods(r *faultRig, call *modemsim.FarCall) {
	_, _ = io.WriteString(call, strings.Repeat("x", 3000)+"\r")
	time.Sleep(time.Second)
	_ = r.mgr.Hangup(context.Background(), r.cfg.Name)
}

// leaves is the caller hanging up.
func leaves(_ *faultRig, call *modemsim.FarCall) { _ = call.Close() }

// resets sets the modem up anew.
func resets(r *faultRig, _ *modemsim.FarCall) { _ = r.mgr.Reset(context.Background(), r.cfg.Name) }
