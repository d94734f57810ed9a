package dialog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rashost/plugin"
)

func TestServiceStop(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		rc := d.receive(1, 0)
		d.cancel(fmt.Errorf("SIGTERM: %w", ErrStop))
		check(t, d.wait(), Stopped, 0, plugin.ErrorPortDisconnected, 0)
		if !rc.set() || r.p.endCalls(d.b.HPort) != 1 {
			t.Error("the plugin was not told")
		}
	})
}

func TestContextThatHasEndedAlready(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(errors.New("carrier lost"))
		o := r.host.Run(ctx, r.line, r.p, r.o)
		check(t, o, Dropped, 0, plugin.ErrorPortDisconnected, 0)
		if len(r.p.begun) != 0 || r.line.ioCalls != 0 {
			t.Error("the plugin was asked, or the line read, for a call that was over")
		}
		if !hasStep(o, "carrier lost") {
			t.Errorf("steps: %v", o.Steps)
		}
	})
}

func TestEvent20099(t *testing.T) {
	t.Run("the line cannot be read", func(t *testing.T) {
		in(t, func(t *testing.T, r *rig) {
			r.line.closed = true
			check(t, r.run(r.line).wait(), Dropped, 0, plugin.ErrorPortDisconnected, plugin.EventCannotReceive)
			if len(r.p.begun) != 0 {
				t.Error("Begin was called")
			}
		})
	})
	t.Run("the first read fails", func(t *testing.T) {
		in(t, func(t *testing.T, r *rig) {
			d := r.start()
			r.line.hangUp(errors.New("input/output trouble"))
			check(t, d.wait(), Dropped, 0, plugin.ErrorPortDisconnected, plugin.EventCannotReceive)
		})
	})
	t.Run("a later read fails", func(t *testing.T) {
		in(t, func(t *testing.T, r *rig) {
			d := r.start()
			r.line.typed("x")
			synctest.Wait()
			r.line.hangUp(errors.New("input/output trouble"))
			check(t, d.wait(), Dropped, 0, plugin.ErrorPortDisconnected, 0)
		})
	})
	t.Run("no dialog on the line, by Read", func(t *testing.T) {
		in(t, func(t *testing.T, r *rig) {
			d := r.start()
			r.line.typed("~\xff")
			r.line.hangUp(fmt.Errorf("PPP: %w", ErrCannotReceive))
			check(t, d.wait(), Dropped, 0, plugin.ErrorPortDisconnected, plugin.EventCannotReceive)
		})
	})
	t.Run("no dialog on the line, by context", func(t *testing.T) {
		in(t, func(t *testing.T, r *rig) {
			d := r.start()
			d.cancel(fmt.Errorf("PPP: %w", ErrCannotReceive))
			check(t, d.wait(), Dropped, 0, plugin.ErrorPortDisconnected, plugin.EventCannotReceive)
		})
	})
}

// brokenLine reads nothing, without an error, for ever.
type brokenLine struct{ *fakeLine }

func (brokenLine) Read([]byte) (int, error) { return 0, nil }

func TestLineThatReadsNothingIsLost(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		o := r.host.Run(t.Context(), brokenLine{r.line}, r.p, r.o)
		check(t, o, Dropped, 0, plugin.ErrorPortDisconnected, plugin.EventCannotReceive)
	})
}

func TestADeadlineOfTheOwnerIsADrop(t *testing.T) {
	for name, late := range map[string]bool{"with the context": false, "without": true} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, r *rig) {
				d := r.start()
				if err := r.line.SetReadDeadline(time.Unix(1, 0)); err != nil {
					t.Fatal(err)
				}
				want := Stopped
				if late {
					want = Dropped
				} else {
					synctest.Wait()
					d.cancel(ErrStop)
				}
				check(t, d.wait(), want, 0, plugin.ErrorPortDisconnected, 0)
			})
		})
	}
}

func TestEvent20051_TimeoutIsClamped(t *testing.T) {
	for given, want := range map[time.Duration]time.Duration{
		0: 120 * time.Second, time.Second: 20 * time.Second, -1: 20 * time.Second, 20 * time.Second: 20 * time.Second,
		600 * time.Second: 600 * time.Second, time.Hour: 600 * time.Second,
	} {
		in(t, func(t *testing.T, r *rig) {
			r.o.Timeout = given
			start := time.Now()
			check(t, r.start().wait(), LimitReached, 0, plugin.ErrorRequestTimeout, plugin.EventAuthTimeout)
			if got := time.Since(start); got != want {
				t.Errorf("%v: limit after %v, want %v", given, got, want)
			}
			if said := r.log.count("event=20051"); (said == 1) != (given != 0 && given != want) {
				t.Errorf("%v: event 20051 was logged %d times", given, said)
			}
		})
	}
}

