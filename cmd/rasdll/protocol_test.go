package rasdll

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long something may take that happens at once; valgrind and the sanitizers are slow.
const patience = 60 * time.Second

// session is a running rasdll, as its host sees it.
type session struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr syncText
	id     int
}

// syncText collects what is written.
type syncText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *syncText) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *syncText) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// open starts a command that runs rasdll.
func open(t *testing.T, command ...string) *session {
	t.Helper()
	s := &session{t: t, cmd: exec.CommandContext(t.Context(), command[0], command[1:]...), id: 1}
	var err error
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.stdout = bufio.NewReader(out)
	s.cmd.Stderr = &s.stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(patience, func() { _ = s.cmd.Process.Kill() })
	t.Cleanup(func() {
		timer.Stop()
		s.stdin.Close()
		if s.cmd.ProcessState == nil {
			_ = s.cmd.Process.Kill()
			_ = s.cmd.Wait()
		}
		if t.Failed() {
			t.Logf("stderr: %s", &s.stderr)
		}
	})
	return s
}

// write sends one line.
func (s *session) write(line string) {
	s.t.Helper()
	if _, err := io.WriteString(s.stdin, line+"\n"); err != nil {
		s.t.Fatalf("writing %.100q: %v", line, err)
	}
}

// request sends a request of the host.
func (s *session) request(method, params string) {
	s.t.Helper()
	s.write(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":{%s}}`, s.id, method, params))
	s.id++
}

// begin sends SecurityDialogBegin.
func (s *session) begin(hport int, device string) {
	s.t.Helper()
	s.request("SecurityDialogBegin", fmt.Sprintf(`"hport":%d,"send_size":1500,"recv_size":1500,"call":"c","line":"l","device":"/dev/x",`+
		`"device_name":%s,"caller_id":"","called":"","connect":"","trusted":false`, hport, device))
}

// expect reads lines, which are to be these, exactly.
func (s *session) expect(want ...string) {
	s.t.Helper()
	for _, w := range want {
		got, err := s.stdout.ReadString('\n')
		if err != nil || got != w+"\n" {
			s.t.Fatalf("got  %q, %v\nwant %q", got, err, w)
		}
	}
}

// answer answers a request of rasdll.
func (s *session) answer(id, code int) {
	s.t.Helper()
	s.write(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":{"code":%d}}`, id, code))
}

// result is an answer of rasdll.
func result(id, code int) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":{"code":%d}}`, id, code)
}

// asked is a request of rasdll.
func asked(id int, method, params string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":{%s}}`, id, method, params)
}

// end waits for the exit, after nothing more has come.
func (s *session) end(code int) {
	s.t.Helper()
	if rest, err := io.ReadAll(s.stdout); err != nil || len(rest) > 0 {
		s.t.Errorf("it sent %q, %v before the end", rest, err)
	}
	_ = s.cmd.Wait()
	if got := s.cmd.ProcessState.ExitCode(); got != code {
		s.t.Errorf("status %d, want %d", got, code)
	}
}

// waitFor waits until text is on standard error.
func (s *session) waitFor(text string) {
	s.t.Helper()
	for end := time.Now().Add(patience); !strings.Contains(s.stderr.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("%q does not come", text)
		}
	}
}

