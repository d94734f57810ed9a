package port

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"rashost/hardware"
)

// TestCall is the whole life of a call: RING with caller id, ATA, CONNECT, dialog, session, the handler's end, hang-up, listening.
func TestCall(t *testing.T) {
	var got string
	bubble(t, FakeOptions{}, func(r *rig) {
		r.cfg.Settle = 500 * time.Millisecond
		r.cfg.Rings = 2
		r.handler = func(_ context.Context, c *Call) Outcome {
			buf := make([]byte, 64)
			for !strings.HasSuffix(got, "\r") {
				n, err := c.Read(buf)
				if err != nil {
					t.Errorf("read: %v", err)
					return Outcome{}
				}
				got += string(buf[:n])
			}
			c.Session("alice")
			if _, err := c.Write([]byte("WELCOME\r\n")); err != nil {
				t.Errorf("write: %v", err)
			}
			time.Sleep(time.Second)
			return Outcome{Cause: HostRequest, Reason: "service done"}
		}
	}, func(r *rig) {
		r.within(5*time.Second, Listening)
		r.say("\r\nRING\r\n\r\nDATE = 0611\r\nTIME = 1201\r\nNMBR = 5551234\r\n")
		r.stays(5*time.Second, Ringing)
		rang := time.Now()
		r.say("\r\nRING\r\n")
		if s := r.snap(); s.State != Answering || s.CallerID != "5551234" {
			t.Fatalf("after the second RING: %+v", s)
		}
		if d := r.modem.ataAt.Sub(rang); d != 0 {
			t.Errorf("RING to ATA took %s of simulated time: there is a delay", d)
		}
		r.say("typed ahead")
		r.stays(499*time.Millisecond, Answering)
		if s := r.within(2*time.Millisecond, Dialog); s.Condition != "AUTHENTICATING" || s.Connect != "33600/ARQ/V34/LAPM/V42BIS" {
			t.Errorf("in the dialog: %+v", s)
		}
		r.say("\r")
		if s := r.snap(); s.State != Session || s.Condition != "AUTHENTICATED" || s.User != "alice" || s.In != 12 || s.Out != 9 {
			t.Errorf("in the session: %+v", s)
		}
		r.within(2*time.Second, Listening)
		if got != "typed ahead\r" {
			t.Errorf("the handler read %q", got)
		}
		if sent := r.modem.data.String(); sent != "WELCOME\r\n" {
			t.Errorf("the caller saw %q", sent)
		}
		e := r.lastEnd()
		wantCause(t, e, HostRequest, "service done")
		if e.In != 12 || e.Out != 9 || !e.Connected {
			t.Errorf("end: %+v", e)
		}
		for _, want := range []string{"RING 2, caller id \"5551234\"", "ATA", "CONNECT", "carrier is up", "let in as \"alice\"", "DTR was low for 500ms", "answers AT", "proven idle"} {
			if !strings.Contains(stepsText(e), want) {
				t.Errorf("no step %q in:\n%s", want, stepsText(e))
			}
		}
		want := "disabled>opening opening>initializing initializing>listening listening>ringing ringing>answering answering>dialog " +
			"dialog>session session>hanging-up hanging-up>listening"
		if states := strings.Join(r.states, " "); states != want {
			t.Errorf("states: %s", states)
		}
		if said := strings.Join(r.modem.said(), " "); said != "ATE0 AT+MR=1 ATS0=0 AT+VCID=1 ATA AT" {
			t.Errorf("commands: %s", said)
		}
	})
}

// readAll is a handler that reads until the line fails, and keeps why.
type readAll struct {
	got        []byte
	err, cause error
}

func (h *readAll) serve(ctx context.Context, c *Call) Outcome {
	buf := make([]byte, 100)
	for {
		n, err := c.Read(buf)
		h.got = append(h.got, buf[:n]...)
		if err != nil {
			<-ctx.Done()
			h.err, h.cause = err, context.Cause(ctx)
			return Outcome{}
		}
	}
}

