package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"rashost/internal/dialout"
	"rashost/plugin/sasl/client"
)

// callFlags are what `rashost call` was asked for.
type callFlags struct {
	device, number, modem string
	parity, flow          string
	baud                  int
	script                string
	sasl, user, profile   string
	allowPlain            bool
	secretFile            string
	secretFD              int
	timeout, redialAfter  time.Duration
	redial                int
	then                  string
	command               []string
	quiet, verbose        bool
	given                 func(flag string) bool
	stdinIsTerminal       bool
}

func newCallCommand(a *app) *cobra.Command {
	f := callFlags{}
	cmd := &cobra.Command{
		Use:   "call DEVICE [flags] [-- COMMAND [ARG...]]",
		Short: "be the caller: dial, log in, and hand the line to a terminal, a command or pppd",
		Long: "Opens DEVICE: the path of a tty, sim:NAME for a virtual modem of the running host, or - for a line that is on standard input and\n" +
			"output already, as pppd's connect program has it. Dials when there is a --number, logs in by --script or --sasl, and then connects your\n" +
			"terminal, runs COMMAND with the line as its standard input and output, or exits and leaves the line open (--then exit). Progress goes\n" +
			"to standard error. Exit codes: 0 done, 1 failed, 2 bad usage, 130 Ctrl-C; with COMMAND, its own. docs/call.md has examples.",
		RunE: func(cmd *cobra.Command, args []string) error {
			f.given = cmd.Flags().Changed
			if err := f.arguments(args, cmd.ArgsLenAtDash()); err != nil {
				return usageError(err)
			}
			return a.call(cmd.Context(), &f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.number, "number", "", "the telephone number to dial; without it the line is used as it is")
	flags.StringVar(&f.modem, "modem", "", "modem profile, a name or the path of a YAML file; none for a direct line (default generic with --number)")
	flags.IntVar(&f.baud, "baud", 115200, "speed of the tty in bit/s")
	flags.StringVar(&f.parity, "parity", "none", "none, even, odd, mark or space; other than none goes with seven bits")
	flags.StringVar(&f.flow, "flow", "", "none, rtscts or xonxoff (default: the modem profile's; none on a direct line)")
	flags.StringVar(&f.script, "script", "", "log in by this terminal script")
	flags.StringVar(&f.sasl, "sasl", "", "log in by SASL; --sasl=MECHANISM: SCRAM-SHA-256 (default), -512, -1, or PLAIN")
	flags.Lookup("sasl").NoOptDefVal = client.SCRAMSHA256
	flags.StringVar(&f.user, "user", "", "the name that logs in, with --sasl")
	flags.StringVar(&f.profile, "profile", "auto", "whose commands carry SASL: pop3, smtp, or auto, as the far end greets")
	flags.BoolVar(&f.allowPlain, "allow-plain", false, "allow the mechanism PLAIN, which tells the far end the secret itself")
	flags.StringVar(&f.secretFile, "secret-file", "", "read the secret from the first line of this file")
	flags.IntVar(&f.secretFD, "secret-fd", -1, "read the secret from the first line of this open file descriptor")
	flags.DurationVar(&f.timeout, "timeout", time.Minute, "how long reading the secret may take, then dialling, and then the login")
	flags.IntVar(&f.redial, "redial", 0, "dial again so many times when nobody answers")
	flags.DurationVar(&f.redialAfter, "redial-after", 10*time.Second, "the pause before that")
	flags.StringVar(&f.then, "then", "", "terminal, or exit: leave the line open")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "no progress, only errors")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "show what the far end says in a SASL login, escaped")
	return cmd
}

// arguments sorts the words that are no flags.
func (f *callFlags) arguments(args []string, dash int) error {
	if dash >= 0 {
		f.command, args = args[dash:], args[:dash]
		if len(f.command) == 0 {
			return errors.New("no COMMAND follows --")
		}
	}
	switch {
	case len(args) == 1 && args[0] != "":
		f.device = args[0]
		return nil
	case len(args) == 2 && f.given("sasl"):
		return fmt.Errorf("usage: one DEVICE, and got %q; a mechanism is written --sasl=MECHANISM, a command behind --", args)
	case len(args) > 1:
		return fmt.Errorf("usage: one DEVICE, and got %q; a command is written behind --", args)
	default:
		return errors.New("usage: rashost call DEVICE [flags] [-- COMMAND [ARG...]]: the path of a tty, sim:NAME, or -")
	}
}

// call makes the call.
func (a *app) call(ctx context.Context, f *callFlags) error {
	call, err := a.prepareCall(f)
	if err != nil {
		return usageError(err)
	}
	ctx, stop := a.untilSignal(ctx)
	defer stop()
	status, err := a.withCallSecret(ctx, f, call)
	var by *signalError
	switch {
	case errors.As(err, &by):
		return &exitError{128 + int(by.signal), err}
	case err != nil:
		return err
	case status != 0:
		return &exitError{code: status}
	}
	return nil
}

// withCallSecret reads the secret, when the login has one, and makes the call.
func (a *app) withCallSecret(ctx context.Context, f *callFlags, call *dialout.Call) (int, error) {
	if call.Login != nil && call.Login.NeedsSecret() {
		secret, err := a.callSecret(ctx, f)
		if err != nil {
			return 0, err
		}
		defer clear(secret)
		call.Login.Secret = secret
	}
	return call.Run(ctx)
}

// signalError says that a signal ended the call.
type signalError struct{ signal syscall.Signal }

func (e *signalError) Error() string {
	if e.signal == syscall.SIGINT {
		return "interrupted"
	}
	return "ended by a signal: " + e.signal.String()
}

// untilSignal returns a context that ends with a *signalError as its cause. The second signal ends the program at once.
// A signal that is ignored from the start stays so.
func (a *app) untilSignal(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals, done := make(chan os.Signal, 1), make(chan struct{})
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) { // nohup, or a background job of a shell
			signal.Notify(signals, s)
		}
	}
	go func() {
		select {
		case s := <-signals:
			signal.Stop(signals)
			number, _ := s.(syscall.Signal)
			cancel(&signalError{number})
		case <-done:
		}
	}()
	return ctx, func() {
		close(done)
		signal.Stop(signals)
		cancel(nil)
	}
}

// callLog takes the warnings of package port.
func (a *app) callLog(f *callFlags) *slog.Logger {
	if f.quiet {
		return nil
	}
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
