package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"rashost/dialog"
	"rashost/internal/admin"
	"rashost/internal/config"
	"rashost/internal/record"
	"rashost/internal/service"
	"rashost/plugin"
	"rashost/plugin/external/launch"
	"rashost/port"
	"rashost/port/hotplug"
	"rashost/port/modemsim"
)

// How long the parts of the daemon may take to stop. Together they stay below systemd's 90 s.
const (
	stopCalls   = 10 * time.Second
	stopDialogs = 5 * time.Second
	stopRecords = 10 * time.Second
)

func newServeCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "run the host in the foreground",
		Long: "Runs the host in the foreground. SIGHUP reads the configuration again: unchanged lines keep their calls. SIGTERM and SIGINT end\n" +
			"dialogs and sessions within a grace period, then the host.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, os.Interrupt)
			defer stop()
			reload := make(chan os.Signal, 1)
			signal.Notify(reload, syscall.SIGHUP)
			defer signal.Stop(reload)
			c, err := a.loadConfig()
			if err != nil {
				return err
			}
			return a.serve(ctx, c, reload)
		},
	}
}

// serve starts the host and runs it. A stop counts already while it starts, whatever file it may be waiting for.
func (a *app) serve(ctx context.Context, c *config.Config, reload <-chan os.Signal) error {
	type start struct {
		daemon *daemon
		err    error
	}
	started := make(chan start, 1)
	go func() {
		d, err := newDaemon(ctx, c, daemonOptions{
			read: a.loadConfig, timing: modemsim.Real(), log: newLogger(a.stderr, c.Log.Level, c.Log.Format),
		})
		started <- start{d, err}
	}()
	select {
	case s := <-started:
		if s.err != nil {
			return s.err
		}
		return s.daemon.run(ctx, reload)
	case <-ctx.Done():
		return errors.New("stopped while starting")
	}
}

// daemon is a running host: it owns the records, the lines and the control socket.
type daemon struct {
	log      *slog.Logger
	read     func() (*config.Config, error) // reads the configuration again
	table    map[string]plugin.Factory      // made once: plugins of one kind share what bounds their work
	store    *record.Store
	handler  *handler
	lines    *port.Manager
	admin    *admin.Server
	watchers *admin.Hub
	sims     *simulators
	arms     *armBook
}

// daemonOptions is what a daemon needs beside its configuration.
type daemonOptions struct {
	read   func() (*config.Config, error) // for a reload
	timing modemsim.Timing                // of virtual modems
	table  map[string]plugin.Factory      // nil: pluginTable
	log    *slog.Logger
}

// newDaemon makes everything and starts the lines. On error nothing is left running.
func newDaemon(ctx context.Context, c *config.Config, o daemonOptions) (_ *daemon, err error) {
	log := o.log
	if raised, err := port.RaiseFileLimit(); err != nil {
		log.Warn("the limit of open files could not be raised", "limit", raised, "error", err.Error())
	}
	d := &daemon{log: log, read: o.read, table: o.table, watchers: &admin.Hub{}}
	if d.table == nil {
		d.table = pluginTable()
	}
	launch.Sweep(log)
	h, cfgs, err := prepare(c, nil, d.table, log)
	if err != nil {
		logPluginErrors(log, err)
		return nil, err
	}
	logMissing(log, c, launch.Detect())
	defer func() {
		if err != nil {
			h.retire(nil)
		}
	}()
	d.logWarnings(h)
	c.DropPlaces()
	state := c.Resolve(c.StateDir)
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, fmt.Errorf("state_dir: %w: make the folder, or set state_dir to one that this user may write", err)
	}
	host := &adminHost{Hub: d.watchers, daemon: d, started: time.Now()}
	// The socket comes first: it is what refuses a second daemon before anything of the first is touched.
	if d.admin, err = admin.Listen(ctx, c.Resolve(c.Control), admin.Options{Host: host, Log: log}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = d.admin.Close()
		}
	}()
	service.EndStrays(strays(c), log)
	if d.store, err = record.Open(ctx, state, record.Options{Log: log}); err != nil {
		return nil, err
	}
	d.handler = &handler{dialog: dialog.New(log), log: log}
	d.handler.house.Store(h)
	d.handler.calls = newCallBook(d.store, bookOptions{
		policy: d.policy, use: d.handler.use, changed: d.lineChanged, armed: d.armedText,
	}, log)
	d.arms = newArmBook(state, d.lineEvent, log)
	d.arms.follow(h.armable())
	d.sims = newSimulators(state, o.timing, log)
	d.lines = port.NewManager(port.ManagerOptions{
		Handler: d.handler, Observer: d.handler.calls, Armed: d.armed, Log: log, Open: d.sims.opener, Devices: listen(log),
	})
	if err = d.lines.Apply(ctx, cfgs); err != nil {
		_ = d.lines.Shutdown(ctx)
		d.arms.close()
		_ = d.store.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return d, nil
}

