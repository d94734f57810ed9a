// Package agent is the guest's side of the laboratory: it does in the guest what a test on the host asks for. The types are what they
// say to each other, net/rpc carries it.
package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Name is the service's name on the wire.
const Name = "Guest"

// Command is a program in the guest.
type Command struct {
	Args  []string
	Stdin string
	Env   []string // beside PATH
	Net   string   // its network namespace, which is made when it is new; "" is the guest's own
	Log   string   // Start: the file that gets what it writes
	// Limit is how long Run lets it run; 0 is a minute.
	Limit time.Duration
}

// Result is how a program ended: Code is its exit code, 128 and the number for a signal, -1 when the limit passed.
type Result struct {
	Code int
	Out  string // both outputs
}

// File is a file in the guest.
type File struct {
	Path string
	Data []byte
	Mode os.FileMode // 0 is 0644
}

// Signal is a signal for a process that Start started.
type Signal struct{ PID, Number int }

// Agent executes the calls. Each runs on a goroutine of its own.
type Agent struct {
	mu        sync.Mutex
	processes map[int]*process
	nets      map[string]*os.File
}

// process is what Start started.
type process struct {
	done chan struct{}
	code int
}

// Serve serves calls on conn until it ends.
func Serve(conn io.ReadWriteCloser) error {
	s := rpc.NewServer()
	a := &Agent{processes: map[int]*process{}, nets: map[string]*os.File{}}
	if err := s.RegisterName(Name, a); err != nil {
		return err
	}
	s.ServeCodec(jsonrpc.NewServerCodec(conn))
	return nil
}

// Run runs a program to its end.
func (a *Agent) Run(c Command, r *Result) error {
	var out bytes.Buffer
	cmd, err := a.start(c, &out)
	if err != nil {
		return err
	}
	limit := c.Limit
	if limit == 0 {
		limit = time.Minute
	}
	late := time.AfterFunc(limit, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	code := exitCode(cmd)
	if !late.Stop() {
		code = -1
	}
	*r = Result{code, out.String()}
	return nil
}

// Start starts a program and returns its process id.
func (a *Agent) Start(c Command, pid *int) error {
	log, err := os.OpenFile(c.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd, err := a.start(c, log)
	if err != nil {
		return err
	}
	p := &process{done: make(chan struct{})}
	a.mu.Lock()
	a.processes[cmd.Process.Pid] = p
	a.mu.Unlock()
	go func() {
		p.code = exitCode(cmd)
		close(p.done)
	}()
	*pid = cmd.Process.Pid
	return nil
}

// Wait waits until a started program has ended.
func (a *Agent) Wait(pid int, code *int) error {
	p, err := a.process(pid)
	if err != nil {
		return err
	}
	<-p.done
	*code = p.code
	return nil
}

// Alive says whether a started program has not ended yet.
func (a *Agent) Alive(pid int, alive *bool) error {
	p, err := a.process(pid)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
	default:
		*alive = true
	}
	return nil
}

// Kill sends a started program a signal. One that has ended gets none.
func (a *Agent) Kill(s Signal, _ *struct{}) error {
	var alive bool
	if err := a.Alive(s.PID, &alive); err != nil || !alive {
		return err
	}
	return syscall.Kill(s.PID, syscall.Signal(s.Number))
}

func (a *Agent) process(pid int) (*process, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.processes[pid]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("process %d was not started here", pid)
}

// Write writes a file, and its folder where that is missing.
func (a *Agent) Write(f File, _ *struct{}) error {
	if f.Mode == 0 {
		f.Mode = 0o644
	}
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(f.Path, f.Data, f.Mode)
}

// Read reads a file.
func (a *Agent) Read(path string, f *File) error {
	data, err := os.ReadFile(path)
	*f = File{Path: path, Data: data}
	return err
}

// Link returns what a symbolic link leads to.
func (a *Agent) Link(path string, target *string) error {
	to, err := filepath.EvalSymlinks(path)
	*target = to
	return err
}

// Programs returns the ids of the live processes of that name.
func (a *Agent) Programs(name string, pids *[]int) error {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		stat, err := os.ReadFile(filepath.Join(d, "stat"))
		if err != nil {
			continue // it has ended meanwhile
		}
		var pid int
		var comm string
		var state rune
		if n, _ := fmt.Sscanf(string(stat), "%d %s %c", &pid, &comm, &state); n == 3 && strings.Trim(comm, "()") == name && state != 'Z' {
			*pids = append(*pids, pid)
		}
	}
	return err
}

// start starts a program as the leader of a process group.
func (a *Agent) start(c Command, out io.Writer) (*exec.Cmd, error) {
	if len(c.Args) == 0 {
		return nil, errors.New("no program")
	}
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/bin", "HOME=/root", "LANG=C.UTF-8"}, c.Env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(c.Stdin), out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	if c.Net == "" {
		return cmd, cmd.Start()
	}
	space, err := a.namespace(c.Net)
	if err != nil {
		return nil, fmt.Errorf("network %s: %w", c.Net, err)
	}
	return cmd, inside(space, cmd.Start)
}

// exitCode waits for a program.
func exitCode(cmd *exec.Cmd) int {
	_ = cmd.Wait()
	if s := cmd.ProcessState; s != nil {
		if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
			return 128 + int(w.Signal())
		}
		return s.ExitCode()
	}
	return -1
}
