package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/user"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"rashost/hardware"
	"rashost/internal/admin"
	"rashost/internal/config"
)

// Exit codes.
const (
	exitFailed = 1 // the thing asked for could not be done
	exitUsage  = 2 // bad usage, or a faulty configuration

	exitInterrupted = 130 // ended by a signal at a prompt, as shells have it
)

// app is what every command works on: its streams and the configuration file.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	configPath     string
}

// exitError gives a command its exit code. A nil err says nothing: everything was said already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usageError makes err one of bad usage or configuration.
func usageError(err error) error { return &exitError{exitUsage, err} }

// exitCode tells err on stderr and returns the process's exit code.
func (a *app) exitCode(err error) int {
	if err == nil {
		return 0
	}
	code := exitFailed
	e, ok := errors.AsType[*exitError](err)
	if ok {
		code = e.code
	} else if _, faulty := errors.AsType[config.Faults](err); faulty {
		code = exitUsage
	}
	if !ok || e.err != nil {
		fmt.Fprintln(a.stderr, "rashost: "+onScreen(err.Error()))
	}
	return code
}

// bindConfigFlag adds -c to the root command.
func (a *app) bindConfigFlag(root *cobra.Command) {
	root.PersistentFlags().StringVarP(&a.configPath, "config", "c", defaultConfigPath(), "the configuration file")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(err) })
}

// defaultConfigPath is config.yaml here; without one, that of the system.
func defaultConfigPath() string {
	const here, system = "config.yaml", "/etc/rashost/config.yaml"
	if _, err := os.Stat(here); err != nil {
		if _, err := os.Stat(system); err == nil {
			return system
		}
	}
	return here
}

// arguments wants exactly the named arguments.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == len(names):
			return nil
		case len(names) == 0:
			return usageError(fmt.Errorf("%s takes no argument, and got %q", cmd.CommandPath(), args))
		default:
			return usageError(fmt.Errorf("usage: %s %s", cmd.CommandPath(), strings.Join(names, " ")))
		}
	}
}

// loadConfig reads the configuration with all that this program knows. The faults of a faulty one are a usageError; with them come those
// that plugins, services and profiles find in what is left of it.
func (a *app) loadConfig() (*config.Config, error) {
	env, err := configEnv()
	if err != nil {
		return nil, err
	}
	c, faults := config.Inspect(a.configPath, env)
	if len(faults) == 0 {
		return c, nil
	}
	if c != nil {
		h, _, err := prepare(c, nil, pluginTable(), slog.New(slog.DiscardHandler))
		if err == nil {
			h.retire(nil)
		}
		faults = collect(c, faults, err)
	}
	return nil, usageError(faults)
}

func configEnv() (config.Env, error) {
	env := config.Env{Root: runsAsRoot(), Plugins: slices.Sorted(maps.Keys(pluginTable())), Modems: hardware.Names()}
	if u, err := user.Current(); err == nil && !env.Root {
		env.User = u.Username
	}
	return env, nil
}

// places finds control socket and records of the daemon that uses this configuration.
func (a *app) places() (config.Places, error) {
	p, err := config.Locate(a.configPath)
	if err != nil {
		return p, usageError(err)
	}
	return p, nil
}

// dial connects to the running daemon.
func (a *app) dial(ctx context.Context) (*admin.Client, error) {
	p, err := a.places()
	if err != nil {
		return nil, err
	}
	return admin.Dial(ctx, p.Control)
}

// terminal tells whether stdout is one.
func (a *app) terminal() bool {
	f, ok := a.stdout.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// printJSON writes v, indented. What a terminal could take as a command is escaped, also where JSON itself would let it pass.
func (a *app) printJSON(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = io.WriteString(a.stdout, safeJSON(b)+"\n")
	return err
}

func safeJSON(b []byte) string {
	var out strings.Builder
	for _, r := range string(b) {
		switch {
		case r == '\n' || printable(r):
			out.WriteRune(r)
		case r > 0xFFFF:
			r -= 0x10000
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}

// printable tells whether r shows as itself. Format characters, such as those that turn the writing direction, do not.
func printable(r rune) bool { return unicode.IsPrint(r) }

// onScreen makes text fit for an operator's terminal: whatever could move the cursor, change colours or hide something is written
// as an escape. Line ends stay.
func onScreen(text string) string {
	var out strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && n <= 1:
			fmt.Fprintf(&out, `\x%02x`, text[0])
		case r == '\n' || printable(r):
			out.WriteString(text[:n])
		case r < 0x80:
			fmt.Fprintf(&out, `\x%02x`, r)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
		text = text[n:]
	}
	return out.String()
}

// cell is text for one cell of a table: on one line and not too long. "" becomes "-".
func cell(text string, most int) string {
	if text == "" {
		return "-"
	}
	s := []rune(strings.ReplaceAll(onScreen(text), "\n", `\n`))
	if len(s) > most {
		s = append(s[:most-1], '…')
	}
	return string(s)
}
