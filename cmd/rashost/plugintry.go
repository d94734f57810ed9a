package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"rashost/internal/caller"
	"rashost/internal/config"
	"rashost/plugin"
	"rashost/plugin/plugintest"
)

const pluginTestHelp = `Runs the conformance suite with a robot caller against a plugin and prints, rule by rule, what passed and what failed, with the
exchange that failed. It needs no modem and no configuration, and takes half a minute or more, because the plugin is let run into its time limit.

PROGRAM is any executable that speaks the protocol of docs/plugins.md; LIBRARY is a shared object (NAME.so) built for the RAS contract
(docs/native.md). With --dialog NAME the plugin of that dialog of the configuration is tested, of whatever kind, with a state folder of its own and
without lock-out.

The robot must know a login that succeeds, and one that your plugin refuses after all the attempts that it gives. Each is a file:

    # the name that your plugin must report
    user alice
    # wait for this text; type this and Enter
    expect Username:
    send alice
    expect Password:
    # as send; it must never be echoed
    secret wonderland

{n} in a text is the caller's number, 0 to 19, where your plugin knows so many users: then callers that get mixed up are seen.
Without --bad the cases about refusal are left out. Exit status 0: everything that ran passed, 1: something failed.`

// pluginTry is `rashost plugin test`.
type pluginTry struct {
	app                     *app
	dialog, good, bad       string
	account, isolation      string
	options                 []string
	asJSON, verbose         bool
	command                 []string
	goodScript, badScript   caller.Script
	passed, failed, skipped int
	unread                  context.CancelCauseFunc // ends the test
}

func newPluginCommand(a *app) *cobra.Command {
	t := &pluginTry{app: a}
	cmd := &cobra.Command{
		Use: "plugin", Short: "test: does a plugin keep the contract?", Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	test := &cobra.Command{
		Use:   "test PROGRAM|LIBRARY [ARGUMENT...] --good FILE [--bad FILE]",
		Short: "run the conformance suite against a plugin",
		Long:  pluginTestHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			t.command = args
			return t.run(cmd.Context())
		},
	}
	f := test.Flags()
	f.SetInterspersed(false)
	f.StringVar(&t.good, "good", "", "the login that succeeds (required)")
	f.StringVar(&t.bad, "bad", "", "a login that the plugin refuses")
	f.StringVar(&t.dialog, "dialog", "", "test the plugin of this dialog of the configuration")
	f.StringVar(&t.account, "user", "", "the user that the plugin runs as; needed when you are root")
	f.StringVar(&t.isolation, "isolation", "call", "call, line or shared")
	f.StringArrayVar(&t.options, "option", nil, "KEY=VALUE of the plugin's options, for instance hport=dword; lists are JSON: read=[\"/srv\"]")
	f.BoolVar(&t.asJSON, "json", false, "print one JSON object a case (docs/json.md)")
	f.BoolVar(&t.verbose, "verbose", false, "show the plugin's log, with what it writes to stderr")
	cmd.AddCommand(test)
	return cmd
}

func (t *pluginTry) run(ctx context.Context) error {
	if (t.dialog == "") == (len(t.command) == 0) {
		return usageError(errors.New("name a program or a library, or a dialog with --dialog"))
	}
	if t.good == "" {
		return usageError(errors.New("--good is missing: a file with the login that succeeds; `rashost plugin test --help` shows one"))
	}
	var err error
	if t.goodScript, err = readScript(t.good); err != nil {
		return usageError(err)
	}
	if t.goodScript.User == "" {
		return usageError(fmt.Errorf("%s: `user NAME` is missing: the name that the plugin must report", t.good))
	}
	if t.bad != "" {
		if t.badScript, err = readScript(t.bad); err != nil {
			return usageError(err)
		}
	}
	dir, err := os.MkdirTemp("", "rashost-plugin-test-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, name, err := t.config(dir)
	if err != nil {
		return err
	}
	return t.check(ctx, c, name, dir)
}

// config returns the configuration with the dialog to test: the one that is there, or one made for PROGRAM or LIBRARY.
// What it writes is in dir.
func (t *pluginTry) config(dir string) (c *config.Config, dialog string, err error) {
	if t.dialog != "" {
		if c, err = t.app.loadConfig(); err != nil {
			return nil, "", t.app.faults(err)
		}
		if _, ok := c.Dialogs[t.dialog]; !ok {
			return nil, "", usageError(fmt.Errorf("%s has no dialog %q", t.app.configPath, t.dialog))
		}
		setApart(c, t.dialog, dir)
		return c, t.dialog, nil
	}
	text, err := t.configText(dir)
	if err != nil {
		return nil, "", usageError(err)
	}
	path := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return nil, "", err
	}
	env, err := configEnv()
	if err != nil {
		return nil, "", err
	}
	if c, err = config.Load(path, env); err != nil {
		return nil, "", usageError(madeForIt(err, dir))
	}
	return c, "test", nil
}

