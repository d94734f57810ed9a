package port

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rashost/hardware"
)

// TestTail: without usable DCD the modem's own words end a call when they are the last, and silence follows.
func TestTail(t *testing.T) {
	for _, c := range []struct {
		name   string
		say    []string // with 500 ms between
		ends   time.Duration
		reason string
	}{
		{"NO CARRIER", []string{"\r\nNO CARRIER\r\n"}, 3 * time.Second, "NO CARRIER"},
		{"in pieces", []string{"text\r", "\nNO CAR", "RIER", "\r", "\n"}, 3 * time.Second, "NO CARRIER"},
		{"first thing", []string{"NO CARRIER\r"}, 3 * time.Second, "NO CARRIER"},
		{"and an answer to what was on its way", []string{"\r\nNO CARRIER\r\n", "\r\nNO DIALTONE\r\n"}, 3 * time.Second, "NO CARRIER"},
		{"RING", []string{"\r\nRING\r\n"}, time.Second, "RING"},
		{"within a line", []string{"\r\nsaid NO CARRIER\r\n"}, 0, ""},
		{"not the end of a line", []string{"\r\nNO CARRIER"}, 0, ""},
		{"text behind it", []string{"\r\nNO CARRIER\r\n", "$ "}, 0, ""},
		{"RING in a text", []string{"\r\nRING\r\n", "the bell\r\n"}, 0, ""},
		{"no own line", []string{"BORING\r\n"}, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var h readAll
			bubble(t, FakeOptions{NoSignals: true}, func(r *rig) { r.handler = h.serve; r.modem.carrier = false }, func(r *rig) {
				r.within(time.Second, Listening)
				r.ring()
				for _, text := range c.say {
					time.Sleep(500 * time.Millisecond)
					r.say(text)
				}
				if c.ends == 0 {
					r.stays(time.Minute, Dialog)
					return
				}
				r.stays(c.ends-time.Millisecond, Dialog)
				r.modem.set(func(m *fakeModem) { m.online = false })
				r.within(2*time.Millisecond, HangingUp)
				r.within(2*time.Second, Listening)
				wantCause(t, r.lastEnd(), LostCarrier, c.reason)
				if !errors.Is(h.cause, ErrCarrierLost) {
					t.Errorf("the handler saw %v", h.cause)
				}
				r.stays(time.Minute, Listening) // the words begin no call by themselves
				if r.calls() != 1 {
					t.Errorf("%d calls", r.calls())
				}
			})
		})
	}
}

// TestTailWaitsForOurSilence: what we send breaks the silence.
func TestTailWaitsForOurSilence(t *testing.T) {
	bubble(t, FakeOptions{NoSignals: true}, func(r *rig) {
		r.handler = func(ctx context.Context, c *Call) Outcome {
			buf := make([]byte, 64)
			_, _ = c.Read(buf)
			for range 5 {
				time.Sleep(2 * time.Second)
				if _, err := c.Write([]byte("hello?")); err != nil {
					t.Errorf("write: %v", err)
				}
			}
			<-ctx.Done()
			return Outcome{}
		}
	}, func(r *rig) {
		r.within(time.Second, Listening)
		r.ring()
		r.say("\r\nNO CARRIER\r\n")
		r.stays(13*time.Second-time.Millisecond, Dialog)
		r.within(2*time.Millisecond, HangingUp)
	})
}

