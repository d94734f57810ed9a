package port

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const testBorrower = "rashost doctor, pid 7"

// lend asks for the line.
func (r *rig) lend() *Loan {
	r.t.Helper()
	n, err := r.mgr.Lend(context.Background(), r.cfg.Name, testBorrower)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// isFree says whether the device is free for who has the loan.
func isFree(n *Loan) bool {
	synctest.Wait()
	select {
	case <-n.Free():
		return true
	default:
		return false
	}
}

// An idle line is lent at once: its device is closed, its reason names who has it, and afterwards it listens. Nobody else gets it meanwhile.
func TestLendIdle(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		r.cfg.BusyWhenDead = true // a modem that is lent is not taken off hook
		r.cfg.Profile.OffHook.Send = "ATH1"
	}, func(r *rig) {
		r.within(time.Second, Listening)
		n := r.lend()
		time.Sleep(time.Second)
		if s := r.snap(); s.State != Disabled || s.Reason != "lent to "+testBorrower || s.Pending != "enabled when it is given back" || !isFree(n) || r.far.State().Open {
			t.Errorf("%+v, free %v, device open %v", s, isFree(n), r.far.State().Open)
		}
		if said := strings.Join(r.modem.said(), " "); strings.Contains(said, "ATH1") {
			t.Errorf("the modem was told %s", said)
		}
		_, err := r.mgr.Lend(context.Background(), r.cfg.Name, "another one")
		if !errors.Is(err, ErrNotNow) || !strings.Contains(err.Error(), "lent to "+testBorrower) {
			t.Errorf("lent twice: %v", err)
		}
		for _, ask := range []func(context.Context, string) error{r.mgr.Enable, r.mgr.Reset, r.mgr.Hangup} {
			if err := ask(context.Background(), r.cfg.Name); !errors.Is(err, ErrNotNow) || !strings.Contains(err.Error(), "lent to "+testBorrower) {
				t.Errorf("%v", err)
			}
		}
		r.stays(time.Hour, Disabled)
		n.Return()
		n.Return()
		r.within(time.Second, Listening)
	})
}

// What the operator wants of the line, before and while it is lent, is what it does afterwards.
func TestLendKeepsTheOperatorsWish(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name          string
		before, while func(m *Manager, ctx context.Context, name string) error
		pending       string
		after         State
		reason        string
	}{
		{"disabled before", (*Manager).Disable, nil, "disabled when it is given back", Disabled, "disabled by the operator"},
		{"disabled meanwhile", nil, (*Manager).Disable, "disabled when it is given back", Disabled, "disabled by the operator"},
		{"drained meanwhile", nil, (*Manager).Drain, "disabled when it is given back", Disabled, "disabled by the operator when it was idle"},
		{"enabled meanwhile", (*Manager).Disable, (*Manager).Enable, "enabled when it is given back", Listening, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, FakeOptions{}, nil, func(r *rig) {
				r.within(time.Second, Listening)
				if c.before != nil && c.before(r.mgr, ctx, r.cfg.Name) != nil {
					t.Fatal("refused")
				}
				n := r.lend()
				if !isFree(n) {
					t.Fatal("not free")
				}
				if c.while != nil {
					if err := c.while(r.mgr, ctx, r.cfg.Name); err != nil {
						t.Fatal(err)
					}
					if err := c.while(r.mgr, ctx, r.cfg.Name); !errors.Is(err, ErrNotNow) {
						t.Errorf("a second time: %v", err)
					}
				}
				if s := r.snap(); s.State != Disabled || s.Reason != "lent to "+testBorrower || s.Pending != c.pending {
					t.Errorf("%+v", s)
				}
				n.Return()
				if s := r.within(time.Second, c.after); s.Reason != c.reason && c.after == Disabled || s.Pending != "" {
					t.Errorf("%+v", s)
				}
				r.stays(time.Hour, c.after)
			})
		})
	}
}

