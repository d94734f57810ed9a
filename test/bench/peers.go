package main

import (
	"context"
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

// lookPeer finds an installed peer; "" when it is not.
func lookPeer(name string) string {
	for _, dir := range []string{"", "/usr/sbin/", "/usr/local/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path
		}
	}
	return ""
}

// getty is an mgetty with its modem. It serves one call and ends, so that each call has a new one, as init would start it.
type getty struct {
	cmd *exec.Cmd
	m   *modem
}

// newGetty starts an mgetty with the shortest set-up that it can have.
func newGetty() (*getty, error) {
	m, err := newModem()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(lookPeer(mgetty), "-x", "0", "-D", "-s", "115200", "-m", `"" AT OK`, strings.TrimPrefix(m.pty.Path, "/dev/"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		m.close()
		return nil, err
	}
	return &getty{cmd, m}, nil
}

// setUp is longer than mgetty takes for its set-up.
const setUp = 3 * time.Second

// ready answers the set-up, and returns when the last answer was given.
func (g *getty) ready(ctx context.Context) time.Time {
	limited, cancel := context.WithTimeout(ctx, setUp)
	defer cancel()
	_ = g.m.obey(limited)
	return g.m.obeyed
}

// stop hangs up and waits for the end.
func (g *getty) stop() {
	g.m.close()
	timer := time.AfterFunc(5*time.Second, func() { _ = g.cmd.Process.Kill() })
	defer timer.Stop()
	_ = g.cmd.Wait()
}

// login makes the call from CONNECT to login's password prompt.
func (g *getty) login() (prompt time.Duration, err error) {
	began := time.Now()
	if err := g.m.say("CONNECT 115200"); err != nil {
		return 0, err
	}
	if err := g.m.first(); err != nil {
		return 0, err
	}
	prompt = time.Since(began)
	if _, err := g.m.until("ogin:"); err != nil {
		return 0, err
	}
	if _, err := g.m.pty.Write([]byte("bench\r")); err != nil {
		return 0, err
	}
	_, err = g.m.until("assword:")
	return prompt, err
}

// gettyRounds is how often mgetty is called: each call takes it seconds.
const gettyRounds = 7

// mgettyCalls measures single calls of mgetty.
func mgettyCalls(ctx context.Context, t *table) error {
	if t.absent[mgetty] {
		return nil
	}
	if os.Geteuid() != 0 {
		t.add(rowAnswer).put(mgetty, "needs root")
		return nil
	}
	defer removeNew("/var/log/mgetty/*", "/var/log/mg_*", "/run/mgetty.pid.*")()
	var answers, prompts, deafs durations
	before := childCPU()
	over := time.Time{}
	for range gettyRounds {
		g, err := newGetty()
		if err != nil {
			return err
		}
		ready := g.ready(ctx)
		if !over.IsZero() {
			deafs = append(deafs, ready.Sub(over))
		}
		answer, prompt, err := g.round()
		answers, prompts = append(answers, answer), append(prompts, prompt)
		over = time.Now()
		g.stop()
		if err != nil {
			return fmt.Errorf("mgetty: %w", err)
		}
	}
	t.add(rowAnswer).put(mgetty, "%s", answers)
	t.add(rowPrompt).put(mgetty, "%s", prompts)
	t.add(rowCPU).put(mgetty, "%s ms", ms((childCPU()-before)/gettyRounds))
	// From the hang-up to the end of its set-up: it takes a RING somewhat later.
	t.add(rowDeaf).put(mgetty, "> %s", deafs)
	return nil
}

// round makes one call.
func (g *getty) round() (answer, prompt time.Duration, err error) {
	g.m.limit(20 * time.Second)
	rung := time.Now()
	if err = g.m.say("RING"); err == nil {
		_, err = g.m.until("ATA\r")
	}
	answer = time.Since(rung)
	if err == nil {
		prompt, err = g.login()
	}
	return answer, prompt, err
}

// removeNew returns a function that removes what has come into being there since.
func removeNew(patterns ...string) func() {
	find := func() map[string]bool {
		all := map[string]bool{}
		for _, p := range patterns {
			files, _ := filepath.Glob(p)
			for _, f := range files {
				all[f] = true
			}
		}
		return all
	}
	before := find()
	return func() {
		for f := range find() {
			if !before[f] {
				_ = os.Remove(f)
			}
		}
	}
}

// idlePeers measures what their idle lines cost.
func idlePeers(ctx context.Context, o options, t *table) error {
	return errors.Join(idleGetty(ctx, o, t), idleSer2net(ctx, o, t))
}

// gettys is how many mgettys share what they can share.
const gettys = 16

func idleGetty(ctx context.Context, o options, t *table) error {
	if t.absent[mgetty] || os.Geteuid() != 0 {
		return nil
	}
	defer removeNew("/var/log/mgetty/*", "/var/log/mg_*", "/run/mgetty.pid.*")()
	all := make([]*getty, 0, gettys)
	var group sync.WaitGroup
	defer func() {
		for _, g := range all {
			g.stop()
		}
	}()
	for range gettys {
		g, err := newGetty()
		if err != nil {
			return err
		}
		all = append(all, g)
		group.Go(func() { g.ready(ctx) })
	}
	group.Wait()
	pss := 0
	for _, g := range all {
		n, err := pssOf(g.cmd.Process.Pid)
		if err != nil {
			return fmt.Errorf("mgetty: %w", err)
		}
		pss += n
	}
	before := time.Now()
	sum := func() (n int) {
		for _, g := range all {
			c, _ := switchesOf(g.cmd.Process.Pid)
			n += c
		}
		return n
	}
	first := sum()
	if err := pause(ctx, min(o.idle, 20*time.Second)); err != nil {
		return err
	}
	switches := float64(sum()-first) / time.Since(before).Seconds()
	t.add(rowPSS(o)).put(mgetty, "%.1f KB (of %d)", float64(pss)/gettys, gettys)
	t.add(rowThreads(o)).put(mgetty, "1 a line")
	t.add(rowSwitches(o)).put(mgetty, "%.2f /s (%d lines)", switches, gettys)
	return nil
}

// serial2net is a running ser2net.
type serial2net struct {
	cmd *exec.Cmd
	dir string
}

// newSer2net starts one with a connection for each modem; accepter gives its listening address.
func newSer2net(modems []*modem, accepter func(dir string, i int) string) (*serial2net, error) {
	s := &serial2net{}
	var err error
	if s.dir, err = os.MkdirTemp("", "bench-ser2net-"); err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString("%YAML 1.1\n---\n")
	for i, m := range modems {
		fmt.Fprintf(&b, "connection: &c%d\n  accepter: %s\n  connector: serialdev,%s,115200n81,local\n", i, accepter(s.dir, i), m.pty.Path)
	}
	config := filepath.Join(s.dir, "ser2net.yaml")
	if err := os.WriteFile(config, []byte(b.String()), 0o600); err != nil {
		s.stop()
		return nil, err
	}
	s.cmd = exec.Command(lookPeer(ser2net), "-n", "-u", "-c", config)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *serial2net) stop() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
	_ = os.RemoveAll(s.dir)
}

