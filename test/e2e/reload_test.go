package e2e

import (
	"os"
	"strings"
	"testing"
)

// A reload during calls: an unchanged line keeps its call, a changed one ends it, a new one begins and a removed one goes.
func TestReloadDuringCalls(t *testing.T) {
	t.Parallel()
	c := newConf("same", "changed", "removed")
	h := startHost(t, c)
	same := h.bystander("same")
	changed := h.bystander("changed")
	removed := h.bystander("removed")
	c.lines = c.lines[:2]
	c.line("changed").keys = "rings: 2"
	h.reload("configuration read again")
	changed.call.ended()
	removed.call.ended()
	h.wantRecord("changed", 1, record{cause: "Port-Unneeded", verdict: "success", user: bob})
	h.wantRecord("removed", 1, record{cause: "Port-Unneeded", verdict: "success", user: bob})
	h.wantState("changed", "listening")
	h.wantState("removed", "no such line")
	same.undisturbed()
	again := h.modems["changed"].dialWith(t, ringTwice)
	again.login(alice, alicePassword)

	c.lines = append(c.lines, lineConf{name: "removed"})
	h.reload("configuration read again")
	h.wantBack("removed")
	same.undisturbed()
	again.echoes("still there")
}

// A reload in the middle of a dialog does not disturb it, and the next call meets the new configuration.
func TestReloadDuringDialog(t *testing.T) {
	t.Parallel()
	c := newConf("one")
	h := startHost(t, c)
	one := h.modems["one"].dial(t)
	one.expect("login: ")
	c.dialogs = strings.Replace(c.dialogs, "Authorised use only.", "New banner.", 1)
	h.reload("configuration read again")
	one.send(alice)
	one.expect("Password: ")
	one.send(alicePassword)
	one.expect(ready + " alice")
	one.raw([]byte{4})
	one.ended()
	h.wantState("one", "listening")
	h.modems["one"].dial(t).expect("New banner.")
}

// A faulty configuration changes nothing, and the log names the faults.
func TestReloadFaulty(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one"))
	by := h.bystander("one")
	good, err := os.ReadFile(h.configPath())
	must(t, err)
	must(t, os.WriteFile(h.configPath(), append(good, "bogus: 1\n"...), 0o644))
	h.hup("nothing was changed")
	if !strings.Contains(h.log.String(), "bogus") {
		t.Errorf("the log does not name the fault:\n%s", h.log)
	}
	by.undisturbed()
	must(t, os.WriteFile(h.configPath(), good, 0o644))
	h.hup("configuration read again")
	by.undisturbed()
}

// TestReloadEndsArming: what was said of a line is not said of the next one of that name, or of another device.
func TestReloadEndsArming(t *testing.T) {
	t.Parallel()
	c := newConf("one", "two")
	c.line("one").keys = "answer: armed"
	h := startHost(t, c)
	arm := func() {
		t.Helper()
		h.ok("arm", "one", "--for", "1h", "--by", "alice", "--reason", "pump 3")
	}
	armed := func(want bool) {
		t.Helper()
		if got := h.lineView("one").Armed != nil; got != want {
			t.Errorf("armed: %v, want %v", got, want)
		}
	}
	arm()
	c.line("two").keys = "rings: 2"
	h.reload("configuration read again")
	armed(true)

	lines := c.lines
	c.lines = lines[1:]
	h.reload("configuration read again")
	c.lines = lines
	h.reload("configuration read again")
	armed(false)

	arm()
	c.line("one").keys = ""
	h.reload("configuration read again")
	c.line("one").keys = "answer: armed"
	h.reload("configuration read again")
	armed(false)
	wantTexts(t, h.ok("why", "one"), "no longer armed: the line is gone, or answers at any time")
}
