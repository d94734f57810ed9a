package external

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rashost/dialog"
	"rashost/plugin"
)

// recorder is a plugin.Host that notes its calls and gives the answers it was told to give.
type recorder struct {
	mu    sync.Mutex
	calls []string
	code  plugin.Code
	begin plugin.Begin // whose buffers are expected
	event *plugin.Event
	n     *uint16
	work  context.Context
	idle  bool // workers that wait for a Receive do not run
	gone  int  // workers so far
}

// which names a buffer.
func (r *recorder) which(buf []byte) string {
	switch {
	case buf == nil:
		return "nil"
	case cap(buf) > 0 && &buf[:1][0] == &r.begin.SendBuf[0]:
		return "send buffer"
	case cap(buf) > 0 && &buf[:1][0] == &r.begin.RecvBuf[0]:
		return "receive buffer"
	default:
		return "another buffer"
	}
}

func (r *recorder) note(format string, args ...any) plugin.Code {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, fmt.Sprintf(format, args...))
	return r.code
}

func (r *recorder) DialogSend(hport plugin.HPORT, buf []byte) plugin.Code {
	return r.note("Send %d %d bytes %x in %s", hport, len(buf), buf[:min(len(buf), 8)], r.which(buf))
}

func (r *recorder) DialogReceive(hport plugin.HPORT, buf []byte, n *uint16, timeout uint32, event *plugin.Event) plugin.Code {
	r.event, r.n = event, n
	return r.note("Receive %d up to %d for %d s in %s of %d", hport, *n, timeout, r.which(buf), len(buf))
}

func (r *recorder) DialogGetInfo(hport plugin.HPORT, info *plugin.SecurityInfo) plugin.Code {
	*info = plugin.SecurityInfo{LastError: plugin.ErrorRequestTimeout, BytesReceived: 7, DeviceName: `Modem "<9600>"`}
	return r.note("GetInfo %d", hport)
}

func (r *recorder) DialogComplete(m *plugin.SecurityMessage) {
	user, domain := strings.TrimRight(string(m.UserName[:]), "\x00"), strings.TrimRight(string(m.Domain[:]), "\x00")
	_ = r.note("Complete %d %d %d %q %q", m.HPort, m.MsgID, m.Error, user, domain)
}

func (r *recorder) Go(_ plugin.HPORT, work func(ctx context.Context)) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone++
	if !r.idle || r.gone == 1 { // the first sees to the transaction
		go work(r.work)
	}
	return true
}

