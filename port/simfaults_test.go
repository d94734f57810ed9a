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
	// change may alter modem and line.
	change func(o *modemsim.Options, c *LineConfig)
}

// TestLastingFaults: whatever is wrong with a modem, the line listens, or is quarantined with a reason that names it; and when the modem
// is mended it listens and takes calls again.
func TestLastingFaults(t *testing.T) {
	for _, f := range []lasting{
		{name: "wedge", faults: modemsim.Faults{Wedged: true}, says: `"AT"`},
		{name: "wedge in a call", faults: modemsim.Faults{Wedged: true}, in: true, says: "DCD is high"},
		{name: "mute", faults: modemsim.Faults{Mute: true}, says: `"AT"`},
		{name: "babble", faults: modemsim.Faults{Babble: []byte("login: ")}},
		{name: "babble in lines", faults: modemsim.Faults{Babble: []byte("\r\nlogin: \r\n")}},
		{name: "line noise", faults: modemsim.Faults{Burst: 40, Every: 200 * time.Millisecond}},
		{name: "noise before every result", faults: modemsim.Faults{Noise: []byte("\x80\xff{}\x01")}},
		{name: "numeric results", faults: modemsim.Faults{Numeric: true}},
		{name: "stuck DCD", faults: modemsim.Faults{StuckDCD: true}, in: true, says: "DCD is high"},
		{name: "no DTR, escape off", faults: modemsim.Faults{DeafToDTR: true}, in: true, says: "ignores DTR"},
		{name: "no DTR, escape on", faults: modemsim.Faults{DeafToDTR: true, Reject: []string{"S2=255"}}, in: true,
			change: func(o *modemsim.Options, _ *LineConfig) { o.Faults.Reject = []string{"S2=255"} }},
		{name: "echo loop", faults: modemsim.Faults{Echo: true}, says: "AT"},
		{name: "slow", faults: modemsim.Faults{Slow: 1500 * time.Millisecond}},
		{name: "RING during each command", faults: modemsim.Faults{RingInCommand: 1000}},
		{name: "every command refused", faults: modemsim.Faults{Reject: []string{"Q0", "V1", "E0", "S0=0"}}, says: "ATQ0", start: resets},
		{name: "noise before every result, from the start", faults: modemsim.Faults{Noise: []byte("\x80\xff{}\x01")}, start: resets},
		{name: "numeric results, from the start", faults: modemsim.Faults{Numeric: true}, start: resets},
		{name: "slow, from the start", faults: modemsim.Faults{Slow: 1500 * time.Millisecond}, start: resets},
		{name: "RING during each command, from the start", faults: modemsim.Faults{RingInCommand: 1000}, start: resets},
		{name: "babble from the start", faults: modemsim.Faults{Babble: []byte("login: ")}, start: resets},
		{name: "echo loop from the start", faults: modemsim.Faults{Echo: true}, says: "AT", start: resets},
		{name: "CTS low", faults: modemsim.Faults{HoldCTS: true}, says: "CTS low"},
		{name: "CTS low in a call with output queued", faults: modemsim.Faults{HoldCTS: true}, in: true, says: "CTS low", start: floods},
		{name: "switched off", faults: modemsim.Faults{Off: true}, says: "AT"},
		{name: "switched off in a call", faults: modemsim.Faults{Off: true}, in: true, says: "AT"},
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
