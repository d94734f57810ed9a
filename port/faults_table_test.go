package port

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fault is one thing that can go wrong with a line.
type fault struct {
	name   string
	setUp  func(r *rig)           // before the line starts; nil for nothing
	begin  func(r *rig)           // with the line listening
	lasts  time.Duration          // simulated
	during func(*testing.T, *rig) // looks at the end of the fault; nil for nothing
	end    func(r *rig)
	kind   string // the event that names it, "" when the reason of the state does
	reason string // in the reason of a state, or in a result
}

// waits keeps a call until it ends.
func waits(ctx context.Context, _ *Call) Outcome { <-ctx.Done(); return Outcome{} }

// callThatFails makes a call that ends at once, with the fault.
func callThatFails(r *rig) {
	r.handler = once
	r.say("\r\nRING\r\n")
}

func onDirectLine(r *rig) { r.cfg.Profile = nil }

// allFaults is the table of faults.
func allFaults() []fault {
	set := func(change func(m *fakeModem)) func(r *rig) { return func(r *rig) { r.modem.set(change) } }
	probing := func(r *rig) { r.cfg.IdleProbe = time.Minute }
	return []fault{
		{
			name: "modem answers nothing", setUp: probing, lasts: 90 * time.Second, kind: EventProbe, reason: `"AT"`,
			begin: set(func(m *fakeModem) { m.mute = true }), end: set(func(m *fakeModem) { m.mute = false }),
		},
		{
			name: "modem answers nothing for an hour", setUp: probing, lasts: time.Hour, kind: EventQuarantine, reason: "ATE0",
			begin: set(func(m *fakeModem) { m.mute = true }), end: set(func(m *fakeModem) { m.mute = false }),
		},
		{
			name: "one answer is lost", setUp: probing, lasts: 63 * time.Second, kind: EventProbe, reason: `"AT"`,
			begin: set(func(m *fakeModem) { m.answers["AT"] = "-" }), end: set(func(m *fakeModem) { delete(m.answers, "AT") }),
		},
		{
			name: "modem refuses its set-up", setUp: probing, lasts: time.Minute + 20*time.Second, kind: EventLadder, reason: "ATS0=0",
			begin: set(func(m *fakeModem) { m.mute, m.wakes, m.answers["ATS0=0"] = true, "DTR1", "\r\nERROR\r\n" }),
			end:   set(func(m *fakeModem) { m.mute, m.wakes = false, ""; clear(m.answers) }),
		},
		{
			name: "DCD stuck high after a call", lasts: time.Minute, kind: EventStuckDCD, reason: "DCD is still high",
			begin: func(r *rig) { r.modem.set(func(m *fakeModem) { m.stuck = true }); callThatFails(r) },
			end:   func(r *rig) { r.modem.set(func(m *fakeModem) { m.stuck = false }); r.far.SetDCD(false) },
		},
		{
			name: "modem ignores DTR, without an escape", lasts: time.Minute, kind: EventStuckDCD, reason: "DCD is still high",
			begin: func(r *rig) {
				r.modem.set(func(m *fakeModem) { m.deafDTR, m.guarded = true, true })
				callThatFails(r)
			},
			end: func(r *rig) { r.modem.set(func(m *fakeModem) { m.deafDTR = false }); r.modem.lose("") },
		},
		{
			name: "CTS held low with output queued", lasts: time.Minute, kind: EventCTSLow, reason: "CTS is low",
			setUp: func(r *rig) { r.cfg.Flow = "rtscts" },
			begin: func(r *rig) {
				r.handler = func(_ context.Context, c *Call) Outcome {
					r.far.SetCTS(false)
					_, _ = c.Write(make([]byte, 2000))
					return Outcome{}
				}
				r.say("\r\nRING\r\n")
			},
			end: func(r *rig) { r.far.SetCTS(true) },
		},
		{
			name: "modem is switched off", setUp: probing, lasts: 2 * time.Minute, kind: EventDSRLow, reason: "switched off or unplugged",
			begin: func(r *rig) { r.modem.set(func(m *fakeModem) { m.mute = true }); r.far.SetDSR(false) },
			end:   func(r *rig) { r.modem.set(func(m *fakeModem) { m.mute = false }); r.far.SetDSR(true) },
		},
		{
			name: "modem is switched off in a call", lasts: time.Minute, kind: EventDSRLow, reason: "switched off or unplugged",
			begin: func(r *rig) {
				r.ring()
				r.modem.set(func(m *fakeModem) { m.mute, m.stuck = true, true })
				r.far.SetDSR(false)
			},
			end: func(r *rig) {
				r.modem.set(func(m *fakeModem) { m.mute, m.stuck, m.online = false, false, false })
				r.far.SetDCD(false)
				r.far.SetDSR(true)
			},
		},
		{
			name: "noise for 10,000 s", lasts: 0, kind: EventNoise, reason: "ignored",
			begin: func(r *rig) {
				for range 10_000 {
					r.say(strings.Repeat("\xff\x00~garbage\x7f", 20))
					time.Sleep(time.Second)
				}
			},
			end: func(*rig) {},
		},
		{
			name: "noise at full speed", lasts: 0, kind: EventNoise, reason: "ignored",
			begin: func(r *rig) {
				for range 600 {
					r.say(strings.Repeat("\xff\x00~garbage\r\n", 1000))
					time.Sleep(time.Second)
				}
			},
			end: func(*rig) {},
		},
		{
			name: "RING without end", lasts: 0, kind: EventRingStorm, reason: "calls in vain",
			begin: func(r *rig) {
				r.modem.set(func(m *fakeModem) { m.answers["ATA"] = "\r\nNO CARRIER\r\n" })
				for range 10_000 {
					r.say("\r\nRING\r\n")
					time.Sleep(time.Second)
				}
			},
			end: func(r *rig) { r.modem.set(func(m *fakeModem) { clear(m.answers) }) },
		},
		{
			name: "RING without end, and nobody may answer", lasts: 0, kind: EventRingStorm, reason: "RING",
			setUp: func(r *rig) { r.refuse = errTest },
			begin: func(r *rig) {
				for range 10_000 {
					r.say("\r\nRING\r\n")
					time.Sleep(time.Second)
				}
				r.mu.Lock()
				r.refuse = nil
				r.mu.Unlock()
			},
			end: func(*rig) {},
		},
		{
			name: "RING at line speed", lasts: 0, kind: EventRingStorm, reason: "",
			begin: func(r *rig) {
				r.modem.set(func(m *fakeModem) { m.answers["ATA"] = "\r\nNO CARRIER\r\n" })
				for range 300 {
					r.say(strings.Repeat("\r\nRING\r\n", 1000))
					time.Sleep(time.Second)
				}
			},
			end: func(r *rig) { r.modem.set(func(m *fakeModem) { clear(m.answers) }) },
		},
		{
			name: "modem dies in CONNECT", lasts: 2 * time.Minute, kind: EventLadder, reason: "did not help",
			begin: func(r *rig) {
				r.modem.set(func(m *fakeModem) { m.answers["ATA"], m.mute = "\r\nCONN", false })
				r.say("\r\nRING\r\n")
				r.modem.set(func(m *fakeModem) { m.mute = true })
			},
			end: func(r *rig) { r.modem.set(func(m *fakeModem) { clear(m.answers); m.mute = false }) },
		},
		{
			name: "modem stuck in voice mode", setUp: func(r *rig) { probing(r); r.cfg.Profile.Recover = nil }, lasts: 80 * time.Second,
			kind: EventLadder, reason: "did not help",
			begin: set(func(m *fakeModem) { m.mute, m.wakes = true, "\x10\x03" }), end: func(*rig) {},
		},
		{
			name: "device vanishes in a call", lasts: time.Minute, reason: "device",
			begin: func(r *rig) { r.ring(); r.vanish() },
			end:   func(r *rig) { r.modem.set(func(m *fakeModem) { m.online = false }); r.appear() },
		},
		{
			name: "device can't be opened", lasts: time.Minute, kind: EventLadder, reason: "did not help",
			begin: func(r *rig) {
				r.far.FailOpen(fmt.Errorf("input/output error"))
				if err := r.mgr.Reset(context.Background(), r.cfg.Name); err != nil {
					r.t.Fatal(err)
				}
			},
			end: func(r *rig) { r.far.FailOpen(nil) },
		},
		{
			name: "two gettys prompt each other", lasts: 0, kind: EventEchoLoop, reason: "the call is ended",
			setUp: onDirectLine,
			begin: func(r *rig) {
				r.handler = promptForEver
				r.modem.set(func(m *fakeModem) { m.getty = true })
				for range 10_000 / 60 {
					r.say("\r\nlogin: ")
					time.Sleep(time.Minute)
				}
			},
			end: func(*rig) {},
		},
		{
			name: "noise on a direct line without DCD", lasts: 0, kind: EventNoise, reason: "in a row",
			setUp: onDirectLine,
			begin: func(r *rig) {
				r.handler = func(_ context.Context, c *Call) Outcome { // three tries, and out
					for range 3 {
						if _, err := c.Read(make([]byte, 100)); err != nil {
							break
						}
					}
					return Outcome{}
				}
				for range 2_000 {
					for range 5 {
						r.say("\xffx\r")
						time.Sleep(time.Millisecond)
					}
					time.Sleep(5 * time.Second)
				}
			},
			end: func(*rig) {},
		},
	}
}

