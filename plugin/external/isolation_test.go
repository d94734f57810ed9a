package external

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rashost/dialog"
	"rashost/plugin"
)

// counted counts the starts of a program that grants everybody the number of its process as a name, at once or after a key.
func counted(starts *atomic.Int32, key bool) program {
	return func(s *streams) error {
		n := starts.Add(1)
		s.hello("shared")
		for {
			line := s.read()
			switch {
			case line == "":
				return nil
			case strings.Contains(line, methodBegin), strings.Contains(line, methodEnd):
				code := 0
				if strings.Contains(line, methodEnd) {
					code = 619
				}
				id, hport := cutValue(line, "id"), cutValue(line, "hport")
				s.say(`"id":%s,"result":{"code":%d}`, id, code)
				if code == 0 && key {
					s.say(`"method":"DialogReceive","params":{"hport":%s,"size":1}`, hport)
				} else if code == 0 {
					s.say(`"method":"DialogComplete","params":{"hport":%s,"msgid":1,"user":"process%d"}`, hport, n)
				}
			case strings.Contains(line, methodReceiveDone) && strings.Contains(line, `"code":0`):
				if strings.Contains(line, `"data":"eA=="`) { // x
					return fmt.Errorf("exit status 9")
				}
				s.say(`"method":"DialogComplete","params":{"hport":%s,"msgid":1,"user":"process%d"}`, cutValue(line, "hport"), n)
			}
		}
	}
}

// cutValue cuts a number out of a line, as a shell script would.
func cutValue(line, key string) string {
	_, rest, _ := strings.Cut(line, `"`+key+`":`)
	return rest[:strings.IndexAny(rest, ",}")]
}

func TestIsolation(t *testing.T) {
	for isolation, want := range map[string][]string{
		"call":   {"process1", "process2", "process3", "process4"},
		"line":   {"process1", "process2", "process1", "process2"},
		"shared": {"process1", "process1", "process1", "process1"},
	} {
		var starts atomic.Int32
		bubble(t, isolation, func(r *rig) {
			for i, line := range []string{"modem1", "modem2", "modem1", "modem2"} {
				if o := r.dial(line).ends(plugin.Success, plugin.NoError, dialog.Completed); o.User != want[i] {
					r.Errorf("%s: call %d is served by %s, want %s", isolation, i+1, o.User, want[i])
				}
			}
			synctest.Wait()
			kept := map[string]int{"call": 0, "line": 2, "shared": 1}[isolation]
			if n := len(r.plugin.processes); n != kept {
				r.Errorf("%s: %d processes are kept, want %d", isolation, n, kept)
			}
		}, counted(&starts, false))
	}
}

// Calls that begin at the same moment share the one process.
func TestSharedBeginsAtOnce(t *testing.T) {
	var starts atomic.Int32
	bubble(t, "shared", func(r *rig) {
		var calls []*call
		for n := range 20 {
			calls = append(calls, r.dial(fmt.Sprintf("modem%d", n)))
		}
		for _, c := range calls {
			c.ends(plugin.Success, plugin.NoError, dialog.Completed)
		}
		if n := starts.Load(); n != 1 {
			r.Errorf("%d processes were started", n)
		}
	}, counted(&starts, false))
}

// A shared process that dies takes its calls with it, each with an Error, and the next call gets a new one.
func TestSharedProcessDies(t *testing.T) {
	var starts atomic.Int32
	bubble(t, "shared", func(r *rig) {
		c1, c2, c3 := r.dial("modem1"), r.dial("modem2"), r.dial("modem3")
		c1.types("x")
		for _, c := range []*call{c1, c2, c3} {
			c.ends(plugin.Error, plugin.ErrorProcessAborted, dialog.Completed)
		}
		c4 := r.dial("modem4")
		c4.types("k")
		if o := c4.ends(plugin.Success, plugin.NoError, dialog.Completed); o.User != "process2" {
			r.Errorf("served by %s", o.User)
		}
	}, counted(&starts, true))
}

// A process that dies with every call is started less and less often; one good transaction makes it well.
func TestCrashLoopDoesNotSpin(t *testing.T) {
	for _, isolation := range []string{"line", "shared"} {
		var starts atomic.Int32
		bubble(t, isolation, func(r *rig) {
			for range 600 { // a call each second
				c := r.dial("modem1")
				synctest.Wait()
				if len(r.plugin.transactions) > 0 {
					c.types("x")
				}
				if o := <-c.done; o.Verdict != plugin.Error || o.Code != plugin.ErrorProcessAborted {
					r.Fatalf("%+v", o)
				}
				time.Sleep(time.Second)
			}
			if n := starts.Load(); n < 10 || n > 20 {
				r.Errorf("%s: a program that dies with each call was started %d times in 10 minutes", isolation, n)
			}
			time.Sleep(time.Minute)
			c := r.dial("modem1")
			c.types("k")
			c.ends(plugin.Success, plugin.NoError, dialog.Completed)
			for range 2 { // the first death after that costs no pause
				c := r.dial("modem1")
				c.types("x")
				c.ends(plugin.Error, plugin.ErrorProcessAborted, dialog.Completed)
			}
		}, counted(&starts, true))
	}
}

