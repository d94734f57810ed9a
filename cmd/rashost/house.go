package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"rashost/dialog"
	"rashost/internal/config"
	"rashost/internal/service"
	"rashost/plugin"
	"rashost/plugin/native"
	"rashost/port"
	"rashost/port/modem"
)

// house is what the configuration says about calls, made once and never changed: a reload makes a new one and keeps the plugins
// whose dialogs did not change. A call keeps the house it began with.
type house struct {
	config   *config.Config
	lines    map[string]lineUse
	dialogs  map[string]*dialogUse
	services map[string]service.Service
	ppp      *service.PPPLinks // the running PPP sessions: the same in every house of a daemon
	warnings config.Faults     // of plugins and services
}

// lineUse is what happens to the calls of one line, or of one of its routes.
type lineUse struct {
	dialog      *dialogUse
	dialogName  string
	service     service.Service
	serviceName string
	trusted     bool
	raw         bool   // the service takes frames, not lines of text
	quiet       bool   // nothing is sent before the caller sent something
	route       string // which route it is, in plain words; "" for the line's own
	routes      []route
}

// route is what happens to some calls of a line.
type route struct {
	ring, called string // one of them: what the call must fit
	use          lineUse
}

// of is what happens to a call of the line: what its first route that fits says, or the line itself.
func (u lineUse) of(id modem.CallerID) lineUse {
	for _, r := range u.routes {
		if r.ring != "" && port.MatchRing(r.ring, id.Ring) || r.called != "" && port.MatchNumber(r.called, id.Called) {
			return r.use
		}
	}
	return u
}

// pluginName is the plugin's name, "" without a dialog.
func (u lineUse) pluginName() string {
	if u.dialog == nil {
		return ""
	}
	return u.dialog.pluginName
}

// release gives back what hold kept.
func (u lineUse) release() {
	if u.dialog != nil {
		u.dialog.release()
	}
}

// dialogUse is one configured dialog: its plugin and its options.
type dialogUse struct {
	plugin     plugin.Plugin // nil when it could not be made
	pluginName string
	options    dialog.Options
	err        error
	warnings   []string // what the plugin says of settings that work and are unwise
	source     config.Dialog
	log        *slog.Logger
	holds      holds
}

// pluginError says that a dialog's plugin can't be made. As with RAS, that stops the start (events 20095 and 20096).
type pluginError struct {
	dialog, plugin string
	event          plugin.EventID
	err            error
}

func (e *pluginError) Error() string {
	return fmt.Sprintf("dialog %s: plugin %s (event %s): %v", e.dialog, e.plugin, e.event, e.err)
}

func (e *pluginError) Unwrap() error { return e.err }

// newHouse makes dialogs and services from c. previous may be nil; its unchanged dialogs are taken over, so that a reload keeps
// their state. The error joins config.Fault values: of the plugins that can't be made while a line that uses them says `on_load_error:
// stop`, which wrap a pluginError, and of services. It may be given what is left of a faulty configuration, to find more faults.
func newHouse(c *config.Config, previous *house, table map[string]plugin.Factory, log *slog.Logger) (*house, error) {
	h := &house{config: c, lines: map[string]lineUse{}, dialogs: map[string]*dialogUse{}, services: map[string]service.Service{}}
	h.ppp = &service.PPPLinks{}
	if previous != nil {
		h.ppp = previous.ppp
	}
	var faults []error
	for _, name := range sorted(c.Dialogs) {
		h.dialogs[name] = newDialogUse(name, c, previous, table, log)
	}
	for _, name := range sorted(c.Services) {
		s, err := newService(c, c.Services[name], h.ppp, log.With("service", name))
		if err != nil {
			faults = append(faults, serviceFaults(c, name, err))
			continue
		}
		h.services[name] = s
	}
	for _, name := range sorted(h.dialogs) {
		if use := h.dialogs[name]; use.err != nil && needed(c, name) {
			faults = append(faults, pluginFaults(c, use.err))
		}
	}
	for _, l := range c.Lines {
		if h.dialogs[l.Dialog] == nil {
			continue // a fault of its own
		}
		for _, name := range l.Dialogs() {
			if d := h.dialogs[name]; d != nil && d.err != nil && l.OnLoadError == "disable" {
				logPluginErrors(log, d.err)
			}
		}
		h.lines[l.Name] = h.lineUse(l)
	}
	h.warnings = h.remarks()
	return h, errors.Join(faults...)
}