// promptForEver is a dialog that never gives up.
func promptForEver(_ context.Context, c *Call) Outcome {
	for {
		if _, err := c.Write([]byte("\r\nUsername: ")); err != nil {
			return Outcome{}
		}
		if _, err := c.Read(make([]byte, 100)); err != nil {
			return Outcome{}
		}
	}
}

// TestEveryFault: during a fault the line shows what is wrong and does not fill the log; 15 s after its end the line listens, or is
// quarantined with a reason and comes back from there; the fault is named in an event or a reason; and then a call works.
func TestEveryFault(t *testing.T) {
	for _, f := range allFaults() {
		t.Run(strings.ReplaceAll(f.name, " ", "_"), func(t *testing.T) {
			var logged logBuffer
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, FakeOptions{})
				r.t = t
				r.mgr.log = slog.New(slog.NewTextHandler(&logged, nil))
				r.handler = waits
				if f.setUp != nil {
					f.setUp(r)
				}
				defer r.stop()
				r.apply()
				r.within(time.Second, Listening)
				began := time.Now()
				f.begin(r)
				time.Sleep(f.lasts)
				if f.during != nil {
					f.during(t, r)
				}
				f.end(r)
				lasted := time.Since(began)
				r.handler = waits
				r.backWithin(15 * time.Second)
				t.Logf("%d log lines in %s", strings.Count(logged.String(), "\n"), lasted)
				if n := strings.Count(logged.String(), "\n"); n > 100 && float64(n) > lasted.Seconds()/10 {
					t.Errorf("%d log lines in %s", n, lasted)
				}
				named := f.kind == "" && strings.Contains(logged.String(), f.reason)
				r.mu.Lock()
				for _, e := range r.events {
					named = named || e.Kind == f.kind && strings.Contains(e.Text+": "+e.Result, f.reason)
				}
				events := fmt.Sprint(r.events)
				r.mu.Unlock()
				if !named {
					t.Errorf("no event %q with %q: %.2000s\n%.2000s", f.kind, f.reason, events, logged.String())
				}
				if r.cfg.direct() {
					return
				}
				r.ring()
			})
		})
	}
}

