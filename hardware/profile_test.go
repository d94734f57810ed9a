package hardware_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"rashost/hardware"
)

func TestEveryBuiltinParses(t *testing.T) {
	files, err := filepath.Glob("modems/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no profiles: %v", err)
	}
	all, err := hardware.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(files) {
		t.Fatalf("%d profiles, %d files", len(all), len(files))
	}
	for _, p := range all {
		if p.Description == "" {
			t.Errorf("%s: no description", p.Name)
		}
		if p.Name != "generic" && p.Name != "none" && len(p.Match) == 0 && !p.Direct && len(p.Families) == 0 {
			t.Errorf("%s: fits nothing", p.Name)
		}
		for _, s := range p.Init {
			if !s.Raw && !strings.HasPrefix(s.Send, "AT") {
				t.Errorf("%s: %q is no AT command", p.Name, s.Send)
			}
		}
	}
}

func TestGenericHasTheHostProfile(t *testing.T) {
	p, err := hardware.Load("generic")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, s := range p.Init {
		have[s.Send] = true
	}
	for _, want := range []string{"ATE0", "ATV1", "ATQ0", "ATX4", "AT&C1", "AT&D2", "ATS0=0", "ATS2=255", "AT+IFC=2,2", "AT+MR=1", "AT+ER=1", "AT+DR=1", "AT+ILRR=1"} {
		if !have[want] {
			t.Errorf("init lacks %s", want)
		}
	}
	var enable []string
	for _, s := range p.CallerID.Enable {
		enable = append(enable, s.Send)
	}
	if got := strings.Join(enable, " "); got != "AT+VCID=1 AT#CID=1" {
		t.Errorf("caller id: %s", got)
	}
	if p.Answer.Timeout.Std() != 80*time.Second || p.Hangup.DTRTime.Std() != 500*time.Millisecond || p.Hangup.Guard.Std() != time.Second {
		t.Errorf("times: %v %v %v", p.Answer.Timeout, p.Hangup.DTRTime, p.Hangup.Guard)
	}
}

func TestNoneIsDirect(t *testing.T) {
	p, err := hardware.Load("none")
	if err != nil || !p.Direct {
		t.Fatalf("direct %v, %v", p.Direct, err)
	}
}

// TestParseNeedsNoAnswer: what the standard says need not be said again, but what is said needs its source.
func TestParseNeedsNoAnswer(t *testing.T) {
	p, err := hardware.Parse([]byte("name: x\ninit:\n  - {send: ATZ, source: s}\n"), "x.yaml")
	if err != nil || p.Answer.Command != "ATA" || p.Hangup.Command != "ATH" {
		t.Errorf("%+v %+v, %v", p.Answer, p.Hangup, err)
	}
	_, err = hardware.Parse([]byte("name: x\nanswer: {command: ATA}\nhangup: {guard: 2s}\n"), "x.yaml")
	if text := fmt.Sprint(err); !strings.Contains(text, `x.yaml:2:1: answer: "ATA": give its source`) || !strings.Contains(text, `x.yaml:3:1: hangup: "ATH"`) {
		t.Error(err)
	}
}

func TestParseKeepsExplicitZero(t *testing.T) {
	p, err := hardware.Parse([]byte("name: x\ndirect: true\nhangup: {dtr_time: 0s}\n"), "x.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if p.Hangup.DTRTime != 0 || p.Hangup.Guard.Std() != time.Second {
		t.Errorf("dtr_time %v guard %v", p.Hangup.DTRTime, p.Hangup.Guard)
	}
}

const commands = "answer: {command: ATA, source: s}\nhangup: {command: ATH, source: s}\n"

func TestParseFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		yaml string
		want []string // each in the error
	}{
		"empty":              {"", []string{"x.yaml: the file is empty"}},
		"unknown key":        {"name: x\nbauds: 9600\n" + commands, []string{"x.yaml:2: unknown key bauds"}},
		"unknown nested key": {"name: x\nanswer:\n  command: ATA\n  timeot: 3s\n", []string{"x.yaml:4: unknown key timeot"}},
		"unknown in a list":  {"name: x\ninit:\n  - {send: AT, source: s}\n  - {sendd: ATE0}\n", []string{"x.yaml:4: unknown key sendd"}},
		"duplicate key":      {"name: x\nname: y\n", []string{"x.yaml:2: ", "already defined"}},
		"second document":    {"name: x\n" + commands + "---\nname: y\n", []string{"only one YAML document"}},
		"time without unit":  {"name: x\nanswer: {command: ATA, source: s, timeout: 80}\n", []string{`x.yaml:2: "80" is not a time`}},
		"time not a scalar":  {"name: x\nanswer: {timeout: [1s]}\n", []string{"x.yaml:2: "}},
		"negative time":      {"name: x\nanswer: {command: ATA, source: s, timeout: -1s}\n", []string{"x.yaml:2: time -1s is out of range"}},
		"all at once":        {"name: x\nfoo: 1\nanswer: {timeout: q}\nbar: 2\n", []string{"x.yaml:2:", "x.yaml:3:", "x.yaml:4:"}},
		"bad name":           {"name: ../x\n" + commands, []string{"x.yaml:1:1: name:"}},
		"no source":          {"name: x\n" + commands + "init:\n  - {send: ATE0}\n", []string{`x.yaml:5:5: init[0]: "ATE0": give its source`}},
		"source and not":     {"name: x\n" + commands + "init:\n  - {send: ATE0, source: s, unverified: true}\n", []string{"x.yaml:5:5: init[0]:"}},
		"answer no source":   {"name: x\nanswer: {command: ATA}\nhangup: {command: ATH, source: s}\n", []string{`x.yaml:2:1: answer: "ATA"`}},
		"empty command":      {"name: x\n" + commands + "init: [{source: s}]\n", []string{"x.yaml:4:8: init[0]: a command or a text is empty"}},
		"control character":  {"name: x\n" + commands + "init: [{send: \"AT\\r\", source: s}]\n", []string{"x.yaml:4:8: init[0]:", "raw: true"}},
		"reply and none":     {"name: x\n" + commands + "init: [{send: AT, source: s, no_reply: true, expect: OK}]\n", []string{"exclude each other"}},
		"bad dtr":            {"name: x\ndtr: up\n" + commands, []string{`x.yaml:2:1: dtr: "up" is unknown: allowed is one of`}},
		"bad carrier":        {"name: x\ncarrier: maybe\n" + commands, []string{"x.yaml:2:1: carrier:"}},
		"bad flow":           {"name: x\nflow: cts\n" + commands, []string{"x.yaml:2:1: flow:"}},
		"bad format":         {"name: x\ncaller_id: {format: x}\n" + commands, []string{"x.yaml:2:1: caller_id:"}},
		"bad pattern":        {"name: x\nmatch: [{query: ATI3, pattern: '('}]\n" + commands, []string{"x.yaml:2:9: match[0]:"}},
		"direct with init":   {"name: x\ndirect: true\ninit: [{send: AT, source: s}]\n", []string{"x.yaml:2:1: direct:"}},
		"escape_off missing": {"name: x\nescape_off: ATS2=255\n" + commands, []string{"x.yaml:2:1: escape_off:"}},
		"not a mapping":      {"- name: x\n", []string{"x.yaml:1: "}},
		"no way to hang up": {"name: x\ndtr: ignored\nescape_off: ATS2=255\ninit: [{send: ATS2=255, source: s}]\n" + commands,
			[]string{"x.yaml:3:1: escape_off: with dtr: ignored"}},
		"syntax": {"name: x\nanswer: {\n", []string{"x.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := hardware.Parse([]byte(tc.yaml), "x.yaml")
			if err == nil {
				t.Fatal("accepted")
			}
			for _, w := range tc.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q lacks %q", err, w)
				}
			}
		})
	}
}

func TestLoad(t *testing.T) {
	if _, err := hardware.Load("nosuch"); err == nil || !strings.Contains(err.Error(), "generic, hayes-optima") {
		t.Errorf("unknown name: %v", err)
	}
	if _, err := hardware.Load(filepath.Join(t.TempDir(), "no.yaml")); err == nil {
		t.Error("absent file accepted")
	}
	file := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(file, []byte("name: mine\n"+commands), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := hardware.Load(file)
	if err != nil || p.Name != "mine" || p.Answer.Command != "ATA" {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestProfileSurvivesYAML(t *testing.T) {
	all, err := hardware.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		text, err := yaml.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		back, err := hardware.Parse(text, "back.yaml")
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		again, err := yaml.Marshal(back)
		if err != nil || string(again) != string(text) {
			t.Errorf("%s changed:\n%s\n%s", p.Name, text, again)
		}
	}
}

// docs/modem-profiles.md names every key, and its example is a profile.
func TestDocumentation(t *testing.T) {
	data, err := os.ReadFile("../docs/modem-profiles.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	var names func(reflect.Type)
	names = func(of reflect.Type) {
		for i := range of.NumField() {
			f := of.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if !strings.Contains(text, "`"+name+"`") && !strings.Contains(text, "."+name+"`") {
				t.Errorf("docs/modem-profiles.md does not name %s of %s", name, of.Name())
			}
			for f.Type.Kind() == reflect.Slice {
				f.Type = f.Type.Elem()
			}
			if f.Type.Kind() == reflect.Struct {
				names(f.Type)
			}
		}
	}
	names(reflect.TypeFor[hardware.Profile]())
	_, example, _ := strings.Cut(text, "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	p, err := hardware.Parse([]byte(example), "acme.yaml")
	if err != nil || p.Name != "acme" || len(p.Init) == 0 {
		t.Errorf("the example: %+v, %v", p, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range hardware.Names() {
		data, err := os.ReadFile("modems/" + name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("name: x\n---\n"))
	f.Add([]byte("&a [*a]"))
	f.Add([]byte("~"))
	f.Add([]byte("!"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := hardware.Parse(data, "f.yaml")
		if err == nil && p.Name == "" {
			t.Error("accepted without a name")
		}
	})
}
