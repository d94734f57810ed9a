package dialog

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"rashost/plugin"
)

// defers makes End answer NO_ERROR.
func defers(plugin.HPORT) plugin.Code { return plugin.NoError }

func TestE1_EndIsCalledOnceAndNotInsideComplete(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		returned := make(chan struct{}) // Complete has returned: a plugin may hold a lock until then
		r.p.onEnd = func(plugin.HPORT) plugin.Code {
			<-returned
			return plugin.ErrorPortDisconnected
		}
		d.complete(plugin.Success, 0, "eric")
		close(returned)
		check(t, d.wait(), Completed, plugin.Success, 0, 0)
		if n := r.p.endCalls(d.b.HPort); n != 1 {
			t.Errorf("End was called %d times, want once", n)
		}
	})
}

func TestE1_EndIsCalledOnceOnAbort(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		r.line.hangUp(io.EOF)
		check(t, d.wait(), Dropped, 0, plugin.ErrorPortDisconnected, 0)
		synctest.Wait()
		if n := r.p.endCalls(d.b.HPort); n != 1 {
			t.Errorf("End was called %d times, want once", n)
		}
	})
}

func TestE2_NoEndAfterARefusedBegin(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.p.onBegin = func(plugin.Begin) plugin.Code { return plugin.ErrorUnknown }
		o := r.run(r.line).wait()
		check(t, o, BeginRefused, plugin.Error, plugin.ErrorUnknown, plugin.EventSecurityInternal)
		synctest.Wait()
		if n := r.p.endCalls(o.HPort); n != 0 {
			t.Errorf("End was called %d times", n)
		}
	})
}

func TestE2_DropWhileBeginRunsThenRefused(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		release := make(chan struct{})
		r.p.onBegin = func(plugin.Begin) plugin.Code { <-release; return plugin.ErrorUnknown }
		d := r.start()
		r.line.hangUp(io.EOF)
		check(t, d.wait(), Dropped, 0, plugin.ErrorPortDisconnected, 0)
		close(release)
		synctest.Wait()
		if n := r.p.endCalls(d.b.HPort); n != 0 {
			t.Errorf("End was called %d times", n)
		}
	})
}

func TestE1_EndIsCalledWhenBeginOpensAfterADrop(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		release := make(chan struct{})
		r.p.onBegin = func(plugin.Begin) plugin.Code { <-release; return plugin.NoError }
		d := r.start()
		r.line.hangUp(io.EOF)
		check(t, d.wait(), Dropped, 0, plugin.ErrorPortDisconnected, 0)
		if n := r.p.endCalls(d.b.HPort); n != 0 {
			t.Error("End was called before Begin had returned")
		}
		close(release)
		synctest.Wait()
		if n := r.p.endCalls(d.b.HPort); n != 1 {
			t.Errorf("End was called %d times, want once", n)
		}
	})
}

func TestE3_FirstCompleteAfterADeferralCloses(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.p.onEnd = defers
		d := r.start()
		d.complete(plugin.Success, 0, "eric")
		time.Sleep(10 * time.Second)
		if d.over() {
			t.Fatal("Run returned during the deferral")
		}
		d.complete(plugin.Success, 0, "eric")
		check(t, d.wait(), Completed, plugin.Success, 0, 0)
		d.complete(plugin.Failure, 0, "eric")
		if n := r.p.endCalls(d.b.HPort); n != 1 {
			t.Errorf("End was called %d times, want once", n)
		}
		if s := r.host.Stats(); s.LateCalls != 1 {
			t.Errorf("LateCalls = %d, want 1", s.LateCalls)
		}
	})
}

func TestE3_CompleteWhileEndRunsIsTheOneOwed(t *testing.T) {
	for _, answer := range []plugin.Code{plugin.NoError, plugin.ErrorPortDisconnected} {
		in(t, func(t *testing.T, r *rig) {
			d := r.start()
			r.p.onEnd = func(plugin.HPORT) plugin.Code {
				d.complete(plugin.Failure, 0, "eric")
				return answer
			}
			d.complete(plugin.Success, 0, "eric")
			o := d.wait()
			if answer == plugin.NoError { // it was owed, and worsens the verdict
				check(t, o, Completed, plugin.Failure, 0, plugin.EventSecurityFailure)
			} else { // it was not
				check(t, o, Completed, plugin.Success, 0, 0)
			}
		})
	}
}

