package config

import (
	"strings"
	"testing"
	"time"
)

func TestOptions(t *testing.T) {
	type settings struct {
		File    string        `yaml:"file"`
		Count   int           `yaml:"count"`
		Wait    time.Duration `yaml:"wait"`
		Command []string      `yaml:"command"`
		Nested  struct {
			Key bool `yaml:"key"`
		} `yaml:"nested"`
	}
	dialog := func(options string) Dialog {
		t.Helper()
		cfg, err := load(t, strings.Replace(good, "password}", "password, options: "+options+"}", 1), testEnv)
		if err != nil {
			t.Fatal(err)
		}
		return cfg.Dialogs["staff"]
	}
	got := settings{Count: 7}
	if err := dialog("{file: u.yaml, wait: 3s, nested: {key: true}, command: [a, b]}").DecodeOptions(&got); err != nil {
		t.Fatal(err)
	}
	if got.File != "u.yaml" || got.Count != 7 || got.Wait != 3*time.Second || !got.Nested.Key || len(got.Command) != 2 {
		t.Errorf("got %+v", got)
	}
	for _, none := range []string{"~", "{}"} {
		kept := settings{File: "kept"}
		if err := dialog(none).DecodeOptions(&kept); err != nil || kept.File != "kept" {
			t.Errorf("options %s: %+v, %v", none, kept, err)
		}
	}
	if err := (Dialog{}).DecodeOptions(&settings{}); err != nil {
		t.Error(err)
	}
	for options, want := range map[string]string{
		"{fil: u}":                "c.yaml:5:39: dialogs.staff.options.fil: is not a key here: did you mean file?",
		"{file: a, file: b}":      "c.yaml:5:48: dialogs.staff.options.file: stands here a second time",
		"{count: many}":           `c.yaml:5:46: dialogs.staff.options.count: "many" must be a whole number`,
		"{wait: 3}":               "dialogs.staff.options.wait:",
		"{nested: {kex: true}}":   "dialogs.staff.options.nested.kex: is not a key here: did you mean key?",
		"{command: x}":            "dialogs.staff.options.command: must be a list",
		"{command: [[a]]}":        "dialogs.staff.options.command[0]: must be a text",
		"{fil: u, nested: [1]}":   "dialogs.staff.options.nested: must be a mapping",
		"{count: 99999999999999}": "",
	} {
		err := dialog(options).DecodeOptions(&settings{})
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("options %s: got %v, want %s", options, err, want)
		}
	}
	if err := dialog("{a: 1}").DecodeOptions(settings{}); err == nil {
		t.Error("a struct that cannot be filled was taken")
	}
	if !dialog("{a: 1}").Equal(dialog("{a:   1}")) || dialog("{a: 1}").Equal(dialog("{a: 2}")) {
		t.Error("Equal compares places, not content")
	}
}

func TestOptionsMustBeAMapping(t *testing.T) {
	_, err := load(t, strings.Replace(good, "password}", "password, options: [1]}", 1), testEnv)
	if err == nil || !strings.Contains(err.Error(), "c.yaml:5:38: dialogs.staff.options: must be a mapping") {
		t.Errorf("got %v", err)
	}
}
