package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const good = `
lines:
  - {name: a, device: "sim:a", dialog: staff, service: shell}
dialogs:
  staff: {plugin: password}
services:
  shell: {type: command, command: [/bin/true]}
`

// TestRunAsWithoutRoot: a sample must run as any user, but an operator must be told that the command is not set apart.
func TestRunAsWithoutRoot(t *testing.T) {
	text := strings.Replace(good, "[/bin/true]", "[/bin/true], run_as: nobody", 1)
	for user, want := range map[string]int{"alice": 1, "nobody": 0, "": 0} {
		c, err := load(t, text, Env{User: user})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, w := range c.Warnings {
			if strings.Contains(w.Error(), "services.shell.run_as: has no effect") {
				n++
			}
		}
		if n != want {
			t.Errorf("as %q: %d warnings about run_as, want %d: %v", user, n, want, c.Warnings)
		}
	}
}

var testEnv = Env{Plugins: []string{"password", "anyone"}, Modems: []string{"generic", "usr-courier"}}

func load(t testing.TB, text string, env Env) (*Config, error) {
	t.Helper()
	cfg, faults := decode("c.yaml", "/etc/rashost/c.yaml", []byte(text), env)
	if len(faults) > 0 {
		return nil, faults
	}
	return cfg, nil
}

func TestDefaults(t *testing.T) {
	cfg, err := load(t, good, testEnv)
	if err != nil {
		t.Fatal(err)
	}
	l, d, s := cfg.Lines[0], cfg.Dialogs["staff"], cfg.Services["shell"]
	if l.Baud != 115200 || l.Modem != "auto" || l.Carrier != "auto" || l.Rings != 1 || l.OnLoadError != "stop" {
		t.Errorf("line defaults: %+v", l)
	}
	if time.Duration(d.Timeout) != 120*time.Second || time.Duration(d.EndGrace) != 30*time.Second || d.Attempts != 3 || d.Echo != "off" {
		t.Errorf("dialog defaults: %+v", d)
	}
	if time.Duration(s.Grace) != 5*time.Second || time.Duration(s.Warning) != 20*time.Second || s.Idle != 0 {
		t.Errorf("service defaults: %+v", s)
	}
	if cfg.StateDir != DefaultStateDir || cfg.Control != DefaultControl || cfg.Records.OnFailure != "continue" || cfg.Log.Level != "info" {
		t.Errorf("defaults: %+v", cfg)
	}
	if len(cfg.Warnings) != 1 || !strings.Contains(cfg.Warnings[0].Error(), "lines[0].carrier: a session may last for ever") {
		t.Errorf("warnings: %v", cfg.Warnings)
	}
}

