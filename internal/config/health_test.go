package config

import (
	"strings"
	"testing"
	"time"
)

// TestHealthKeys: the keys that keep a line alive, with their defaults, and what is refused.
func TestHealthKeys(t *testing.T) {
	cfg, err := load(t, good, testEnv)
	if err != nil {
		t.Fatal(err)
	}
	l := cfg.Lines[0]
	if l.QuarantineAfter != 6 || l.USBReset != 0 || l.BusyWhenDead || l.DSR != "auto" || l.Maintenance.At != "" {
		t.Errorf("defaults: %+v", l)
	}
	with := func(more string) string { return strings.Replace(good, `device: "sim:a"`, more, 1) }
	cfg, err = load(t, with(`device: /dev/ttyS9, quarantine_after: 3, usb_reset: 2, busy_when_dead: true, dsr: required, `+
		`maintenance: {at: "03:30", for: 30m, days: [sun, wed]}`), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	l = cfg.Lines[0]
	if l.QuarantineAfter != 3 || l.USBReset != 2 || !l.BusyWhenDead || l.DSR != "required" || l.Maintenance.At != "03:30" ||
		time.Duration(l.Maintenance.For) != 30*time.Minute || len(l.Maintenance.Days) != 2 || Weekday(l.Maintenance.Days[1]) != int(time.Wednesday) {
		t.Errorf("%+v", l)
	}
	for text, want := range map[string]string{
		`device: "sim:a", quarantine_after: 0`:                                           "quarantine_after: 0 is out of range: allowed is 1 to 100",
		`device: "sim:a", usb_reset: 1`:                                                  "usb_reset: sim:a is no USB device",
		`device: /dev/ttyS9, usb_reset: 25`:                                              "usb_reset: 25 is out of range: allowed is 1 to 24, or 0",
		`device: /dev/ttyS9, modem: none, busy_when_dead: true`:                          "busy_when_dead: a direct line has no hook",
		`device: "pty:x", modem: none, dsr: required`:                                    "dsr: a pty has no control signals",
		`device: "sim:a", dsr: maybe`:                                                    "dsr:",
		`device: "sim:a", maintenance: {at: "3:30", for: 30m}`:                           "maintenance.at:",
		`device: "sim:a", maintenance: {at: "24:00", for: 30m}`:                          "maintenance.at:",
		`device: "sim:a", maintenance: {for: 30m}`:                                       "maintenance",
		`device: "sim:a", maintenance: {at: "03:30"}`:                                    "maintenance",
		`device: "sim:a", maintenance: {at: "03:30", for: 30s}`:                          "maintenance.for: 30s is out of range: allowed is 1m to 24h",
		`device: "sim:a", maintenance: {at: "03:30", for: 1h, days: [sun, someday]}`:     `maintenance.days[1]: "someday" is no day`,
		`device: "sim:a", maintenance: {at: "03:30", for: 1h, days: [sun], every: week}`: "every",
	} {
		if _, err := load(t, with(text), testEnv); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}
