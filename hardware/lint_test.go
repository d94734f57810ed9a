package hardware_test

import (
	"slices"
	"strings"
	"testing"

	"rashost/hardware"
)

// Nothing that comes with the program is at fault.
func TestBuiltinProfilesLintClean(t *testing.T) {
	d := dictionary(t)
	for _, p := range builtin(t) {
		l := d.LintProfile(&p)
		if w := l.Worst(); w == hardware.SeverityFault || w == hardware.SeverityWarning {
			t.Errorf("%s: %s: %+v %+v", p.Name, w, l.Missing, l.Commands)
		}
		for _, e := range l.Commands {
			if e.Means == "" {
				t.Errorf("%s: %s %s is not explained", p.Name, e.Key, e.Command)
			}
		}
	}
}

// findings returns "COMMAND rule" of a string in a dialect, and "missing TEXT" cut to its first word.
func findings(d *hardware.Dictionary, dialect, text string) []string {
	var all []string
	l := d.LintString(dialect, text)
	for _, e := range l.Commands {
		for _, f := range e.Findings {
			all = append(all, e.Command+" "+f.Rule)
		}
	}
	for _, f := range l.Missing {
		word, _, _ := strings.Cut(f.Text, " ")
		all = append(all, "missing "+word)
	}
	return all
}

