// Package config reads config.yaml: plain structs that mirror the file, and every fault of it at once, each with its place.
// It knows the words of the file and the rules between them, and nothing of lines, dialogs or services themselves.
package config

import (
	"path/filepath"
	"slices"
	"strings"
)

// Places where rashost looks when nothing else is said.
const (
	DefaultStateDir = "/var/lib/rashost"
	DefaultControl  = "/run/rashost/control.sock"
)

// Config is the whole of config.yaml. docs/configuration.md describes each key; the table in keys.go is its source.
type Config struct {
	StateDir string             `yaml:"state_dir"`
	Control  string             `yaml:"control"`
	LockDirs []string           `yaml:"lock_dirs"`
	Profiles string             `yaml:"profiles"`
	Log      Log                `yaml:"log"`
	Lines    []Line             `yaml:"lines"`
	Dialogs  map[string]Dialog  `yaml:"dialogs"`
	Services map[string]Service `yaml:"services"`
	Records  Records            `yaml:"records"`

	// Warnings are remarks about a file that is good enough to run, sorted by place.
	Warnings []Fault `yaml:"-"`

	file   string // absolute path of the file
	named  string // as it was named to Load
	places places
	bad    map[string]bool // paths with a fault
}

// Log says what is logged and how.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// Records says what happens to the record of calls.
type Records struct {
	OnFailure    string `yaml:"on_failure"`
	UnknownNames bool   `yaml:"unknown_names"`
}

// Line is one managed serial endpoint.
type Line struct {
	Name            string      `yaml:"name"`
	Device          string      `yaml:"device"`
	Modem           string      `yaml:"modem"`
	Init            []string    `yaml:"init"`
	Direct          bool        `yaml:"direct"`
	Baud            int         `yaml:"baud"`
	Parity          string      `yaml:"parity"`
	Autobaud        string      `yaml:"autobaud"`
	Speeds          []int       `yaml:"speeds"`
	Flow            string      `yaml:"flow"`
	Carrier         string      `yaml:"carrier"`
	Rings           int         `yaml:"rings"`
	Answer          string      `yaml:"answer"`
	Quiet           bool        `yaml:"quiet"`
	CallerID        CallerID    `yaml:"caller_id"`
	Settle          Duration    `yaml:"settle"`
	IdleProbe       Duration    `yaml:"idle_probe"`
	Recovery        Duration    `yaml:"recovery"`
	QuarantineAfter int         `yaml:"quarantine_after"`
	USBReset        int         `yaml:"usb_reset"`
	BusyWhenDead    bool        `yaml:"busy_when_dead"`
	DSR             string      `yaml:"dsr"`
	Maintenance     Maintenance `yaml:"maintenance"`
	Trusted         bool        `yaml:"trusted"`
	Dialog          string      `yaml:"dialog"`
	Service         string      `yaml:"service"`
	Routes          []Route     `yaml:"routes"`
	OnLoadError     string      `yaml:"on_load_error"`
}

// Maintenance is the window in which a line takes no new calls. Without a start there is none.
type Maintenance struct {
	At   string   `yaml:"at"` // "03:30", local time
	For  Duration `yaml:"for"`
	Days []string `yaml:"days"` // mon ... sun; none means every day
}

// CallerID says which callers a line answers.
type CallerID struct {
	Require bool         `yaml:"require"`
	Rules   []CallerRule `yaml:"rules"`
}

// CallerRule has exactly one of its two keys.
type CallerRule struct {
	Allow string `yaml:"allow"`
	Deny  string `yaml:"deny"`
}

// Route gives some calls of a line a dialog and a service of their own. Of Ring and Called it has exactly one; an empty Dialog or Service
// is the line's.
type Route struct {
	Ring    string `yaml:"ring"`
	Called  string `yaml:"called"`
	Dialog  string `yaml:"dialog"`
	Service string `yaml:"service"`
}

// Dialogs lists the dialogs that calls of l may meet, the line's own first; Services does so for services. None is listed twice.
func (l Line) Dialogs() []string {
	return named(l.Dialog, l.Routes, func(r Route) string { return r.Dialog })
}

// Services lists the services that calls of l may get.
func (l Line) Services() []string {
	return named(l.Service, l.Routes, func(r Route) string { return r.Service })
}

