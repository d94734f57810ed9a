package service

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rashost/plugin"
	"rashost/port"
)

func itoa(n int) string { return strconv.Itoa(n) }

// ourselves is run_as for commands that shall run as the tests do.
func ourselves() string {
	if os.Geteuid() == 0 {
		return "root"
	}
	return ""
}

func command(t *testing.T, cfg CommandConfig, args ...string) Service {
	t.Helper()
	cfg.Command = args
	if cfg.RunAs == "" {
		cfg.RunAs = ourselves()
	}
	s, err := NewCommand(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func shell(t *testing.T, script string) Service {
	return command(t, CommandConfig{Grace: 200 * time.Millisecond}, "/bin/sh", "-c", script)
}

func TestCommandEnds(t *testing.T) {
	for _, c := range []struct {
		script, out, exit string
		cause             port.TerminateCause
	}{
		{"echo WELCOME", "WELCOME\r\n", "0", port.UserRequest},
		{"exit 3", "", "3", port.UserRequest},
		{"kill -KILL $$", "", "signal KILL", port.LostService},
		{"kill -SEGV $$", "", "signal SEGV", port.LostService},
		{"stty size; tty >/dev/null && echo a tty", "24 80\r\na tty\r\n", "0", port.UserRequest},
		{"exec <&- >&- 2>&-; exit 5", "", "5", port.UserRequest},
	} {
		out, r := dial(t, shell(t, c.script), "").all()
		if out != c.out || r.Exit != c.exit || r.Cause != c.cause || r.Out != uint64(len(c.out)) || r.Err != nil || r.Reason == "" {
			t.Errorf("%s: %q, %+v", c.script, out, r)
		}
	}
}

// No shell looks at the arguments.
func TestCommandArguments(t *testing.T) {
	out, _ := dial(t, command(t, CommandConfig{}, "echo", "a; exit 3", "$HOME", "*"), "").all()
	if out != "a; exit 3 $HOME *\r\n" {
		t.Errorf("got %q", out)
	}
}

func TestCommandDialogue(t *testing.T) {
	c := dial(t, shell(t, `read a; read b; echo "<$a|$b>"; exit 4`), "typed ahead\r")
	c.expect("typed ahead\r\n") // the terminal's echo
	c.send("later\r")
	c.expect("<typed ahead|later>\r\n")
	if r := c.result(); r.Exit != "4" || r.In != uint64(len("typed ahead\rlater\r")) {
		t.Errorf("%+v", r)
	}
}

func TestCommandTerminalSignals(t *testing.T) {
	c := dial(t, shell(t, `trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.02; done`), "")
	c.expect("ready\r\n")
	c.send("\x03")
	c.expect("interrupted\r\n")
	if r := c.result(); r.Exit != "9" {
		t.Errorf("%+v", r)
	}
}

func TestCommandEnvironment(t *testing.T) {
	t.Setenv("SECRET_OF_THE_DAEMON", "x")
	out, _ := dial(t, command(t, CommandConfig{Env: []string{"EXTRA=1", "LANG=en_GB.UTF-8"}, Term: "vt220"}, "env"), "").all()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"EXTRA=1", "HOME=" + me.HomeDir, "LANG=en_GB.UTF-8", "LOGNAME=" + me.Username, "PATH=" + searchPath, "RASHOST_CALL=c1",
		"RASHOST_CALLER_ID=5551234 __reboot__", "RASHOST_CONNECT=33600/V34", "RASHOST_DOMAIN=LAB", "RASHOST_LINE=modem1", "RASHOST_USER=alice",
		"SHELL=/bin/sh", "TERM=vt220", "USER=" + me.Username,
	}
	got := strings.Split(strings.TrimSpace(strings.ReplaceAll(out, "\r\n", "\n")), "\n")
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A descriptor that somebody forgot to mark reaches no child.
func TestCommandDescriptors(t *testing.T) {
	const leaked = 77
	null, err := unix.Open("/dev/null", unix.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(unix.Dup2(null, leaked), unix.Close(null)); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(leaked) }()
	out, _ := dial(t, shell(t, "ls -l /proc/$$/fd"), "").all()
	for line := range strings.Lines(out) {
		if _, target, ok := strings.Cut(line, " -> "); ok && !strings.HasPrefix(target, "/dev/pts/") {
			t.Errorf("the child has %s", line)
		}
	}
	if strings.Count(out, " -> /dev/pts/") != 3 {
		t.Errorf("the child has %s", out)
	}
}

// pids reads n process numbers that a script has echoed.
func pids(c *call, n int) []int {
	c.t.Helper()
	var list []int
	for range n {
		pid, err := strconv.Atoi(strings.TrimSpace(c.expect("\r\n")))
		if err != nil {
			c.t.Fatal(err)
		}
		list = append(list, pid)
	}
	return list
}

func wantGone(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		until(t, "process "+itoa(pid)+" is gone", func() bool { return !alive(t, pid) })
	}
}

func TestHangUpIsSIGHUP(t *testing.T) {
	s := command(t, CommandConfig{Grace: time.Hour}, "/bin/sh", "-c", `trap 'exit 7' HUP; echo $$; while :; do sleep 0.02; done`)
	c := dial(t, s, "")
	list := pids(c, 1)
	c.hangUp()
	if r := c.result(); r.Exit != "7" || r.Cause != 0 || r.Reason == "" {
		t.Errorf("%+v", r)
	}
	wantGone(t, list)
}

func TestProcessesThatIgnoreSIGHUP(t *testing.T) {
	for name, script := range map[string]string{
		"alone":         `trap '' HUP; echo $$; while :; do sleep 1; done`,
		"grandchildren": `trap '' HUP; sleep 1000 & echo $$; echo $!; wait`,
		"job control":   `set -m; trap '' HUP; sleep 1000 & echo $$; echo $!; wait`,
		"stopped":       `echo $$; kill -STOP $$`,
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, shell(t, script), "")
			n := 1
			if strings.Contains(script, "$!") {
				n = 2
			}
			list := pids(c, n)
			c.hangUp()
			r := c.result()
			if want := map[bool]string{true: "signal HUP", false: "signal KILL"}[name == "stopped"]; r.Exit != want || r.Cause != 0 || r.Err != nil {
				t.Errorf("%+v", r)
			}
			wantGone(t, list)
		})
	}
}

