package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"rashost/hardware"
	"rashost/internal/config"
	"rashost/port"
	"rashost/port/modem"
)

// lineConfigs turns the configuration's lines into port's. A line whose plugin can't be made stays out of service. The error joins
// config.Fault values, of lines and of modem profiles.
func lineConfigs(h *house) ([]port.LineConfig, error) {
	profiles, err := newProfiles(h.config)
	faults := []error{err}
	h.warnings = append(h.warnings, profiles.remarks...)
	auto, err := profiles.modems()
	faults = append(faults, err)
	cfgs := make([]port.LineConfig, 0, len(h.config.Lines))
	for i, l := range h.config.Lines {
		profile, err := profiles.find(l.Modem)
		if err != nil {
			faults = append(faults, h.config.Fault(fmt.Sprintf("lines[%d].modem", i), err.Error(), err))
			continue
		}
		if profile != nil && profile.Name == "" {
			continue // faulty
		}
		faults = append(faults, lineFaults(h.config, i, profile))
		h.warnings = append(h.warnings, lineRemarks(h.config, i, profile)...)
		cfg := deviceConfig(h.config, l, profile)
		cfg.Settle, cfg.IdleProbe, cfg.Recovery = time.Duration(l.Settle), time.Duration(l.IdleProbe), time.Duration(l.Recovery)
		cfg.HandlerGrace, cfg.Policy, cfg.Maintenance = handlerGrace(h.config, l), policyOf(l), maintenance(l.Maintenance)
		cfg.Autobaud, cfg.Speeds = port.AutobaudMode(l.Autobaud), l.Speeds
		cfg.QuarantineAfter, cfg.USBReset, cfg.BusyWhenDead = l.QuarantineAfter, l.USBReset, l.BusyWhenDead
		if l.Modem == "auto" {
			cfg.Auto = auto
		}
		for _, name := range l.Dialogs() {
			if d := h.dialogs[name]; d != nil && d.err != nil && cfg.OutOfService == "" {
				cfg.OutOfService = d.err.Error()
			}
		}
		cfgs = append(cfgs, cfg)
	}
	return cfgs, errors.Join(faults...)
}

// deviceConfig is what a line says of its device and its modem.
func deviceConfig(c *config.Config, l config.Line, profile *hardware.Profile) port.LineConfig {
	return port.LineConfig{
		Name: l.Name, Device: c.ResolveDevice(l.Device), LockDirs: c.LockDirs, Profile: profile, Baud: l.Baud, Parity: l.Parity,
		Flow: fromAuto(l.Flow), Carrier: port.CarrierMode(l.Carrier), DSR: port.DSRMode(l.DSR), Rings: l.Rings,
		Init: l.Init, DistinctiveRing: slices.ContainsFunc(l.Routes, func(r config.Route) bool { return r.Ring != "" }),
	}
}

// lineFaults finds what a line asks for that its modem profile cannot give.
func lineFaults(c *config.Config, i int, profile *hardware.Profile) error {
	l, path := c.Lines[i], fmt.Sprintf("lines[%d]", i)
	if profile == nil {
		return nil
	}
	var faults []error
	for _, service := range l.Services() {
		if profile.Carrier == hardware.CarrierIgnore && l.Carrier == "auto" && c.Services[service].Idle == 0 {
			faults = append(faults, c.Fault(path+".carrier", "the profile "+profile.Name+" says ignore, which needs a "+
				"limit that ends a forgotten session: set services."+service+".idle, or carrier: required", nil))
		}
	}
	faults = append(faults, callerFaults(c, i, profile))
	dict, err := hardware.LoadDictionary()
	faults = append(faults, err)
	for k, command := range l.Init {
		for _, text := range dict.Objections(profile.Dialect, command) {
			faults = append(faults, c.Fault(fmt.Sprintf("%s.init[%d]", path, k), text, nil))
		}
	}
	if l.BusyWhenDead && profile.OffHook.Send == "" {
		faults = append(faults, c.Fault(path+".busy_when_dead", "the profile "+profile.Name+" has no off_hook command: give it one, or remove the key", nil))
	}
	return errors.Join(faults...)
}

