package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rashost/internal/admin"
	"rashost/port/modemsim"
)

// eventsOf returns the events of a line, as `rashost lines LINE --json` prints them.
func (h *host) eventsOf(line string) []admin.LineEventView {
	h.t.Helper()
	var reply admin.LineReply
	out := h.ok("lines", line, "--json")
	if err := json.Unmarshal([]byte(out), &reply); err != nil {
		h.t.Fatalf("lines %s --json: %v\n%s", line, err, out)
	}
	return reply.Events
}

// wantEvent waits until something happened on a line.
func (h *host) wantEvent(line, kind string, texts ...string) {
	h.t.Helper()
	eventually(h.t, line+": event "+kind+" with "+strings.Join(texts, ", "), func() (bool, string) {
		events := h.eventsOf(line)
		all, _ := json.Marshal(events)
		return slices.ContainsFunc(events, func(e admin.LineEventView) bool {
			return e.Kind == kind && contains(e.Text+": "+e.Result, texts...)
		}), string(all)
	})
}

// "After a call ended badly, the line never answers again until somebody restarts something": however it ends, the next call works, and
// nobody did anything.
func TestComplaint2_1_LineNeverAnswersAgain(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]func(h *host, c *call){
		"the caller goes without a word": func(h *host, c *call) {
			h.modems["one"].SetFaults(modemsim.Faults{SilentHangup: true})
			c.hangUp()
			h.ok("hangup", "one")
		},
		"the modem dies in the session": func(h *host, c *call) {
			h.modems["one"].SetFaults(modemsim.Faults{Wedged: true})
			h.ok("hangup", "one")
			h.wantReason("one", "recovering")
			c.hangUp()
		},
		"the modem answers nothing at the end": func(h *host, c *call) {
			h.modems["one"].SetFaults(modemsim.Faults{Mute: true})
			c.raw([]byte{4})
			h.wantReason("one", "recovering")
		},
		"an OK is lost at the end": func(h *host, c *call) {
			h.modems["one"].SetFaults(modemsim.Faults{LoseOK: 1})
			c.raw([]byte{4})
		},
		"it rings while the line hangs up": func(h *host, c *call) {
			h.modems["one"].SetFaults(modemsim.Faults{RingInCommand: 2})
			c.raw([]byte{4})
		},
		"the device is pulled out": func(h *host, _ *call) {
			h.pull("one")
			h.wantState("one", "absent")
			h.plug("one", modemsim.Options{})
		},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			h := startHost(t, newConf("one"))
			c := h.modems["one"].dial(t)
			c.login(alice, alicePassword)
			bad(h, c)
			eventually(t, "the call is over", func() (bool, string) {
				calls := h.calls("one")
				return !slices.ContainsFunc(calls, func(c admin.CallView) bool { return c.Open }), "it is open"
			})
			h.modems["one"].SetFaults(modemsim.Faults{})
			eventually(t, "the line answers again", func() (bool, string) {
				l := h.lineView("one")
				return l.State == "listening" || l.State == "dialog", l.State + ": " + l.Reason
			})
			h.wantBack("one")
		})
	}
}

// USB modems wedge until they are replugged: the ladder is climbed, its steps are kept with their results, the last one is not taken
// unless it was configured and the device hangs on USB; then the line is quarantined, says why, and comes back with the modem.
func TestComplaint2_2_ModemWedges(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string]string{"not configured": "quarantine_after: 2", "configured": "quarantine_after: 2, usb_reset: 1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newConf("one", "two")
			c.line("one").keys = keys
			h := newHost(t, c)
			h.modems["one"].SetFaults(modemsim.Faults{Wedged: true})
			h.start()
			by := h.bystander("two")
			for _, step := range []string{"flush, AT", "escape, ATH", "DLE ETX, escape, ATH", "reset"} {
				h.wantEvent("one", "ladder", step+": did not help: modem command")
			}
			h.wantReason("one", "quarantined", `command "AT"`)
			h.wantEvent("one", "ladder", "device closed and opened: did not help")
			h.wantEvent("one", "quarantine", "failed too often")
			h.modems["one"].SetFaults(modemsim.Faults{Mute: true})
			h.ok("reset", "one")
			if name == "configured" { // the next try goes on above the opened device
				h.wantEvent("one", "ladder", "USB device off and on: did not help", "is no USB device")
			}
			h.modems["one"].SetFaults(modemsim.Faults{})
			h.ok("reset", "one")
			h.wantBack("one")
			if usb := strings.Contains(h.log.String(), "USB device"); usb != (name == "configured") {
				t.Errorf("a step with USB was tried: %v", usb)
			}
			by.undisturbed()
		})
	}
}

