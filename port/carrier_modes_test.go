package port

import (
	"strings"
	"testing"
	"time"
)

// TestCarrierModesDiffer: what each carrier mode makes of DCD that is wired, that never rises and that is always high, as docs/lines.md has it
// in its table: does the call begin, is CLOCAL cleared in it, and does it end when DCD drops.
func TestCarrierModesDiffer(t *testing.T) {
	const wired, low, high = "wired", "always low", "always high"
	for _, c := range []struct {
		mode                 CarrierMode
		dcd                  string
		begins, clears, ends bool
	}{
		{CarrierRequired, wired, true, true, true},
		{CarrierRequired, low, false, false, false},
		{CarrierRequired, high, true, true, true}, // it is up, as required; that it says nothing of the call is in the log
		{CarrierAuto, wired, true, true, true},
		{CarrierAuto, low, true, false, false},
		{CarrierAuto, high, true, false, false},
		{CarrierIgnore, wired, true, false, false},
		{CarrierIgnore, low, true, false, false},
		{CarrierIgnore, high, true, false, false},
	} {
		t.Run(string(c.mode)+" "+c.dcd, func(t *testing.T) {
			bubble(t, FakeOptions{}, func(r *rig) {
				r.cfg.Carrier = c.mode
				r.modem.carrier = c.dcd == wired
				r.far.SetDCD(c.dcd == high)
			}, func(r *rig) {
				r.within(time.Second, Listening)
				if !r.far.State().Settings.CLOCAL {
					t.Error("CLOCAL is clear without a call")
				}
				r.say("\r\nRING\r\n")
				if !c.begins {
					r.within(carrierTime+time.Second, HangingUp)
					if e := stepsText(r.lastEndAfter(Listening)); !strings.Contains(e, "no carrier within") {
						t.Errorf("steps:\n%s", e)
					}
					return
				}
				r.within(time.Second, Dialog)
				time.Sleep(time.Second)
				if cleared := !r.far.State().Settings.CLOCAL; cleared != c.clears {
					t.Errorf("CLOCAL cleared: %v", cleared)
				}
				r.far.SetDCD(false)
				time.Sleep(time.Second)
				if ended := r.snap().State != Dialog; ended != c.ends {
					t.Errorf("the call ended with DCD: %v", ended)
				}
			})
		})
	}
}

// lastEndAfter waits until the line is in state, and returns how its last call ended.
func (r *rig) lastEndAfter(state State) End {
	r.t.Helper()
	r.within(20*time.Second, state)
	return r.lastEnd()
}
