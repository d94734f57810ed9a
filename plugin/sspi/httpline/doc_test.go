package httpline

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"rashost/dialog"
	"rashost/plugin"
)

// The exchange in docs/sspi.md is one that was held: ">" is what the device sends, "<" what it gets.
func TestDocumentedExchange(t *testing.T) {
	text, err := os.ReadFile("../../../docs/sspi.md")
	if err != nil {
		t.Fatal(err)
	}
	_, doc, found := strings.Cut(string(text), "```http\n")
	doc, _, closed := strings.Cut(doc, "```")
	if !found || !closed {
		t.Fatal("docs/sspi.md shows no exchange")
	}
	bubble(t, "algorithms: [SHA-256, MD5]", nil, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
		p.random = rand.NewChaCha8([32]byte{1})
		c := dial(t, host, p, "modem1")
		cl := &client{name: "Alice", password: secret, alg: "SHA-256"}
		var held strings.Builder
		note := func(mark, text string) {
			for line := range strings.Lines(strings.TrimSuffix(text, "\r\n")) {
				held.WriteString(strings.TrimRight(mark+" "+line, " \r\n") + "\n")
			}
		}
		turn := func(target, headers string, status int) {
			t.Helper()
			note(">", asks("GET", target, headers, ""))
			a := c.ask("GET", target, headers, "", status)
			note("<", a.raw)
			cl.reads(a)
		}
		turn("/", "", 401)
		turn("/", cl.authorization("GET", "/", ""), 302)
		turn("/connect", cl.authorization("GET", "/connect", ""), 200)
		c.ends(plugin.Success, "Alice")
		if held.String() != doc {
			t.Errorf("docs/sspi.md should show\n%s", held.String())
		}
	})
}