// "No observability": what failed and what was done about it, with results, by `why` and `lines`, also as JSON, and also when the host
// does not run any more.
func TestComplaint2_8_WhatHappenedOnTheLine(t *testing.T) {
	t.Parallel()
	c := newConf("one")
	h := newHost(t, c)
	h.modems["one"].SetFaults(modemsim.Faults{MuteAfter: 2})
	h.start()
	h.wantReason("one", "recovering", "ATE0")
	h.modems["one"].SetFaults(modemsim.Faults{})
	h.wantState("one", "listening")
	h.wantEvent("one", "ladder", "helped: the line listens again")
	want := []string{"Line one is listening since ", "ladder", "helped: the line listens again"}
	if out := h.ok("why", "one"); !contains(out, want...) {
		t.Errorf("why one:\n%s", out)
	}
	if out := h.ok("lines", "one"); !contains(out, "state", "listening", "device", "ladder") {
		t.Errorf("lines one:\n%s", out)
	}
	if log := h.log.String(); !contains(log, `msg="line event"`, "kind=ladder line=one", "helped") {
		t.Errorf("the log does not say it:\n%s", log)
	}
	h.stop()
	if out := h.ok("why", "one"); !contains(out, want[1:]...) {
		t.Errorf("why one, without the host:\n%s", out)
	}
}

// Noise and babble fill logs: however much comes on a line that listens, the log says little, the event is counted, and a call works.
func TestComplaint2_9_NoiseAndBabble(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]modemsim.Faults{
		"noise":  {Burst: 1000, Every: 1e6},
		"babble": {Babble: []byte("\r\nlogin: \r\nPassword: \r\nLogin incorrect\r\n"), Every: 1e6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := startHost(t, newConf("one", "two"))
			by := h.bystander("two")
			before := strings.Count(h.log.String(), "line=one")
			h.modems["one"].SetFaults(f)
			h.wantEvent("one", "noise", "bytes that mean nothing came while the line listened")
			by.undisturbed()
			h.modems["one"].SetFaults(modemsim.Faults{})
			if n := strings.Count(h.log.String(), "line=one") - before; n > 20 {
				t.Errorf("%d lines of log", n)
			}
			if l := h.lineView("one"); l.State != "listening" {
				t.Errorf("the line is %s: %s", l.State, l.Reason)
			}
			h.wantBack("one")
		})
	}
}

// Sessions that the books think are alive: a host that is killed in a call closes its record at the next start, and the line answers.
func TestComplaint2_13_NoGhostSessions(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one"))
	c := h.modems["one"].dial(t)
	c.login(alice, alicePassword)
	h.kill()
	h.start()
	h.wantRecord("one", 1, record{cause: "NAS-Reboot", verdict: "success", user: alice})
	c.hangUp()
	h.wantBackAfter("one", 1)
}

// wantBackAfter is wantBack for a line whose modem may still be in the call of a host that was killed.
func (h *host) wantBackAfter(line string, calls int) {
	h.t.Helper()
	h.wantState(line, "listening")
	if got := len(h.calls(line)); got != calls {
		h.t.Errorf("%d calls are recorded, want %d", got, calls)
	}
	h.wantBack(line)
}

// Fail loudly instead of half-starting, and take a line out of service without cutting anybody off.
func TestComplaint2_17_FailLoudlyAndBusyOut(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one"))
	c := h.modems["one"].dial(t)
	c.login(alice, alicePassword)
	h.ok("disable", "one", "--when-idle")
	if l := h.lineView("one"); l.State != "session" || l.Pending != "disabled when the call is over" {
		t.Errorf("%+v", l)
	}
	if out := h.ok("lines"); !strings.Contains(out, "disabled when the call is over") {
		t.Errorf("lines:\n%s", out)
	}
	c.echoes("still here")
	c.hangUp()
	h.wantRecord("one", 1, record{cause: "Lost-Carrier", verdict: "success", user: alice})
	h.wantState("one", "disabled")
	h.ok("enable", "one")
	h.wantBack("one")

	// A device that can never work is named at once, by line, and the host says so at its start and ever after.
	c2 := newConf("bad", "good")
	c2.line("bad").device = filepath.Join(t.TempDir(), "no-tty")
	must(t, os.WriteFile(c2.line("bad").device, nil, 0o600))
	h2 := newHost(t, c2)
	h2.start()
	h2.wantReason("bad", "recovering", "not a serial device")
	h2.wantBack("good")
}

// A line in its maintenance window takes no calls and says until when; who enables it has it.
func TestMaintenanceWindow(t *testing.T) {
	t.Parallel()
	c := newConf("one", "two")
	c.line("one").keys = `maintenance: {at: "` + time.Now().Add(-time.Minute).Format("15:04") + `", for: 12h}`
	h := newHost(t, c)
	h.start()
	h.wantState("two", "listening")
	l := h.wantState("one", "disabled")
	if !strings.HasPrefix(l.Reason, "maintenance until ") || l.NextTry.IsZero() {
		t.Errorf("%+v", l)
	}
	h.wantEvent("one", "maintenance", "the window is open")
	h.ok("enable", "one")
	h.wantBack("one")
}
