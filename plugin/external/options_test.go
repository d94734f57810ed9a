package external

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"rashost/dialog"
	"rashost/plugin"
)

// decodeFrom reads options as the configuration does.
func decodeFrom(text string) func(into any) error {
	return func(into any) error {
		d := yaml.NewDecoder(strings.NewReader(text))
		d.KnownFields(true)
		return d.Decode(into)
	}
}

func TestOptions(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if err := os.WriteFile(filepath.Join(dir, "prog"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	resolve := func(path string) string {
		if filepath.IsAbs(path) {
			return path
		}
		return filepath.Join("/etc/rashost", path)
	}
	for text, want := range map[string]Program{
		"command: [/opt/x, -v, a b]": {Command: []string{"/opt/x", "-v", "a b"}, Kind: "external"},
		"command: [./x.py, y]":       {Command: []string{"/etc/rashost/x.py", "y"}, Kind: "external"},
		"command: [sub/x]":           {Command: []string{"/etc/rashost/sub/x"}, Kind: "external"},
		"command: [prog]":            {Command: []string{filepath.Join(dir, "prog")}, Kind: "external"},
		"{command: [/x], read: [a, /b], write: [c], env: {B: '2', A_1: ''}}": {Command: []string{"/x"}, Kind: "external",
			Read: []string{"/etc/rashost/a", "/b"}, Write: []string{"/etc/rashost/c"}, Env: []string{"A_1=", "B=2"}},
	} {
		var o Options
		if err := decodeFrom(text)(&o); err != nil {
			t.Fatal(err)
		}
		if got, err := o.program(resolve); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v\nwant %+v", text, got, err, want)
		}
	}
}

func TestFaultyOptions(t *testing.T) {
	for text, want := range map[string]string{
		"{}":                                         "command is missing",
		"command: []":                                "command is missing",
		`command: [""]`:                              "command is missing",
		"command: prog":                              "into []string",
		"comand: [prog]":                             "comand",
		"command: [surely-not-there]":                "write ./surely-not-there",
		`command: [/x, "a\0b"]`:                      "NUL",
		"{command: [/x], read: [\"\"]}":              "read: an empty path",
		"{command: [/x], write: [\"\"]}":             "write: an empty path",
		"{command: [/x], env: {1A: x}}":              `"1A" cannot be set`,
		"{command: [/x], env: {A=B: x}}":             `"A=B" cannot be set`,
		`{command: [/x], env: {A: "\0"}}`:            `"A" cannot be set`,
		"{command: [/x], read: [/surely/not/there]}": "/surely/not/there",
		"command: [/surely/not/there]":               "there is no program /surely/not/there",
	} {
		x, err := New(plugin.Setup{Dialog: "test", User: account(), Decode: decodeFrom(text)})
		if err == nil || x != nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "external: ") {
			t.Errorf("%s: New gives %v, %v; want an error with %q", text, x, err, want)
		}
	}
	if x, err := New(plugin.Setup{Dialog: "test"}); err == nil || x != nil {
		t.Errorf("without options: %v, %v", x, err)
	}
	if x, err := newPlugin(plugin.Setup{Isolation: "none"}, Program{Command: []string{"/x"}, Kind: "native"}, nil, defaultLimits()); err == nil ||
		x != nil || !strings.HasPrefix(err.Error(), `native: isolation is "none"`) {
		t.Errorf("%v, %v", x, err)
	}
}

// As root, the account must be written out.
func TestUserIsRequiredAsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("NOT RUN: needs root")
	}
	s := realSetup(t.Output(), realProgram(t, "true"))
	s.User = ""
	if x, err := New(s); err == nil || x != nil || !strings.Contains(err.Error(), "user is required") {
		t.Errorf("%v, %v", x, err)
	}
}

// What is unwise is said to whoever makes the plugin.
func TestWarningsArePassedOn(t *testing.T) {
	var said []string
	s := realSetup(t.Output(), realProgram(t, "true"))
	s.Warn = func(text string) { said = append(said, text) }
	if os.Geteuid() != 0 {
		s.User = "nobody"
	}
	mustNew(t, s)
	if len(said) != 1 {
		t.Errorf("warnings: %q", said)
	}
}

// The environment that a program sees is the launcher's and its own, nothing of the host's.
func TestEnvironment(t *testing.T) {
	t.Setenv("RASHOST_SECRET", "hunter2")
	log := new(logBuffer)
	path := realProgram(t, `echo "env $(env | sort | tr '\n' ' ')" >&2; exit 0`)
	s := realSetup(log, path)
	s.Decode = decodeFrom(fmt.Sprintf("{command: [%s], env: {COLOUR: blue}}", path))
	x := mustNew(t, s)
	silentCall(t, dialog.New(nil), x, "modem1")
	until(t, "the program speaks", func() bool { return strings.Contains(log.String(), "env ") })
	if text := log.String(); !strings.Contains(text, "COLOUR=blue") || strings.Contains(text, "hunter2") {
		t.Errorf("%s", text)
	}
}