// Every row is a change of a good file, or a whole file, and the faults that it must give, in order.
func TestFaults(t *testing.T) {
	replace := func(old, text string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in the good file", old)
		}
		return strings.Replace(good, old, text, 1)
	}
	cases := []struct {
		name, text string
		env        *Env
		want       []string
	}{
		{"unknown key", replace("name: a,", "name: a, bauds: 9600,"), nil,
			[]string{"c.yaml:3:15: lines[0].bauds: is not a key here: did you mean baud?"}},
		{"unknown key, another program's word", replace("name: a,", "name: a, speed: 9600,"), nil,
			[]string{"c.yaml:3:15: lines[0].speed: is not a key here: did you mean baud?"}},
		{"unknown key, hyphen", replace("name: a,", "name: a, idle-probe: 1m,"), nil,
			[]string{"c.yaml:3:15: lines[0].idle-probe: is not a key here: did you mean idle_probe?"}},
		{"unknown key, nothing near", "zzz: 1" + good, nil,
			[]string{"c.yaml:1:1: zzz: is not a key here: at the top stand control, dialogs, lines, lock_dirs, log, profiles, records, services, state_dir"}},
		{"hostile key", "\"\\e[2J\": 1" + good, nil, []string{`c.yaml:1:1: "\x1b[2J": is not a key here`}},
		{"key twice", replace("name: a,", "name: a, baud: 9600, baud: 9600,"), nil,
			[]string{"c.yaml:3:27: lines[0].baud: stands here a second time: remove one of the two"}},
		{"section twice", good + "dialogs: {}\n", nil, []string{"c.yaml:8:1: dialogs: stands here a second time"}},
		{"second document", good + "---\nlines: []\n", nil, []string{"c.yaml:8:1: a second YAML document begins here"}},
		{"second document, empty", good + "---\n", nil, []string{"a second YAML document begins here"}},
		{"wrong type", replace("name: a,", "name: a, baud: fast,"), nil,
			[]string{`c.yaml:3:21: lines[0].baud: "fast" must be a whole number: 50 to 4000000`}},
		{"list for a text", replace("name: a,", "name: [a],"), nil, []string{"c.yaml:3:12: lines[0].name: must be a text: " + nameForm}},
		{"text for a list", replace("[/bin/true]", "/bin/true"), nil,
			[]string{"c.yaml:7:35: services.shell.command: must be a list: [one, two], or lines that begin with -"}},
		{"text for a mapping", replace("{plugin: password}", "password"), nil, []string{"c.yaml:5:10: dialogs.staff: must be a mapping"}},
		{"bool", replace("name: a,", "name: a, trusted: perhaps,"), nil, []string{`lines[0].trusted: "perhaps" must be true or false`}},
		{"duration without unit", replace("password}", "password, timeout: 120}"), nil,
			[]string{"c.yaml:5:38: dialogs.staff.timeout: 120 has no unit: write 120s for seconds, or 120m for minutes, 20s to 10m"}},
		{"bad duration", replace("password}", "password, timeout: soon}"), nil,
			[]string{`dialogs.staff.timeout: "soon" is not a time such as 90s, 2m or 1h30m, 20s to 10m`}},
		{"negative duration", replace("password}", "password, end_grace: -3s}"), nil, []string{"dialogs.staff.end_grace: -3s is negative"}},
		{"timeout too short", replace("password}", "password, timeout: 19s}"), nil,
			[]string{"dialogs.staff.timeout: 19s is out of range: allowed is 20s to 10m"}},
		{"timeout too long", replace("password}", "password, timeout: 601s}"), nil, []string{"dialogs.staff.timeout: 10m1s is out of range"}},
		{"timeout zero", replace("password}", "password, timeout: 0}"), nil, []string{"dialogs.staff.timeout: 0 is out of range"}},
		{"rings", replace("name: a,", "name: a, rings: 21,"), nil, []string{"lines[0].rings: 21 is out of range: allowed is 1 to 20"}},
		{"baud", replace("name: a,", "name: a, baud: -1,"), nil, []string{"lines[0].baud: -1 is out of range: allowed is 50 to 4000000"}},
		{"enum", replace("name: a,", "name: a, carrier: require,"), nil,
			[]string{`lines[0].carrier: "require" is unknown: allowed is auto, required or ignore: did you mean required?`}},
		{"line name", replace("name: a,", "name: a/b,"), nil, []string{`c.yaml:3:12: lines[0].name: "a/b" is not allowed here: give ` + nameForm}},
		{"dialog name", replace("staff: {plugin", "-staff: {plugin"), nil, []string{`lines[0].dialog: there is no dialog "staff"`, `c.yaml:5:3: dialogs."-staff": is not a name`}},
		{"unknown dialog", replace("dialog: staff", "dialog: stuff"), nil,
			[]string{`c.yaml:3:40: lines[0].dialog: there is no dialog "stuff": defined under dialogs are staff: did you mean staff?`}},
		{"unknown service", replace("service: shell", "service: net"), nil, []string{`lines[0].service: there is no service "net"`}},
		{"nothing required there", "lines:\n  - {}\n", nil, []string{
			"c.yaml:2:5: lines[0].name: is missing", "lines[0].device: is missing", "lines[0].dialog: is missing", "lines[0].service: is missing"}},
		{"no lines", "log: {level: info}\n", nil, []string{"c.yaml:1:1: lines: is missing: give a list of at least one line"}},
		{"empty lines", replace("\n  - {name: a, device: \"sim:a\", dialog: staff, service: shell}", " []"), nil,
			[]string{"c.yaml:2:8: lines: has no line: give at least one"}},
		{"null line", replace("{name: a, device: \"sim:a\", dialog: staff, service: shell}", ""), nil,
			[]string{"c.yaml:3:4: lines[0]: is empty: it needs name, device, dialog, service"}},
		{"null dialog", replace("{plugin: password}", ""), nil, []string{"c.yaml:5:3: dialogs.staff: is empty: it needs plugin"}},
		{"null in a list", replace("[/bin/true]", "[/bin/true, ~]"), nil, []string{"c.yaml:7:47: services.shell.command[1]: is empty: give a text"}},
		{"null list", replace("[/bin/true]", "~"), nil, []string{"c.yaml:7:26: services.shell.command: is empty: give a list"}},
		{"null name", replace("name: a,", "name: ~,"), nil, []string{"lines[0].name: is missing"}},
		{"line twice", replace("dialogs:", "  - {name: a, device: \"sim:b\", dialog: staff, service: shell}\ndialogs:"), nil,
			[]string{`c.yaml:4:12: lines[1].name: "a" is the name of lines[0] already`}},
		{"device twice", replace("dialogs:", "  - {name: b, device: \"sim:a\", dialog: staff, service: shell}\ndialogs:"), nil,
			[]string{"c.yaml:4:23: lines[1].device: is the device of lines[0] already"}},
		{"device is no path", replace("\"sim:a\"", "ttyS0"), nil, []string{`lines[0].device: "ttyS0" is not a path: did you mean /dev/ttyS0?`}},
		{"sim without a name", replace("\"sim:a\"", "\"sim:\""), nil, []string{`lines[0].device: "sim:" needs a name`}},
		{"pty without a path", replace("\"sim:a\"", "\"pty:\""), nil, []string{"lines[0].device: pty: needs a path"}},
		{"modem", replace("name: a,", "name: a, modem: generix,"), nil,
			[]string{`lines[0].modem: "generix" is no modem profile: known are auto, generic, none, usr-courier: did you mean generic?`}},
		{"direct with a modem", replace("name: a,", "name: a, modem: generic, direct: true,"), nil, []string{"lines[0].direct: a direct line has no modem"}},
		{"carrier ignored without idle", replace("name: a,", "name: a, carrier: ignore,"), nil,
			[]string{"c.yaml:3:24: lines[0].carrier: ignore needs a limit that ends a forgotten session: set services.shell.idle"}},
		{"plugin", replace("plugin: password", "plugin: pasword"), nil,
			[]string{`dialogs.staff.plugin: there is no plugin "pasword": known are anyone, password: did you mean password?`}},
		{"echo with plugin password", replace("password}", "password, echo: on}"), nil, []string{"dialogs.staff.echo: plugin password does its own echo"}},
		{"echo of a plugin that knows what is a secret", replace("plugin: password", "plugin: sspi, echo: masked"), &Env{}, []string{
			"dialogs.staff.echo: plugin sspi does its own echo"}},
		{"root rule, external plugin", replace("plugin: password", "plugin: external"), &Env{Root: true}, []string{
			"c.yaml:5:3: dialogs.staff.user: is missing: rashost runs as root", "services.shell.run_as: is missing"}},
		{"isolation", replace("plugin: password", "plugin: external, isolation: dialog"), &Env{}, []string{
			"dialogs.staff.isolation: \"dialog\" is unknown: allowed is call, line or shared"}},
		{"root rule, command", good, &Env{Root: true}, []string{"c.yaml:7:3: services.shell.run_as: is missing: rashost runs as root"}},
		{"run_as", replace("[/bin/true]", "[/bin/true], run_as: \"no body\""), nil, []string{`services.shell.run_as: "no body" is not the name of a user`}},
		{"command without a path", replace("/bin/true", "bin/true"), nil, []string{`services.shell.command: "bin/true" is a relative path`}},
		{"key of another type", replace("[/bin/true]", "[/bin/true], address: \"h:1\""), nil,
			[]string{"services.shell.address: does not belong to type command, which takes command, run_as, grace, idle, absolute and warning"}},
		{"tcp", replace("{type: command, command: [/bin/true]}", "{type: tcp, address: \"host:99999\"}"), nil, []string{`services.shell.address: "host:99999" is not host:port`}},
		{"tcp without address", replace("{type: command, command: [/bin/true]}", "{type: tcp}"), nil, []string{"services.shell.address: is missing"}},
		{"serial on a line's device", replace("\"sim:a\"", "/dev/ttyS0") + "  x: {type: serial, device: /dev/../dev/ttyS0}\n", nil,
			[]string{"services.x.device: is the device of lines[0]"}},
		{"type", replace("type: command", "type: comand"), nil, []string{`services.shell.type: "comand" is unknown: allowed is command, ppp, tcp or serial: did you mean command?`}},
		{"socket path too long", "control: /" + strings.Repeat("x", 120) + good, nil, []string{"control: the path of the socket has 121 bytes"}},
		{"all at once, by place", "log: {level: loud}\nrecords: {on_failure: stop}\nlines:\n  - {name: a, device: ttyS1, dialog: x, service: y}\n", nil, []string{
			"c.yaml:1:14: log.level:", "c.yaml:2:23: records.on_failure:", "c.yaml:4:23: lines[0].device:", "c.yaml:4:38: lines[0].dialog:", "c.yaml:4:50: lines[0].service:"}},
		{"empty", "", nil, []string{"c.yaml:1:1: the file is empty"}},
		{"only a comment", "# nothing\n", nil, []string{"the file is empty"}},
		{"null", "~\n", nil, []string{"the file is empty"}},
		{"a list", "- a\n", nil, []string{"c.yaml:1:1: must be a mapping"}},
		{"not UTF-8", "log:\n  level: \xff\n", nil, []string{"c.yaml:2:10: byte 0xFF is not UTF-8"}},
		{"UTF-16", "\xff\xfel\x00", nil, []string{"c.yaml:1:1: the file is UTF-16"}},
		{"control character", "log:\n  level: \x1b[2J\n", nil, []string{"c.yaml:2:10: control character U+001B is not allowed"}},
		{"alias that contains itself", "lines: &a [*a]\n", nil, []string{"c.yaml:1:12: lines[0]: the alias *a contains itself"}},
		{"merge that contains itself", "lines: &a\n  - &b {<<: *b, name: x}\n", nil, []string{"device: is missing", "dialog: is missing", "service: is missing", "contains itself"}},
		{"merge of a text", "x: &a 1\nlog: {<<: *a}\nlines: [1]\n", nil, []string{"x: is not a key here", "log: << must name a mapping", "lines[0]: must be a mapping"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			env := testEnv
			if c.env != nil {
				env = *c.env
			}
			_, err := load(t, c.text, env)
			var faults Faults
			if !errors.As(err, &faults) {
				t.Fatalf("got %v, want faults", err)
			}
			if len(faults) != len(c.want) {
				t.Errorf("got %d faults, want %d:\n%v", len(faults), len(c.want), err)
			}
			for i := range min(len(faults), len(c.want)) {
				if got := faults[i].Error(); !strings.Contains(got, c.want[i]) {
					t.Errorf("fault %d: got  %s\nwant %s", i, got, c.want[i])
				}
			}
		})
	}
}