func TestLintRules(t *testing.T) {
	d := dictionary(t)
	for name, tc := range map[string]struct {
		dialect, text string
		want, not     []string
	}{
		"all is well":              {"hayes", "ATE0\nATV1\nATQ0\nAT&C1\nAT&D2\nATS0=0\nATS2=255\nAT&K3", nil, []string{"*"}},
		"answers by itself":        {"hayes", "ATS0=1", []string{"S0=1 auto-answer", "missing S0=0"}, nil},
		"the last value counts":    {"hayes", "ATS0=1\nATS0=0", []string{"S0=1 auto-answer"}, []string{"missing S0=0"}},
		"DTR ignored":              {"hayes", "AT&D0", []string{"&D0 dtr-ignored", "missing &D2"}, nil},
		"DTR to command mode":      {"hayes", "AT&D1", []string{"&D1 dtr-command", "missing &D2"}, nil},
		"DCD always high":          {"hayes", "AT&C0", []string{"&C0 carrier-forced", "missing &C1"}, nil},
		"a number left out is 0":   {"hayes", "AT&C", []string{"&C carrier-forced"}, nil},
		"echo":                     {"hayes", "ATE1", []string{"E1 echo", "missing E0"}, nil},
		"quiet":                    {"hayes", "ATQ1", []string{"Q1 quiet", "missing Q0"}, nil},
		"quiet when answering":     {"hayes", "ATQ2", []string{"Q2 quiet", "missing Q0"}, nil},
		"numbers":                  {"hayes", "ATV0", []string{"V0 numeric", "missing V1"}, nil},
		"few results":              {"hayes", "ATX1", []string{"X1 no-results"}, nil},
		"escape on":                {"hayes", "ATS2=43", []string{"S2=43 escape-on"}, []string{"missing S2=255"}},
		"escape at the limit":      {"hayes", "ATS2=127", []string{"S2=127 escape-on"}, nil},
		"escape off":               {"hayes", "ATS2=128", nil, []string{"S2=128 escape-on", "missing S2=255"}},
		"stored":                   {"hayes", "AT&W", []string{"&W stored"}, nil},
		"other line ends":          {"hayes", "ATS3=10", []string{"S3=10 command-characters"}, nil},
		"test timer":               {"hayes", "ATS18=5", []string{"S18=5 test-timer"}, nil},
		"carrier loss unnoticed":   {"hayes", "ATS10=255", []string{"S10=255 never-hang-up"}, nil},
		"dials":                    {"hayes", "ATDT123", []string{"DT123 acts"}, nil},
		"answers":                  {"hayes", "ATA", []string{"A acts"}, nil},
		"off hook":                 {"hayes", "ATH1", []string{"H1 acts"}, nil},
		"on hook is fine":          {"hayes", "ATH0", nil, []string{"H0 acts"}},
		"fax":                      {"rockwell", "AT+FCLASS=2", []string{"+FCLASS=2 fax"}, nil},
		"restarts":                 {"telit", "AT+CFUN=1,1", []string{"+CFUN=1,1 restarts"}, nil},
		"radio on":                 {"telit", "AT+CFUN=1", nil, []string{"+CFUN=1 restarts"}},
		"rate follows the line":    {"usr", "AT&B0", []string{"&B0 rate-follows"}, nil},
		"remote escape MT5634":     {"multitech", "ATS9=37", []string{"S9=37 remote-escape", "missing S9=0"}, nil},
		"S9 of another make":       {"hayes", "ATS9=37", nil, []string{"S9=37 remote-escape", "missing S9=0"}},
		"remote escape MT2834":     {"multitech-ba", "ATS13=37", []string{"S13=37 remote-escape", "missing S13=0"}, nil},
		"S13 of US Robotics":       {"usr", "ATS13=1", nil, []string{"S13=1 remote-escape", "missing S13=0"}},
		"callback":                 {"multitech", "AT#CBS1", []string{"#CBS1 callback"}, nil},
		"callback of ZyXEL":        {"zyxel", "AT*G1", []string{"*G1 callback"}, nil},
		"long line":                {"hayes", "AT+MS=V34,1,300,33600,300,33600,300,33600", []string{"+MS=V34,1,300,33600,300,33600,300,33600 long-line"}, nil},
		"just fits":                {"hayes", "AT+MS=V34,1,300,33600,300,33600,300,3360", nil, []string{"+MS=V34,1,300,33600,300,33600,300,3360 long-line"}},
		"several":                  {"hayes", "ATE0V1", []string{"E0 several"}, []string{"V1 several"}},
		"after a reset":            {"hayes", "ATZE0", []string{"E0 after-reset"}, []string{"Z after-reset"}},
		"after factory settings":   {"hayes", "AT&F&C1", []string{"&C1 after-reset"}, nil},
		"a new line after a reset": {"hayes", "ATZ\nATE0", nil, []string{"E0 after-reset"}},
		"a reset forgets":          {"hayes", "ATE0\nATZ", []string{"missing E0"}, nil},
		"factory settings":         {"hayes", "AT&F", []string{"missing E0"}, []string{"missing V1", "missing Q0"}},
		"caller id before a reset": {"conexant", "AT+VCID=1\nATZ", []string{"Z before-reset"}, nil},
		"caller id after it":       {"conexant", "ATZ\nAT+VCID=1", nil, []string{"Z before-reset"}},
		"semicolon missing":        {"conexant", "AT+VCID=1#CID=1", []string{"#CID=1 semicolon"}, nil},
		"semicolon there":          {"conexant", "AT+VCID=1;#CID=1", nil, []string{"#CID=1 semicolon"}},
		"unknown":                  {"hayes", "AT&Z9", []string{"&Z9 unknown"}, nil},
		"of another make":          {"usr", "AT%CCID=1", []string{"%CCID=1 unknown"}, nil},
		"wrong value":              {"hayes", "AT&K9", []string{"&K9 value"}, nil},
		"equals sign":              {"hayes", "ATE=0", []string{"E=0 syntax"}, nil},
		"no register":              {"hayes", "ATS0", []string{"S0 syntax"}, nil},
		"no command":               {"hayes", "AT?", []string{"? syntax"}, nil},
		"&K is flow control":       {"rockwell", "AT&K3", nil, []string{"missing no"}},
		"&K is none of USR":        {"usr", "AT&K3", []string{"missing no"}, nil},
		"&H1 is of USR":            {"usr", "AT&H1", nil, []string{"missing no"}},
		"&E4 kept by &E15":         {"multitech-ba", "AT&E4\nAT&E15", nil, []string{"missing no"}},
		"asking is no setting":     {"hayes", "ATS0?\nAT+VCID?", []string{"missing S0=0"}, []string{"S0? auto-answer"}},
		"a bit is no value":        {"zyxel", "ATS40.2=1", nil, []string{"S40.2=1 value", "S40.2=1 unknown"}},
		"lower case and blanks":    {"hayes", " at e1 s0 = 1", []string{"e1 echo"}, nil},
		"US Robotics has no +MS":   {"usr", "AT+MS=V34", []string{"+MS=V34 value"}, nil},
		"Rockwell has numbers":     {"rockwell", "AT+MS=11,1,300,33600", nil, []string{"+MS=11,1,300,33600 value"}},
		"Conexant has names":       {"conexant", "AT+MS=11", []string{"+MS=11 value"}, nil},
	} {
		got := findings(d, tc.dialect, tc.text)
		for _, w := range tc.want {
			if !slices.Contains(got, w) {
				t.Errorf("%s: %q lacks %q: %q", name, tc.text, w, got)
			}
		}
		for _, n := range tc.not {
			if n == "*" && len(got) > 0 || slices.Contains(got, n) {
				t.Errorf("%s: %q has %q: %q", name, tc.text, n, got)
			}
		}
	}
}

