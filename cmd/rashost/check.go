package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func newCheckCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "all faults of the configuration at once, each with its place",
		Long: "Reads the configuration as `rashost serve` would, with the plugins' options, the services' programs and the modem profiles, and\n" +
			"names all faults at once, each as file:line:column: path: what is wrong and what is allowed. Exit status 0: none, 2: some.\n" +
			"Warnings alone are no fault.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
			defer stop()
			var err error
			done := make(chan struct{})
			go func() {
				defer close(done)
				err = a.check()
			}()
			select {
			case <-done:
				return err
			case <-ctx.Done():
			}
			stop()   // the second signal ends it at once
			select { // give the plugins up in order; what is too slow for that is killed when this process ends
			case <-done:
			case <-time.After(checkGrace):
			}
			return &exitError{exitInterrupted, errors.New("interrupted")}
		},
	}
}

// checkGrace is how long a check that was interrupted may take to give up the plugins that it has made.
const checkGrace = 2 * time.Second

// check reads the configuration, makes what it describes, and says what is wrong with it.
func (a *app) check() error {
	c, err := a.loadConfig()
	if err != nil {
		return a.faults(err)
	}
	for _, w := range c.Warnings {
		fmt.Fprintln(a.stderr, onScreen("warning: "+w.Error()))
	}
	h, _, err := prepare(c, nil, pluginTable(), slog.New(slog.DiscardHandler))
	if err != nil {
		return a.faults(err)
	}
	defer h.retire(nil)
	for _, w := range h.warnings {
		fmt.Fprintln(a.stderr, onScreen("warning: "+w.Error()))
	}
	for _, name := range sorted(h.dialogs) {
		if use := h.dialogs[name]; use.err != nil { // nobody needs it to start
			for _, f := range collect(c, nil, pluginFaults(c, use.err)) {
				fmt.Fprintln(a.stderr, onScreen("warning: "+f.Error()))
			}
		}
	}
	fmt.Fprintf(a.stdout, "%s: no faults\n", onScreen(a.configPath))
	return nil
}

// faults prints what is wrong, one a line as editors and grep like it, and makes the exit code 2. An error that is no fault of the
// configuration goes on as it is.
func (a *app) faults(err error) error {
	if e, ok := errors.AsType[*exitError](err); ok {
		err = e.err
	}
	fmt.Fprintln(a.stderr, onScreen(err.Error()))
	return &exitError{code: exitUsage}
}
