package dialog

import (
	"context"
	"errors"
	"io"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rashost/plugin"
)

func TestWorkerPanics(t *testing.T) {
	for name, work := range map[string]func(context.Context){
		"panic":  func(context.Context) { panic("secret\x1b[2J" + strings.Repeat("x", 10000)) },
		"goexit": func(context.Context) { runtime.Goexit() },
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, r *rig) {
				d := r.start()
				if !r.host.Go(d.b.HPort, work) {
					t.Fatal("Go = false")
				}
				check(t, d.wait(), Completed, plugin.Error, plugin.ErrorProcessAborted, plugin.EventSecurityInternal)
				if n := r.p.endCalls(d.b.HPort); n != 1 {
					t.Errorf("End was called %d times, want once", n)
				}
				if r.log.count("panicked", "event=20098", "code=1067") != 1 || r.log.count("\x1b") != 0 || r.log.count(strings.Repeat("x", 300)) != 0 {
					t.Error("the panic was not logged, or not escaped and bounded")
				}
			})
		})
	}
}

func TestWorkerPanicsAfterSuccess(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		r.p.onEnd = func(h plugin.HPORT) plugin.Code {
			r.host.Go(h, func(context.Context) { panic("boom") })
			time.Sleep(time.Second)
			return plugin.ErrorPortDisconnected
		}
		d.complete(plugin.Success, 0, "eric")
		check(t, d.wait(), Completed, plugin.Error, plugin.ErrorProcessAborted, plugin.EventSecurityInternal)
	})
}

func TestWorkerPanicsInADeferral(t *testing.T) {
	for _, abort := range []bool{false, true} {
		in(t, func(t *testing.T, r *rig) {
			r.p.onEnd = defers
			d := r.start()
			start := time.Now()
			if abort {
				r.line.hangUp(io.EOF)
			} else {
				d.complete(plugin.Success, 0, "eric")
			}
			synctest.Wait()
			r.host.Go(d.b.HPort, func(context.Context) { panic("boom") })
			if o := d.wait(); o.Granted() {
				t.Error("granted")
			}
			if err := r.host.Shutdown(t.Context()); err != nil || time.Since(start) != 0 {
				t.Errorf("the transaction was closed after %v, %v: the panic is the Complete that is owed", time.Since(start), err)
			}
		})
	}
}

func TestWorkerContext(t *testing.T) {
	for name, end := range map[string]func(r *rig, d *dialog){
		"close": func(r *rig, d *dialog) { d.complete(plugin.Failure, 0, "eric") },
		"abort": func(r *rig, d *dialog) { r.p.onEnd = defers; r.line.hangUp(io.EOF) },
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, r *rig) {
				r.o.Call.Line = "modem1"
				start := time.Now()
				d := r.start()
				ended := make(chan bool, 1)
				r.host.Go(d.b.HPort, func(ctx context.Context) {
					hport, _ := pprof.Label(ctx, "hport")
					line, _ := pprof.Label(ctx, "line")
					if hport != utoa(d.b.HPort) || line != "modem1" {
						t.Errorf("labels %q %q", hport, line)
					}
					<-ctx.Done()
					ended <- true
				})
				synctest.Wait()
				if len(ended) != 0 {
					t.Fatal("the context ended early")
				}
				end(r, d)
				d.wait()
				if synctest.Wait(); len(ended) != 1 || time.Since(start) != 0 {
					t.Errorf("the context ended after %v", time.Since(start))
				}
				d.complete(plugin.Error, 0, "")
			})
		})
	}
}

func TestStuckWorkerIsReported(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		release := make(chan struct{})
		r.host.Go(d.b.HPort, func(context.Context) { <-release })
		d.end()
		time.Sleep(29 * time.Second)
		synctest.Wait()
		if s := r.host.Stats(); s.Workers != 1 || s.WorkersStuck != 0 {
			t.Errorf("%+v before the grace is over", s)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if s := r.host.Stats(); s.WorkersStuck != 1 || r.log.count("have not ended") != 1 {
			t.Errorf("%+v after the grace", s)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.host.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 workers") {
			t.Errorf("Shutdown = %v", err)
		}
		close(release)
	})
}

func TestWatchOverAWorkerEndsWithIt(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		tx := d.transaction()
		r.host.Go(d.b.HPort, func(ctx context.Context) { <-ctx.Done() })
		d.end()
		synctest.Wait()
		if tx.stuckTimer.Stop() {
			t.Error("the timer keeps the closed transaction in memory")
		}
	})
}
