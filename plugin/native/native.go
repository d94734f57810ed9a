// Package native is the plugin whose decisions are made by a security library that was written for RAS: a shared object that exports
// RasSecurityDialogBegin and RasSecurityDialogEnd, built from the source of a Windows security DLL against the headers in include. The
// program rasdll loads it and speaks the protocol of external plugins, so that isolation and limits are the same.
//
// Reading order: native.go (the plugin), check.go (does the library load?), registry.go (what the library finds in the registry).
package native

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"rashost/plugin"
	"rashost/plugin/external"
	"rashost/plugin/external/launch"
)

// Options are the plugin's own settings, `dialogs.NAME.options`.
type Options struct {
	// Library is the security library, relative to the configuration file. Required.
	Library string `yaml:"library"`
	// HPort says how large the library's HPORT is, "handle" (8 bytes) or "dword" (4 bytes), where the library does not say it itself.
	// A library built with our rasshost.h does.
	HPort string `yaml:"hport"`
	// Safe is the widest isolation that the library is known to bear: "line" or "shared". "" is "call", which every library bears.
	Safe string `yaml:"safe"`
	// Registry is what the library finds in the registry: HKLM\KEY\VALUE and a text (REG_SZ) or a whole number from 0 to 4294967295
	// (REG_DWORD). Everything else is not found.
	Registry map[string]any `yaml:"registry"`
	// Rasdll is the program that runs the library; "" is rasdll beside rashost, or else in PATH.
	Rasdll string `yaml:"rasdll"`
	// Read and Write are files and folders that the library may read, or read and write, beyond the library itself and what every
	// program may; relative to the configuration file.
	Read  []string `yaml:"read"`
	Write []string `yaml:"write"`
}

// LoadError says that there is no working security library.
type LoadError struct {
	// Event is EventNoSecurityModuleKey when no library is named, otherwise EventCannotLoadSecurity.
	Event plugin.EventID
	// Err is the reason.
	Err error
}

func (e *LoadError) Error() string { return "native: " + e.Err.Error() }

func (e *LoadError) Unwrap() error { return e.Err }

// cannotLoad is a LoadError about a library that was named.
func cannotLoad(format string, args ...any) error {
	return &LoadError{plugin.EventCannotLoadSecurity, fmt.Errorf(format, args...)}
}

// Plugin is the native plugin of one dialog.
type Plugin struct {
	plugin.Plugin // external's
	library       string
	registry      *os.File // nil: none
}

// New makes the plugin of one dialog; it is a plugin.Factory. The library is loaded twice, as the account and with the limits that it will
// have: once to see what is missing, and once to say hello. An error about the library wraps a LoadError.
func New(s plugin.Setup) (plugin.Plugin, error) {
	var o Options
	if s.Decode != nil {
		if err := s.Decode(&o); err != nil {
			return nil, fmt.Errorf("native: options: %w", err)
		}
	}
	registry, err := o.check(s.Isolation)
	if err != nil {
		return nil, err
	}
	program, err := o.program(s.Resolve)
	if err != nil {
		return nil, err
	}
	p := &Plugin{library: program.Command[len(program.Command)-1]}
	if len(registry) > 0 {
		if p.registry, err = registryFile(registry); err != nil {
			return nil, fmt.Errorf("native: options: registry: %w", err)
		}
		program.Files = []*os.File{p.registry}
	}
	if p.Plugin, err = p.load(s, o, program); err != nil {
		p.forget()
		return nil, err
	}
	return p, nil
}

// isolations are the words for how many calls share a process, from few to many.
var isolations = []string{"call", "line", "shared"}

