package launch

import (
	"bytes"
	"errors"
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

// escape is a script whose child leaves the session, says its number, and keeps the outputs open. The shell in between ends, so that the
// child has lost its parent, too.
const escape = `(setsid sh -c 'echo $$; exec sleep 1000' & ); `

func TestKillReachesChildrenThatEscape(t *testing.T) {
	needCgroup(t)
	p := begin(t, shell(t, escape+"exec sleep 1000"))
	child := watch(t, number(t, line(t, p.Stdout)))
	if !p.Contained() {
		t.Error("it is not contained")
	}
	child.lives(t)
	p.Kill()
	child.dies(t)
	if err := p.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("Wait: %v", err)
	}
	if n := ownCgroups(t); n != 0 {
		t.Errorf("%d control groups are left", n)
	}
}

// TestWaitEndsWhatIsLeftBehind: a program that exits takes with it what it has started, and its output ends.
func TestWaitEndsWhatIsLeftBehind(t *testing.T) {
	needCgroup(t)
	p := begin(t, shell(t, escape+"read x; echo bye"))
	child := watch(t, number(t, line(t, p.Stdout)))
	p.Stdin.Close()
	if err := p.Wait(); err != nil {
		t.Errorf("Wait: %v", err)
	}
	if !child.dead(0) {
		t.Error("after Wait, its child is alive")
	}
	if out := readAll(t, p.Stdout); out != "bye\n" {
		t.Errorf("the rest of its output is %q", out)
	}
}

func TestForkBombDies(t *testing.T) {
	needCgroup(t)
	s := shell(t, `i=0; while [ $i -lt 300 ]; do setsid sh -c 'while :; do sleep 1000 & wait; done' & i=$((i+1)); [ $i = 100 ] && echo many; done; wait`)
	p := begin(t, s)
	if out := line(t, p.Stdout); out != "many" {
		t.Fatalf("output is %q", out)
	}
	path := p.group.path
	p.Kill()
	if err := p.Wait(); err == nil {
		t.Error("Wait: no error")
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Wait, its control group is still there: %v", err)
	}
}

// TestWithoutControlGroup: the process group dies, and nobody is told that more does.
func TestWithoutControlGroup(t *testing.T) {
	if s := Detect(); s.Cgroup {
		t.Skip("there are control groups: TestEverythingWithoutRoot runs this as nobody")
	} else if s.Why == "" {
		t.Error("Detect does not say why there are none")
	}
	p := begin(t, shell(t, `sh -c 'echo $$; exec sleep 1000' & wait`))
	child := watch(t, number(t, line(t, p.Stdout)))
	if p.Contained() {
		t.Error("it says that it is contained")
	}
	p.Kill()
	child.dies(t)
	_ = p.Wait()
}

// TestWaitDoesNotHang: a child that has escaped holds the outputs open for as long as it likes.
func TestWaitDoesNotHang(t *testing.T) {
	if Detect().Cgroup {
		t.Skip("there are control groups: TestEverythingWithoutRoot runs this as nobody")
	}
	p := begin(t, shell(t, escape+"read x; echo bye; exit 4"))
	child := watch(t, number(t, line(t, p.Stdout)))
	p.Stdin.Close()
	var exit *exec.ExitError
	if err := p.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 4 {
		t.Errorf("Wait: %v, want exit status 4", err)
	}
	buffer := make([]byte, 100)
	if n, err := p.Stdout.Read(buffer); err != nil || string(buffer[:n]) != "bye\n" {
		t.Errorf("what it had written cannot be read: %q, %v", buffer[:n], err)
	}
	if n, err := p.Stdout.Read(buffer); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read: %d, %v, want the deadline", n, err)
	}
	child.lives(t) // as Contained says
}

// TestSweep: what a host that was killed has left behind ends with the next one; what belongs to a living host does not.
func TestSweep(t *testing.T) {
	needCgroup(t)
	mine := begin(t, shell(t, "echo $$; exec sleep 1000"))
	own := watch(t, number(t, line(t, mine.Stdout)))
	h := startHost(t, escape+"exec sleep 1000")
	child := watch(t, h.pid(t))
	if err := h.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = h.cmd.Wait()
	child.lives(t)
	base, err := cgroupBase()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	Sweep(slog.New(slog.NewTextHandler(&log, nil)))
	child.dies(t)
	own.lives(t)
	left, err := filepath.Glob(base + "/" + cgroupPrefix + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range left {
		if strings.HasPrefix(filepath.Base(path), cgroupPrefix+strconv.Itoa(h.cmd.Process.Pid)+"-") {
			t.Errorf("%s is left", path)
		}
	}
	if !strings.Contains(log.String(), "of an earlier rashost") {
		t.Errorf("the log is %q", log.String())
	}
}

// TestKillWhileItStarts: the program may not have got far.
func TestKillWhileItStarts(t *testing.T) {
	for range 20 {
		p, err := Start(shell(t, "exec sleep 1000"))
		if err != nil {
			t.Fatal(err)
		}
		p.Kill()
		if err := p.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Errorf("Wait: %v", err)
		}
		end(p)
	}
}

// TestControlGroupThatCannotBeJoined: the program runs, without being contained, and the log says so.
func TestControlGroupThatCannotBeJoined(t *testing.T) {
	needCgroup(t)
	s := shell(t, "echo runs")
	var log bytes.Buffer
	s.Log = slog.New(slog.NewTextHandler(&log, nil))
	io, err := newStreams(os.Geteuid(), os.Getegid())
	if err != nil {
		t.Fatal(err)
	}
	defer io.closeOurs()
	defer io.closeTheirs()
	group, err := newCgroup(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Rmdir(group.path); err != nil { // now nobody can be put into it
		t.Fatal(err)
	}
	p := &Process{group: group, contained: true, done: make(chan struct{})}
	if err := p.fork(s, io); err != nil {
		t.Fatal(err)
	}
	io.closeTheirs()
	io.helper.Close() // nobody tells the helper what to do: it ends
	if _, err := p.process.Wait(); err != nil {
		t.Fatal(err)
	}
	if p.Contained() || p.group != nil || !strings.Contains(log.String(), "children that escape from it are possible") {
		t.Errorf("contained %v, log %q", p.Contained(), log.String())
	}
}

// TestRemoveWaitsForTheDying: a control group goes away when its last process does.
func TestRemoveWaitsForTheDying(t *testing.T) {
	needCgroup(t)
	g, err := newCgroup(0)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(g.dir.Fd())}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(50*time.Millisecond, func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	defer timer.Stop()
	if err := g.remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(g.path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}
