package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"rashost/internal/config"
	"rashost/plugin/external/launch"
)

// TestWhatTheMachineLacksIsSaid: once, and only to who has plugins with processes of their own.
func TestWhatTheMachineLacksIsSaid(t *testing.T) {
	here := launch.Support{} // a machine that has nothing
	missing := here.Missing()
	if len(missing) == 0 {
		t.Fatal("a machine without anything lacks nothing")
	}
	for plugin, want := range map[string]int{"external": 1, "native": 1, "password": 0} {
		var log bytes.Buffer
		c := &config.Config{Dialogs: map[string]config.Dialog{"one": {Plugin: plugin}, "two": {Plugin: plugin}}}
		logMissing(slog.New(slog.NewTextHandler(&log, nil)), c, here)
		for _, text := range missing {
			if n := strings.Count(log.String(), text); n != want {
				t.Errorf("%s: %q is said %d times, want %d", plugin, text, n, want)
			}
		}
		if n := strings.Count(log.String(), "\n"); n != want*len(missing) {
			t.Errorf("%s: %d lines: %s", plugin, n, log.String())
		}
	}
}
