package launch

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// generous bounds every wait of a test.
const generous = 30 * time.Second

// hostMode makes the test binary a host that starts one program and waits for its end, so that a test can kill it.
const hostMode = "RASHOST_LAUNCH_HOST"

// hostHelper is the helper of such a host.
const hostHelper = "RASHOST_LAUNCH_HELPER"

// unprivileged is set in the run of these tests that is not root.
const unprivileged = "RASHOST_LAUNCH_UNPRIVILEGED"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Command {
		os.Exit(Main(os.Args[2:]))
	}
	if script := os.Getenv(hostMode); script != "" {
		os.Exit(beHost(script))
	}
	os.Exit(m.Run())
}

// TestEverythingWithoutRoot runs this file's neighbours once more as nobody: a host that is not root has no control groups here and cannot
// change accounts.
func TestEverythingWithoutRoot(t *testing.T) {
	needRoot(t)
	t.Parallel()
	folder := openFolder(t)
	if err := os.Chown(folder, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=.", "-test.v")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), unprivileged+"=1", "TMPDIR="+folder, "HOME=/")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "NOT RUN") || strings.Contains(line, "NOT POSSIBLE HERE") {
			t.Log(strings.TrimSpace(line))
		}
	}
	if err != nil {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), "--- PASS: TestWithoutControlGroup") {
		t.Errorf("as nobody, the way without control groups was not tested\n%s", out)
	}
}

// needRoot skips what only root can show; make test says so, unless this is the run that is not root on purpose.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv(unprivileged) != "" {
		t.Skip("needs root")
	}
	missing(t, "needs root")
}

// needLandlock skips what this kernel cannot show.
func needLandlock(t *testing.T, version int) {
	t.Helper()
	if has := landlockABI(); has < version {
		impossible(t, fmt.Sprintf("needs Landlock ABI %d, the kernel has %d", version, has))
	}
}

// needCgroup skips what needs a writable cgroup v2.
func needCgroup(t *testing.T) {
	t.Helper()
	if s := Detect(); !s.Cgroup {
		if os.Getenv(unprivileged) != "" {
			t.Skip(s.Why)
		}
		impossible(t, s.Why)
	}
}

// impossible leaves out what this kernel cannot do, and no package could change.
func impossible(t *testing.T, what string) {
	t.Helper()
	t.Skip("NOT POSSIBLE HERE: " + what)
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("NOT RUN: " + what)
	}
	t.Skip("NOT RUN: " + what)
}

// spec runs a program as nobody, or as whoever the tests run as.
func spec(t *testing.T, command ...string) Spec {
	t.Helper()
	s := Spec{Name: "test", Command: command}
	if os.Geteuid() == 0 {
		s.User = "nobody"
	}
	return s
}

func shell(t *testing.T, script string) Spec {
	t.Helper()
	return spec(t, "/bin/sh", "-c", script)
}

// begin starts s and ends it with the test.
func begin(t *testing.T, s Spec) *Process {
	t.Helper()
	p, err := Start(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(p) })
	return p
}

func end(p *Process) {
	p.Kill()
	_ = p.Wait()
	p.Stdin.Close()
	p.Stdout.Close()
	p.Stderr.Close()
}

// output is what s writes to both outputs until it ends.
func output(t *testing.T, s Spec) string {
	t.Helper()
	s.Command[len(s.Command)-1] = "exec 2>&1; " + s.Command[len(s.Command)-1]
	p := begin(t, s)
	p.Stdin.Close()
	out := readAll(t, p.Stdout)
	_ = p.Wait()
	return out
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	out, err := io.ReadAll(r)
	if err != nil {
		t.Errorf("read: %v", err)
	}
	return string(out)
}

// line reads one line, and fails the test when none comes.
func line(t *testing.T, r io.Reader) string {
	t.Helper()
	if f, ok := r.(*os.File); ok {
		_ = f.SetReadDeadline(time.Now().Add(generous))
		defer func() { _ = f.SetReadDeadline(time.Time{}) }()
	}
	text, err := bufio.NewReaderSize(r, 16).ReadString('\n')
	if err != nil {
		t.Fatalf("read a line: %v after %q", err, text)
	}
	return strings.TrimSpace(text)
}

// openFolder is a folder that every account can enter; t.TempDir is for its owner alone.
func openFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "rashost-launch-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

// outsideProgram is a copy of the shell in a folder of its own.
func outsideProgram(t *testing.T) string {
	t.Helper()
	return copyFile(t, "/bin/sh", openFolder(t)+"/sh", 0o755)
}

func copyFile(t *testing.T, from, to string, mode fs.FileMode) string {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(to, mode); err != nil {
		t.Fatal(err)
	}
	return to
}

// until waits for a condition that nothing announces.
func until(t *testing.T, what string, met func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(generous); !met(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// watched is a process that need not be our child.
type watched struct{ pid, fd int }

func watch(t *testing.T, pid int) watched {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatalf("pidfd_open %d: %v", pid, err)
	}
	t.Cleanup(func() {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		_ = unix.Close(fd)
	})
	return watched{pid, fd}
}

func (w watched) dead(wait time.Duration) bool {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}}, int(wait.Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return n == 1
		}
	}
}

func (w watched) dies(t *testing.T) {
	t.Helper()
	if !w.dead(generous) {
		t.Fatalf("process %d is still alive", w.pid)
	}
}

func (w watched) lives(t *testing.T) {
	t.Helper()
	if w.dead(0) {
		t.Fatalf("process %d is dead", w.pid)
	}
}

// host is another process that has started a program.
type host struct {
	cmd *exec.Cmd
	out *bufio.Reader
}

func startHost(t *testing.T, script string) *host {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), hostMode+"="+script)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		Sweep(slog.New(slog.DiscardHandler))
	})
	return &host{cmd, bufio.NewReader(out)}
}

// pid reads the next process number that the program says.
func (h *host) pid(t *testing.T) int {
	t.Helper()
	text, err := h.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return number(t, text)
}

// beHost is a host: it says what its program says.
func beHost(script string) int {
	s := Spec{Helper: os.Getenv(hostHelper), Name: "test", Command: []string{"/bin/sh", "-c", script}}
	if os.Geteuid() == 0 {
		s.User = "nobody"
	}
	p, err := Start(s)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_, _ = io.Copy(os.Stdout, p.Stdout)
	return 0
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// ownCgroups counts the control groups that this process has made.
func ownCgroups(t *testing.T) int {
	t.Helper()
	base, err := cgroupBase()
	if err != nil {
		return 0
	}
	paths, err := filepath.Glob(fmt.Sprintf("%s/%s%d-*", base, cgroupPrefix, os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	return len(paths)
}
