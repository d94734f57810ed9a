package main

import (
	"io"
	"sync"
)

// holds counts the dialogs that run on a plugin, so that a plugin with a process of its own is closed only after the last of them.
type holds struct {
	mu      sync.Mutex
	n       int
	retired bool
}

// hold keeps the plugin until release. It returns false when the plugin is no longer in force: the house in force has another.
func (u *dialogUse) hold() bool {
	u.holds.mu.Lock()
	defer u.holds.mu.Unlock()
	if u.holds.retired {
		return false
	}
	u.holds.n++
	return true
}

func (u *dialogUse) release() {
	u.holds.mu.Lock()
	u.holds.n--
	last := u.holds.retired && u.holds.n == 0
	u.holds.mu.Unlock()
	if last {
		u.close()
	}
}

// retire closes the plugin as soon as no dialog runs on it.
func (u *dialogUse) retire() {
	u.holds.mu.Lock()
	first := !u.holds.retired
	u.holds.retired = true
	idle := first && u.holds.n == 0
	u.holds.mu.Unlock()
	if idle {
		u.close()
	}
}

func (u *dialogUse) close() {
	closer, ok := u.plugin.(io.Closer)
	if !ok {
		return
	}
	if err := closer.Close(); err != nil {
		u.log.Warn("the plugin's process did not end", "error", err.Error())
	}
}

// retire closes the plugins of h but those that next goes on using. next may be nil.
func (h *house) retire(next *house) {
	for _, name := range sorted(h.dialogs) {
		if use := h.dialogs[name]; next == nil || next.dialogs[name] != use {
			use.retire()
		}
	}
}
