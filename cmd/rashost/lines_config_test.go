package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rashost/hardware"
	"rashost/internal/config"
	"rashost/port/modem"
)

// The line waits longer for a call's handler than the service does before it kills, or the exit status would be lost.
func TestHandlerGrace(t *testing.T) {
	for grace, want := range map[time.Duration]time.Duration{
		0:                      5 * time.Second,
		300 * time.Millisecond: 5 * time.Second,
		5 * time.Second:        7 * time.Second,
		8 * time.Second:        10 * time.Second,
		time.Minute:            10 * time.Second,
	} {
		c := &config.Config{Services: map[string]config.Service{"s": {Grace: config.Duration(grace)}, "quick": {}}}
		l := config.Line{Service: "quick", Routes: []config.Route{{Ring: "B", Service: "s"}}}
		if got := handlerGrace(c, l); got != want {
			t.Errorf("grace %s: %s, want %s", grace, got, want)
		}
	}
}

// TestCheckRefusesTooFewRings: a line that needs caller id must wait for it, unless it comes before the first ring.
func TestCheckRefusesTooFewRings(t *testing.T) {
	for line, want := range map[string]string{
		`caller_id: {require: true}`:                                                           "lines[0].caller_id.require: caller id comes after the first ring",
		`rings: 1, caller_id: {rules: [{allow: "0512*"}]}`:                                     "lines[0].caller_id.rules: caller id comes after the first ring",
		`caller_id: {rules: [{deny: withheld}, {allow: any}]}`:                                 "lines[0].caller_id.rules: caller id comes after",
		`caller_id: {rules: [{allow: any}]}`:                                                   "",
		`rings: 2, caller_id: {require: true}`:                                                 "",
		`modem: early, caller_id: {require: true}`:                                             "",
		`modem: early, caller_id: {rules: [{allow: "0512*"}]}`:                                 "",
		`routes: [{ring: B, service: shell}, {called: "42", service: shell}]`:                  "lines[0].routes[1].called: the called number comes with the caller id, after the first ring",
		`rings: 2, routes: [{called: "42", service: shell}]`:                                   "",
		`modem: early, routes: [{called: "42", service: shell}]`:                               "",
		`modem: telebit, rings: 2, routes: [{called: "42", service: shell}]`:                   "lines[0].routes[0].called: the profile telebit has no caller id",
		`modem: telebit, rings: 2, caller_id: {require: true}`:                                 "lines[0].caller_id.require: the profile telebit has no caller id, so that no call would be answered",
		`modem: microcom, rings: 2, caller_id: {rules: [{allow: "0512*"}]}`:                    "lines[0].caller_id.rules: the profile microcom has no caller id",
		`modem: multitech-mt2834, rings: 2, caller_id: {rules: [{deny: absent},{allow: any}]}`: "lines[0].caller_id.rules: the profile multitech-mt2834 has no caller id",
		`modem: telebit, rings: 1, caller_id: {rules: [{deny: "0900*"}, {allow: any}]}`:        "warning: lines[0].caller_id.rules: the profile telebit has no caller id, so that every call is answered",
		`routes: [{ring: "on 20 off 40", service: shell}]`:                                     "warning: lines[0].routes[0].ring: the line answers at the first ring, when its cadence",
		`rings: 2, routes: [{ring: "on 20 off 40", service: shell}]`:                           "",
		`init: [ATX4DT0900]`:                           `lines[0].init[0]: "DT0900": it begins a call`,
		`init: [AT+GCI=B5, "AT&F"]`:                    `lines[0].init[1]: "&F": it undoes what the set-up did before it`,
		`init: [ATX4Z]`:                                `lines[0].init[0]: "Z": it undoes`,
		`init: [ATX4S0=1]`:                             `lines[0].init[0]: "S0=1": the modem answers by itself`,
		`init: ["ATX4&W"]`:                             `lines[0].init[0]: "&W": what is stored`,
		`init: [AT+GCI=B5, "AT+MS=V32B,1,4800,14400"]`: "",
		`routes: [{ring: B, service: shell}]`:          "",
	} {
		b := newBench(t)
		text := strings.Replace(commandsConfig, "name: modem1,", "name: modem1, carrier: required, "+line+",", 1) + "profiles: modems\n"
		early := "name: early\nanswer: {command: ATA, source: s}\nhangup: {command: ATH, source: s}\ncaller_id: {before_first_ring: true}\n"
		for file, data := range map[string]string{"config.yaml": text, "users.yaml": "version: 1\nusers: []\n", "modems/early.yaml": early} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(b.dir, file)), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(b.dir, file), []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		code := 0
		if want != "" && !strings.HasPrefix(want, "warning: ") {
			code = 2
		}
		_, stderr := b.run(code, "check")
		wantText(t, stderr, strings.TrimPrefix(want, "warning: "))
	}
}

// TestRoutes: a call gets what its first route that fits says; what the route leaves out is the line's.
func TestRoutes(t *testing.T) {
	h := &house{
		config:  &config.Config{Services: map[string]config.Service{"net": {Type: "ppp"}}},
		dialogs: map[string]*dialogUse{"staff": {pluginName: "p"}, "guests": {pluginName: "q"}},
	}
	use := h.lineUse(config.Line{Dialog: "staff", Service: "shell", Quiet: true, Trusted: true, Routes: []config.Route{
		{Ring: "B", Dialog: "guests"}, {Called: "555*", Service: "net"}, {Ring: "*", Dialog: "guests", Service: "net"},
	}})
	for _, c := range []struct {
		id              modem.CallerID
		dialog, service string
		raw             bool
	}{
		{modem.CallerID{}, "staff", "shell", false},
		{modem.CallerID{Ring: "B"}, "guests", "shell", false},
		{modem.CallerID{Ring: "B", Called: "5551"}, "guests", "shell", false},
		{modem.CallerID{Called: "555-1"}, "staff", "net", true},
		{modem.CallerID{Called: "556"}, "staff", "shell", false},
		{modem.CallerID{Ring: "A"}, "guests", "net", true},
		{modem.CallerID{Number: "5551"}, "staff", "shell", false}, // who calls is not who was called
	} {
		got := use.of(c.id)
		if got.dialogName != c.dialog || got.serviceName != c.service || got.raw != c.raw || !got.quiet || !got.trusted || got.dialog != h.dialogs[c.dialog] {
			t.Errorf("%+v: %+v", c.id, got)
		}
	}
}

// TestWarnsOfDirectPPP: what pppd writes itself passes no guard of ours.
func TestWarnsOfDirectPPP(t *testing.T) {
	for _, tc := range []struct {
		profile *hardware.Profile
		direct  bool
		want    int
	}{
		{&hardware.Profile{Name: "deaf"}, true, 1}, {&hardware.Profile{Name: "deaf"}, false, 0},
		{&hardware.Profile{Name: "good", EscapeOff: "ATS2=255"}, true, 0}, {&hardware.Profile{Name: "none", Direct: true}, true, 0}, {nil, true, 0},
	} {
		c := &config.Config{
			Lines:    []config.Line{{Name: "a", Service: "shell", Routes: []config.Route{{Ring: "B", Service: "net"}}}},
			Services: map[string]config.Service{"net": {Type: "ppp", Direct: tc.direct}, "shell": {Type: "command"}},
		}
		got := lineRemarks(c, 0, tc.profile)
		if len(got) != tc.want {
			t.Errorf("%+v: %v", tc, got)
		}
		for _, w := range got {
			wantText(t, w.Error(), "lines[0].modem: the profile deaf cannot switch the modem's escape off", "services.net.direct")
		}
	}
}
