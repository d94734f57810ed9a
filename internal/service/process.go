package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Times after the end of a program whose pty somebody else still holds open.
const (
	drainTick  = 250 * time.Millisecond
	drainQuiet = time.Second      // no output for so long: nothing more will come
	drainLimit = 60 * time.Second // a slow caller gets no more than that
	killWait   = 5 * time.Second  // after SIGKILL
)

// program is what to start.
type program struct {
	path          string
	args          []string // with the name
	env           []string
	dir           string
	account       account
	rows, columns uint16
	raw           bool     // the pty does no line editing
	stderr        *os.File // nil: the pty
}

// process is a program on its own pty, leader of its own session; without a pty it is what launch was given.
type process struct {
	cmd    *exec.Cmd
	master terminal      // of the pty
	exited chan struct{} // closed when the program has ended; it is not reaped before wait
	done   bool          // reaped
}

// terminal is a pty's master. Its reader meets EIO when nobody has the other end open any more: that is the end of the stream.
type terminal struct{ *os.File }

func (t terminal) Read(p []byte) (int, error) {
	n, err := t.File.Read(p)
	if errors.Is(err, unix.EIO) {
		err = io.EOF
	}
	return n, err
}

// openPTY returns a pty whose master obeys deadlines.
func openPTY(prog program) (master terminal, slave *os.File, err error) {
	blocking, slave, err := pty.Open()
	if err != nil {
		return terminal{}, nil, fmt.Errorf("no pty: %w", err)
	}
	defer blocking.Close() // the library leaves it blocking: no deadline would work
	fd, err := unix.FcntlInt(blocking.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true)
		master = terminal{os.NewFile(uintptr(fd), "ptmx")}
	}
	if err == nil {
		err = pty.Setsize(slave, &pty.Winsize{Rows: prog.rows, Cols: prog.columns})
	}
	if err == nil && prog.raw {
		_, err = term.MakeRaw(int(slave.Fd()))
	}
	if err == nil && prog.account.credential != nil {
		err = errors.Join(slave.Chown(prog.account.uid, -1), slave.Chmod(0o620))
	}
	if err != nil {
		slave.Close()
		if master.File != nil {
			master.Close()
		}
		return terminal{}, nil, fmt.Errorf("pty: %w", err)
	}
	return master, slave, nil
}

// start starts prog.
func start(prog program) (*process, error) {
	master, slave, err := openPTY(prog)
	if err != nil {
		return nil, err
	}
	defer slave.Close()
	cmd := &exec.Cmd{
		Path: prog.path, Args: prog.args, Env: prog.env, Dir: prog.dir, Stdin: slave, Stdout: slave, Stderr: slave,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Setctty: true, Credential: prog.account.credential},
	}
	if prog.stderr != nil {
		cmd.Stderr = prog.stderr
	}
	p, err := launch(cmd)
	if err != nil {
		master.Close()
		return nil, err
	}
	p.master = master
	return p, nil
}

