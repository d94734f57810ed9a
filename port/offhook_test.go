package port

import (
	"context"
	"strings"
	"testing"
	"time"

	"rashost/hardware"
)

// busy is a rig whose modem is taken off hook when its line is out of service.
func busy(r *rig) {
	r.cfg.BusyWhenDead = true
	r.cfg.Profile.OffHook = hardware.Step{Send: "ATH1"}
	r.cfg.Profile.Hangup.Command = "ATH0"
}

// TestBusyWhenDead: a modem out of service is off hook, its device free with DTR up, and on hook again when the line comes back.
func TestBusyWhenDead(t *testing.T) {
	ctx := context.Background()
	offHook := func(r *rig, why string) {
		t.Helper()
		time.Sleep(100 * time.Millisecond)
		r.snap()
		s := r.far.State()
		if said := r.modem.said(); said[len(said)-1] != "ATH1" || s.Open || !s.Signals.DTR {
			t.Errorf("%s: %v, open: %v, DTR: %v", why, said, s.Open, s.Signals.DTR)
		}
	}
	onHook := func(r *rig, n int) {
		t.Helper()
		r.within(10*time.Minute, Listening)
		if told := strings.Join(r.told(EventOffHook), "; "); !strings.Contains(told, "off hook: callers hear busy") || !strings.HasSuffix(told, "on hook again: ") {
			t.Error(told)
		}
		if said := strings.Join(r.modem.said(), " "); strings.Count(said, "ATH0 ATE0") != n+1 { // and once at the very start
			t.Errorf("commands: %s", said)
		}
	}
	t.Run("disabled", func(t *testing.T) {
		bubble(t, FakeOptions{}, busy, func(r *rig) {
			r.within(time.Second, Listening)
			if err := r.mgr.Disable(ctx, r.cfg.Name); err != nil {
				t.Fatal(err)
			}
			offHook(r, "disabled")
			if err := r.mgr.Enable(ctx, r.cfg.Name); err != nil {
				t.Fatal(err)
			}
			onHook(r, 1)
		})
	})
	t.Run("disabled in a call", func(t *testing.T) { // hung up as ever, and then off hook
		bubble(t, FakeOptions{}, busy, func(r *rig) {
			r.within(time.Second, Listening)
			r.ring()
			if err := r.mgr.Disable(ctx, r.cfg.Name); err != nil {
				t.Fatal(err)
			}
			r.within(2*time.Second, Disabled)
			offHook(r, "after a call")
			wantCause(t, r.lastEnd(), AdminReset, "disabled")
		})
	})
	t.Run("disabled, and lent", func(t *testing.T) { // who had it may have put it on hook
		bubble(t, FakeOptions{}, busy, func(r *rig) {
			r.within(time.Second, Listening)
			if err := r.mgr.Disable(ctx, r.cfg.Name); err != nil {
				t.Fatal(err)
			}
			offHook(r, "disabled")
			for range 2 {
				n := r.lend()
				<-n.Free()
				was := len(r.modem.said())
				n.Return()
				r.stays(10*time.Second, Disabled)
				if len(r.modem.said()) == was {
					t.Error("the modem was told nothing when it came back")
				}
				offHook(r, "given back")
			}
			r.lend().Return() // given back, and lent again, before it is open
			n := r.lend()
			r.stays(10*time.Second, Disabled)
			if !isFree(n) || r.far.State().Open {
				t.Error("not free")
			}
			n.Return()
			time.Sleep(10 * time.Second)
			offHook(r, "given back once more")
			n = r.lend()
			r.far.Vanish()
			n.Return()
			time.Sleep(10 * time.Second)
			if told := r.told(EventOffHook); !strings.Contains(told[len(told)-1], "can't be taken off hook: callers hear it ring") || r.snap().State != Disabled {
				t.Error(told)
			}
		})
	})
	t.Run("disabled while the device is opened", func(t *testing.T) {
		bubble(t, FakeOptions{}, busy, func(r *rig) {
			r.within(time.Second, Listening)
			if err := r.mgr.Reset(ctx, r.cfg.Name); err != nil {
				t.Fatal(err)
			}
			r.within(0, Opening)
			if err := r.mgr.Disable(ctx, r.cfg.Name); err != nil {
				t.Fatal(err)
			}
			r.stays(10*time.Second, Disabled)
			offHook(r, "disabled")
		})
	})
	t.Run("disabled in a call that does not end", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) {
			busy(r)
			r.cfg.HandlerGrace = time.Second
			r.handler = func(context.Context, *Call) Outcome { time.Sleep(time.Minute); return Outcome{} }
		}, func(r *rig) {
			r.within(time.Second, Listening)
			r.ring()
			if err := r.mgr.Disable(ctx, r.cfg.Name); err != nil {
				t.Fatal(err)
			}
			r.within(10*time.Second, Disabled)
			time.Sleep(10 * time.Second)
			offHook(r, "after the call")
			time.Sleep(time.Minute)
		})
	})
	t.Run("maintenance, and lent", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) { busy(r); windowed(r) }, func(r *rig) {
			r.within(time.Second, Listening)
			r.stays(149*time.Minute, Listening)
			r.within(2*time.Minute, Disabled)
			n := r.lend()
			was := len(r.modem.said())
			r.stays(time.Minute, Disabled)
			n.Return()
			r.stays(10*time.Second, Disabled)
			if len(r.modem.said()) == was {
				t.Error("the modem was told nothing when it came back")
			}
			offHook(r, "given back")
			time.Sleep(27 * time.Minute)
			onHook(r, 1)
		})
	})
	t.Run("maintenance", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) { busy(r); windowed(r) }, func(r *rig) {
			r.within(time.Second, Listening)
			r.stays(149*time.Minute, Listening)
			r.within(2*time.Minute, Disabled)
			offHook(r, "maintenance")
			time.Sleep(29 * time.Minute)
			onHook(r, 1)
		})
	})
	t.Run("quarantined", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) { busy(r); r.modem.answers["ATS0=0"] = "\r\nERROR\r\n" }, func(r *rig) {
			r.within(time.Minute, Quarantined)
			offHook(r, "quarantined")
			r.modem.set(func(m *fakeModem) { clear(m.answers) })
			onHook(r, 1)
		})
	})
	t.Run("the modem does not obey", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) { busy(r); r.modem.answers["ATH1"] = "\r\nERROR\r\n" }, func(r *rig) {
			r.within(time.Second, Listening)
			if err := r.mgr.Disable(ctx, r.cfg.Name); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if told := r.told(EventOffHook); len(told) != 1 || !strings.Contains(told[0], `can't be taken off hook: callers hear it ring: modem command "ATH1"`) || r.far.State().Open {
				t.Error(told)
			}
		})
	})
	t.Run("the device goes meanwhile", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) { busy(r); r.modem.answers["ATH1"] = "-" }, func(r *rig) {
			r.within(time.Second, Listening)
			if err := r.mgr.Disable(ctx, r.cfg.Name); err != nil {
				t.Fatal(err)
			}
			r.within(0, Disabled)
			r.vanish()
			r.stays(time.Minute, Disabled)
		})
	})
	t.Run("out of service from the start", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) { busy(r); r.cfg.OutOfService = "the plugin does not load" }, func(r *rig) {
			if s := r.within(time.Second, Disabled); s.Reason != "the plugin does not load" {
				t.Error(s.Reason)
			}
			offHook(r, "out of service")
			if r.came(Listening) != 0 || r.came(Initializing) != 1 {
				t.Error("it listened")
			}
		})
	})
	t.Run("the program ends", func(t *testing.T) {
		bubble(t, FakeOptions{}, busy, func(r *rig) {
			r.within(time.Second, Listening)
			r.stop()
			if said := strings.Join(r.modem.said(), " "); strings.Contains(said, "ATH1") {
				t.Error(said)
			}
		})
	})
}
