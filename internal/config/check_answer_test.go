package config

import (
	"slices"
	"strings"
	"testing"
)

// answerText is a line with what stands in it for more.
func answerText(line, more string) string {
	return `
lines:
  - {name: a, device: "sim:a", dialog: staff, service: shell, carrier: required, ` + line + `}
dialogs:
  staff: {plugin: password}
  guests: {plugin: password}
services:
  shell: {type: command, command: [/bin/true], idle: 1h}
  other: {type: tcp, address: "h:1", idle: 1h}
` + more
}

// TestAnsweringFaults: what is wrong with who is answered, and how, with its place.
func TestAnsweringFaults(t *testing.T) {
	for line, want := range map[string]string{
		`answer: never`:                                                           `lines[0].answer: "never" is unknown: allowed is always or armed`,
		`quiet: perhaps`:                                                          `lines[0].quiet: "perhaps" must be true or false`,
		`caller_id: {rules: [{allow: 05x}]}`:                                      `lines[0].caller_id.rules[0].allow: "05x" is not allowed here: give a number in which`,
		`caller_id: {rules: [{deny: "+"}]}`:                                       `lines[0].caller_id.rules[0].deny: "+" is not allowed here`,
		`caller_id: {rules: [{deny: private}]}`:                                   `"private" is not allowed here`,
		`caller_id: {rules: []}`:                                                  `lines[0].caller_id.rules: is empty, which would answer everybody`,
		`caller_id: {require: true, rules: }`:                                     `lines[0].caller_id.rules: is empty`,
		`caller_id: {rules: [{}]}`:                                                `lines[0].caller_id.rules[0]: says nothing: give allow or deny`,
		`caller_id: {rules: [{allow: "1", deny: "2"}]}`:                           `lines[0].caller_id.rules[0]: has allow and deny: make two rules`,
		`caller_id: {rule: []}`:                                                   `lines[0].caller_id.rule: is not a key here: did you mean rules?`,
		`modem: none, caller_id: {require: true}`:                                 `lines[0].caller_id: a direct line has no caller id`,
		`direct: true, caller_id: {rules: [{allow: any}]}`:                        `lines[0].caller_id: a direct line has no caller id`,
		`routes: [{dialog: guests}]`:                                              `lines[0].routes[0]: fits no call: give ring or called`,
		`routes: [{ring: B}]`:                                                     `lines[0].routes[0]: changes nothing: give dialog, service or both`,
		`routes: [{ring: B, called: "1", dialog: guests}]`:                        `lines[0].routes[0]: has ring and called: make two routes`,
		`routes: [{called: abc, dialog: guests}]`:                                 `lines[0].routes[0].called: "abc" is not allowed here`,
		`routes: [{ring: "\e[2J", dialog: guests}]`:                               `lines[0].routes[0].ring: "\x1b[2J" is not allowed here`,
		`routes: [{ring: B, dialog: gests}]`:                                      `lines[0].routes[0].dialog: there is no dialog "gests"`,
		`routes: [{ring: B, service: none}]`:                                      `lines[0].routes[0].service: there is no service "none"`,
		`modem: none, routes: [{ring: B, dialog: guests}]`:                        `lines[0].routes: a direct line has no ring`,
		`init: ["AT\rATD1"]`:                                                      `lines[0].init[0]: "AT\rATD1" is no modem command`,
		`init: [+GCI=B5]`:                                                         `lines[0].init[0]: "+GCI=B5" is no modem command`,
		`init: [` + strings.Repeat("ATX4,", 17) + `]`:                             `lines[0].init: has 17 commands: at most 16 are allowed`,
		`autobaud: cr, speeds: [9600]`:                                            `lines[0].autobaud: only a direct line finds the caller's speed`,
		`modem: none, autobaud: cr`:                                               `lines[0].autobaud: needs speeds: the list of those to try`,
		`modem: none, autobaud: cr, speeds: [9600, 49]`:                           `lines[0].speeds[1]: 49 is out of range: allowed is 50 to 4000000`,
		`modem: none, autobaud: cr, speeds: [fast]`:                               `lines[0].speeds[0]: "fast" must be a whole number`,
		`modem: none, autobaud: auto`:                                             `lines[0].autobaud: "auto" is unknown: allowed is none, cr or break`,
		`modem: none, autobaud: cr, speeds: [` + strings.Repeat("300,", 17) + `]`: `lines[0].speeds: has 17 speeds: at most 16 are allowed`,
	} {
		_, err := load(t, answerText(line, ""), testEnv)
		if err == nil || !strings.Contains(err.Error(), "c.yaml:3:") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n%v\nlacks %s", line, err, want)
		}
	}
}

// TestAnsweringWarnings: what works and is unwise.
func TestAnsweringWarnings(t *testing.T) {
	for line, want := range map[string]string{
		`caller_id: {rules: [{allow: any}, {deny: "1"}]}`:                    `lines[0].caller_id.rules[1]: has no effect: rule 1 fits every call that is not unclear`,
		`caller_id: {require: true, rules: [{deny: unclear}, {allow: any}]}`: `lines[0].caller_id.rules[0]: has no effect: with require`,
		`caller_id: {rules: [{deny: "1*"}]}`:                                 `lines[0].caller_id.rules: no rule allows anybody, so no call is answered`,
		`caller_id: {require: true, rules: [{deny: absent}, {allow: any}]}`:  `lines[0].caller_id.rules[0]: has no effect: with require`,
		`speeds: [300]`: `lines[0].speeds: has no effect without autobaud`,
		`modem: none, autobaud: cr, baud: 9600, speeds: [9600]`: `lines[0].baud: has no effect: autobaud begins with the first of speeds`,
		`modem: none, autobaud: cr, speeds: [300, 300]`:         `lines[0].speeds[1]: 300 stands there already`,
		`modem: none, autobaud: break, speeds: [12345]`:         `lines[0].speeds[0]: 12345 is no common speed`,
		`modem: none, init: [ATX4]`:                             `lines[0].init: has no effect: a direct line has no modem`,
	} {
		cfg, err := load(t, answerText(line, ""), testEnv)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if text := Faults(cfg.Warnings).Error(); !strings.Contains(text, want) {
			t.Errorf("%s:\n%s\nlacks %s", line, text, want)
		}
	}
}

// TestAnsweringIsRead: a configuration that has everything, and what a route uses is used.
func TestAnsweringIsRead(t *testing.T) {
	cfg, err := load(t, answerText(`rings: 2, answer: armed, quiet: true, caller_id: {require: true, rules: [{allow: 0512*}, {deny: withheld}, {allow: "+49 (5) 1-2?"}]},
    routes: [{ring: "on 2? off 40", dialog: guests}, {called: 5551234, service: other}]`, ""), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	l := cfg.Lines[0]
	if len(cfg.Warnings) > 0 {
		t.Errorf("warnings: %v", Faults(cfg.Warnings))
	}
	if l.Answer != "armed" || !l.Quiet || !l.CallerID.Require || l.CallerID.Rules[0].Allow != "0512*" || l.CallerID.Rules[1].Deny != "withheld" ||
		l.Routes[0].Ring != "on 2? off 40" || l.Routes[1].Called != "5551234" {
		t.Errorf("%+v", l)
	}
	if !slices.Equal(l.Dialogs(), []string{"staff", "guests"}) || !slices.Equal(l.Services(), []string{"shell", "other"}) {
		t.Errorf("%v, %v", l.Dialogs(), l.Services())
	}
}
