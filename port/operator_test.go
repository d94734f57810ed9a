package port

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestOperator(t *testing.T) {
	ctx := context.Background()
	t.Run("hangup", func(t *testing.T) {
		var h readAll
		bubble(t, FakeOptions{}, func(r *rig) { r.handler = h.serve }, func(r *rig) {
			r.within(time.Second, Listening)
			if err := r.mgr.Hangup(ctx, r.cfg.Name); !errors.Is(err, ErrNotNow) {
				t.Errorf("hangup without a call: %v", err)
			}
			r.ring()
			if err := r.mgr.Hangup(ctx, r.cfg.Name); err != nil {
				t.Fatal(err)
			}
			r.within(time.Second, Listening)
			wantCause(t, r.lastEnd(), AdminReset, "hung up by the operator")
			if !errors.Is(h.cause, ErrHangup) || !errors.Is(h.err, ErrHangup) {
				t.Errorf("the handler saw %v, read %v", h.cause, h.err)
			}
		})
	})
	t.Run("disable and enable", func(t *testing.T) {
		bubble(t, FakeOptions{}, nil, func(r *rig) {
			r.within(time.Second, Listening)
			if err := r.mgr.Enable(ctx, r.cfg.Name); !errors.Is(err, ErrNotNow) {
				t.Errorf("enable of a line that is enabled: %v", err)
			}
			r.ring()
			if err := r.mgr.Disable(ctx, r.cfg.Name); err != nil {
				t.Fatal(err)
			}
			s := r.within(time.Second, Disabled)
			wantCause(t, r.lastEnd(), AdminReset, "disabled by the operator")
			if r.far.State().Open || s.Reason == "" {
				t.Errorf("disabled: device open %v, reason %q", r.far.State().Open, s.Reason)
			}
			r.stays(time.Hour, Disabled)
			if err := r.mgr.Enable(ctx, r.cfg.Name); err != nil {
				t.Fatal(err)
			}
			r.within(time.Second, Listening)
		})
	})
	t.Run("reset", func(t *testing.T) {
		var h readAll
		bubble(t, FakeOptions{}, func(r *rig) { r.handler = h.serve }, func(r *rig) {
			r.within(time.Second, Listening)
			r.ring()
			if err := r.mgr.Reset(ctx, r.cfg.Name); err != nil {
				t.Fatal(err)
			}
			r.within(time.Second, Listening)
			wantCause(t, r.lastEnd(), AdminReset, "reset")
			if !errors.Is(h.cause, ErrReset) {
				t.Errorf("the handler saw %v", h.cause)
			}
			if n := r.far.State().Opens; n != 2 {
				t.Errorf("%d opens", n)
			}
			if err := r.mgr.Reset(ctx, r.cfg.Name); err != nil {
				t.Fatal(err)
			}
			r.within(0, Opening)
			r.within(time.Second, Listening)
		})
	})
	t.Run("reset tries at once", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) { r.modem.mute = true }, func(r *rig) {
			r.within(4*time.Minute, Quarantined)
			r.modem.set(func(m *fakeModem) { m.mute = false })
			if err := r.mgr.Reset(ctx, r.cfg.Name); err != nil {
				t.Fatal(err)
			}
			r.within(time.Second, Listening)
		})
	})
	t.Run("no such line", func(t *testing.T) {
		bubble(t, FakeOptions{}, nil, func(r *rig) {
			if err := r.mgr.Hangup(ctx, "modem9"); !errors.Is(err, ErrNoLine) {
				t.Error(err)
			}
			if _, ok := r.mgr.Line("modem9"); ok {
				t.Error("found a line that is not there")
			}
		})
	})
}

// TestOperatorWhileHangingUp: requests in the middle of a hang-up are honoured at its end, without another hang-up.
func TestOperatorWhileHangingUp(t *testing.T) {
	for _, c := range []struct {
		ask  func(m *Manager) error
		next State
	}{
		{func(m *Manager) error { return m.Disable(context.Background(), "modem1") }, Disabled},
		{func(m *Manager) error { return m.Reset(context.Background(), "modem1") }, Opening},
	} {
		for _, lent := range []bool{false, true} {
			bubble(t, FakeOptions{}, func(r *rig) {
				r.handler = func(ctx context.Context, _ *Call) Outcome {
					<-ctx.Done()
					if lent {
						time.Sleep(300 * time.Millisecond)
					}
					return Outcome{}
				}
			}, func(r *rig) {
				r.within(time.Second, Listening)
				r.ring()
				r.modem.lose("")
				r.within(time.Second, HangingUp)
				if err := c.ask(r.mgr); err != nil {
					t.Fatal(err)
				}
				r.within(400*time.Millisecond, c.next)
			})
		}
	}
}

