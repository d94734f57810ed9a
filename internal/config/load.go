package config

import (
	"bytes"
	"errors"
	"path/filepath"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

// Env is what Load has to know of the machine and the program. The zero Env checks the file alone.
type Env struct {
	// Root says that the daemon runs as root: then run_as must be written out.
	Root bool
	// User is the account that the daemon runs as when that is not root; "" for unknown.
	User string
	// Plugins are the names of the known plugins; nil: any name is taken.
	Plugins []string
	// Modems are the names of the built-in modem profiles; nil: any name is taken. Profiles of the file's own folder are added.
	Modems []string
}

// Load reads the file at path. The error is Faults: everything that is wrong with the file, sorted by place. Remarks that keep
// nobody from running it are in Warnings.
func Load(path string, env Env) (*Config, error) {
	cfg, faults := Inspect(path, env)
	if len(faults) > 0 {
		return nil, faults
	}
	return cfg, nil
}

// Inspect is Load for those who look for more faults: of a faulty file it returns what is left as well, in which values with a fault
// have their defaults, or nil when nothing could be understood. Such a Config is for checking, not for running.
func Inspect(path string, env Env) (*Config, Faults) {
	data, err := readFile(path)
	if err != nil {
		return nil, asFaults(path, err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, asFaults(path, err)
	}
	return decode(path, abs, data, env)
}

func asFaults(file string, err error) Faults {
	if f, ok := errors.AsType[Fault](err); ok {
		return Faults{f}
	}
	return Faults{{File: file, Text: err.Error(), Err: err}}
}

// decode reads data twice: into nodes, for the places, and strictly into the structs.
func decode(file, abs string, data []byte, env Env) (*Config, Faults) {
	root, err := parse(file, data)
	if err != nil {
		return nil, asFaults(file, err)
	}
	w := newWalker(file, keyIndex())
	w.value(root, reflect.TypeFor[Config](), spot{}, at(root))

	cfg := defaultConfig()
	cfg.file, cfg.named, cfg.places, cfg.bad = abs, file, w.places, w.bad
	if w.budget < 0 {
		return nil, w.all()
	}
	if len(w.faults) > 0 {
		_ = root.Decode(&cfg) // what is left of it, for the rules between values
	} else if err := strict(data, &cfg); err != nil {
		return nil, strictFaults(file, err)
	}
	for name, d := range cfg.Dialogs {
		d.Options.file, d.Options.path = file, "dialogs."+name+".options"
		cfg.Dialogs[name] = d
	}
	c := checker{walker: w, cfg: &cfg, env: env}
	c.run()
	cfg.Warnings = c.warnings.Sorted()
	return &cfg, w.all()
}

// Shape checks a YAML file that is not the configuration, such as a modem profile, against the struct that it is read into: syntax, keys
// and types. Rules between the values are its owner's.
func Shape(file string, data []byte, of any) Faults {
	root, err := parse(file, data)
	if errors.Is(err, errEmpty) {
		return Faults{{File: file, Line: 1, Column: 1, Text: errEmpty.Error()}}
	}
	if err != nil {
		return asFaults(file, err)
	}
	w := newWalker(file, nil)
	w.value(root, reflect.TypeOf(of), spot{}, at(root))
	return w.all()
}

func strict(data []byte, cfg *Config) error {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	return dec.Decode(cfg)
}

// strictFaults turns what only the strict decoding found into Faults. The walker finds everything earlier, with columns: this is
// the second lock on the door.
func strictFaults(file string, err error) Faults {
	texts := []string{err.Error()}
	if t, ok := errors.AsType[*yaml.TypeError](err); ok {
		texts = t.Errors
	}
	var faults Faults
	for _, text := range texts {
		m := yamlLine.FindStringSubmatch(text)
		f := Fault{File: file, Line: 1, Column: 1, Text: m[2], Err: err}
		for _, digit := range m[1] {
			f.Line = f.Line*10 + int(digit-'0')
		}
		faults = append(faults, f)
	}
	return faults.Sorted()
}

// Places are the paths through which other commands find a running daemon and its records.
type Places struct {
	File, Control, StateDir string
}

// Locate reads only control and state_dir, so that a fault elsewhere in the file keeps no operator from hanging up a line.
func Locate(path string) (Places, error) {
	data, err := readFile(path)
	if err != nil {
		return Places{}, asFaults(path, err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return Places{}, asFaults(path, err)
	}
	root, err := parse(path, data)
	if err != nil {
		return Places{}, asFaults(path, err)
	}
	at := struct {
		StateDir string `yaml:"state_dir"`
		Control  string `yaml:"control"`
	}{DefaultStateDir, DefaultControl}
	if err := root.Decode(&at); err != nil {
		return Places{}, Faults{{File: path, Text: strings.TrimPrefix(err.Error(), "yaml: ") + ": see `rashost check`", Err: err}}
	}
	return Places{File: abs, Control: resolve(abs, at.Control), StateDir: resolve(abs, at.StateDir)}, nil
}