// Every request of the program is one call of the host, with the transaction's own buffers, and every code passes unchanged.
func TestRequestsBecomeHostCalls(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString
	long := strings.Repeat("n", 300)
	for _, c := range []struct {
		request, call string
		code          plugin.Code // of the host
		answer        string
	}{
		{`"method":"DialogSend","params":{"hport":7,"data":"AP8K"}`, "Send 7 3 bytes 00ff0a in send buffer", 600, `{"code":600}`},
		{`"method":"DialogSend","params":{"hport":7,"data":"AP8K"}`, "Send 7 3 bytes 00ff0a in send buffer", 614, `{"code":614}`},
		{`"method":"DialogSend","params":{"hport":7,"data":"AP8K"}`, "Send 7 3 bytes 00ff0a in send buffer", 619, `{"code":619}`},
		{`"method":"DialogSend","params":{"hport":7,"data":"AP8K"}`, "Send 7 3 bytes 00ff0a in send buffer", 601, `{"code":601}`},
		{`"method":"DialogSend","params":{"hport":7,"data":""}`, "Send 7 0 bytes  in send buffer", 600, `{"code":600}`},
		{`"method":"DialogSend","params":{"hport":7}`, "Send 7 0 bytes  in nil", 610, `{"code":610}`},             // rule T2
		{`"method":"DialogSend","params":{"hport":7,"data":null}`, "Send 7 0 bytes  in nil", 610, `{"code":610}`}, // rule T2
		{`"method":"DialogSend","params":{"hport":7,"data":"` + b64(make([]byte, 1501)) + `"}`, "Send 7 1501 bytes 0000000000000000 in another buffer", 610, `{"code":610}`},
		{`"method":"DialogReceive","params":{"hport":7,"size":1500,"timeout":9}`, "Receive 7 up to 1500 for 9 s in receive buffer of 1500", 619, `{"code":619}`},
		{`"method":"DialogReceive","params":{"hport":7,"size":70000,"timeout":0}`, "Receive 7 up to 1500 for 0 s in receive buffer of 1500", 616, `{"code":616}`},
		{`"method":"DialogReceive","params":{"hport":7}`, "Receive 7 up to 0 for 0 s in receive buffer of 1500", 610, `{"code":610}`},
		{` "params" : { "x": [1], "timeout" : 2, "hport":7,"size":1 }, "method" : "DialogReceive"`, "Receive 7 up to 1 for 2 s in receive buffer of 1500", 12345, `{"code":12345}`},
		{`"method":"DialogGetInfo","params":{"hport":7}`, "GetInfo 7", 0, `{"code":0,"last_error":638,"bytes":7,"device_name":"Modem \"<9600>\""}`},
		{`"method":"DialogGetInfo","params":{"hport":7}`, "GetInfo 7", 601, `{"code":601,"last_error":638,"bytes":7,"device_name":"Modem \"<9600>\""}`},
		{`"method":"DialogComplete","params":{"hport":7,"msgid":1,"error":0,"user":"älice","domain":"ACME"}`, `Complete 7 1 0 "älice" "ACME"`, 0, `{"code":0}`},
		{`"method":"DialogComplete","params":{"hport":7,"msgid":3,"error":1067}`, `Complete 7 3 1067 "" ""`, 0, `{"code":0}`},
		{`"method":"DialogComplete","params":{"hport":7,"msgid":9,"user64":"/wBh","domain64":"Yg=="}`, `Complete 7 9 0 "\xff\x00a" "b"`, 0, `{"code":0}`},
		{`"method":"DialogComplete","params":{"hport":7,"msgid":1,"user64":"` + b64([]byte(long)) + `"}`, `Complete 7 1 0 "` + long[:257] + `" ""`, 0, `{"code":0}`}, // rule C5
		{`"method":"DialogSend","params":{"hport":8,"data":"AP8K"}`, "", 600, `{"code":601}`},
		{`"method":"DialogReceive","params":{"hport":8,"size":1}`, "", 600, `{"code":601}`},
		{`"method":"DialogGetInfo","params":{"hport":8}`, "", 0, `{"code":601,"last_error":0,"bytes":0,"device_name":""}`},
		{`"method":"DialogComplete","params":{"hport":8,"msgid":1,"user":"alice"}`, "", 0, `{"code":601}`},
		{`"method":"DialogGetInfo"`, "", 0, `{"code":601,"last_error":0,"bytes":0,"device_name":""}`},
	} {
		for _, id := range []string{"41", `"a-1"`} {
			var answer string
			host := &recorder{code: c.code}
			converse(t, host, func(s *streams) {
				s.say(`"id":%s,%s`, id, c.request)
				answer = s.read()
			})
			if want := `{"jsonrpc":"2.0","id":` + id + `,"result":` + c.answer + `}`; answer != want {
				t.Errorf("%s is answered %s, want %s", c.request, answer, want)
			}
			if got := strings.Join(host.calls, "; "); got != c.call {
				t.Errorf("%s becomes %q, want %q", c.request, got, c.call)
			}
		}
		host := &recorder{code: c.code}
		converse(t, host, func(s *streams) {
			s.say("%s", c.request)
			s.say(`"id":"next","method":"DialogSend","params":{"hport":0}`)
			if answer := s.read(); !strings.Contains(answer, `"next"`) {
				t.Errorf("%s without an id is answered: %s", c.request, answer)
			}
		})
		if got := strings.Join(host.calls, "; "); got != c.call {
			t.Errorf("%s without an id becomes %q, want %q", c.request, got, c.call)
		}
	}
}

