// Package launch starts the program of a plugin in a process that can do little besides its work, and ends it with everything that it
// has started.
//
// Reading order: launch.go (Start, and the life of the process), helper.go (what `rashost exec-plugin` does between fork and the program),
// landlock.go and limits.go (two of its steps), cgroup.go (the sure kill), check.go and support.go (what an operator should know before a
// call comes in). docs/plugin-sandbox.md says all of it for operators.
package launch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"rashost/plugin"
)

const (
	// startLimit is how long the helper may take until it has become the program. It stays below the five seconds of Begin (rule B3).
	startLimit = 4 * time.Second
	// drainLimit is how long the output of a dead process may still be read while somebody else holds it open.
	drainLimit = time.Second
)

// Spec says what to start and what it may do.
type Spec struct {
	// Helper is the executable that runs Main for `HELPER exec-plugin`; "" is the running executable itself.
	Helper string
	// Name is the plugin's name in the list of processes.
	Name string
	// Command is the absolute path of the program, and its arguments.
	Command []string
	// Dir is the working folder; "" is the root folder.
	Dir string
	// Env is added to the environment as NAME=VALUE and wins over what is there: PATH, LANG and HOME, and nothing of the host's.
	Env []string
	// User is the account that the program runs as. As root it is required, and root itself must be written out. Who is not root
	// cannot become anybody else: then it must exist and is otherwise ignored, see Warnings.
	User string
	// Limits bound the process. Zero is no limit of ours.
	Limits plugin.Limits
	// Read and Write are files and folders, absolute, that the program may use beyond what every program may (Landlock). What does not
	// exist when the program starts is left out.
	Read, Write []string
	// Files are open files that the program finds as descriptors FirstFile, FirstFile+1 and so on. They stay the caller's, open while
	// programs are started.
	Files []*os.File
	// Log takes what went wrong beside the program; nil drops it.
	Log *slog.Logger
}

func (s Spec) log(level slog.Level, text string, err error) {
	if s.Log != nil {
		s.Log.LogAttrs(context.Background(), level, text, slog.String("program", s.Command[0]), slog.String("error", err.Error()))
	}
}

// Process is a started program. Its owner closes the three files, Stdin first or last as it likes, and calls Wait.
type Process struct {
	// Stdin, Stdout and Stderr are our ends of three pipes, with deadlines. Once the program is dead and what belonged to it is killed,
	// Stdin is closed, and the others can be read to their end; if a process that escaped still holds them, for one second.
	Stdin          io.WriteCloser
	Stdout, Stderr io.ReadCloser

	process   *os.Process
	group     *cgroup // nil: there is only the process group
	contained bool
	done      chan struct{} // closed when everything is over
	err       error         // how the program ended; set before done

	mu     sync.Mutex
	reaped bool // the number of the process may already be somebody else's
}

// Start starts the program of s and returns when it runs: a program that cannot be executed is an error here, with its reason.
func Start(s Spec) (*Process, error) {
	p, err := start(s)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", strings.Join(s.Command[:min(len(s.Command), 1)], ""), err)
	}
	return p, nil
}

func start(s Spec) (*Process, error) {
	r, err := newRequest(s)
	if err != nil {
		return nil, err
	}
	io, err := newStreams(r.account())
	if err != nil {
		return nil, err
	}
	defer io.closeTheirs()
	p := &Process{Stdin: io.stdin, Stdout: io.stdout, Stderr: io.stderr, done: make(chan struct{})}
	p.group, err = newCgroup(s.Limits.Processes)
	if err != nil {
		p.group = nil // Detect has told the operator why
		s.log(slog.LevelDebug, "a plugin's program has no control group", err)
	}
	p.contained = p.group != nil && r.confinesCgroup()
	r.boundProcesses(p.group)
	started := make(chan error)
	go p.run(s, io, started)
	if err := <-started; err != nil {
		io.closeOurs()
		return nil, err
	}
	io.closeTheirs()
	if err := r.send(io.helper); err != nil {
		p.Kill()
		<-p.done
		io.closeOurs()
		return nil, err
	}
	io.helper.Close()
	return p, nil
}

// run is the goroutine of a process. The parent-death signal is bound to the thread that forked, so it keeps that thread until the program
// is dead; waiting would need one anyway.
func (p *Process) run(s Spec, io *streams, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.done)
	if err := p.fork(s, io); err != nil {
		_ = p.group.remove() // nobody was in it
		started <- err
		return
	}
	started <- nil
	p.awaitDeath()
	state, err := p.reap()
	p.err = err
	if err == nil && !state.Success() {
		p.err = &exec.ExitError{ProcessState: state}
	}
	if err := p.group.remove(); err != nil {
		s.log(slog.LevelWarn, "what a plugin's program has started is still there", err)
	}
	io.drain()
}