func TestManyTransactionsAtOnce(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		const n = 256
		for i := range n {
			d := r.run(newLine())
			d.b = <-r.p.begun
			user := fmt.Sprintf("user%d", i)
			r.host.Go(d.b.HPort, func(ctx context.Context) {
				ev, k := plugin.NewEvent(false), uint16(20)
				mustPend(t, r.host.DialogSend(d.b.HPort, []byte("name? ")))
				mustPend(t, r.host.DialogReceive(d.b.HPort, d.b.RecvBuf, &k, 0, ev))
				if ev.Wait(ctx) == nil {
					d.complete(plugin.Success, 0, string(d.b.RecvBuf[:k]))
				}
			})
			go func() {
				time.Sleep(time.Duration(i%7) * time.Millisecond)
				d.line.typed(user)
			}()
			defer func() {
				if o := d.wait(); o.User != user || !o.Granted() || d.line.output() != "name? " {
					t.Errorf("%s was let in as %q", user, o.User)
				}
			}()
		}
	})
}

// transaction gives the open transaction of d, for what cannot be seen from outside.
func (d *dialog) transaction() *transaction {
	d.r.host.mu.RLock()
	defer d.r.host.mu.RUnlock()
	return d.r.host.open[d.b.HPort]
}

func TestACallThatFoundItsTransactionJustBeforeItClosed(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		tx := d.transaction()
		d.end()
		r.host.open[d.b.HPort] = tx // as the call saw it
		if c := r.host.DialogSend(d.b.HPort, []byte("x")); c != plugin.ErrorInvalidPortHandle {
			t.Errorf("Send = %v", c)
		}
		r.host.remove(d.b.HPort)
	})
}

func TestTimerOfAnEarlierReceive(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		tx := d.transaction()
		d.receive(1, 5)
		old := tx.recv
		r.line.typed("x")
		synctest.Wait()
		next := d.receive(1, 0)
		tx.receiveTimedOut(old) // its timer had fired already when the byte came
		if next.set() {
			t.Error("the time-out of one Receive ended the next one")
		}
		d.end()
	})
}

func TestNothingReceivedIsLeftInMemory(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		line := &keepingLine{fakeLine: r.line}
		done := make(chan Outcome, 1)
		go func() { done <- r.host.Run(t.Context(), line, r.p, r.o) }()
		d := &dialog{r: r, b: <-r.p.begun}
		r.line.typed("secret")
		synctest.Wait()
		queued := d.transaction().in.buf
		if string(queued) != "secret" || strings.Trim(string(line.buf), "\x00") != "" {
			t.Errorf("queued %q, reader's buffer %q", queued, line.buf)
		}
		d.complete(plugin.Failure, 0, "eric")
		<-done
		if string(queued) != "\x00\x00\x00\x00\x00\x00" {
			t.Errorf("the queue still holds %q", queued)
		}
	})
}

// keepingLine keeps the buffer that Read was given.
type keepingLine struct {
	*fakeLine
	buf []byte
}

func (l *keepingLine) Read(p []byte) (int, error) {
	l.buf = p
	return l.fakeLine.Read(p)
}

func TestDeadlinesLeftByTheOwnerAreCleared(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.line.rd, r.line.wd = time.Unix(1, 0), time.Unix(1, 0)
		d := r.start()
		mustPend(t, r.host.DialogSend(d.b.HPort, []byte("hello")))
		r.line.typed("x")
		if got := d.receive(1, 0).text(); got != "x" || r.line.output() != "hello" {
			t.Errorf("received %q, sent %q", got, r.line.output())
		}
		d.end()
	})
}

func TestStepsAreBounded(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.p.onBegin = func(b plugin.Begin) plugin.Code {
			for range 1000 {
				b.Complete(plugin.NewMessage(b.HPort, plugin.Failure, 0, "eric", ""))
			}
			return plugin.NoError
		}
		o := r.run(r.line).wait()
		if len(o.Steps) > maxSteps+5 || !hasStep(o, "more steps are not kept") || !hasStep(o, "0 bytes received") {
			t.Errorf("%d steps, the last ones: %v", len(o.Steps), o.Steps[len(o.Steps)-2:])
		}
	})
}

func TestNilLogger(t *testing.T) {
	h := New(nil)
	h.DialogComplete(plugin.NewMessage(1, plugin.Success, 0, "eric", ""))
	if s := h.Stats(); s.LateCalls != 1 {
		t.Errorf("LateCalls = %d", s.LateCalls)
	}
}

func TestEveryStateHasADeadlineAndEveryStateWithALineADrop(t *testing.T) {
	for s := stateBegin; s < stateClosed; s++ {
		row := table[s]
		if row[inDeadline].to == stateNone {
			t.Errorf("state %d has no deadline", s)
		}
		withLine := s <= stateVerdict
		if (row[inDrop].to != stateNone) != withLine {
			t.Errorf("state %d: line %v, drop %v", s, withLine, row[inDrop].to)
		}
	}
}

func TestEndedHasWords(t *testing.T) {
	seen := map[string]bool{}
	for e := Ended(0); e <= EndOverdue; e++ {
		if seen[e.String()] {
			t.Errorf("%d reads %q like another", e, e)
		}
		seen[e.String()] = true
	}
}