func TestCarrierLostEndsCall(t *testing.T) {
	var h readAll
	bubble(t, FakeOptions{}, func(r *rig) { r.handler = h.serve }, func(r *rig) {
		r.within(5*time.Second, Listening)
		r.ring()
		r.modem.lose("\r\nNO CARRIER\r\n")
		r.within(2*time.Second, Listening)
		wantCause(t, r.lastEnd(), LostCarrier, "carrier lost")
		if !errors.Is(h.cause, ErrCarrierLost) {
			t.Errorf("the handler's cause is %v", h.cause)
		}
		if r.far.State().Opens != 2 {
			t.Error("a device that the kernel hung up was not opened anew")
		}
		r.ring() // and the next caller is served
	})
}

// TestCarrierLostByPoll is for adapters that do not hang the device up: CLOCAL does not help there.
func TestCarrierLostByPoll(t *testing.T) {
	bubble(t, FakeOptions{}, nil, func(r *rig) {
		r.within(5*time.Second, Listening)
		r.ring()
		r.fake.mu.Lock()
		r.fake.dev.settings.CLOCAL = true
		r.fake.mu.Unlock()
		r.modem.lose("")
		r.within(carrierPoll+time.Millisecond, HangingUp)
		r.within(2*time.Second, Listening)
		wantCause(t, r.lastEnd(), LostCarrier, "DCD dropped")
	})
}

// TestTimesOfACall: a call starts with its first RING, or with the carrier of a direct line, and is over when the line is proven idle.
func TestTimesOfACall(t *testing.T) {
	check := func(t *testing.T, r *rig, start, connected, began, idle time.Time) {
		t.Helper()
		c, e := r.begun[0], r.lastEnd()
		if !c.Start.Equal(start) || !c.ConnectedAt.Equal(connected) {
			t.Errorf("start %s, connected %s, want %s, %s", c.Start, c.ConnectedAt, start, connected)
		}
		if !e.ConnectedAt.Equal(connected) || !e.At.Equal(began) || !e.IdleAt.Equal(idle) {
			t.Errorf("connected %s, hang-up %s, idle %s, want %s, %s, %s", e.ConnectedAt, e.At, e.IdleAt, connected, began, idle)
		}
	}
	t.Run("modem", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) {
			r.cfg.Rings = 3
			r.modem.answers["ATA"] = "-"
			r.handler = func(context.Context, *Call) Outcome { time.Sleep(time.Minute); return Outcome{} }
		}, func(r *rig) {
			r.within(time.Second, Listening)
			r.say("\r\nRING\r\n") // gives up
			r.stays(time.Hour, Listening)
			start := time.Now()
			for range 3 {
				r.say("\r\nRING\r\n")
				time.Sleep(4 * time.Second)
			}
			if s := r.snap(); !s.CallStart.Equal(start) {
				t.Errorf("%+v", s)
			}
			connected := time.Now()
			r.far.SetDCD(true)
			r.say("\r\nCONNECT\r\n")
			r.stays(time.Minute, HangingUp)
			began := time.Now()
			r.within(time.Second, Listening)
			check(t, r, start, connected, began, began.Add(700*time.Millisecond))
		})
	})
	t.Run("not connected", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) { r.modem.answers["ATA"] = "\r\nNO CARRIER\r\n" }, func(r *rig) {
			r.within(time.Second, Listening)
			start := time.Now()
			r.say("\r\nRING\r\n")
			r.within(time.Second, Listening)
			check(t, r, start, time.Time{}, start, start.Add(700*time.Millisecond))
		})
	})
	t.Run("given up", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) {
			r.handler = func(context.Context, *Call) Outcome {
				r.modem.set(func(m *fakeModem) { m.mute = true })
				return Outcome{}
			}
		}, func(r *rig) {
			r.within(time.Second, Listening)
			start := time.Now()
			r.say("\r\nRING\r\n")
			s := r.within(hangupLimit, Recovering)
			check(t, r, start, start, start, s.Since)
		})
	})
	t.Run("direct", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) { direct(CarrierIgnore)(r); r.handler = once }, func(r *rig) {
			r.stays(time.Second, Listening)
			start := time.Now()
			r.say("x")
			r.within(2*time.Second, Listening)
			check(t, r, start, start, start, start.Add(1500*time.Millisecond))
		})
	})
}