// backWithin waits until the line listens. A quarantined one must say why, and when it is tried again.
func (r *rig) backWithin(limit time.Duration) {
	r.t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		s := r.snap()
		switch {
		case s.State == Listening:
			return
		case s.State == Quarantined:
			if s.Reason == "" || s.NextTry.IsZero() {
				r.t.Errorf("quarantined without a reason, or for ever: %+v", s)
			}
			r.within(6*time.Minute, Listening)
			return
		case time.Now().After(end):
			r.t.Fatalf("after %s the line is %s (%s); %v", limit, s.State, s.Reason, r.states)
		}
	}
}

// TestDTRIgnoredIsLearned: after three hang-ups in which DTR did nothing, the line says so, in the call's record too; one that DTR ends
// forgets them.
func TestDTRIgnoredIsLearned(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { r.handler, r.modem.deafDTR = once, true }, func(r *rig) {
		for range deafHangups - 1 {
			r.callOnce(7 * time.Second)
		}
		r.modem.set(func(m *fakeModem) { m.deafDTR = false })
		r.callOnce(7 * time.Second)
		r.modem.set(func(m *fakeModem) { m.deafDTR = true })
		for range deafHangups - 1 {
			r.callOnce(7 * time.Second)
		}
		if told := r.told(EventDTRIgnored); len(told) != 0 {
			t.Errorf("too early: %v", told)
		}
		e := r.callOnce(7 * time.Second)
		if told := r.told(EventDTRIgnored); len(told) != 1 || !strings.Contains(told[0], "3 calls in a row") {
			t.Errorf("told: %v", told)
		}
		if !strings.Contains(stepsText(e), "dtr-ignored: the modem does not hang up when DTR drops") {
			t.Errorf("steps:\n%s", stepsText(e))
		}
	})
}

