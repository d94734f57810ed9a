package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"rashost/port/modemsim"
)

// unanswered lets the phone ring a few times, and fails when somebody answers.
func (m *vmodem) unanswered(t *testing.T, o modemsim.DialOptions) {
	t.Helper()
	if o.Rings == 0 {
		o.Rings = 3
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	far, err := m.Dial(ctx, o)
	if err == nil {
		_ = far.Close()
		t.Fatal("the line answered")
	}
	if !errors.Is(err, modemsim.ErrNoAnswer) {
		t.Fatalf("dial: %v", err)
	}
}

// says reads what the host sends within a while, "" for nothing.
func (c *call) says(within time.Duration) string {
	c.t.Helper()
	_ = c.far.SetReadDeadline(time.Now().Add(within))
	buf := make([]byte, 256)
	n, err := c.far.Read(buf)
	_ = c.far.SetReadDeadline(time.Time{})
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("read: %v", err)
	}
	return string(buf[:n])
}

// slowRings makes a virtual phone that rings again and again, as fast as a test can do with.
var slowRings = modemsim.Options{Timing: modemsim.Timing{Ring: 300 * time.Millisecond, CallerID: 50 * time.Millisecond}}

// TestComplaint2_12_WarDialling: who is not on the list hears the phone ring and nothing else, and is in the record with the reason; and
// who is on it learns nothing of what answers before sending something readable.
func TestComplaint2_12_WarDialling(t *testing.T) {
	t.Parallel()
	c := newConf("one")
	c.line("one").keys = `rings: 2, quiet: true, caller_id: {require: true, rules: [{deny: "5550666"}, {allow: "555*"}]}`
	h := newHost(t, c)
	h.modems["one"].off()
	h.plug("one", slowRings)
	h.start()
	for i, stranger := range []struct {
		o      modemsim.DialOptions
		reason string
	}{
		{modemsim.DialOptions{Number: "09005550100"}, "not answered: no caller id rule allows it (the number is present)"},
		{modemsim.DialOptions{Number: "555-0666", Name: "\x1b[2JX"}, "not answered: caller id rule 1: deny 5550666"},
		{modemsim.DialOptions{Number: modemsim.Withheld}, "not answered: no caller id rule allows it (the number is withheld)"},
		{modemsim.DialOptions{}, "not answered: no caller id came, and caller_id.require is set"},
	} {
		h.wantState("one", "listening")
		h.modems["one"].unanswered(t, stranger.o)
		got := h.wantRecord("one", i+1, record{cause: "NAS-Request", verdict: "none"})
		if got.Reason != stranger.reason || !got.Answered.IsZero() || got.OctetsOut != 0 || strings.ContainsRune(got.CallerName, 0x1b) {
			t.Errorf("%+v, want %q", got, stranger.reason)
		}
		wantTexts(t, h.ok("why", got.ID), "nobody was let in", stranger.reason, "decided at ring 2")
	}
	h.wantState("one", "listening")
	friend := h.modems["one"].dialWith(t, modemsim.DialOptions{Number: "555 01-00"})
	if said := friend.says(time.Second); said != "" {
		t.Errorf("the line said %q", said)
	}
	friend.raw([]byte("\x00\x80\x01\xff"))
	if said := friend.says(time.Second); said != "" {
		t.Errorf("the line answered noise with %q", said)
	}
	friend.raw([]byte("\r"))
	friend.login(alice, alicePassword)
	friend.hangUp()
	got := h.wantRecord("one", 5, record{cause: "Lost-Carrier", verdict: "success", user: alice})
	wantTexts(t, h.ok("why", got.ID), "quiet: the caller sent something readable after")
	if l := h.lineView("one"); l.Missed != 4 || l.Calls != 1 {
		t.Errorf("%d missed, %d calls", l.Missed, l.Calls)
	}
}

func wantTexts(t *testing.T, got string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(got, part) {
			t.Errorf("%q is missing in:\n%s", part, got)
		}
	}
}

// TestRoutesByRingAndNumber: a distinctive ring and the number that was dialled choose dialog and service.
func TestRoutesByRingAndNumber(t *testing.T) {
	t.Parallel()
	c := newConf("one")
	c.dialogs += "  guests: {plugin: password, timeout: 60s, banner: \"Guests only.\", options: {file: users.yaml}}\n"
	c.services += strings.Replace(strings.Replace(defaultServices(), "echo:", "other:", 1), "READY", "OTHER", 1)
	c.line("one").keys = `dialog: staff, service: echo, routes: [{ring: B, dialog: guests}, {called: "5551*", service: other}]`
	h := startHost(t, c)
	for i, route := range []struct {
		o                       modemsim.DialOptions
		banner, ready           string
		dialog, service, routed string
	}{
		{modemsim.DialOptions{}, "Authorised use only.", "READY", "staff", "echo", ""},
		{modemsim.DialOptions{Ring: "B"}, "Guests only.", "READY", "guests", "echo", `routed by ring "B": dialog guests, service echo`},
		{modemsim.DialOptions{Number: "1", Called: "555-1234", IDFirst: true}, "Authorised use only.", "OTHER", "staff", "other", `routed by called number "5551*"`},
		{modemsim.DialOptions{Number: "5551234", IDFirst: true}, "Authorised use only.", "READY", "staff", "echo", ""},
	} {
		h.wantState("one", "listening")
		call := h.modems["one"].dialWith(t, route.o)
		call.expect(route.banner)
		call.expect("login: ")
		call.send(alice)
		call.expect("Password: ")
		call.send(alicePassword)
		call.expect(route.ready + " " + alice)
		call.hangUp()
		got := h.wantRecord("one", i+1, record{cause: "Lost-Carrier", verdict: "success", user: alice, service: route.service})
		if got.Dialog != route.dialog {
			t.Errorf("%+v: dialog %s", route.o, got.Dialog)
		}
		wantTexts(t, h.ok("why", got.ID), route.routed)
	}
}

