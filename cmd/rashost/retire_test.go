package main

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"rashost/plugin"
	"rashost/port"
)

// closable counts how often it was closed.
type closable struct {
	inert
	closed int
}

func (c *closable) Close() error { c.closed++; return nil }

// TestReloadClosesWhatItReplaces: a plugin with a process of its own is closed when a reload replaces it, not before the last dialog that
// runs on it is over, and once. One that is taken over is not closed.
func TestReloadClosesWhatItReplaces(t *testing.T) {
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	table := map[string]plugin.Factory{
		"fragile": func(s plugin.Setup) (plugin.Plugin, error) { return &closable{}, s.Decode(&struct{ Word string }{}) },
		"sturdy":  func(plugin.Setup) (plugin.Plugin, error) { return &closable{}, nil },
	}
	make := func(previous *house, words ...string) *house {
		h, err := newHouse(loadHouse(t, dir, words...), previous, table, log)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	closed := func(h *house, dialog string) int { return h.dialogs[dialog].plugin.(*closable).closed }
	before := make(nil)
	handler := &handler{}
	handler.house.Store(before)
	call := handler.hold(&port.Call{Line: "a"})
	after := make(before, "WORD", "other")
	handler.house.Store(after)
	before.retire(after)
	if closed(before, "one") != 0 {
		t.Error("the plugin was closed under a dialog")
	}
	if next := handler.hold(&port.Call{Line: "a"}); next.dialog != after.dialogs["one"] {
		t.Error("the next call got the old plugin")
	}
	call.release()
	if closed(before, "one") != 1 || closed(after, "two") != 0 {
		t.Errorf("after the dialog: closed %d times, the one in use %d times", closed(before, "one"), closed(after, "two"))
	}
	before.retire(after)
	if before.dialogs["one"].hold() || closed(before, "one") != 1 {
		t.Error("a plugin that was closed is used or closed again")
	}
	after.retire(nil)
	if closed(after, "two") != 1 || closed(after, "one") != 0 {
		t.Error("the end of the host must close what is idle, and leave what is held to its dialog")
	}
}

// TestFaultyReloadClosesWhatItMade: its other plugins may have started processes.
func TestFaultyReloadClosesWhatItMade(t *testing.T) {
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	var made []*closable
	table := houseTable()
	table["sturdy"] = func(plugin.Setup) (plugin.Plugin, error) {
		c := &closable{}
		made = append(made, c)
		return c, nil
	}
	if _, _, err := prepare(loadHouse(t, dir, "WORD", "broken"), nil, table, log); err == nil {
		t.Fatal("no fault")
	}
	if len(made) != 1 || made[0].closed != 1 {
		t.Errorf("made %d, %+v", len(made), made)
	}
}

// TestPluginsWarn: what a plugin says of its settings has the place of the option.
func TestPluginsWarn(t *testing.T) {
	table := houseTable()
	table["sturdy"] = func(s plugin.Setup) (plugin.Plugin, error) {
		s.Warn("options.mechanisms: unwise")
		s.Warn("unwise as a whole")
		return &inert{}, nil
	}
	h, err := newHouse(loadHouse(t, t.TempDir()), nil, table, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range h.warnings {
		got = append(got, w.Error()[strings.LastIndex(w.Error(), "config.yaml"):])
	}
	slices.Sort(got)
	if want := []string{"config.yaml:8:3: dialogs.two.options.mechanisms: unwise", "config.yaml:8:3: dialogs.two: unwise as a whole"}; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
