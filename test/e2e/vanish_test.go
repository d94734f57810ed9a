package e2e

import (
	"testing"

	"rashost/port/modemsim"
)

// The caller vanishes at every step of a call. The modem says NO CARRIER; the pty has no DCD.
func TestCallerVanishes(t *testing.T) {
	t.Parallel()
	for _, step := range []struct {
		name string
		to   func(c *call)
		want record
	}{
		{"in the banner", func(*call) {}, record{cause: "Lost-Carrier", verdict: "none"}},
		{"at the name", func(c *call) { c.expect("login: ") }, record{cause: "Lost-Carrier", verdict: "none"}},
		{"in the name", func(c *call) { c.expect("login: "); c.raw([]byte("ali")) }, record{cause: "Lost-Carrier", verdict: "none"}},
		{"after the name", func(c *call) { c.expect("login: "); c.send(alice); c.expect("Password: ") },
			record{cause: "Lost-Carrier", verdict: "none"}},
		{"after a refusal", func(c *call) { c.denied(alice, "wrong") }, record{cause: "Lost-Carrier", verdict: "none"}},
		{"in the session", func(c *call) { c.login(alice, alicePassword) }, record{cause: "Lost-Carrier", verdict: "success", user: alice}},
	} {
		t.Run(step.name, func(t *testing.T) {
			t.Parallel()
			h := startHost(t, newConf("one", "two"))
			by := h.bystander("two")
			c := h.modems["one"].dial(t)
			step.to(c)
			c.hangUp()
			h.wantRecord("one", 1, step.want)
			h.wantBack("one")
			by.undisturbed()
		})
	}
}

// The caller vanishes behind the password, before the verdict: whatever the verdict is, the call ends and is recorded.
func TestCallerVanishesBeforeVerdict(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one", "two"))
	by := h.bystander("two")
	c := h.modems["one"].dial(t)
	c.expect("login: ")
	c.send(alice)
	c.expect("Password: ")
	c.send(alicePassword)
	c.hangUp()
	eventually(t, "the record is closed", func() (bool, string) {
		calls := h.calls("one")
		return len(calls) == 1 && !calls[0].Open, ""
	})
	if got := h.calls("one")[0]; got.CauseName != "Lost-Carrier" || got.Verdict != "success" && got.Verdict != "none" {
		t.Errorf("record: %+v", got)
	}
	h.wantBack("one")
	by.undisturbed()
}

// The caller vanishes while the modems shake hands: there is a record, and no dialog.
func TestCallerVanishesBeforeConnect(t *testing.T) {
	t.Parallel()
	h := newHost(t, newConf("one", "two"))
	h.modems["one"].off()
	h.plug("one", modemsim.Options{Timing: modemsim.Timing{Connect: patience}})
	h.start()
	h.wantState("one", "listening")
	by := h.bystander("two")
	hangUp := h.modems["one"].ring(t, modemsim.DialOptions{})
	h.wantState("one", "answering")
	hangUp()
	h.wantRecord("one", 1, record{cause: "Lost-Carrier", verdict: "none"})
	h.wantState("one", "listening")
	by.undisturbed()
}

// The caller gives up while it rings: no call, no record, and the line listens again.
func TestCallerGivesUpRinging(t *testing.T) {
	t.Parallel()
	c := newConf("one")
	c.line("one").keys = "rings: 3"
	h := startHost(t, c)
	hangUp := h.modems["one"].ring(t, modemsim.DialOptions{Rings: 1})
	h.wantState("one", "ringing")
	hangUp()
	h.wantState("one", "listening")
	if got := h.calls("one"); len(got) != 0 {
		t.Errorf("records of a call that was not answered: %+v", got)
	}
	c2 := h.modems["one"].dialWith(t, modemsim.DialOptions{Rings: 3})
	c2.login(alice, alicePassword)
}
