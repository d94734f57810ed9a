package port

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"rashost/hardware"
)

// told returns the events of one kind, each as "text: result".
func (r *rig) told(kind string) (all []string) {
	r.snap()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Kind == kind {
			all = append(all, e.Text+": "+e.Result)
		}
	}
	return all
}

// TestLadderStops: each step of the ladder is tried in its turn, the first that helps is the last, and each is told with its result.
func TestLadderStops(t *testing.T) {
	names := []string{"flush, AT", "DTR low", "escape, ATH", "DLE ETX, escape, ATH", "reset", "device closed and opened"}
	for i, wakes := range []string{"AT\r", "DTR1", "+++", "\x10\x03", "ATZ", "DTR2"} {
		t.Run(names[i], func(t *testing.T) {
			bubble(t, FakeOptions{}, func(r *rig) {
				r.cfg.IdleProbe, r.cfg.Profile.Recover = time.Minute, nil
			}, func(r *rig) {
				r.within(time.Second, Listening)
				r.modem.set(func(m *fakeModem) { m.mute = true })
				r.within(time.Minute+3*time.Second, Recovering)
				r.modem.set(func(m *fakeModem) { m.wakes = wakes })
				r.within(time.Minute, Listening)
				told := r.told(EventLadder)
				if len(told) != i+1 || told[i] != names[i]+": helped: the line listens again" {
					t.Fatalf("told:\n%s", strings.Join(told, "\n"))
				}
				for j := range i {
					if !strings.HasPrefix(told[j], names[j]+": did not help: modem command") {
						t.Errorf("step %d: %s", j, told[j])
					}
				}
				if r.came(Recovering) != 1 {
					t.Error("more than one try")
				}
				if said := strings.Join(r.modem.said(), " "); i >= 4 && !strings.HasSuffix(said, "AT ATE0 AT+MR=1 ATS0=0 AT+VCID=1") && i != 5 {
					t.Errorf("the whole set-up does not follow the reset: %s", said)
				}
				r.ring()
			})
		})
	}
}

// TestHelpIsToldAtOnce: that a step helped is not held back because it did not help a moment ago.
func TestHelpIsToldAtOnce(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { r.cfg.IdleProbe, r.modem.mute = time.Minute, true }, func(r *rig) {
		r.within(10*time.Second, Recovering)
		time.Sleep(5 * time.Second) // the first steps have not helped
		r.modem.set(func(m *fakeModem) { m.mute = false })
		r.within(time.Minute, Listening)
		told := r.told(EventLadder)
		if last := told[len(told)-1]; !strings.HasSuffix(last, ": helped: the line listens again") {
			t.Error(told)
		}
		r.modem.set(func(m *fakeModem) { m.mute = true })
		time.Sleep(65 * time.Second)
		r.modem.set(func(m *fakeModem) { m.mute = false })
		r.within(30*time.Second, Listening)
		told = r.told(EventLadder)
		if last := told[len(told)-1]; !strings.HasSuffix(last, ": helped: the line listens again") {
			t.Error(told)
		}
	})
}

// TestLadderGoesOn: a step that seemed to help and did not last is not tried again first.
func TestLadderGoesOn(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { r.modem.answers["ATS0=0"] = "-" }, func(r *rig) {
		r.within(time.Minute, Quarantined)
		told := strings.Join(r.told(EventLadder), "\n")
		for _, step := range []string{"flush, AT", "DTR low", "escape, ATH", "DLE ETX, escape, ATH", "reset"} {
			if !strings.Contains(told, step+`: did not help: modem command "ATS0=0"`) {
				t.Errorf("%s is not tried, or its result not told:\n%s", step, told)
			}
		}
	})
}

// TestLadderOfADirectLine: there is no modem to ask.
func TestLadderOfADirectLine(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { r.cfg.Profile = nil }, func(r *rig) {
		r.within(time.Second, Listening)
		r.far.FailOpen(errTest)
		r.far.Hangup()
		r.within(time.Second, Absent)
		r.within(10*time.Second, Recovering)
		r.far.FailOpen(nil)
		r.within(10*time.Second, Listening)
		if told := r.told(EventLadder); len(told) != 1 || told[0] != "device closed and opened: helped: the line listens again" {
			t.Error(told)
		}
	})
}

