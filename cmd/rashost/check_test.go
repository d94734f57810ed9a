package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// everyFault has a fault of each stage: the file itself, plugins, services, profiles.
const everyFault = `state_dir: state
control: c.sock
profiles: modems
lines:
  - {name: a, device: "sim:a", modem: mine, rings: 99, dialog: staff, service: sh}
  - {name: b, device: "sim:b", modem: other, dialog: guests, service: net}
  - {name: c, device: "sim:c", modem: nosuch, dialog: nosuch, service: sh}
dialogs:
  staff: {plugin: password, echo: loud, options: {fil: users.yaml, login: [1]}}
  guests: {plugin: password, banner: "+++"}
  typo: {plugin: pasword}
services:
  sh: {type: command, command: [/bin/nope], run_as: no-such-account}
  net: {type: tcp, address: "h:1", idle: 5}
  bare: {type: command, command: [nosuchprogram], run_as: nobody, grace: 0}
`

// place is how every fault begins.
var place = regexp.MustCompile(`^(rashost: )?/\S+\.yaml:\d+:\d+: [a-z_\[\]0-9.]+: `)

// TestCheckFindsTheFaultsOfEveryStage: no stage hides another, everything has its place, nothing is said twice, and what a fault has
// caused is not a fault of its own.
func TestCheckFindsTheFaultsOfEveryStage(t *testing.T) {
	b := newBench(t)
	modems := filepath.Join(b.dir, "modems")
	if err := os.Mkdir(modems, 0o700); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		b.config:                            everyFault,
		filepath.Join(modems, "mine.yaml"):  "name: mine\nbauds: 9600\ninit:\n  - {send: ATE0, sourc: V.250}\n",
		filepath.Join(modems, "other.yaml"): "description: x\nname: others\nanswer: {source: s}\nhangup: {source: s}\n",
		filepath.Join(modems, "rules.yaml"): "name: rules\nanswer: {source: s}\nhangup: {source: s}\ndtr: up\ninit:\n  - {send: ATE0}\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		`lines[0].rings: 99 is out of range: allowed is 1 to 20`,
		`lines[2].modem: "nosuch" is no modem profile: known are`,
		`lines[2].dialog: there is no dialog "nosuch": defined under dialogs are`,
		`dialogs.staff.echo: "loud" is unknown: allowed is off, on or masked`,
		`dialogs.staff.options.fil: is not a key here: did you mean file? (plugin password can't be made, event 20096)`,
		`dialogs.staff.options.login: must be a text (plugin password can't be made, event 20096)`,
		`dialogs.guests.options: file is missing: name the user file, for instance users.yaml (plugin password can't be made, event 20096)`,
		`dialogs.typo.plugin: there is no plugin "pasword": known are ` + strings.Join(sorted(pluginTable()), ", ") + `: did you mean password?`,
		`services.sh.command: "/bin/nope" can't be run: give the absolute path of a program`,
		`services.sh.run_as: there is no such account as "no-such-account" on this machine: give a user`,
		`services.net.idle: 5 has no unit`,
		`services.bare.command: "nosuchprogram" is not in `,
		`services.bare.grace: 0 is out of range`,
		`modems/mine.yaml:2:1: bauds: is not a key here`,
		`modems/mine.yaml:4:18: init[0].sourc: is not a key here: did you mean source?`,
		`modems/other.yaml:2:1: name: "others" does not fit the file: give other, or rename the file`,
		`modems/rules.yaml:4:1: dtr: "up" is unknown: allowed is one of`,
		`modems/rules.yaml:6:5: init[0]: "ATE0": give its source, or unverified: true`,
	}
	for _, command := range []string{"check", "serve"} {
		out, errs := b.run(2, command)
		lines := strings.Split(strings.TrimSpace(errs), "\n")
		if len(lines) != len(want) || out != "" {
			t.Errorf("%s: got %d lines, want %d:\n%s%s", command, len(lines), len(want), out, errs)
		}
		for i := range min(len(lines), len(want)) {
			if !strings.Contains(lines[i], want[i]) || !place.MatchString(lines[i]) {
				t.Errorf("%s: got  %s\nwant %s", command, lines[i], want[i])
			}
		}
	}
}

