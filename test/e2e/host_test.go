package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rashost/internal/admin"
	"rashost/port/modemsim"
)

// host is a daemon with its folder, its virtual modems and its log.
type host struct {
	t      *testing.T
	dir    string
	conf   *conf
	modems map[string]*vmodem
	log    *logBuffer
	wrap   []string // a command that runs the daemon, such as unshare

	cmd    *exec.Cmd
	exited chan struct{}
	exit   error
}

// patience is how long a condition may take to come true. Nothing is slow because of it: it is only reached by a fault.
const patience = 40 * time.Second

// newHost makes a host that is not started. Its lines have virtual modems that are switched on.
func newHost(t *testing.T, c *conf) *host {
	t.Helper()
	dir, err := os.MkdirTemp("", "e2e-") // t.TempDir is too long for a unix socket
	must(t, err)
	h := &host{t: t, dir: dir, conf: c, modems: map[string]*vmodem{}, log: &logBuffer{}}
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	must(t, os.Mkdir(filepath.Join(dir, "dev"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "users.yaml"), users, 0o600))
	must(t, c.write(dir))
	for _, l := range c.lines {
		if l.device == "" {
			h.modems[l.name] = newModem(t, devicePath(dir, l.name), modemsim.Options{})
		}
	}
	return h
}

// startHost makes and starts a host and waits until every line is listening.
func startHost(t *testing.T, c *conf) *host {
	t.Helper()
	h := newHost(t, c)
	h.start()
	for _, l := range c.lines {
		h.wantState(l.name, "listening")
	}
	return h
}

// start starts the daemon and waits for its control socket.
func (h *host) start() {
	h.t.Helper()
	h.launch()
	eventually(h.t, "the daemon serves", func() (bool, string) {
		select {
		case <-h.exited:
			h.t.Fatalf("the daemon ended at once: %v\n%s", h.exit, h.log)
		default:
		}
		_, err := h.tryLines()
		return err == nil, errText(err)
	})
}

// launch starts the daemon without waiting for anything.
func (h *host) launch() {
	h.t.Helper()
	args := append(slices.Clone(h.wrap), binary, "serve", "-c", h.configPath())
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = h.log
	cmd.Stdout = h.log
	cmd.Env = quickRace()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(h.t, cmd.Start())
	exited := make(chan struct{})
	h.cmd, h.exited = cmd, exited
	go func() {
		h.exit = cmd.Wait()
		close(exited)
	}()
	h.t.Cleanup(func() {
		if h.exited == exited {
			h.stop()
		}
		h.checkLog()
	})
}

// stop ends the daemon in order.
func (h *host) stop() {
	h.t.Helper()
	if h.running() {
		_ = h.cmd.Process.Signal(syscall.SIGTERM)
		h.wantExit(0)
	}
}

// wantExit waits until the daemon has ended by itself with that code.
func (h *host) wantExit(code int) {
	h.t.Helper()
	select {
	case <-h.exited:
	case <-time.After(patience):
		_ = h.cmd.Process.Signal(syscall.SIGABRT)
		<-h.exited
		h.t.Errorf("the daemon did not end within %s\n%s", patience, h.log)
		return
	}
	if got := h.cmd.ProcessState.ExitCode(); got != code {
		h.t.Errorf("the daemon ended with %v, want exit code %d\n%s", h.exit, code, h.log)
	}
}

// kill is kill -9.
func (h *host) kill() {
	h.t.Helper()
	must(h.t, h.cmd.Process.Kill())
	<-h.exited
}

// reload writes the configuration and sends SIGHUP; said is what the log says when that is done.
func (h *host) reload(said string) {
	h.t.Helper()
	must(h.t, h.conf.write(h.dir))
	h.hup(said)
}

func (h *host) hup(said string) {
	h.t.Helper()
	before := strings.Count(h.log.String(), said)
	must(h.t, h.cmd.Process.Signal(syscall.SIGHUP))
	eventually(h.t, "the log says "+said, func() (bool, string) {
		return strings.Count(h.log.String(), said) > before, h.log.String()
	})
}

// running says whether there is a daemon.
func (h *host) running() bool {
	select {
	case <-h.exited:
		return false
	default:
		return true
	}
}

func (h *host) configPath() string { return filepath.Join(h.dir, "config.yaml") }

// checkLog makes sure that the log holds nothing that a terminal could take as a command, no secret and no crash.
func (h *host) checkLog() {
	h.t.Helper()
	text := h.log.String()
	for i, c := range []byte(text) {
		if c < ' ' && c != '\n' || c == 0x7f || c >= 0x80 && c < 0xa0 && !strings.Contains(text[max(0, i-3):min(len(text), i+4)], "…") {
			h.t.Errorf("the log holds the raw byte %#02x: %q", c, text[max(0, i-200):min(len(text), i+50)])
			break
		}
	}
	for _, bad := range []string{"DATA RACE", "panic:", "fatal error:", "goroutine ", alicePassword, bobPassword} {
		if strings.Contains(text, bad) {
			h.t.Errorf("the log holds %q:\n%s", bad, text)
		}
	}
	if h.t.Failed() {
		h.t.Logf("the daemon's log:\n%s", text)
	}
}

// result is what a command said.
type result struct {
	code        int
	out, stderr string
}

// run runs a rashost command as an operator would.
func (h *host) run(args ...string) result {
	h.t.Helper()
	return h.runWith("", args...)
}