// TestDSRModes: what a low DSR means is the configuration's word.
func TestDSRModes(t *testing.T) {
	for _, c := range []struct {
		mode DSRMode
		seen bool // DSR was high before
		off  bool // a low one counts
	}{{DSRAuto, true, true}, {DSRAuto, false, false}, {DSRRequired, false, true}, {DSRIgnore, true, false}, {"", true, true}} {
		t.Run(fmt.Sprintf("%s %v", c.mode, c.seen), func(t *testing.T) {
			bubble(t, FakeOptions{}, func(r *rig) {
				r.cfg.DSR, r.cfg.IdleProbe = c.mode, time.Minute
				r.far.SetDSR(c.seen)
			}, func(r *rig) {
				r.within(time.Second, Listening)
				r.far.SetDSR(false)
				time.Sleep(61 * time.Second)
				if s := r.snap(); (s.State == Recovering) != c.off || c.off && s.Reason != dsrLow {
					t.Errorf("%s: %s", s.State, s.Reason)
				}
				before := len(r.modem.said())
				time.Sleep(5 * time.Second)
				if said := r.modem.said()[before:]; c.off && len(said) > 0 {
					t.Errorf("sent to a modem that is off: %v", said)
				}
				r.far.SetDSR(true)
				r.within(15*time.Second, Listening)
			})
		})
	}
}

// TestDSROfADirectLine: where DCD is polled anyway, a far end that is switched off begins no call, neither by carrier nor by noise.
func TestDSROfADirectLine(t *testing.T) {
	bubble(t, FakeOptions{}, onDirectLine, func(r *rig) {
		r.within(time.Second, Listening)
		r.far.SetDSR(false)
		r.far.SetDCD(true)
		r.say("noise")
		r.stays(time.Minute, Listening)
		if told := r.told(EventDSRLow); len(told) != 1 || !strings.HasSuffix(told[0], "no call begins") {
			t.Error(told)
		}
		r.far.SetDCD(false)
		r.far.SetDSR(true)
		time.Sleep(time.Second)
		r.far.SetDCD(true)
		r.within(time.Second, Dialog)
	})
}

// FuzzEchoWatch: whatever is sent and received, the watch stays bounded, and text that never came back is no loop.
func FuzzEchoWatch(f *testing.F) {
	f.Add("Username: ", "alice\r", true)
	f.Add("\r\nlogin: ", "\r\nlogin: ", false)
	f.Add("abcdeabcde", "eabcd", false)
	f.Fuzz(func(t *testing.T, sent, received string, echo bool) {
		var w echoWatch
		looped := false
		for range 10 {
			if echo {
				looped = w.received([]byte(received)) || looped
				w.sent([]byte(received))
				continue
			}
			w.sent([]byte(sent))
			looped = w.received([]byte(received)) || looped
		}
		if len(w.heard) > echoHeard || len(w.pieces) > echoPieces || len(w.piece) > 4*echoHeard {
			t.Errorf("grew to %d, %d, %d", len(w.heard), len(w.pieces), len(w.piece))
		}
		if looped && len(printable([]byte(sent))) < echoLeast && !echo {
			t.Errorf("%q is a loop of %q", received, sent)
		}
		if looped && echo {
			t.Errorf("our echo of the caller's %q is a loop", received)
		}
	})
}

// TestEchoLoopOnAModem: the call of a far end that prompts is ended with its reason in the record, and the line listens at once; text of
// the caller's own, and our echo of it, are no loop.
func TestEchoLoopOnAModem(t *testing.T) {
	prompts := func(_ context.Context, c *Call) Outcome {
		for {
			if _, err := c.Write([]byte("\r\nUsername: ")); err != nil {
				return Outcome{Reason: err.Error()}
			}
			buf := make([]byte, 100)
			n, err := c.Read(buf)
			if err != nil {
				return Outcome{Reason: err.Error()}
			}
			if _, err := c.Write(buf[:n]); err != nil { // the host's echo
				return Outcome{Reason: err.Error()}
			}
		}
	}
	bubble(t, FakeOptions{}, func(r *rig) { r.handler = prompts }, func(r *rig) {
		r.within(time.Second, Listening)
		r.ring()
		for range 20 {
			r.say("Robinson\r") // the same name again and again
			r.stays(time.Second, Dialog)
		}
		r.say("\r\nUsername: login: ")
		r.say("\r\nUser")
		r.say("name: ")
		r.stays(time.Second, Dialog) // twice may be chance
		r.say("\r\nUsername: \r")
		r.within(2*time.Second, Listening)
		e := r.lastEnd()
		wantCause(t, e, UserError, "echo loop: what the line sent came back")
		if !strings.Contains(stepsText(e), "echo-loop: what the line sent came back: the call is ended") {
			t.Errorf("steps:\n%s", stepsText(e))
		}
	})
}