func TestRingDuringInitIsAnswered(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		r.modem.answers["AT+MR=1"] = "-" // 5 s until it is given up
	}, func(r *rig) {
		r.stays(time.Second, Initializing)
		r.say("\r\nRING\r\n\r\nNMBR = 42\r\n")
		r.stays(3*time.Second, Initializing)
		r.within(2*time.Second, Dialog)
		if s := r.snap(); s.CallerID != "42" {
			t.Errorf("caller id %q", s.CallerID)
		}
	})
}

func TestStaleRingIsNotAnswered(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		r.modem.answers["AT+MR=1"] = "-"
		r.cfg.Profile.CommandTimeout = hardware.Duration(20 * time.Second)
	}, func(r *rig) {
		r.stays(time.Second, Initializing)
		r.say("\r\nRING\r\n")
		r.within(25*time.Second, Listening)
		r.stays(time.Second, Listening)
	})
}

// TestRingRightAfterHangup rings as soon as DTR is high again: it proves the line idle, and is answered without delay.
func TestRingRightAfterHangup(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		r.handler = func(context.Context, *Call) Outcome { return Outcome{} }
	}, func(r *rig) {
		r.within(5*time.Second, Listening)
		r.say("\r\nRING\r\n") // the handler returns at once
		if s := r.snap(); s.State != HangingUp || s.Condition != "DISCONNECTED" {
			t.Fatalf("%+v", s)
		}
		time.Sleep(501 * time.Millisecond) // DTR time, AT and OK
		rang := time.Now()
		r.say("\r\nRING\r\n")
		if d := r.modem.ataAt.Sub(rang); d != 0 {
			t.Errorf("deaf for %s beyond the DTR time (the line is %s)", d, r.snap().State)
		}
	})
}

// TestRingWhileDTRLow is kept until the hang-up is proven.
func TestRingWhileDTRLow(t *testing.T) {
	n := 0
	bubble(t, FakeOptions{}, func(r *rig) {
		r.handler = func(ctx context.Context, _ *Call) Outcome {
			if n++; n > 1 {
				<-ctx.Done()
			}
			return Outcome{}
		}
	}, func(r *rig) {
		r.within(5*time.Second, Listening)
		r.say("\r\nRING\r\n")
		time.Sleep(250 * time.Millisecond)
		r.say("\r\nRING\r\n")
		r.within(500*time.Millisecond, Dialog)
	})
}

func TestWithoutSignalsHangupReopens(t *testing.T) {
	bubble(t, FakeOptions{NoSignals: true}, func(r *rig) {
		r.handler = func(context.Context, *Call) Outcome { return Outcome{Cause: HostRequest} }
		r.modem.carrier = false
	}, func(r *rig) {
		r.within(5*time.Second, Listening)
		r.modem.set(func(m *fakeModem) { m.deafDTR = false })
		r.say("\r\nRING\r\n")
		if r.far.State().Open {
			t.Fatal("the device is not closed for the hang-up")
		}
		time.Sleep(499 * time.Millisecond)
		synctest.Wait()
		if r.far.State().Open {
			t.Fatal("the device was opened before the DTR time was over: the modem can't have seen it")
		}
		r.within(300*time.Millisecond, Listening)
		wantCause(t, r.lastEnd(), HostRequest, "")
	})
}

// TestEscapeHangsUp has a modem that ignores DTR: DCD stays high, +++ and ATH help.
func TestEscapeHangsUp(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		r.handler = func(context.Context, *Call) Outcome { return Outcome{} }
		r.modem.deafDTR = true
	}, func(r *rig) {
		r.within(5*time.Second, Listening)
		r.say("\r\nRING\r\n")
		r.within(4*time.Second, Listening)
		if said := strings.Join(r.modem.said(), " "); !strings.HasSuffix(said, "ATA ATH AT") {
			t.Errorf("commands: %s", said)
		}
		if e := r.lastEnd(); !strings.Contains(stepsText(e), "DCD is still high") {
			t.Errorf("steps:\n%s", stepsText(e))
		}
	})
}