// lineUse puts together what happens to the calls of l.
func (h *house) lineUse(l config.Line) lineUse {
	use := func(dialog, service string) lineUse {
		return lineUse{
			dialog: h.dialogs[dialog], dialogName: dialog, service: h.services[service], serviceName: service, trusted: l.Trusted,
			raw: h.config.Services[service].Type == "ppp", quiet: l.Quiet,
		}
	}
	own := use(l.Dialog, l.Service)
	for _, r := range l.Routes {
		u := use(cmp.Or(r.Dialog, l.Dialog), cmp.Or(r.Service, l.Service))
		u.route = fmt.Sprintf("ring %q", r.Ring)
		if r.Called != "" {
			u.route = fmt.Sprintf("called number %q", r.Called)
		}
		own.routes = append(own.routes, route{ring: r.Ring, called: r.Called, use: u})
	}
	return own
}

func newDialogUse(name string, c *config.Config, previous *house, table map[string]plugin.Factory, log *slog.Logger) *dialogUse {
	source := c.Dialogs[name]
	if previous != nil {
		old := previous.dialogs[name]
		if old != nil && old.err == nil && old.source.Equal(source) && previous.config.File() == c.File() &&
			previous.config.StateDir == c.StateDir {
			return old
		}
	}
	use := &dialogUse{
		log:        log.With("dialog", name, "plugin", source.Plugin),
		pluginName: source.Plugin,
		source:     source,
		options: dialog.Options{
			Timeout: time.Duration(source.Timeout), EndGrace: time.Duration(source.EndGrace), Echo: echoMode(source.Echo),
		},
	}
	factory, ok := table[source.Plugin]
	if !ok {
		use.err = &pluginError{name, source.Plugin, plugin.EventNoSecurityModuleKey, errors.New("no such plugin: `rashost plugins` lists them")}
		return use
	}
	made, err := factory(plugin.Setup{
		Dialog:         name,
		Decode:         source.DecodeOptions,
		Resolve:        c.Resolve,
		StateDir:       c.Resolve(c.StateDir),
		Attempts:       source.Attempts,
		Banner:         source.Banner,
		LockoutDenials: source.Lockout.Denials,
		LockoutReset:   int(time.Duration(source.Lockout.Reset) / time.Second),
		Timeout:        int(time.Duration(source.Timeout) / time.Second),
		Isolation:      source.Isolation,
		User:           source.User,
		Limits: plugin.Limits{
			Memory: source.Limits.Memory, FileSize: source.Limits.FileSize, Files: source.Limits.Files, Processes: source.Limits.Processes,
			CPU: int(time.Duration(source.Limits.CPU).Round(time.Second) / time.Second),
		},
		Warn: func(text string) { use.warnings = append(use.warnings, text) },
		Log:  use.log,
	})
	if err != nil {
		use.err = &pluginError{name, source.Plugin, loadEvent(err), err}
		return use
	}
	use.plugin = made
	return use
}

// remarks are what the plugins and services of h say of their settings, with places.
func (h *house) remarks() config.Faults {
	var all config.Faults
	for _, name := range sorted(h.dialogs) {
		for _, text := range h.dialogs[name].warnings {
			path := "dialogs." + name
			if key, rest, ok := strings.Cut(text, ": "); ok && strings.HasPrefix(key, "options") {
				path, text = path+"."+key, rest
			}
			all = append(all, h.config.Fault(path, text, nil))
		}
	}
	for _, name := range sorted(h.services) {
		if s, ok := h.services[name].(interface{ Remarks() []service.Fault }); ok {
			for _, r := range s.Remarks() {
				all = append(all, h.config.Fault("services."+name+"."+r.Key, r.Err.Error(), nil))
			}
		}
	}
	return all.Sorted()
}

// loadEvent is the event of a plugin that could not be made: as with RAS, a module that is not named differs from one that can't be loaded.
func loadEvent(err error) plugin.EventID {
	if e, ok := errors.AsType[*native.LoadError](err); ok {
		return e.Event
	}
	return plugin.EventCannotLoadSecurity
}

// sorted returns the keys of a part of the configuration in a fixed order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func echoMode(word string) dialog.EchoMode {
	switch word {
	case "on":
		return dialog.EchoOn
	case "masked":
		return dialog.EchoMasked
	default:
		return dialog.EchoOff
	}
}

// runsAsRoot reports whether the process could do anything: rules about run_as follow from it.
func runsAsRoot() bool { return os.Geteuid() == 0 }
