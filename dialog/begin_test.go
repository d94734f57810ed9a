package dialog

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"rashost/plugin"
)

func TestB1_HPortIsNeverReused(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		seen := map[plugin.HPORT]bool{0: true}
		for range 3 {
			d := r.start()
			if seen[d.b.HPort] {
				t.Errorf("HPORT %d was given out twice, or is 0", d.b.HPort)
			}
			seen[d.b.HPort] = true
			check(t, d.end(), Completed, plugin.Failure, 0, plugin.EventSecurityFailure)
		}
	})
}

func TestB1_LateCallDoesNotReachTheNextCaller(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		old := r.start()
		old.end()
		next := r.start()
		old.complete(plugin.Success, 0, "eric")
		if c := r.host.DialogSend(old.b.HPort, []byte("x")); c != plugin.ErrorInvalidPortHandle {
			t.Errorf("Send on a dead HPORT = %v", c)
		}
		if next.over() || r.line.output() != "" {
			t.Error("a late call reached the next caller")
		}
		if s := r.host.Stats(); s.LateCalls != 2 {
			t.Errorf("LateCalls = %d, want 2", s.LateCalls)
		}
		next.end()
	})
}

func TestB1_NoHPortIsLeft(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.host.issued = math.MaxUint32 - 1
		d := r.start()
		if d.b.HPort != math.MaxUint32 {
			t.Errorf("HPORT = %d, want the last one", d.b.HPort)
		}
		d.end()
		check(t, r.run(newLine()).wait(), BeginRefused, plugin.Error, plugin.ErrorOutOfBuffers, plugin.EventSecurityInternal)
		if len(r.p.begun) != 0 {
			t.Error("Begin was called without an HPORT")
		}
	})
}

func TestB2_TwoFreshBuffers(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		seen := map[*byte]bool{}
		for range 3 {
			d := r.start()
			for _, buf := range [][]byte{d.b.SendBuf, d.b.RecvBuf} {
				if len(buf) != 1500 || cap(buf) != 1500 {
					t.Errorf("a buffer has %d bytes of %d, want 1500", len(buf), cap(buf))
				}
				if seen[&buf[0]] {
					t.Error("a buffer was lent twice")
				}
				for _, c := range buf {
					if c != 0 {
						t.Fatal("a buffer is not fresh")
					}
				}
				seen[&buf[0]] = true
				buf[0] = 'x'
			}
			d.end()
		}
	})
}

func TestB3_BeginThatDoesNotReturn(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		release := make(chan struct{})
		r.p.onBegin = func(plugin.Begin) plugin.Code { <-release; return plugin.NoError }
		start := time.Now()
		hung := r.start()

		other := newPlugin() // another line is not held up meanwhile
		done := make(chan Outcome, 1)
		go func() { done <- r.host.Run(t.Context(), newLine(), other, Options{}) }()
		b := <-other.begun
		b.Complete(plugin.NewMessage(b.HPort, plugin.Success, 0, "eric", ""))
		check(t, <-done, Completed, plugin.Success, 0, 0)

		check(t, hung.wait(), BeginTimedOut, plugin.Error, plugin.ErrorRequestTimeout, plugin.EventSecurityInternal)
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("Begin was given up after %v, want 5s", d)
		}
		if s := r.host.Stats(); len(s.Unhealthy) != 1 || s.Unhealthy[0] != "*dialog.scripted" {
			t.Errorf("Unhealthy = %v", s.Unhealthy)
		}
		close(release)
		synctest.Wait()
		if n := r.p.endCalls(hung.b.HPort); n != 0 {
			t.Errorf("End was called %d times", n)
		}
	})
}

func TestB4_PendingFromBeginIsAnError(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.p.onBegin = func(plugin.Begin) plugin.Code { return plugin.Pending }
		check(t, r.run(r.line).wait(), BeginRefused, plugin.Error, plugin.Pending, plugin.EventSecurityInternal)
	})
}

func TestB5_CompleteBeforeBeginReturned(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.p.onBegin = func(b plugin.Begin) plugin.Code {
			b.Complete(plugin.NewMessage(b.HPort, plugin.Success, 0, "eric", "ACME"))
			time.Sleep(time.Millisecond)
			if n := r.p.endCalls(b.HPort); n != 0 {
				t.Error("End was called before Begin had returned")
			}
			return plugin.NoError
		}
		o := r.run(r.line).wait()
		check(t, o, Completed, plugin.Success, 0, 0)
		if o.User != "eric" || o.Domain != "ACME" {
			t.Errorf("user %q, domain %q", o.User, o.Domain)
		}
		if n := r.p.endCalls(o.HPort); n != 1 {
			t.Errorf("End was called %d times, want once", n)
		}
	})
}

func TestB5_CompleteIsDiscardedWhenBeginRefuses(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.p.onBegin = func(b plugin.Begin) plugin.Code {
			b.Complete(plugin.NewMessage(b.HPort, plugin.Success, 0, "eric", ""))
			return plugin.ErrorUnknown
		}
		check(t, r.run(r.line).wait(), BeginRefused, plugin.Error, plugin.ErrorUnknown, plugin.EventSecurityInternal)
	})
}

func TestB6_TypedAheadIsKept(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.line.typed("eric\r")
		d := r.start()
		if got := d.receive(10, 0).text(); got != "eric\r" {
			t.Errorf("received %q", got)
		}
		d.end()
	})
}

func TestB6_UnreadGoesToTheService(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		r.line.typed("y~ppp")
		if got := d.receive(1, 0).text(); got != "y" {
			t.Errorf("received %q", got)
		}
		d.complete(plugin.Success, 0, "eric")
		if o := d.wait(); string(o.Unread) != "~ppp" {
			t.Errorf("Unread = %q", o.Unread)
		}
		r.line.typed("later") // stays on the line
		synctest.Wait()
		if string(r.line.in) != "later" || !r.line.rd.IsZero() || !r.line.wd.IsZero() {
			t.Errorf("the line was touched after Run: %q, deadlines %v %v", r.line.in, r.line.rd, r.line.wd)
		}
	})
}

func TestUnreadIsNotGivenWithoutAGrant(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		r.line.typed("secret")
		synctest.Wait()
		if o := d.end(); o.Unread != nil {
			t.Errorf("Unread = %q", o.Unread)
		}
	})
}

func TestBeginPanics(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.p.onBegin = func(plugin.Begin) plugin.Code { panic("boom") }
		check(t, r.run(r.line).wait(), BeginRefused, plugin.Error, plugin.ErrorProcessAborted, plugin.EventSecurityInternal)
		if r.log.count("boom", "event=20098", "code=1067") != 1 {
			t.Error("the panic was not logged")
		}
	})
}

func TestWhatBeginSentBeforeItRefusedIsSent(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.line.block(true)
		r.p.onBegin = func(b plugin.Begin) plugin.Code {
			mustPend(t, b.Host.DialogSend(b.HPort, []byte("closed today\r\n")))
			return plugin.ErrorUnknown
		}
		d := r.run(r.line)
		time.Sleep(time.Second)
		r.line.block(false)
		d.wait()
		if got := r.line.output(); got != "closed today\r\n" {
			t.Errorf("sent %q", got)
		}
	})
}
