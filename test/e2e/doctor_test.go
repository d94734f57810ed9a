package e2e

import (
	"strings"
	"testing"
	"time"

	"rashost/port/modemsim"
)

// The doctor takes the line from the running host, examines it, and gives it back; a call on it is waited for and not disturbed.
func TestDoctorBesideTheHost(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one", "two"))
	by := h.bystander("two")
	said := h.ok("doctor", "one")
	if !contains(said, "good        answers", "good        set-up", "good        speed", "not tested  call", "line one works") {
		t.Errorf("%s", said)
	}
	h.wantState("one", "listening")
	c := h.modems["one"].dial(t)
	c.login(alice, alicePassword)
	r := h.run("doctor", "one", "--wait", "300ms")
	if r.code != 1 || !strings.Contains(r.stderr, "a call is still on the line after 300ms") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
	c.send("still here")
	c.expect("still here")
	c.hangUp()
	h.wantBack("one")
	by.undisturbed()
	h.ok("disable", "one")
	h.ok("doctor", "one", "--no-call")
	h.wantState("one", "disabled") // as it was before
}

// One line of the machine is called by another one, through two virtual modems whose telephones are connected.
func TestDoctorWithASibling(t *testing.T) {
	t.Parallel()
	c := newConf("one", "two")
	h := newHost(t, c)
	h.modems["two"].off()
	h.plug("two", modemsim.Options{OnDial: h.exchange("one")})
	h.start()
	h.wantState("one", "listening")
	r := commandWithin(t, 3*time.Minute, "", "-c", h.configPath(), "doctor", "one", "--sibling", "two", "--number", "5550101")
	if said := r.out + r.stderr; r.code != 0 || !contains(said, "good        call", "good        dialog", "good        session", "good        hang-up", "good        next call", "line one works") {
		t.Errorf("exit %d: %s", r.code, said)
	}
	h.wantState("one", "listening")
	h.wantState("two", "listening")
}