func TestSyntaxErrorsNameTheLine(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"tab", "log:\n\tlevel: info\n", "c.yaml:2:1: found character that cannot start any token: indent with spaces"},
		{"tab at the first line", "\tlog: 1\n", "c.yaml:1:1: "},
		{"indentation", "lines:\n  - name: a\n   device: b\n    x: 1\nlog: {}\n", "c.yaml:3:4: "},
		{"key without a colon", "log:\n  level: info\nrecords\nlines: []\n", "c.yaml:3:1: "},
		{"colon in a value", "log:\n  level: a: b\nlines: []\n", "c.yaml:2:3: mapping values are not allowed"},
		{"list never closed", "log: {level: info}\nlines: [a, b\ndialogs: {}\n", "c.yaml:2:1: "},
		{"quote never closed", "log:\n  level: \"info\nlines: []\n", "c.yaml:2:3: "},
		{"unknown anchor", "log:\n  level: info\nlines: *none\n", "c.yaml:3:1: unknown anchor 'none' referenced"},
		{"deep in the file", strings.Repeat("# comment\n", 500) + "lines:\n  - a\n b: c\n", "c.yaml:503:2: "},
		{"CRLF", "log:\r\n  level: a: b\r\nlines: []\r\n", "c.yaml:2:3: "},
		{"multi-line text before it", "log:\n  level: \"a\n    b\"\nlines: [}\n", "c.yaml:4:1: "},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := load(t, c.text, Env{})
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestAliasBomb(t *testing.T) {
	var b strings.Builder
	b.WriteString("x0: &x0 [a, a, a, a, a, a, a, a, a]\n")
	for i := range 9 {
		from, to := string(rune('0'+i)), string(rune('1'+i))
		b.WriteString("x" + to + ": &x" + to + " [" + strings.Repeat("*x"+from+", ", 9) + "]\n")
	}
	b.WriteString("lock_dirs: *x9\nlines: *x9\nlog: {<<: [" + strings.Repeat("*x9, ", 9) + "]}\n")
	if _, err := load(t, b.String(), Env{}); err == nil {
		t.Error("an alias bomb was taken")
	}
}