func named(own string, routes []Route, of func(Route) string) []string {
	names := []string{own}
	for _, r := range routes {
		if name := of(r); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Dialog is one way of asking callers who they are: a plugin and its settings.
type Dialog struct {
	Plugin    string   `yaml:"plugin"`
	Timeout   Duration `yaml:"timeout"`
	EndGrace  Duration `yaml:"end_grace"`
	Attempts  int      `yaml:"attempts"`
	Banner    string   `yaml:"banner"`
	Echo      string   `yaml:"echo"`
	Options   Options  `yaml:"options"`
	Lockout   Lockout  `yaml:"lockout"`
	Isolation string   `yaml:"isolation"` // call, line or shared
	User      string   `yaml:"user"`
	Limits    Limits   `yaml:"limits"`
}

// Lockout refuses an account on a line for a while after too many failures there.
type Lockout struct {
	Denials int      `yaml:"denials"`
	Reset   Duration `yaml:"reset"`
}

// Limits bound the process of a plugin that runs in one of its own (external, native). Zero means no limit of ours.
type Limits struct {
	Memory    int      `yaml:"memory"` // MiB
	CPU       Duration `yaml:"cpu"`
	Files     int      `yaml:"files"`
	Processes int      `yaml:"processes"`
	FileSize  int      `yaml:"file_size"` // MiB
}

// Service is what a caller who was let in gets.
type Service struct {
	Type     string   `yaml:"type"`
	Command  []string `yaml:"command"`
	Options  []string `yaml:"options"`
	Direct   bool     `yaml:"direct"`
	Peer     string   `yaml:"peer"`
	Address  string   `yaml:"address"`
	Device   string   `yaml:"device"`
	Baud     int      `yaml:"baud"`
	Idle     Duration `yaml:"idle"`
	Absolute Duration `yaml:"absolute"`
	Warning  Duration `yaml:"warning"`
	RunAs    string   `yaml:"run_as"`
	Grace    Duration `yaml:"grace"`
}

// File returns the absolute path of the file that c was read from.
func (c *Config) File() string { return c.file }

// Named returns the file as it was named to Load; its faults name it so.
func (c *Config) Named() string { return c.named }

// Resolve makes a path of the file absolute: relative paths are relative to the folder of the file. "" stays "".
func (c *Config) Resolve(path string) string { return resolve(c.file, path) }

func resolve(file, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}

// Kinds of device beside a path.
const (
	SimPrefix = "sim:" // a built-in virtual modem: sim:NAME
	PtyPrefix = "pty:" // a pty whose other end is linked at a path: pty:PATH
)

// ResolveDevice is Resolve for a line's device: the path after "pty:" is resolved, and "sim:NAME" stays as it is.
func (c *Config) ResolveDevice(device string) string {
	if strings.HasPrefix(device, SimPrefix) {
		return device
	}
	if path, ok := strings.CutPrefix(device, PtyPrefix); ok {
		return PtyPrefix + c.Resolve(path)
	}
	return c.Resolve(device)
}

// Line returns the line of that name.
func (c *Config) Line(name string) (Line, bool) {
	for _, l := range c.Lines {
		if l.Name == name {
			return l, true
		}
	}
	return Line{}, false
}

func defaultConfig() Config {
	return Config{
		StateDir: DefaultStateDir,
		Control:  DefaultControl,
		LockDirs: []string{"/run/lock"},
		Log:      Log{Level: "info", Format: "text"},
		Records:  Records{OnFailure: "continue"},
	}
}

func defaultLine() Line {
	return Line{
		Modem: "auto", Baud: 115200, Parity: "none", Autobaud: "none", Flow: "auto", Carrier: "auto", DSR: "auto", Rings: 1, Answer: "always",
		Settle: 500 * millisecond, Recovery: 8 * second, QuarantineAfter: 6, OnLoadError: "stop",
	}
}

func defaultDialog() Dialog {
	return Dialog{
		Timeout: 120 * second, EndGrace: 30 * second, Attempts: 3, Echo: "off", Isolation: "call", Lockout: Lockout{Reset: 15 * minute},
		Limits: defaultLimits(),
	}
}

// defaultLimits leave room for an interpreter and stop what has gone mad. Memory has none: runtimes reserve address space that they never use.
func defaultLimits() Limits { return Limits{Files: 256, Processes: 64, FileSize: 16} }

func defaultService() Service {
	return Service{Baud: 9600, Grace: 5 * second, Peer: "check"}
}

// commandWarning is the default of warning for a command. The other types carry data that a text in between would spoil.
const (
	commandWarning = 20 * second
	unset          = Duration(-1)
)

// The Unmarshal methods take the v2 form on purpose: through a *yaml.Node the decoder would forget to refuse unknown keys.

// UnmarshalYAML fills in the defaults of a line.
func (l *Line) UnmarshalYAML(decode func(any) error) error {
	type plain Line
	*l = defaultLine()
	err := decode((*plain)(l))
	if l.Direct && l.Modem == "auto" {
		l.Modem = "none"
	}
	return err
}

// UnmarshalYAML fills in the defaults of a dialog.
func (d *Dialog) UnmarshalYAML(decode func(any) error) error {
	type plain Dialog
	*d = defaultDialog()
	return decode((*plain)(d))
}

// UnmarshalYAML fills in the defaults of limits.
func (l *Limits) UnmarshalYAML(decode func(any) error) error {
	type plain Limits
	*l = defaultLimits()
	return decode((*plain)(l))
}

// UnmarshalYAML fills in the defaults of a service.
func (s *Service) UnmarshalYAML(decode func(any) error) error {
	type plain Service
	*s = defaultService()
	s.Warning = unset
	err := decode((*plain)(s))
	if s.Warning == unset {
		s.Warning = 0
		if s.Type == "command" {
			s.Warning = commandWarning
		}
	}
	return err
}
