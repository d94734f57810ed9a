package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// rss is what the daemon has in memory at most so far, in KiB.
func (h *host) rss() int {
	h.t.Helper()
	b, err := os.ReadFile("/proc/" + pid(h) + "/status")
	must(h.t, err)
	for l := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(l, "VmHWM:"); ok {
			kb, err := strconv.Atoi(strings.Fields(v)[0])
			must(h.t, err)
			return kb
		}
	}
	h.t.Fatal("no VmHWM in /proc/PID/status")
	return 0
}

// 300 wrong logins in a row, with lock-out off and on: the daemon stays small, the records are right, and the line listens. With
// lock-out the account is refused even with its right password until the operator unlocks it; without, it is let in at once.
func Test300WrongLogins(t *testing.T) {
	t.Parallel()
	const perCall, calls = 50, 6
	// One hash takes 19 MiB, and one is computed for each core at a time.
	const bound = 256 << 10
	for name, lockout := range map[string]string{"lock-out off": "", "lock-out on": ", lockout: {denials: 10, reset: 24h}"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newConf("one", "two")
			c.dialogs = fmt.Sprintf("  staff: {plugin: password, timeout: 5m, attempts: %d, options: {file: users.yaml}%s}\n", perCall, lockout)
			h := startHost(t, c)
			by := h.bystander("two")
			for n := range calls {
				one := h.modems["one"].dial(t)
				for range perCall {
					one.denied(alice, "wrong")
				}
				one.ended()
				h.wantRecord("one", n+1, record{cause: "Service-Unavailable", verdict: "failure", user: alice, events: []uint32{20097}})
				h.wantState("one", "listening")
			}
			if kb := h.rss(); kb > bound && os.Getenv("RASHOST_E2E_RACE") == "" {
				t.Errorf("the daemon took %d KiB, more than %d", kb, bound)
			}
			if lockout != "" {
				locked := h.modems["one"].dial(t)
				locked.denied(alice, alicePassword)
				h.ok("user", "unlock", alice)
				locked.login(alice, alicePassword)
			} else {
				h.wantBack("one")
			}
			by.undisturbed()
		})
	}
}

// A lock-out outlives a restart, holds for the one account only, and ends by `rashost user unlock`.
func TestLockoutOutlivesRestart(t *testing.T) {
	t.Parallel()
	c := newConf("one")
	c.dialogs = "  staff: {plugin: password, timeout: 60s, attempts: 3, options: {file: users.yaml}, lockout: {denials: 3, reset: 24h}}\n"
	h := startHost(t, c)
	one := h.modems["one"].dial(t)
	for range 3 {
		one.denied(alice, "wrong")
	}
	one.ended()
	h.wantRecord("one", 1, record{cause: "Service-Unavailable", verdict: "failure", user: alice})
	h.stop()
	h.start()
	h.wantState("one", "listening")
	one = h.modems["one"].dial(t)
	one.denied(alice, alicePassword)
	one.login(bob, bobPassword)
	one.raw([]byte{4})
	one.ended()
	h.wantState("one", "listening")
	if out := h.ok("user", "unlock", alice); !strings.Contains(out, "unlocked") {
		t.Errorf("unlock says %q", out)
	}
	h.modems["one"].dial(t).login(alice, alicePassword)
}