// A process that cannot say hello counts as one that dies.
func TestStartLoopDoesNotSpin(t *testing.T) {
	var starts atomic.Int32
	bubble(t, "shared", func(r *rig) {
		for range 60 {
			r.dial("modem1").ends(plugin.Error, plugin.ErrorProcessAborted, dialog.BeginRefused)
			time.Sleep(time.Second)
		}
		if n := starts.Load(); n < 4 || n > 8 {
			r.Errorf("a program that cannot start was started %d times in a minute", n)
		}
	}, func(*streams) error { starts.Add(1); return nil })
}

// A call does not wait for ever for a shared process that another call is starting.
func TestSharedStartIsBounded(t *testing.T) {
	bubble(t, "shared", func(r *rig) {
		c1, c2 := r.dial("modem1"), r.dial("modem2")
		start := time.Now()
		c1.ends(plugin.Error, plugin.ErrorRequestTimeout, dialog.BeginRefused)
		o := <-c2.done
		if o.Verdict != plugin.Error || o.Ended != dialog.BeginRefused || time.Since(start) >= dialog.DefaultBeginLimit {
			r.Errorf("after %v: %+v", time.Since(start), o)
		}
	}, (*streams).hang)
}

// A closed plugin starts nothing.
func TestNothingStartsAfterClose(t *testing.T) {
	for _, isolation := range []string{"call", "line", "shared"} {
		var starts atomic.Int32
		bubble(t, isolation, func(r *rig) {
			if err := r.plugin.Close(); err != nil {
				r.Error(err)
			}
			r.dial("modem1").ends(plugin.Error, plugin.ErrorProcessAborted, dialog.BeginRefused)
			if n := starts.Load(); n != 0 {
				r.Errorf("%s: %d programs were started", isolation, n)
			}
		}, counted(&starts, false))
	}
}

// Another process's HPORT is no HPORT: rule E8's code, and the other call goes on.
func TestForeignHPORT(t *testing.T) {
	answers := make([]string, 4)
	bubble(t, "line", func(r *rig) {
		victim := r.dial("modem1")
		synctest.Wait()
		r.dial("modem2").ends(plugin.Success, plugin.NoError, dialog.Completed)
		victim.types("k")
		victim.ends(plugin.Failure, plugin.NoError, dialog.Completed)
		for _, a := range answers {
			if !strings.Contains(a, `"code":601`) {
				r.Errorf("a request for the HPORT of another process is answered %q", a)
			}
		}
		if got := victim.heard(); got != "" {
			r.Errorf("the other caller sees %q", got)
		}
	}, func(s *streams) error {
		s.hello("line")
		m, _ := s.begin()
		if s.typed(m.Params.HPort) == "k" {
			s.complete(m.Params.HPort, plugin.Failure, "alice")
		}
		s.end(plugin.ErrorPortDisconnected)
		return s.rest()
	}, func(s *streams) error {
		s.hello("line")
		m, _ := s.begin()
		other := m.Params.HPort - 1
		for i, request := range []string{
			`"method":"DialogSend","params":{"hport":%d,"data":"eA=="}`, `"method":"DialogReceive","params":{"hport":%d,"size":1}`,
			`"method":"DialogGetInfo","params":{"hport":%d}`, `"method":"DialogComplete","params":{"hport":%d,"msgid":1,"user":"mallory"}`,
		} {
			s.say(`"id":1,`+request, other)
			answers[i] = s.read()
		}
		s.complete(m.Params.HPort, plugin.Success, "alice")
		s.end(plugin.ErrorPortDisconnected)
		return s.rest()
	})
}

// A shared program that deferred after an abort and forgets about it loses the HPORT, and the other calls go on.
func TestE4_SharedProcessOutlivesADeadline(t *testing.T) {
	bubble(t, "shared", func(r *rig) {
		c := r.dial("modem1")
		synctest.Wait()
		c.cancel()
		c.ends(0, plugin.ErrorPortDisconnected, dialog.Dropped)
		time.Sleep(dialog.DefaultEndGrace + 2*time.Second)
		synctest.Wait()
		if n := len(r.plugin.transactions); n != 0 {
			r.Errorf("%d transactions are open", n)
		}
		r.dial("modem2").ends(plugin.Success, plugin.NoError, dialog.Completed)
	}, func(s *streams) error {
		s.hello("shared")
		s.begin()
		s.end(plugin.NoError)
		m, _ := s.begin()
		s.complete(m.Params.HPort, plugin.Success, "alice")
		s.end(plugin.ErrorPortDisconnected)
		return s.rest()
	})
}
