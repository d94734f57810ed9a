package port

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rashost/hardware"
)

// once is a handler that returns at once.
func once(context.Context, *Call) Outcome { return Outcome{} }

// sent returns what the caller was sent so far, and forgets it.
func (m *fakeModem) sent() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.data.Reset()
	return m.data.String()
}

// came says how often the line came into state.
func (r *rig) came(state State) (n int) {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, change := range r.states {
		if strings.HasSuffix(change, ">"+string(state)) {
			n++
		}
	}
	return n
}

// callOnce makes a call that ends at once, and waits until the line listens again.
func (r *rig) callOnce(limit time.Duration) End {
	r.t.Helper()
	r.within(time.Minute, Listening)
	r.say("\r\nRING\r\n")
	r.within(limit, Listening)
	if r.came(Recovering) > 0 {
		r.t.Error("the line had to recover")
	}
	return r.lastEnd()
}

// TestModemDeafToDTR: the escape and ATH hang up a modem that does not heed DTR, with DCD and without, and no recovery is needed.
func TestModemDeafToDTR(t *testing.T) {
	for step, o := range map[string]FakeOptions{"DCD is still high": {}, "no answer to AT": {NoSignals: true}} {
		t.Run(step, func(t *testing.T) {
			bubble(t, o, func(r *rig) { r.handler, r.modem.deafDTR = once, true }, func(r *rig) {
				e := r.callOnce(7 * time.Second)
				if said := strings.Join(r.modem.said(), " "); !strings.HasSuffix(said, "ATA ATH AT") && !strings.HasSuffix(said, "ATA ATH AT ATS8?") {
					t.Errorf("commands: %s", said)
				}
				if data := r.modem.sent(); !strings.HasSuffix(data, "+++") {
					t.Errorf("data: %q", data)
				}
				if !strings.Contains(stepsText(e), step) {
					t.Errorf("no step %q in:\n%s", step, stepsText(e))
				}
			})
		})
	}
}

// TestStillInCallIsNotIdle: while DCD tells that the modem is in a call, no answer makes the line listen, neither after the hang-up nor
// after recoveries, a reset or the slow tries of quarantine.
func TestStillInCallIsNotIdle(t *testing.T) {
	for _, mode := range []CarrierMode{CarrierAuto, CarrierRequired} {
		bubble(t, FakeOptions{}, func(r *rig) {
			r.cfg.Carrier, r.handler = mode, once
			r.modem.deafDTR, r.modem.guarded, r.modem.parrot = true, true, "\r\nOK\r\n"
		}, func(r *rig) {
			r.within(time.Second, Listening)
			r.say("\r\nRING\r\n")
			s := r.within(hangupLimit, Recovering)
			if e := r.lastEnd(); !strings.Contains(s.Reason, "DCD is high: the modem is still in a call") || strings.Contains(stepsText(e), "proven idle") {
				t.Errorf("reason: %s, steps:\n%s", s.Reason, stepsText(e))
			}
			if s := r.within(10*time.Minute, Quarantined); !strings.Contains(s.Reason, "DCD is high: the modem is still in a call") {
				t.Errorf("reason: %s", s.Reason)
			}
			if err := r.mgr.Reset(context.Background(), r.cfg.Name); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			if n := r.came(Listening); n != 1 {
				t.Errorf("listened %d times", n)
			}
			r.modem.set(func(m *fakeModem) { m.guarded = false })
			r.modem.lose("")
			r.within(6*time.Minute, Listening)
		})
	}
}

// TestDCDStaysHigh: the modem answers everything, also from command mode, but its DCD does not fall.
func TestDCDStaysHigh(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { r.handler, r.modem.stuck = once, true }, func(r *rig) {
		r.within(time.Second, Listening)
		r.say("\r\nRING\r\n")
		r.within(3100*time.Millisecond, Recovering) // DTR, the escape's two guard times: nobody waits for silence first
		if s := r.within(5*time.Minute, Quarantined); !strings.Contains(s.Reason, "DCD is high") {
			t.Errorf("reason: %s", s.Reason)
		}
		if n := r.came(Listening); n != 1 {
			t.Errorf("listened %d times", n)
		}
		// The operator knows better: a line that was disabled starts afresh.
		for _, ask := range []func(context.Context, string) error{r.mgr.Disable, r.mgr.Enable} {
			if err := ask(context.Background(), r.cfg.Name); err != nil {
				t.Fatal(err)
			}
		}
		r.within(time.Second, Listening)
	})
}