func TestE4_DeferralDeadline(t *testing.T) {
	for name, onEnd := range map[string]func(plugin.HPORT) plugin.Code{
		"deferred":      defers,
		"never returns": func(plugin.HPORT) plugin.Code { time.Sleep(time.Hour); return plugin.NoError },
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, r *rig) {
				r.p.onEnd = onEnd
				d := r.start()
				start := time.Now()
				d.complete(plugin.Success, 0, "eric")
				check(t, d.wait(), EndOverdue, plugin.Error, plugin.ErrorRequestTimeout, plugin.EventSecurityInternal)
				if took := time.Since(start); took != 30*time.Second {
					t.Errorf("forced after %v, want 30s", took)
				}
				if c := r.host.DialogSend(d.b.HPort, []byte("x")); c != plugin.ErrorInvalidPortHandle {
					t.Errorf("Send afterwards = %v", c)
				}
				if bad := len(r.host.Stats().Unhealthy); (bad == 1) != (name == "never returns") {
					t.Errorf("%d unhealthy plugins", bad)
				}
			})
		})
	}
}

func TestE4_DeferralDeadlineAfterAbort(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.p.onEnd = defers
		r.o.EndGrace = time.Minute
		d := r.start()
		r.line.hangUp(io.EOF)
		d.wait()
		time.Sleep(time.Minute - time.Nanosecond)
		synctest.Wait()
		if s := r.host.Stats(); s.Open != 1 || s.Deferred != 1 {
			t.Errorf("%+v, want one open and deferred", s)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if s := r.host.Stats(); s.Open != 0 || s.Deferred != 0 {
			t.Errorf("%+v after the grace, want none", s)
		}
		if r.log.count("event=20098", "code=638") != 1 {
			t.Error("event 20098 was not logged once")
		}
	})
}

func TestE5_SecondCompleteKeepsOrWorsens(t *testing.T) {
	type said struct {
		v      plugin.Verdict
		user   string
		domain string
	}
	for _, c := range []struct {
		name          string
		first, second said
		want          plugin.Verdict
		code          plugin.Code
		ev            plugin.EventID
	}{
		{"success twice", said{1, "eric", "A"}, said{1, "ERIC", "a"}, plugin.Success, 0, 0},
		{"another user", said{1, "eric", ""}, said{1, "root", ""}, plugin.Error, 87, 20098},
		{"another domain", said{1, "eric", "A"}, said{1, "eric", "B"}, plugin.Error, 87, 20098},
		{"not by Unicode case", said{1, "k", "K"}, said{1, "k", "\u212a"}, plugin.Error, 87, 20098},
		{"worse", said{1, "eric", ""}, said{2, "eric", ""}, plugin.Failure, 0, 20097},
		{"worse, without a name", said{1, "eric", ""}, said{2, "", ""}, plugin.Failure, 0, 20097},
		{"worst", said{1, "eric", ""}, said{3, "", ""}, plugin.Error, 635, 20098},
		{"failure then error", said{2, "eric", ""}, said{3, "", ""}, plugin.Error, 635, 20098},
		{"never better", said{2, "eric", ""}, said{1, "eric", ""}, plugin.Failure, 0, 20097},
		{"never better than error", said{3, "", ""}, said{2, "eric", ""}, plugin.Error, 635, 20098},
		{"success without a name", said{1, "eric", ""}, said{1, "", ""}, plugin.Error, 87, 20098},
	} {
		t.Run(c.name, func(t *testing.T) {
			in(t, func(t *testing.T, r *rig) {
				r.p.onEnd = defers
				d := r.start()
				for _, s := range []said{c.first, c.second} {
					d.b.Complete(plugin.NewMessage(d.b.HPort, s.v, 0, s.user, s.domain))
					synctest.Wait()
				}
				o := d.wait()
				check(t, o, Completed, c.want, c.code, c.ev)
				if c.want != plugin.Error && o.User != "eric" {
					t.Errorf("user %q", o.User)
				}
			})
		})
	}
}