// fork starts the helper, in the control group if there is one.
func (p *Process) fork(s Spec, io *streams) error {
	helper := s.Helper
	if helper == "" {
		helper = "/proc/self/exe"
	}
	attr := &os.ProcAttr{ // the helper lives for two milliseconds: collecting garbage would cost it more than its work
		Dir: "/", Env: []string{"GOGC=off"}, Files: slices.Concat(io.theirs[:], s.Files),
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	}
	argv := []string{"rashost", Command, s.Name}
	var err error
	if p.group != nil {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(p.group.dir.Fd())
		if p.process, err = os.StartProcess(helper, argv, attr); err == nil {
			return nil
		}
		s.log(slog.LevelWarn, "a plugin's program cannot be started in a control group: children that escape from it are possible", err)
		_ = p.group.remove() // nobody was in it
		p.group, p.contained = nil, false
		attr.Sys.UseCgroupFD = false
	}
	p.process, err = os.StartProcess(helper, argv, attr)
	return err
}

// awaitDeath returns when the program is dead. It is not reaped, so that its number still is its own.
func (p *Process) awaitDeath() {
	for {
		if err := unix.Waitid(unix.P_PID, p.process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// reap kills what the dead program has left behind and frees its number.
func (p *Process) reap() (*os.ProcessState, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killAll()
	p.reaped = true
	return p.process.Wait()
}

// Kill ends the program and everything in its control group, or in its process group where there is none. It may be called at any time
// and does not wait.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		p.killAll()
	}
}

// killAll is Kill with p.mu held, before the program is reaped. A process that is gone is no error.
func (p *Process) killAll() {
	p.group.kill()
	_ = unix.Kill(-p.process.Pid, unix.SIGKILL)
	_ = unix.Kill(p.process.Pid, unix.SIGKILL)
}

// Wait returns when the program is dead and everything that belonged to it has been killed. The error is nil for exit status 0 and an
// *exec.ExitError for any other end. It may be called more than once.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Contained says whether nothing that the program starts can outlive Kill and Wait. Otherwise a child that leaves the process group can.
func (p *Process) Contained() bool { return p.contained }

// request is what the helper must know, sent as JSON. Nothing in it is secret.
type request struct {
	Parent      int // the process that must be the helper's parent
	Command     []string
	Dir         string
	Env         []string
	UID, GID    int
	Become      bool   // UID and GID are somebody else's
	User        string // for error messages
	Limits      plugin.Limits
	AllAccount  int // processes of the whole account, 0 for no limit
	Read, Write []string
	Files       int // how many descriptors from FirstFile on are the program's
}

func newRequest(s Spec) (*request, error) {
	if err := checkCommand(s); err != nil {
		return nil, err
	}
	a, err := findAccount(s.User, os.Geteuid())
	if err != nil {
		return nil, err
	}
	r := &request{
		Parent: os.Getpid(), Command: s.Command, Dir: s.Dir, Env: environment(a.home, s.Env), UID: a.uid, GID: a.gid,
		Become: os.Geteuid() == 0, User: a.name, Limits: s.Limits, Read: s.Read, Write: s.Write,
		Files: len(s.Files),
	}
	if r.Dir == "" {
		r.Dir = "/"
	}
	return r, nil
}

func (r *request) account() (uid, gid int) { return r.UID, r.GID }

// confinesCgroup says whether the program cannot simply write itself into another control group.
func (r *request) confinesCgroup() bool {
	return landlockABI() > 0 || r.UID != 0 && r.UID != os.Geteuid()
}

// send hands r to the helper and waits until it has become the program, which closes the connection without a word.
func (r *request) send(helper *os.File) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := helper.SetDeadline(time.Now().Add(startLimit)); err != nil {
		return err
	}
	if _, err := helper.Write(text); err != nil {
		return fmt.Errorf("the helper process does not listen: %w", err)
	}
	answer, err := io.ReadAll(io.LimitReader(helper, answerMax))
	switch {
	case len(answer) > 0:
		return errors.New(string(answer))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("the program is not running after %v", startLimit)
	case err != nil && !errors.Is(err, unix.ECONNRESET): // reset: the helper died before it had read everything
		return err
	}
	return nil
}
