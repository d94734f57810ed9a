package dialout

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// commandGrace is how long a command may go on after its line has gone, before SIGTERM.
	commandGrace = 5 * time.Second
	// commandKill is how long it may go on after SIGTERM, and how long its children may be silent once it has ended.
	commandKill = 2 * time.Second
)

// command runs the command with the line as its standard input and output, by pipes, and returns its exit status: 128 and the signal's
// number when a signal ended it.
func (c *Call) command(ctx context.Context, conn *connection) (int, error) {
	c.Progress("connected; running " + c.Command[0])
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	cmd := exec.CommandContext(running, c.Command[0], c.Command[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if c.Group {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	}
	cmd.WaitDelay = commandKill
	cmd.Stderr = c.Stderr
	p, err := startPiped(cmd)
	if err != nil {
		return 0, err
	}
	defer p.close()
	watched, stop := conn.watch(ctx)
	defer stop()
	line, lineEnded := context.WithCancelCause(watched)
	defer lineEnded(nil)
	defer interrupt(line, conn)()
	down := make(chan struct{})
	go func() {
		defer close(down)
		if err := copyAll(p.to, conn, nil); errors.Is(err, ErrHungUp) {
			lineEnded(err)
		}
		_ = p.to.Close() // the command reads to the end
	}()
	up := make(chan struct{})
	go func() {
		defer close(up)
		_ = copyAll(conn, p, nil) // a line that fails is seen by the other direction
	}()

	exitErr := c.awaitCommand(line, p.exited, end)
	if c.Group && running.Err() != nil {
		endGroup(cmd.Process.Pid)
	}
	p.lastWords()
	select {
	case <-line.Done():
	case <-up:
	}
	lineEnded(errors.New("the command has ended"))
	p.interrupt()
	<-down
	<-up
	if cause := context.Cause(ctx); cause != nil {
		return 0, cause
	}
	return exitStatus(cmd, exitErr)
}

// awaitCommand waits for the end of the command. When its line has gone it may end by itself for a while; when ctx has ended
// otherwise, it may not.
func (c *Call) awaitCommand(line context.Context, exited <-chan error, end func()) error {
	select {
	case err := <-exited:
		return err
	case <-line.Done():
	}
	if why := context.Cause(line); errors.Is(why, ErrHungUp) {
		c.Progress(why.Error())
		grace := time.NewTimer(commandGrace)
		defer grace.Stop()
		select {
		case err := <-exited:
			return err
		case <-grace.C:
			c.Progress("the command does not end by itself: SIGTERM")
		}
	}
	end()
	return <-exited
}

// endGroup ends what SIGTERM has left of a process group whose leader has ended.
func endGroup(id int) {
	for deadline := time.Now().Add(commandKill); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) { // orphans are no children to wait for
		if syscall.Kill(-id, 0) != nil {
			return
		}
	}
	_ = syscall.Kill(-id, syscall.SIGKILL)
}

// exitStatus is what a shell would say of the command.
func exitStatus(cmd *exec.Cmd, err error) (int, error) {
	if cmd.ProcessState == nil {
		return 0, err
	}
	if w, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal()), nil
	}
	return cmd.ProcessState.ExitCode(), nil
}

// piped is a command that runs, and our ends of its pipes.
type piped struct {
	to, from *os.File
	exited   chan error
	over     atomic.Bool
}

// startPiped starts the command.
func startPiped(cmd *exec.Cmd) (*piped, error) {
	stdin, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	from, stdout, err := os.Pipe()
	if err != nil {
		_, _ = stdin.Close(), to.Close()
		return nil, err
	}
	cmd.Stdin, cmd.Stdout = stdin, stdout
	p := &piped{to: to, from: from, exited: make(chan error, 1)}
	err = cmd.Start()
	_, _ = stdin.Close(), stdout.Close()
	if err != nil {
		p.close()
		return nil, fmt.Errorf("%s: %w", cmd.Path, err)
	}
	go func() { p.exited <- cmd.Wait() }()
	return p, nil
}

// Read gives what the command and its children write. Once the command has ended, a child that is silent is not waited for.
func (p *piped) Read(b []byte) (int, error) {
	if p.over.Load() {
		_ = p.from.SetReadDeadline(time.Now().Add(commandKill))
	}
	return p.from.Read(b)
}

// lastWords says that the command has ended.
func (p *piped) lastWords() {
	p.over.Store(true)
	_ = p.from.SetReadDeadline(time.Now().Add(commandKill))
}

// interrupt ends what is under way on the pipes.
func (p *piped) interrupt() { _, _ = p.from.Close(), p.to.Close() }

func (p *piped) close() { p.interrupt() }
