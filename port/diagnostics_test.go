package port

import (
	"strings"
	"testing"
	"time"

	"rashost/hardware"
)

// TestDiagnostics: the modem is asked about a call when it is over, before any reset, and its answers are in the call's record and an
// event: quoted, bounded, and in time.
func TestDiagnostics(t *testing.T) {
	ask := func(r *rig) {
		r.handler = once
		r.cfg.Profile.Diagnostics = []hardware.Step{{Send: "ATI6"}, {Send: "AT#UD"}}
		r.modem.answers["ATI6"] = "\r\nChars sent 512\r\nLast \x1b[2Jcall 00:00:07\r\n\r\nOK\r\n"
		r.modem.answers["AT#UD"] = "\r\nERROR\r\n"
	}
	t.Run("after the hang-up", func(t *testing.T) {
		bubble(t, FakeOptions{}, ask, func(r *rig) {
			e := r.callOnce(2 * time.Second)
			if said := strings.Join(r.modem.said(), " "); !strings.HasSuffix(said, "ATA AT ATI6 AT#UD") {
				t.Errorf("commands: %s", said)
			}
			steps := stepsText(e)
			if !strings.Contains(steps, `what the modem says of the call: Chars sent 512 | Last [2Jcall 00:00:07`) || strings.Contains(steps, "\x1b") {
				t.Errorf("steps:\n%s", steps)
			}
			if told := r.told(EventDiagnostics); len(told) != 1 {
				t.Errorf("told: %v", told)
			}
		})
	})
	t.Run("before DTR resets the modem", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) {
			ask(r)
			r.handler, r.cfg.Profile.DTR, r.modem.carrier = new(readAll).serve, hardware.DTRReset, false
		}, func(r *rig) {
			r.within(time.Second, Listening)
			r.ring()
			r.modem.lose("\r\nNO CARRIER\r\n")
			r.within(noCarrierSilence+5*time.Second, Listening)
			_, after, _ := strings.Cut(strings.Join(r.modem.said(), " "), "ATA ")
			if !strings.HasPrefix(after, "ATI6 AT#UD +++ATH AT ATE0") {
				t.Errorf("commands: %s", after)
			}
			if steps := stepsText(r.lastEnd()); strings.Index(steps, "Chars sent") > strings.Index(steps, "DTR was low") {
				t.Errorf("steps:\n%s", steps)
			}
		})
	})
	t.Run("no answer", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) { ask(r); r.modem.answers["ATI6"], r.modem.answers["AT#UD"] = "-", "-" }, func(r *rig) {
			if e := r.callOnce(time.Second + diagnosticsTime); !strings.Contains(stepsText(e), "the modem says nothing of the call") {
				t.Errorf("steps:\n%s", stepsText(e))
			}
		})
	})
	t.Run("a flood", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) {
			ask(r)
			r.modem.answers["ATI6"] = strings.Repeat("\r\n"+strings.Repeat("x", 150), 200) + "\r\nOK\r\n"
		}, func(r *rig) {
			r.callOnce(2 * time.Second)
			told := r.told(EventDiagnostics)
			if len(told) != 1 || len(told[0]) > diagnosticsText+2*diagnosticsLine+100 {
				t.Errorf("told: %.3000v", told)
			}
		})
	})
	t.Run("the next caller does not wait", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) {
			ask(r)
			r.modem.answers["ATI6"] = "-"
		}, func(r *rig) {
			r.within(time.Second, Listening)
			r.say("\r\nRING\r\n")
			time.Sleep(time.Second)
			if s := r.snap(); s.State != HangingUp {
				t.Fatalf("it is %s", s.State)
			}
			r.handler = waits
			r.say("\r\nRING\r\n")
			r.within(100*time.Millisecond, Dialog)
		})
	})
}
