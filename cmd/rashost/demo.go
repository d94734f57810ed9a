package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"rashost/internal/caller"
	"rashost/internal/config"
	"rashost/internal/record"
	"rashost/plugin/users"
	"rashost/port/modemsim"
)

// The demo's one user.
const demoUser, demoPassword = "demo", "rashost"

// demoTiming rings fast: nobody wants to wait for a telephone in a demo.
func demoTiming() modemsim.Timing {
	return modemsim.Timing{Ring: 300 * time.Millisecond, Connect: 200 * time.Millisecond}
}

// demoConfig is the configuration of the demo; the verb is run_as.
const demoConfig = `state_dir: state
control: control.sock
lock_dirs: []
lines:
  - {name: demo, device: "sim:demo", modem: generic, rings: 2, settle: 100ms, dialog: staff, service: shell}
dialogs:
  staff: {plugin: password, timeout: 120s, attempts: 3, banner: "Authorised use only.", options: {file: users.yaml}}
services:
  shell:
    type: command
    command: ["/bin/sh", "-c", "echo \"WELCOME $RASHOST_USER on line $RASHOST_LINE; ^D ends the session\"; exec cat"]
    idle: 60s
%s`

func newDemoCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "no hardware, no configuration: a virtual modem line, and you are the caller",
		Long: "Runs a host with one virtual modem line in a temporary folder. On a terminal you are the caller: log in as " + demoUser +
			" with the\npassword " + demoPassword + "; Ctrl-] hangs up. Without a terminal on standard input it plays a scripted call, prints the transcript\n" +
			"and why the call went as it did, and exits 0.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
			defer stop()
			return a.demo(ctx)
		},
	}
}

// demo sets a host up, calls it once, shows the record and takes everything down.
func (a *app) demo(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "rashost-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var logged bytes.Buffer
	c, err := writeDemo(dir)
	if err != nil {
		return err
	}
	d, err := newDaemon(ctx, c, daemonOptions{timing: demoTiming(), log: slog.New(slog.NewTextHandler(&logged, nil))})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	stopped := make(chan error, 1)
	go func() { stopped <- d.run(running, nil) }()
	fmt.Fprintln(a.stdout, "A host with one virtual modem line is running. Calling it ...")
	err = a.demoCall(ctx, d)
	if err == nil {
		err = a.demoRecord(ctx, d)
	}
	stop()
	if err = errors.Join(err, <-stopped); err != nil {
		return fmt.Errorf("%w\nthe host's log:\n%s", err, logged.String())
	}
	return nil
}

// writeDemo makes the demo's folder and reads its configuration.
func writeDemo(dir string) (*config.Config, error) {
	runAs := ""
	if runsAsRoot() {
		runAs = "    run_as: root\n"
		if _, err := user.Lookup("nobody"); err == nil {
			runAs = "    run_as: nobody\n"
		}
	}
	path := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, demoConfig, runAs), 0o600); err != nil {
		return nil, err
	}
	f, err := users.NewFile(filepath.Join(dir, "users.yaml"))
	if err != nil {
		return nil, err
	}
	if err := f.Add(demoUser, []byte(demoPassword), users.Verifiers{}); err != nil {
		return nil, err
	}
	env, err := configEnv()
	if err != nil {
		return nil, err
	}
	return config.Load(path, env)
}

// demoCall dials the line, as a person or by script.
func (a *app) demoCall(ctx context.Context, d *daemon) error {
	dialing, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	sim, err := d.sims.modem("demo")
	if err != nil {
		return err
	}
	far, err := sim.dial(dialing, modemsim.DialOptions{Number: "5550100", Name: "DEMO"})
	if err != nil {
		return fmt.Errorf("the line did not answer: %w", err)
	}
	defer func() { _ = far.Close() }()
	if in, ok := a.stdin.(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		return a.demoPerson(in, far)
	}
	return a.demoScript(ctx, far)
}

// hangupKey is Ctrl-].
const hangupKey = 0x1d

// demoPerson connects the terminal to the call until either side hangs up.
func (a *app) demoPerson(in *os.File, far *modemsim.FarCall) error {
	fmt.Fprintf(a.stdout, "Connected. Log in as %s with the password %s; Ctrl-] hangs up.\n\n", demoUser, demoPassword)
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return err
	}
	defer func() { _ = term.Restore(int(in.Fd()), before) }()
	go func() { // ends with the process: a read from a terminal can't be interrupted
		defer func() { _ = far.Close() }()
		buf := make([]byte, 256)
		for {
			n, err := in.Read(buf)
			key := bytes.IndexByte(buf[:n], hangupKey)
			if key >= 0 {
				n = key
			}
			if _, werr := far.Write(buf[:n]); err != nil || werr != nil || key >= 0 {
				return
			}
		}
	}()
	_, err = io.Copy(a.stdout, far)
	fmt.Fprint(a.stdout, "\r\n-- the line is hung up --\r\n")
	return err
}

// demoScript plays a call: wrong password, right password, session, hang-up.
func (a *app) demoScript(ctx context.Context, far *modemsim.FarCall) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	robot := caller.New(far)
	for _, step := range []struct{ expect, send string }{
		{"login: ", demoUser},
		{"Password: ", "wrong"},
		{"login: ", demoUser},
		{"Password: ", demoPassword},
		{"ends the session", "hello, is anybody there?"},
		{"anybody there?\r\nhello, is anybody there?", ""},
	} {
		_, err := robot.Expect(ctx, step.expect)
		if err == nil && step.send != "" {
			err = robot.Send(step.send)
		}
		if err != nil {
			fmt.Fprintln(a.stdout, onScreen(robot.Transcript()))
			return err
		}
	}
	fmt.Fprintln(a.stdout, "-- transcript of the caller's side (passwords are not echoed) --")
	fmt.Fprintln(a.stdout, onScreen(string(bytes.ReplaceAll([]byte(robot.Transcript()), []byte("\r\n"), []byte("\n")))))
	fmt.Fprintln(a.stdout, "-- the caller hangs up --")
	return nil
}

// demoRecord waits for the end of the call and shows what was kept of it.
func (a *app) demoRecord(ctx context.Context, d *daemon) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	changes := d.watchers.Watch(ctx)
	for {
		rows, err := d.store.Calls(ctx, record.Query{Limit: 1})
		if err != nil {
			return err
		}
		if len(rows) == 1 && !rows[0].Open() {
			fmt.Fprintln(a.stdout, "\n-- what `rashost why` says of the call --")
			fmt.Fprintln(a.stdout, onScreen(record.Why(rows[0])))
			return nil
		}
		if _, ok := <-changes; !ok {
			return errors.New("the record of the call was not closed in time")
		}
	}
}
