package external

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rashost/dialog"
	"rashost/plugin"
)

func TestGrant(t *testing.T) {
	bubble(t, "call", func(r *rig) {
		if o := r.dial("modem1").ends(plugin.Success, plugin.NoError, dialog.Completed); !o.Granted() || o.User != "alice" {
			r.Errorf("%+v", o)
		}
	}, granting)
}

// Everything that a program can do wrong before it has reported makes an Error with a code that says which kind it was; the program is
// killed, and the next caller is served.
func TestProgramsThatFail(t *testing.T) {
	type result struct {
		code  plugin.Code
		ended dialog.Ended
		takes time.Duration
		log   string
	}
	refused, completed := dialog.BeginRefused, dialog.Completed
	inDialog := func(f func(s *streams, hport plugin.HPORT)) program {
		return func(s *streams) error {
			s.hello("shared")
			m, _ := s.begin()
			s.typed(m.Params.HPort)
			f(s, m.Params.HPort)
			return s.hang()
		}
	}
	for name, c := range map[string]struct {
		program program
		want    result
	}{
		"exits at once":       {func(*streams) error { return nil }, result{1067, refused, 0, "exit status 0"}},
		"exits after Hello":   {func(s *streams) error { s.hello("call"); return nil }, result{1067, refused, 0, "exit status 0"}},
		"exits in the dialog": {func(s *streams) error { s.hello("call"); m, _ := s.begin(); s.typed(m.Params.HPort); return nil }, result{1067, completed, 0, "exit status 0"}},
		"closes its output": {inDialog(func(s *streams, _ plugin.HPORT) { _ = s.out.(io.Closer).Close() }),
			result{1067, completed, 0, "closed its output"}},
		"never says hello": {(*streams).hang, result{638, refused, 4800 * time.Millisecond, "did not answer Hello"}},
		"never answers Begin": {func(s *streams) error { s.hello("call"); return s.hang() },
			result{638, refused, 4800 * time.Millisecond, "did not answer SecurityDialogBegin"}},
		"another version": {func(s *streams) error {
			m, _ := s.await(methodHello)
			s.say(`"id":%d,"result":{"version":2,"name":"fake"}`, m.ID)
			return s.hang()
		}, result{13, refused, 0, "speaks version 2"}},
		"answers with an error": {func(s *streams) error {
			s.hello("call")
			m, _ := s.await(methodBegin)
			s.say(`"id":%d,"error":{"code":-32601,"message":"secret"}`, m.ID)
			return s.hang()
		}, result{13, refused, 0, "error (-32601)"}},
		"Begin without a code": {func(s *streams) error {
			s.hello("call")
			m, _ := s.await(methodBegin)
			s.say(`"id":%d,"result":{}`, m.ID)
			return s.hang()
		}, result{13, refused, 0, "code is missing"}},
		"garbage": {inDialog(func(s *streams, _ plugin.HPORT) { _, _ = s.out.Write([]byte("my secret\n")) }), result{13, completed, 0, "not a message"}},
		"half a line": {inDialog(func(s *streams, _ plugin.HPORT) {
			_, _ = s.out.Write([]byte(`{"jsonrpc":`))
			_ = s.out.(io.Closer).Close()
		}), result{1067, completed, 0, "closed its output"}},
		"a line without an end": {inDialog(func(s *streams, _ plugin.HPORT) {
			_, _ = s.out.Write([]byte(`{"jsonrpc":"2.0",` + strings.Repeat(" ", maxFrame)))
		}), result{13, completed, 0, "more than 16384 bytes"}},
		"an unknown method": {inDialog(func(s *streams, _ plugin.HPORT) { s.say(`"method":"Reboot","params":{}`) }), result{13, completed, 0, "Reboot"}},
		"an answer to nothing": {inDialog(func(s *streams, _ plugin.HPORT) { s.say(`"id":99,"result":{"code":0}`) }),
			result{13, completed, 0, "never made"}},
		"an answer twice": {inDialog(func(s *streams, _ plugin.HPORT) { s.say(`"id":2,"result":{"code":0}`) }),
			result{13, completed, 0, "never made"}},
		"wrong params": {inDialog(func(s *streams, h plugin.HPORT) {
			s.say(`"method":"DialogReceive","params":{"hport":%d,"size":"1"}`, h)
		}),
			result{13, completed, 0, "size (want uint32)"}},
		"not base64": {inDialog(func(s *streams, h plugin.HPORT) { s.say(`"method":"DialogSend","params":{"hport":%d,"data":"?"}`, h) }),
			result{13, completed, 0, "not base64"}},
		"a bomb of requests": {inDialog(func(s *streams, h plugin.HPORT) {
			for range 2 * budgetMax {
				s.say(`"method":"DialogGetInfo","params":{"hport":%d}`, h)
			}
		}), result{13, completed, 0, "10000 messages"}},
		"a bomb whose answers are not read": {inDialog(func(s *streams, h plugin.HPORT) {
			for n := range 2 * queueLimit {
				s.say(`"id":%d,"method":"DialogGetInfo","params":{"hport":%d}`, n, h)
			}
		}), result{13, completed, 0, "1024 messages wait"}},
		"does not read": {inDialog(func(s *streams, h plugin.HPORT) { s.say(`"id":1,"method":"DialogGetInfo","params":{"hport":%d}`, h) }),
			result{638, completed, 5 * time.Second, "has read nothing"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, "call", func(r *rig) {
				start := time.Now()
				call := r.dial("modem1")
				if c.want.ended == completed {
					call.types("x")
				}
				call.ends(plugin.Error, c.want.code, c.want.ended)
				if took := time.Since(start); took != c.want.takes {
					r.Errorf("it took %v, want %v", took, c.want.takes)
				}
				r.dial("modem1").ends(plugin.Success, plugin.NoError, dialog.Completed)
				synctest.Wait()
				log := r.log.String()
				if !strings.Contains(log, c.want.log) || !strings.Contains(log, "event=20098") || strings.Contains(log, "secret") {
					r.Errorf("the log has not %q, or too much:\n%s", c.want.log, log)
				}
			}, c.program, granting)
		})
	}
}
