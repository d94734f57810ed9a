// Package external is the plugin whose decisions are made by a program of its own: any executable that speaks the line protocol of
// docs/plugins.md on its standard input and output. Each transaction has a process to itself, unless the program declares itself
// safe for more.
//
// Reading order: external.go (the plugin), processes.go (who gets which process), process.go (the life of one running program), talk.go
// (what is spoken with it), transaction.go (one Begin..End between host and program), requests.go (the program's requests), frames.go (the
// messages).
package external

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"rashost/plugin"
	"rashost/plugin/external/launch"
)

// Options are the plugin's own settings, `dialogs.NAME.options`.
type Options struct {
	// Command is the program and its arguments. A program with a slash is relative to the configuration file, any other is looked up in
	// PATH when the plugin is made. Required.
	Command []string `yaml:"command"`
	// Read and Write are files and folders that the program may read, or read and write, beyond what every program may; relative to the
	// configuration file.
	Read  []string `yaml:"read"`
	Write []string `yaml:"write"`
	// Env is added to the program's environment, which holds nothing of the host's. It is no place for secrets: others can read it.
	Env map[string]string `yaml:"env"`
}

// Program is what Make starts.
type Program struct {
	// Command is the absolute path of the program, and its arguments.
	Command []string
	// Read and Write are absolute paths that the program may use (Landlock).
	Read, Write []string
	// Files are open files that the program gets (launch.Spec). They stay the caller's, until the plugin is closed.
	Files []*os.File
	// Env is the program's environment, as NAME=VALUE.
	Env []string
	// Dir is its working directory, "" for that of the launcher.
	Dir string
	// Kind is the plugin's name in texts: "external" or "native".
	Kind string
}

// Plugin is the external plugin of one dialog.
type Plugin struct {
	log       *slog.Logger
	kind      string
	program   string // its path
	isolation isolation
	limits    limits
	start     func() (*child, error)

	mu           sync.Mutex
	closed       bool
	contained    bool
	transactions map[plugin.HPORT]*transaction
	processes    map[*process]struct{} // all that have not ended
	slots        map[string]*slot      // by line, or "" for all
}

// New makes the plugin of one dialog; it is a plugin.Factory.
func New(s plugin.Setup) (plugin.Plugin, error) {
	var o Options
	if s.Decode != nil {
		if err := s.Decode(&o); err != nil {
			return nil, fmt.Errorf("external: options: %w", err)
		}
	}
	p, err := o.program(s.Resolve)
	if err != nil {
		return nil, fmt.Errorf("external: options: %w", err)
	}
	return Make(s, p)
}

// program checks the options.
func (o Options) program(resolve func(string) string) (Program, error) {
	if resolve == nil {
		resolve = func(path string) string { return path }
	}
	if len(o.Command) == 0 || o.Command[0] == "" {
		return Program{}, errors.New("command is missing: name the program and its arguments, for instance [./guestbook.py]")
	}
	p := Program{Command: slices.Clone(o.Command), Kind: "external"}
	if strings.Contains(p.Command[0], "/") {
		p.Command[0] = resolve(p.Command[0])
	} else {
		found, err := exec.LookPath(p.Command[0])
		if err != nil {
			return Program{}, fmt.Errorf("command: %w: write ./%s for a program beside the configuration file", err, p.Command[0])
		}
		if p.Command[0], err = filepath.Abs(found); err != nil {
			return Program{}, err
		}
	}
	for _, arg := range p.Command {
		if strings.ContainsRune(arg, 0) {
			return Program{}, errors.New("command: a NUL cannot be passed to a program")
		}
	}
	for _, list := range []struct {
		key  string
		from []string
		to   *[]string
	}{{"read", o.Read, &p.Read}, {"write", o.Write, &p.Write}} {
		for _, path := range list.from {
			if path == "" {
				return Program{}, fmt.Errorf("%s: an empty path", list.key)
			}
			*list.to = append(*list.to, resolve(path))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Env)) {
		if !validName(name) || strings.ContainsRune(o.Env[name], 0) {
			return Program{}, fmt.Errorf("env: %q cannot be set: a name has letters, digits and _, a value no NUL", name)
		}
		p.Env = append(p.Env, name+"="+o.Env[name])
	}
	return p, nil
}

