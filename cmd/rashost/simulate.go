package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"rashost/port"
	"rashost/port/modemsim"
)

// simulators are the virtual modems of `sim:` lines and their telephone side: a unix socket for each, on which every connection is
// one call. The modem stays the same while lines come and go.
type simulators struct {
	dir    string // of the sockets
	timing modemsim.Timing
	log    *slog.Logger

	mu     sync.Mutex
	modems map[string]*simulator
}

// simulator is one virtual modem and its telephone socket.
type simulator struct {
	modem    *modemsim.Modem
	listener net.Listener
	cancel   context.CancelFunc
	calls    sync.WaitGroup
}

func newSimulators(stateDir string, timing modemsim.Timing, log *slog.Logger) *simulators {
	return &simulators{dir: filepath.Join(stateDir, "sim"), timing: timing, log: log, modems: map[string]*simulator{}}
}

// opener makes the opener of a `sim:` line; nil leaves the line to package port.
func (s *simulators) opener(c port.LineConfig) (port.Opener, error) {
	name, ok := strings.CutPrefix(c.Device, "sim:")
	if !ok {
		return nil, nil
	}
	sim, err := s.modem(name)
	if err != nil {
		return nil, fmt.Errorf("line %s: %s: %w", c.Name, c.Device, err)
	}
	return port.NewSimOpener(c.Device, sim.modem, c.Settings(), s.log.With("line", c.Name)), nil
}

// modem returns the virtual modem of that name, and makes it when it is new.
func (s *simulators) modem(name string) (*simulator, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sim := s.modems[name]; sim != nil {
		return sim, nil
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(s.dir, name+".sock")
	if err := removeSocket(path); err != nil {
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	sim := &simulator{modem: modemsim.New(modemsim.Named(name, s.timing)), listener: listener, cancel: cancel}
	s.modems[name] = sim
	sim.calls.Add(1)
	go sim.answerTheSocket(ctx)
	s.log.Info("virtual modem: be its caller with `rashost call sim:"+name+"`, or `socat -,raw,echo=0,escape=0x1d UNIX-CONNECT:"+path+"` (Ctrl-] hangs up)", "modem", name)
	return sim, nil
}

// removeSocket takes the socket of an earlier run away, and nothing else.
func removeSocket(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != os.ModeSocket:
		return fmt.Errorf("%s is no socket and stays: move it away", path)
	}
	return os.Remove(path)
}

// keep switches off the virtual modems that no line names any more.
func (s *simulators) keep(cfgs []port.LineConfig) {
	used := map[string]bool{}
	for _, c := range cfgs {
		if name, ok := strings.CutPrefix(c.Device, "sim:"); ok {
			used[name] = true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, sim := range s.modems {
		if !used[name] {
			sim.close()
			delete(s.modems, name)
		}
	}
}

func (m *simulator) close() {
	m.cancel()
	_ = m.listener.Close()
	m.calls.Wait()
}

// close hangs up all calls and takes the sockets away.
func (s *simulators) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, sim := range s.modems {
		sim.close()
		delete(s.modems, name)
	}
}

// answerTheSocket makes a call of every connection.
func (m *simulator) answerTheSocket(ctx context.Context) {
	defer m.calls.Done()
	for {
		conn, err := m.listener.Accept()
		if err != nil {
			return
		}
		m.calls.Add(1)
		go func() {
			defer m.calls.Done()
			m.call(ctx, conn)
		}()
	}
}

// ringingTime is how long the telephone rings before a virtual caller gives up.
const ringingTime = time.Minute

// redial is how often a virtual caller tries a modem that is switched off or busy, as it is while the line sets it up.
const redial = 50 * time.Millisecond

// dial rings the modem until it answers or ctx ends.
func (m *simulator) dial(ctx context.Context, o modemsim.DialOptions) (*modemsim.FarCall, error) {
	for {
		far, err := m.modem.Dial(ctx, o)
		if !errors.Is(err, modemsim.ErrOff) && !errors.Is(err, modemsim.ErrBusy) {
			return far, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(redial):
		}
	}
}

// call rings the modem and relays between the connection and the modem until either side hangs up.
func (m *simulator) call(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	dialing, cancel := context.WithTimeout(ctx, ringingTime)
	far, err := m.dial(dialing, modemsim.DialOptions{Number: "5550100"})
	cancel()
	if err != nil {
		fmt.Fprintf(conn, "\r\n%s\r\n", strings.ToUpper(strings.TrimPrefix(err.Error(), "modemsim: ")))
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(far, conn)
		_ = far.Close()
	}()
	_, _ = io.Copy(conn, far)
	_ = conn.Close()
	_ = far.Close()
	<-done
}