// launch starts cmd, with none of our descriptors but those that it names.
func launch(cmd *exec.Cmd) (*process, error) {
	pidfd := -1
	cmd.SysProcAttr.PidFD = &pidfd
	p := &process{cmd: cmd, exited: make(chan struct{})}
	// Some libraries open descriptors that a child would inherit.
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil && !errors.Is(err, unix.ENOSYS) &&
		!errors.Is(err, unix.EINVAL) {
		return nil, fmt.Errorf("close_range: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		awaitExit(cmd.Process.Pid, pidfd)
		close(p.exited)
	}()
	return p, nil
}

// awaitExit returns when the process has ended, and leaves it unreaped: until then nobody else gets its number, so that signals to its
// group can't hit a stranger. Where the kernel has pidfds, no thread waits.
func awaitExit(pid, pidfd int) {
	if pidfd >= 0 {
		_ = unix.SetNonblock(pidfd, true) // so that os.NewFile polls it; if that fails we block below
		f := os.NewFile(uintptr(pidfd), "pidfd")
		defer f.Close()
		if conn, err := f.SyscallConn(); err == nil && conn.Read(func(fd uintptr) bool { return ended(int(fd)) }) == nil {
			return
		}
	}
	for errors.Is(unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
}

// ended says whether the process of pidfd has ended.
func ended(pidfd int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PIDFD, pidfd, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo != 0 || err != nil && !errors.Is(err, unix.EINTR)
}

// session relays between the caller and the program until it is over, and leaves nothing of it behind.
func (p *process) session(ctx context.Context, c Conn, who Caller, lim Limits, grace time.Duration, log *slog.Logger) (Result, ending) {
	if grace == 0 {
		grace = DefaultGrace
	}
	relayCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &relay{caller: c, peer: p.master, unread: who.Unread, limits: lim}
	relayed := make(chan ending, 1)
	go func() { relayed <- r.run(relayCtx) }()
	var end ending
	select {
	case end = <-relayed:
	case <-p.exited:
		end = p.drain(r, relayed, cancel, grace)
	}
	if end.by == byContext && ctx.Err() == nil {
		end = ending{by: byPeer} // drain gave up waiting
	}
	if end.by == byPeer {
		end.err = nil // the only way in which a pty fails is that the program has closed it
		p.finish(ctx, grace)
	}
	err := p.end(end.by == byPeer, grace)
	res := r.result(end)
	res.Exit = p.exit()
	if err != nil {
		log.Error("a process could not be ended", "pid", p.cmd.Process.Pid, "error", err)
		res.Err = errors.Join(res.Err, err)
	}
	return res, end
}

// drain lets the last output reach the caller after the program has ended. Usually the pty ends with the program; if somebody in its
// session still holds it, they are told to go.
func (p *process) drain(r *relay, relayed <-chan ending, cancel func(), grace time.Duration) ending {
	begin, quiet, out := time.Now(), time.Now(), r.out.Load()
	tick := time.NewTicker(drainTick)
	defer tick.Stop()
	cleared := false
	for {
		select {
		case end := <-relayed:
			return end
		case now := <-tick.C:
			if !cleared {
				cleared = true
				p.clear(grace)
			}
			if n := r.out.Load(); n != out || r.writing.Load() {
				out, quiet = n, now
			}
			if now.Sub(quiet) >= drainQuiet || now.Sub(begin) >= drainLimit {
				cancel()
				return <-relayed
			}
		}
	}
}

// finish waits for a program that has closed its terminal to end: the kernel closes files a little earlier.
func (p *process) finish(ctx context.Context, grace time.Duration) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// end hangs the pty up, makes sure that the program is gone, and reaps it. The closing of the master is what a caller's hang-up is to
// a real terminal: SIGHUP for the session's leader and the foreground group, and no more input or output for anybody, also not
// for a process that left the session. After a regular end only the program's own group is looked for.
func (p *process) end(regular bool, grace time.Duration) error {
	p.master.Close()
	pid := p.cmd.Process.Pid
	select {
	case <-p.exited:
	default:
		regular = false
	}
	if !regular {
		p.clear(grace)
	}
	timer := time.NewTimer(killWait)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		go func() {
			<-p.exited
			_ = p.cmd.Wait() // reaps it, whenever that may be
		}()
		return fmt.Errorf("process %d survives SIGKILL", pid)
	}
	p.done = true
	err := p.cmd.Wait()
	if unix.Kill(-pid, 0) == nil {
		p.clear(grace)
	}
	var status *exec.ExitError
	if errors.As(err, &status) {
		return nil
	}
	return err
}

// clear ends everybody in the session: SIGHUP, and after the grace time SIGKILL.
func (p *process) clear(grace time.Duration) {
	sid := p.cmd.Process.Pid
	if signalSession(sid, unix.SIGHUP) == 0 {
		return
	}
	signalSession(sid, unix.SIGCONT) // a stopped process could not take it
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		select {
		case <-poll.C:
			if signalSession(sid, 0) == 0 {
				return
			}
		case <-deadline.C:
			signalSession(sid, unix.SIGKILL)
			return
		}
	}
}

// signalSession sends sig to every living process of a session and returns how many there are; 0 only counts.
func signalSession(sid int, sig unix.Signal) int {
	pids := session(sid)
	for _, pid := range pids {
		if sig != 0 {
			_ = unix.Kill(pid, sig) // gone, or not ours to signal: the hang-up of the pty is all it gets
		}
	}
	return len(pids)
}

// session returns the living processes of a session.
func session(sid int) (pids []int) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		fields := statOf(pid)
		if len(fields) < 4 || fields[3] != strconv.Itoa(sid) || fields[0] == "Z" || fields[0] == "X" {
			continue
		}
		pids = append(pids, pid)
	}
	return pids
}

// statOf returns what /proc/PID/stat says behind the name, which can hold anything: state, parent, group, session and more; nothing when
// there is no such process.
func statOf(pid int) []string {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	return strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
}

// exit is Result.Exit.
func (p *process) exit() string {
	if !p.done {
		return ""
	}
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return "signal " + strings.TrimPrefix(unix.SignalName(status.Signal()), "SIG")
	}
	return strconv.Itoa(p.cmd.ProcessState.ExitCode())
}

// signalled says whether a signal ended the program.
func (p *process) signalled() bool { return strings.HasPrefix(p.exit(), "signal ") }