// TestTailHoldsBackASession: once the modem has said NO CARRIER, what a session goes on sending would be commands for it. So nothing is
// sent; a caller who typed the words goes on by typing more.
func TestTailHoldsBackASession(t *testing.T) {
	for _, more := range []string{"", "x"} {
		bubble(t, FakeOptions{NoSignals: true}, func(r *rig) {
			r.modem.carrier = false
			r.handler = func(_ context.Context, c *Call) Outcome {
				c.Session("alice")
				go func() { _, _ = io.Copy(io.Discard, c) }()
				for {
					if _, err := c.Write([]byte("ATDT0900\r")); err != nil {
						return Outcome{}
					}
					time.Sleep(100 * time.Millisecond)
				}
			}
		}, func(r *rig) {
			r.within(time.Second, Listening)
			r.say("\r\nRING\r\n")
			r.within(time.Second, Session)
			time.Sleep(1050 * time.Millisecond) // between two writes
			r.modem.set(func(m *fakeModem) { m.online = more != "" })
			r.say("\r\nNO CARRIER\r\n")
			if more != "" {
				time.Sleep(2 * time.Second)
				r.say(more)
				r.stays(time.Minute, Session)
				return
			}
			r.within(noCarrierSilence+time.Millisecond, HangingUp)
			r.within(3*time.Second, Listening)
			wantCause(t, r.lastEnd(), LostCarrier, "NO CARRIER")
			for _, command := range r.modem.said() {
				if strings.Contains(command, "ATDT") {
					t.Errorf("the modem was told %q", command)
				}
			}
		})
	}
}

// TestTailIsIgnoredWithCarrier: where DCD can be trusted, a caller may type what he likes.
func TestTailIsIgnoredWithCarrier(t *testing.T) {
	var h readAll
	bubble(t, FakeOptions{}, func(r *rig) { r.handler = h.serve }, func(r *rig) {
		r.within(time.Second, Listening)
		r.ring()
		r.say("\r\nNO CARRIER\r\n")
		r.stays(time.Minute, Dialog)
		r.say("\r\nRING\r\n")
		r.stays(time.Minute, Dialog)
	})
}

func TestTailDoesNotAllocate(t *testing.T) {
	w := tailWatch{on: true}
	text := []byte("some text\r\nNO CARRIER\r\n")
	if n := testing.AllocsPerRun(100, func() { w.received(text); w.sent(); w.received(text[:4]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCarrierRequired(t *testing.T) {
	set := func(r *rig) { r.cfg.Carrier = CarrierRequired; r.modem.carrier = false }
	t.Run("never comes", func(t *testing.T) {
		bubble(t, FakeOptions{}, set, func(r *rig) {
			r.within(time.Second, Listening)
			r.say("\r\nRING\r\n")
			r.stays(carrierTime-time.Millisecond, Answering)
			r.within(carrierPoll, HangingUp)
			r.within(2*time.Second, Listening)
			wantCause(t, r.lastEnd(), LostCarrier, "no carrier within 5s of CONNECT")
		})
	})
	t.Run("comes late", func(t *testing.T) {
		bubble(t, FakeOptions{}, set, func(r *rig) {
			r.cfg.Settle = 500 * time.Millisecond
			r.within(time.Second, Listening)
			r.say("\r\nRING\r\n")
			r.stays(3*time.Second, Answering)
			r.far.SetDCD(true)
			r.within(carrierPoll+time.Millisecond, Dialog)
			r.modem.set(func(m *fakeModem) { m.carrier = true })
			r.modem.lose("")
			r.within(2*time.Second, Listening)
		})
	})
	t.Run("cannot be read", func(t *testing.T) {
		bubble(t, FakeOptions{NoSignals: true}, set, func(r *rig) {
			if s := r.within(time.Second, Recovering); !strings.Contains(s.Reason, "carrier: ignore") {
				t.Errorf("reason: %s", s.Reason)
			}
		})
	})
}

func TestCarrierAuto(t *testing.T) {
	t.Run("DCD always high is ignored", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) { r.modem.carrier = false; r.far.SetDCD(true) }, func(r *rig) {
			r.within(time.Second, Listening)
			r.ring()
			r.far.SetDCD(false)
			r.stays(time.Minute, Dialog)
		})
	})
	t.Run("DCD always low is ignored", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) { r.modem.carrier = false }, func(r *rig) {
			r.within(time.Second, Listening)
			r.ring()
			r.stays(time.Minute, Dialog)
		})
	})
}

func TestCarrierIgnore(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { r.cfg.Carrier = CarrierIgnore }, func(r *rig) {
		r.within(time.Second, Listening)
		r.ring()
		r.far.SetDCD(false)
		r.stays(time.Minute, Dialog)
	})
}

