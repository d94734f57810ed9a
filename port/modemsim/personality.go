package modemsim

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

//go:embed personalities/*.yaml
var personalities embed.FS

// Personalities returns the names that Personality knows, sorted.
func Personalities() []string {
	files, err := fs.Glob(personalities, "personalities/*.yaml")
	if err != nil {
		return nil
	}
	names := make([]string, 0, len(files))
	for _, f := range files {
		names = append(names, strings.TrimSuffix(strings.TrimPrefix(f, "personalities/"), ".yaml"))
	}
	slices.Sort(names)
	return names
}

// Personality returns the options of a virtual modem that behaves as one family of real ones does, without delays but those that are
// the family's own. The error names those that there are.
func Personality(name string) (Options, error) {
	data, err := personalities.ReadFile("personalities/" + name + ".yaml")
	if err != nil {
		return Options{}, fmt.Errorf("no virtual modem is called %q: there are %s", name, strings.Join(Personalities(), ", "))
	}
	f, err := parseFamily(data)
	if err != nil {
		return Options{}, fmt.Errorf("personality %s: %w", name, err)
	}
	if f.Name != name {
		return Options{}, fmt.Errorf("personality %s: name: %q does not match the file", name, f.Name)
	}
	return Options{family: f}, nil
}

// Named returns the options of the virtual modem `sim:NAME`: those of the personality of that name, also when a dash and a number
// follow it (usr-courier-2), so that several lines can have the same; for any other name a modem that takes everything customary.
func Named(name string, t Timing) Options {
	o, err := Personality(name)
	if i := strings.LastIndexByte(name, '-'); err != nil && i > 0 && strings.Trim(name[i+1:], "0123456789") == "" {
		o, _ = Personality(name[:i])
	}
	o.Timing = t
	return o
}

// Describe returns one line for people about a personality, "" for an unknown one.
func Describe(name string) string {
	o, err := Personality(name)
	if err != nil {
		return ""
	}
	return o.family.Description
}

// parseFamily reads one personality.
func parseFamily(data []byte) (*family, error) {
	f := &family{}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(f); err != nil {
		return nil, err
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("only one YAML document is allowed")
	}
	return f, f.prepare()
}
