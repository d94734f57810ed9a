package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/spf13/pflag"

	"rashost/internal/caller"
)

// TestCallPage: docs/call.md names every flag of `rashost call` and no other, and its script is one.
func TestCallPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/call.md")
	if err != nil {
		t.Fatal(err)
	}
	flags := newCallCommand(&app{}).Flags()
	for _, found := range regexp.MustCompile("`--([a-z-]+)").FindAllSubmatch(page, -1) {
		if name := string(found[1]); flags.Lookup(name) == nil {
			t.Errorf("the page has --%s, the command does not", name)
		}
	}
	flags.VisitAll(func(f *pflag.Flag) {
		if !bytes.Contains(page, []byte("`--"+f.Name)) && (f.Shorthand == "" || !bytes.Contains(page, []byte("`-"+f.Shorthand+"`"))) {
			t.Errorf("the page does not name --%s", f.Name)
		}
	})
	_, rest, _ := strings.Cut(string(page), "## Scripts")
	script, _, _ := strings.Cut(strings.SplitN(rest, "```\n", 2)[1], "```")
	if s, err := caller.ParseScript("docs/call.md", []byte(script)); err != nil || len(s.Steps) != 5 {
		t.Errorf("the page's script: %d steps, %v", len(s.Steps), err)
	}
}

func TestFirstLine(t *testing.T) {
	for text, want := range map[string]string{
		"secret": "secret", "secret\n": "secret", "secret\r\nmore\n": "secret", " with blanks \n": " with blanks ", "pass wort\x00\n": "pass wort\x00",
		strings.Repeat("x", maxCallSecret) + "\r\n": strings.Repeat("x", maxCallSecret),
	} {
		if got, err := firstLine(iotest.OneByteReader(strings.NewReader(text))); err != nil || string(got) != want {
			t.Errorf("%.20q: %.20q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "\n", "\r\n", "\nsecret\n", strings.Repeat("x", maxCallSecret+1), strings.Repeat("x", 10000)} {
		if got, err := firstLine(strings.NewReader(text)); err == nil || strings.Contains(err.Error(), "xxx") {
			t.Errorf("%.20q: %.20q, %v", text, got, err)
		}
	}
}
