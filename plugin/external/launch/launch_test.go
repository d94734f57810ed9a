package launch

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestProgramTalksOverItsPipes(t *testing.T) {
	p := begin(t, shell(t, `read x; echo "got $x"; echo "problem" >&2; exit 3`))
	if _, err := io.WriteString(p.Stdin, "hello\n"); err != nil {
		t.Fatal(err)
	}
	if out := readAll(t, p.Stdout); out != "got hello\n" {
		t.Errorf("stdout is %q", out)
	}
	if out := readAll(t, p.Stderr); out != "problem\n" {
		t.Errorf("stderr is %q", out)
	}
	var exit *exec.ExitError
	if err := p.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("Wait: %v, want exit status 3", err)
	}
	if err := p.Wait(); !errors.As(err, &exit) {
		t.Errorf("the second Wait: %v", err)
	}
	p.Kill() // late, and without effect on whoever has the number now
}

// TestChildEndsBlock: a program that meets O_NONBLOCK on its standard input fails with EAGAIN.
func TestChildEndsBlock(t *testing.T) {
	s := shell(t, `for n in 0 1 2; do while read key value; do [ "$key" = flags: ] && echo $((0$value & 04000)); done </proc/self/fdinfo/$n; done`)
	s.Read = []string{"/proc"}
	if out := output(t, s); out != "0\n0\n0\n" {
		t.Errorf("O_NONBLOCK of 0, 1, 2: %q", out)
	}
}

func TestProgramCanOpenItsStandardFilesAgain(t *testing.T) {
	if out := output(t, shell(t, `echo one >/dev/stdout; echo two >/proc/self/fd/1`)); out != "one\ntwo\n" {
		t.Errorf("output is %q", out)
	}
}

func TestStartSaysWhyAProgramCannotRun(t *testing.T) {
	folder := openFolder(t)
	write := func(name, text string, mode os.FileMode) string {
		path := folder + "/" + name
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	closed := folder + "/closed"
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, program, dir, want string
		root                     bool
	}{
		{name: "missing", program: folder + "/none", want: "cannot reach the program as user"},
		{name: "not executable", program: write("plain", "", 0o644), want: "permission denied"},
		{name: "interpreter missing", program: write("lost", "#!/usr/bin/no-such-interpreter\n", 0o755), want: "the interpreter in its first line"},
		{name: "interpreter out of reach", program: write("out", "#!"+outsideProgram(t)+"\n", 0o755), want: "outside of what plugins may read"},
		{name: "no program", program: write("text", "just text\n", 0o755), want: "a script needs a first line"},
		{name: "for another account", program: write("closed/mine", "#!/bin/sh\n", 0o755), want: "permission denied", root: true},
		{name: "folder for another account", program: "/bin/true", dir: closed, want: "cannot go to the working folder as user", root: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.root {
				needRoot(t)
			}
			if c.name == "interpreter out of reach" {
				needLandlock(t, 1)
			}
			s := spec(t, c.program)
			s.Dir = c.dir
			p, err := Start(s)
			if err == nil {
				p.Kill()
				t.Fatal("it was started")
			}
			if !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "start "+c.program+": ") {
				t.Errorf("error is %q, want it to name the program and %q", err, c.want)
			}
		})
	}
}

// TestHelperThatDoesNotAnswer: a helper that hangs costs its caller a bounded time.
func TestHelperThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	folder := openFolder(t)
	helper := folder + "/helper"
	if err := os.WriteFile(helper, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := spec(t, "/bin/true")
	s.Helper = helper
	if p, err := Start(s); err == nil || !strings.Contains(err.Error(), "is not running after 4s") {
		t.Errorf("Start = %v, %v", p, err)
	}
}

func TestHelperIsMissing(t *testing.T) {
	s := spec(t, "/bin/true")
	s.Helper = "/no/such/helper"
	if p, err := Start(s); !errors.Is(err, unix.ENOENT) {
		t.Errorf("Start = %v, %v", p, err)
	}
}

// TestProgramSurvivesTheThreadThatAskedForIt: the parent-death signal belongs to the thread that forks.
func TestProgramSurvivesTheThreadThatAskedForIt(t *testing.T) {
	s := shell(t, `read x; echo alive`)
	type result struct {
		p   *Process
		err error
		tid int
	}
	started := make(chan result)
	go inShortThread(func() {
		p, err := Start(s)
		started <- result{p, err, unix.Gettid()}
	})
	r := <-started
	if r.err != nil {
		t.Fatal(r.err)
	}
	t.Cleanup(func() { end(r.p) })
	until(t, "the thread ends", func() bool {
		_, err := os.Stat("/proc/self/task/" + strconv.Itoa(r.tid))
		return errors.Is(err, os.ErrNotExist)
	})
	if _, err := io.WriteString(r.p.Stdin, "x\n"); err != nil {
		t.Fatal(err)
	}
	if out := readAll(t, r.p.Stdout); out != "alive\n" {
		t.Errorf("output is %q: the program died with the thread", out)
	}
}

// inShortThread runs f in a thread that ends with it. The first thread of a process never ends, so it is not the one.
func inShortThread(f func()) {
	runtime.LockOSThread() // and never unlocked
	if unix.Gettid() != unix.Getpid() {
		f()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		inShortThread(f)
	}()
	<-done
	runtime.UnlockOSThread()
}

