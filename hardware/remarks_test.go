package hardware_test

import (
	"fmt"
	"strings"
	"testing"

	"rashost/hardware"
)

// TestRemarks: what no set-up may do is a fault with its place, and what lint finds besides a warning.
func TestRemarks(t *testing.T) {
	d := dictionary(t)
	const head = "name: own\ninit:\n"
	for text, want := range map[string]string{
		`  - {send: ATE0, source: s}
  - {send: ATD5551234, source: s}`: `fault own.yaml:4:5: init[1]: "D5551234": it begins a call`,
		`  - {send: ATS0=1, source: s}`:                                   `fault own.yaml:3:5: init[0]: "S0=1": the modem answers by itself`,
		`  - {send: ATA, source: s}`:                                      `fault own.yaml:3:5: init[0]: "A": it begins a call`,
		`  - {send: "AT&F&W", source: s}`:                                 `fault own.yaml:3:5: init[0]: "&W": what is stored`,
		`  - {send: "at&w1", source: s}`:                                  `fault own.yaml:3:5: init[0]: "&w1": what is stored`,
		`  - {send: "+++ATS0=2\r", raw: true, no_reply: true, source: s}`: `fault own.yaml:3:5: init[0]: "S0=2": the modem answers by itself`,
		`  - {send: ATE1, source: s}`:                                     `warning own.yaml:3:5: init[0]: "E1": the modem gives back`,
		`  - {send: ATS0=0, source: s}`:                                   `warning own.yaml:2:1: init: does not set E0, V1, Q0, &C1, S2=255, &D2`,
		`  - {send: ATI3, source: s}`:                                     `warning own.yaml:1:1: init[0]: ATI3 asks before E0 and V1`,
	} {
		data := []byte(head + text + "\n")
		p, err := hardware.Parse(data, "own.yaml")
		if err != nil {
			t.Fatal(err)
		}
		faults, warnings := d.Remarks(&p, data, "own.yaml")
		var all []string
		for _, f := range faults {
			all = append(all, "fault "+f.Error())
		}
		for _, f := range warnings {
			all = append(all, "warning "+f.Error())
		}
		if got := strings.Join(all, "\n"); !strings.Contains(got, want) {
			t.Errorf("%s:\n got %s\nwant %s", text, got, want)
		}
		if strings.HasPrefix(want, "warning") == (len(faults) > 0) {
			t.Errorf("%s: faults %v", text, faults)
		}
	}
	for _, p := range builtin(t) {
		if faults, warnings := d.Remarks(&p, []byte("name: "+p.Name), p.Name); len(faults)+len(warnings) > 0 {
			t.Errorf("%s: %v %v", p.Name, faults, warnings)
		}
	}
}

// TestTooLongTimes: a set-up that waits for hours is a line that never listens.
func TestTooLongTimes(t *testing.T) {
	for _, line := range []string{
		"command_delay: 31s", "command_timeout: 2m", "reset: {command: ATZ, source: s, delay: 1m}", "hangup: {dtr_time: 1h}", "hangup: {guard: 40s}",
		"answer: {timeout: 11m}", "init: [{send: ATE0, source: s, delay_after: 20h}]", "recover: [{send: ATE0, source: s, timeout: 61s}]",
	} {
		if _, err := hardware.Parse(fmt.Appendf(nil, "name: own\n%s\n", line), "own.yaml"); err == nil || !strings.Contains(err.Error(), "is too long: at most") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestEveryFaultAtOnce: an unknown key hides no fault of the rules.
func TestEveryFaultAtOnce(t *testing.T) {
	_, err := hardware.Parse([]byte("name: own\nfoo: 1\ninit:\n  - {send: ATE0}\n"), "own.yaml")
	if err == nil || !strings.Contains(err.Error(), "foo") || !strings.Contains(err.Error(), "give its source") {
		t.Errorf("%v", err)
	}
	if _, err := hardware.Parse([]byte("[1, 2]"), "own.yaml"); err == nil {
		t.Error("a list is a profile")
	}
}