func TestReload(t *testing.T) {
	ctx := context.Background()
	t.Run("equal lines keep their call", func(t *testing.T) {
		bubble(t, FakeOptions{}, nil, func(r *rig) {
			r.within(time.Second, Listening)
			r.ring()
			same := r.cfg
			same.Profile = testProfile() // equal, not identical
			if err := r.mgr.Apply(ctx, []LineConfig{same}); err != nil {
				t.Fatal(err)
			}
			r.stays(time.Minute, Dialog)
		})
	})
	t.Run("changed lines end their call", func(t *testing.T) {
		var h readAll
		bubble(t, FakeOptions{}, func(r *rig) { r.handler = h.serve }, func(r *rig) {
			r.within(time.Second, Listening)
			r.ring()
			r.cfg.Rings = 2
			r.apply()
			r.within(2*time.Second, Listening)
			wantCause(t, r.lastEnd(), PortUnneeded, "reload")
			if !errors.Is(h.cause, ErrRemoved) {
				t.Errorf("the handler saw %v", h.cause)
			}
			if s := r.far.State(); s.DTRDrops != 1 {
				t.Errorf("DTR dropped %d times", s.DTRDrops)
			}
		})
	})
	t.Run("removed", func(t *testing.T) {
		bubble(t, FakeOptions{}, nil, func(r *rig) {
			r.within(time.Second, Listening)
			if err := r.mgr.Apply(ctx, nil); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if len(r.mgr.Lines()) != 0 || r.far.State().Open {
				t.Error("the line is still there")
			}
		})
	})
	t.Run("faults change nothing", func(t *testing.T) {
		bubble(t, FakeOptions{}, nil, func(r *rig) {
			r.within(time.Second, Listening)
			twice, bad := r.cfg, r.cfg
			bad.Name, bad.Carrier = "modem2", "perhaps"
			err := r.mgr.Apply(ctx, []LineConfig{r.cfg, twice, bad})
			if err == nil || !strings.Contains(err.Error(), "used twice") || !strings.Contains(err.Error(), `"perhaps"`) {
				t.Errorf("error: %v", err)
			}
			r.stays(time.Second, Listening)
		})
	})
}

// TestReplacedLineWaits: the new line opens the device only when the old one has given it back and DTR was low long enough.
func TestReplacedLineWaits(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		r.handler = func(ctx context.Context, _ *Call) Outcome {
			<-ctx.Done()
			time.Sleep(2 * time.Second)
			return Outcome{}
		}
	}, func(r *rig) {
		r.within(time.Second, Listening)
		r.ring()
		r.cfg.Name, r.cfg.Rings = "other", 2
		r.apply()
		r.stays(2400*time.Millisecond, Opening)
		r.within(200*time.Millisecond, Listening)
		if s := r.snap(); s.Reason != "" {
			t.Errorf("reason: %s", s.Reason)
		}
	})
}

func TestShutdown(t *testing.T) {
	t.Run("the caller is told", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) {
			r.handler = func(ctx context.Context, c *Call) Outcome {
				<-ctx.Done()
				if !errors.Is(context.Cause(ctx), ErrShutdown) {
					t.Errorf("cause: %v", context.Cause(ctx))
				}
				time.Sleep(time.Second)
				if _, err := c.Write([]byte("bye\r\n")); err != nil {
					t.Errorf("write within the grace: %v", err)
				}
				time.Sleep(time.Millisecond) // on the wire
				return Outcome{Cause: AdminReboot, Reason: "told"}
			}
		}, func(r *rig) {
			r.within(time.Second, Listening)
			r.ring()
			start := time.Now()
			r.stop()
			if d := time.Since(start); d > 2*time.Second {
				t.Errorf("the shutdown took %s", d)
			}
			wantCause(t, r.lastEnd(), AdminReboot, "told")
			if s := r.modem.data.String(); s != "bye\r\n" {
				t.Errorf("the caller saw %q", s)
			}
		})
	})
	t.Run("cut off after the grace", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) {
			r.handler = func(_ context.Context, c *Call) Outcome {
				for {
					if _, err := c.Read(make([]byte, 1)); err != nil {
						if !errors.Is(err, ErrShutdown) {
							t.Errorf("read: %v", err)
						}
						return Outcome{}
					}
				}
			}
		}, func(r *rig) {
			r.within(time.Second, Listening)
			r.ring()
			r.stop()
			wantCause(t, r.lastEnd(), AdminReboot, "grace")
		})
	})
	t.Run("cut off when ctx ends", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) {
			r.handler = func(_ context.Context, c *Call) Outcome {
				_, err := c.Read(make([]byte, 1))
				_ = err
				return Outcome{}
			}
		}, func(r *rig) {
			r.within(time.Second, Listening)
			r.ring()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			start := time.Now()
			if err := r.mgr.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("shutdown: %v", err)
			}
			if d := time.Since(start); d > 2*time.Second {
				t.Errorf("the shutdown took %s", d)
			}
			if err := r.mgr.Apply(context.Background(), nil); !errors.Is(err, ErrStopped) {
				t.Errorf("apply: %v", err)
			}
		})
	})
	t.Run("in every state", func(t *testing.T) {
		for _, d := range []time.Duration{0, time.Second, 6 * time.Second, 7 * time.Second, time.Minute, 3 * time.Minute} {
			bubble(t, FakeOptions{}, func(r *rig) { r.modem.mute = true }, func(*rig) { time.Sleep(d) })
		}
		bubble(t, FakeOptions{}, func(r *rig) { r.vanish() }, func(r *rig) { r.stays(time.Second, Absent) })
	})
}

func TestSnapshotOfManyLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, FakeOptions{})
		defer r.stop()
		r.mgr = NewManager(ManagerOptions{Handler: r, Observer: r, Open: func(c LineConfig) (Opener, error) {
			if c.Device == "bad" {
				return nil, os.ErrPermission
			}
			return NewFake(c.Device, FakeOptions{}), nil
		}})
		lines := []LineConfig{{Name: "b", Device: "1"}, {Name: "a", Device: "2"}, {Name: "c", Device: "3", Carrier: CarrierRequired}}
		if err := r.mgr.Apply(context.Background(), lines); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		var names []string
		for _, s := range r.mgr.Lines() {
			names = append(names, s.Name+" "+s.Modem+" "+string(s.State)+" "+s.Condition)
		}
		if got := strings.Join(names, ", "); got != "b none listening LISTENING, a none listening LISTENING, c none listening LISTENING" {
			t.Error(got)
		}
		if err := r.mgr.Apply(context.Background(), []LineConfig{{Name: "x", Device: "bad"}}); !errors.Is(err, os.ErrPermission) {
			t.Error(err)
		}
		r.stop()
	})
}