// TestLostSettings: the echo of the probe shows that the modem was reset, so it is set up again.
func TestLostSettings(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		r.handler = func(context.Context, *Call) Outcome { return Outcome{} }
	}, func(r *rig) {
		r.within(5*time.Second, Listening)
		r.modem.set(func(m *fakeModem) { m.echo = true })
		r.say("\r\nRING\r\n")
		r.within(4*time.Second, Listening)
		if said := strings.Join(r.modem.said(), " "); !strings.HasSuffix(said, "ATA AT ATE0 AT+MR=1 ATS0=0 AT+VCID=1") {
			t.Errorf("commands: %s", said)
		}
	})
}

func TestRingingStops(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { r.cfg.Rings = 3 }, func(r *rig) {
		r.within(5*time.Second, Listening)
		r.say("\r\nRING\r\n")
		r.stays(6*time.Second, Ringing)
		r.say("\r\nRING\r\n")
		r.stays(ringGap-time.Millisecond, Ringing)
		if s := r.within(2*time.Millisecond, Listening); s.Missed != 1 {
			t.Errorf("%+v", s)
		}
		r.say("\r\nRING\r\n") // a new caller starts at 1
		r.stays(time.Second, Ringing)
		if r.calls() != 0 {
			t.Error("a call that gave up was answered")
		}
	})
}

func TestNotConnected(t *testing.T) {
	for _, c := range []struct {
		answer string
		cause  TerminateCause
		why    string
	}{
		{"\r\nNO CARRIER\r\n", LostCarrier, "NO CARRIER"},
		{"\r\nOK\r\n\r\nBUSY\r\n", LostCarrier, "BUSY"},
		{"\r\nERROR\r\n", PortError, "ERROR"},
		{"-", PortError, "no CONNECT within"},
	} {
		t.Run(c.why, func(t *testing.T) {
			bubble(t, FakeOptions{}, func(r *rig) {
				r.modem.answers["ATA"] = c.answer
				r.handler = func(context.Context, *Call) Outcome { t.Error("served without CONNECT"); return Outcome{} }
			}, func(r *rig) {
				r.within(5*time.Second, Listening)
				r.say("\r\nRING\r\n")
				r.within(90*time.Second, Listening)
				e := r.lastEnd()
				wantCause(t, e, c.cause, c.why)
				if e.Connected {
					t.Error("connected")
				}
			})
		})
	}
}

func TestObserverRefuses(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { r.refuse = errTest }, func(r *rig) {
		r.within(5*time.Second, Listening)
		for range 3 {
			r.say("\r\nRING\r\n")
			r.stays(time.Second, Ringing)
		}
		if s := r.snap(); s.Reason == "" {
			t.Error("no reason is shown")
		}
		r.within(ringGap, Listening)
		if said := strings.Join(r.modem.said(), " "); strings.Contains(said, "ATA") {
			t.Error("answered all the same")
		}
		r.mu.Lock()
		r.refuse = nil
		r.mu.Unlock()
		r.ring()
	})
}

func TestConnectLines(t *testing.T) {
	var got string
	bubble(t, FakeOptions{}, func(r *rig) {
		r.modem.connect = "\r\nOK\r\n\r\n+MCR: V34\r\n\r\n+MRR: 28800\r\n\r\n+ER: LAPM\r\n\r\nCONNECT 115200\r"
		r.handler = func(_ context.Context, c *Call) Outcome {
			buf := make([]byte, 8)
			n, _ := c.Read(buf)
			got = string(buf[:n])
			if c.Connect.Rate != 28800 || c.Connect.Protocol != "LAPM" || c.Connect.Modulation != "V34" || c.Connect.DTERate != 115200 {
				t.Errorf("connect: %+v", c.Connect)
			}
			return Outcome{}
		}
	}, func(r *rig) {
		r.within(5*time.Second, Listening)
		r.ring()
		r.say("\n") // of CONNECT's line end, late
		r.say("hi")
		r.within(time.Second, Listening)
		if got != "hi" {
			t.Errorf("the handler read %q", got)
		}
	})
}

