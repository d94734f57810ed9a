package external

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rashost/dialog"
	"rashost/plugin"
)

// talk is a program with one transaction: it says hello, opens, and then does what f says.
func talk(f func(s *streams, hport plugin.HPORT)) program {
	return func(s *streams) error {
		s.hello("shared")
		m, ok := s.begin()
		if !ok {
			return nil
		}
		f(s, m.Params.HPort)
		return s.rest()
	}
}

func TestB3_BeginMustBeAnswered(t *testing.T) {
	bubble(t, "call", func(r *rig) {
		start := time.Now()
		r.dial("modem1").ends(plugin.Error, plugin.ErrorRequestTimeout, dialog.BeginRefused)
		if took := time.Since(start); took > dialog.DefaultBeginLimit {
			r.Errorf("the host waited %v", took)
		}
		if sick := r.host.Stats().Unhealthy; len(sick) > 0 {
			r.Errorf("the plugin is listed as unhealthy after its program was killed: %v", sick)
		}
	}, func(s *streams) error { s.hello("call"); return s.hang() })
}

func TestB4_NonzeroBeginPasses(t *testing.T) {
	for _, code := range []plugin.Code{plugin.Pending, plugin.ErrorUnknown, 12345} {
		bubble(t, "call", func(r *rig) {
			r.dial("modem1").ends(plugin.Error, code, dialog.BeginRefused)
		}, func(s *streams) error {
			s.hello("call")
			m, _ := s.await(methodBegin)
			s.say(`"id":%d,"result":{"code":%d}`, m.ID, code)
			if m, ok := s.await(methodEnd); ok {
				t.Errorf("End after a refused Begin: %+v", m) // rule E2
			}
			return nil
		})
	}
}

func TestB5_CompleteBeforeBeginIsAnswered(t *testing.T) {
	for _, code := range []plugin.Code{plugin.NoError, plugin.ErrorUnknown} {
		bubble(t, "call", func(r *rig) {
			c := r.dial("modem1")
			if code == plugin.NoError {
				c.ends(plugin.Success, plugin.NoError, dialog.Completed)
			} else {
				c.ends(plugin.Error, code, dialog.BeginRefused)
			}
		}, func(s *streams) error {
			s.hello("call")
			m, _ := s.await(methodBegin)
			s.complete(m.Params.HPort, plugin.Success, "alice")
			s.say(`"id":%d,"result":{"code":%d}`, m.ID, code)
			s.end(plugin.ErrorPortDisconnected)
			return s.rest()
		})
	}
}

func TestC5_NameWithoutNUL(t *testing.T) {
	bubble(t, "call", func(r *rig) {
		r.dial("modem1").ends(plugin.Error, plugin.ErrorInvalidData, dialog.Completed)
	}, talk(func(s *streams, hport plugin.HPORT) {
		s.complete(hport, plugin.Success, strings.Repeat("a", plugin.UserNameSize))
		s.end(plugin.ErrorPortDisconnected)
	}))
}

// After Complete nothing comes of a Receive, not even when the caller types on while the end is deferred.
func TestC7_NoReceiveDoneAfterComplete(t *testing.T) {
	bubble(t, "call", func(r *rig) {
		c := r.dial("modem1")
		synctest.Wait()
		c.types("late")
		time.Sleep(time.Second)
		c.ends(plugin.Success, plugin.NoError, dialog.Completed)
	}, talk(func(s *streams, hport plugin.HPORT) {
		s.say(`"method":"DialogReceive","params":{"hport":%d,"size":1500,"timeout":0}`, hport)
		s.complete(hport, plugin.Success, "alice")
		s.end(plugin.NoError)
		time.AfterFunc(500*time.Millisecond, func() { s.complete(hport, plugin.Success, "alice") })
		if line := s.read(); line != "" {
			t.Errorf("the host sent %s", line)
		}
	}))
}

