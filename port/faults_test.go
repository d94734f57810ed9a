package port

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rashost/hardware"
)

// TestModemStopsAnswering: whatever the line is doing, it comes to a state that says so in time, and comes back when the modem does.
func TestModemStopsAnswering(t *testing.T) {
	wedge := func(r *rig) { r.modem.set(func(m *fakeModem) { m.mute = true }) }
	for _, c := range []struct {
		when  State
		reach func(r *rig)
		limit time.Duration // until it shows
	}{
		{Initializing, func(r *rig) { wedge(r); r.apply() }, 6 * time.Second},
		{Listening, func(r *rig) {
			r.cfg.IdleProbe = time.Minute
			r.apply()
			r.within(time.Second, Listening)
			wedge(r)
		}, 63 * time.Second},
		{Answering, func(r *rig) {
			r.apply()
			r.within(time.Second, Listening)
			wedge(r)
			r.say("\r\nRING\r\n")
			r.within(time.Millisecond, Answering)
		}, (80 + 15) * time.Second},
		{HangingUp, func(r *rig) {
			r.handler = func(context.Context, *Call) Outcome { wedge(r); return Outcome{} }
			r.apply()
			r.within(time.Second, Listening)
			r.say("\r\nRING\r\n")
			r.within(time.Millisecond, HangingUp)
		}, 15 * time.Second},
	} {
		t.Run(string(c.when), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, FakeOptions{})
				defer r.stop()
				c.reach(r)
				s := r.within(c.limit, Recovering)
				if s.Reason == "" || s.NextTry.Before(time.Now()) || s.Condition != "NON_OPERATIONAL" {
					t.Errorf("%+v", s)
				}
				r.modem.set(func(m *fakeModem) { m.mute = false })
				r.within(10*time.Second, Listening)
				r.handler = func(ctx context.Context, _ *Call) Outcome { <-ctx.Done(); return Outcome{} }
				r.ring()
			})
		})
	}
}

// TestQuarantine: a modem that stays dead is tried slowly after a while, named with the command that failed, and still comes back.
func TestQuarantine(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { r.modem.mute = true }, func(r *rig) {
		s := r.within(4*time.Minute, Quarantined)
		if !strings.Contains(s.Reason, "ATE0") && !strings.Contains(s.Reason, `"AT"`) {
			t.Errorf("the reason does not name a command: %s", s.Reason)
		}
		if d := time.Until(s.NextTry); d <= 4*time.Minute || r.far.State().Open {
			t.Errorf("next try in %s, device open: %v", d, r.far.State().Open)
		}
		r.modem.set(func(m *fakeModem) { m.mute = false })
		r.within(6*time.Minute, Listening)
	})
}

func TestInitNamesFailingCommand(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		r.modem.answers["ATS0=0"] = "\r\nERROR\r\n"
		r.modem.answers["AT+MR=1"] = "\r\nERROR\r\n" // optional
	}, func(r *rig) {
		if s := r.within(time.Second, Recovering); !strings.Contains(s.Reason, `"ATS0=0"`) || !strings.Contains(s.Reason, "ERROR") {
			t.Errorf("reason: %s", s.Reason)
		}
	})
}

// TestRecoveryLadder: first DTR, escape and reset on the open device, then close and open, by turns.
func TestRecoveryLadder(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { r.modem.answers["ATE0"] = "\r\nERROR\r\n" }, func(r *rig) {
		r.within(time.Second, Recovering)
		time.Sleep(2 * time.Second)
		if said := strings.Join(r.modem.said(), " "); said != "ATE0 AT ATZ AT ATE0" || r.far.State().Opens != 1 {
			t.Errorf("first try: %s, %d opens", said, r.far.State().Opens)
		}
		time.Sleep(3 * time.Second)
		if r.far.State().Opens != 2 {
			t.Errorf("second try: %d opens", r.far.State().Opens)
		}
	})
}

// TestDeviceVanishes in every state in which it is open: the line shows absent, and is back when the device is.
func TestDeviceVanishes(t *testing.T) {
	for _, state := range []State{Initializing, Listening, Ringing, Answering, Dialog, Session, HangingUp, Recovering} {
		t.Run(string(state), func(t *testing.T) {
			bubble(t, FakeOptions{}, func(r *rig) {
				r.cfg.Rings = 2
				switch state {
				case Initializing:
					r.modem.answers["AT+MR=1"] = "-"
				case Recovering:
					r.modem.answers["ATE0"] = "\r\nERROR\r\n"
				case Answering:
					r.modem.answers["ATA"] = "-"
				default:
				}
				r.handler = func(ctx context.Context, c *Call) Outcome {
					if state != Dialog {
						c.Session("bob")
					}
					if state != HangingUp {
						<-ctx.Done()
					}
					return Outcome{}
				}
			}, func(r *rig) {
				if state != Initializing && state != Recovering {
					r.within(10*time.Second, Listening)
				}
				if state != Listening && state != Initializing && state != Recovering {
					r.say("\r\nRING\r\n")
				}
				if state != Ringing && state != Listening && state != Initializing && state != Recovering {
					r.say("\r\nRING\r\n")
				}
				r.within(time.Second, state)
				r.vanish()
				r.within(time.Second, Absent)
				if n := len(r.begun); n > 0 && state != HangingUp {
					wantCause(t, r.lastEnd(), PortError, "device gone")
				}
				r.stays(time.Minute, Absent)
				if s := r.snap(); s.Reason == "" || s.NextTry.IsZero() {
					t.Errorf("%+v", s)
				}
				r.modem.set(func(m *fakeModem) { clear(m.answers); m.online = false })
				r.appear()
				r.within(6*time.Second, Listening)
			})
		})
	}
}