// TestIdleLineSleeps: without idle_probe no timer runs, and the state machine has no goroutine.
func TestIdleLineSleeps(t *testing.T) {
	bubble(t, FakeOptions{}, nil, func(r *rig) {
		r.within(5*time.Second, Listening)
		synctest.Wait()
		l := r.mgr.line(r.cfg.Name)
		if kind, at := l.earliest(); !at.IsZero() || l.timer != nil {
			t.Errorf("timer %d of an idle line fires in %s", kind, time.Until(at))
		}
		if !l.asleep.Load() {
			t.Error("an idle line keeps its goroutine")
		}
	})
}

func TestIdleProbe(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { r.cfg.IdleProbe = time.Minute }, func(r *rig) {
		r.within(5*time.Second, Listening)
		r.stays(150*time.Second, Listening)
		if said := strings.Join(r.modem.said(), " "); !strings.HasSuffix(said, "AT+VCID=1 AT AT") {
			t.Errorf("commands: %s", said)
		}
		r.modem.set(func(m *fakeModem) { m.mute = true })
		if s := r.within(63*time.Second, Recovering); !strings.Contains(s.Reason, `"AT"`) || s.NextTry.IsZero() {
			t.Errorf("%+v", s)
		}
		r.modem.set(func(m *fakeModem) { m.mute = false })
		r.within(10*time.Second, Listening)
	})
}

// TestTypedBehindConnect: without a settle time what comes in one piece with CONNECT is the caller's all the same.
func TestTypedBehindConnect(t *testing.T) {
	var h readAll
	bubble(t, FakeOptions{}, func(r *rig) {
		r.modem.connect = "\r\nCONNECT 300\r\nhello"
		r.handler = h.serve
	}, func(r *rig) {
		r.within(time.Second, Listening)
		r.ring()
		r.say(", world")
		if string(h.got) != "hello, world" {
			t.Errorf("the handler read %q", h.got)
		}
		if s := r.snap(); s.In != 12 {
			t.Errorf("%d bytes in", s.In)
		}
	})
}

func TestUnread(t *testing.T) {
	var got []string
	bubble(t, FakeOptions{}, func(r *rig) {
		r.handler = func(_ context.Context, c *Call) Outcome {
			c.Unread([]byte("second"))
			c.Unread([]byte("first "))
			c.Unread(nil)
			buf := make([]byte, 9)
			for range 3 {
				n, err := c.Read(buf)
				if err != nil {
					t.Error(err)
				}
				got = append(got, string(buf[:n]))
			}
			if in, out := c.Octets(); in != 5 || out != 0 {
				t.Errorf("%d in, %d out", in, out)
			}
			return Outcome{}
		}
	}, func(r *rig) {
		r.within(time.Second, Listening)
		r.ring()
		r.say("third")
		if strings.Join(got, "|") != "first sec|ond|third" {
			t.Errorf("%q", got)
		}
		r.within(time.Second, Listening)
		if e := r.lastEnd(); e.Cause != NASRequest { // the handler said nothing
			t.Errorf("%+v", e)
		}
	})
}

func TestLineSettings(t *testing.T) {
	p := testProfile()
	p.Flow, p.Baud = hardware.FlowRTSCTS, 57600
	for _, c := range []struct {
		cfg  LineConfig
		want string
	}{
		{LineConfig{}, "9600 8N1"},
		{LineConfig{Profile: p}, "57600 8N1 rtscts"},
		{LineConfig{Profile: p, Baud: 1200, Parity: "even", Flow: "none"}, "1200 7E1"},
		{LineConfig{Parity: "none", Flow: "xonxoff"}, "9600 8N1 xonxoff"},
	} {
		if s := c.cfg.Settings(); s.String() != c.want || !s.CLOCAL || !s.HUPCL {
			t.Errorf("%+v: %s, %+v", c.cfg, s, s)
		}
	}
	for _, bad := range []LineConfig{{}, {Name: "x", Parity: "7e1"}, {Name: "x", Flow: "hard"}, {Name: "x", Carrier: "maybe"}, {Name: "x", Baud: -1}} {
		if bad.check() == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

// TestLineIsSmall: a thousand lines wait for calls on a small machine. What grows past this size is better kept behind a pointer by the few
// lines that need it (docs/benchmarks.md has what a whole line takes).
func TestLineIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(line{}); size > 1408 && unsafe.Sizeof(uintptr(0)) == 8 {
		t.Errorf("a line is %d bytes", size)
	}
}
