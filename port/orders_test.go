package port

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestReloadKeepsTheOperatorsWord: what an operator said of a line holds for the one that replaces it, until he says otherwise.
func TestReloadKeepsTheOperatorsWord(t *testing.T) {
	ctx := context.Background()
	reload := func(r *rig) {
		r.cfg.Rings++
		r.apply()
	}
	back := func(r *rig) {
		r.t.Helper()
		if err := r.mgr.Enable(ctx, r.cfg.Name); err != nil {
			r.t.Fatal(err)
		}
		r.within(2*time.Second, Listening)
		reload(r)
		r.within(2*time.Second, Listening)
	}
	t.Run("disabled", func(t *testing.T) {
		bubble(t, FakeOptions{}, nil, func(r *rig) {
			r.within(time.Second, Listening)
			if err := r.mgr.Disable(ctx, r.cfg.Name); err != nil {
				t.Fatal(err)
			}
			for range 2 { // also over several reloads
				reload(r)
				r.stays(time.Minute, Disabled)
				if s := r.snap(); s.Reason != "disabled by the operator" || r.far.State().Open {
					t.Errorf("%q, device open: %v", s.Reason, r.far.State().Open)
				}
			}
			if err := r.mgr.Disable(ctx, r.cfg.Name); !errors.Is(err, ErrNotNow) {
				t.Error(err)
			}
			back(r)
		})
	})
	t.Run("to be disabled after the call", func(t *testing.T) {
		bubble(t, FakeOptions{}, nil, func(r *rig) {
			r.within(time.Second, Listening)
			r.ring()
			if err := r.mgr.Drain(ctx, r.cfg.Name); err != nil {
				t.Fatal(err)
			}
			reload(r)
			r.within(0, Disabled)
			r.stays(time.Minute, Disabled)
			wantCause(t, r.lastEnd(), PortUnneeded, "reload")
			if s := r.snap(); !strings.HasPrefix(s.Reason, "disabled by the operator") {
				t.Error(s.Reason)
			}
			back(r)
		})
	})
	t.Run("a drain that was taken back", func(t *testing.T) {
		bubble(t, FakeOptions{}, nil, func(r *rig) {
			r.within(time.Second, Listening)
			r.ring()
			if err := errors.Join(r.mgr.Drain(ctx, r.cfg.Name), r.mgr.Enable(ctx, r.cfg.Name)); err != nil {
				t.Fatal(err)
			}
			reload(r)
			r.within(2*time.Second, Listening)
		})
	})
	t.Run("a window cut short", func(t *testing.T) {
		bubble(t, FakeOptions{}, windowed, func(r *rig) {
			r.within(time.Second, Listening)
			time.Sleep(155 * time.Minute)
			r.within(0, Disabled)
			back(r)
			r.stays(20*time.Minute, Listening)
		})
	})
	t.Run("quarantine is forgotten", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) { r.modem.answers["ATS0=0"] = "\r\nERROR\r\n" }, func(r *rig) {
			r.within(time.Minute, Quarantined)
			r.modem.set(func(m *fakeModem) { clear(m.answers) })
			reload(r)
			r.within(2*time.Second, Listening)
		})
	})
	t.Run("said while the reload runs", func(t *testing.T) {
		bubble(t, FakeOptions{}, nil, func(r *rig) {
			r.within(time.Second, Listening)
			old := r.mgr.line(r.cfg.Name)
			reload(r)
			if err := old.ask(ctx, request{ev: evDisable, why: "too late"}); !errors.Is(err, ErrStopped) {
				t.Errorf("the line that was replaced says %v", err)
			}
			said := make(chan error)
			go func() { said <- r.mgr.Disable(ctx, r.cfg.Name) }()
			reload(r)
			if err := <-said; err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			r.stays(time.Minute, Disabled)
		})
	})
}

// TestDrainInMaintenance: an operator who wants the line off gets that in a window too, whichever way he says it.
func TestDrainInMaintenance(t *testing.T) {
	bubble(t, FakeOptions{}, windowed, func(r *rig) {
		r.within(time.Second, Listening)
		time.Sleep(155 * time.Minute)
		r.within(0, Disabled)
		if err := r.mgr.Drain(context.Background(), r.cfg.Name); err != nil {
			t.Fatal(err)
		}
		r.stays(2*time.Hour, Disabled)
		if s := r.snap(); !strings.HasPrefix(s.Reason, "disabled by the operator") {
			t.Error(s.Reason)
		}
		if err := r.mgr.Drain(context.Background(), r.cfg.Name); !errors.Is(err, ErrNotNow) {
			t.Errorf("a second time: %v", err)
		}
	})
}

// TestOffHookBefore: a modem that may have been left off hook before this line was made is put back on hook first.
func TestOffHookBefore(t *testing.T) {
	bubble(t, FakeOptions{}, busy, func(r *rig) {
		r.within(time.Second, Listening)
		if said := strings.Join(r.modem.said(), " "); !strings.HasPrefix(said, r.cfg.Profile.Hangup.Command+" ") {
			t.Error(said)
		}
	})
}

// A device that another program has when the line first opens it changes nothing.
func TestOffHookBeforeAndBusy(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { busy(r); r.far.FailOpen(syscall.EBUSY) }, func(r *rig) {
		r.within(time.Second, Recovering)
		r.far.FailOpen(nil)
		r.within(time.Minute, Listening)
		if said := strings.Join(r.modem.said(), " "); !strings.HasPrefix(said, r.cfg.Profile.Hangup.Command+" ") {
			t.Error(said)
		}
	})
}
