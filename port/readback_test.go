package port

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rashost/hardware"
)

// readBackProfile switches the escape off, and has a question of its own.
func readBackProfile() *hardware.Profile {
	p := testProfile()
	p.Init = append(p.Init, hardware.Step{Send: "ATS2=255", Optional: true})
	p.EscapeOff = "ATS2=255"
	p.ReadBack = []hardware.ReadBack{{Query: "AT+VCID?", Pattern: `\+VCID: 1`, Means: "caller id is on"}}
	return p
}

// TestReadBack: what the modem says of itself counts for more than that it said OK; whatever it says, the line listens.
func TestReadBack(t *testing.T) {
	ok := func(text string) string { return "\r\n" + text + "\r\n\r\nOK\r\n" }
	for name, c := range map[string]struct {
		answers map[string]string
		events  []string // parts, in order; none besides
		off     bool     // the escape counts as off
	}{
		"all is well":           {map[string]string{"ATS2?": ok("255"), "AT+VCID?": ok("+VCID: 1")}, nil, true},
		"with leading noughts":  {map[string]string{"ATS2?": ok("S2: 0128"), "AT+VCID?": ok("+VCID: 1")}, nil, true},
		"the escape is on":      {map[string]string{"ATS2?": ok("043"), "AT+VCID?": ok("+VCID: 1")}, []string{`ATS2? does not show that the escape is off: the modem says "043"`}, false},
		"127 is on":             {map[string]string{"ATS2?": ok("127"), "AT+VCID?": ok("+VCID: 1")}, []string{"ATS2? does not show"}, false},
		"caller id is off":      {map[string]string{"ATS2?": ok("255"), "AT+VCID?": ok("+VCID: 0")}, []string{`AT+VCID? does not show that caller id is on: the modem says "+VCID: 0"`}, true},
		"questions are refused": {map[string]string{"ATS2?": "\r\nERROR\r\n", "AT+VCID?": "\r\nERROR\r\n"}, nil, true},
		"nothing is said":       {nil, nil, true},
		"no answers":            {map[string]string{"AT+VCID?": "-"}, nil, true},
		"S2 is refused":         {map[string]string{"ATS2=255": "\r\nERROR\r\n", "ATS2?": ok("43"), "AT+VCID?": ok("+VCID: 1")}, []string{"the modem does not take ATS2=255: its escape is on", "ATS2? does not show"}, false},
		"babble":                {map[string]string{"ATS2?": ok(strings.Repeat("\x1b[2Jno number\r\n", 1000)), "AT+VCID?": ok("+VCID: 1")}, []string{`ATS2? does not show that the escape is off: the modem says "`}, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, FakeOptions{}, func(r *rig) {
				r.cfg.Profile = readBackProfile()
				for q, a := range c.answers {
					r.modem.answers[q] = a
				}
			}, func(r *rig) {
				r.within(4*time.Second, Listening)
				r.mu.Lock()
				events := slices.Clone(r.events)
				r.mu.Unlock()
				if len(events) != len(c.events) {
					t.Fatalf("%d events: %+v", len(events), events)
				}
				for i, want := range c.events {
					if got := events[i].Text + ": " + events[i].Result; !strings.Contains(got, want) || strings.Contains(got, "\x1b") || len(got) > 800 {
						t.Errorf("event %q, want %q", got, want)
					}
				}
				if l := r.mgr.line(r.cfg.Name); l.noEscape != c.off {
					t.Errorf("the escape counts as off: %v", l.noEscape)
				}
				r.ring() // and no answer was taken for a caller id
				if id := r.begun[0].CallerID; id.Number != "" {
					t.Errorf("caller id %+v", id)
				}
			})
		})
	}
}

// TestReadBackGivesWayToACall: a phone that rings meanwhile is answered, not asked behind.
func TestReadBackGivesWayToACall(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		r.cfg.Profile = readBackProfile()
		r.modem.answers["AT+VCID?"] = "\r\nRING\r\n\r\n+VCID: 1\r\n\r\nOK\r\n"
	}, func(r *rig) {
		r.within(2*time.Second, Dialog)
		if slices.Contains(r.modem.said(), escapeQuery) {
			t.Error("it went on asking")
		}
	})
}

// TestReadBackOnlyWithoutCaller: after a call the modem is set up anew, in little time, and not asked again; what it said before counts.
func TestReadBackOnlyWithoutCaller(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		r.cfg.Profile = readBackProfile()
		r.cfg.Profile.DTR = hardware.DTRReset
		r.modem.answers[escapeQuery] = "\r\n043\r\n\r\nOK\r\n"
	}, func(r *rig) {
		r.within(2*time.Second, Listening)
		r.ring()
		r.modem.lose("\r\nNO CARRIER\r\n")
		r.within(5*time.Second, Listening)
		asked := 0
		for _, command := range r.modem.said() {
			if command == escapeQuery {
				asked++
			}
		}
		if l := r.mgr.line(r.cfg.Name); asked != 1 || l.noEscape {
			t.Errorf("asked %d times, the escape counts as off: %v", asked, l.noEscape)
		}
		synctest.Wait()
	})
}
