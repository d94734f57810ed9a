package e2e

import (
	"strings"
	"testing"
)

// A call end to end: one wrong password, the right one, a session, and the caller hangs up.
func TestCallEndToEnd(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one", "two"))
	by := h.bystander("two")
	c := h.modems["one"].dial(t)
	c.expect("Authorised use only.")
	c.denied(alice, "wrong")
	c.login(alice, alicePassword)
	c.echoes("hello")
	if l := h.wantState("one", "session"); l.User != alice || l.CallerID != "5550100" || l.Condition != "AUTHENTICATED" || l.Connect == "" {
		t.Errorf("line in a session: %+v", l)
	}
	c.hangUp()
	got := h.wantRecord("one", 1, record{cause: "Lost-Carrier", verdict: "success", user: alice, events: []uint32{20017, 20050, 20019}, service: "echo"})
	if got.CallerNumber != "5550100" || got.CallerName != "ROBOT" || got.Connect == "" || got.OctetsIn == 0 || got.OctetsOut == 0 || got.Plugin != "password" {
		t.Errorf("record: %+v", got)
	}
	if strings.Contains(c.Transcript(), alicePassword) {
		t.Error("the password was echoed")
	}
	why := h.ok("why", got.ID)
	for _, text := range []string{"alice was let in to the service echo", "ATA", "CONNECT", "proven idle"} {
		if !strings.Contains(why, text) {
			t.Errorf("why does not say %q:\n%s", text, why)
		}
	}
	h.wantBack("one")
	by.undisturbed()
}

func TestRefusedAfterThreeTries(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one"))
	c := h.modems["one"].dial(t)
	for _, name := range []string{alice, "nobody-knows-me", alice} {
		c.denied(name, "wrong")
	}
	c.ended()
	h.wantRecord("one", 1, record{cause: "Service-Unavailable", verdict: "failure", user: alice, events: []uint32{20097}})
	h.wantBack("one")
}

// A name typed at a prompt may be a password: it is masked in the record and in no log.
func TestUnknownNameIsMasked(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one"))
	c := h.modems["one"].dial(t)
	for range 3 {
		c.denied("Sup3rSecretThing", "x")
	}
	c.ended()
	got := h.wantRecord("one", 1, record{cause: "Service-Unavailable", verdict: "failure"})
	for _, text := range []string{got.User, h.ok("why", got.ID), h.log.String()} {
		if strings.Contains(text, "Sup3rSecretThing") {
			t.Errorf("the name can be read in:\n%s", text)
		}
	}
}

// Everything typed before the first prompt counts, the session's first line too.
func TestTypedAhead(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one"))
	c := h.modems["one"].dial(t)
	c.raw([]byte(alice + "\r" + alicePassword + "\rfirst line of the session\r"))
	c.expect(ready + " " + alice)
	c.expect("first line of the session")
	if strings.Contains(c.Transcript(), alicePassword) {
		t.Error("the password was echoed")
	}
	c.hangUp()
	h.wantRecord("one", 1, record{cause: "Lost-Carrier", verdict: "success", user: alice})
	h.wantState("one", "listening")
}

// The service ends the call.
func TestServiceEndsCall(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one"))
	c := h.modems["one"].dial(t)
	c.login(alice, alicePassword)
	c.raw([]byte{4}) // ^D ends cat
	c.ended()
	got := h.wantRecord("one", 1, record{cause: "User-Request", verdict: "success", user: alice})
	if got.Exit != "0" {
		t.Errorf("exit status %q, want 0", got.Exit)
	}
	h.wantBack("one")
}

// The operator ends the call.
func TestOperatorHangsUp(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one", "two"))
	by := h.bystander("two")
	c := h.modems["one"].dial(t)
	c.login(alice, alicePassword)
	h.ok("hangup", "one")
	c.ended()
	h.wantRecord("one", 1, record{cause: "Admin-Reset", verdict: "success", user: alice})
	h.wantBack("one")
	by.undisturbed()
}

func TestDisableEnableReset(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one"))
	h.ok("disable", "one")
	h.wantState("one", "disabled")
	if r := h.run("hangup", "one"); r.code != 1 || r.stderr == "" {
		t.Errorf("hangup of a disabled line: %+v, want exit 1 and a reason", r)
	}
	h.ok("enable", "one")
	h.wantState("one", "listening")
	h.ok("reset", "one")
	h.wantBack("one")
}