// The kernel hangs an unplugged device up before its name goes, which looks like a lost carrier until the line opens it again.
func TestDeviceVanishesLate(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		r.handler = func(ctx context.Context, c *Call) Outcome {
			c.Session("bob")
			<-ctx.Done()
			time.Sleep(100 * time.Millisecond)
			return Outcome{Cause: LostCarrier, Reason: "the caller's line was hung up"}
		}
	}, func(r *rig) {
		r.within(10*time.Second, Listening)
		r.say("\r\nRING\r\n")
		r.within(time.Second, Session)
		r.far.SetDCD(false)
		r.within(carrierPoll+time.Millisecond, HangingUp)
		r.vanish()
		r.within(time.Second, Absent)
		wantCause(t, r.lastEnd(), PortError, "device gone")
	})
}

func TestAbsentAtStart(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { r.vanish() }, func(r *rig) {
		r.within(time.Second, Absent)
		r.stays(time.Hour, Absent)
		r.appear()
		r.within(6*time.Second, Listening)
		r.ring()
	})
}

func TestDeviceInUse(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		r.far.FailOpen(&LockedError{Path: "/dev/fake", PID: 4711, Command: "minicom", Kind: LockFlock})
	}, func(r *rig) {
		s := r.within(time.Second, Recovering)
		if !strings.Contains(s.Reason, "4711 (minicom)") {
			t.Errorf("the holder is not named: %s", s.Reason)
		}
		time.Sleep(time.Hour)
		if s := r.snap(); s.State == Quarantined {
			t.Error("a device that another program uses was quarantined")
		}
		r.far.FailOpen(nil)
		r.within(11*time.Second, Listening)
	})
}

// stuckOpener never returns from its first open.
type stuckOpener struct {
	Opener
	free chan struct{}
}

func (o *stuckOpener) Open(ctx context.Context) (Device, error) {
	<-o.free
	return o.Opener.Open(context.WithoutCancel(ctx))
}

func TestOpenThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, FakeOptions{})
		defer r.stop()
		o := &stuckOpener{r.fake, make(chan struct{})}
		r.mgr = NewManager(ManagerOptions{Handler: r, Observer: r, Open: func(LineConfig) (Opener, error) { return o, nil }})
		r.apply()
		r.stays(openLimit-time.Millisecond, Opening)
		if s := r.within(2*time.Millisecond, Recovering); !strings.Contains(s.Reason, "did not open within") {
			t.Errorf("%+v", s)
		}
		r.within(time.Minute, Opening)
		close(o.free)
		r.within(time.Minute, Listening)
		if n := r.far.State().Opens; n > 2 {
			t.Errorf("%d opens", n)
		}
	})
}

// TestWedgedWrite: with CTS low a modem takes no commands; nothing waits for it for ever.
func TestWedgedWrite(t *testing.T) {
	bubble(t, FakeOptions{}, nil, func(r *rig) {
		r.within(time.Second, Listening)
		r.far.Wedge(true)
		r.fake.mu.Lock()
		r.fake.dev.tx = make([]byte, fakeTxSize)
		r.fake.mu.Unlock()
		r.say("\r\nRING\r\n")
		r.within(16*time.Second, Recovering)
		wantCause(t, r.lastEnd(), PortError, "takes no commands")
		r.far.Wedge(false)
		r.within(10*time.Second, Listening)
	})
}

func TestHandlerPanics(t *testing.T) {
	n := 0
	bubble(t, FakeOptions{}, func(r *rig) {
		r.handler = func(ctx context.Context, _ *Call) Outcome {
			if n++; n == 1 {
				panic("a bug")
			}
			<-ctx.Done()
			return Outcome{}
		}
	}, func(r *rig) {
		r.within(time.Second, Listening)
		r.say("\r\nRING\r\n")
		r.within(time.Second, Listening)
		wantCause(t, r.lastEnd(), NASError, "crashed: a bug")
		r.ring()
	})
}

