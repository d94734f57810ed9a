package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"rashost/internal/caller"
	"rashost/internal/config"
	"rashost/internal/record"
	"rashost/plugin"
	"rashost/plugin/anyone"
	"rashost/port"
	"rashost/port/modemsim"
)

// faulty is a plugin that misbehaves in one way.
type faulty struct {
	work func(ctx context.Context, b plugin.Begin)
	end  plugin.Code
}

func (f *faulty) SecurityDialogBegin(b plugin.Begin) plugin.Code {
	if !b.Host.Go(b.HPort, func(ctx context.Context) { f.work(ctx, b) }) {
		return plugin.ErrorInvalidPortHandle
	}
	return plugin.NoError
}

func (f *faulty) SecurityDialogEnd(plugin.HPORT) plugin.Code { return f.end }

// faultyConfig has a line with the faulty plugin and one with a good one; both services refuse the connection at once.
const faultyConfig = `state_dir: state
control: control.sock
lines:
  - {name: bad, device: "sim:bad", modem: quick, settle: 0, dialog: bad, service: out}
  - {name: good, device: "sim:good", modem: quick, settle: 0, dialog: good, service: out}
dialogs:
  bad: {plugin: faulty, timeout: 20s, end_grace: 1s}
  good: {plugin: anyone}
services:
  out: {type: tcp, address: "127.0.0.1:1"}
profiles: profiles
`

const quickProfile = `name: quick
init:
  - {send: ATE0, source: "V.250"}
  - {send: ATS0=0, source: "V.250"}
answer: {source: "V.250"}
hangup: {dtr_time: 10ms, source: "V.250"}
`

// faultyDaemon runs a daemon whose plugin "faulty" is p.
func faultyDaemon(t *testing.T, p plugin.Plugin) *daemon {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"config.yaml": faultyConfig, "profiles/quick.yaml": quickProfile} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load(filepath.Join(dir, "config.yaml"), config.Env{})
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]plugin.Factory{
		"faulty": func(plugin.Setup) (plugin.Plugin, error) { return p, nil },
		"anyone": anyone.New,
	}
	d, err := newDaemon(t.Context(), c, daemonOptions{table: table, log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- d.run(ctx, nil) }()
	t.Cleanup(func() {
		stop()
		if err := <-stopped; err != nil {
			t.Errorf("the daemon stopped with %v", err)
		}
	})
	return d
}

// dialLine calls a line; name is typed when a prompt comes, "" for nothing.
func dialLine(t *testing.T, d *daemon, line, name string) *modemsim.FarCall {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	sim, err := d.sims.modem(line)
	if err != nil {
		t.Fatal(err)
	}
	far, err := sim.dial(ctx, modemsim.DialOptions{Number: "5550100"})
	if err != nil {
		t.Fatalf("line %s did not answer: %v", line, err)
	}
	t.Cleanup(func() { _ = far.Close() })
	if name != "" {
		robot := caller.New(far)
		if _, err := robot.Expect(ctx, "name: "); err != nil {
			t.Fatal(err)
		}
		if err := robot.Send(name); err != nil {
			t.Fatal(err)
		}
	}
	return far
}

// lastCall waits until the newest call of a line has ended and the line listens again.
func lastCall(t *testing.T, d *daemon, line string, calls int) record.Row {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	changes := d.watchers.Watch(ctx)
	for {
		s, _ := d.lines.Line(line)
		rows, err := d.store.Calls(ctx, record.Query{Line: line})
		if err != nil {
			t.Fatal(err)
		}
		if s.State == port.Listening && len(rows) == calls && !rows[0].Open() {
			return rows[0]
		}
		if _, ok := <-changes; !ok {
			t.Fatalf("line %s: state %s (%s), %d calls, newest %+v", line, s.State, s.Reason, len(rows), rows)
		}
	}
}