// The leader obeys, its child does not.
func TestStubbornChildOfObedientLeader(t *testing.T) {
	c := dial(t, shell(t, `(trap '' HUP; sleep 1000) & echo $!; trap 'exit 0' HUP; wait`), "")
	list := pids(c, 1)
	c.hangUp()
	c.result()
	wantGone(t, list)
}

// Who holds the terminal after the program has ended is told to go, and the last words arrive.
func TestStrayHolder(t *testing.T) {
	c := dial(t, shell(t, `(trap '' HUP; exec sleep 1000) & echo $!; echo bye`), "")
	list := pids(c, 1)
	c.expect("bye\r\n")
	if r := c.result(); r.Exit != "0" || r.Cause != port.UserRequest {
		t.Errorf("%+v", r)
	}
	wantGone(t, list)
}

// A process that made a session of its own survives, but holds nothing that the next caller could meet: the terminal is dead.
func TestEscapedProcess(t *testing.T) {
	c := dial(t, shell(t, `setsid sh -c 'trap "" HUP; echo $$; exec sleep 1000' & sleep 0.1; wait`), "")
	pid := pids(c, 1)[0]
	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
	c.hangUp()
	c.result()
	if !alive(t, pid) {
		t.Error("the process is gone: say so in the documentation")
	}
	tty, err := os.OpenFile("/proc/"+itoa(pid)+"/fd/1", os.O_WRONLY|syscall.O_NOCTTY, 0)
	if err == nil {
		_, err = tty.WriteString("still here")
		tty.Close()
	}
	if err == nil {
		t.Error("its terminal still works")
	}
}

func TestEscapedHolderDoesNotKeepTheLine(t *testing.T) {
	c := dial(t, shell(t, `setsid sh -c 'trap "" HUP; echo $$; exec sleep 1000' & sleep 0.1; exit 0`), "")
	pid := pids(c, 1)[0]
	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
	if r := c.result(); r.Cause != port.UserRequest || r.Exit != "0" {
		t.Errorf("%+v", r)
	}
}

// All that a program has written arrives, however slowly it is read.
func TestSlowReaderGetsAll(t *testing.T) {
	c := dial(t, shell(t, "seq 1 3000"), "")
	var got strings.Builder
	buf := make([]byte, 100)
	for !strings.HasSuffix(got.String(), "3000\r\n") {
		if err := c.conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := c.conn.Read(buf)
		if err != nil {
			t.Fatalf("after %d bytes: %v", got.Len(), err)
		}
		got.Write(buf[:n])
	}
	if r := c.result(); r.Out != uint64(got.Len()) || r.Cause != port.UserRequest {
		t.Errorf("%d bytes, %+v", got.Len(), r)
	}
}