// Files that would take for ever, or fill the screen, are refused with few words.
func TestBounds(t *testing.T) {
	var many strings.Builder
	for i := range maxKeys + 1 {
		many.WriteString("k" + strconv.Itoa(i) + ": 1\n")
	}
	_, err := load(t, many.String(), testEnv)
	if err == nil || !strings.Contains(err.Error(), "has 10001 keys: at most 10000 are allowed") {
		t.Errorf("too many keys: %.200v", err)
	}
	_, err = load(t, "lines:\n"+strings.Repeat("  - x\n", maxFaults+5), testEnv)
	faults, ok := errors.AsType[Faults](err)
	if !ok || len(faults) != maxFaults+1 || !strings.HasSuffix(err.Error(), "and 5 more faults") {
		t.Errorf("too many faults: %d", len(faults))
	}
}

func TestMergeSharesSettings(t *testing.T) {
	cfg, err := load(t, `
lines:
  - &modem {name: a, device: "sim:a", baud: 9600, rings: 2, dialog: staff, service: shell}
  - {<<: *modem, name: b, device: "sim:b", rings: 3}
dialogs: {staff: {plugin: password}}
services: {shell: {type: command, command: [/bin/true]}}
`, testEnv)
	if err != nil {
		t.Fatal(err)
	}
	if b := cfg.Lines[1]; b.Name != "b" || b.Baud != 9600 || b.Rings != 3 || b.Modem != "auto" {
		t.Errorf("merged line: %+v", b)
	}
}

