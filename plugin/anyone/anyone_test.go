package anyone_test

import (
	"log/slog"
	"strings"
	"testing"

	"rashost/plugin"
	"rashost/plugin/anyone"
	"rashost/plugin/plugintest"
)

func newPlugin(t *testing.T, decode func(any) error) (plugin.Plugin, error) {
	t.Helper()
	return anyone.New(plugin.Setup{Dialog: "test", Decode: decode, Log: slog.New(slog.DiscardHandler)})
}

// TestConformance runs the contract's conformance suite.
func TestConformance(t *testing.T) {
	plugintest.Run(t, plugintest.Subject{
		Virtual: true,
		New:     func() (plugin.Plugin, error) { return newPlugin(t, func(any) error { return nil }) },
		Good: func(n int) plugintest.Login {
			name := "caller" + strings.Repeat("x", n%8)
			return plugintest.Login{User: name, Steps: []plugintest.Step{plugintest.Expect("name: "), plugintest.Send(name + "\r")}}
		},
	})
}

// TestFaultyOptionsAreRefused: a plugin that can't read its options is not made.
func TestFaultyOptionsAreRefused(t *testing.T) {
	p, err := newPlugin(t, func(any) error { return plugin.ErrorInvalidParameter.Err() })
	if err == nil || p != nil {
		t.Fatalf("New = %v, %v; want an error", p, err)
	}
}