// TestCarrierOfProfile: where the line says auto, the profile's carrier mode counts.
func TestCarrierOfProfile(t *testing.T) {
	for _, c := range []struct {
		line    CarrierMode
		profile hardware.Carrier
		want    CarrierMode
	}{
		{"", "", CarrierAuto},
		{CarrierAuto, hardware.CarrierAuto, CarrierAuto},
		{"", hardware.CarrierIgnore, CarrierIgnore},
		{CarrierAuto, hardware.CarrierIgnore, CarrierIgnore},
		{CarrierAuto, hardware.CarrierRequired, CarrierRequired},
		{CarrierIgnore, hardware.CarrierRequired, CarrierIgnore},
		{CarrierRequired, hardware.CarrierIgnore, CarrierRequired},
	} {
		cfg := LineConfig{Carrier: c.line, Profile: &hardware.Profile{Carrier: c.profile}}
		if got := cfg.carrier(); got != c.want {
			t.Errorf("line %q, profile %q: %q, want %q", c.line, c.profile, got, c.want)
		}
	}
	t.Run("ignore", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) { r.cfg.Carrier, r.cfg.Profile.Carrier = CarrierAuto, hardware.CarrierIgnore }, func(r *rig) {
			r.within(time.Second, Listening)
			r.ring()
			r.far.SetDCD(false)
			r.stays(time.Minute, Dialog)
		})
	})
	t.Run("required", func(t *testing.T) {
		bubble(t, FakeOptions{NoSignals: true}, func(r *rig) { r.cfg.Profile.Carrier = hardware.CarrierRequired }, func(r *rig) {
			if s := r.within(time.Second, Recovering); !strings.Contains(s.Reason, "carrier: ignore") {
				t.Errorf("reason: %s", s.Reason)
			}
		})
	})
}

// direct makes the rig's line a direct one.
func direct(mode CarrierMode) func(r *rig) {
	return func(r *rig) {
		r.cfg.Profile, r.cfg.Carrier = nil, mode
		r.modem.set(func(m *fakeModem) { m.online, m.carrier = true, false })
	}
}