// TestQuarantineAfter: the number of failures is the configuration's.
func TestQuarantineAfter(t *testing.T) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			bubble(t, FakeOptions{}, func(r *rig) {
				r.cfg.QuarantineAfter = n
				r.modem.answers["ATS0=0"] = "\r\nERROR\r\n"
			}, func(r *rig) {
				r.within(time.Minute, Quarantined)
				if came := r.came(Initializing); came != n {
					t.Errorf("%d set-ups failed", came)
				}
				told := r.told(EventQuarantine)
				if len(told) != 1 || !strings.Contains(told[0], `failed too often: modem command "ATS0=0"`) {
					t.Error(told)
				}
			})
		})
	}
}

// TestBackFromQuarantine: a quarantined line is tested before it listens; one that fails again soon is quarantined at once, later not.
func TestBackFromQuarantine(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		next  State
	}{{2 * time.Minute, Quarantined}, {10 * time.Minute, Recovering}} {
		t.Run(string(c.next), func(t *testing.T) {
			bubble(t, FakeOptions{}, func(r *rig) {
				r.cfg.IdleProbe, r.modem.mute = time.Minute, true
			}, func(r *rig) {
				r.within(5*time.Minute, Quarantined)
				before := len(r.modem.said())
				r.modem.set(func(m *fakeModem) { m.mute = false })
				r.within(6*time.Minute, Listening)
				if said := strings.Join(r.modem.said()[before:], " "); said != "ATE0 AT+MR=1 ATS0=0 AT+VCID=1 AT AT" {
					t.Errorf("the test: %s", said)
				}
				if told := r.told(EventQuarantine); len(told) != 2 || told[1] != "tested: the line listens again: " {
					t.Error(told)
				}
				r.stays(c.after, Listening)
				n := r.came(c.next)
				r.modem.set(func(m *fakeModem) { m.mute = true })
				time.Sleep(time.Minute + 3*time.Second)
				if r.came(c.next) != n+1 || r.snap().State != c.next {
					t.Errorf("it is %s", r.snap().State)
				}
			})
		})
	}
	t.Run("fails its test", func(t *testing.T) { // the set-up passes, the silence does not
		bubble(t, FakeOptions{}, func(r *rig) {
			r.modem.mute = true
		}, func(r *rig) {
			r.within(5*time.Minute, Quarantined)
			r.modem.set(func(m *fakeModem) { m.mute, m.answers["AT"] = false, "-" })
			n := r.came(Listening)
			r.within(6*time.Minute, Initializing)
			r.within(10*time.Second, Quarantined)
			if r.came(Listening) != n {
				t.Error("it listened untested")
			}
		})
	})
}

// TestResetTakesTheProfileDelay keeps the profile's pause between reset and the bare AT.
func TestResetTakesTheProfileDelay(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		r.cfg.Profile.Reset.Delay = hardware.Duration(3 * time.Second)
		r.modem.answers["ATE0"] = "\r\nERROR\r\n"
	}, func(r *rig) {
		r.within(time.Second, Recovering)
		r.stays(3900*time.Millisecond, Recovering)
		if said := strings.Join(r.modem.said(), " "); said != "ATE0 AT ATZ" {
			t.Errorf("before the delay is over: %s", said)
		}
		time.Sleep(200 * time.Millisecond)
		if said := strings.Join(r.modem.said(), " "); !strings.HasPrefix(said, "ATE0 AT ATZ AT ATE0") {
			t.Errorf("after it: %s", said)
		}
	})
}

// TestResetInTheTest: a reset in the middle of the test after a quarantine begins with the whole set-up again.
func TestResetInTheTest(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { r.modem.mute = true }, func(r *rig) {
		r.within(5*time.Minute, Quarantined)
		r.modem.set(func(m *fakeModem) { m.mute, m.answers["AT"] = false, "-" })
		r.within(6*time.Minute, Initializing)
		time.Sleep(time.Second) // the first question of the test is not answered yet
		n := len(r.modem.said())
		r.modem.set(func(m *fakeModem) { clear(m.answers) })
		if err := r.mgr.Reset(context.Background(), r.cfg.Name); err != nil {
			t.Fatal(err)
		}
		r.within(2*time.Second, Listening)
		if said := strings.Join(r.modem.said()[n:], " "); said != "ATE0 AT+MR=1 ATS0=0 AT+VCID=1 AT AT" {
			t.Errorf("commands: %s", said)
		}
	})
}