// A profile is read with what it says of itself.
func TestLintProfile(t *testing.T) {
	d := dictionary(t)
	rules := func(p *hardware.Profile) []string {
		var all []string
		l := d.LintProfile(p)
		for _, e := range l.Commands {
			for _, f := range e.Findings {
				all = append(all, e.Key+" "+f.Rule+" "+string(f.Severity))
			}
		}
		for _, f := range l.Missing {
			all = append(all, f.Rule+" "+string(f.Severity))
		}
		return all
	}
	for name, tc := range map[string]struct {
		of     string
		mutate func(*hardware.Profile)
		want   string
	}{
		"&D3 on a Supra":          {"supra", with("AT&D3"), "init[13] supra fault"},
		"&D3 without dtr: reset":  {"rockwell-rc288", with("AT&D3"), "dtr-reset fault"},
		"S7 longer than answer":   {"generic", with("ATS7=90"), "init[13] long-wait warning"},
		"escape off without DTR":  {"slmodemd", with("ATS2=255"), "escape-needed fault"},
		"asks too early":          {"generic", func(p *hardware.Profile) { p.Init = append([]hardware.Step{{Send: "ATI3"}}, p.Init...) }, "early-query fault"},
		"caller id in init":       {"generic", with("AT+VCID=1"), "caller-id-place warning"},
		"no escape_off":           {"generic", func(p *hardware.Profile) { p.EscapeOff = "" }, "escape-off warning"},
		"a question that changes": {"generic", func(p *hardware.Profile) { p.ReadBack = []hardware.ReadBack{{Query: "ATZ", Pattern: "x"}} }, "query-changes fault"},
		"unknown but optional":    {"generic", func(p *hardware.Profile) { p.Init = append(p.Init, hardware.Step{Send: "AT@Q1", Optional: true}) }, "init[13] unknown warning"},
		"unknown and required":    {"generic", with("AT@Q1"), "init[13] unknown fault"},
		"unknown in recovery":     {"generic", func(p *hardware.Profile) { p.Recover = append(p.Recover, hardware.Step{Send: "AT@Q1"}) }, "recover[3] unknown fault"},
	} {
		p := load(t, tc.of)
		tc.mutate(p)
		if got := rules(p); !slices.ContainsFunc(got, func(r string) bool { return strings.HasSuffix(r, tc.want) }) {
			t.Errorf("%s: %q lacks %q", name, got, tc.want)
		}
	}
	if l := d.LintProfile(load(t, "none")); len(l.Commands)+len(l.Missing) > 0 {
		t.Errorf("a direct line has commands: %+v", l)
	}
}

func TestDictionary(t *testing.T) {
	d := dictionary(t)
	if !slices.Equal(d.Dialects(), hardware.DialectNames()) {
		t.Errorf("commands.yaml has the dialects %q, profiles may name %q", d.Dialects(), hardware.DialectNames())
	}
	for _, p := range builtin(t) {
		if !d.Has(p.Dialect) {
			t.Errorf("%s: dialect %q", p.Name, p.Dialect)
		}
	}
	for _, tc := range []struct{ dialect, name, means string }{
		{"usr", "&K", "compression"}, {"rockwell", "&K", "flow control"}, {"zyxel", "&K", "error control and compression"},
		{"multitech", "S9", "remote configuration escape character"}, {"hayes", "S9", "carrier must last, 0.1 s"},
		{"multitech-ba", "S13", "remote configuration escape character"}, {"usr", "S13", "bits: 1 reset when DTR drops"},
		{"conexant", "#CID", "caller id"}, {"", "+IFC", "flow control, from the modem and to it"},
	} {
		if m := d.Find(tc.dialect, tc.name); m == nil || m.Means != tc.means {
			t.Errorf("%s in %s: %+v, want %s", tc.name, tc.dialect, m, tc.means)
		}
	}
	if m := d.Find("usr", "%CCID"); m != nil {
		t.Errorf("US Robotics has %+v", m)
	}
	if there := d.Elsewhere("#CID"); !slices.Contains(there, "rockwell") || !slices.Contains(there, "usr") {
		t.Errorf("#CID is in %q", there)
	}
}

// Whatever is given, it is explained in bounded time and space, and no command is invented.
func FuzzLintString(f *testing.F) {
	d := dictionary(f)
	for _, s := range []string{"ATE=1 S0=1 S7=3 &D2 +MS=B212", "AT+VCID=1;#CID=1", "ATZ&F\nATE0", "ATDT123;", "AT\"H3\\N3%C1*F0-SDR=7", "AT+", "ATS.=?", "AT&", "at$BA0"} {
		for _, dialect := range []string{"", "usr", "multitech-ba", "zyxel"} {
			f.Add(dialect, s)
		}
	}
	f.Fuzz(func(t *testing.T, dialect, text string) {
		l := d.LintString(dialect, text)
		if len(l.Commands) > 512 || len(l.Missing) > 32 {
			t.Errorf("%d commands, %d missing", len(l.Commands), len(l.Missing))
		}
		for _, e := range l.Commands {
			if !strings.Contains(text, e.Command) && e.Command != "AT" {
				t.Errorf("%q is not in %q", e.Command, text)
			}
		}
	})
}
