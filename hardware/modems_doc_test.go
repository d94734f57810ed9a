package hardware_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"rashost/hardware"
)

var update = flag.Bool("update", false, "rewrite docs/modems.md")

const (
	modemsDoc = "../docs/modems.md"
	beginDoc  = "<!-- what follows is made from hardware/modems: `make golden` -->\n"
)

// docs/modems.md is what the profiles say.
func TestGoldenModems(t *testing.T) {
	data, err := os.ReadFile(modemsDoc)
	if err != nil {
		t.Fatal(err)
	}
	head, tail, ok := strings.Cut(string(data), beginDoc)
	if !ok {
		t.Fatalf("%s has no line %s", modemsDoc, beginDoc)
	}
	want := modemTables(t)
	if *update {
		if err := os.WriteFile(modemsDoc, []byte(head+beginDoc+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if tail != want {
		t.Errorf("%s does not fit the profiles: run `make golden`", modemsDoc)
	}
}

func modemTables(t *testing.T) string {
	t.Helper()
	all, err := hardware.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	dict, err := hardware.LoadDictionary()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("\n| profile | fits | caller id | DTR | flow | answer | facts | unverified |\n|---|---|---|---|---|---|---|---|\n")
	for _, p := range all {
		total, unverified := facts(&p)
		answer := "-"
		if !p.Direct {
			answer = p.Answer.Timeout.String()
		}
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s | %s | %s | %d | %d |\n", p.Name, p.Name, md(p.Description), callerID(&p), dtr(&p), p.Flow, answer, total, unverified)
	}
	for _, p := range all {
		section(&b, dict, &p)
	}
	return b.String()
}

func callerID(p *hardware.Profile) string {
	if len(p.CallerID.Enable) == 0 {
		return "none"
	}
	var sends []string
	for _, s := range p.CallerID.Enable {
		sends = append(sends, "`"+s.Send+"`")
	}
	text := strings.Join(sends, ", else ")
	if p.CallerID.BeforeFirstRing {
		text += "; before the first RING"
	}
	return text
}

func dtr(p *hardware.Profile) string {
	if p.Direct {
		return "-"
	}
	return string(p.DTR)
}

// section is what is known of one family.
func section(b *strings.Builder, dict *hardware.Dictionary, p *hardware.Profile) {
	fmt.Fprintf(b, "\n## %s\n\n%s.", p.Name, md(p.Description))
	if len(p.Families) > 0 {
		fmt.Fprintf(b, " Fits %s.", md(strings.Join(p.Families, ", ")))
	}
	b.WriteString("\n")
	if p.Direct {
		fmt.Fprintf(b, "\nNo modem: carrier is %s, DTR goes low for %s at the end.\n", p.Carrier, p.Hangup.DTRTime)
	} else {
		fmt.Fprintf(b, "Reset: %s. DTR is low for %s. Commands as *%s*.\n", reset(p), p.Hangup.DTRTime, orDialect(p.Dialect))
		b.WriteString("\n| command | does | from |\n|---|---|---|\n")
		for _, e := range dict.LintProfile(p).Commands {
			optional := ""
			if e.Optional && strings.HasPrefix(e.Key, "init") {
				optional = ", may be refused"
			}
			if strings.HasPrefix(e.Key, "recover[") {
				optional += ", in recovery"
			}
			fmt.Fprintf(b, "| `%s` | %s%s | %s |\n", code(e.Line), md(e.Means), optional, from(e.Source))
		}
	}
	if len(p.LostOnReset) > 0 {
		fmt.Fprintf(b, "\nForgotten at a reset, also when it was stored: `%s`. The host sends it again.\n", strings.Join(p.LostOnReset, "`, `"))
	}
	list(b, "Recognised by", p.Match, func(m hardware.Match) string {
		return fmt.Sprintf("`%s` answers `%s`: %s", code(m.Query), code(m.Pattern), from(m.Source))
	})
	list(b, "Read back", p.ReadBack, func(r hardware.ReadBack) string {
		return fmt.Sprintf("`%s` answers `%s`: %s. From %s", code(r.Query), code(r.Pattern), md(r.Means), from(r.Source))
	})
	list(b, "Says", p.Replies, func(r hardware.Reply) string {
		return fmt.Sprintf("`%s`: %s. From %s", code(strings.ReplaceAll(r.Text, "\n", " / ")), md(r.Means), from(r.Source))
	})
	list(b, "Traps", p.Traps, func(t hardware.Trap) string { return md(t.Text) + " From " + from(t.Source) })
}

func reset(p *hardware.Profile) string {
	if p.Reset.Command == "" {
		return "not by command"
	}
	return fmt.Sprintf("`%s`, then %s", p.Reset.Command, p.Reset.Delay)
}

func orDialect(d string) string {
	if d == "" {
		return hardware.AnyDialect
	}
	return d
}

func list[T any](b *strings.Builder, title string, all []T, line func(T) string) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s:\n\n", title)
	for _, v := range all {
		fmt.Fprintf(b, "- %s\n", line(v))
	}
}

// from names a source, or the lack of one.
func from(source string) string {
	if source == "" {
		return "*unverified*"
	}
	return md(source)
}

// md keeps a text from being read as Markdown.
func md(s string) string {
	return strings.NewReplacer(`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "<", `\<`, "[", `\[`, "`", "'").Replace(s)
}

// code is a text between backquotes, which needs only that its bars do not end a cell.
func code(s string) string { return strings.NewReplacer("|", `\|`, "`", "'").Replace(s) }

// facts counts what a profile claims, and what of that was found in no document.
func facts(p *hardware.Profile) (total, unverified int) {
	all := p.Facts()
	for _, f := range all {
		if f.Unverified {
			unverified++
		}
	}
	return len(all), unverified
}
