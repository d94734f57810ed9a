package hardware

import (
	"bytes"
	_ "embed" // commands.yaml
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

//go:embed commands.yaml
var commandsYAML []byte

// AnyDialect is the dialect of a modem whose make is not known.
const AnyDialect = "any"

// dialectNames are the dialects of commands.yaml, so that a profile can be checked without reading it.
var dialectNames = []string{
	"any", "conexant", "elsa", "gsm", "hayes", "iridium", "isdn", "lucent", "microcom", "multitech", "multitech-ba", "quectel", "rockwell",
	"sierra", "slmodemd", "spandsp", "telebit", "telit", "usr", "usr-usb", "v250", "zyxel",
}

// DialectNames returns the words of Profile.Dialect, sorted.
func DialectNames() []string { return slices.Clone(dialectNames) }

// Meaning is what a command does in one dialect.
type Meaning struct {
	// Name is the command without AT and value: E, &K, S7, +MS, \N, #CID.
	Name string `yaml:"name"`
	// In is the dialect.
	In string `yaml:"in"`
	// Means is what it sets or does; Values says so of single values.
	Means  string            `yaml:"means"`
	Values map[string]string `yaml:"values"`
	// Accepts is the whole value (RE2); "" is any. Wrong is what to say of another one.
	Accepts string `yaml:"accepts"`
	Wrong   string `yaml:"wrong"`
	// RemoteEscape: while it is not 0, a caller can configure the modem. Callback: while it is not 0, the modem asks for a password or
	// dials by itself. Restarts: the value "1,1" restarts the modem.
	RemoteEscape bool `yaml:"remote_escape"`
	Callback     bool `yaml:"callback"`
	Restarts     bool `yaml:"restarts"`
	// Source and Unverified say where it is known from.
	Source     string `yaml:"source"`
	Unverified bool   `yaml:"unverified"`

	accepts *regexp.Regexp
}

// accept says whether the value is one that the command takes.
func (m *Meaning) accept(value string) bool { return m.accepts == nil || m.accepts.MatchString(value) }

// Dictionary is what AT commands mean, by dialect. Make one with LoadDictionary; it is read only.
type Dictionary struct {
	dialects map[string]dialect
	commands map[string]map[string]*Meaning // by dialect and name
}

type dialect struct {
	Like  []string `yaml:"like"`
	Means string   `yaml:"means"`
	Flow  []string `yaml:"flow"`
}

// LoadDictionary reads the dictionary that comes with the program. An error is a fault of the build.
func LoadDictionary() (*Dictionary, error) {
	var file struct {
		Dialects map[string]dialect `yaml:"dialects"`
		Commands []*Meaning         `yaml:"commands"`
	}
	dec := yaml.NewDecoder(bytes.NewReader(commandsYAML))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil {
		return nil, place("commands.yaml", err)
	}
	d := &Dictionary{dialects: file.Dialects, commands: map[string]map[string]*Meaning{}}
	var faults []error
	for name, e := range file.Dialects {
		for _, l := range e.Like {
			if _, ok := file.Dialects[l]; !ok {
				faults = append(faults, fmt.Errorf("commands.yaml: dialect %s is like %q, which there is not", name, l))
			}
		}
	}
	for _, m := range file.Commands {
		if err := d.add(m); err != nil {
			faults = append(faults, fmt.Errorf("commands.yaml: %s in %s: %w", m.Name, m.In, err))
		}
	}
	return d, errors.Join(faults...)
}

func (d *Dictionary) add(m *Meaning) error {
	if _, ok := d.dialects[m.In]; !ok {
		return errors.New("no such dialect")
	}
	if m.Name == "" || m.Means == "" {
		return errors.New("name and means are required")
	}
	if (m.Source != "") == m.Unverified {
		return errors.New("give source, or unverified: true, not both")
	}
	if m.Accepts != "" {
		re, err := regexp.Compile(`\A(?:` + m.Accepts + `)\z`)
		if err != nil {
			return err
		}
		m.accepts = re
	}
	if d.commands[m.In] == nil {
		d.commands[m.In] = map[string]*Meaning{}
	}
	if d.commands[m.In][m.Name] != nil {
		return errors.New("is there twice")
	}
	d.commands[m.In][m.Name] = m
	return nil
}

// Dialects returns the names of all dialects, sorted.
func (d *Dictionary) Dialects() []string {
	var all []string
	for name := range d.dialects {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// Has says whether there is a dialect of that name; "" is AnyDialect.
func (d *Dictionary) Has(name string) bool {
	_, ok := d.dialects[orAny(name)]
	return ok
}

// Find returns what a command means in a dialect or in one that it is like, nil for unknown.
func (d *Dictionary) Find(dialect, name string) *Meaning {
	for _, in := range d.order(dialect) {
		if m := d.commands[in][name]; m != nil {
			return m
		}
	}
	return nil
}

// find is Find for a command with its value. Where the make is not known, a dialect that takes the value counts before one that does not.
func (d *Dictionary) find(dialect string, t Token) *Meaning {
	first := d.Find(dialect, t.Name)
	if orAny(dialect) != AnyDialect || first == nil || first.accept(t.Value) {
		return first
	}
	for _, in := range d.order(dialect) {
		if m := d.commands[in][t.Name]; m != nil && m.accept(t.Value) {
			return m
		}
	}
	return first
}

// Elsewhere returns the dialects, sorted, that know a command of that name.
func (d *Dictionary) Elsewhere(name string) []string {
	var all []string
	for in, commands := range d.commands {
		if commands[name] != nil {
			all = append(all, in)
		}
	}
	slices.Sort(all)
	return all
}

// flow are the commands that switch RTS/CTS on; none where the dialect names none.
func (d *Dictionary) flow(dialect string) []string {
	var all []string
	for _, in := range d.order(dialect) {
		for _, way := range d.dialects[in].Flow {
			if !slices.Contains(all, way) {
				all = append(all, way)
			}
		}
	}
	if len(all) > 0 && !slices.Contains(all, "+IFC=2,2") && d.Find(dialect, "+IFC") != nil {
		all = append(all, "+IFC=2,2")
	}
	return all
}

// remoteEscape is the register that lets a caller configure modems of the dialect; nil for none.
func (d *Dictionary) remoteEscape(dialect string) *Meaning {
	for _, in := range d.order(dialect) {
		for _, m := range d.commands[in] {
			if m.RemoteEscape && orAny(dialect) != AnyDialect {
				return m
			}
		}
	}
	return nil
}

// order is a dialect and those that it is like, each once, nearest first.
func (d *Dictionary) order(dialect string) []string {
	all := []string{orAny(dialect)}
	for i := 0; i < len(all); i++ {
		for _, l := range d.dialects[all[i]].Like {
			if !slices.Contains(all, l) {
				all = append(all, l)
			}
		}
	}
	return all
}

// known returns the longest command of any dialect that text begins with, "" for none: a command of another make is to be named whole.
func (d *Dictionary) known(text string) string {
	best := ""
	for _, commands := range d.commands {
		for name := range commands {
			if len(name) > len(best) && strings.HasPrefix(text, name) {
				best = name
			}
		}
	}
	return best
}

func orAny(dialect string) string {
	if dialect == "" {
		return AnyDialect
	}
	return dialect
}