// TestFaultsOfLaterStagesAlone: a file without faults of its own is refused all the same, by both commands, with one line for each.
func TestFaultsOfLaterStagesAlone(t *testing.T) {
	b := newBench(t)
	text := strings.NewReplacer("/bin/true", "/bin/nope", "run_as: nobody", "run_as: no-such-account", "file: users.yaml", "file: [1]").Replace(commandsConfig)
	if err := os.WriteFile(b.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, errs := b.run(2, "check")
	wantText(t, errs, ":4:53: dialogs.staff.options.file: must be a text", ":5:44: services.shell.command: ", ":5:65: services.shell.run_as: ")
	if n := strings.Count(errs, "\n"); n != 3 || strings.Contains(errs, "warning") {
		t.Errorf("got %d lines, want the three faults:\n%s", n, errs)
	}
	if _, errs = b.run(2, "serve"); strings.Count(errs, b.config+":") < 3 || !strings.Contains(errs, "event=20096") {
		t.Errorf("serve: want the three faults and the event in the log:\n%s", errs)
	}
}

// TestProfileThatIgnoresCarrier: what ends a forgotten session is asked for wherever `carrier: ignore` comes from.
func TestProfileThatIgnoresCarrier(t *testing.T) {
	b := newBench(t)
	modems := filepath.Join(b.dir, "modems")
	if err := os.Mkdir(modems, 0o700); err != nil {
		t.Fatal(err)
	}
	const profile = "name: deaf\ncarrier: ignore\nanswer: {source: s}\nhangup: {source: s}\n"
	if err := os.WriteFile(filepath.Join(modems, "deaf.yaml"), []byte(profile), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "profiles: modems\n" + strings.Replace(commandsConfig, "name: modem1,", "name: modem1, modem: deaf,", 1)
	for limit, code := range map[string]int{"idle: 1h": 0, "absolute: 1h": 2} {
		if err := os.WriteFile(b.config, []byte(strings.Replace(text, "idle: 1h", limit, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, errs := b.run(code, "check"); code == 2 {
			wantText(t, errs, ":4:9: lines[0].carrier: the profile deaf says ignore", "set services.shell.idle")
		}
	}
}

// TestCheckWarnsOfPluginsThatNobodyNeeds: they keep nobody from starting, and are said all the same.
func TestCheckWarnsOfPluginsThatNobodyNeeds(t *testing.T) {
	b := newBench(t)
	text := strings.Replace(commandsConfig, "service: shell}", "service: shell, on_load_error: disable}", 1)
	if err := os.WriteFile(b.config, []byte(strings.Replace(text, "file:", "fil:", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs := b.run(0, "check")
	wantText(t, out+errs, "warning: "+b.config+":4:47: dialogs.staff.options.fil: is not a key here", ": no faults\n")
	if strings.Count(errs, "\n") != 1 {
		t.Errorf("got %s", errs)
	}
}

// TestCheckSaysEveryFaultOfAProfile: those of its keys, its rules and its commands at once, each of them once, however many lines use it.
func TestCheckSaysEveryFaultOfAProfile(t *testing.T) {
	b := newBench(t)
	check := func(code int, profile string) string {
		t.Helper()
		text := "profiles: modems\n" + strings.Replace(commandsConfig, `[{name: modem1, device: "sim:a",`,
			`[{name: modem2, device: "sim:b", modem: own, carrier: required, dialog: staff, service: shell}, {name: modem1, modem: own, carrier: required, device: "sim:a",`, 1)
		for file, data := range map[string]string{"config.yaml": text, "users.yaml": "version: 1\nusers: []\n", "modems/own.yaml": profile} {
			_ = os.Mkdir(filepath.Join(b.dir, "modems"), 0o700)
			if err := os.WriteFile(filepath.Join(b.dir, file), []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, errs := b.run(code, "check")
		return errs
	}
	errs := check(2, "name: own\nfoo: 1\ninit:\n  - {send: ATD5551234, source: s}\n  - {send: ATE0}\n  - {send: ATS0=1, source: s, delay_after: 20h}\n")
	wantText(t, errs, "own.yaml:2:1: foo: is not a key here", `own.yaml:4:5: init[0]: "D5551234": it begins a call`, `own.yaml:5:5: init[1]: "ATE0": give its source`,
		`own.yaml:6:5: init[2]: "S0=1": the modem answers by itself`, "own.yaml:6:5: init[2]: delay_after 20h0m0s is too long")
	if n := strings.Count(errs, "\n"); n != 5 {
		t.Errorf("%d lines:\n%s", n, errs)
	}
	errs = check(0, "name: own\ninit:\n  - {send: ATE0, source: s}\n  - {send: ATQ1, source: s}\n")
	wantText(t, errs, `warning: `, `own.yaml:4:5: init[1]: "Q1": the host waits in vain`, "init: does not set V1, Q0, &C1, S0=0, S2=255, &D2")
	if n := strings.Count(errs, "\n"); n != 2 {
		t.Errorf("%d lines:\n%s", n, errs)
	}
}
