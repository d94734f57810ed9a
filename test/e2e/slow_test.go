package e2e

import (
	"testing"
	"time"

	"rashost/port/modemsim"
)

// With rings: 2 a phone that rings once stays in the state ringing, one that rings twice is answered.
var (
	ringOnce  = modemsim.DialOptions{Rings: 1}
	ringTwice = modemsim.DialOptions{Rings: 2}
)

// slowHost is a host with the line one, whose modem takes for ever to connect: it can be stopped in every state.
func slowHost(t *testing.T) *host {
	t.Helper()
	c := newConf("one")
	c.line("one").keys = "rings: 2"
	h := newHost(t, c)
	h.modems["one"].off()
	h.plug("one", modemsim.Options{Timing: modemsim.Timing{Connect: 10 * patience}})
	h.start()
	h.wantState("one", "listening")
	return h
}

// fast gives the line one a modem that connects at once. A daemon that runs sees the old one go and the new one come.
func (h *host) fast() {
	h.t.Helper()
	h.pull("one")
	if h.running() {
		h.wantReason("one", "absent")
	}
	h.plug("one", modemsim.Options{})
	if h.running() {
		h.wantState("one", "listening")
	}
}

// modemCommandTime makes a set-up long enough to be met by a RING.
const modemCommandTime = 150 * time.Millisecond