// TestHandlerNeverReturns: the device is closed under it, the line goes on, and the old call reads nothing of the next caller.
func TestHandlerNeverReturns(t *testing.T) {
	release := make(chan struct{})
	var first *Call
	var late error
	var stolen []byte
	synctest.Test(t, func(t *testing.T) {
		release = make(chan struct{})
		over := make(chan struct{})
		r := newRig(t, FakeOptions{})
		defer r.stop()
		r.handler = func(ctx context.Context, c *Call) Outcome {
			if first != nil {
				<-ctx.Done()
				return Outcome{}
			}
			first = c
			<-release
			buf := make([]byte, 10)
			n, err := c.Read(buf)
			stolen, late = buf[:n], err
			close(over)
			return Outcome{Cause: UserRequest}
		}
		r.apply()
		r.within(time.Second, Listening)
		r.ring()
		if err := r.mgr.Hangup(context.Background(), r.cfg.Name); err != nil {
			t.Fatal(err)
		}
		r.within(time.Millisecond, HangingUp)
		if r.far.State().Signals.DTR {
			t.Error("DTR is not low while the handler is awaited")
		}
		r.stays(defaultHandlerGrace-time.Millisecond, HangingUp)
		r.within(15*time.Second-defaultHandlerGrace, Listening)
		wantCause(t, r.lastEnd(), AdminReset, "hung up by the operator")
		if !strings.Contains(stepsText(r.lastEnd()), "did not return within 5s") {
			t.Errorf("steps:\n%s", stepsText(r.lastEnd()))
		}
		r.ring()
		r.say("secret")
		close(release)
		<-over
		if !errors.Is(late, ErrClosed) || !errors.Is(late, os.ErrClosed) || len(stolen) > 0 {
			t.Errorf("the old call read %q, %v", stolen, late)
		}
	})
}

// TestStrayReader: what a service leaves behind after ServeCall returned gets nothing of the next caller.
func TestStrayReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stray := make(chan string, 1)
		var first *Call
		r := newRig(t, FakeOptions{})
		defer r.stop()
		r.handler = func(ctx context.Context, c *Call) Outcome {
			if first == nil {
				first = c
				go func() {
					buf := make([]byte, 10)
					n, err := c.Read(buf)
					stray <- fmt.Sprintf("%q %v", buf[:n], errors.Is(err, ErrClosed))
				}()
				time.Sleep(time.Second)
				return Outcome{}
			}
			<-ctx.Done()
			return Outcome{}
		}
		r.apply()
		r.within(time.Second, Listening)
		r.ring()
		r.within(3*time.Second, Listening)
		r.ring()
		r.say("secret")
		if got := <-stray; got != `"" true` {
			t.Errorf("the stray reader got %s", got)
		}
		if _, err := first.Write([]byte("x")); !errors.Is(err, ErrClosed) {
			t.Errorf("write: %v", err)
		}
		if err := first.SetReadDeadline(time.Time{}); !errors.Is(err, ErrClosed) {
			t.Errorf("deadline: %v", err)
		}
	})
}

// TestNoise: floods, NULs and lines without end, in every state without a caller, neither disturb the line nor begin a call.
func TestNoise(t *testing.T) {
	noise := strings.Repeat("\x00\xff\x10garbage NO CARRIER CONNECT 300 RING~", 30000)
	bubble(t, FakeOptions{}, func(r *rig) { r.modem.answers["AT+MR=1"] = "-" }, func(r *rig) {
		r.stays(time.Second, Initializing)
		r.say(noise + "\r\n")
		r.within(10*time.Second, Listening)
		r.say(noise)
		r.say("\r\n\x00\x00")
		r.stays(time.Minute, Listening)
		if r.calls() != 0 {
			t.Error("noise began a call")
		}
		r.ring()
	})
}

// FuzzModemBytes sends bytes in every state. Without a RING among them no call begins, and the line is listening at the end.
func FuzzModemBytes(f *testing.F) {
	for _, seed := range []string{"\r\nNO CARRIER\r\n", "CONNECT\r\n", "NMBR = 5\r\n\r\nERROR\r\n", "OK\r\nOK\r\n", "\x10R", "2\r", "RIN", "\x00\xff\x7e"} {
		f.Add([]byte(seed), uint8(0))
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, at uint8) {
		if len(data) > 4096 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, FakeOptions{})
			defer r.stop()
			r.cfg.Profile.CommandDelay = hardware.Duration(100 * time.Millisecond)
			r.apply()
			synctest.Wait()
			time.Sleep(time.Duration(at%8) * 100 * time.Millisecond)
			r.say(string(data))
			rang := false // a RING among the bytes may well begin a call
			for _, line := range strings.FieldsFunc(string(data), func(c rune) bool { return c == '\r' || c == '\n' }) {
				rang = rang || strings.ContainsAny(line, "Rr2") // 2 is RING in numbers, DLE R in voice mode
			}
			if !rang {
				for i := 0; r.snap().State != Listening; i++ {
					if i > 600 {
						t.Fatalf("the line does not come back: %+v", r.snap())
					}
					time.Sleep(time.Second)
				}
				if n := r.calls(); n != 0 {
					t.Errorf("%d calls began without RING", n)
				}
			}
		})
	})
}