// A caller who reads nothing stops the program, not us: nothing is buffered beyond one read.
func TestBackPressure(t *testing.T) {
	c := dial(t, shell(t, "echo $$; exec yes"), "")
	list := pids(c, 1)
	until(t, "the program waits", func() bool {
		stat, err := os.ReadFile("/proc/" + itoa(list[0]) + "/wchan")
		return err == nil && strings.Contains(string(stat), "write") || sleeping(list[0])
	})
	c.hangUp()
	if r := c.result(); r.Out > maxBuffer || r.Cause != 0 {
		t.Errorf("%+v", r)
	}
	wantGone(t, list)
}

// sleeping says whether a process used no processor time for a while.
func sleeping(pid int) bool {
	times := func() string {
		stat, err := os.ReadFile("/proc/" + itoa(pid) + "/stat")
		fields := strings.Fields(string(stat))
		if err != nil || len(fields) < 15 || fields[2] != "S" {
			return ""
		}
		return fields[13] + fields[14]
	}
	before := times()
	time.Sleep(50 * time.Millisecond)
	return before != "" && before == times()
}

func TestCommandAsNobody(t *testing.T) {
	if os.Geteuid() != 0 {
		missing(t, "root")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		missing(t, "an account nobody")
	}
	script := `id -u; id -g; id -G; stat -c %u "$(tty)"; echo "$USER $HOME"; pwd`
	out, r := dial(t, command(t, CommandConfig{RunAs: "nobody"}, "/bin/sh", "-c", script), "").all()
	want := strings.Join([]string{nobody.Uid, nobody.Gid, nobody.Gid, nobody.Uid, "nobody " + nobody.HomeDir, "/", ""}, "\r\n")
	if out != want || r.Exit != "0" {
		t.Errorf("got %q, %+v, want %q", out, r, want)
	}
}

func TestRunAs(t *testing.T) {
	for _, c := range []struct {
		runAs string
		euid  int
		want  string
	}{
		{"", 0, "is required"},
		{"root", 0, ""},
		{"nobody", 0, ""},
		{"no-such-account", 0, "no such account as"},
		{"", 1000, ""},
		{"nobody", 1000, ""},
	} {
		err := CheckRunAs(c.runAs, c.euid)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("run_as %q as user %d: %v", c.runAs, c.euid, err)
		}
	}
}

// TestWithoutRootNobodyElse: a daemon that is not root runs every command as itself, whatever run_as says.
func TestWithoutRootNobodyElse(t *testing.T) {
	a, err := findAccount("root", 65534)
	if err != nil || a.uid != 65534 || a.credential != nil {
		t.Fatalf("findAccount = %+v, %v; want our own account and no change of user", a, err)
	}
}