// hello opens the conversation.
func (s *session) hello(name, isolation string) {
	s.t.Helper()
	s.request("Hello", `"version":1,"host":"rashost"`)
	s.expect(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"result":{"version":1,"name":%q,"isolation":%q}}`, name, isolation))
}

// A whole exchange, byte by byte, with both sizes of HPORT; and what GetInfo tells (rules G1, G4).
func TestExchange(t *testing.T) {
	for how, sanitizers := range both {
		for size, flags := range map[string][]string{"handle": nil, "dword": {"-DRASSHOST_HPORT_DWORD"}} {
			t.Run(how+"/"+size, func(t *testing.T) {
				s := open(t, rasdll(t, sanitizers), "--name", `the "gate"`, "--safe", "line", library(t, "parts.c", flags...))
				s.hello(`the "gate"`, "line")
				device := strings.Repeat("d", 127) + "ä" // 129 bytes: one too many
				domain := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\xe4", 16)))
				user := base64.StdEncoding.EncodeToString([]byte(device[:128]))
				id := 1
				for _, hport := range []int{1, 4294967295} {
					s.begin(hport, `"`+device+`"`)
					s.expect(asked(id, "DialogSend", fmt.Sprintf(`"hport":%d,"data":"Z28NCg=="`, hport)))
					s.answer(id, 600)
					s.expect(asked(id+1, "DialogReceive", fmt.Sprintf(`"hport":%d,"size":1500,"timeout":30`, hport)))
					s.answer(id+1, 600)
					s.write(fmt.Sprintf(`{"jsonrpc":"2.0","method":"ReceiveDone","params":{"hport":%d,"code":0,"data":"AA=="}}`, hport))
					s.expect(asked(id+2, "DialogComplete",
						fmt.Sprintf(`"hport":%d,"msgid":1,"error":0,"user64":"%s","domain64":"%s"`, hport, user, domain)))
					s.answer(id+2, 0)
					s.expect(result(s.id-1, 0))
					s.request("SecurityDialogEnd", fmt.Sprintf(`"hport":%d`, hport))
					s.expect(result(s.id-1, 619))
					// What comes for a transaction that is over is nobody's.
					s.write(fmt.Sprintf(`{"jsonrpc":"2.0","method":"ReceiveDone","params":{"hport":%d,"code":619,"data":""}}`, hport))
					id += 3
				}
				s.stdin.Close()
				s.end(0)
				if text := s.stderr.String(); text != "" {
					t.Errorf("stderr: %q", text)
				}
			})
		}
	}
}

// A time-out and a drop while the library waits; a device name with escapes.
func TestReceiveFails(t *testing.T) {
	s := open(t, rasdll(t, "address,undefined"), library(t, "parts.c"))
	s.hello("parts.so", "call")
	id := 1
	for hport, code := range []int{638, 619} {
		hport++
		s.begin(hport, `"\u0041\"\n"`)
		s.expect(asked(id, "DialogSend", fmt.Sprintf(`"hport":%d,"data":"Z28NCg=="`, hport)))
		s.answer(id, 600)
		s.expect(asked(id+1, "DialogReceive", fmt.Sprintf(`"hport":%d,"size":1500,"timeout":30`, hport)))
		s.answer(id+1, 600)
		s.write(fmt.Sprintf(`{"jsonrpc":"2.0","method":"ReceiveDone","params":{"hport":%d,"code":%d,"data":""}}`, hport, code))
		s.expect(asked(id+2, "DialogComplete",
			fmt.Sprintf(`"hport":%d,"msgid":3,"error":%d,"user64":"QSIK","domain64":"5OTk5OTk5OTk5OTk5OTk5A=="`, hport, code)))
		s.answer(id+2, 0)
		s.expect(result(s.id-1, 0))
		id += 3
	}
	s.stdin.Close() // with two transactions open
	s.end(0)
}

// A host that does not keep to the protocol: one line on standard error that quotes nothing, status 1.
func TestGarbage(t *testing.T) {
	program, lib := rasdll(t, "address,undefined"), library(t, "parts.c")
	hello := `{"jsonrpc":"2.0","id":1,"method":"Hello","params":{"version":1,"host":"rashost"}}` + "\n"
	received := func(data string) string {
		return hello + `{"jsonrpc":"2.0","method":"ReceiveDone","params":{"hport":1,"code":0,"data":"` + data + "\"}}\n"
	}
	request := func(method, params string) string {
		return hello + `{"jsonrpc":"2.0","id":2,"method":"` + method + `","params":{` + params + "}}\n"
	}
	for text, says := range map[string]string{
		"hunter2\n": "is no message",
		`{"jsonrpc":"1.0","id":1,"method":"Hello"}` + "\n":                        "is no message",
		`{"jsonrpc":"2.0","id":1,"method":"Hello","params":{"version":2}}` + "\n": "version 1",
		request("hunter2", ""): "none of the protocol",
		strings.Replace(request("SecurityDialogEnd", `"hport":1`), `"id":2,`, "", 1):            "none of the protocol",
		hello + `{"jsonrpc":"2.0","id":2,"result":{"code":0}}` + "\n":                           "never made",
		hello + `{"jsonrpc":"2.0","id":2,"result":{}}` + "\n":                                   "without a code",
		request("SecurityDialogEnd", ""):                                                        "named no hport",
		request("SecurityDialogEnd", `"hport":0`):                                               "named no hport",
		request("SecurityDialogBegin", `"hport":1`):                                             "named no sizes",
		request("SecurityDialogBegin", `"hport":1,"send_size":1,"recv_size":1,"device_name":7`): "device that is no text",
		received("aHVudGVyMg"):                                                                  "ReceiveDone that is none",
		received(strings.Repeat("AAAA", 501)):                                                   "ReceiveDone that is none",
		hello + `{"jsonrpc":"2.0"`:                                                              "within a line",
		hello + strings.Repeat("hunter2 ", 2048):                                                "more than 16384 bytes",
		hello + `{"a":"` + strings.Repeat("x", 16384) + `"}`:                                    "more than 16384 bytes",
	} {
		o := start(t, program, text, lib)
		if o.code != 1 || !strings.HasPrefix(o.stderr, "rasdll: the host ") || !strings.Contains(o.stderr, says) || strings.Count(o.stderr, "\n") != 1 ||
			strings.Contains(o.stderr, "hunter2") {
			t.Errorf("%.150q: got %+v, want %q", text, o, says)
		}
	}
	if o := start(t, program, hello, lib); o.code != 0 || o.stderr != "" {
		t.Errorf("only Hello: got %+v", o)
	}
}

// Handles that the host gets wrong.
func TestWrongHPORT(t *testing.T) {
	program, lib := rasdll(t, "address,undefined"), library(t, "rules.c")
	s := open(t, program, lib)
	s.hello("rules.so", "call")
	s.request("SecurityDialogEnd", `"hport":7`)
	s.end(1)
	s = open(t, program, lib)
	s.hello("rules.so", "call")
	s.begin(7, `"pay"`)
	s.expect(result(2, 0))
	s.begin(7, `"pay"`)
	s.end(1)
}

// A ReceiveDone with more bytes than were asked for, and one that brings nothing with code 0, are refused: the library's buffer is its own.
func TestReceiveTooMuch(t *testing.T) {
	for _, size := range []int{0, 101, 1500} {
		s := open(t, rasdll(t, "address,undefined"), library(t, "rules.c"))
		s.hello("rules.so", "call")
		s.begin(1, `"late"`)
		s.expect(asked(1, "DialogReceive", `"hport":1,"size":100,"timeout":0`))
		data := base64.StdEncoding.EncodeToString(make([]byte, size))
		s.write(`{"jsonrpc":"2.0","method":"ReceiveDone","params":{"hport":1,"code":0,"data":"` + data + `"}}`)
		s.end(1)
	}
}