// TestHandlerGrace: a handler that returns within its grace has its say in the record; however long the grace, 15 s after the
// hang-up began the line listens, or shows why not and when it tries again.
func TestHandlerGrace(t *testing.T) {
	for _, c := range []struct {
		name        string
		grace, lazy time.Duration
		mute        bool
		given       string // up after
	}{
		{"in time", 8 * time.Second, 7 * time.Second, false, ""},
		{"in time, dead modem", 8 * time.Second, 7 * time.Second, true, ""},
		{"at the last moment", 10 * time.Second, 10*time.Second - time.Millisecond, false, ""},
		{"too late", 8 * time.Second, 9 * time.Second, false, "8s"},
		{"never", time.Hour, time.Hour, false, "10s"},
		{"never, dead modem", time.Hour, time.Hour, true, "10s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, FakeOptions{}, func(r *rig) {
				r.cfg.HandlerGrace = c.grace
				r.handler = func(ctx context.Context, _ *Call) Outcome {
					<-ctx.Done()
					time.Sleep(c.lazy)
					return Outcome{Reason: "exit status 137"}
				}
			}, func(r *rig) {
				r.within(time.Second, Listening)
				r.ring()
				if err := r.mgr.Hangup(context.Background(), r.cfg.Name); err != nil {
					t.Fatal(err)
				}
				r.modem.set(func(m *fakeModem) { m.mute = c.mute })
				if r.snap(); r.far.State().Signals.DTR {
					t.Error("DTR is not low while the handler is awaited")
				}
				time.Sleep(hangupLimit)
				switch s := r.snap(); {
				case !c.mute && s.State != Listening:
					t.Errorf("the line is %s (%s)", s.State, s.Reason)
				case c.mute && (s.State != Recovering || s.Reason == "" || s.NextTry.IsZero()):
					t.Errorf("%+v", s)
				}
				e := r.lastEnd()
				wantCause(t, e, AdminReset, "hung up by the operator")
				steps := stepsText(e)
				if waited := !strings.Contains(steps, "given up"); waited != (c.given == "") || !strings.Contains(steps, c.given) {
					t.Errorf("steps:\n%s", steps)
				}
				r.modem.set(func(m *fakeModem) { m.mute = false })
				time.Sleep(2 * time.Hour) // the handler has returned
			})
		})
	}
}

// TestProfileSaysWhatDTRDoes.
func TestProfileSaysWhatDTRDoes(t *testing.T) {
	hangUp := func(r *rig) string {
		r.within(time.Second, Listening)
		r.say("\r\nRING\r\n")
		r.within(5*time.Second, Listening)
		_, after, _ := strings.Cut(strings.Join(r.modem.said(), " "), "ATA ")
		return after
	}
	done := func(context.Context, *Call) Outcome { return Outcome{} }
	t.Run("reset", func(t *testing.T) { // &D3: the set-up follows
		bubble(t, FakeOptions{}, func(r *rig) { r.handler = done; r.cfg.Profile.DTR = hardware.DTRReset }, func(r *rig) {
			if got := hangUp(r); got != "AT ATE0 AT+MR=1 ATS0=0 AT+VCID=1" {
				t.Errorf("commands: %s", got)
			}
		})
	})
	t.Run("ignored", func(t *testing.T) { // &D0: the escape is all there is
		bubble(t, FakeOptions{}, func(r *rig) {
			r.handler, r.modem.deafDTR, r.cfg.Profile.DTR = done, true, hardware.DTRIgnored
		}, func(r *rig) {
			if got := hangUp(r); got != "ATH AT" || r.far.State().DTRDrops != 0 {
				t.Errorf("commands: %s, %d DTR drops", got, r.far.State().DTRDrops)
			}
		})
	})
	t.Run("no time", func(t *testing.T) { // as benchmarks want it: the caller has gone already
		bubble(t, FakeOptions{NoSignals: true}, func(r *rig) {
			r.modem.carrier, r.cfg.Profile.Hangup.DTRTime = false, 0
			r.handler = func(context.Context, *Call) Outcome {
				r.modem.set(func(m *fakeModem) { m.online = false })
				return Outcome{}
			}
		}, func(r *rig) {
			if got := hangUp(r); got != "AT ATH ATS8?" || r.far.State().Opens != 1 {
				t.Errorf("commands: %s, %d opens", got, r.far.State().Opens)
			}
		})
	})
}