// madeForIt keeps the name of a file that nobody has written out of an error.
func madeForIt(err error, dir string) error {
	return errors.New(strings.ReplaceAll(err.Error(), filepath.Join(dir, "config.yaml"), "the dialog made for it"))
}

// setApart keeps the robot's refused logins away from the host: they would lock the dialog's users out, and the robot too.
func setApart(c *config.Config, dialog, dir string) {
	c.StateDir = dir
	d := c.Dialogs[dialog]
	d.Lockout.Denials = 0
	c.Dialogs[dialog] = d
}

// configText is a configuration for one plugin. JSON is YAML.
func (t *pluginTry) configText(dir string) ([]byte, error) {
	kind, options, err := t.pluginOptions()
	if err != nil {
		return nil, err
	}
	d := map[string]any{"plugin": kind, "options": options, "isolation": t.isolation, "timeout": "20s", "end_grace": "5s"}
	if t.account != "" {
		d["user"] = t.account
	}
	return json.Marshal(map[string]any{
		"state_dir": dir, "control": filepath.Join(dir, "control"),
		"lines":    []any{map[string]any{"name": "test", "device": "sim:test", "dialog": "test", "service": "none"}},
		"dialogs":  map[string]any{"test": d},
		"services": map[string]any{"none": map[string]any{"type": "tcp", "address": "127.0.0.1:1"}},
	})
}

// pluginOptions tells a library from a program, and makes the options of the plugin that runs it.
func (t *pluginTry) pluginOptions() (kind string, options map[string]any, err error) {
	path := t.command[0]
	if !strings.Contains(path, "/") {
		if found, err := exec.LookPath(path); err == nil {
			path = found
		}
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return "", nil, err
	}
	kind, options = "external", map[string]any{"command": append([]string{path}, t.command[1:]...)}
	if isLibrary(path) {
		if len(t.command) > 1 {
			return "", nil, fmt.Errorf("a library takes no arguments, and got %q", t.command[1:])
		}
		kind, options = "native", map[string]any{"library": path}
	}
	for _, o := range t.options {
		key, value, ok := strings.Cut(o, "=")
		if !ok {
			return "", nil, fmt.Errorf("--option %q: write KEY=VALUE", o)
		}
		if options[key] = value; strings.HasPrefix(value, "[") || strings.HasPrefix(value, "{") {
			var v any
			if err := json.Unmarshal([]byte(value), &v); err != nil {
				return "", nil, fmt.Errorf("--option %q: lists and mappings are JSON, such as read=[\"/srv/guests\"]: %w", o, err)
			}
			options[key] = v
		}
	}
	return kind, options, nil
}

// isLibrary says whether the file at path is a shared object rather than a program: by its name, because a program may be position
// independent and then is a shared object too.
func isLibrary(path string) bool {
	base := filepath.Base(path)
	return strings.HasSuffix(base, ".so") || strings.Contains(base, ".so.")
}

func readScript(path string) (caller.Script, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return caller.Script{}, err
	}
	s, err := caller.ParseScript(path, text)
	for _, step := range s.Steps {
		if err == nil && step.Verb == caller.Secret && step.Text == "" {
			err = fmt.Errorf("%s:%d: secret needs a text here", path, step.Line)
		}
	}
	return s, err
}

