package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"rashost/internal/caller"
)

// person is a person at a terminal who runs `rashost call`.
type person struct {
	*call
	cmd    *exec.Cmd
	tty    *os.File // the terminal's end of the program
	before unix.Termios
	exited chan struct{}
}

// atTerminal starts `rashost call` on a terminal of its own.
func (r *callRig) atTerminal(args ...string) *person {
	r.t.Helper()
	master, tty, err := pty.Open()
	must(r.t, err)
	p := &person{
		cmd: exec.Command(binary, append([]string{"-c", r.configPath(), "call"}, args...)...), tty: tty,
		call: &call{Caller: caller.New(beside{master}), t: r.t}, exited: make(chan struct{}),
	}
	p.before = p.termios()
	p.cmd.Env, p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = quickRace(), tty, tty, tty
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	must(r.t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	r.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
		_ = tty.Close()
		_ = master.Close()
	})
	return p
}

// beside hides the deadlines of a master, which is a blocking file.
type beside struct{ io.ReadWriter }

func (p *person) termios() unix.Termios {
	p.t.Helper()
	t, err := unix.IoctlGetTermios(int(p.tty.Fd()), unix.TCGETS)
	must(p.t, err)
	return *t
}

// wantExit waits for the end, and checks that the terminal is as it was.
func (p *person) wantExit(code int) {
	p.t.Helper()
	<-p.exited
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		p.t.Errorf("exit %d, want %d\n%s", got, code, p.Transcript())
	}
	if now := p.termios(); now != p.before {
		p.t.Errorf("the terminal is not as it was:\n%+v\n%+v", now, p.before)
	}
	if strings.Contains(p.Transcript(), alicePassword) {
		p.t.Errorf("the password was shown:\n%s", p.Transcript())
	}
}

// A person is asked for the password, logs in by script, types on the line, and leaves by ~. at the beginning of a line.
func TestCallTerminal(t *testing.T) {
	t.Parallel()
	c, link := directConf(t, "staff")
	r := newCallRig(t, c)
	p := r.atTerminal(link, "--script", r.script)
	p.expect("Password: ")
	p.send(alicePassword)
	p.expect("connected; ~. at the beginning of a line hangs up")
	p.expect("console")
	p.send("hello ~. there")
	p.expect("hello ~. there\r\n")
	p.raw([]byte("~~tilde\r"))
	p.expect("~tilde\r\n")
	p.raw([]byte("~."))
	p.wantExit(0)
	r.wantRecord("console", 1, record{cause: "Lost-Carrier", verdict: "success", user: alice})

	r.wantState("console", "listening")
	p = r.atTerminal(link, "--script", r.script, "--secret-file", r.secret)
	p.expect("hangs up")
	p.expect(" console")
	p.raw([]byte{3}) // Ctrl-C is the far end's, whose service it ends
	p.expect("the line was hung up")
	p.wantExit(0)
}

// A COMMAND is in front on its terminal, and in the group of whoever opened its line; otherwise it has a group of its own.
func TestCallCommandGroup(t *testing.T) {
	t.Parallel()
	r := newCallRig(t, newConf())
	command := []string{"-q", "--", "sh", "-c", "exec cat /proc/self/stat >&2"}
	group := func(said string) int {
		_, stat, _ := strings.Cut(said, "(cat) ")
		var state string
		var parent, group int
		_, err := fmt.Sscan(stat, &state, &parent, &group)
		must(t, err)
		return group
	}
	_, path := playedEnd(t)
	p := r.atTerminal(append([]string{path}, command...)...)
	p.expect("(cat) ")
	p.wantExit(0)
	if got := group(p.Transcript()); got != p.cmd.Process.Pid {
		t.Errorf("at a terminal: group %d, want the caller's %d", got, p.cmd.Process.Pid)
	}
	_, path = playedEnd(t)
	for device, own := range map[string]bool{path: true, "-": false} {
		cmd := exec.Command(binary, append([]string{"call", device}, command...)...)
		cmd.Env, cmd.SysProcAttr = quickRace(), &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
		if device == "-" {
			cmd.Stdin = openRaw(t, path)
			cmd.Stdout = cmd.Stdin.(*os.File)
		}
		var said strings.Builder
		cmd.Stderr = &said
		must(t, cmd.Run())
		if got := group(said.String()) != cmd.Process.Pid; got != own {
			t.Errorf("%s without a terminal: a group of its own: %v\n%s", device, got, &said)
		}
	}
}

// With SASL and without a flag for the secret, over a virtual modem; the host ends the session.
func TestCallTerminalSASL(t *testing.T) {
	t.Parallel()
	c := newConf()
	c.dialogs += saslDialogs
	c.lines = []lineConf{{name: "demo", device: "sim:demo", keys: "modem: generic, dialog: mail"}}
	r := newCallRig(t, c)
	p := r.atTerminal("sim:demo", "--sasl", "--user", alice)
	p.expect("Password: ")
	p.send(alicePassword)
	p.expect("READY alice demo")
	r.ok("hangup", "demo")
	p.expect("the line was hung up")
	p.wantExit(0)
}

// Ctrl-C at the question for the password, and a signal in the session: the terminal is as it was.
func TestCallTerminalInterrupted(t *testing.T) {
	t.Parallel()
	c, link := directConf(t, "staff")
	r := newCallRig(t, c)
	p := r.atTerminal(link, "--script", r.script)
	p.expect("Password: ")
	p.raw([]byte{3})
	p.expect("interrupted")
	p.wantExit(130)
	if calls := r.calls("console"); len(calls) != 0 {
		t.Errorf("it called all the same: %+v", calls)
	}
	p = r.atTerminal(link, "--script", r.script, "--secret-file", r.secret)
	p.expect("READY alice")
	p.expect(" console")
	must(t, p.cmd.Process.Signal(syscall.SIGTERM))
	p.expect("ended by a signal")
	p.wantExit(128 + int(syscall.SIGTERM))
	r.wantRecord("console", 1, record{cause: "Lost-Carrier", verdict: "success", user: alice})
}

// Where nobody can be asked for the secret, nothing is opened.
func TestCallWithoutTerminal(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(binary, "call", "/dev/nosuch", "--sasl", "--user", alice, "--then", "exit")
	cmd.Env, cmd.SysProcAttr = quickRace(), &syscall.SysProcAttr{Setsid: true}
	out, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 2 || !contains(string(out), "--secret-file or --secret-fd") {
		t.Errorf("exit %d, want 2\n%s", code, out)
	}
}