// callerFaults finds what a line wants to know of its callers and never will.
func callerFaults(c *config.Config, i int, profile *hardware.Profile) error {
	l, path, p := c.Lines[i], fmt.Sprintf("lines[%d]", i), policyOf(c.Lines[i])
	var faults []error
	fault := func(key, text string) { faults = append(faults, c.Fault(path+key, text, nil)) }
	key := ".caller_id.rules"
	if p.RequireCallerID {
		key = ".caller_id.require"
	}
	const more = ": set rings: 2 or more (where it comes before the first ring, a modem profile that says caller_id.before_first_ring)"
	called := slices.IndexFunc(l.Routes, func(r config.Route) bool { return r.Called != "" })
	calledKey := fmt.Sprintf(".routes[%d].called", called)
	none, late := !profile.ReportsCallers(), l.Rings < 2 && !profile.CallerID.BeforeFirstRing
	switch {
	case none && p.Judge(modem.CallerID{}) != "":
		fault(key, "the profile "+profile.Name+" has no caller id, so that no call would be answered: remove the key, or choose another modem")
	case !none && late && p.NeedsCallerID():
		fault(key, "caller id comes after the first ring, and the line answers at that one"+more)
	}
	switch {
	case called < 0:
	case none:
		fault(calledKey, "the profile "+profile.Name+" has no caller id, and so no called number: the route fits no call")
	case late:
		fault(calledKey, "the called number comes with the caller id, after the first ring, and the line answers at that one"+more)
	}
	return errors.Join(faults...)
}

// callerRemarks finds what a line says of its callers that has no effect.
func callerRemarks(c *config.Config, i int, profile *hardware.Profile) (all config.Faults) {
	l, path := c.Lines[i], fmt.Sprintf("lines[%d]", i)
	if p := policyOf(l); !profile.ReportsCallers() && p.NeedsCallerID() && p.Judge(modem.CallerID{}) == "" {
		all = append(all, c.Fault(path+".caller_id.rules", "the profile "+profile.Name+" has no caller id, so that every call is answered", nil))
	}
	for n, r := range l.Routes {
		if word, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(r.Ring)), " "); (word == "on" || word == "off") && l.Rings < 2 {
			all = append(all, c.Fault(fmt.Sprintf("%s.routes[%d].ring", path, n), "the line answers at the first ring, when its cadence may not be "+
				"measured yet: set rings: 2", nil))
		}
	}
	return all
}

// lineRemarks finds what works with a line's modem profile and is unwise.
func lineRemarks(c *config.Config, i int, profile *hardware.Profile) (all config.Faults) {
	if profile == nil || profile.Direct {
		return nil
	}
	all = callerRemarks(c, i, profile)
	if profile.EscapeOff != "" {
		return all
	}
	for _, name := range c.Lines[i].Services() {
		if s := c.Services[name]; s.Type == "ppp" && s.Direct {
			all = append(all, c.Fault(fmt.Sprintf("lines[%d].modem", i), "the profile "+profile.Name+" cannot switch the modem's escape off (escape_off), and "+
				"pppd writes straight to the modem, past the guard that breaks +++ in time: what the caller has sent to him can hang the line up. Leave services."+name+".direct out, or choose another modem", nil))
		}
	}
	return all
}

// policyOf is what a line says of the calls that it answers.
func policyOf(l config.Line) port.Policy {
	p := port.Policy{Armed: l.Answer == "armed", RequireCallerID: l.CallerID.Require}
	for _, r := range l.CallerID.Rules {
		p.Rules = append(p.Rules, port.CallerRule{Allow: r.Allow != "", Caller: cmp.Or(r.Allow, r.Deny)})
	}
	return p
}

// handlerGrace is how long a call's handler may take once the call has ended: the service's grace, and time to reap its program. Dialogs
// need up to 5 s; more than 10 s would not leave the line time to come back.
func handlerGrace(c *config.Config, l config.Line) time.Duration {
	most := 5 * time.Second
	for _, service := range l.Services() {
		most = max(most, min(time.Duration(c.Services[service].Grace), 8*time.Second)+2*time.Second)
	}
	return most
}

// maintenance turns the configuration's window into port's; nil for none.
func maintenance(m config.Maintenance) *port.Maintenance {
	at, err := time.Parse("15:04", m.At)
	if err != nil {
		return nil // there is none; a faulty one has been refused
	}
	window := &port.Maintenance{Hour: at.Hour(), Minute: at.Minute(), For: time.Duration(m.For)}
	for _, day := range m.Days {
		window.Days = append(window.Days, time.Weekday(config.Weekday(day)))
	}
	return window
}

// fromAuto turns the configuration's word "auto" into port's "", which means what the profile says.
func fromAuto(word string) string {
	if word == "auto" {
		return ""
	}
	return word
}