// TestDCDRisesInSilence: DCD is looked at again when the silence is over.
func TestDCDRisesInSilence(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { r.handler = once }, func(r *rig) {
		r.within(time.Second, Listening)
		r.say("\r\nRING\r\n")
		r.stays(600*time.Millisecond, HangingUp) // 500 ms of DTR, AT, OK, and 100 ms of silence
		r.far.SetDCD(true)
		r.stays(200*time.Millisecond, HangingUp)
		r.within(4*time.Second, Listening)
		if said := strings.Join(r.modem.said(), " "); !strings.HasSuffix(said, "ATA AT +++ATH AT") || r.came(Recovering) > 0 {
			t.Errorf("commands: %s", said)
		}
	})
}

// TestRINGWithDCDHigh: a RING proves a line idle only when DCD does not say otherwise.
func TestRINGWithDCDHigh(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		r.handler = once
		r.modem.deafDTR, r.modem.guarded, r.modem.parrot = true, true, "\r\nRING\r\n"
	}, func(r *rig) {
		r.within(time.Second, Listening)
		r.say("\r\nRING\r\n")
		r.within(hangupLimit, Recovering)
		if e := r.lastEnd(); strings.Contains(stepsText(e), "proven idle") {
			t.Errorf("steps:\n%s", stepsText(e))
		}
	})
}

// TestDCDHighBeforeTheCall: it proves nothing, so it keeps no line from coming back; the log says so once.
func TestDCDHighBeforeTheCall(t *testing.T) {
	for _, mode := range []CarrierMode{CarrierAuto, CarrierRequired} {
		t.Run(string(mode), func(t *testing.T) {
			var logged logBuffer
			bubble(t, FakeOptions{}, func(r *rig) {
				r.mgr.log = slog.New(slog.NewTextHandler(&logged, nil))
				r.cfg.Carrier, r.handler, r.modem.carrier = mode, once, false
				r.far.SetDCD(true)
			}, func(r *rig) {
				r.callOnce(4 * time.Second) // by the escape, and the modem gets a number to know it by
				for range 2 {
					r.callOnce(time.Second)
				}
				if said := strings.Join(r.modem.said(), " "); !strings.HasSuffix(said, "ATA AT ATH ATS8? ATA AT ATH ATS8?") {
					t.Errorf("commands: %s", said)
				}
				if n := strings.Count(logged.String(), "DCD"); n != 1 {
					t.Errorf("said %d times:\n%s", n, logged.String())
				}
			})
		})
	}
}

// generic puts the built-in profile "generic" on the line.
func generic(t *testing.T, r *rig) {
	t.Helper()
	p, err := hardware.Load("generic")
	if err != nil {
		t.Fatal(err)
	}
	r.cfg.Profile, r.cfg.Flow, r.handler = &p, "none", once
}