func TestCommandFaults(t *testing.T) {
	_, err := NewCommand(CommandConfig{
		Command: []string{"bin/sh"}, RunAs: "no-such-account", Env: []string{"=x"}, Grace: -1, Limits: Limits{Idle: -1},
	})
	for _, want := range []string{"absolute path", "no-such-account", "NAME=value", "grace", "idle"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	for _, command := range [][]string{nil, {"no-such-program"}, {"/etc/passwd"}, {"/no/such/program"}} {
		if _, err := NewCommand(CommandConfig{Command: command, RunAs: ourselves()}); err == nil {
			t.Errorf("%q was accepted", command)
		}
	}
}

// A program that vanishes between the start of the host and the call.
func TestCommandCannotStart(t *testing.T) {
	s := command(t, CommandConfig{}, "true")
	s.(*commandService).program = "/no/such/program"
	out, r := dial(t, s, "").all()
	if out != unavailable || r.Cause != port.ServiceUnavailable || r.Err == nil {
		t.Errorf("%q, %+v", out, r)
	}
}

func TestUserNames(t *testing.T) {
	for _, name := range []string{"a", "A_b.c@d+e-f", "_x", "0", strings.Repeat("a", 64)} {
		if err := CheckUser(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"", "-rf", ".", "+a", "a b", "a;b", "a\x00", "a\n", "é", "../x", "a/b", strings.Repeat("a", 65)} {
		if err := CheckUser(name); !errors.Is(err, plugin.ErrorInvalidData) {
			t.Errorf("%q: %v", name, err)
		}
	}
	serial, err := NewSerial(SerialConfig{Device: "x", Open: func(context.Context) (ConnCloser, error) { panic("opened") }})
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := NewTCP(TCPConfig{Address: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []Service{shell(t, "echo started"), &pppService{}, serial, tcp} {
		if r := s.Run(t.Context(), nil, Caller{User: "-rf"}); !errors.Is(r.Err, plugin.ErrorInvalidData) || r.Cause != port.ServiceUnavailable {
			t.Errorf("%T: %+v", s, r)
		}
	}
}

// BenchmarkCommand is a whole session of a program that does nothing, on 64 lines at once.
func BenchmarkCommand(b *testing.B) {
	s, err := NewCommand(CommandConfig{Command: []string{"true"}, RunAs: ourselves()})
	if err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(32)
	b.RunParallel(func(p *testing.PB) {
		conn, line := net.Pipe()
		defer conn.Close()
		defer line.Close()
		for p.Next() {
			if r := s.Run(b.Context(), line, Caller{User: "alice"}); r.Exit != "0" {
				b.Errorf("%+v", r)
			}
		}
	})
}

// TestStraySession: what a command left when its host was killed is ended at the next start: also what ignores SIGHUP and SIGTERM, and
// what lives on behind a shell that has ended; not what another call's session has, nor a stranger who got the number.
func TestStraySession(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	// begin starts a session of its own, as for a call, and returns its leader and the process whose number it says.
	begin := func(call, script string) (leader, child int) {
		cmd := exec.Command("/bin/sh", "-c", script)
		cmd.Env, cmd.SysProcAttr = []string{"PATH=" + searchPath, "RASHOST_CALL=" + call}, &syscall.SysProcAttr{Setsid: true}
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		said, err := bufio.NewReader(out).ReadString('\n')
		if err == nil {
			child, err = strconv.Atoi(strings.TrimSpace(said))
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = syscall.Kill(child, syscall.SIGKILL)
			_ = cmd.Wait()
		})
		return cmd.Process.Pid, child
	}
	const deaf = "trap '' HUP TERM; sleep 1000 & echo $!; "
	for _, c := range []struct {
		name, script, note string // whose call the note says it is
		kill               bool   // the leader is dead
		stranger           bool   // somebody else has the leader's number
		lives              bool
	}{
		{"all of it", deaf + "wait", "c1", false, false, false},
		{"behind a shell that has ended", deaf + "wait", "c1", true, false, false},
		{"of another call", deaf + "wait", "c2", true, false, true},
		{"of a stranger", deaf + "wait", "c1", false, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "programs")
			leader, child := begin("c1", c.script)
			path := noteStray(dir, strayNote{PID: leader, Session: true, Line: "modem1", CallID: c.note}, log)
			if path == "" {
				t.Fatal("not noted")
			}
			if c.stranger {
				text, err := os.ReadFile(path)
				if err == nil {
					err = os.WriteFile(path, bytes.Replace(text, []byte(startOf(leader)), []byte("1"), 1), 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if c.kill {
				_ = syscall.Kill(leader, syscall.SIGKILL)
				until(t, "the leader is dead", func() bool { return !alive(t, leader) })
			}
			EndStrays(dir, log)
			if alive(t, child) != c.lives {
				t.Errorf("the child lives %v, want %v", !c.lives, c.lives)
			}
			if !c.kill && alive(t, leader) != c.lives {
				t.Errorf("the leader lives %v, want %v", !c.lives, c.lives)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestCommandIsNoted: a running command is noted, with its session, and forgotten with its end.
func TestCommandIsNoted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "programs")
	c := dial(t, command(t, CommandConfig{State: dir}, "/bin/sh", "-c", "echo READY; read x"), "")
	c.expect("READY")
	notes, _ := filepath.Glob(filepath.Join(dir, strayPrefix+"*"))
	if len(notes) != 1 {
		t.Fatalf("notes: %v", notes)
	}
	if text, err := os.ReadFile(notes[0]); err != nil || !strings.Contains(string(text), `"session":true,"line":"modem1","call_id":"c1"`) {
		t.Errorf("%s, %v", text, err)
	}
	c.drain()
	c.hangUp()
	c.result()
	if notes, _ = filepath.Glob(filepath.Join(dir, "*")); len(notes) != 0 {
		t.Errorf("left behind: %v", notes)
	}
}