// TestPluginFaults: whatever a Go plugin does, its call gets the right record, its line listens again, and the other line works.
func TestPluginFaults(t *testing.T) {
	var stopSpinning atomic.Bool
	success := func(b plugin.Begin) *plugin.SecurityMessage {
		return plugin.NewMessage(b.HPort, plugin.Success, plugin.NoError, "eve", "")
	}
	faults := []struct {
		name   string
		plugin faulty
		drop   bool // the caller hangs up, because the plugin never would
		cause  port.TerminateCause
		event  plugin.EventID
		user   string
	}{
		{name: "panics", plugin: faulty{end: plugin.ErrorPortDisconnected, work: func(context.Context, plugin.Begin) { panic("at the disco") }},
			cause: port.NASError, event: plugin.EventSecurityInternal},
		{name: "goes without a word", plugin: faulty{end: plugin.ErrorPortDisconnected, work: func(context.Context, plugin.Begin) { runtime.Goexit() }},
			cause: port.NASError, event: plugin.EventSecurityInternal},
		{name: "hangs", plugin: faulty{end: plugin.ErrorPortDisconnected, work: func(ctx context.Context, _ plugin.Begin) { <-ctx.Done() }},
			drop: true, cause: port.LostCarrier},
		{name: "spins", plugin: faulty{end: plugin.ErrorPortDisconnected, work: func(context.Context, plugin.Begin) {
			for !stopSpinning.Load() {
				runtime.Gosched()
			}
		}}, drop: true, cause: port.LostCarrier},
		{name: "completes twice", plugin: faulty{end: plugin.ErrorPortDisconnected, work: func(_ context.Context, b plugin.Begin) {
			b.Complete(plugin.NewMessage(b.HPort, plugin.Failure, plugin.NoError, "eve", ""))
			b.Complete(success(b))
		}}, cause: port.ServiceUnavailable, event: plugin.EventSecurityFailure, user: record.MaskName("eve")},
		{name: "completes after the caller went", plugin: faulty{end: plugin.NoError, work: func(ctx context.Context, b plugin.Begin) {
			<-ctx.Done()
			b.Complete(success(b))
		}}, drop: true, cause: port.LostCarrier},
		{name: "defers for ever", plugin: faulty{end: plugin.NoError, work: func(_ context.Context, b plugin.Begin) { b.Complete(success(b)) }},
			cause: port.NASError, event: plugin.EventSecurityInternal},
		{name: "names a user that no service may see", plugin: faulty{end: plugin.ErrorPortDisconnected, work: func(_ context.Context, b plugin.Begin) {
			b.Complete(plugin.NewMessage(b.HPort, plugin.Success, plugin.NoError, "-rf /", ""))
		}}, cause: port.NASError, event: plugin.EventSecurityInternal},
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			d := faultyDaemon(t, &f.plugin)
			t.Cleanup(func() { stopSpinning.Store(true) })
			stopSpinning.Store(false)
			far := dialLine(t, d, "bad", "")
			// While the faulty call lasts, or right after it, the other line must work.
			good := dialLine(t, d, "good", "alice")
			if r := lastCall(t, d, "good", 1); r.User != "alice" || r.Verdict != plugin.Success {
				t.Errorf("the other line: %s", record.Why(r))
			}
			_ = good.Close()
			if f.drop {
				_ = far.Close()
			}
			r := lastCall(t, d, "bad", 1)
			if r.Cause != f.cause || r.Verdict == plugin.Success || f.event != 0 && !slices.Contains(r.Events, f.event) {
				t.Errorf("want cause %v, event %v, no success; got:\n%s", f.cause, f.event, record.Why(r))
			}
			if f.user != "" && r.User != f.user {
				t.Errorf("user %q, want %q", r.User, f.user)
			}
			// And the line serves the next caller.
			_ = dialLine(t, d, "bad", "").Close()
			lastCall(t, d, "bad", 2)
		})
	}
}

// TestHashGateOutlivesAReload: plugins made by a reload come from the same factories, and so share what bounds their work.
func TestHashGateOutlivesAReload(t *testing.T) {
	made := 0
	table := map[string]plugin.Factory{
		"faulty": func(plugin.Setup) (plugin.Plugin, error) { made++; return &inert{}, nil },
		"anyone": anyone.New,
	}
	d := faultyDaemon(t, &inert{})
	d.table = table
	c := d.handler.house.Load().config
	d.read = func() (*config.Config, error) {
		again, err := config.Load(c.File(), config.Env{})
		if err == nil {
			bad := again.Dialogs["bad"]
			bad.Attempts++
			again.Dialogs["bad"] = bad
		}
		return again, err
	}
	d.install(t.Context(), d.plan(d.handler.house.Load()))
	if made != 1 {
		t.Fatalf("the reload made %d plugins with the daemon's own table, want 1", made)
	}
	d.read = func() (*config.Config, error) { return nil, errors.New("no such file") }
	before := d.handler.house.Load()
	d.install(t.Context(), d.plan(before))
	if d.handler.house.Load() != before {
		t.Fatal("a configuration that can't be read changed something")
	}
}