// TestEscapeOff: where the set-up switched the escape off, no hang-up sends it (docs/adr/0010-escape-off.md).
func TestEscapeOff(t *testing.T) {
	t.Run("nothing helps", func(t *testing.T) {
		for name, o := range map[string]FakeOptions{"DCD": {}, "no signals": {NoSignals: true}} {
			t.Run(name, func(t *testing.T) {
				bubble(t, o, func(r *rig) { generic(t, r); r.modem.deafDTR = true }, func(r *rig) {
					r.within(time.Second, Listening)
					r.say("\r\nRING\r\n")
					s := r.within(hangupLimit, Recovering)
					if data := r.modem.sent(); strings.Contains(data, "+") || !strings.Contains(data, "ATH\r") || r.far.State().Opens != 2 {
						t.Errorf("the caller was sent %q, %d opens", data, r.far.State().Opens)
					}
					if e := r.lastEnd(); !strings.Contains(stepsText(e), "the escape is not sent: ATS2=255 switched it off") {
						t.Errorf("steps:\n%s", stepsText(e))
					}
					for _, s := range []Snapshot{s, r.within(10*time.Minute, Quarantined)} {
						for _, want := range []string{"ignores DTR", "ATS2=255", "wire DTR"} {
							if !strings.Contains(s.Reason, want) || strings.Count(s.Reason, want) > 1 {
								t.Errorf("reason without %q, or twice: %s", want, s.Reason)
							}
						}
					}
					r.modem.lose("")
					r.within(6*time.Minute, Listening)
				})
			})
		}
	})
	t.Run("no time is left", func(t *testing.T) { // the handler took most of the 15 s
		bubble(t, FakeOptions{NoSignals: true}, func(r *rig) {
			generic(t, r)
			r.modem.deafDTR, r.cfg.HandlerGrace = true, 10*time.Second
			r.handler = func(ctx context.Context, _ *Call) Outcome {
				<-ctx.Done()
				time.Sleep(9 * time.Second)
				return Outcome{}
			}
		}, func(r *rig) {
			r.within(time.Second, Listening)
			r.ring()
			if err := r.mgr.Hangup(context.Background(), r.cfg.Name); err != nil {
				t.Fatal(err)
			}
			r.stays(hangupLimit-time.Millisecond, HangingUp)
			if s := r.within(2*time.Millisecond, Recovering); !strings.Contains(s.Reason, "not proven within 15s") || !strings.Contains(s.Reason, "ignores DTR") {
				t.Errorf("reason: %s", s.Reason)
			}
		})
	})
	t.Run("closing helps", func(t *testing.T) { // the first drop of DTR was not noticed
		bubble(t, FakeOptions{}, func(r *rig) { generic(t, r); r.modem.drops = 1 }, func(r *rig) {
			r.callOnce(hangupLimit)
			if r.far.State().Opens != 2 {
				t.Errorf("%d opens", r.far.State().Opens)
			}
		})
	})
	t.Run("DTR leads to command mode", func(t *testing.T) { // &D1: ATH is heard
		bubble(t, FakeOptions{}, func(r *rig) { generic(t, r); r.modem.escapes = true }, func(r *rig) {
			r.callOnce(2 * time.Second)
			if said := strings.Join(r.modem.said(), " "); !strings.HasSuffix(said, "ATA ATH AT") || r.far.State().Opens != 1 {
				t.Errorf("commands: %s, %d opens", said, r.far.State().Opens)
			}
		})
	})
	t.Run("the modem refused", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) {
			generic(t, r)
			r.modem.deafDTR, r.modem.answers["ATS2=255"] = true, "\r\nERROR\r\n"
		}, func(r *rig) {
			r.callOnce(4 * time.Second)
			if data := r.modem.sent(); data != "+++" {
				t.Errorf("the caller was sent %q", data)
			}
		})
	})
}

// TestDTRIgnored: the escape comes first, so that what a caller types does not pass for the modem's OK. DCD that fell since the call
// needs none.
func TestDTRIgnored(t *testing.T) {
	ignored := func(r *rig) {
		r.handler = once
		r.cfg.Profile.DTR = hardware.DTRIgnored
		r.modem.deafDTR, r.modem.parrot = true, "\r\nOK\r\n"
	}
	for name, o := range map[string]FakeOptions{"no DCD": {NoSignals: true}, "DCD wired low": {}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, o, func(r *rig) { ignored(r); r.modem.carrier = false }, func(r *rig) {
				r.callOnce(4 * time.Second)
				if data := r.modem.sent(); data != "+++" {
					t.Errorf("the caller was sent %q", data)
				}
				if said := strings.Join(r.modem.said(), " "); !strings.Contains(said, "ATA ATH AT") {
					t.Errorf("commands: %s", said)
				}
			})
		})
	}
	t.Run("a caller types RING", func(t *testing.T) {
		bubble(t, FakeOptions{NoSignals: true}, func(r *rig) {
			ignored(r)
			r.modem.guarded, r.modem.parrot = true, "\r\nRING\r\n"
		}, func(r *rig) {
			r.within(time.Second, Listening)
			r.say("\r\nRING\r\n")
			r.within(hangupLimit, Recovering)
		})
	})
	t.Run("the caller has gone", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) {
			ignored(r)
			r.handler = func(ctx context.Context, _ *Call) Outcome { <-ctx.Done(); return Outcome{} }
		}, func(r *rig) {
			r.within(time.Second, Listening)
			r.ring()
			r.modem.lose("")
			r.within(time.Second, Listening)
			if data := r.modem.sent(); data != "" {
				t.Errorf("sent as data: %q", data)
			}
		})
	})
}
