package modemsim

import (
	"testing"
)

// TestBriefCall: a host that hangs up before the caller has looked has answered all the same.
func TestBriefCall(t *testing.T) {
	m := New(Options{})
	c := &FarCall{m: m, done: make(chan struct{})}
	m.mu.Lock()
	m.call, c.state = c, callHandshake
	m.connected(c)
	m.over(c)
	reached, state := c.reached, c.state
	m.mu.Unlock()
	if !reached || state != callOver {
		t.Fatalf("reached %v, state %v", reached, state)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Fatalf("read on a call that is over: %d, %v", n, err)
	}
}
