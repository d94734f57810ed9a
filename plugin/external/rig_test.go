package external

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"rashost/dialog"
	"rashost/plugin"
)

// errKilled is how a fake program ends that was killed.
var errKilled = errors.New("signal: killed")

// program is a fake: it speaks with the host as a program would, and has exited when it returns.
type program func(s *streams) error

// streams are a fake program's end of its pipes.
type streams struct {
	in     *bufio.Reader
	out    io.Writer
	err    io.Writer
	killed chan struct{}
	seen   []string // the lines that it has read
}

// read takes the host's next line; "" when there is none.
func (s *streams) read() string {
	line, err := s.in.ReadString('\n')
	if err != nil {
		return ""
	}
	s.seen = append(s.seen, strings.TrimSuffix(line, "\n"))
	return s.seen[len(s.seen)-1]
}

// await reads on until a line of the given method, and returns it with its params. ok is false at the end of the input.
func (s *streams) await(method string) (m hostMessage, ok bool) {
	for {
		line := s.read()
		if line == "" {
			return hostMessage{}, false
		}
		m = hostMessage{}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			panic(err)
		}
		if m.Method == method {
			return m, true
		}
	}
}

// hostMessage is what the host sends.
type hostMessage struct {
	ID     int64
	Method string
	Params struct {
		HPort plugin.HPORT
		Code  plugin.Code
		Data  []byte
		Line  string
	}
	Result map[string]any
}

// say writes a message.
func (s *streams) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.out, `{"jsonrpc":"2.0",`+format+"}\n", args...)
}

// hello answers the first message.
func (s *streams) hello(isolation string) {
	if m, ok := s.await(methodHello); ok {
		s.say(`"id":%d,"result":{"version":1,"name":"fake","isolation":%q}`, m.ID, isolation)
	}
}

// begin answers the next Begin with 0 and returns its params.
func (s *streams) begin() (m hostMessage, ok bool) {
	if m, ok = s.await(methodBegin); ok {
		s.say(`"id":%d,"result":{"code":0}`, m.ID)
	}
	return m, ok
}

// typed waits until the caller has typed something, and returns it.
func (s *streams) typed(hport plugin.HPORT) string { return s.keys(hport, 1500) }

// keys is typed for at most size bytes.
func (s *streams) keys(hport plugin.HPORT, size int) string {
	s.say(`"method":"DialogReceive","params":{"hport":%d,"size":%d,"timeout":0}`, hport, size)
	m, _ := s.await(methodReceiveDone)
	return string(m.Params.Data)
}

// end answers the next End.
func (s *streams) end(code plugin.Code) {
	if m, ok := s.await(methodEnd); ok {
		s.say(`"id":%d,"result":{"code":%d}`, m.ID, code)
	}
}

// complete reports a verdict.
func (s *streams) complete(hport plugin.HPORT, verdict plugin.Verdict, user string) {
	s.say(`"method":"DialogComplete","params":{"hport":%d,"msgid":%d,"user":%q}`, hport, verdict, user)
}

// hang does nothing until it is killed.
func (s *streams) hang() error {
	<-s.killed
	return errKilled
}

// rest reads to the end of the input.
func (s *streams) rest() error {
	for s.read() != "" {
	}
	return nil
}

// starts makes a way to start fake programs: the first start runs the first program and so on, the last one for ever.
func starts(programs ...program) func() (*child, error) {
	var mu sync.Mutex
	n := 0
	return func() (*child, error) {
		mu.Lock()
		run := programs[min(n, len(programs)-1)]
		n++
		mu.Unlock()
		hostIn, in := io.Pipe()
		out, hostOut := io.Pipe()
		errs, hostErrs := io.Pipe()
		s := &streams{in: bufio.NewReader(hostIn), out: hostOut, err: hostErrs, killed: make(chan struct{})}
		exited := make(chan error, 1)
		go func() {
			err := run(s)
			_ = hostIn.Close()
			_ = hostOut.Close()
			_ = hostErrs.Close()
			exited <- err
		}()
		kill := sync.OnceFunc(func() {
			close(s.killed)
			_ = hostIn.Close()
			_ = hostOut.Close()
			_ = hostErrs.Close()
		})
		return &child{stdin: in, stdout: out, stderr: errs, kill: kill, wait: func() error { return <-exited }}, nil
	}
}

// logBuffer takes log lines from any goroutine.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// rig is a plugin on fake programs, with a real host.
type rig struct {
	*testing.T
	plugin *Plugin
	host   *dialog.Host
	log    *logBuffer
}

// bubble runs f with a plugin whose programs are fakes, in a bubble of testing/synctest, and then closes the plugin.
func bubble(t *testing.T, isolation string, f func(r *rig), programs ...program) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log := new(logBuffer)
		s := plugin.Setup{Dialog: "staff", Isolation: isolation, Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
		load := func(s *streams) error { s.hello("shared"); return s.rest() }
		p, err := newPlugin(s, Program{Command: []string{"/fake"}, Kind: "external"}, starts(append([]program{load}, programs...)...), defaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{t, p, dialog.New(nil), log}
		f(r)
		if err := r.host.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if n := len(p.transactions) + len(p.processes); n > 0 {
			t.Errorf("%d transactions and processes are kept", n)
		}
	})
}

// call is a caller on a line in memory.
type call struct {
	r      *rig
	conn   net.Conn
	cancel context.CancelFunc
	mu     sync.Mutex
	out    bytes.Buffer
	done   chan dialog.Outcome
}

// dial starts a dialog on a line.
func (r *rig) dial(line string) *call {
	return r.dialWith(dialog.Options{Call: plugin.Call{ID: "call-" + line, Line: line}})
}

func (r *rig) dialWith(o dialog.Options) *call {
	caller, end := net.Pipe()
	ctx, cancel := context.WithCancel(r.Context())
	c := &call{r: r, conn: caller, cancel: cancel, done: make(chan dialog.Outcome, 1)}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := caller.Read(buf)
			c.mu.Lock()
			c.out.Write(buf[:n])
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	go func() {
		c.done <- r.host.Run(ctx, end, r.plugin, o)
		cancel()
		_ = end.Close()
		_ = caller.Close()
	}()
	return c
}

// types sends what the caller types, once everybody waits.
func (c *call) types(text string) {
	synctest.Wait()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.r.Errorf("typing: %v", err)
	}
	synctest.Wait()
}

// heard is what has come so far.
func (c *call) heard() string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.String()
}

// ends waits for the outcome and checks it.
func (c *call) ends(verdict plugin.Verdict, code plugin.Code, ended dialog.Ended) dialog.Outcome {
	c.r.Helper()
	o := <-c.done
	if o.Verdict != verdict || o.Code != code || o.Ended != ended {
		c.r.Errorf("outcome %v, %v, %v; want %v, %v, %v", o.Verdict, o.Code, o.Ended, verdict, code, ended)
	}
	if want := plugin.EventSecurityInternal; verdict == plugin.Error && o.Event != want {
		c.r.Errorf("event %v, want %v", o.Event, want)
	}
	return o
}

// granting lets everybody in at once.
func granting(s *streams) error {
	s.hello("shared")
	for {
		m, ok := s.begin()
		if !ok {
			return nil
		}
		s.complete(m.Params.HPort, plugin.Success, "alice")
		s.end(plugin.ErrorPortDisconnected)
	}
}