// run serves until ctx ends, then stops everything in order: lines, dialogs, control socket, records.
func (d *daemon) run(ctx context.Context, reload <-chan os.Signal) error {
	socket, stopSocket := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSocket()
	served := make(chan error, 1)
	go func() { served <- d.admin.Serve(socket) }()
	d.log.Info("rashost is serving", "lines", len(d.lines.Lines()), "config", d.handler.house.Load().config.File())
	notify(sd.SdNotifyReady)
	tidying := time.AfterFunc(tidyAfter, tidy)
	defer tidying.Stop()
	var failed error
	var reading chan plan // a reload under way: reading files may take long, stopping must not
	again := false        // SIGHUP came meanwhile
loop:
	for {
		select {
		case <-ctx.Done():
			break loop
		case failed = <-served:
			break loop
		case <-reload:
			if again = reading != nil; !again {
				reading = d.readAgain()
			}
		case p := <-reading:
			d.install(ctx, p)
			tidying.Reset(tidyAfter)
			if reading = nil; again {
				again, reading = false, d.readAgain()
			}
		}
	}
	notify(sd.SdNotifyStopping)
	d.log.Info("stopping: dialogs and sessions end now")
	return errors.Join(failed, d.stop(context.WithoutCancel(ctx), stopSocket))
}

func (d *daemon) stop(ctx context.Context, stopSocket context.CancelFunc) error {
	within := func(limit time.Duration, stop func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return stop(ctx)
	}
	if err := within(stopCalls, d.lines.Shutdown); err != nil {
		d.log.Warn("calls were cut off", "error", err.Error())
	}
	if err := within(stopDialogs, d.handler.dialog.Shutdown); err != nil {
		d.log.Warn("plugins did not end", "error", err.Error())
	}
	d.handler.house.Load().retire(nil)
	d.sims.close()
	d.arms.close()
	stopSocket()
	err := within(stopRecords, d.store.Close)
	if err != nil {
		d.log.Error("records", "error", err.Error())
	}
	d.log.Info("stopped")
	return err
}

// plan is a configuration that was read again and is fit to be used, or why it is not.
type plan struct {
	house *house
	lines []port.LineConfig
	err   error
}

// readAgain reads the configuration on a goroutine of its own.
func (d *daemon) readAgain() chan plan {
	planned := make(chan plan, 1)
	old := d.handler.house.Load()
	go func() { planned <- d.plan(old) }()
	return planned
}

// plan reads the configuration and makes what it describes, but changes nothing.
func (d *daemon) plan(old *house) plan {
	c, err := d.read()
	if err != nil {
		return plan{err: err}
	}
	if c.Resolve(c.StateDir) != old.config.Resolve(old.config.StateDir) || c.Resolve(c.Control) != old.config.Resolve(old.config.Control) {
		return plan{err: errors.New("state_dir and control can't change while the host runs: restart it")}
	}
	h, cfgs, err := prepare(c, old, d.table, d.log)
	c.DropPlaces()
	return plan{house: h, lines: cfgs, err: err}
}

// install puts a plan into force. A faulty one changes nothing.
func (d *daemon) install(ctx context.Context, p plan) {
	old := d.handler.house.Load()
	if p.err == nil {
		d.handler.house.Store(p.house)
		if p.err = d.lines.Apply(ctx, p.lines); p.err != nil {
			d.handler.house.Store(old)
		}
	}
	if p.err != nil {
		logPluginErrors(d.log, p.err)
		d.log.Error("reload: the configuration can't be used, nothing was changed", "error", p.err.Error())
		return
	}
	old.retire(p.house)
	d.arms.follow(p.house.armable())
	d.sims.keep(p.lines)
	d.logWarnings(p.house)
	d.log.Info("configuration read again", "lines", len(p.lines))
}

// logMissing says what this machine cannot do to hold plugins that have processes of their own, if there are any.
func logMissing(log *slog.Logger, c *config.Config, here launch.Support) {
	for _, name := range sorted(c.Dialogs) {
		if !slices.Contains(processKinds, c.Dialogs[name].Plugin) {
			continue
		}
		for _, text := range here.Missing() {
			log.Warn("plugins: " + text + " (docs/plugin-sandbox.md)")
		}
		return
	}
}

// logWarnings writes what works and is unwise, and forgets it: a thousand lines have thousands of remarks.
func (d *daemon) logWarnings(h *house) {
	for _, w := range append(h.config.Warnings, h.warnings...) {
		d.log.Warn("configuration: " + w.Error())
	}
	h.config.Warnings, h.warnings = nil, nil
}

// logPluginErrors writes an event for every plugin that could not be made (20095, 20096).
func logPluginErrors(log *slog.Logger, err error) {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range all.Unwrap() {
			logPluginErrors(log, e)
		}
		return
	}
	if fault, ok := errors.AsType[*pluginError](err); ok {
		log.Error("the plugin can't be loaded", "event", fault.event.String(), "dialog", fault.dialog, "plugin", fault.plugin,
			"error", fault.err.Error())
	}
}

// policy is what the configuration in force says of records.
func (d *daemon) policy() recordPolicy {
	r := d.handler.house.Load().config.Records
	return recordPolicy{refuse: r.OnFailure == "refuse", unknownNames: r.UnknownNames}
}

// lineChanged tells those who watch.
func (d *daemon) lineChanged(name string) {
	if !d.watchers.Watched() || d.lines == nil {
		return
	}
	if s, ok := d.lines.Line(name); ok {
		view := d.lineView(s)
		d.watchers.Publish(admin.Event{Type: admin.EventLine, At: time.Now(), Line: &view})
	}
}

// listen makes the kernel tell of devices that come; nil where it does not, and absent ones are looked for.
func listen(log *slog.Logger) port.Devices {
	l, err := hotplug.Listen()
	if err != nil {
		log.Warn("the kernel does not tell of devices that come: absent ones are looked for every few seconds", "error", err.Error())
		return nil
	}
	return l
}

// notify tells systemd, when we run under it.
func notify(state string) { _, _ = sd.SdNotify(false, state) }
