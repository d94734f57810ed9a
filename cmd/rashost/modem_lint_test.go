package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"rashost/hardware"
)

// lint runs `rashost modem lint --json` and returns what it says.
func (b *bench) lint(want int, args ...string) lintReply {
	b.t.Helper()
	out, errs := b.run(want, append([]string{"modem", "lint", "--json"}, args...)...)
	var r lintReply
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		b.t.Fatalf("%v: %s %s", err, out, errs)
	}
	return r
}

// finding says whether a rule speaks of a command; command "" is what is missing.
func (r lintReply) finding(command, rule string) bool {
	for _, f := range r.Missing {
		if command == "" && strings.HasPrefix(f.Text, rule) {
			return true
		}
	}
	for _, c := range r.Commands {
		for _, f := range c.Findings {
			if c.Command == command && f.Rule == rule {
				return true
			}
		}
	}
	return false
}

// Complaint 2.4: init strings that are wrong for the model, or incomplete, are found before the first call, by the very command that is
// at fault.
func TestComplaint2_4_WrongInitString(t *testing.T) {
	b := newBench(t)
	for _, tc := range []struct {
		family, text string
		faults       map[string]string // command: rule; "" for what is missing: the beginning of the text
		fine         []string
	}{
		// The string that a 5637 and a 3453C refused as a whole: which of the five was it?
		{"usr-courier", "ATE=1 S0=1 S7=3 &D2 +MS=B212", map[string]string{"+MS=B212": "value", "S0=1": "auto-answer", "E=1": "echo", "": "S2=255"}, []string{"S7=3", "&D2"}},
		{"usr-5637", "ATE=1 S0=1 S7=3 &D2 +MS=B212", map[string]string{"+MS=B212": "value"}, []string{"&D2"}},
		{"conexant-cx93010", "AT+MS=B212", map[string]string{"": "E0"}, []string{"+MS=B212"}},
		{"conexant-cx93010", "AT+MS=212", map[string]string{"+MS=212": "value"}, nil},
		{"rockwell-rc288", "AT+MS=212", map[string]string{"+MS=212": "value"}, nil},
		{"usr-sportster", "AT&MS=212", map[string]string{"": "E0"}, nil},
		// Caller id before the reset that forgets it, and everything after a reset on its line.
		{"conexant-cx93010", "AT+VCID=1\nATZ", map[string]string{"Z": "before-reset"}, []string{"+VCID=1"}},
		{"hayes-optima", "ATZE0V1&D3", map[string]string{"E0": "after-reset", "V1": "after-reset", "&D3": "after-reset"}, nil},
	} {
		r := b.lint(1, "--family", tc.family, tc.text)
		for command, rule := range tc.faults {
			if !r.finding(command, rule) {
				t.Errorf("%s %q: %q is not said of %q: %+v", tc.family, tc.text, rule, command, r)
			}
		}
		for _, command := range tc.fine {
			for _, c := range r.Commands {
				for _, f := range c.Findings {
					if c.Command == command && f.Severity == string(hardware.SeverityFault) {
						t.Errorf("%s %q: %s is blamed: %s", tc.family, tc.text, command, f.Text)
					}
				}
			}
		}
	}
	supra := filepath.Join(b.dir, "supra.yaml")
	text := "name: supra\nfamilies: [SupraFAXModem]\ndialect: rockwell\ndtr: reset\nanswer: {command: ATA, source: s}\nhangup: {command: ATH, source: s}\n" +
		"init: [{send: ATE0, source: s}, {send: AT&D3, source: s}]\n"
	if err := os.WriteFile(supra, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := b.lint(1, supra); !r.finding("&D3", "supra") {
		t.Errorf("&D3 on a Supra: %+v", r)
	}
}

// Complaint 2.17: there is a list of the modems that work, and it can't fall behind what the program knows.
func TestComplaint2_17_ModemsThatWork(t *testing.T) {
	data, err := os.ReadFile("../../docs/modems.md")
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	for _, name := range hardware.Names() {
		if !strings.Contains(string(data), "\n| ["+name+"](#"+name+") | ") || !strings.Contains(string(data), "\n## "+name+"\n") {
			t.Errorf("docs/modems.md does not list %s", name)
		}
		r := b.lint(0, name)
		for _, trap := range r.Traps {
			if first, _, _ := strings.Cut(trap.Text, " "); !strings.Contains(string(data), first) {
				t.Errorf("%s: docs/modems.md lacks %q", name, trap.Text)
			}
		}
	}
}

// What lint counts as unverified is what docs/modems.md counts, whatever kind of fact it is, and each is shown.
func TestLintCountsEveryFact(t *testing.T) {
	data, err := os.ReadFile("../../docs/modems.md")
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	for _, name := range hardware.Names() {
		_, row, _ := strings.Cut(string(data), "\n| ["+name+"](#")
		row, _, _ = strings.Cut(row, "\n")
		cells := strings.Split(strings.TrimSuffix(row, " |"), " | ")
		r := b.lint(0, name)
		if count := cells[len(cells)-1]; strconv.Itoa(r.Unverified) != count {
			t.Errorf("%s: lint counts %d unverified, docs/modems.md %s", name, r.Unverified, count)
		}
		out, _ := b.run(0, "modem", "lint", name)
		if shown := strings.Count(out, "(unverified)"); shown < r.Unverified { // more, where a line of several commands is
			t.Errorf("%s: %d of %d are shown:\n%s", name, shown, r.Unverified, out)
		}
	}
	own := filepath.Join(b.dir, "ours.yaml")
	text := "name: ours\ninit: [{send: ATE0, source: s}]\nrecover: [{send: AT, raw: true, unverified: true}]\nmatch: [{query: ATI3, pattern: x, unverified: true}]\n" +
		"read_back: [{query: ATI4, pattern: x, means: y, unverified: true}]\nreplies: [{text: HI, means: y, unverified: true}]\n" +
		"traps: [{text: Beware., unverified: true}]\nresult_codes: {99: CONNECT 1}\nresult_codes_unverified: true\n"
	if err := os.WriteFile(own, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := b.lint(1, own); r.Unverified != 6 || len(r.Facts) != 5 {
		t.Errorf("%+v", r)
	}
	out, _ := b.run(1, "modem", "lint", own)
	wantText(t, out, "match[0]: ATI3 (unverified)", "read_back[0]: ATI4 (unverified)", "replies[0]: HI (unverified)", "trap: Beware. (unverified)",
		"recover[0]: AT (unverified)", "result_codes: results beyond 0 to 8: 1 (unverified)", "6 unverified")
}

func TestModemLint(t *testing.T) {
	b := newBench(t)
	out, _ := b.run(0, "modem", "lint", "usr-5637")
	wantText(t, out, "profile usr-5637, read as usr-usb", "init[0]", "Q0", "results: sent", "(unverified)", "trap: ", "0 faults, 0 warnings")
	out, _ = b.run(1, "modem", "lint", "AT\x1b]0;x\aS0=1")
	if strings.ContainsAny(out, "\x1b\a") {
		t.Errorf("control characters on the screen: %q", out)
	}
	wantText(t, out, "read as any", "S0=1", "fault:", "the modem answers by itself")
	_, errs := b.run(2, "modem", "lint", "nosuch")
	wantText(t, errs, `no modem profile "nosuch"`, "an init string begins with AT")
	_, errs = b.run(2, "modem", "lint", "--family", "nosuch", "ATE0")
	wantText(t, errs, "--family \"nosuch\"", "dialects are any, conexant")
	_, errs = b.run(2, "modem", "lint")
	wantText(t, errs, "PROFILE|STRING")
	b.run(2, "modem", "lint", filepath.Join(b.dir, "absent.yaml"))
	if r := b.lint(1, "--family", "zyxel", "&K3S18=5"); r.Kind != "string" || r.Dialect != "zyxel" || !r.finding("S18=5", "test-timer") {
		t.Errorf("without AT: %+v", r)
	}
	if r := b.lint(0, "generic"); r.Kind != "profile" || len(r.Commands) < 10 || r.Faults != 0 {
		t.Errorf("%+v", r)
	}
}

// A profile of the configuration's folder stands in place of a built-in one; a faulty one is told with its places.
func TestModemLintOwnProfile(t *testing.T) {
	b := newBench(t)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config, err := os.ReadFile(b.config)
	if err != nil {
		t.Fatal(err)
	}
	write("config.yaml", "profiles: .\n"+string(config))
	own := "name: telebit\ndialect: telebit\nanswer: {command: ATA, source: s}\nhangup: {command: ATH, source: s}\ninit: [{send: ATS58=77, unverified: true}]\n"
	write("telebit.yaml", own)
	if r := b.lint(1, "telebit"); len(r.Commands) != 3 || r.Unverified != 1 || !r.finding("S58=77", "value") {
		t.Errorf("%+v", r)
	}
	write("telebit.yaml", strings.Replace(own, ", unverified: true", "", 1))
	_, errs := b.run(2, "modem", "lint", "telebit")
	wantText(t, errs, "telebit.yaml:5:", "give its source, or unverified: true")
	write("telebit.yaml", strings.Replace(own, "dialect: telebit", "dialect: klingon", 1))
	_, errs = b.run(2, "modem", "lint", "telebit")
	wantText(t, errs, "telebit.yaml:2:1: dialect:", `"klingon" is unknown`)
}

func TestProfileSchemaCommand(t *testing.T) {
	out, _ := newBench(t).run(0, "schema", "profile")
	var v map[string]any
	if err := json.Unmarshal([]byte(out), &v); err != nil || v["title"] != "modem profile of rashost" {
		t.Errorf("%v: %.200s", err, out)
	}
	_, errs := newBench(t).run(2, "schema", "nosuch")
	wantText(t, errs, "nosuch")
}

// TestModemLintSaysWhatIsMissing: what is neither a profile nor a string, in a message of a few words.
func TestModemLintSaysWhatIsMissing(t *testing.T) {
	b := newBench(t)
	for subject, want := range map[string]string{
		"": "nothing to explain: give the name of a profile, or an init string", " ": "nothing to explain", "+++ATH": "begins with the escape, which belongs to no set-up",
		"E0V1": `"E0V1" is neither the name of a profile`, "nosuch": `no modem profile "nosuch": there are`, strings.Repeat("x", 100_000): "is no path, name or string",
		strings.Repeat("x", 3000): "no modem profile", strings.Repeat("X", 3000): "is neither the name",
	} {
		_, errs := b.run(2, "modem", "lint", subject)
		wantText(t, errs, want)
		if len(errs) > 800 {
			t.Errorf("%.20q: %d bytes", subject, len(errs))
		}
	}
}
