package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rashost/internal/config"
	"rashost/plugin"
)

const houseConfig = `state_dir: state
control: control.sock
lines:
  - {name: a, device: "sim:a", modem: generic, dialog: one, service: out, on_load_error: ON_LOAD}
  - {name: b, device: "sim:b", modem: generic, dialog: two, service: out}
dialogs:
  one: {plugin: fragile, options: {word: WORD}}
  two: {plugin: sturdy}
services:
  out: {type: tcp, address: "127.0.0.1:1"}
`

// houseTable has a plugin that can be made to fail by its options, and one that never does.
func houseTable() map[string]plugin.Factory {
	return map[string]plugin.Factory{
		"fragile": func(s plugin.Setup) (plugin.Plugin, error) {
			var o struct {
				Word string `yaml:"word"`
			}
			if err := s.Decode(&o); err != nil {
				return nil, err
			}
			if o.Word == "broken" {
				return nil, errors.New("does not load")
			}
			return &inert{}, nil
		},
		"sturdy": func(plugin.Setup) (plugin.Plugin, error) { return &inert{}, nil },
	}
}

// inert refuses to begin; its address tells one from another.
type inert struct{ _ byte }

func (*inert) SecurityDialogBegin(plugin.Begin) plugin.Code { return plugin.ErrorInvalidParameter }
func (*inert) SecurityDialogEnd(plugin.HPORT) plugin.Code   { return plugin.ErrorPortDisconnected }

// loadHouse reads houseConfig with its words replaced, from the same place every time.
func loadHouse(t *testing.T, dir string, words ...string) *config.Config {
	t.Helper()
	path := filepath.Join(dir, "config.yaml")
	text := strings.NewReplacer(words...).Replace(houseConfig)
	text = strings.NewReplacer("ON_LOAD", "stop", "WORD", "fine").Replace(text)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path, config.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestReloadKeepsPluginsOfUnchangedDialogs: their state (counters, users) must not be lost by an edit elsewhere.
func TestReloadKeepsPluginsOfUnchangedDialogs(t *testing.T) {
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	before, err := newHouse(loadHouse(t, dir), nil, houseTable(), log)
	if err != nil {
		t.Fatal(err)
	}
	after, err := newHouse(loadHouse(t, dir, "WORD", "other"), before, houseTable(), log)
	if err != nil {
		t.Fatal(err)
	}
	if after.dialogs["two"].plugin != before.dialogs["two"].plugin {
		t.Error("the unchanged dialog got a new plugin")
	}
	if after.dialogs["one"].plugin == before.dialogs["one"].plugin {
		t.Error("the changed dialog kept its plugin")
	}
}

// TestPluginThatDoesNotLoadStopsTheStart: events 20095 and 20096.
func TestPluginThatDoesNotLoadStopsTheStart(t *testing.T) {
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	_, err := newHouse(loadHouse(t, dir, "WORD", "broken"), nil, houseTable(), log)
	fault, ok := errors.AsType[*pluginError](err)
	if !ok || fault.event != plugin.EventCannotLoadSecurity || !strings.Contains(err.Error(), "20096") {
		t.Errorf("error %v, want a pluginError with event 20096", err)
	}
	table := houseTable()
	delete(table, "fragile")
	_, err = newHouse(loadHouse(t, dir), nil, table, log)
	fault, ok = errors.AsType[*pluginError](err)
	if !ok || fault.event != plugin.EventNoSecurityModuleKey || !strings.Contains(err.Error(), "20095") {
		t.Errorf("error %v, want a pluginError with event 20095", err)
	}
}

// TestOnLoadErrorDisable: only the lines of that dialog stay out of service, and they say why.
func TestOnLoadErrorDisable(t *testing.T) {
	h, err := newHouse(loadHouse(t, t.TempDir(), "WORD", "broken", "ON_LOAD", "disable"), nil, houseTable(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	cfgs, err := lineConfigs(h)
	if err != nil || len(cfgs) != 2 {
		t.Fatalf("lineConfigs = %v, %v", cfgs, err)
	}
	if !strings.Contains(cfgs[0].OutOfService, "does not load") || cfgs[1].OutOfService != "" {
		t.Errorf("out of service: %q and %q", cfgs[0].OutOfService, cfgs[1].OutOfService)
	}
}

// TestTypedAhead: the LF of a CR LF login is not the service's, frames are left alone.
func TestTypedAhead(t *testing.T) {
	for _, c := range []struct {
		unread string
		raw    bool
		want   string
	}{{"\nls\r", false, "ls\r"}, {"\x00ls", false, "ls"}, {"ls\r", false, "ls\r"}, {"\n~", true, "\n~"}, {"", false, ""}} {
		if got := typedAhead([]byte(c.unread), c.raw); string(got) != c.want {
			t.Errorf("typedAhead(%q, %v) = %q, want %q", c.unread, c.raw, got, c.want)
		}
	}
}
