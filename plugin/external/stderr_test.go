package external

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"rashost/dialog"
	"rashost/plugin"
)

// says counts the log lines that show text.
func says(log, text string) int { return strings.Count(log, text) }

func TestStandardErrorGoesToTheLog(t *testing.T) {
	bubble(t, "call", func(r *rig) {
		r.dial("modem1").ends(plugin.Success, plugin.NoError, dialog.Completed)
		synctest.Wait()
		log := r.log.String()
		for _, want := range []string{
			`level=INFO msg="a plugin's program says" program=fake text="\"early\""`,
			`level=INFO msg="a plugin's program says" program=fake line=modem1 call=call-modem1 text="\"hello \\x1b[2J \\xff ä\""`,
			`text="\"last\""`,
		} {
			if says(log, want) != 1 {
				r.Errorf("the log has not %s:\n%s", want, log)
			}
		}
		if strings.ContainsAny(log, "\x1b\r") || strings.Contains(log, "\xff") {
			r.Errorf("the log has raw bytes: %q", log)
		}
	}, func(s *streams) error {
		_, _ = fmt.Fprint(s.err, "early\n")
		_, _ = fmt.Fprint(s.err, "\n") // taken when the line before is in the log
		s.hello("call")
		m, _ := s.begin()
		_, _ = fmt.Fprint(s.err, "\n\r\nhello \x1b[2J \xff ä\r\n")
		s.complete(m.Params.HPort, plugin.Success, "alice")
		s.end(plugin.ErrorPortDisconnected)
		_, _ = fmt.Fprint(s.err, "last") // without an end of line
		return s.rest()
	})
}

func TestStandardErrorIsBounded(t *testing.T) {
	bubble(t, "call", func(r *rig) {
		for range 2 {
			r.dial("modem1").ends(plugin.Success, plugin.NoError, dialog.Completed)
		}
		synctest.Wait()
		log := r.log.String()
		if n := says(log, "xyz"); n != 0 {
			r.Error("more than 512 bytes of a line are logged")
		}
		if n := says(log, strings.Repeat("x", errorLineMax)); n != 2 {
			r.Errorf("%d long lines are logged, want 1 for each transaction", n)
		}
		if n := says(log, "more is dropped"); n != 2 {
			r.Errorf("it is said %d times that more is dropped, want once for each transaction", n)
		}
		if n, want := says(log, "0123456789"), 2*(errorsMax-errorLineMax-errorLineCost)/(10+errorLineCost); n < want || n > want+2 {
			r.Errorf("%d lines are logged, want %d", n, want)
		}
	}, func(s *streams) error {
		s.hello("call")
		m, _ := s.begin()
		_, _ = fmt.Fprint(s.err, strings.Repeat("x", errorLineMax)+strings.Repeat("xyz", 10000)+"\n")
		for range errorsMax / errorLineCost { // far less than errorsMax, but the log would be long
			_, _ = fmt.Fprint(s.err, "0123456789\n")
		}
		s.complete(m.Params.HPort, plugin.Success, "alice")
		s.end(plugin.ErrorPortDisconnected)
		return s.rest()
	})
}

// The lines of a process that several lines share name neither line nor call.
func TestStandardErrorOfASharedProcess(t *testing.T) {
	for isolation, want := range map[string]string{"line": `program=fake line=modem1 call=call-modem1 text`, "shared": `program=fake text`} {
		bubble(t, isolation, func(r *rig) {
			r.dial("modem1").ends(plugin.Success, plugin.NoError, dialog.Completed)
			synctest.Wait()
			if says(r.log.String(), want) != 1 {
				r.Errorf("%s: the log has not %s:\n%s", isolation, want, r.log)
			}
		}, func(s *streams) error {
			s.hello("shared")
			m, _ := s.begin()
			_, _ = fmt.Fprint(s.err, "hello\n")
			s.complete(m.Params.HPort, plugin.Success, "alice")
			s.end(plugin.ErrorPortDisconnected)
			return s.rest()
		})
	}
}