func TestC7_NoReceiveDoneAfterEnd(t *testing.T) {
	bubble(t, "shared", func(r *rig) {
		c := r.dial("modem1")
		synctest.Wait()
		c.cancel()
		c.ends(0, plugin.ErrorPortDisconnected, dialog.Dropped)
		synctest.Wait()
		if err := r.plugin.Close(); err != nil {
			r.Error(err)
		}
		if !strings.Contains(r.log.String(), "late=1") {
			r.Errorf("the late request is not counted: %s", r.log)
		}
	}, talk(func(s *streams, hport plugin.HPORT) {
		s.say(`"method":"DialogReceive","params":{"hport":%d,"size":1500,"timeout":0}`, hport)
		if m, _ := s.await(methodReceiveDone); m.Params.Code != plugin.ErrorPortDisconnected { // rule R7
			t.Errorf("after the drop: %+v", m)
		}
		s.end(plugin.ErrorPortDisconnected)
		s.say(`"id":1,"method":"DialogReceive","params":{"hport":%d,"size":1500,"timeout":0}`, hport)
		if got := s.read(); !strings.Contains(got, `"code":601`) { // rule E8
			t.Errorf("a Receive after End is answered %s", got)
		}
		if line := s.read(); line != "" {
			t.Errorf("the host sent %s", line)
		}
	}))
}

func TestR6_TimeOut(t *testing.T) {
	bubble(t, "call", func(r *rig) {
		r.dial("modem1").ends(plugin.Failure, plugin.NoError, dialog.Completed)
	}, talk(func(s *streams, hport plugin.HPORT) {
		start := time.Now()
		s.say(`"method":"DialogReceive","params":{"hport":%d,"size":1500,"timeout":3}`, hport)
		if m, _ := s.await(methodReceiveDone); m.Params.Code != plugin.ErrorRequestTimeout || time.Since(start) != 3*time.Second {
			t.Errorf("after %v: %+v", time.Since(start), m)
		}
		s.complete(hport, plugin.Failure, "alice")
		s.end(plugin.ErrorPortDisconnected)
	}))
}

func TestSendAndReceive(t *testing.T) {
	bubble(t, "call", func(r *rig) {
		c := r.dial("modem1")
		c.types("alice\r")
		c.ends(plugin.Success, plugin.NoError, dialog.Completed)
		if got, want := c.heard(), "Name: \x00\xff"; got != want {
			r.Errorf("the caller sees %q, want %q", got, want)
		}
	}, talk(func(s *streams, hport plugin.HPORT) {
		s.say(`"method":"DialogSend","params":{"hport":%d,"data":"TmFtZTogAP8="}`, hport)
		if got := s.typed(hport); got != "alice\r" {
			t.Errorf("the program receives %q", got)
		}
		s.complete(hport, plugin.Success, "alice")
		s.end(plugin.ErrorPortDisconnected)
	}))
}

// A deferral ends with the next Complete, which may keep or worsen the verdict.
func TestE3_E5_DeferredEnd(t *testing.T) {
	for _, c := range []struct {
		second plugin.Verdict
		early  bool // before End is answered
		want   plugin.Verdict
	}{
		{plugin.Success, false, plugin.Success}, {plugin.Failure, false, plugin.Failure},
		{plugin.Success, true, plugin.Success}, {plugin.Failure, true, plugin.Failure},
	} {
		bubble(t, "call", func(r *rig) {
			r.dial("modem1").ends(c.want, plugin.NoError, dialog.Completed)
			time.Sleep(10 * time.Second)
			if strings.Contains(r.log.String(), "level=WARN") {
				r.Errorf("%+v: the program has done no wrong: %s", c, r.log)
			}
		}, talk(func(s *streams, hport plugin.HPORT) {
			s.complete(hport, plugin.Success, "alice")
			if c.early {
				m, _ := s.await(methodEnd)
				s.complete(hport, c.second, "alice")
				s.say(`"id":%d,"result":{"code":0}`, m.ID)
				return
			}
			s.end(plugin.NoError)
			s.complete(hport, c.second, "alice")
		}))
	}
}