// validName says whether name is that of an environment variable.
func validName(name string) bool {
	for i, c := range name {
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9' || i == 0) {
			return false
		}
	}
	return name != ""
}

// Make makes a plugin of a program. It starts the program once to say hello, so that one that cannot work is found before a caller does.
func Make(s plugin.Setup, p Program) (plugin.Plugin, error) {
	start, err := starter(s, p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Kind, err)
	}
	x, err := newPlugin(s, p, start, defaultLimits())
	if err != nil {
		return nil, err // not x: a nil *Plugin in a Plugin is not nil
	}
	return x, nil
}

// newPlugin is Make with a way to start the program and its limits.
func newPlugin(s plugin.Setup, p Program, start func() (*child, error), l limits) (*Plugin, error) {
	name := filepath.Base(p.Command[0])
	need, ok := parseIsolation(s.Isolation)
	if !ok {
		return nil, fmt.Errorf("%s: isolation is %q: there are call, line and shared", p.Kind, s.Isolation)
	}
	log := s.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	x := &Plugin{
		log: log.With("program", name), kind: p.Kind, program: p.Command[0], isolation: need, limits: l, start: start,
		transactions: make(map[plugin.HPORT]*transaction), processes: make(map[*process]struct{}), slots: make(map[string]*slot),
	}
	first, f := x.launch(time.Now().Add(l.load))
	if f != nil {
		err := fmt.Errorf("%s: program %s %w", p.Kind, p.Command[0], f)
		return nil, errors.Join(err, x.Close())
	}
	first.finish()
	return x, nil
}

// SecurityDialogBegin gives the transaction a process and lets it decide (rasshost.h, RasSecurityDialogBegin). It waits for the program's
// answer, at most limits.begin; the host calls it on a goroutine of its own.
func (x *Plugin) SecurityDialogBegin(b plugin.Begin) plugin.Code {
	deadline := time.Now().Add(x.limits.begin)
	p, f := x.acquire(b.Call.Line, deadline)
	if f != nil {
		return x.refuse(b.Call, f)
	}
	t := newTransaction(b, p, func() { x.forget(b.HPort) })
	if f := p.add(t); f != nil {
		return x.refuse(b.Call, p.last(f))
	}
	x.mu.Lock()
	x.transactions[b.HPort] = t
	x.mu.Unlock()
	return t.begin(deadline)
}

// refuse logs why a call gets no process.
func (x *Plugin) refuse(c plugin.Call, f *failure) plugin.Code {
	x.log.LogAttrs(context.Background(), slog.LevelError, "a plugin's program cannot be used", slog.String("line", c.Line),
		slog.String("call", c.ID), slog.String("reason", f.what), slog.Uint64("code", uint64(f.code)),
		slog.Uint64("event", uint64(plugin.EventSecurityInternal)))
	return f.code
}

// SecurityDialogEnd asks the program to end the transaction (rasshost.h, RasSecurityDialogEnd). A program that does not answer within
// limits.end is killed.
func (x *Plugin) SecurityDialogEnd(hport plugin.HPORT) plugin.Code {
	x.mu.Lock()
	t := x.transactions[hport]
	x.mu.Unlock()
	if t == nil {
		return plugin.ErrorPortDisconnected
	}
	return t.end(time.Now().Add(x.limits.end))
}

// forget drops a closed transaction.
func (x *Plugin) forget(hport plugin.HPORT) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.transactions, hport)
}

// Program is the path of the program, for `rashost plugins`.
func (x *Plugin) Program() string { return x.program }

// Contained says whether everything that the program starts dies with it, and why not.
func (x *Plugin) Contained() (bool, string) {
	x.mu.Lock()
	contained := x.contained
	x.mu.Unlock()
	if contained {
		return true, ""
	}
	if why := launch.Detect().Why; why != "" {
		return false, why
	}
	return false, "nothing keeps the program from leaving its control group: it runs as rashost's own account, and the kernel has no Landlock"
}
