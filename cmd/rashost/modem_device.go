package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"rashost/internal/config"
	"rashost/port"
	"rashost/port/modemsim"
)

// modemDevice is the device of a `rashost modem` command, with what the configuration knows of it.
type modemDevice struct {
	name string // as it was given
	// line is that of the configuration which has the device; nil for none. A faulty configuration gives what can be read of it.
	line     *config.Line
	lockDirs []string
	profiles profiles
	sim      *modemsim.Modem // of sim:NAME
}

// findModem finds out what the configuration knows of a device.
func (a *app) findModem(device string) (*modemDevice, error) {
	d := &modemDevice{name: device, profiles: profiles{}}
	if device == "" || strings.HasPrefix(device, config.PtyPrefix) {
		return nil, usageError(fmt.Errorf("%q is no device: give the path of a tty, or sim:NAME", device))
	}
	if name, ok := strings.CutPrefix(device, config.SimPrefix); ok {
		d.sim = modemsim.New(modemsim.Named(name, modemsim.Real()))
	}
	env, err := configEnv()
	if err != nil {
		return nil, err
	}
	c, _ := config.Inspect(a.configPath, env)
	if c == nil {
		return d, nil
	}
	d.lockDirs = c.LockDirs
	if d.profiles, err = newProfiles(c); err != nil {
		return nil, usageError(err)
	}
	for i := range c.Lines {
		if d.sim == nil && sameNode(c.ResolveDevice(c.Lines[i].Device), device) {
			d.line = &c.Lines[i]
		}
	}
	return d, nil
}

// sameNode says whether two paths lead to one device.
func sameNode(a, b string) bool {
	realA, errA := filepath.EvalSymlinks(a)
	realB, errB := filepath.EvalSymlinks(b)
	return errA == nil && errB == nil && realA == realB
}

// speed is the one to begin with: that of the command line, else the configured one, else a common one.
func (d *modemDevice) speed(given int) int {
	switch {
	case given != 0:
		return given
	case d.line != nil && d.line.Baud != 0:
		return d.line.Baud
	default:
		return 115200
	}
}

// open opens the device and takes its locks. Whoever uses it keeps it.
func (d *modemDevice) open(ctx context.Context, s port.Settings) (port.Device, error) {
	opener := port.NewOpener(d.name, s, port.LockOptions{Dirs: d.lockDirs, Log: slog.New(slog.DiscardHandler)})
	if d.sim != nil {
		opener = port.NewSimOpener(d.name, d.sim, s, nil)
	}
	dev, err := opener.Open(ctx)
	switch {
	case err == nil:
		return dev, nil
	case errors.Is(err, port.ErrLocked) && d.line != nil:
		return nil, fmt.Errorf("%w\nit is the device of line %s: if the host has it, `rashost disable %s` frees it, `rashost enable %s` gives it back",
			err, d.line.Name, d.line.Name, d.line.Name)
	default:
		return nil, err
	}
}
