package port

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata" // the zones of the tests, whatever the machine has
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// TestMaintenanceWindow: what the window is, over midnight and over both changes of the clocks.
func TestMaintenanceWindow(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	at := func(text string) time.Time {
		tm, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return tm.In(berlin)
	}
	sunday := []time.Weekday{time.Sunday}
	for _, c := range []struct {
		name            string
		m               Maintenance
		now, start, end string
	}{
		{"before", Maintenance{Hour: 3, Minute: 30, For: 30 * time.Minute}, "2026-06-01T03:00:00+02:00", "2026-06-01T03:30:00+02:00", "2026-06-01T04:00:00+02:00"},
		{"in it", Maintenance{Hour: 3, Minute: 30, For: 30 * time.Minute}, "2026-06-01T03:59:59+02:00", "2026-06-01T03:30:00+02:00", "2026-06-01T04:00:00+02:00"},
		{"at its end", Maintenance{Hour: 3, Minute: 30, For: 30 * time.Minute}, "2026-06-01T04:00:00+02:00", "2026-06-02T03:30:00+02:00", "2026-06-02T04:00:00+02:00"},
		{"over midnight", Maintenance{Hour: 23, For: 2 * time.Hour}, "2026-06-02T00:30:00+02:00", "2026-06-01T23:00:00+02:00", "2026-06-02T01:00:00+02:00"},
		{"on sundays", Maintenance{Hour: 3, For: time.Hour, Days: sunday}, "2026-06-01T03:30:00+02:00", "2026-06-07T03:00:00+02:00", "2026-06-07T04:00:00+02:00"},
		{"from sunday to monday", Maintenance{Hour: 23, For: 2 * time.Hour, Days: sunday}, "2026-06-01T00:30:00+02:00", "2026-05-31T23:00:00+02:00", "2026-06-01T01:00:00+02:00"},
		{"just over, a week to go", Maintenance{Hour: 3, For: time.Hour, Days: sunday}, "2026-06-07T04:00:00+02:00", "2026-06-14T03:00:00+02:00", "2026-06-14T04:00:00+02:00"},
		{"a whole day", Maintenance{Hour: 12, For: 24 * time.Hour, Days: sunday}, "2026-06-08T11:59:00+02:00", "2026-06-07T12:00:00+02:00", "2026-06-08T12:00:00+02:00"},
		{"clocks go forward meanwhile", Maintenance{Hour: 1, Minute: 30, For: 2 * time.Hour}, "2026-03-29T04:20:00+02:00", "2026-03-29T01:30:00+01:00", "2026-03-29T04:30:00+02:00"},
		{"clocks go back: the first of two", Maintenance{Hour: 2, Minute: 30, For: 30 * time.Minute}, "2026-10-25T02:45:00+02:00", "2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00"},
		{"clocks go back: not the second", Maintenance{Hour: 2, Minute: 30, For: 30 * time.Minute}, "2026-10-25T02:45:00+01:00", "2026-10-26T02:30:00+01:00", "2026-10-26T03:00:00+01:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.m.check(); err != nil {
				t.Fatal(err)
			}
			start, end := c.m.window(at(c.now))
			if !start.Equal(at(c.start)) || !end.Equal(at(c.end)) {
				t.Errorf("from %s to %s", start, end)
			}
		})
	}
	// A start that does not exist is an hour off, and there is one.
	m := Maintenance{Hour: 2, Minute: 30, For: 30 * time.Minute}
	start, _ := m.window(at("2026-03-29T00:00:00+01:00"))
	if !start.Equal(at("2026-03-29T03:30:00+02:00")) && !start.Equal(at("2026-03-29T01:30:00+01:00")) {
		t.Errorf("in the gap: %s", start)
	}
	for _, bad := range []Maintenance{{Hour: 24, For: time.Hour}, {Minute: 60, For: time.Hour}, {}, {For: 25 * time.Hour}} {
		if bad.check() == nil {
			t.Errorf("%+v passes", bad)
		}
	}
}

// windowed is a rig whose line has a window from 03:30 to 04:00 in Berlin, and the time of day there; the bubble begins at 01:00.
func windowed(r *rig) {
	r.cfg.Maintenance = &Maintenance{Hour: 3, Minute: 30, For: 30 * time.Minute}
	berlin := zone(r.t, "Europe/Berlin")
	r.mgr.clock = func() time.Time { return time.Now().In(berlin) }
}

// TestMaintenance: an idle line takes no calls in its window, says so, gives its device back, and comes back by itself.
func TestMaintenance(t *testing.T) {
	bubble(t, FakeOptions{}, windowed, func(r *rig) {
		r.within(time.Second, Listening)
		r.stays(149*time.Minute, Listening)
		s := r.within(2*time.Minute, Disabled)
		if s.Reason != "maintenance until 2000-01-01 04:00" || s.NextTry.UTC().Format("15:04:05") != "03:00:00" || r.far.State().Open {
			t.Errorf("%+v, device open: %v", s, r.far.State().Open)
		}
		r.stays(28*time.Minute, Disabled)
		r.within(2*time.Minute, Listening)
		r.ring()
		want := "the window is open: no new calls: maintenance until 2000-01-01 04:00; the window is over: the line comes back"
		if told := strings.Join(r.told(EventMaintenance), "; "); told != want {
			t.Error(told)
		}
	})
}

