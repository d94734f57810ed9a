package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// profile is the generic modem without waits: no DTR time. %s is the DTR time.
const profile = `name: bench
init:
  - {send: ATQ0, source: "ITU-T V.250"}
  - {send: ATV1, source: "ITU-T V.250"}
  - {send: ATE0, source: "ITU-T V.250"}
  - {send: "AT&C1", optional: true, source: "ITU-T V.250"}
  - {send: "AT&D2", optional: true, source: "ITU-T V.250"}
  - {send: ATS0=0, source: "ITU-T V.250"}
answer: {command: ATA, timeout: 80s, source: "ITU-T V.250"}
reset: {command: ATZ, delay: 500ms, source: "ITU-T V.250"}
hangup: {dtr_time: %s, escape: "+++", guard: 1s, command: ATH, source: "ITU-T V.250"}
flow: none
`

// setup is a configuration to measure.
type setup struct {
	lines    int
	dtr      string // DTR time of the profile
	service  string // the YAML of the service
	dialog   string // the YAML of the dialog; "" for plugin anyone
	attempts int
}

// daemon is a running rashost with its modems.
type daemon struct {
	cmd    *exec.Cmd
	dir    string
	sock   string
	modems []*modem
	pid    int
}

// boot starts rashost on fresh ptys and waits until every line listens.
func boot(ctx context.Context, o options, s setup) (_ *daemon, err error) {
	d := &daemon{}
	defer func() {
		if err != nil {
			d.stop()
		}
	}()
	// Beside the program, so that the records are on a real disk: a folder for temporary files may be memory.
	if d.dir, err = os.MkdirTemp(filepath.Dir(o.binary), "bench-"); err != nil {
		return nil, err
	}
	if d.dir, err = filepath.Abs(d.dir); err != nil {
		return nil, err
	}
	if d.modems, err = newModems(s.lines); err != nil {
		return nil, err
	}
	if err = d.configure(s); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(d.dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	d.cmd = exec.Command(o.binary, "serve", "-c", filepath.Join(d.dir, "config.yaml"))
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err = d.cmd.Start(); err != nil {
		return nil, err
	}
	d.pid = d.cmd.Process.Pid
	if err = d.obeyUntil(ctx, d.listening); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, tail(filepath.Join(d.dir, "log")))
	}
	return d, nil
}

// configure writes the files.
func (d *daemon) configure(s setup) error {
	var b strings.Builder
	d.sock = filepath.Join(os.TempDir(), filepath.Base(d.dir)+".sock")
	fmt.Fprintf(&b, "state_dir: state\ncontrol: %s\nlock_dirs: [locks]\nprofiles: profiles\nlog: {level: info}\n", d.sock)
	dialog := s.dialog
	if dialog == "" {
		dialog = fmt.Sprintf("plugin: anyone, attempts: %d", max(s.attempts, 1))
	}
	fmt.Fprintf(&b, "dialogs: {bench: {%s}}\nservices: {bench: {%s}}\nlines:\n", dialog, s.service)
	for i, m := range d.modems {
		if i == 0 {
			fmt.Fprintf(&b, "- &line {name: l0, device: %s, modem: bench, settle: 0, dialog: bench, service: bench}\n", m.pty.Path)
			continue
		}
		fmt.Fprintf(&b, "- {<<: *line, name: l%d, device: %s}\n", i, m.pty.Path)
	}
	for _, dir := range []string{"locks", "profiles", "state"} {
		if err := os.Mkdir(filepath.Join(d.dir, dir), 0o700); err != nil {
			return err
		}
	}
	text := fmt.Sprintf(profile, s.dtr)
	return errors.Join(os.WriteFile(filepath.Join(d.dir, "profiles", "bench.yaml"), []byte(text), 0o600),
		os.WriteFile(filepath.Join(d.dir, "config.yaml"), []byte(b.String()), 0o600))
}

// obeyUntil lets the modems answer commands until done says so.
func (d *daemon) obeyUntil(ctx context.Context, done func(context.Context) (bool, error)) error {
	obeying, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	for _, m := range d.modems {
		group.Go(func() { _ = m.obey(obeying) })
	}
	defer group.Wait()
	defer stop()
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		ok, err := done(limited)
		if ok {
			return nil
		}
		select {
		case <-limited.Done():
			return fmt.Errorf("the lines do not listen: %w", errors.Join(err, context.Cause(limited)))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// listening asks the daemon whether all lines listen.
func (d *daemon) listening(ctx context.Context) (bool, error) {
	out, err := exec.CommandContext(ctx, d.cmd.Path, "lines", "--json", "-c", filepath.Join(d.dir, "config.yaml")).Output()
	if err != nil {
		return false, err
	}
	var reply struct {
		Lines []struct{ Name, State, Reason string }
	}
	if err := json.Unmarshal(out, &reply); err != nil {
		return false, err
	}
	for _, l := range reply.Lines {
		if l.State != "listening" {
			return false, fmt.Errorf("line %s is %s: %s", l.Name, l.State, l.Reason)
		}
	}
	return len(reply.Lines) == len(d.modems), nil
}

func (d *daemon) stop() {
	if d.cmd != nil && d.cmd.Process != nil {
		_ = d.cmd.Process.Signal(syscall.SIGTERM)
		timer := time.AfterFunc(20*time.Second, func() { _ = d.cmd.Process.Kill() })
		_ = d.cmd.Wait()
		timer.Stop()
	}
	for _, m := range d.modems {
		if m != nil {
			m.close()
		}
	}
	if d.dir != "" {
		_ = os.RemoveAll(d.dir)
		_ = os.Remove(d.sock)
	}
}

// tail is the end of a log.
func tail(path string) string {
	data, _ := os.ReadFile(path)
	return string(data[max(0, len(data)-2000):])
}

// tcpServer listens for the sessions of service `tcp` and gives each to serve on a goroutine of its own.
func tcpServer(serve func(net.Conn)) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return l, nil
}