func (h *host) runWith(stdin string, args ...string) result {
	h.t.Helper()
	return command(h.t, stdin, append([]string{"-c", h.configPath()}, args...)...)
}

// command runs the binary.
func command(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	return commandWithin(t, patience, stdin, args...)
}

// commandWithin is command for one that takes long by itself.
func commandWithin(t *testing.T, limit time.Duration, stdin string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = quickRace()
	var out, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("rashost %q: %v %v\n%s", args, err, ctx.Err(), stderr.String())
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), stderr.String()}
}

// ok runs a command that must work.
func (h *host) ok(args ...string) string {
	h.t.Helper()
	r := h.run(args...)
	if r.code != 0 {
		h.t.Fatalf("rashost %q: exit %d\n%s%s", args, r.code, r.out, r.stderr)
	}
	return r.out
}

// tryLines asks the control socket, as `rashost lines` does.
func (h *host) tryLines() (admin.LinesReply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client, err := admin.Dial(ctx, filepath.Join(h.dir, "control.sock"))
	if err != nil {
		return admin.LinesReply{}, err
	}
	defer client.Close()
	return client.Lines(ctx)
}

// lineView returns the state of a line.
func (h *host) lineView(name string) admin.LineView {
	h.t.Helper()
	reply, err := h.tryLines()
	if err != nil {
		h.t.Fatalf("lines: %v\n%s", err, h.log)
	}
	for _, l := range reply.Lines {
		if l.Name == name {
			return l
		}
	}
	return admin.LineView{State: "no such line"}
}

// wantState waits until a line is in that state.
func (h *host) wantState(name, state string) admin.LineView {
	h.t.Helper()
	var l admin.LineView
	eventually(h.t, name+" is "+state, func() (bool, string) {
		l = h.lineView(name)
		return l.State == state, l.State + ": " + l.Reason
	})
	return l
}

// wantReason waits until a line is in that state for a reason that holds all of texts.
func (h *host) wantReason(name, state string, texts ...string) {
	h.t.Helper()
	eventually(h.t, name+" is "+state+" with "+strings.Join(texts, ", "), func() (bool, string) {
		l := h.lineView(name)
		good := l.State == state && !l.NextTry.IsZero()
		for _, text := range texts {
			good = good && strings.Contains(l.Reason, text)
		}
		return good, l.State + ": " + l.Reason
	})
}

// calls returns the calls of a line, newest first, as `rashost calls --json` prints them.
func (h *host) calls(line string) []admin.CallView {
	h.t.Helper()
	var reply admin.CallsReply
	out := h.ok("calls", "--json", "--line", line, "--limit", "1000")
	if err := json.Unmarshal([]byte(out), &reply); err != nil {
		h.t.Fatalf("calls --json: %v\n%s", err, out)
	}
	return reply.Calls
}

// record is what must be in the record of a call.
type record struct {
	cause   string
	verdict string
	user    string   // "" is not looked at
	events  []uint32 // all of them must be there
	service string   // "" is not looked at
}

// wantRecord waits until a line has n calls that all have ended, and checks the newest.
func (h *host) wantRecord(line string, n int, want record) admin.CallView {
	h.t.Helper()
	var got []admin.CallView
	eventually(h.t, "the record of "+line+" is closed", func() (bool, string) {
		got = h.calls(line)
		text, _ := json.Marshal(got)
		return len(got) >= n && !slices.ContainsFunc(got, func(c admin.CallView) bool { return c.Open }), string(text)
	})
	c := got[0]
	if len(got) != n || c.CauseName != want.cause || c.Verdict != want.verdict || want.user != "" && c.User != want.user ||
		want.service != "" && c.Service != want.service {
		text, _ := json.MarshalIndent(c, "", " ")
		h.t.Errorf("%d records, the newest is not %+v:\n%s", len(got), want, text)
	}
	for _, e := range want.events {
		if !slices.Contains(c.Events, e) {
			h.t.Errorf("record of %s: events %v, want %d among them", line, c.Events, e)
		}
	}
	if c.Reason == "" || c.End.IsZero() {
		h.t.Errorf("record of %s: reason %q, end %s: must be there", line, c.Reason, c.End)
	}
	return c
}

// wantBack makes sure that a line works: it listens, and a call gets through to its service.
func (h *host) wantBack(line string) {
	h.t.Helper()
	h.wantState(line, "listening")
	before := len(h.calls(line))
	c := h.modems[line].dial(h.t)
	c.login(alice, alicePassword)
	c.echoes("the line works")
	c.hangUp()
	h.wantRecord(line, before+1, record{cause: "Lost-Carrier", verdict: "success", user: alice})
	h.wantState(line, "listening")
}

// bystander is a caller on another line who must notice nothing.
type bystander struct {
	h    *host
	line string
	call *call
	id   string
}

// bystander begins a session.
func (h *host) bystander(line string) *bystander {
	h.t.Helper()
	h.wantState(line, "listening") // a virtual phone rings once
	c := h.modems[line].dial(h.t)
	c.login(bob, bobPassword)
	c.echoes("before")
	return &bystander{h, line, c, h.wantState(line, "session").CallID}
}

// undisturbed checks that the session is the same and works.
func (b *bystander) undisturbed() {
	b.h.t.Helper()
	b.call.echoes("after")
	if l := b.h.lineView(b.line); l.State != "session" || l.CallID != b.id {
		b.h.t.Errorf("the caller on %s was disturbed: %+v", b.line, l)
	}
}

// logBuffer keeps what the daemon wrote.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
