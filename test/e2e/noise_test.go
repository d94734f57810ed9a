package e2e

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"rashost/port/modemsim"
)

// megabyte is 1 MB of noise that is the same in every run, without the bytes that end a line (CR, LF, ^C) when plain is true.
func megabyte(plain bool) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 1<<20)
	for i := range b {
		for b[i] = byte(r.Uint32()); plain && (b[i] == '\r' || b[i] == '\n' || b[i] == 3); {
			b[i] = byte(r.Uint32())
		}
	}
	return b
}

// flood sends p until all is gone or the host has hung up.
func (c *call) flood(p []byte) { _ = c.SendRaw(p) }

// wantRefusedFlood is how a flooded dialog may end: refused, or the caller gone; never let in.
func (h *host) wantRefusedFlood(line string) {
	h.t.Helper()
	got := h.wantRecord(line, 1, record{cause: "Service-Unavailable", verdict: "failure", events: []uint32{20097}})
	if got.OctetsOut > 256<<10 {
		h.t.Errorf("the flood was answered with %d bytes", got.OctetsOut)
	}
}

// A caller floods right behind CONNECT, before the first prompt is there. On the other line a person logs in meanwhile.
func TestFloodBeforePrompt(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one", "two"))
	c := h.modems["one"].dial(t)
	flooded := make(chan struct{})
	go func() { defer close(flooded); c.flood(megabyte(false)) }()
	by := h.bystander("two")
	c.ended()
	<-flooded
	h.wantRefusedFlood("one")
	h.wantBack("one")
	by.undisturbed()
}

// A line without an end at the first prompt, 1 MB of it.
func TestFloodWithoutLineEnd(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one", "two"))
	c := h.modems["one"].dial(t)
	c.expect("login: ")
	flooded := make(chan struct{})
	go func() { defer close(flooded); c.flood(bytes.Repeat([]byte("x"), 1<<20)) }()
	by := h.bystander("two")
	c.ended()
	<-flooded
	h.wantRefusedFlood("one")
	h.wantBack("one")
	by.undisturbed()
}

func TestFloodAtPassword(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one", "two"))
	by := h.bystander("two")
	c := h.modems["one"].dial(t)
	c.expect("login: ")
	c.send(alice)
	c.expect("Password: ")
	c.flood(megabyte(true))
	c.ended()
	h.wantRefusedFlood("one")
	h.wantBack("one")
	by.undisturbed()
}

// A flood in the session goes to the service, and only there.
func TestFloodInSession(t *testing.T) {
	t.Parallel()
	c := newConf("one", "two")
	c.services = strings.Replace(c.services, "stty -echo", "stty raw -echo", 1) // before READY, so that no byte of the flood is a key
	h := startHost(t, c)
	by := h.bystander("two")
	one := h.modems["one"].dial(t)
	one.login(alice, alicePassword)
	go one.flood(append(megabyte(false), "the end of the flood"...))
	one.expect("the end of the flood")
	by.undisturbed()
	one.hangUp()
	got := h.wantRecord("one", 1, record{cause: "Lost-Carrier", verdict: "success", user: alice})
	if got.OctetsIn < 1<<20 || got.OctetsOut < 1<<20 {
		t.Errorf("%d bytes in, %d out: want 1 MB each", got.OctetsIn, got.OctetsOut)
	}
	h.wantState("one", "listening")
}

// Noise between the calls is no call.
func TestNoiseBetweenCalls(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one"))
	if _, err := h.modems["one"].pty.Write(megabyte(false)); err != nil {
		t.Fatal(err)
	}
	h.wantBack("one")
}

// The modem puts noise before each of its results.
func TestNoisyModem(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one"))
	h.modems["one"].SetFaults(modemsim.Faults{Noise: []byte("\x00\xff\x80~~~\x1b[2J\r\n")})
	h.ok("reset", "one")
	h.wantBack("one")
}

// NULs before, between and behind the keys are padding.
func TestNULs(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one"))
	c := h.modems["one"].dial(t)
	nul := strings.Repeat("\x00", 1000)
	c.raw([]byte(nul))
	c.expect("login: ")
	c.raw([]byte(nul + "al\x00i\x00ce" + nul + "\r\x00"))
	c.expect("Password: ")
	c.raw([]byte(nul + alicePassword + "\x00\r"))
	c.expect(ready + " " + alice)
	c.hangUp()
	h.wantRecord("one", 1, record{cause: "Lost-Carrier", verdict: "success", user: alice})
	h.wantState("one", "listening")
}

// Escape sequences in names reach neither the log nor an operator's screen. (The log is checked at the end of every test.)
func TestEscapeSequencesInNames(t *testing.T) {
	t.Parallel()
	c := newConf("one")
	c.top = "records: {unknown_names: true}\n"
	h := startHost(t, c)
	call := h.modems["one"].dialWith(t, modemsim.DialOptions{
		Number: "555\x1b[2J0100", Name: "\x1b]0;owned\x07\x9b31m", IDFirst: true, Connect: "28800\x1b[31m\x07",
	})
	for _, name := range []string{"ev\x1b[2Jil\x1b[H", "\x1b]0;owned\x07root", "\x9b31mred"} {
		call.denied(name, "\x1b[2J")
	}
	call.ended()
	got := h.wantRecord("one", 1, record{cause: "Service-Unavailable", verdict: "failure"})
	for what, text := range map[string]string{
		"calls": h.ok("calls"), "calls --json": h.ok("calls", "--json"), "why": h.ok("why", got.ID), "lines": h.ok("lines"),
	} {
		if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 }); i >= 0 {
			t.Errorf("%s prints a raw control character: %q", what, text[max(0, i-50):])
		}
	}
	h.wantBack("one")
}

// A PPP frame in the dialog is refused with a record, and never echoed.
func TestPPPInDialog(t *testing.T) {
	t.Parallel()
	frame := []byte{0x7e, 0xff, 0x03, 0xc0, 0x21, 0x01, 0x01, 0x00, 0x04, 0x7e}
	escaped := []byte{0x7e, 0xff, 0x7d, 0x23, 0xc0, 0x21, 0x7d, 0x21, 0x7d, 0x21, 0x7d, 0x20, 0x7d, 0x24, 0x7e}
	for name, sent := range map[string][]byte{"plain": frame, "escaped": escaped} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := startHost(t, newConf("one", "two"))
			by := h.bystander("two")
			c := h.modems["one"].dial(t)
			c.expect("login: ")
			c.raw(sent)
			got := c.ended()
			if bytes.ContainsAny([]byte(got), "~}") || strings.Contains(got, "\xff") {
				t.Errorf("the frame was echoed: %q", got)
			}
			row := h.wantRecord("one", 1, record{cause: "User-Error", verdict: "none", events: []uint32{20099}})
			if !strings.Contains(h.ok("why", row.ID), "PPP") {
				t.Error("why does not name PPP")
			}
			h.wantBack("one")
			by.undisturbed()
		})
	}
}