func TestE6_NothingGrantsAfterAnAbort(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.p.onEnd = defers
		d := r.start()
		r.line.hangUp(io.EOF)
		check(t, d.wait(), Dropped, 0, plugin.ErrorPortDisconnected, 0)
		synctest.Wait()
		d.complete(plugin.Success, 0, "eric")
		synctest.Wait()
		if s := r.host.Stats(); s.Open != 0 {
			t.Errorf("Open = %d: the Complete did not close the transaction", s.Open)
		}
		if r.log.count("success", "line was gone") != 1 {
			t.Error("the late message was not logged")
		}
	})
}

func TestE7_AbortReturnsAtOnce(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.p.onEnd = func(plugin.HPORT) plugin.Code { time.Sleep(10 * time.Second); return plugin.NoError }
		d := r.start()
		start := time.Now()
		r.line.hangUp(io.EOF)
		d.wait()
		if took := time.Since(start); took != 0 {
			t.Errorf("Run returned %v after the drop", took)
		}
		next := r.run(newLine()) // the line is listening again while the dead HPORT lives on
		next.b = <-r.p.begun
		if c := r.host.DialogSend(d.b.HPort, []byte("x")); c != plugin.ErrorPortDisconnected {
			t.Errorf("Send on the HPORT without a line = %v", c)
		}
		time.Sleep(11 * time.Second)
		d.complete(plugin.Error, 0, "")
		synctest.Wait()
		if s := r.host.Stats(); s.Open != 1 {
			t.Errorf("Open = %d, want only the next dialog", s.Open)
		}
		next.complete(plugin.Failure, 0, "nobody")
		synctest.Wait()
		next.complete(plugin.Failure, 0, "nobody")
		if next.wait(); next.line.output() != "" {
			t.Error("the next caller got a byte of the last dialog")
		}
	})
}

func TestE7_TheCallerWaitsDuringADeferral(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.p.onEnd = defers
		d := r.start()
		d.complete(plugin.Success, 0, "eric")
		synctest.Wait()
		if c := r.host.DialogSend(d.b.HPort, []byte("one moment\r\n")); c != plugin.Pending {
			t.Errorf("Send during the deferral = %v", c)
		}
		rc := d.receive(1, 0)
		r.line.typed("x")
		if got := rc.text(); got != "x" || r.line.output() != "one moment\r\n" {
			t.Errorf("received %q, sent %q", got, r.line.output())
		}
		d.complete(plugin.Success, 0, "eric")
		check(t, d.wait(), Completed, plugin.Success, 0, 0)
	})
}

func TestE7_DropDuringADeferral(t *testing.T) {
	for first, want := range map[plugin.Verdict]plugin.Verdict{plugin.Success: 0, plugin.Failure: plugin.Failure} {
		in(t, func(t *testing.T, r *rig) {
			r.p.onEnd = defers
			d := r.start()
			d.complete(first, 0, "eric")
			synctest.Wait()
			r.line.hangUp(io.EOF)
			if o := d.wait(); o.Ended != Dropped || o.Verdict != want || o.Granted() {
				t.Errorf("%v, verdict %v", o.Ended, o.Verdict)
			}
			d.complete(first, 0, "eric")
		})
	}
}

func TestE8_CallsAfterTheEnd(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		d.end()
		if c := r.host.DialogSend(d.b.HPort, []byte("x")); c != plugin.ErrorInvalidPortHandle {
			t.Errorf("Send = %v", c)
		}
		rc := d.receive(1, 0)
		if rc.code != plugin.ErrorInvalidPortHandle || rc.set() {
			t.Errorf("Receive = %v", rc.code)
		}
		if r.host.Go(d.b.HPort, func(context.Context) { t.Error("a worker ran on a dead HPORT") }) {
			t.Error("Go = true")
		}
		if s := r.host.Stats(); s.LateCalls != 3 {
			t.Errorf("LateCalls = %d, want 3", s.LateCalls)
		}
	})
}

func TestEndPanics(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.p.onEnd = func(plugin.HPORT) plugin.Code { panic("boom") }
		d := r.start()
		d.complete(plugin.Success, 0, "eric")
		check(t, d.wait(), Completed, plugin.Error, plugin.ErrorProcessAborted, plugin.EventSecurityInternal)
	})
}
