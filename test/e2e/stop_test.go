package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// SIGTERM in a dialog and in a session: both end within the grace, with a record.
func TestSIGTERM(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one", "two", "three"))
	inDialog := h.modems["one"].dial(t)
	inDialog.expect("login: ")
	inSession := h.modems["two"].dial(t)
	inSession.login(alice, alicePassword)
	must(t, h.cmd.Process.Signal(syscall.SIGTERM))
	h.wantExit(0)
	inDialog.ended()
	inSession.ended()
	h.wantRecord("one", 1, record{cause: "Admin-Reboot", verdict: "none"})
	h.wantRecord("two", 1, record{cause: "Admin-Reboot", verdict: "success", user: alice})
	h.start()
	for _, line := range []string{"one", "two", "three"} {
		h.wantState(line, "listening")
	}
	h.wantBack("two")
}

// kill -9 at every step of a call. The next start closes the row, and the line works.
func TestKilledDaemon(t *testing.T) {
	t.Parallel()
	open := record{cause: "NAS-Reboot", verdict: "none"}
	for _, step := range []struct {
		name string
		to   func(h *host)
		rows int
		want record
	}{
		{"listening", func(*host) {}, 0, record{}},
		{"ringing", func(h *host) { h.modems["one"].ring(h.t, ringOnce); h.wantState("one", "ringing") }, 0, record{}},
		{"answering", func(h *host) { h.modems["one"].ring(h.t, ringTwice); h.wantState("one", "answering") }, 1, open},
		{"dialog", func(h *host) { h.fast(); h.modems["one"].dialWith(h.t, ringTwice).expect("login: ") }, 1, open},
		{"session", func(h *host) { h.fast(); h.modems["one"].dialWith(h.t, ringTwice).login(alice, alicePassword) }, 1,
			record{cause: "NAS-Reboot", verdict: "success", user: alice}},
	} {
		t.Run(step.name, func(t *testing.T) {
			t.Parallel()
			h := slowHost(t)
			step.to(h)
			if step.rows == 1 { // the start row is on its way: wait until it is on disk
				eventually(t, "the row is there", func() (bool, string) { return len(h.calls("one")) == 1, "" })
			}
			h.kill()
			h.fast()
			h.start()
			h.wantState("one", "listening")
			if step.rows > 0 {
				h.wantRecord("one", 1, step.want)
			} else if rows := h.calls("one"); len(rows) != 0 {
				t.Errorf("records of no call: %+v", rows)
			}
			c := h.modems["one"].dialWith(t, ringTwice)
			c.login(alice, alicePassword)
			c.hangUp()
			h.wantRecord("one", step.rows+1, record{cause: "Lost-Carrier", verdict: "success", user: alice})
			h.wantState("one", "listening")
		})
	}
}

// What a call's program left running when the host was killed is gone when the next host serves, also when it ignores every signal that
// can be ignored.
func TestKilledDaemonLeavesNoProgram(t *testing.T) {
	t.Parallel()
	c := newConf("one")
	c.services += "  stubborn: {type: command, command: [/bin/sh, -c, 'trap \"\" HUP TERM INT; echo READY $RASHOST_USER; echo pid $$ .; while :; do sleep 1; done']" + runAs() + "}\n"
	c.line("one").keys = "service: stubborn"
	h := startHost(t, c)
	one := h.modems["one"].dial(t)
	one.login(alice, alicePassword)
	one.expect("pid ")
	pid := strings.TrimSuffix(one.expect(" ."), " .")
	lives := func() bool { // one that nobody has reaped does not
		stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
		return err == nil && !strings.Contains(string(stat), ") Z ")
	}
	h.kill()
	if !lives() {
		t.Error("it ended with its host: the test proves nothing")
	}
	h.start()
	eventually(t, "the program is gone", func() (bool, string) { return !lives(), "it lives" })
	h.wantState("one", "listening")
}

// A service that ignores SIGHUP is killed when its grace is over, also when that is the default, and the record has its exit status; the
// line is back before that matters to anybody.
func TestServiceIgnoresSIGHUP(t *testing.T) {
	t.Parallel()
	for name, grace := range map[string]string{"short grace": ", grace: 300ms", "default grace": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newConf("one", "two")
			c.services += "  stubborn: {type: command, command: [/bin/sh, -c, 'trap \"\" HUP TERM INT; echo READY $RASHOST_USER; while :; do sleep 1; done']" + grace + runAs() + "}\n"
			c.line("one").keys = "service: stubborn"
			h := startHost(t, c)
			by := h.bystander("two")
			one := h.modems["one"].dial(t)
			one.login(alice, alicePassword)
			one.hangUp()
			got := h.wantRecord("one", 1, record{cause: "Lost-Carrier", verdict: "success", user: alice})
			if !strings.Contains(strings.ToLower(got.Exit), "kill") {
				t.Errorf("exit status %q, want that it was killed", got.Exit)
			}
			h.wantState("one", "listening")
			by.undisturbed()
		})
	}
}