// A Complete that comes while End is asked is not owed when End then closes the transaction.
func TestC2_SecondCompleteIsIgnored(t *testing.T) {
	bubble(t, "call", func(r *rig) {
		if o := r.dial("modem1").ends(plugin.Success, plugin.NoError, dialog.Completed); o.User != "alice" {
			r.Errorf("user %q", o.User)
		}
	}, talk(func(s *streams, hport plugin.HPORT) {
		s.complete(hport, plugin.Success, "alice")
		m, _ := s.await(methodEnd)
		s.complete(hport, plugin.Failure, "bob")
		s.say(`"id":%d,"result":{"code":619}`, m.ID)
	}))
}

// A program that deferred and then does nothing is killed when the host's grace is over, with a line and without one.
func TestE4_DeferralDeadline(t *testing.T) {
	for _, drop := range []bool{false, true} {
		var killed chan time.Time
		bubble(t, "call", func(r *rig) {
			killed = make(chan time.Time, 1) // belongs to the bubble
			start := time.Now()
			c := r.dial("modem1")
			synctest.Wait()
			if drop {
				c.cancel()
				c.ends(0, plugin.ErrorPortDisconnected, dialog.Dropped)
			} else {
				c.types("x")
				c.ends(plugin.Error, plugin.ErrorRequestTimeout, dialog.EndOverdue)
			}
			if took := (<-killed).Sub(start); took < dialog.DefaultEndGrace || took > dialog.DefaultEndGrace+2*time.Second {
				r.Errorf("drop %v: the program was killed after %v, want %v", drop, took, dialog.DefaultEndGrace)
			}
		}, talk(func(s *streams, hport plugin.HPORT) {
			if s.typed(hport) != "" {
				s.complete(hport, plugin.Success, "alice")
			}
			s.end(plugin.NoError)
			_ = s.hang()
			killed <- time.Now()
		}))
	}
}

// A program that does not answer End is killed; that counts as 619, unless it had reported Success: a Success does not outlive it.
func TestEndThatIsNotAnswered(t *testing.T) {
	for _, c := range []struct {
		reports plugin.Verdict
		want    plugin.Verdict
		code    plugin.Code
	}{{plugin.Failure, plugin.Failure, 0}, {plugin.Success, plugin.Error, plugin.ErrorRequestTimeout}} {
		bubble(t, "call", func(r *rig) {
			start := time.Now()
			r.dial("modem1").ends(c.want, c.code, dialog.Completed)
			if took := time.Since(start); took != 5*time.Second {
				r.Errorf("it took %v", took)
			}
		}, talk(func(s *streams, hport plugin.HPORT) {
			s.complete(hport, c.reports, "alice")
			_ = s.hang()
		}))
	}
}

// A program that dies after its verdict and before it has answered End: a Success becomes an Error, a Failure stands.
func TestE5_DeathAfterTheVerdict(t *testing.T) {
	for _, c := range []struct {
		reports, want plugin.Verdict
		code          plugin.Code
		second        bool
	}{
		{plugin.Failure, plugin.Failure, 0, false}, {plugin.Success, plugin.Error, plugin.ErrorProcessAborted, false},
		{plugin.Success, plugin.Error, plugin.ErrorProcessAborted, true},
	} {
		for _, beforeEnd := range []bool{true, false} {
			bubble(t, "call", func(r *rig) {
				c1 := r.dial("modem1")
				c1.types("x")
				c1.ends(c.want, c.code, dialog.Completed)
			}, func(s *streams) error {
				s.hello("call")
				m, _ := s.begin()
				s.typed(m.Params.HPort)
				s.complete(m.Params.HPort, c.reports, "alice")
				if !beforeEnd {
					s.await(methodEnd)
				}
				if c.second {
					s.complete(m.Params.HPort, c.reports, "alice") // would close a deferral
				}
				return nil
			})
		}
	}
}

