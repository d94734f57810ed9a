package config

import (
	"strings"
	"testing"
)

// ppp is a file whose line has a ppp service with these keys, and the line those.
func ppp(service, line string) string {
	text := strings.Replace(good, "{type: command, command: [/bin/true]}", "{type: ppp"+service+"}", 1)
	return strings.Replace(text, "name: a,", "name: a, "+line, 1)
}

// TestComplaint2_15_OpenPPPDefaults: what leaves PPP open, or passwords in sight, is named, with its place.
func TestComplaint2_15_OpenPPPDefaults(t *testing.T) {
	for option, want := range map[string]string{
		"noauth":           "noauth lets a caller go without a name in PPP",
		"show-password":    "show-password writes passwords",
		"password, geheim": "password shows a password",
		"call, provider":   "call reads more options from a file",
		"record, /tmp/x":   "record writes a file with all that is sent",
	} {
		cfg, err := load(t, ppp(", options: ["+option+"]", "carrier: required,"), testEnv)
		if err != nil {
			t.Errorf("%s: %v", option, err)
			continue
		}
		if got := Faults(cfg.Warnings).Error(); !strings.Contains(got, "services.shell.options[0]: "+want) {
			t.Errorf("%s: got %q", option, got)
		}
	}
	for _, argument := range []string{"name, noauth", "ipparam, show-password", "user, pty"} { // words that are no options
		if cfg, err := load(t, ppp(", options: ["+argument+"]", "carrier: required,"), testEnv); err != nil || len(cfg.Warnings) > 0 {
			t.Errorf("%s: %v, %v", argument, err, cfg.Warnings)
		}
	}
}

func TestPPPFaults(t *testing.T) {
	for _, c := range []struct{ service, line, want string }{
		{", options: [persist]", "", "options[0]: persist would call again"},
		{", options: [demand]", "", "options[0]: demand waits for traffic"},
		{", options: [noauth, /dev/ttyS1]", "", "options[1]: /dev/ttyS1 is a device"},
		{", options: [pty, x]", "", "options[0]: pty makes a connection"},
		{", options: [+ipv6]", "", "options[0]: +ipv6 carries data before"},
		{", options: [mp]", "", "options[0]: mp joins a second call"},
		{", options: [connect, x], direct: true", "", "options[0]: connect makes a connection"},
		{", options: [record, x], direct: true", "", "options[0]: record puts a pty between"},
		{", options: [escape, \"ff,2b\"]", "", "options[0]: escape 2b: what it becomes"},
		{", options: [escape, 0x3f]", "", "escape 0x3f: what it becomes"},
		{", peer: perhaps", "", "peer: \"perhaps\""},
		{"", "parity: even,", "lines[0].parity: PPP needs eight bits"},
		{", command: [x]", "", "command: does not belong to type ppp"},
	} {
		if _, err := load(t, ppp(c.service, c.line), testEnv); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: got %v, want %s", c.service, c.line, err, c.want)
		}
	}
	for _, service := range []string{
		", options: [+ipv6, mp], peer: record", ", options: [connect, x]", ", options: [asyncmap, a0000, escape, ff], direct: true, peer: check",
	} {
		if _, err := load(t, ppp(service, ""), testEnv); err != nil {
			t.Errorf("%s: %v", service, err)
		}
	}
	if _, err := load(t, strings.Replace(good, "command: [/bin/true]", "command: [/bin/true], direct: true", 1), testEnv); err == nil ||
		!strings.Contains(err.Error(), "direct: does not belong to type command") {
		t.Errorf("got %v", err)
	}
	cfg, err := load(t, strings.Replace(ppp(", direct: true", "flow: xonxoff, carrier: required,"), `"sim:a"`, `"pty:/run/x"`, 1), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"lines[0].flow: XON and XOFF are taken from the data", "direct: has no effect on line a"} {
		if i >= len(cfg.Warnings) || !strings.Contains(cfg.Warnings[i].Error(), want) {
			t.Errorf("warnings %v, want %s", cfg.Warnings, want)
		}
	}
}