// login makes the suite's login of a script, for the caller n: {n} in its texts is the number.
func login(s caller.Script, n int) plugintest.Login {
	number := strings.NewReplacer("{n}", strconv.Itoa(n))
	l := plugintest.Login{User: number.Replace(s.User)}
	for _, step := range s.Steps {
		text := number.Replace(step.Text)
		switch step.Verb {
		case caller.Expect:
			l.Steps = append(l.Steps, plugintest.Expect(text))
		case caller.Send:
			l.Steps = append(l.Steps, plugintest.Send(text+"\r"))
		case caller.Secret:
			l.Steps = append(l.Steps, plugintest.SendSecret(text+"\r"))
		case caller.Raw:
			l.Steps = append(l.Steps, plugintest.Send(text))
		}
	}
	return l
}

// check runs the suite and prints as it goes. When it is interrupted, the processes of the plugin are ended.
func (t *pluginTry) check(ctx context.Context, c *config.Config, name, dir string) error {
	log := slog.New(slog.DiscardHandler)
	if t.verbose {
		log = newLogger(t.app.stderr, "debug", "text")
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctx, t.unread = context.WithCancelCause(ctx)
	defer t.unread(nil)
	signal.Ignore(syscall.SIGPIPE) // nobody reads the output any more: report notices, and everything is cleaned up
	defer signal.Reset(syscall.SIGPIPE)
	m := &maker{name: name, config: c, table: pluginTable(), log: log}
	first, err := m.make()
	if err != nil {
		return madeForIt(err, dir)
	}
	if closer, ok := first.(io.Closer); ok {
		if err := closer.Close(); err != nil {
			return err
		}
	}
	s := plugintest.Subject{
		New:        m.make,
		Good:       func(n int) plugintest.Login { return login(t.goodScript, n) },
		Goroutines: []string{"rashost/plugin/external", "os/exec", "internal/poll", "github.com/go-crypt"},
	}
	if t.bad != "" {
		s.Bad = func(n int) plugintest.Login { return login(t.badScript, n) }
	}
	done := make(chan struct{})
	go func() {
		plugintest.Check(s, t.report)
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return &exitError{exitInterrupted, errors.Join(errors.New("interrupted"), m.end())}
	}
	if !t.asJSON {
		fmt.Fprintf(t.app.stdout, "%d passed, %d failed, %d left out\n", t.passed, t.failed, t.skipped)
	}
	if t.failed > 0 {
		return &exitError{code: exitFailed}
	}
	return nil
}

// maker makes the plugins of the cases, one after the other, and knows the last.
type maker struct {
	name   string
	config *config.Config
	table  map[string]plugin.Factory
	log    *slog.Logger

	mu    sync.Mutex
	last  plugin.Plugin
	ended bool
}

// make makes a plugin for the next case.
func (m *maker) make() (plugin.Plugin, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return nil, errors.New("interrupted")
	}
	use := newDialogUse(m.name, m.config, nil, m.table, m.log)
	m.last = use.plugin
	return use.plugin, use.err
}

// end closes the last plugin and makes no more.
func (m *maker) end() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = true
	if closer, ok := m.last.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// tryResult is a case in JSON.
type tryResult struct {
	Case    string     `json:"case"`
	Rules   []string   `json:"rules"`
	Title   string     `json:"title"`
	Result  string     `json:"result"` // pass, fail or skip
	Skipped string     `json:"skipped,omitempty"`
	Faults  []tryFault `json:"faults"`
	Trace   []string   `json:"trace,omitempty"`
}

type tryFault struct {
	Rule string `json:"rule"`
	What string `json:"what"`
}

func (t *pluginTry) report(r plugintest.Result) {
	word := "pass"
	switch {
	case r.Skipped != "":
		word = "skip"
		t.skipped++
	case len(r.Faults) > 0:
		word = "fail"
		t.failed++
	default:
		t.passed++
	}
	if !t.asJSON {
		for line := range strings.Lines(r.String()) {
			t.print(onScreen(strings.TrimSuffix(line, "\n")) + "\n")
		}
		return
	}
	v := tryResult{Case: r.Case, Rules: r.Rules, Title: r.Title, Result: word, Skipped: r.Skipped, Faults: []tryFault{}, Trace: r.Trace}
	for _, f := range r.Faults {
		v.Faults = append(v.Faults, tryFault{f.Rule, f.What})
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // strings only
	t.print(b.String())
}

// print writes a part of the report. When it can't, the rest of the suite would be for nobody.
func (t *pluginTry) print(text string) {
	if _, err := io.WriteString(t.app.stdout, text); err != nil {
		t.unread(err)
	}
}