func TestWarnings(t *testing.T) {
	text := strings.Replace(good, "name: a,", "name: a, carrier: required, baud: 115201,", 1) +
		"  spare: {type: tcp, address: \"h:1\", idle: 2h, absolute: 1h}\n  net: {type: ppp, options: [noauth, welcome, \"sh -c x\"]}\n"
	text = strings.Replace(text, "password}", "password, isolation: line, user: root, limits: {files: 9}, lockout: {reset: 1m}}\n"+
		"  unused: {plugin: anyone, lockout: {denials: 3}}", 1)
	cfg, err := load(t, text, testEnv)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"c.yaml:3:40: lines[0].baud: 115201 is no common speed", "dialogs.staff.isolation: has no effect: plugin password runs inside",
		"dialogs.staff.user: has no effect: plugin password runs inside", "dialogs.staff.limits: has no effect: plugin password runs inside", "dialogs.staff.lockout.reset: has no effect",
		"dialogs.unused: no line uses", "dialogs.unused.lockout: has no effect: plugin anyone", "services.spare: no line uses", "services.spare.idle: is longer",
		"services.net: no line uses", "c.yaml:10:30: services.net.options[0]: noauth lets a caller go",
		"c.yaml:10:38: services.net.options[1]: welcome starts a program",
	}
	if len(cfg.Warnings) != len(want) {
		t.Errorf("got %d warnings:\n%v", len(cfg.Warnings), Faults(cfg.Warnings))
	}
	for i := range min(len(want), len(cfg.Warnings)) {
		if got := cfg.Warnings[i].Error(); !strings.Contains(got, want[i]) {
			t.Errorf("got  %s\nwant %s", got, want[i])
		}
	}
}

