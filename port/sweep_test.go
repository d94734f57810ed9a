package port

import (
	"context"
	"fmt"
	"testing"
	"time"

	"rashost/hardware"
	"rashost/port/modemsim"
)

// backWithin is the promise: a fault that is over keeps a line no longer, unless it is quarantined.
const backWithin = 15 * time.Second

// TestBackInTime ends a fault at many moments of the recovery, with each family: the line listens again within 15 s, or is quarantined.
func TestBackInTime(t *testing.T) {
	faults := map[string]modemsim.Faults{"mute": {Mute: true}, "wedged": {Wedged: true}, "CTS low": {HoldCTS: true}, "echo": {Echo: true},
		"no DTR": {DeafToDTR: true}, "stuck DCD": {StuckDCD: true}}
	for _, f := range families() {
		if f.profile != f.personality {
			continue
		}
		profile, err := hardware.Load(f.profile)
		if err != nil {
			t.Fatal(err)
		}
		for name, fault := range faults {
			t.Run(f.profile+", "+name, func(t *testing.T) {
				worst, text := time.Duration(0), ""
				for phase := time.Duration(0); phase < 60*time.Second; phase += 3400 * time.Millisecond {
					lasted := 75*time.Second + phase
					took, state := backAfter(t, f.personality, &profile, fault, lasted)
					if took > worst {
						worst, text = took, fmt.Sprintf("%s after a fault of %s, then %s", took, lasted, state)
					}
				}
				t.Logf("at most %s", text)
				if worst > backWithin {
					t.Error(text)
				}
			})
		}
	}
}

// backAfter has a line suffer a fault for a time, and says how long it then takes to listen, or to be quarantined.
func backAfter(t *testing.T, personality string, p *hardware.Profile, fault modemsim.Faults, lasts time.Duration) (took time.Duration, state State) {
	faultBubble(t, func(o *modemsim.Options, c *LineConfig) {
		own, err := modemsim.Personality(personality)
		if err != nil {
			t.Fatal(err)
		}
		own.OnSignals, own.Timing.Ring = o.OnSignals, o.Timing.Ring
		*o, c.Profile, c.QuarantineAfter = own, p, 100
	}, func(r *faultRig) {
		r.reaches(time.Minute, Listening)
		if fault.DeafToDTR || fault.StuckDCD { // which shows after a call only
			r.talk(r.dial(modemsim.DialOptions{}))
			r.sim.SetFaults(fault)
			_ = r.mgr.Hangup(context.Background(), r.cfg.Name)
		}
		r.sim.SetFaults(fault)
		time.Sleep(lasts)
		r.sim.SetFaults(modemsim.Faults{})
		if r.snap().State == Listening {
			return // it has not noticed, or there was nothing to notice
		}
		began := time.Now()
		for state = r.snap().State; state != Listening && state != Quarantined && time.Since(began) < time.Minute; state = r.snap().State {
			time.Sleep(50 * time.Millisecond)
		}
		took = time.Since(began)
	})
	return took, state
}