// converse runs talk as the program of transaction 7 on host.
func converse(t *testing.T, host *recorder, talk func(s *streams)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		host.work = ctx
		host.begin = plugin.Begin{HPort: 7, SendBuf: make([]byte, 1500), RecvBuf: make([]byte, 1500), Host: host, Complete: host.DialogComplete}
		over := make(chan struct{})
		start := starts(func(s *streams) error { s.hello("call"); return s.rest() }, func(s *streams) error {
			s.hello("call")
			s.begin()
			talk(s)
			close(over)
			s.end(plugin.ErrorPortDisconnected)
			return s.rest()
		})
		x, err := newPlugin(plugin.Setup{}, Program{Command: []string{"/fake"}}, start, defaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		if code := x.SecurityDialogBegin(host.begin); code != plugin.NoError {
			t.Errorf("Begin gives %v", code)
		}
		<-over
		if code := x.SecurityDialogEnd(7); code != plugin.ErrorPortDisconnected {
			t.Errorf("End gives %v", code)
		}
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A Receive is answered first and done once; its bytes are wiped then.
func TestReceiveDone(t *testing.T) {
	for _, c := range []struct {
		bytes string
		info  plugin.Code
		want  string
	}{
		{"hi\x00\xff", 0, `"code":0,"data":"aGkA/w=="`},
		{"", plugin.ErrorRequestTimeout, `"code":638,"data":""`},
	} {
		host := &recorder{code: plugin.Pending}
		converse(t, host, func(s *streams) {
			s.say(`"id":1,"method":"DialogReceive","params":{"hport":7,"size":1500}`)
			if got := s.read(); !strings.Contains(got, `"code":600`) {
				t.Errorf("answer %s", got)
			}
			s.say(`"id":2,"method":"DialogReceive","params":{"hport":7,"size":1500}`) // rule R5
			if got := s.read(); !strings.Contains(got, `"code":616`) {
				t.Errorf("answer %s", got)
			}
			host.mu.Lock()
			*host.n = uint16(copy(host.begin.RecvBuf, c.bytes))
			host.code = plugin.NoError
			host.mu.Unlock()
			host.event.Set()
			if got, want := s.read(), `{"jsonrpc":"2.0","method":"ReceiveDone","params":{"hport":7,`+c.want+`}}`; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			synctest.Wait()
			for _, b := range host.begin.RecvBuf {
				if b != 0 {
					t.Error("what the caller typed stays in the receive buffer")
					break
				}
			}
		})
	}
}

// A Receive that a drop has ended is done before End is asked, however late its worker runs.
func TestR7_ReceiveDoneComesBeforeEnd(t *testing.T) {
	host := &recorder{code: plugin.Pending, idle: true}
	var program *streams
	converse(t, host, func(s *streams) {
		s.say(`"method":"DialogReceive","params":{"hport":7,"size":1500}`)
		synctest.Wait()
		*host.n = 0
		host.event.Set()
		program = s
	})
	if n := len(program.seen); !strings.Contains(program.seen[n-2], methodReceiveDone) || !strings.Contains(program.seen[n-1], methodEnd) {
		t.Errorf("the host sends %q", program.seen)
	}
}

// A second verdict before End is asked does not reach the host while it could take it for what a deferral owes (rule C2).
func TestC2_SecondVerdictWaitsForEnd(t *testing.T) {
	host := new(recorder)
	converse(t, host, func(s *streams) {
		s.complete(7, plugin.Success, "alice")
		s.complete(7, plugin.Success, "bob")
		synctest.Wait()
		if got := strings.Join(host.calls, "; "); got != `Complete 7 1 0 "alice" ""` {
			t.Errorf("before End: %s", got)
		}
	})
	if got := strings.Join(host.calls, "; "); got != `Complete 7 1 0 "alice" ""; Complete 7 1 0 "bob" ""` { // the host sees the breach
		t.Errorf("after End: %s", got)
	}
}

// A failure of the process that came just before an answer took effect is not overlooked.
func TestFailureBeforeTheAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		stage stage
		take  func(t *transaction, code plugin.Code)
	}{"Begin": {stageBegin, (*transaction).begun}, "End": {stageEnding, (*transaction).ended}} {
		host := &recorder{}
		p := &process{done: make(chan struct{}), open: make(map[plugin.HPORT]*transaction)}
		tx := newTransaction(plugin.Begin{HPort: 7, Host: host, Complete: host.DialogComplete}, p, func() {})
		tx.stage = c.stage
		p.fail(silent("has read nothing"))
		tx.processFailed()
		c.take(tx, plugin.NoError)
		if got := strings.Join(host.calls, "; "); got != `Complete 7 3 638 "" ""` {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// keeper keeps what is written, where it is in memory.
type keeper struct {
	io.WriteCloser
	kept [][]byte
}

func (k *keeper) Write(p []byte) (int, error) {
	n, err := k.WriteCloser.Write(p)
	k.kept = append(k.kept, p)
	return n, err
}

// What a caller types does not stay in memory once the program has it.
func TestFramesAreWiped(t *testing.T) {
	k := new(keeper)
	bubble(t, "call", func(r *rig) {
		start := r.plugin.start
		r.plugin.start = func() (*child, error) {
			c, err := start()
			k.WriteCloser, c.stdin = c.stdin, k
			return c, err
		}
		c := r.dial("modem1")
		c.types("hunter2")
		c.ends(plugin.Success, plugin.NoError, dialog.Completed)
		synctest.Wait()
	}, talk(func(s *streams, hport plugin.HPORT) {
		s.typed(hport)
		s.complete(hport, plugin.Success, "alice")
		s.end(plugin.ErrorPortDisconnected)
	}))
	for _, p := range k.kept {
		if len(bytes.Trim(p, "\x00")) > 0 {
			t.Errorf("%q is still there", p)
		}
	}
	if len(k.kept) < 4 {
		t.Errorf("%d messages were written", len(k.kept))
	}
}

func TestBudget(t *testing.T) {
	now := time.Now()
	b := budget{left: budgetMax, at: now}
	if !b.spend(budgetMax, now) || b.spend(1, now) {
		t.Error("the budget is not budgetMax")
	}
	b = budget{at: now}
	if later := now.Add(time.Second); !b.spend(budgetRate, later) || b.spend(1, later) {
		t.Error("it does not grow by budgetRate a second")
	}
	b = budget{left: budgetMax, at: now}
	if later := now.Add(time.Hour); !b.spend(budgetMax, later) || b.spend(1, later) {
		t.Error("it grows beyond budgetMax")
	}
}

// A program that reads byte by byte and echoes is not a bomb, however much its caller types.
func TestTypingIsNoBomb(t *testing.T) {
	const size = 2 * budgetMax
	bubble(t, "call", func(r *rig) {
		c := r.dial("modem1")
		c.types(strings.Repeat("k", size) + "\r")
		c.ends(plugin.Success, plugin.NoError, dialog.Completed)
	}, talk(func(s *streams, hport plugin.HPORT) {
		for k := s.keys(hport, 1); k != "\r" && k != ""; k = s.keys(hport, 1) {
			s.say(`"method":"DialogSend","params":{"hport":%d,"data":"Kg=="}`, hport)
		}
		s.complete(hport, plugin.Success, "alice")
		s.end(plugin.ErrorPortDisconnected)
	}))
}

func TestBeginCarriesTheCall(t *testing.T) {
	lines := make(chan string, 1)
	bubble(t, "call", func(r *rig) {
		r.dialWith(dialog.Options{DeviceName: "never", Call: plugin.Call{
			ID: "20261121-1", Line: "modem1", Device: "/dev/ttyS0", DeviceName: `Hayes "<&>"`, CallerID: "P",
			Called: "555\x07\xff", Connect: "9600/V42", Trusted: true,
		}}).ends(plugin.Error, plugin.ErrorProcessAborted, dialog.BeginRefused)
		want := `{"jsonrpc":"2.0","id":2,"method":"SecurityDialogBegin","params":{"hport":1,"send_size":1500,"recv_size":1500,"call":"20261121-1",` +
			`"line":"modem1","device":"/dev/ttyS0","device_name":"Hayes \"<&>\"","caller_id":"P","called":"555\u0007\ufffd","connect":"9600/V42","trusted":true}}`
		if got := <-lines; got != want {
			r.Errorf("got  %s\nwant %s", got, want)
		}
	}, func(s *streams) error {
		s.hello("call")
		lines <- s.read()
		return nil
	})
}

// Whatever a network sends as caller id, Begin fits into a line.
func TestBeginIsBounded(t *testing.T) {
	long := strings.Repeat("\x01ä", 10000)
	bubble(t, "call", func(r *rig) {
		r.dialWith(dialog.Options{Call: plugin.Call{ID: long, Line: long, Device: long, DeviceName: long, CallerID: long, Called: long, Connect: long}}).
			ends(plugin.Success, plugin.NoError, dialog.Completed)
	}, granting)
}
