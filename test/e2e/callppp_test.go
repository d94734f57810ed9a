package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pppService speaks at once, as a peer with PPP does, with every byte that a tty could take as a command.
func pppService() string {
	return `  net: {type: command, command: [/bin/sh, -c, 'stty raw -echo; printf "~\377}\043\300\041\001\003\004\021\023\n\r~"; exec cat'], idle: 1h, grace: 1s` + runAs() + "}\n"
}

// firstFrame is what it says.
const firstFrame = "~\xff}#\xc0!\x01\x03\x04\x11\x13\n\r~"

// pppConf is a host with a modem line for pppd's calls.
func pppConf(dialog string) *conf {
	c := newConf("one")
	c.dialogs += saslDialogs
	c.services += pppService()
	c.line("one").keys = "service: net, dialog: " + dialog
	return c
}

// openRaw opens a tty as pppd does: blocking, raw, not obeying the carrier while the connect program runs.
func openRaw(t *testing.T, path string) *os.File {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	must(t, err)
	tty := os.NewFile(uintptr(fd), path)
	t.Cleanup(func() { _ = tty.Close() })
	tio, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	must(t, err)
	tio.Iflag, tio.Oflag, tio.Lflag = unix.IGNBRK|unix.IGNPAR, 0, 0
	tio.Cflag = unix.CS8 | unix.CREAD | unix.HUPCL | unix.CLOCAL | unix.B38400
	tio.Cc[unix.VMIN], tio.Cc[unix.VTIME] = 1, 0
	must(t, unix.IoctlSetTermios(fd, unix.TCSETS, tio))
	return tty
}

// connectLine is a connect program for pppd.
func (r *callRig) connectLine(more ...string) string {
	return strings.Join(append([]string{binary, "call", "-", "--number", "1", "--modem", r.profile}, more...), " ")
}

// As pppd's connect program, which has the line on standard input and output: exit 0 leaves the line open and set up as it was, and the
// first byte behind the login is there for PPP.
func TestCallAsConnectProgram(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ dialog, login string }{{"mail", "--sasl --user alice"}, {"smtp", "--sasl --user alice"}, {"staff", "--script "}} {
		t.Run(tc.dialog, func(t *testing.T) {
			t.Parallel()
			r := newCallRig(t, pppConf(tc.dialog))
			login := tc.login + " --secret-file " + r.secret
			if tc.dialog == "staff" {
				must(t, os.WriteFile(r.script, []byte("expect login:\nsend alice\nexpect Password:\nsecret\nexpect \"\\r\\n\"\n"), 0o600))
				login = tc.login + r.script + " --secret-file " + r.secret
			}
			tty := openRaw(t, r.callersModem("one"))
			before, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
			must(t, err)
			said := &logBuffer{}
			cmd := exec.Command("sh", "-c", r.connectLine(login))
			cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = quickRace(), tty, tty, said
			must(t, cmd.Run())
			got := make([]byte, len(firstFrame))
			if n, err := readFully(tty, got); err != nil || string(got) != firstFrame {
				t.Errorf("PPP's first bytes are %q, %v; want %q\n%s", got[:n], err, firstFrame, said)
			}
			after, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
			must(t, err)
			flags, err := unix.FcntlInt(tty.Fd(), unix.F_GETFL, 0)
			if *before != *after || err != nil || flags&unix.O_NONBLOCK != 0 {
				t.Errorf("the tty was changed: %+v\n%+v\nflags %#x, %v", before, after, flags, err)
			}
			_, err = tty.Write([]byte("\x00\x01\xfe~"))
			must(t, err)
			if n, err := readFully(tty, got[:4]); err != nil || string(got[:4]) != "\x00\x01\xfe~" {
				t.Errorf("the line gives back %q, %v", got[:n], err)
			}
			_ = tty.Close()
			r.wantRecord("one", 1, record{cause: "Lost-Carrier", verdict: "success", user: alice})
			wantClean(t, said.String())
		})
	}
}

// readFully reads from a blocking tty, with a limit.
func readFully(tty *os.File, p []byte) (done int, err error) {
	for done < len(p) {
		fds := []unix.PollFd{{Fd: int32(tty.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(patience/time.Millisecond))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n == 0 {
			return done, os.ErrDeadlineExceeded
		}
		n, err = tty.Read(p[done:])
		if err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// A connect program that fails says so by its exit code, and stops the modem, since pppd's tty stays open.
func TestCallAsConnectProgramFails(t *testing.T) {
	t.Parallel()
	r := newCallRig(t, pppConf("mail"))
	tty := openRaw(t, r.callersModem("one"))
	for _, tc := range []struct{ more, text string }{
		{"--sasl --user alice --secret-file " + r.wrong, "the far end refused the login"},
		{"--number 0 --timeout 1s", "no connection within 1s"},
	} {
		said := &logBuffer{}
		cmd := exec.Command("sh", "-c", r.connectLine(tc.more))
		cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = quickRace(), tty, tty, said
		_ = cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(said.String(), tc.text) {
			t.Errorf("exit %d, want 1 and %q\n%s", code, tc.text, said)
		}
		_ = tty.Close() // a pty has no DTR: closing it is what hangs up
		eventually(t, "the far end listens", func() (bool, string) { l := r.lineView("one"); return l.State == "listening", l.State })
		tty = openRaw(t, devicePath(r.dir, "callers-modem"))
	}
	p := r.atTerminal("-", "--number", "1") // a terminal of a person is no line
	p.expect("standard input is a terminal for people")
	p.wantExit(1)
}

// The real pppd runs the connect program. Where the kernel has no PPP, /dev/ppp is a stand-in for pppd's first look: it then opens the
// line, sets it up, runs the connect program, reports that it worked, and fails only when it wants the kernel's PPP.
func TestCallAsConnectProgramOfPPPD(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	needsProgram(t, "pppd", "ppp")
	needsProgram(t, "unshare", "util-linux")
	r := newCallRig(t, pppConf("mail"))
	pty := r.callersModem("one")
	device, err := filepath.EvalSymlinks(pty)
	must(t, err)
	connect := r.connectLine("--sasl --user alice --secret-file " + r.secret)
	stand := `d=$0/devices; mkdir -p $d && mount -t tmpfs none $d && mkdir $d/pts && mount --bind /dev/pts $d/pts &&
for x in null zero tty random urandom; do : >$d/$x && mount --bind /dev/$x $d/$x || exit 99; done
: >$d/ppp; if [ -e /dev/ppp ]; then mount --bind /dev/ppp $d/ppp; else mount --bind /dev/null $d/ppp; fi
mount --move $d /dev || exit 99
exec pppd "$1" 115200 nodetach noauth local nolock connect "$2"`
	for _, tc := range []struct {
		connect, said string
	}{
		{connect, "Serial connection established."},
		{r.connectLine("--sasl --user alice --secret-file " + r.wrong), "Connect script failed"},
	} {
		r.wantState("one", "listening")
		cmd := exec.Command("unshare", "-m", "sh", "-c", stand, r.dir, device, tc.connect)
		cmd.Env = quickRace()
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
		out, err := cmd.CombinedOutput()
		text := string(out)
		if cmd.ProcessState.ExitCode() == 99 {
			t.Fatalf("the devices could not be set up: %v\n%s", err, text)
		}
		if !strings.Contains(text, tc.said) || strings.Contains(text, "Connect script failed") != (tc.connect != connect) {
			t.Errorf("pppd ended with %v; it must say %q, and says:\n%s", err, tc.said, text)
		}
	}
	r.wantState("one", "listening")
}