// TestArmedLine: a line that answers only while armed, through a kill -9 and to its end; who armed it is in every place where one looks.
func TestArmedLine(t *testing.T) {
	t.Parallel()
	c := newConf("one", "two")
	c.line("one").keys = "answer: armed"
	h := newHost(t, c)
	h.modems["one"].off()
	h.plug("one", slowRings)
	h.start()
	arm := func(d string) {
		out := h.ok("arm", "one", "--for", d, "--by", "alice", "--reason", "firmware of pump 3")
		wantTexts(t, out, "one: armed by alice (", "firmware of pump 3")
	}
	call := func() {
		t.Helper()
		h.wantState("one", "listening")
		h.wantBack("one")
	}
	missed := func(n int) {
		t.Helper()
		h.wantState("one", "listening")
		h.modems["one"].unanswered(t, modemsim.DialOptions{Number: "5550100", Rings: 1})
		got := h.wantRecord("one", n, record{cause: "NAS-Request", verdict: "none"})
		wantTexts(t, got.Reason, "not answered: the line is not armed (rashost arm one)")
	}
	missed(1)
	wantTexts(t, h.ok("lines"), "not armed")
	if r := h.run("arm", "two", "--for", "1m", "--by", "a", "--reason", "b"); r.code != 1 || !strings.Contains(r.stderr, "answers at any time") {
		t.Errorf("%+v", r)
	}
	if r := h.run("arm", "one", "--for", "soon"); r.code != 2 || !strings.Contains(r.stderr, "--by is missing") {
		t.Errorf("%+v", r)
	}
	arm("1h")
	wantTexts(t, h.ok("lines"), "armed by alice (", "firmware of pump 3")
	call()
	wantTexts(t, h.ok("why", h.calls("one")[0].ID), "the line is armed by alice (", "firmware of pump 3")
	h.kill()
	h.start()
	wantTexts(t, h.ok("lines"), "armed by alice (")
	call()
	wantTexts(t, h.ok("disarm", "one"), "one: disarmed")
	if r := h.run("disarm", "one"); r.code != 1 || !strings.Contains(r.stderr, "not armed") {
		t.Errorf("%+v", r)
	}
	missed(4)
	h.wantState("one", "listening") // 10 s after the last RING: until then it is the same call
	arm("3s")
	busy := h.modems["one"].dial(t)
	busy.login(alice, alicePassword)
	eventually(t, "the arming ends by itself", func() (bool, string) {
		return h.lineView("one").Armed == nil, fmt.Sprintf("%+v", h.lineView("one"))
	})
	busy.echoes("a call in progress goes on")
	busy.hangUp()
	h.wantRecord("one", 5, record{cause: "Lost-Carrier", verdict: "success", user: alice})
	missed(6)
	events := h.ok("why", "one")
	wantTexts(t, events, "armed by alice (", "disarmed by", "no longer armed: the time is over")
}

// owner is a service that tries to own the line: it leaves its session with the terminal open, switches the carrier off, offers a login of
// its own to whoever comes next, and says what it has got.
const owner = `tty; stty clocal -hupcl; ls -l /proc/self/fd
setsid sh -c 'trap "" HUP TERM; for i in 1 2 3 4 5 6; do echo "EVIL login: "; printf "ATDT0900\\r"; sleep 5; done' &
stty -echo; echo READY $RASHOST_USER $RASHOST_LINE; exec cat`

// TestComplaint2_16_ShellOwnsNoModem: a caller with a shell has a pty, not the line: what they set there, leave behind or keep open touches
// neither the modem nor the next caller.
func TestComplaint2_16_ShellOwnsNoModem(t *testing.T) {
	t.Parallel()
	c := newConf("one")
	c.services = fmt.Sprintf("  echo: {type: command, command: [/bin/sh, -c, %q], idle: 1h, grace: 1s%s}\n", owner, runAs())
	h := startHost(t, c)
	for range 2 {
		h.wantState("one", "listening")
		call := h.modems["one"].dial(t)
		got := call.expect("login: ")
		if strings.Contains(got, "EVIL") {
			t.Fatalf("the caller before is on the line: %q", got)
		}
		call.send(alice)
		call.expect("Password: ")
		call.send(alicePassword)
		got = call.expect("READY " + alice)
		if device := h.modems["one"].pty.Path; strings.Contains(got, device+"\r") || strings.Contains(got, device+"\n") || !strings.Contains(got, "/dev/pts/") {
			t.Errorf("the service has the line's device %s:\n%s", device, got)
		}
		call.expect("EVIL login: ") // it owns the terminal, as long as the call lasts
		call.hangUp()
		eventually(t, "the record of the call is closed", func() (bool, string) {
			calls := h.calls("one")
			return !calls[0].Open && calls[0].CauseName == "Lost-Carrier", fmt.Sprintf("%+v", calls[0])
		})
	}
	h.wantState("one", "listening")
	call := h.modems["one"].dial(t)
	if got := call.expect("login: "); strings.Contains(got, "EVIL") || strings.Contains(got, "ATDT") {
		t.Errorf("the next caller sees %q", got)
	}
	call.hangUp()
}