// idleSer2net measures lines that listen. They have no modem to wait for: ser2net opens the device when somebody connects.
func idleSer2net(ctx context.Context, o options, t *table) error {
	if t.absent[ser2net] {
		return nil
	}
	size := func(n int, also func(pid int) error) (int, error) {
		modems, err := newModems(n)
		if err != nil {
			return 0, err
		}
		defer closeAll(modems)
		s, err := newSer2net(modems, func(dir string, i int) string { return fmt.Sprintf("unix,%s/%d", dir, i) })
		if err != nil {
			return 0, err
		}
		defer s.stop()
		if err := pause(ctx, 5*time.Second); err != nil {
			return 0, err
		}
		if also != nil {
			if err := also(s.cmd.Process.Pid); err != nil {
				return 0, err
			}
		}
		return pssOf(s.cmd.Process.Pid)
	}
	few, err := size(fewLines, nil)
	if err != nil {
		return fmt.Errorf("ser2net: %w", err)
	}
	many, err := size(o.lines, func(pid int) error {
		threads, err := threadsOf(pid)
		if err != nil {
			return err
		}
		rate, err := wakeUps(ctx, pid, min(o.idle, 20*time.Second))
		t.add(rowThreads(o)).put(ser2net, "%d", threads)
		t.add(rowSwitches(o)).put(ser2net, "%.2f /s", rate)
		return err
	})
	if err != nil {
		return fmt.Errorf("ser2net: %w", err)
	}
	t.add(rowPSS(o)).put(ser2net, "%.1f KB", float64(many)/float64(o.lines))
	t.add(rowSlope(o)).put(ser2net, "%.1f KB", float64(many-few)/float64(o.lines-fewLines))
	return nil
}

// ser2netRun measures the relay of ser2net.
func ser2netRun(o options) (carried, error) {
	m, err := newModem()
	if err != nil {
		return carried{}, err
	}
	defer m.close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return carried{}, err
	}
	address := free.Addr().(*net.TCPAddr)
	free.Close()
	s, err := newSer2net([]*modem{m}, func(string, int) string { return fmt.Sprintf("tcp,127.0.0.1,%d", address.Port) })
	if err != nil {
		return carried{}, err
	}
	defer s.stop()
	var conn net.Conn
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if conn, err = net.Dial("tcp", address.String()); err == nil {
			break
		}
		if time.Now().After(end) {
			return carried{}, err
		}
	}
	defer conn.Close()
	// It opens the device and sets it up after it has taken the connection, and drops what came before.
	time.Sleep(500 * time.Millisecond)
	return route{m: m, conn: conn, pid: s.cmd.Process.Pid}.measure(o)
}