// TestHostKilled: kill -9 of the host takes the program with it.
func TestHostKilled(t *testing.T) {
	h := startHost(t, `echo $$; exec sleep 1000`)
	program := watch(t, h.pid(t))
	if err := h.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	program.dies(t)
}

// TestHostKilledWhileTheHelperWorks: the helper has not come to the step that makes it die with the host.
func TestHostKilledWhileTheHelperWorks(t *testing.T) {
	folder := openFolder(t)
	helper, said := folder+"/helper", folder+"/pid"
	script := fmt.Sprintf("#!/bin/sh\necho $$ >%s.new && mv %s.new %s\nexec sleep 1000\n", said, said, said)
	if err := os.WriteFile(helper, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv(hostHelper, helper)
	h := startHost(t, "exit 0")
	until(t, "the helper runs", func() bool {
		_, err := os.Stat(said)
		return err == nil
	})
	text, err := os.ReadFile(said)
	if err != nil {
		t.Fatal(err)
	}
	program := watch(t, number(t, string(text)))
	if err := h.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	program.dies(t)
}

// TestThreadStaysWithItsProgram: the thread that forked is the one that waits, and so lives as long as the program.
func TestThreadStaysWithItsProgram(t *testing.T) {
	if _, err := os.Stat("/proc/thread-self/children"); err != nil {
		impossible(t, "needs a kernel with CONFIG_PROC_CHILDREN")
	}
	var work sync.WaitGroup
	all := make([]*Process, 30)
	for i := range all {
		work.Go(func() { all[i] = begin(t, shell(t, "exec sleep 1000")) })
	}
	work.Wait()
	for _, p := range all {
		until(t, "the thread that has forked waits for its child", func() bool {
			return strings.HasPrefix(syscallOf(parentThread(t, p.process.Pid)), fmt.Sprintf("%d ", unix.SYS_WAITID))
		})
	}
}

// parentThread is the thread of this process that has the child.
func parentThread(t *testing.T, child int) string {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		text, _ := os.ReadFile(task + "/children")
		if slices.Contains(strings.Fields(string(text)), strconv.Itoa(child)) {
			return task
		}
	}
	t.Errorf("no thread has the child %d", child)
	return ""
}

// syscallOf is the system call that a thread waits in, with its arguments.
func syscallOf(task string) string {
	text, _ := os.ReadFile(task + "/syscall")
	return string(text)
}

func TestManyStartsLeakNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := shell(t, `exit 0`)
	if err := begin(t, s).Wait(); err != nil { // what the first start opens for good is no leak
		t.Fatal(err)
	}
	files, groups := openFiles(t), ownCgroups(t)
	for range 100 {
		p, err := Start(s)
		if err != nil {
			t.Fatal(err)
		}
		end(p)
	}
	for range 5 { // failing ones, too
		if p, err := Start(spec(t, "/no/such/program")); err == nil {
			end(p)
			t.Fatal("a program that is not there was started")
		}
	}
	if now := openFiles(t); now > files {
		t.Errorf("%d files are open, before there were %d", now, files)
	}
	if now := ownCgroups(t); now > groups {
		t.Errorf("%d control groups, before there were %d", now, groups)
	}
}

// TestHostWithoutFilesLeft: a start that fails half-way gives back what it had.
func TestHostWithoutFilesLeft(t *testing.T) {
	s := shell(t, `exit 0`)
	if err := begin(t, s).Wait(); err != nil {
		t.Fatal(err)
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Error(err)
		}
	})
	files, groups, failed := openFiles(t), ownCgroups(t), 0
	for room := range uint64(24) {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(files) + room, Max: old.Max}); err != nil {
			t.Fatal(err)
		}
		p, err := Start(s)
		if err != nil {
			failed++
			continue
		}
		end(p)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if failed == 0 || failed == 24 {
		t.Errorf("%d of 24 starts failed", failed)
	}
	if now := openFiles(t); now > files {
		t.Errorf("%d files are open, before there were %d", now, files)
	}
	if now := ownCgroups(t); now > groups {
		t.Errorf("%d control groups, before there were %d", now, groups)
	}
}

func TestKillFromManyGoroutines(t *testing.T) {
	p := begin(t, shell(t, `exec sleep 1000`))
	done := make(chan struct{})
	for range 4 {
		go func() {
			p.Kill()
			done <- struct{}{}
		}()
	}
	for range 4 {
		<-done
	}
	var exit *exec.ExitError
	if err := p.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL {
		t.Errorf("Wait: %v, want that it was killed", err)
	}
}

// TestFiles: a program gets the files that it is given, in their order, in each start from the beginning, and nothing else of the host's.
func TestFiles(t *testing.T) {
	var files []*os.File
	for _, text := range []string{"one", "two"} {
		fd, err := unix.MemfdCreate(text, unix.MFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(fd), text)
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	s := shell(t, fmt.Sprintf(`cat /proc/self/fd/%d /proc/self/fd/%d; for n in 3 6 7 8 9; do [ -e /proc/self/fd/$n ] && echo $n; done; :`, FirstFile, FirstFile+1))
	s.Read, s.Files = []string{"/proc"}, files
	for range 2 {
		if out := output(t, s); out != "onetwo" {
			t.Errorf("the program found %q", out)
		}
	}
}