// A program that dies in a deferral owes a Complete: it is an Error.
func TestE5_DeathInADeferral(t *testing.T) {
	bubble(t, "call", func(r *rig) {
		r.dial("modem1").ends(plugin.Error, plugin.ErrorProcessAborted, dialog.Completed)
	}, func(s *streams) error {
		s.hello("call")
		m, _ := s.begin()
		s.complete(m.Params.HPort, plugin.Success, "alice")
		s.end(plugin.NoError)
		return nil
	})
}

// While the end is put off, the caller can be talked with, as if nothing had been asked for before.
func TestE7_ReceiveInADeferral(t *testing.T) {
	bubble(t, "call", func(r *rig) {
		c := r.dial("modem1")
		synctest.Wait()
		c.types("bye")
		c.ends(plugin.Failure, plugin.NoError, dialog.Completed)
	}, talk(func(s *streams, hport plugin.HPORT) {
		s.say(`"method":"DialogReceive","params":{"hport":%d,"size":1500,"timeout":0}`, hport)
		s.complete(hport, plugin.Success, "alice")
		s.end(plugin.NoError)
		if got := s.typed(hport); got != "bye" {
			t.Errorf("the program receives %q", got)
		}
		s.complete(hport, plugin.Failure, "alice")
	}))
}

func TestE6_DropThenSuccess(t *testing.T) {
	bubble(t, "call", func(r *rig) {
		c := r.dial("modem1")
		synctest.Wait()
		c.cancel()
		c.ends(0, plugin.ErrorPortDisconnected, dialog.Dropped)
	}, talk(func(s *streams, hport plugin.HPORT) {
		m, _ := s.await(methodEnd)
		s.complete(hport, plugin.Success, "alice")
		s.say(`"id":%d,"result":{"code":619}`, m.ID)
	}))
}

// A host whose own limit is shorter closes the transaction first; the process does not outlive that.
func TestBeginThatTheHostGaveUp(t *testing.T) {
	for _, answers := range []bool{true, false} {
		bubble(t, "call", func(r *rig) {
			c := r.dialWith(dialog.Options{BeginLimit: time.Second})
			c.ends(plugin.Error, plugin.ErrorRequestTimeout, dialog.BeginTimedOut)
			time.Sleep(3 * time.Second)
			synctest.Wait()
			if n := len(r.plugin.processes); n != 0 {
				r.Errorf("%d processes are left", n)
			}
		}, func(s *streams) error {
			s.hello("call")
			m, _ := s.await(methodBegin)
			time.Sleep(1500 * time.Millisecond)
			if answers {
				s.say(`"id":%d,"result":{"code":0}`, m.ID)
			}
			return s.hang()
		})
	}
}

// A process of isolation call has its input closed after the transaction, and is killed when it stays.
func TestProcessEndsWithItsTransaction(t *testing.T) {
	for _, stays := range []bool{false, true} {
		var ended chan time.Time
		bubble(t, "call", func(r *rig) {
			ended = make(chan time.Time, 1) // belongs to the bubble
			r.dial("modem1").ends(plugin.Success, plugin.NoError, dialog.Completed)
			start := time.Now()
			took := (<-ended).Sub(start)
			if want := map[bool]time.Duration{true: 2 * time.Second}[stays]; took != want {
				r.Errorf("stays %v: ended after %v, want %v", stays, took, want)
			}
			synctest.Wait()
			if n := len(r.plugin.processes); n != 0 {
				r.Errorf("%d processes are left", n)
			}
			if strings.Contains(r.log.String(), "level=WARN") {
				r.Errorf("an orderly end is no warning: %s", r.log)
			}
		}, talk(func(s *streams, hport plugin.HPORT) {
			s.complete(hport, plugin.Success, "alice")
			s.end(plugin.ErrorPortDisconnected)
			_ = s.rest()
			if stays {
				_ = s.hang()
			}
			ended <- time.Now()
		}))
	}
}
