package main

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"rashost/hardware"
	"rashost/internal/config"
	"rashost/internal/service"
	"rashost/plugin"
	"rashost/port"
)

// prepare makes what c describes: house and lines. The error is config.Faults, everything that plugins, services and profiles find wrong
// beyond what was found in the file itself, each with its place. Nothing outside is changed.
func prepare(c *config.Config, previous *house, table map[string]plugin.Factory, log *slog.Logger) (*house, []port.LineConfig, error) {
	h, houseErr := newHouse(c, previous, table, log)
	cfgs, lineErr := lineConfigs(h)
	if faults := collect(c, nil, houseErr, lineErr); len(faults) > 0 {
		h.retire(previous)
		return nil, nil, faults
	}
	return h, cfgs, nil
}

// collect adds what the later stages found wrong to found, the faults of the file itself: sorted, those of other files last. What the
// faults of the file itself have caused is left out.
func collect(c *config.Config, found config.Faults, later ...error) config.Faults {
	here, elsewhere := slices.Clone(found), config.Faults(nil)
	said := map[string]bool{}
	for _, err := range joined(errors.Join(later...)) {
		if said[err.Error()] {
			continue // two lines with one faulty profile
		}
		said[err.Error()] = true
		f, ok := errors.AsType[config.Fault](err)
		switch {
		case !ok:
			here = append(here, config.Fault{File: c.Named(), Text: err.Error(), Err: err})
		case f.File != c.Named():
			elsewhere = append(elsewhere, f)
		case !c.Faulty(f.Path):
			here = append(here, f)
		}
	}
	return append(here.Sorted(), elsewhere...)
}

// joined lists the errors that err joins, itself when it joins none.
func joined(err error) []error {
	if err == nil {
		return nil
	}
	many, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range many.Unwrap() {
		all = append(all, joined(e)...)
	}
	return all
}

// serviceFaults gives what is wrong with a service its place.
func serviceFaults(c *config.Config, name string, err error) error {
	var faults []error
	for _, e := range joined(err) {
		path := "services." + name
		if f, ok := errors.AsType[service.Fault](e); ok {
			path, e = path+"."+f.Key, f.Err
		}
		faults = append(faults, c.Fault(path, e.Error(), e))
	}
	return errors.Join(faults...)
}

// pluginFaults gives what is wrong with a dialog's plugin its place: plugins name the option, or the key of the dialog.
func pluginFaults(c *config.Config, err error) error {
	e, ok := errors.AsType[*pluginError](err)
	if !ok {
		return err
	}
	note := fmt.Sprintf(" (plugin %s can't be made, event %s)", e.plugin, e.event)
	if options, ok := errors.AsType[config.Faults](e.err); ok {
		options = slices.Clone(options)
		for i := range options {
			options[i].Text += note
		}
		options[0].Err = e // once: it is one plugin
		return options
	}
	path := "dialogs." + e.dialog
	if e.event == plugin.EventNoSecurityModuleKey {
		path += ".plugin"
	}
	text := strings.TrimPrefix(e.err.Error(), e.plugin+": ")
	for _, key := range []string{"options", "attempts", "banner", "lockout"} {
		if rest, ok := strings.CutPrefix(text, key); ok && (strings.HasPrefix(rest, ": ") || strings.HasPrefix(rest, " ")) {
			path, text = path+"."+key, strings.TrimPrefix(rest, ":")
			break
		}
	}
	return c.Fault(path, strings.TrimSpace(text)+note, e)
}

// profileFaults gives what is wrong with a modem profile the form of every other fault.
func profileFaults(err error) error {
	var faults []error
	for _, e := range joined(err) {
		if f, ok := errors.AsType[hardware.Fault](e); ok {
			e = configFault(f)
		}
		faults = append(faults, e)
	}
	return errors.Join(faults...)
}

// configFault is a fault of a modem profile as one of the configuration.
func configFault(f hardware.Fault) config.Fault {
	return config.Fault{File: f.File, Line: f.Line, Column: f.Column, Path: f.Path, Text: f.Text}
}

// needed tells whether the host can't start without the dialog: a line uses it and does not say `on_load_error: disable`.
func needed(c *config.Config, dialog string) bool {
	for _, l := range c.Lines {
		if slices.Contains(l.Dialogs(), dialog) && l.OnLoadError != "disable" {
			return true
		}
	}
	return false
}