// TestMaintenanceWaitsForTheCall: a call in hand ends by itself, then the window holds.
func TestMaintenanceWaitsForTheCall(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		windowed(r)
		r.handler = func(ctx context.Context, c *Call) Outcome {
			c.Session("bob")
			<-ctx.Done()
			return Outcome{}
		}
	}, func(r *rig) {
		r.within(time.Second, Listening)
		r.stays(149*time.Minute, Listening)
		r.say("\r\nRING\r\n")
		r.within(time.Second, Session)
		r.stays(10*time.Minute, Session)
		if s := r.snap(); s.Pending != "maintenance when the call is over" {
			t.Errorf("pending: %q", s.Pending)
		}
		r.modem.lose("")
		s := r.within(time.Second, Disabled)
		if s.Pending != "" || !strings.HasPrefix(s.Reason, "maintenance until") {
			t.Errorf("%+v", s)
		}
		wantCause(t, r.lastEnd(), LostCarrier, "")
		time.Sleep(19 * time.Minute)
		r.within(2*time.Minute, Listening)
	})
}

// TestMaintenanceAndTheOperator: who enables the line in its window has it, until the next one; who disables it there keeps it disabled.
func TestMaintenanceAndTheOperator(t *testing.T) {
	ctx := context.Background()
	bubble(t, FakeOptions{}, windowed, func(r *rig) {
		r.within(time.Second, Listening)
		r.stays(149*time.Minute, Listening)
		r.within(2*time.Minute, Disabled)
		if err := r.mgr.Enable(ctx, r.cfg.Name); err != nil {
			t.Fatal(err)
		}
		r.within(time.Second, Listening)
		r.stays(23*time.Hour+59*time.Minute, Listening)
		r.within(2*time.Minute, Disabled)
		if err := r.mgr.Disable(ctx, r.cfg.Name); err != nil {
			t.Fatal(err)
		}
		if s := r.snap(); s.Reason != "disabled by the operator" || !s.NextTry.IsZero() {
			t.Errorf("%+v", s)
		}
		if err := r.mgr.Disable(ctx, r.cfg.Name); !errors.Is(err, ErrNotNow) {
			t.Errorf("disable of a disabled line: %v", err)
		}
		r.stays(48*time.Hour, Disabled)
	})
}

// TestMaintenanceClockIsSet: a clock that is set while the line waits is noticed within an hour.
func TestMaintenanceClockIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, FakeOptions{})
		defer r.stop()
		windowed(r)
		var off atomic.Int64
		clock := r.mgr.clock
		r.mgr.clock = func() time.Time { return clock().Add(time.Duration(off.Load())) }
		r.apply()
		r.within(time.Second, Listening)
		time.Sleep(time.Minute)
		synctest.Wait()
		off.Store(int64(100 * time.Minute)) // it is 02:41 now
		r.stays(49*time.Minute, Listening)
		time.Sleep(10 * time.Minute)
		r.within(time.Minute, Disabled)
	})
}

// TestDrain: a line without a call is disabled at once, one with a call when that has ended by itself; who enables it meanwhile keeps it.
func TestDrain(t *testing.T) {
	ctx := context.Background()
	bubble(t, FakeOptions{}, nil, func(r *rig) {
		drain := func() {
			t.Helper()
			if err := r.mgr.Drain(ctx, r.cfg.Name); err != nil {
				t.Fatal(err)
			}
		}
		enable := func() {
			t.Helper()
			if err := r.mgr.Enable(ctx, r.cfg.Name); err != nil {
				t.Fatal(err)
			}
		}
		r.within(time.Second, Listening)
		drain()
		r.within(0, Disabled)
		if err := r.mgr.Drain(ctx, r.cfg.Name); !errors.Is(err, ErrNotNow) {
			t.Errorf("drain of a disabled line: %v", err)
		}
		enable()
		r.within(time.Second, Listening)
		r.ring()
		if err := r.mgr.Enable(ctx, r.cfg.Name); !errors.Is(err, ErrNotNow) {
			t.Errorf("enable of a line that is enabled: %v", err)
		}
		drain()
		drain()
		r.stays(time.Minute, Dialog)
		if s := r.snap(); s.Pending != "disabled when the call is over" {
			t.Errorf("%+v", s)
		}
		enable()
		if s := r.snap(); s.Pending != "" {
			t.Errorf("%+v", s)
		}
		r.modem.lose("")
		r.within(time.Second, Listening)
		r.ring()
		drain()
		r.modem.lose("")
		s := r.within(time.Second, Disabled)
		if s.Pending != "" || r.far.State().Open {
			t.Errorf("%+v", s)
		}
		wantCause(t, r.lastEnd(), LostCarrier, "")
		r.stays(time.Hour, Disabled)
		enable()
		r.within(time.Second, Listening)
		if told := strings.Join(r.told(EventDrain), "; "); !strings.Contains(told, "the line takes no new calls: it is disabled when") ||
			!strings.Contains(told, "the line stays in service") {
			t.Error(told)
		}
	})
	t.Run("while hanging up", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) { r.handler = once }, func(r *rig) {
			r.within(time.Second, Listening)
			r.say("\r\nRING\r\n")
			r.within(time.Second, HangingUp)
			if err := r.mgr.Drain(ctx, r.cfg.Name); err != nil {
				t.Fatal(err)
			}
			r.within(time.Second, Disabled)
			if err := r.mgr.Enable(ctx, r.cfg.Name); err != nil {
				t.Fatal(err)
			}
			r.within(2*time.Second, Listening)
		})
	})
}
