// Package anyone is the plugin that asks for a name and lets everybody in: for services that authenticate by themselves and for
// tests of wiring. rashost check warns about every dialog that uses it.
package anyone

import (
	"context"
	"errors"
	"fmt"

	"rashost/dialog/terminal"
	"rashost/plugin"
)

// defaultAttempts is how many unusable names a caller may give when the dialog says nothing.
const defaultAttempts = 3

// options are the plugin's own part of the dialog.
type options struct {
	// Prompt is what the caller sees; "" means "name: ".
	Prompt string `yaml:"prompt"`
}

// host is the plugin: it keeps nothing of a transaction beyond its worker.
type host struct {
	prompt, banner string
	attempts       int
}

// New is a plugin.Factory.
func New(s plugin.Setup) (plugin.Plugin, error) {
	o := options{Prompt: "name: "}
	if err := s.Decode(&o); err != nil {
		return nil, fmt.Errorf("plugin anyone: options: %w", err)
	}
	h := &host{prompt: o.Prompt, banner: s.Banner, attempts: s.Attempts}
	if h.attempts <= 0 {
		h.attempts = defaultAttempts
	}
	return h, nil
}

// SecurityDialogBegin starts the conversation.
func (h *host) SecurityDialogBegin(b plugin.Begin) plugin.Code {
	if !b.Host.Go(b.HPort, func(ctx context.Context) { h.talk(ctx, b) }) {
		return plugin.ErrorInvalidPortHandle
	}
	return plugin.NoError
}

// SecurityDialogEnd agrees to every end: the worker stops with its context.
func (h *host) SecurityDialogEnd(plugin.HPORT) plugin.Code { return plugin.ErrorPortDisconnected }

func (h *host) talk(ctx context.Context, b plugin.Begin) {
	t := terminal.New(ctx, b)
	if h.banner != "" && t.Print(h.banner+"\n") != nil {
		return
	}
	for tries := 0; tries < h.attempts; {
		name, err := t.ReadLine(terminal.Line{Prompt: h.prompt, Max: plugin.UserNameMax + 1})
		switch {
		case errors.Is(err, terminal.ErrInterrupted):
			tries++
			continue
		case errors.Is(err, terminal.ErrGone):
			return
		case err != nil: // a flood
			b.Complete(plugin.NewMessage(b.HPort, plugin.Failure, plugin.NoError, "", ""))
			return
		}
		if plugin.ValidUserName(string(name)) {
			b.Complete(plugin.NewMessage(b.HPort, plugin.Success, plugin.NoError, string(name), ""))
			return
		}
		tries++
		if t.Print("A name has letters, digits and . _ @ + -\n") != nil {
			return
		}
	}
	b.Complete(plugin.NewMessage(b.HPort, plugin.Failure, plugin.NoError, "", ""))
}