func TestDirectByCarrier(t *testing.T) {
	for _, mode := range []CarrierMode{CarrierAuto, CarrierRequired} {
		t.Run(string(mode), func(t *testing.T) {
			bubble(t, FakeOptions{}, direct(mode), func(r *rig) {
				r.within(time.Second, Listening)
				r.stays(time.Minute, Listening)
				r.far.SetDCD(true)
				r.within(carrierPoll, Dialog)
				r.far.SetDCD(false)
				r.within(2*time.Second, Listening)
				wantCause(t, r.lastEnd(), LostCarrier, "carrier lost")
				r.far.SetDCD(true)
				r.within(carrierPoll, Dialog)
				if s := r.snap(); s.Calls != 2 || s.Modem != "none" {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// TestDirectCarrierMustBeSeenLow: a terminal that stays switched on does not call again by itself.
func TestDirectCarrierMustBeSeenLow(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		direct(CarrierRequired)(r)
		r.handler = func(context.Context, *Call) Outcome { return Outcome{Cause: UserRequest} }
		r.far.SetDCD(true)
	}, func(r *rig) {
		r.within(time.Second, Listening)
		r.stays(time.Minute, Listening)
		if r.calls() != 0 {
			t.Fatal("a carrier that was up from the start began a call")
		}
		r.far.SetDCD(false)
		time.Sleep(time.Second)
		r.far.SetDCD(true)
		time.Sleep(time.Minute)
		if s := r.snap(); s.State != Listening || r.calls() != 1 {
			t.Errorf("%d calls, the line is %s", r.calls(), s.State)
		}
		r.say("\r") // who presses a key is there
		time.Sleep(time.Minute)
		if s := r.snap(); s.State != Listening || r.calls() != 2 {
			t.Errorf("%d calls, the line is %s", r.calls(), s.State)
		}
	})
}

// TestDirectCarrierBack: carrier that is back by the time the line listens begins the next call.
func TestDirectCarrierBack(t *testing.T) {
	bubble(t, FakeOptions{}, direct(CarrierRequired), func(r *rig) {
		r.within(time.Second, Listening)
		r.far.SetDCD(true)
		r.within(carrierPoll, Dialog)
		r.mu.Lock()
		r.entered = func(to State) {
			if to == Listening {
				r.far.SetDCD(true)
			}
		}
		r.mu.Unlock()
		r.far.SetDCD(false)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if s := r.snap(); s.State != Dialog || s.Calls != 2 {
			t.Errorf("%+v", s)
		}
	})
}

func TestDirectByFirstByte(t *testing.T) {
	for _, c := range []struct {
		name string
		mode CarrierMode
		o    FakeOptions
		dcd  bool
	}{
		{"ignore", CarrierIgnore, FakeOptions{}, false},
		{"no signals", CarrierAuto, FakeOptions{NoSignals: true}, false},
		{"three wires", CarrierAuto, FakeOptions{}, false},
		{"DCD tied high", CarrierAuto, FakeOptions{}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var h readAll
			bubble(t, c.o, func(r *rig) {
				direct(c.mode)(r)
				r.far.SetDCD(c.dcd)
				r.handler = h.serve
			}, func(r *rig) {
				r.within(time.Second, Listening)
				r.stays(time.Minute, Listening)
				r.say("h")
				if s := r.snap(); s.State != Dialog || s.In != 1 {
					t.Fatalf("%+v", s)
				}
				r.say("ello")
				if err := r.mgr.Hangup(context.Background(), r.cfg.Name); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if string(h.got) != "hello" {
					t.Errorf("the handler read %q", h.got)
				}
				r.within(2*time.Second, Listening)
			})
		})
	}
}

// TestDirectByteWithCarrier: a byte that comes before the next look at DCD does not make the call one without carrier.
func TestDirectByteWithCarrier(t *testing.T) {
	for _, mode := range []CarrierMode{CarrierAuto, CarrierRequired} {
		var h readAll
		bubble(t, FakeOptions{}, func(r *rig) { direct(mode)(r); r.handler = h.serve }, func(r *rig) {
			r.within(time.Second, Listening)
			r.stays(time.Minute, Listening)
			r.far.SetDCD(true)
			r.say("x")
			r.within(0, Dialog)
			r.far.SetDCD(false)
			r.within(2*time.Second, Listening)
			wantCause(t, r.lastEnd(), LostCarrier, "")
			if string(h.got) != "x" {
				t.Errorf("the handler read %q", h.got)
			}
		})
	}
}

func TestDirectRequiredIgnoresNoise(t *testing.T) {
	bubble(t, FakeOptions{}, direct(CarrierRequired), func(r *rig) {
		r.within(time.Second, Listening)
		for range 100 {
			r.say("~~~\x00\r\n")
		}
		r.stays(time.Minute, Listening)
		if r.calls() != 0 {
			t.Error("noise began a call")
		}
	})
}

// TestDirectQuiet: a direct line without usable DCD is idle after a second of silence.
func TestDirectQuiet(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		direct(CarrierIgnore)(r)
		r.handler = func(context.Context, *Call) Outcome { return Outcome{} }
	}, func(r *rig) {
		r.within(time.Second, Listening)
		r.say("x")
		for range 8 { // 500 ms of DTR, then chatter
			r.stays(500*time.Millisecond, HangingUp)
			r.say("chatter")
		}
		r.stays(directQuietTime-time.Millisecond, HangingUp)
		r.within(2*time.Millisecond, Listening)
	})
}

func TestDirectRefused(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { direct(CarrierAuto)(r); r.refuse = errTest }, func(r *rig) {
		r.within(time.Second, Listening)
		time.Sleep(time.Second)
		r.far.SetDCD(true)
		r.within(carrierPoll, HangingUp)
		r.within(2*time.Second, Listening)
		if r.far.State().DTRDrops != 1 || r.calls() != 0 {
			t.Errorf("%d DTR drops, %d calls", r.far.State().DTRDrops, r.calls())
		}
	})
}
