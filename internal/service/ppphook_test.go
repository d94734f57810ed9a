package service

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rashost/internal/pppd"
	"rashost/plugin"
	"rashost/port"
)

// hookDir is a folder of pppd's files in which ip-pre-up asks rashost.
func hookDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ip-pre-up"), []byte("#!/bin/sh\nexec "+pppd.HookCommand+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// hooked is a service that checks names; its pppd has a child, whose numbers it tells, and waits for it as for a hook.
func hooked(t *testing.T, options ...string) *pppService {
	s := fakePPPD(t, `sh -c 'echo $$ $PPID >&0; read go <&0'; echo "local  IP address 10.0.0.1" >&2; exec sleep 1000`, options...)
	s.cfg.PeerCheck, s.cfg.Dir = true, hookDir(t)
	return s
}

// TestPPPPeerName: the name in PPP is compared with the dialog's, and when it is another one pppd is dead before the hook has its answer.
func TestPPPPeerName(t *testing.T) {
	for _, c := range []struct {
		peer, call string
		options    string
		record     bool
		allowed    bool
		note       string
	}{
		{peer: "alice", call: "c1", allowed: true, note: `the name in PPP is that of the dialog: "alice"`},
		{peer: "ALICE", allowed: true, note: "that of the dialog"},
		{peer: `lab\Alice`, allowed: true, note: "that of the dialog"},
		{peer: "bob", call: "c1", note: `"bob", is not that of the dialog, "alice"`},
		{peer: `OTHER\alice`, note: "is not that of the dialog"},
		{peer: "alıce", note: "is not that of the dialog"}, // a dotless i, and no other case of i
		{peer: "alice\n", note: `"alice\n", is not`},
		{peer: strings.Repeat("x", 5000), note: "is not that of the dialog"},
		{peer: "", note: "pppd authenticated nobody, though"},
		{peer: "", options: "noauth", allowed: true, note: "was not checked: the service's options say noauth"},
		{peer: "bob", options: "noauth", note: "is not that of the dialog"},
		{peer: "bob", record: true, allowed: true, note: `the name in PPP is "bob"; it was not compared`},
		{peer: "", record: true, allowed: true, note: "pppd authenticated nobody"},
		{peer: "alice", call: "c2", note: "another call"},
	} {
		s := hooked(t, strings.Fields(c.options)...)
		s.cfg.PeerCheck = !c.record
		call := direct(t, s, false)
		var hook, pid int
		if _, err := fmt.Sscan(call.line(), &hook, &pid); err != nil {
			t.Fatal(err)
		}
		err := s.cfg.Links.PreUp(PPPHook{PID: hook, Call: c.call, Peer: c.peer})
		if dead := !alive(t, pid); (err == nil) != c.allowed || dead == c.allowed {
			t.Errorf("%.20q: %v, pppd dead %v", c.peer, err, dead)
		}
		if c.allowed {
			if _, err := call.tty.Stat(); err != nil {
				t.Fatal(err)
			}
			call.end(port.ErrHangup)
		}
		r := call.result()
		if !call.noted(c.note) {
			t.Errorf("%.20q: the record lacks %q: %q", c.peer, c.note, call.notes)
		}
		other := strings.Contains(c.note, "another call")
		switch {
		case c.allowed && (r.Cause != 0 || r.Event != 0):
			t.Errorf("%.20q: %+v", c.peer, r)
		case !c.allowed && !other &&
			(r.Cause != port.ServiceUnavailable || r.Event != plugin.EventDifferentUser || !strings.Contains(r.Reason, "PPP")):
			t.Errorf("%.20q: %+v", c.peer, r)
		case other && r.Cause != port.NASError:
			t.Errorf("%.20q: %+v", c.peer, r)
		}
	}
}

// Only what a pppd of ours has started may report, whoever it is.
func TestPPPHookOfAStranger(t *testing.T) {
	s := hooked(t)
	call := direct(t, s, false)
	call.line()
	for _, pid := range []int{os.Getpid(), 1, 0, -1, 1 << 22} {
		if err := s.cfg.Links.PreUp(PPPHook{PID: pid, Call: "c1", Peer: "alice"}); !errors.Is(err, ErrNotOurPPP) {
			t.Errorf("process %d: %v", pid, err)
		}
	}
	call.end(port.ErrHangup)
	call.result()
}

