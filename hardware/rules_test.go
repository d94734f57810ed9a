package hardware_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"rashost/hardware"
)

func builtin(t *testing.T) []hardware.Profile {
	t.Helper()
	all, err := hardware.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func load(t *testing.T, name string) *hardware.Profile {
	t.Helper()
	p, err := hardware.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

func dictionary(t testing.TB) *hardware.Dictionary {
	t.Helper()
	d, err := hardware.LoadDictionary()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The families that the program promises to know.
func TestEveryFamilyHasAProfile(t *testing.T) {
	for _, name := range []string{
		"generic", "usr-courier", "usr-sportster", "usr-5637", "multitech-mt5634", "multitech-mt2834", "conexant-cx93010", "rockwell-rc288", "supra",
		"lucent-agere", "hayes-optima", "zyxel-u1496", "zyxel-2864", "telebit", "microcom", "elsa-microlink", "isdn-ta", "telit", "quectel", "sierra",
		"iridium", "iaxmodem", "slmodemd", "radio", "null-modem", "none",
	} {
		if !slices.Contains(hardware.Names(), name) {
			t.Errorf("no profile %s", name)
		}
	}
}

// profileRules is what every profile that comes with the program keeps to. TestProfileRulesFindMutants breaks each one.
var profileRules = []struct {
	name string
	ok   func(*hardware.Profile) bool
}{
	{"words and no echo before anything is asked", func(p *hardware.Profile) bool {
		return len(p.Init) > 3 && p.Init[0].Send == "ATQ0" && p.Init[1].Send == "ATV1" && p.Init[2].Send == "ATE0"
	}},
	{"what the host cannot do without is required", func(p *hardware.Profile) bool {
		return required(p, "ATV1") && required(p, "ATE0") && required(p, "ATS0=0")
	}},
	{"no echo after factory settings", func(p *hardware.Profile) bool {
		for i, s := range p.Init {
			if strings.HasPrefix(s.Send, "AT&F") && (i+1 >= len(p.Init) || p.Init[i+1].Send != "ATE0") {
				return false
			}
		}
		return true
	}},
	{"DCD follows the carrier", func(p *hardware.Profile) bool { return has(p, "AT&C1") }},
	{"DTR hangs up, as the profile says", func(p *hardware.Profile) bool {
		switch p.DTR {
		case hardware.DTRReset:
			return has(p, "AT&D3")
		case hardware.DTRHangup:
			return has(p, "AT&D2") && !has(p, "AT&D3") && !has(p, "ATS13=1")
		case hardware.DTRIgnored:
			return true
		}
		return false
	}},
	{"the escape is off, or the only way to hang up", func(p *hardware.Profile) bool {
		off := p.EscapeOff == "ATS2=255" && has(p, "ATS2=255")
		return off != (p.DTR == hardware.DTRIgnored)
	}},
	{"no line is too long, and none holds two commands", func(p *hardware.Profile) bool {
		for _, s := range p.Init {
			if len(s.Send) > hardware.LongLine || !oneCommand.MatchString(s.Send) {
				return false
			}
		}
		return true
	}},
	{"caller id is switched on last, not in init", func(p *hardware.Profile) bool {
		return !slices.ContainsFunc(p.Init, func(s hardware.Step) bool { return callerID1.MatchString(s.Send) })
	}},
	{"the answer outlasts S7 and is no shorter than an ISDN call", func(p *hardware.Profile) bool { return p.Answer.Timeout.Std() >= 30*time.Second }},
	{"DTR is low long enough to be seen", func(p *hardware.Profile) bool {
		return p.DTR == hardware.DTRIgnored || p.Hangup.DTRTime.Std() >= 500*time.Millisecond && p.Hangup.DTRTime.Std() <= 3*time.Second
	}},
	{"nothing is stored in the modem", func(p *hardware.Profile) bool {
		return !slices.ContainsFunc(p.Init, func(s hardware.Step) bool { return strings.Contains(s.Send, "&W") })
	}},
	{"the way to recover leaves voice and data mode", func(p *hardware.Profile) bool {
		return slices.ContainsFunc(p.Recover, func(s hardware.Step) bool { return s.Send == "\x10\x03" }) &&
			slices.ContainsFunc(p.Recover, func(s hardware.Step) bool { return s.Send == "+++" && s.NoReply })
	}},
	{"no &D3 on a Supra", func(p *hardware.Profile) bool { return p.Name != "supra" || !has(p, "AT&D3") }},
	{"nobody configures a Multi-Tech from afar", func(p *hardware.Profile) bool {
		switch p.Dialect {
		case "multitech":
			return required(p, "ATS9=0") && has(p, "AT#CBS0")
		case "multitech-ba":
			return required(p, "ATS13=0")
		}
		return true
	}},
	{"a slow Telebit gets its time", func(p *hardware.Profile) bool {
		return p.Name != "telebit" || p.Reset.Delay.Std() >= 3200*time.Millisecond
	}},
	{"something recognises it", func(p *hardware.Profile) bool { return p.Name == hardware.Fallback || len(p.Match) > 0 }},
	{"something is read back", func(p *hardware.Profile) bool { return len(p.ReadBack) > 0 }},
	{"there is a trap to tell", func(p *hardware.Profile) bool { return len(p.Traps) > 0 }},
}

var (
	oneCommand = regexp.MustCompile(`^AT(?:[A-Z][0-9]*|[&\\%$*#"-][A-Z]+[0-9]*(?:=[0-9]+)?|S[0-9]+(?:\.[0-9])?=[0-9]+|\+[A-Z0-9]+=[0-9A-Z,]+)$`)
	callerID1  = regexp.MustCompile(`^AT(\+VCID|#CID|%CCID|\+CLIP|\*ID)=?[1-9]`)
)

func has(p *hardware.Profile, send string) bool {
	return slices.ContainsFunc(p.Init, func(s hardware.Step) bool { return s.Send == send })
}

func required(p *hardware.Profile, send string) bool {
	return slices.ContainsFunc(p.Init, func(s hardware.Step) bool { return s.Send == send && !s.Optional })
}

func broken(p *hardware.Profile) []string {
	var names []string
	for _, r := range profileRules {
		if !r.ok(p) {
			names = append(names, r.name)
		}
	}
	return names
}

func TestProfileRules(t *testing.T) {
	for _, p := range builtin(t) {
		if p.Direct {
			continue
		}
		for _, name := range broken(&p) {
			t.Errorf("%s: not so: %s", p.Name, name)
		}
	}
}

// without removes a command from init; with puts one at its end.
func without(send string) func(*hardware.Profile) {
	return func(p *hardware.Profile) {
		p.Init = slices.DeleteFunc(slices.Clone(p.Init), func(s hardware.Step) bool { return s.Send == send })
	}
}

func with(send string) func(*hardware.Profile) {
	return func(p *hardware.Profile) {
		p.Init = append(slices.Clone(p.Init), hardware.Step{Send: send, Source: "s"})
	}
}

// Each wrong profile is found by the rule that is there for it.
func TestProfileRulesFindMutants(t *testing.T) {
	found := map[string]bool{}
	for name, tc := range map[string]struct {
		of     string
		mutate func(*hardware.Profile)
		rule   string
	}{
		"asks first": {"generic", func(p *hardware.Profile) { p.Init = append([]hardware.Step{{Send: "ATI3"}}, p.Init...) }, "words and no echo"},
		"S0 optional": {"generic", func(p *hardware.Profile) {
			without("ATS0=0")(p)
			p.Init = append(p.Init, hardware.Step{Send: "ATS0=0", Optional: true})
		}, "cannot do without"},
		"echo after &F":        {"usr-courier", func(p *hardware.Profile) { p.Init = slices.Delete(slices.Clone(p.Init), 4, 5) }, "no echo after"},
		"no &C1":               {"generic", without("AT&C1"), "DCD follows"},
		"&D3 unsaid":           {"rockwell-rc288", with("AT&D3"), "DTR hangs up"},
		"S13 resets a Courier": {"usr-courier", with("ATS13=1"), "DTR hangs up"},
		"no S2":                {"generic", without("ATS2=255"), "the escape is off"},
		"escape off, no DTR":   {"slmodemd", func(p *hardware.Profile) { with("ATS2=255")(p); p.EscapeOff = "ATS2=255" }, "the escape is off"},
		"long line":            {"generic", with("AT+MS=V34,1,300,33600,300,33600,300,33600,300"), "too long"},
		"two commands":         {"generic", with("ATE0V1"), "too long"},
		"caller id in init":    {"generic", with("AT+VCID=1"), "caller id"},
		"answer too short":     {"generic", func(p *hardware.Profile) { p.Answer.Timeout = hardware.Duration(time.Second) }, "answer outlasts"},
		"DTR too short":        {"generic", func(p *hardware.Profile) { p.Hangup.DTRTime = hardware.Duration(time.Millisecond) }, "DTR is low"},
		"stored":               {"generic", with("AT&W0"), "stored"},
		"no recovery":          {"generic", func(p *hardware.Profile) { p.Recover = nil }, "recover"},
		"&D3 on a Supra":       {"supra", with("AT&D3"), "Supra"},
		"remote escape on":     {"multitech-mt5634", without("ATS9=0"), "Multi-Tech"},
		"remote escape on BA":  {"multitech-mt2834", without("ATS13=0"), "Multi-Tech"},
		"hasty Telebit":        {"telebit", func(p *hardware.Profile) { p.Reset.Delay = 0 }, "Telebit"},
		"nothing matches":      {"telebit", func(p *hardware.Profile) { p.Match = nil }, "recognises"},
		"nothing read back":    {"telebit", func(p *hardware.Profile) { p.ReadBack = nil }, "read back"},
		"no traps":             {"telebit", func(p *hardware.Profile) { p.Traps = nil }, "trap to tell"},
	} {
		p := load(t, tc.of)
		tc.mutate(p)
		names := broken(p)
		at := slices.IndexFunc(names, func(n string) bool { return strings.Contains(n, tc.rule) })
		if at < 0 {
			t.Errorf("%s: the rule about %q says nothing; said: %q", name, tc.rule, names)
			continue
		}
		found[names[at]] = true
	}
	for _, r := range profileRules {
		if !found[r.name] {
			t.Errorf("no mutant breaks %q", r.name)
		}
	}
}

// Everything that a profile claims names its source, in words, or is marked; a source is never "unverified".
func TestEveryFactIsSourced(t *testing.T) {
	for _, p := range builtin(t) {
		check := func(what, source string, unverified bool) {
			if what != "" && (len(source) < 4) != unverified || strings.Contains(source, "unverified") {
				t.Errorf("%s: %q has source %q, unverified %v", p.Name, what, source, unverified)
			}
		}
		for _, steps := range [][]hardware.Step{p.Init, p.CallerID.Enable, p.Recover, p.Diagnostics, {p.OffHook}, {p.DistinctiveRing}} {
			for _, s := range steps {
				check(s.Send, s.Source, s.Unverified)
			}
		}
		for _, m := range p.Match {
			check(m.Query, m.Source, m.Unverified)
		}
		for _, r := range p.ReadBack {
			check(r.Query, r.Source, r.Unverified)
		}
		for _, r := range p.Replies {
			check(r.Text, r.Source, r.Unverified)
		}
		for _, x := range p.Traps {
			check(x.Text, x.Source, x.Unverified)
		}
		if !p.Direct {
			check(p.Answer.Command, p.Answer.Source, p.Answer.Unverified)
			check(p.Hangup.Command, p.Hangup.Source, p.Hangup.Unverified)
			check(p.Reset.Command, p.Reset.Source, p.Reset.Unverified)
		}
		if len(p.ResultCodes) > 0 {
			check("result codes", p.ResultCodesSource, p.ResultCodesUnverified)
		}
	}
}