// A call is not disturbed: the line is lent when it is over, drained or not, unless the loan is not waited for any more.
func TestLendAfterTheCall(t *testing.T) {
	for _, c := range []struct {
		name             string
		drained, givesUp bool
		pending          string
		afterCall, after State
		lent             bool
	}{
		{"lent", false, false, "lent to " + testBorrower + " when the call is over", Disabled, Listening, true},
		{"lent, drained", true, false, "disabled when the call is over, and lent to " + testBorrower, Disabled, Disabled, true},
		{"given up", false, true, "", Listening, Listening, false},
		{"given up, drained", true, true, "disabled when the call is over", Disabled, Disabled, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, FakeOptions{}, nil, func(r *rig) {
				r.within(time.Second, Listening)
				r.ring()
				if c.drained && r.mgr.Drain(context.Background(), r.cfg.Name) != nil {
					t.Fatal("refused")
				}
				n := r.lend()
				r.stays(time.Minute, Dialog)
				if isFree(n) {
					t.Error("free during the call")
				}
				if c.givesUp {
					n.Return()
				}
				if s := r.snap(); s.State != Dialog || s.Pending != c.pending {
					t.Errorf("%+v", s)
				}
				r.say("\r\nRING\r\n") // noise in a call; counted, it does not keep the line
				r.modem.lose("\r\nNO CARRIER\r\n")
				r.within(2*time.Second, c.afterCall)
				time.Sleep(time.Second)
				if isFree(n) != c.lent || strings.HasPrefix(r.snap().Reason, "lent") != c.lent {
					t.Errorf("free %v: %+v", isFree(n), r.snap())
				}
				n.Return()
				r.within(time.Second, c.after)
				r.stays(time.Hour, c.after)
			})
		})
	}
}

// A line that is drained in a call whose device is pulled out is disabled, and a lent one is lent.
func TestDrainedLineLosesItsDevice(t *testing.T) {
	for _, c := range []struct{ drained, lent bool }{{true, false}, {false, true}, {true, true}} {
		bubble(t, FakeOptions{}, nil, func(r *rig) {
			lent := c.lent
			r.within(time.Second, Listening)
			r.ring()
			var n *Loan
			if c.drained {
				if err := r.mgr.Drain(context.Background(), r.cfg.Name); err != nil {
					t.Fatal(err)
				}
			}
			if lent {
				n = r.lend()
			}
			r.vanish()
			r.within(time.Second, Disabled)
			if lent && !isFree(n) {
				t.Error("not free")
			}
			r.stays(time.Minute, Disabled)
			if lent {
				n.Return()
			}
			if !c.drained {
				r.within(time.Second, Absent)
			} else {
				r.stays(time.Minute, Disabled)
			}
		})
	}
}

// In whatever state a line without a call is, it can be lent and comes back.
func TestLendInEveryState(t *testing.T) {
	for _, d := range []time.Duration{0, time.Second, 6 * time.Second, 7 * time.Second, time.Minute, 3 * time.Minute, 5 * time.Minute} {
		bubble(t, FakeOptions{}, func(r *rig) { r.modem.mute = true }, func(r *rig) {
			time.Sleep(d)
			n := r.lend()
			time.Sleep(openLimit)
			if s := r.snap(); s.State != Disabled || !isFree(n) {
				t.Errorf("after %s: %+v", d, s)
			}
			r.modem.set(func(m *fakeModem) { m.mute = false })
			n.Return()
			r.within(time.Minute, Listening)
		})
	}
}

// A window that ends while the line is lent ends when it is given back, and one that goes on goes on.
func TestLendInMaintenance(t *testing.T) {
	for _, c := range []struct {
		lent  time.Duration
		after State
	}{{10 * time.Minute, Disabled}, {2 * time.Hour, Listening}} {
		bubble(t, FakeOptions{}, func(r *rig) {
			now := time.Now() // midnight in a bubble
			r.cfg.Maintenance = &Maintenance{Hour: now.Hour(), Minute: now.Minute(), For: time.Hour}
		}, func(r *rig) {
			was := r.within(time.Second, Disabled)
			n := r.lend()
			r.stays(c.lent, Disabled)
			if s := r.snap(); s.Reason != "lent to "+testBorrower {
				t.Errorf("%+v", s)
			}
			n.Return()
			if s := r.within(time.Second, c.after); c.after == Disabled && (s.Reason != was.Reason || s.NextTry != was.NextTry) {
				t.Errorf("%+v, before %+v", s, was)
			}
			if c.after == Disabled {
				r.within(time.Hour, Listening)
			}
		})
	}
}

// A loan ends with its line; the line that follows does not know of it.
func TestLoanEndsWithTheLine(t *testing.T) {
	bubble(t, FakeOptions{}, nil, func(r *rig) {
		r.within(time.Second, Listening)
		n := r.lend()
		r.cfg.Rings = 2
		r.apply()
		r.within(time.Second, Listening)
		select {
		case <-n.Ended():
		default:
			t.Error("the loan has not ended")
		}
		n.Return()
		r.stays(time.Second, Listening)
	})
}