// The check says no before a call does: options and hook as they reach pppd.
func TestPPPPeerCheckOptions(t *testing.T) {
	for options, want := range map[string][2]bool{"": {true, true}, "noauth": {true, false}, "noauth auth": {true, true}} {
		s := fakePPPD(t, `echo "$@"`, strings.Fields(options)...)
		s.cfg.PeerCheck, s.cfg.Dir, s.cfg.Control = true, hookDir(t), "/run/x.sock"
		out, _ := dial(t, s, "").all()
		_, ours, _ := strings.Cut(out, " nodetach ")
		if noipv6, auth := strings.Contains(ours, " noipv6 "), strings.Contains(ours, " auth "); noipv6 != want[0] || auth != want[1] {
			t.Errorf("%q: %q", options, out)
		}
		if !strings.Contains(ours, " set RASHOST_CONTROL=/run/x.sock set RASHOST_CALL=c1 ") {
			t.Errorf("the hook would not know its host: %q", ours)
		}
	}
}

// TestPPPHookMissing: without the hook there is no PPP, neither at the start nor when somebody has removed it since.
func TestPPPHookMissing(t *testing.T) {
	cfg := PPPConfig{Path: "/bin/sh", PeerCheck: true, Dir: t.TempDir()}
	_, err := NewPPP(cfg)
	if f, ok := errors.AsType[Fault](err); !ok || f.Key != "peer" || !strings.Contains(err.Error(), "0rashost") ||
		!strings.Contains(err.Error(), "peer: record") {
		t.Errorf("got %v", err)
	}
	for _, good := range []PPPConfig{{Path: "/bin/sh", Dir: cfg.Dir}, {Path: "/bin/sh", Dir: cfg.Dir, PeerCheck: true, Options: []string{"noauth"}}} {
		if _, err := NewPPP(good); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	s := hooked(t)
	if err := os.Remove(filepath.Join(s.cfg.Dir, "ip-pre-up")); err != nil {
		t.Fatal(err)
	}
	if out, r := dial(t, s, "").all(); out != unavailable || r.Cause != port.ServiceUnavailable || r.Err == nil {
		t.Errorf("%q, %+v", out, r)
	}
}

// TestPPPUpWithoutAsking: a pppd that lets packets through although its hook has not asked is killed; so is one that brings IPv6 up first.
func TestPPPUpWithoutAsking(t *testing.T) {
	for _, line := range []string{"local  IP address 10.0.0.1", "local  LL address fe80::1"} {
		for _, onLine := range []bool{true, false} {
			s := fakePPPD(t, `echo "`+line+`" >&2; exec sleep 1000`)
			s.cfg.PeerCheck, s.cfg.Dir = true, hookDir(t)
			var r Result
			if onLine {
				r = direct(t, s, false).result()
			} else {
				_, r = dial(t, s, "").all()
			}
			if r.Cause != port.NASError || !strings.Contains(r.Reason, "without asking") || r.Exit != "signal KILL" {
				t.Errorf("%s, direct %v: %+v", line, onLine, r)
			}
		}
	}
}

// TestComplaint2_15_OpenPPPFiles: what pppd's own files leave open is named, too.
func TestComplaint2_15_OpenPPPFiles(t *testing.T) {
	s := fakePPPD(t, "true")
	s.cfg.Dir = t.TempDir()
	if r := s.Remarks(); len(r) != 0 {
		t.Errorf("no file: %v", r)
	}
	if err := os.WriteFile(filepath.Join(s.cfg.Dir, "options"), []byte("# noauth\nshow-password\nnoauth\nname persist\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := s.Remarks()
	if len(r) != 2 || !strings.Contains(r[0].Error(), "options has show-password") ||
		!strings.Contains(r[1].Error(), "options has noauth") || r[0].Key != "options" {
		t.Errorf("got %v", r)
	}
}

// TestStrayPPP: the pppd of a host that was killed is ended at the next start; a process that only has its number is left alone.
func TestStrayPPP(t *testing.T) {
	dir, log := filepath.Join(t.TempDir(), "ppp"), slog.New(slog.DiscardHandler)
	EndStrays(dir, log) // nothing there
	begin := func(script string) *exec.Cmd {
		cmd := exec.Command("sh", "-c", script)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err == nil {
			_, err = out.Read(make([]byte, 1)) // it has set its traps
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return cmd
	}
	polite := begin("echo; exec sleep 1000")
	deaf := begin("trap '' TERM; echo; while :; do sleep 0.05; done")
	other := begin("echo; exec sleep 1000")
	for _, cmd := range []*exec.Cmd{polite, deaf} {
		if noteStray(dir, strayNote{PID: cmd.Process.Pid, Line: "modem1", CallID: "c1"}, log) == "" {
			t.Fatal("not noted")
		}
	}
	note := fmt.Sprintf(`{"pid":%d,"start":"1","boot":%q,"line":"modem1","call_id":"c1"}`, other.Process.Pid, bootID())
	for name, text := range map[string]string{
		strayPrefix + "1": note, strayPrefix + "2": "{", strayPrefix + "3": `{"pid":1,"start":"` + startOf(1) + `"}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	EndStrays(dir, log)
	for cmd, want := range map[*exec.Cmd]bool{polite: false, deaf: false, other: true} {
		if got := alive(t, cmd.Process.Pid); got != want {
			t.Errorf("%v lives %v, want %v", cmd.Args, got, want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A running pppd is noted, and forgotten with its end.
func TestStrayNoteOfASession(t *testing.T) {
	s := fakePPPD(t, "echo ready >&0; read go <&0; exec sleep 1000")
	s.cfg.State = filepath.Join(t.TempDir(), "ppp")
	c := direct(t, s, false)
	c.line()
	notes := func() int { list, _ := filepath.Glob(filepath.Join(s.cfg.State, strayPrefix+"*")); return len(list) }
	until(t, "it is noted", func() bool { return notes() == 1 })
	c.end(port.ErrHangup)
	c.result()
	if notes() != 0 {
		t.Error("the note stays")
	}
}

// A hook that asks while pppd is only just being started waits until its pppd is known.
func TestPPPHookIsQuick(t *testing.T) {
	s := hooked(t)
	s.cfg.Links.starting.Lock()
	found := make(chan error, 1)
	go func() { found <- s.cfg.Links.PreUp(PPPHook{PID: os.Getpid()}) }()
	select {
	case err := <-found:
		t.Errorf("answered too early: %v", err)
	case <-time.After(20 * time.Millisecond): // nothing can be seen of who waits for a lock
	}
	s.cfg.Links.starting.Unlock()
	if err := <-found; !errors.Is(err, ErrNotOurPPP) {
		t.Error(err)
	}
}

// FuzzHear: whatever pppd says, also what a caller makes it say, is counted or kept within bounds, and nothing of it is raw in the record.
func FuzzHear(f *testing.F) {
	for _, seed := range []string{
		"Sent 300 bytes, received 200 bytes.\n", "local  IP address 10.0.0.1\nremote IP address 10.0.0.2\n", "local  LL address fe80::1\n",
		"LCP terminated by peer (\x1b[2J)\nModem hangup\n", "remote IP address \n", "local  IP address \x07\n", "Connection terminated.\n",
		"\xff\x00\n\n\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := &pppService{noauth: true, exit: time.Hour, cfg: PPPConfig{Links: &PPPLinks{}}}
		var notes []string
		l := s.newLink(Caller{Note: func(what string) { notes = append(notes, what) }})
		l.listen(strings.NewReader(text))
		if l.overdue != nil {
			l.overdue.Stop()
		}
		for _, n := range append(notes, l.result(&process{}, Result{}, false).Reason) {
			if len(n) > 1000 || strings.ContainsFunc(n, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("the record would say %q", n)
			}
		}
		if len(l.complain) > maxWord {
			t.Errorf("%d bytes kept", len(l.complain))
		}
	})
}
