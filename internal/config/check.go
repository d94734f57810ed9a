package config

import (
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// checker holds the rules between values: references, duplicates, what belongs together.
type checker struct {
	*walker
	cfg      *Config
	env      Env
	warnings Faults
}

// wrong reports a fault at path, or at its nearest parent that stands in the file. What is wrong already is not reported again.
func (c *checker) wrong(path, format string, args ...any) {
	if !c.bad[path] {
		c.fault(c.places.nearest(path), path, fmt.Sprintf(format, args...))
	}
}

func (c *checker) warn(path, format string, args ...any) {
	at := c.places.nearest(path)
	c.warnings = append(c.warnings, Fault{File: c.file, Line: at.line, Column: at.column, Path: path, Text: fmt.Sprintf(format, args...)})
}

func (c *checker) has(path string) bool { _, ok := c.places[path]; return ok }

func (c *checker) run() {
	c.general()
	c.lines()
	for _, name := range slices.Sorted(maps.Keys(c.cfg.Dialogs)) {
		c.dialog("dialogs."+name, name, c.cfg.Dialogs[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.cfg.Services)) {
		c.service("services."+name, name, c.cfg.Services[name])
	}
}

// maxSocketPath leaves room under the kernel's 107 bytes for the name that a new socket has before it takes its place.
const maxSocketPath = 100

func (c *checker) general() {
	if n := len(c.cfg.Resolve(c.cfg.Control)); n > maxSocketPath {
		c.wrong("control", "the path of the socket has %d bytes, and the system takes at most %d: choose a shorter one", n, maxSocketPath)
	}
	for _, p := range []struct{ path, value string }{{"state_dir", c.cfg.StateDir}, {"control", c.cfg.Control}} {
		if p.value == "" {
			c.wrong(p.path, "is empty: give a path, or remove the key for the default")
		}
	}
	for i, dir := range c.cfg.LockDirs {
		if dir == "" {
			c.wrong(fmt.Sprintf("lock_dirs[%d]", i), "is empty: give a folder")
		}
	}
	if c.has("lines") && len(c.cfg.Lines) == 0 {
		c.wrong("lines", "has no line: give at least one")
	}
}

func (c *checker) lines() {
	names, devices := map[string]int{}, map[string]int{}
	modems := c.modems()
	for i, l := range c.cfg.Lines {
		path := fmt.Sprintf("lines[%d]", i)
		if first, twice := names[l.Name]; twice && l.Name != "" {
			c.wrong(path+".name", "%q is the name of lines[%d] already: each line needs its own", l.Name, first)
		} else {
			names[l.Name] = i
		}
		if l.Device != "" && !c.bad[path+".device"] {
			c.device(path+".device", l.Device)
			device := sameDevice(c.cfg.ResolveDevice(l.Device))
			if first, twice := devices[device]; twice {
				c.wrong(path+".device", "is the device of lines[%d] already: each line needs its own", first)
			} else {
				devices[device] = i
			}
		}
		c.modem(path, l, modems)
		c.answering(path, l)
		c.baud(path+".baud", l.Baud)
		c.references(path, l)
		c.health(path, l)
	}
	for name, s := range c.cfg.Services {
		if s.Type != "serial" || s.Device == "" {
			continue
		}
		if i, taken := devices[sameDevice(c.cfg.Resolve(s.Device))]; taken {
			c.wrong("services."+name+".device", "is the device of lines[%d]: a service cannot use a line's device", i)
		}
	}
}

// sameDevice follows links, so that a tty with two names is found. Where a pty's own link leads is not asked, it moves; its folder is.
func sameDevice(device string) string {
	if strings.HasPrefix(device, SimPrefix) {
		return device
	}
	link, isPty := strings.CutPrefix(device, PtyPrefix)
	path := filepath.Clean(link)
	if isPty {
		if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
			return filepath.Join(dir, filepath.Base(path))
		}
	} else if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

func (c *checker) device(path, device string) {
	name, sim := strings.CutPrefix(device, SimPrefix)
	target, pty := strings.CutPrefix(device, PtyPrefix)
	switch {
	case sim && !namePattern.MatchString(name):
		c.wrong(path, "%q needs a name: sim:NAME, a name being %s", bounded(device), nameForm)
	case pty && target == "":
		c.wrong(path, "pty: needs a path: pty:PATH")
	case !sim && !pty && strings.HasPrefix(device, "tty"):
		c.wrong(path, "%q is not a path: did you mean /dev/%s?", bounded(device), bounded(device))
	case strings.ContainsRune(device, 0):
		c.wrong(path, "a path cannot contain a NUL")
	case strings.HasPrefix(device, "/dev/ttyUSB"), strings.HasPrefix(device, "/dev/ttyACM"):
		c.warn(path, "%s may be another port after the next plug-in: use its name in /dev/serial/by-id (`rashost devices`)", bounded(device))
	}
}

// modems lists the known profiles; nil when any name is taken.
func (c *checker) modems() []string {
	if c.env.Modems == nil {
		return nil
	}
	known := append([]string{"auto", "none"}, c.env.Modems...)
	if c.cfg.Profiles == "" {
		return known
	}
	dir := c.cfg.Resolve(c.cfg.Profiles)
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		c.warn("profiles", "there is no modem profile (NAME.yaml) in %s", dir)
	}
	for _, f := range files {
		known = append(known, strings.TrimSuffix(filepath.Base(f), ".yaml"))
	}
	return known
}

func (c *checker) modem(path string, l Line, known []string) {
	if known != nil && l.Modem != "" && !slices.Contains(known, l.Modem) {
		slices.Sort(known)
		c.wrong(path+".modem", "%q is no modem profile: known are %s%s", bounded(l.Modem), strings.Join(slices.Compact(known), ", "), didYouMean(l.Modem, known))
	}
	if l.Direct && l.Modem != "none" {
		c.wrong(path+".direct", "a direct line has no modem: remove modem: %s, or direct", bounded(l.Modem))
	}
	if l.Modem == "none" && c.has(path+".rings") {
		c.warn(path+".rings", "has no effect on a direct line, which does not ring")
	}
}

var commonRates = []int{
	50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 7200, 9600, 12000, 14400, 19200, 28800, 31250, 33600, 38400, 56000, 57600,
	76800, 115200, 128000, 153600, 230400, 250000, 256000, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000,
	3000000, 3500000, 4000000,
}

func (c *checker) baud(path string, baud int) {
	if c.has(path) && !c.bad[path] && !slices.Contains(commonRates, baud) {
		c.warn(path, "%d is no common speed: not every serial port can do it", baud)
	}
}

func (c *checker) references(path string, l Line) {
	c.uses(path, l, l.Dialog, l.Service, path+".carrier")
	for i, r := range l.Routes {
		c.uses(fmt.Sprintf("%s.routes[%d]", path, i), l, r.Dialog, r.Service, "")
	}
}

// uses checks the dialog and the service that stand at path, "" for none. carrier is where a remark about a missing limit belongs; "" is
// beside the service.
func (c *checker) uses(path string, l Line, dialog, service, carrier string) {
	if _, ok := c.cfg.Dialogs[dialog]; !ok && dialog != "" && !c.bad["dialogs"] {
		names := slices.Sorted(maps.Keys(c.cfg.Dialogs))
		c.wrong(path+".dialog", "there is no dialog %q: %s%s", bounded(dialog), defined("dialogs", names), didYouMean(dialog, names))
	}
	if c.cfg.Dialogs[dialog].Plugin == "anyone" {
		c.warn(path+".dialog", "plugin anyone lets every caller in: let the service ask for a password")
	}
	s, ok := c.cfg.Services[service]
	if !ok && service != "" && !c.bad["services"] {
		names := slices.Sorted(maps.Keys(c.cfg.Services))
		c.wrong(path+".service", "there is no service %q: %s%s", bounded(service), defined("services", names), didYouMean(service, names))
	}
	if carrier == "" {
		carrier = path + ".service"
	}
	switch {
	case !ok || s.Idle > 0:
	case l.Carrier == "ignore":
		c.wrong(carrier, "ignore needs a limit that ends a forgotten session: set services.%s.idle", service)
	case l.Carrier != "required" && s.Absolute == 0:
		c.warn(carrier, "a session may last for ever when DCD does not show that the caller has gone: set services.%s.idle or absolute, "+
			"or carrier: required", service)
	}
}

func defined(section string, names []string) string {
	if len(names) == 0 {
		return "define it under " + section
	}
	return "defined under " + section + " are " + strings.Join(names, ", ")
}

// What the rules between keys must know of plugins: which run in a process of their own, and which decide themselves what is echoed.
var (
	ownProcess = []string{"external", "native"}
	ownEcho    = []string{"password", "sasl", "sspi"}
)

func (c *checker) dialog(path, name string, d Dialog) {
	if c.env.Plugins != nil && d.Plugin != "" && !slices.Contains(c.env.Plugins, d.Plugin) {
		known := slices.Sorted(slices.Values(c.env.Plugins))
		c.wrong(path+".plugin", "there is no plugin %q: known are %s%s", bounded(d.Plugin), strings.Join(known, ", "), didYouMean(d.Plugin, known))
	}
	if slices.Contains(ownEcho, d.Plugin) && d.Echo != "off" {
		c.wrong(path+".echo", "plugin %s does its own echo: remove echo, or a secret would be shown", d.Plugin)
	}
	if slices.Contains(ownProcess, d.Plugin) {
		c.account(path+".user", d.User)
	} else {
		for _, key := range []string{"isolation", "user", "limits"} {
			if c.has(path + "." + key) {
				c.warn(path+"."+key, "has no effect: plugin %s runs inside rashost", bounded(d.Plugin))
			}
		}
	}
	switch {
	case d.Plugin == "anyone" && c.has(path+".lockout"):
		c.warn(path+".lockout", "has no effect: plugin anyone refuses nobody, so nothing is counted")
	case c.has(path+".lockout.reset") && d.Lockout.Denials == 0:
		c.warn(path+".lockout.reset", "has no effect: lock-out is off until denials is set")
	}
	if !slices.ContainsFunc(c.cfg.Lines, func(l Line) bool { return slices.Contains(l.Dialogs(), name) }) {
		c.warn(path, "no line uses this dialog")
	}
}

// account checks the user that a program runs as: nobody gets root by default. Whether there is such a user is the service's to say.
func (c *checker) account(path, name string) {
	switch {
	case name == "" && c.env.Root:
		c.wrong(path, "is missing: rashost runs as root, so say as which user this runs; write root if you mean root")
	case name != "" && !userPattern.MatchString(name):
		c.wrong(path, "%q is not the name of a user: small letters, digits, _ . and -", bounded(name))
	}
}

// serviceKeys says which keys belong to which type, beside type, idle, absolute and warning, which belong to all.
var serviceKeys = map[string][]string{
	"command": {"command", "run_as", "grace"},
	"ppp":     {"options", "direct", "peer", "grace"},
	"tcp":     {"address"},
	"serial":  {"device", "baud"},
}

func (c *checker) service(path, name string, s Service) {
	own, known := serviceKeys[s.Type]
	for _, key := range []string{"command", "options", "direct", "peer", "address", "device", "baud", "run_as", "grace"} {
		if known && c.has(path+"."+key) && !slices.Contains(own, key) {
			c.wrong(path+"."+key, "does not belong to type %s, which takes %s, idle, absolute and warning", s.Type, strings.Join(own, ", "))
		}
	}
	switch s.Type {
	case "command":
		c.command(path+".command", s.Command)
		c.account(path+".run_as", s.RunAs)
		if c.env.User != "" && s.RunAs != "" && s.RunAs != c.env.User {
			c.warn(path+".run_as", "has no effect: rashost does not run as root, so the command runs as %s, like rashost itself", c.env.User)
		}
	case "tcp":
		c.address(path+".address", s.Address)
	case "serial":
		if s.Device == "" {
			c.wrong(path+".device", "is missing: type serial needs the path of a tty")
		} else {
			c.device(path+".device", s.Device)
		}
		c.baud(path+".baud", s.Baud)
	case "ppp":
		if c.has(path+".warning") && s.Warning > 0 {
			c.wrong(path+".warning", "a text inside PPP would break it: remove it")
		}
		c.pppd(path, name, s)
	}
	if s.Absolute > 0 && s.Idle > s.Absolute {
		c.warn(path+".idle", "is longer than absolute (%s) and never strikes", s.Absolute)
	}
	if !slices.ContainsFunc(c.cfg.Lines, func(l Line) bool { return slices.Contains(l.Services(), name) }) {
		c.warn(path, "no line uses this service")
	}
}

func (c *checker) command(path string, argv []string) {
	switch {
	case len(argv) == 0:
		c.wrong(path, "is missing: type command needs a list such as [\"/bin/login\"]")
	case argv[0] == "":
		c.wrong(path+"[0]", "is empty: the first item is the program")
	case !filepath.IsAbs(argv[0]) && strings.Contains(argv[0], "/"):
		c.wrong(path, "%q is a relative path: give the program's whole path, or its bare name", bounded(argv[0]))
	}
	for i, arg := range argv {
		if strings.ContainsRune(arg, 0) {
			c.wrong(fmt.Sprintf("%s[%d]", path, i), "an argument cannot contain a NUL")
		}
	}
}

func (c *checker) address(path, address string) {
	if address == "" {
		c.wrong(path, "is missing: type tcp needs host:port")
		return
	}
	host, port, err := net.SplitHostPort(address)
	n, perr := strconv.Atoi(port)
	if err != nil || perr != nil || host == "" || n < 1 || n > 65535 {
		c.wrong(path, "%q is not host:port, with a port from 1 to 65535", bounded(address))
	}
}