// check finds the faults of the options alone; isolation is the dialog's.
func (o Options) check(isolation string) ([]value, error) {
	if o.Library == "" {
		return nil, &LoadError{plugin.EventNoSecurityModuleKey,
			errors.New("options: library is missing: name the security library, for instance ./gate.so")}
	}
	switch o.HPort {
	case "", "handle", "dword":
	default:
		return nil, fmt.Errorf("native: options: hport is %q: there are handle and dword", o.HPort)
	}
	safe := slices.Index(isolations, cmp.Or(o.Safe, "call"))
	if safe < 0 {
		return nil, fmt.Errorf("native: options: safe is %q: there are call, line and shared", o.Safe)
	}
	if slices.Index(isolations, isolation) > safe {
		return nil, fmt.Errorf("native: isolation is %s, and a security library may keep one call's state where another finds it:"+
			" if you know that this one does not, say so with the option safe: %s", isolation, isolation)
	}
	registry, err := parseRegistry(o.Registry)
	if err != nil {
		return nil, fmt.Errorf("native: options: registry: %w", err)
	}
	return registry, nil
}

// program is what runs the library. Its command lacks the flags.
func (o Options) program(resolve func(string) string) (external.Program, error) {
	if resolve == nil {
		resolve = func(path string) string { return path }
	}
	library, err := filepath.Abs(resolve(o.Library))
	if err != nil {
		return external.Program{}, err
	}
	info, err := os.Stat(library)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return external.Program{}, cannotLoad("there is no library %s", library)
	case err != nil:
		return external.Program{}, cannotLoad("library: %w", err)
	case !info.Mode().IsRegular():
		return external.Program{}, cannotLoad("%s is no library", library)
	}
	rasdll, err := findRasdll(o.Rasdll, resolve)
	if err != nil {
		return external.Program{}, err
	}
	p := external.Program{Command: []string{rasdll, library}, Read: []string{library}, Kind: "native"}
	for _, path := range o.Read {
		p.Read = append(p.Read, resolve(path))
	}
	for _, path := range o.Write {
		p.Write = append(p.Write, resolve(path))
	}
	return p, nil
}

// findRasdll returns the absolute path of rasdll.
func findRasdll(option string, resolve func(string) string) (string, error) {
	if option != "" {
		return filepath.Abs(resolve(option))
	}
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), "rasdll")
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
			return beside, nil
		}
	}
	found, err := exec.LookPath("rasdll")
	if err != nil {
		return "", cannotLoad("rasdll, the program that runs security libraries, is neither beside rashost nor in PATH:" +
			" build it with `make rasdll`, or name it with the option rasdll")
	}
	return filepath.Abs(found)
}

// load checks the library and makes the plugin that runs it.
func (p *Plugin) load(s plugin.Setup, o Options, program external.Program) (plugin.Plugin, error) {
	rasdll, library := program.Command[0], program.Command[1]
	var flags []string
	if o.HPort != "" {
		flags = append(flags, "--hport", o.HPort)
	}
	if p.registry != nil {
		flags = append(flags, "--registry", fmt.Sprintf("/proc/self/fd/%d", launch.FirstFile))
	}
	program.Command = append(append([]string{rasdll, "--check"}, flags...), library)
	if err := checkLibrary(s, program, checkLimit); err != nil {
		return nil, err
	}
	if o.Safe != "" {
		flags = append(flags, "--safe", o.Safe)
	}
	program.Command = append(append([]string{rasdll}, flags...), library)
	inner, err := external.Make(s, program)
	if err != nil {
		return nil, &LoadError{plugin.EventCannotLoadSecurity, err}
	}
	return inner, nil
}

// forget gives the registry up.
func (p *Plugin) forget() {
	if p.registry != nil {
		p.registry.Close() // it was only memory
	}
}

// Close ends all processes (io.Closer) and forgets the registry.
func (p *Plugin) Close() error {
	var err error
	if c, ok := p.Plugin.(io.Closer); ok {
		err = c.Close()
	}
	p.forget()
	return err
}

// Program is the library's path, for `rashost plugins`.
func (p *Plugin) Program() string { return p.library }

// Contained says whether everything that the library starts dies with it, and why not.
func (p *Plugin) Contained() (bool, string) {
	if c, ok := p.Plugin.(interface{ Contained() (bool, string) }); ok {
		return c.Contained()
	}
	return false, ""
}