func TestLimitsHaveDefaults(t *testing.T) {
	for text, want := range map[string]Limits{
		"plugin: external":                                 {Files: 256, Processes: 64, FileSize: 16},
		"plugin: external, limits: {}":                     {Files: 256, Processes: 64, FileSize: 16},
		"plugin: external, limits: {files: 9, cpu: 3s}":    {Files: 9, Processes: 64, FileSize: 16, CPU: 3 * second},
		"plugin: external, limits: {files: 0, memory: 32}": {Processes: 64, FileSize: 16, Memory: 32},
	} {
		c, err := load(t, strings.Replace(good, "plugin: password", text, 1), Env{})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Dialogs["staff"].Limits; got != want {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

// A session that nothing ends is named before it happens, whatever the service.
func TestEndlessSessions(t *testing.T) {
	endless := func(line, service string) bool {
		t.Helper()
		text := strings.Replace(good, "name: a,", "name: a, "+line, 1)
		cfg, err := load(t, strings.Replace(text, "[/bin/true]", "[/bin/true], "+service, 1), testEnv)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(Faults(cfg.Warnings).Error(), "a session may last for ever")
	}
	for _, c := range []struct {
		line, service string
		want          bool
	}{
		{"", "", true}, {"carrier: auto,", "idle: 0", true}, {"modem: none,", "", true},
		{"carrier: required,", "", false}, {"", "idle: 1m", false}, {"", "absolute: 1m", false}, {"carrier: ignore,", "idle: 1m", false},
	} {
		if got := endless(c.line, c.service); got != c.want {
			t.Errorf("line %q, service %q: warned %v, want %v", c.line, c.service, got, c.want)
		}
	}
}

// An account that is not there is a fault of the service's, so it must not be a warning here too.
func TestMissingAccountIsNoWarning(t *testing.T) {
	cfg, err := load(t, strings.Replace(good, "[/bin/true]", "[/bin/true], run_as: no-such-account", 1), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	if text := Faults(cfg.Warnings).Error(); strings.Contains(text, "run_as") {
		t.Errorf("warned: %s", text)
	}
}

// What is left of a faulty file can be checked further: values with a fault have their defaults, and others' faults get their places.
func TestInspect(t *testing.T) {
	text := strings.Replace(good, "name: a,", "name: a, rings: 99,", 1)
	text = strings.Replace(text, "password}", "password, attempts: -1, echo: loud, options: {file: x}}", 1)
	text = strings.Replace(text, "[/bin/true]", "[/bin/true, [x]]", 1)
	cfg, faults := decode("c.yaml", "/etc/c.yaml", []byte(text), testEnv)
	if len(faults) != 4 || cfg == nil {
		t.Fatalf("config %v, faults:\n%v", cfg, faults)
	}
	if l, d := cfg.Lines[0], cfg.Dialogs["staff"]; l.Rings != 1 || d.Attempts != 3 || d.Echo != "off" || cfg.Services["shell"].Type != "command" {
		t.Errorf("what is left: %+v, %+v, %+v", l, d, cfg.Services["shell"])
	}
	for path, want := range map[string]string{
		"dialogs.staff.options.file": "c.yaml:5:64: dialogs.staff.options.file: x", // that of the options: only their plugin knows more
		"services.shell.command":     "c.yaml:7:35: services.shell.command: x", "services.shell.run_as": "c.yaml:7:3: services.shell.run_as: x",
		"lines[0].modem": "c.yaml:3:5: lines[0].modem: x",
	} {
		if got := cfg.Fault(path, "x", nil).Error(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for path, want := range map[string]bool{
		"lines[0].rings": true, "lines[0].modem": false, "lines[0]": true, "services.shell.command": true, "services.shell.command[1].x": true,
		"services.shell.command[0]": false, "services.shell.run_as": false, "services.shel": false, "dialogs.staff.options.file": false,
	} {
		if cfg.Faulty(path) != want {
			t.Errorf("Faulty(%q) is not %v", path, want)
		}
	}
	cfg.DropPlaces()
	if got := cfg.Fault("lines[0].modem", "x", nil).Error(); got != "c.yaml: lines[0].modem: x" {
		t.Errorf("without places: %s", got)
	}
}

func TestShape(t *testing.T) {
	type profile struct {
		Name  string `yaml:"name"`
		Steps []struct {
			Send string `yaml:"send"`
		} `yaml:"steps"`
		Codes map[int]string `yaml:"codes"`
	}
	for text, want := range map[string]string{
		"name: x\n":                     "",
		"":                              "p.yaml:1:1: the file is empty",
		"nam: x\nsteps:\n  - {sen: AT}": "p.yaml:1:1: nam: is not a key here: did you mean name?\np.yaml:3:6: steps[0].sen: is not a key here: did you mean send?",
		"steps: AT\n":                   "p.yaml:1:8: steps: must be a list: [one, two], or lines that begin with -",
		"codes: {a: b}\n":               "p.yaml:1:8: codes: must be a mapping",
		"name: x\nname: y\n":            "p.yaml:2:1: name: stands here a second time: remove one of the two",
		"name: [\n":                     "p.yaml:1:1: did not find",
	} {
		if got := Shape("p.yaml", []byte(text), profile{}); !strings.HasPrefix(got.Error(), want) || (want == "") != (len(got) == 0) {
			t.Errorf("%q: got  %v\nwant %s", text, got, want)
		}
	}
}

func TestOneDeviceUnderTwoNames(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "ttyX"), filepath.Join(dir, "by-id")
	if err := errors.Join(os.WriteFile(real, nil, 0o600), os.Symlink(real, link)); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(good, "\"sim:a\"", real, 1)
	text = strings.Replace(text, "dialogs:", "  - {name: b, device: "+link+", dialog: staff, service: shell}\ndialogs:", 1)
	_, err := load(t, text, testEnv)
	if err == nil || !strings.Contains(err.Error(), "lines[1].device: is the device of lines[0] already") {
		t.Errorf("got %v", err)
	}
}

// Merges multiply what stands in a file. What is looked at, reported and kept stays bounded: this file has 40,000 keys and merges that
// would make 200 million of them.
func TestMergesDoNotMultiply(t *testing.T) {
	var b strings.Builder
	b.WriteString("x: &x {")
	for i := range 5000 {
		fmt.Fprintf(&b, "k%d: 1, ", i)
	}
	b.WriteString("}\nlines:\n")
	for range 40_000 {
		b.WriteString("- {<<: *x}\n")
	}
	_, err := load(t, b.String(), testEnv)
	var faults Faults
	if !errors.As(err, &faults) || len(faults) > maxFaults+10 {
		t.Fatalf("%d faults, %.200v", len(faults), err)
	}
	for _, want := range []string{"too many aliases", "more faults", "k0: is not a key here"} {
		if n := strings.Count(err.Error(), want); n != 1 {
			t.Errorf("%q stands there %d times", want, n)
		}
	}
}

func TestOnePTYUnderTwoFolders(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := errors.Join(os.Mkdir(real, 0o700), os.Symlink(real, link)); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(good, "\"sim:a\"", "\"pty:"+real+"/line\"", 1)
	text = strings.Replace(text, "dialogs:", "  - {name: b, device: \"pty:"+link+"/line\", dialog: staff, service: shell}\ndialogs:", 1)
	_, err := load(t, text, testEnv)
	if err == nil || !strings.Contains(err.Error(), "lines[1].device: is the device of lines[0] already") {
		t.Errorf("got %v", err)
	}
}

func TestProfilesOfTheFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine.yaml"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "profiles: " + dir + strings.Replace(good, "name: a,", "name: a, modem: mine,", 1)
	if _, err := load(t, text, testEnv); err != nil {
		t.Error(err)
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(
		os.WriteFile(path("good.yaml"), []byte(good), 0o600),
		os.WriteFile(path("big.yaml"), make([]byte, MaxSize+1), 0o600),
		os.WriteFile(path("control.yaml"), []byte("control: sock\nnonsense: [1\n]"), 0o600),
		syscall.Mkfifo(path("fifo"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"missing.yaml": "there is no such file: name yours with -c, or try `rashost demo`", "": "this is a folder",
		"big.yaml": "larger than 1 MiB", "fifo": "this is not an ordinary file",
	} {
		_, err := Load(path(name), Env{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), path(name)) {
			t.Errorf("%q: got %v, want %s", name, err, want)
		}
	}
	if _, err := Load(path("missing.yaml"), Env{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("errors.Is(fs.ErrNotExist) is false for %v", err)
	}

	cfg, err := Load(path("good.yaml"), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{"": "", "/x": "/x", "state": path("state"), "../y": filepath.Join(filepath.Dir(dir), "y")} {
		if got := cfg.Resolve(in); got != want {
			t.Errorf("Resolve(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"sim:a": "sim:a", "pty:x": "pty:" + path("x"), "tty": path("tty"), "/dev/x": "/dev/x"} {
		if got := cfg.ResolveDevice(in); got != want {
			t.Errorf("ResolveDevice(%q) = %q, want %q", in, got, want)
		}
	}

	at, err := Locate(path("control.yaml"))
	if err != nil || at.Control != path("sock") || at.StateDir != DefaultStateDir {
		t.Errorf("Locate in a file with faults elsewhere: %+v, %v", at, err)
	}
	if _, err := Locate(path("missing.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Locate of a missing file: %v", err)
	}
}

func TestDurationText(t *testing.T) {
	for text, want := range map[string]string{"90s": "1m30s", "2m": "2m", "1h": "1h", "1h30m": "1h30m", "0": "0", "0s": "0", "500ms": "500ms", "10s": "10s"} {
		d, err := ParseDuration(text)
		if err != nil || d.String() != want {
			t.Errorf("%s reads as %s, %v", text, d, err)
		}
		if again, err := ParseDuration(d.String()); err != nil || again != d {
			t.Errorf("%s does not survive: %s, %v", text, again, err)
		}
	}
}

func TestDirectIsModemNone(t *testing.T) {
	cfg, err := load(t, strings.Replace(good, "name: a,", "name: a, direct: true,", 1), testEnv)
	if err != nil || cfg.Lines[0].Modem != "none" {
		t.Errorf("got %v, %v", cfg, err)
	}
}
