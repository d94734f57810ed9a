package sasl

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"rashost/plugin/sasl/client"
	"rashost/plugin/users"
)

// page returns docs/sasl.md.
func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/sasl.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every option is in the documentation, with its default, and nothing that is none.
func TestDocumentedOptions(t *testing.T) {
	_, rest, _ := strings.Cut(page(t), "| option |")
	section, _, _ := strings.Cut(rest, "\n\n")
	var got []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+)`").FindAllStringSubmatch(section, -1) {
		got = append(got, m[1])
	}
	var want []string
	for f := range reflect.TypeFor[Options]().Fields() {
		want = append(want, f.Tag.Get("yaml"))
	}
	if !slices.Equal(got, want) {
		t.Errorf("documented are %q, there are %q", got, want)
	}
}

// The answers are documented as they are; those that are not about logging in may be left out.
func TestDocumentedAnswers(t *testing.T) {
	doc := page(t)
	leftOut := []reply{replyDone, replyTransition, replySyntax, replyUnknown, replyUserFirst, replyNextPassword, replyBye}
	for what := range pop3.replies {
		row := fmt.Sprintf("| `%s` | `%s` |", pop3.replies[what], smtp.replies[what])
		if found := strings.Contains(doc, row); found == slices.Contains(leftOut, reply(what)) {
			t.Errorf("found %v: %s", found, row)
		}
	}
}

// The documented clients are those that the tests log in with.
func TestDocumentedClients(t *testing.T) {
	profiles, mechanisms := map[string][]string{}, map[string][]string{}
	var order []string
	for _, c := range mailClients() {
		if !slices.Contains(order, c.program) {
			order = append(order, c.program)
		}
		if !slices.Contains(profiles[c.program], c.profile) {
			profiles[c.program] = append(profiles[c.program], c.profile)
		}
		if !slices.Contains(mechanisms[c.program], c.mechanism) {
			mechanisms[c.program] = append(mechanisms[c.program], c.mechanism)
		}
	}
	var want strings.Builder
	for _, p := range order {
		fmt.Fprintf(&want, "| %s | %s | %s |\n", p, strings.Join(profiles[p], ", "), strings.Join(mechanisms[p], ", "))
	}
	if !strings.Contains(page(t), want.String()) {
		t.Errorf("docs/sasl.md should have\n%s", want.String())
	}
}

// The documented login is one that works: its lines are the dialog's, and what stands in parentheses is computed.
func TestDocumentedLogin(t *testing.T) {
	_, rest, _ := strings.Cut(page(t), "### A login over POP3\n\n```\n")
	doc, _, _ := strings.Cut(rest, "```")
	p, _ := realPlugin(t, "")
	m, err := client.New(client.SCRAMSHA256, client.Credentials{User: "alice", Secret: []byte(secret)}, strings.NewReader(strings.Repeat("0123456789", 10)))
	if err != nil {
		t.Fatal(err)
	}
	first, err := m.Start()
	if err != nil {
		t.Fatal(err)
	}
	if auth := "C: AUTH SCRAM-SHA-256 " + base64.StdEncoding.EncodeToString(first) + "\n"; !strings.Contains(doc, auth) {
		t.Errorf("docs/sasl.md should show %s", auth)
	}
	converse(t, p, func(say func(line string) string, hear func() string) {
		last, fresh := "", false
		for line := range strings.Lines(doc) {
			line = strings.TrimSuffix(line, "\n")
			if server, ok := strings.CutPrefix(line, "S: "); ok {
				switch {
				case server+"\r\n" == helloPOP3:
					continue // heard already
				case !fresh:
					last = hear()
				}
				fresh = false
				if last != server && (!strings.Contains(server, "(") || !strings.HasPrefix(last, "+ ")) {
					t.Errorf("documented %q, heard %q", server, last)
				}
				continue
			}
			text := strings.TrimSpace(strings.TrimPrefix(line, "C:"))
			if text == "" || strings.HasPrefix(text, "(") {
				data, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(last, "+ "))
				out, err := m.Next(data)
				if err != nil || text == "" && len(out) > 0 {
					t.Fatalf("the client answers %q, %v", out, err)
				}
				text = base64.StdEncoding.EncodeToString(out)
			}
			last, fresh = say(text), true
		}
	})
}

// A person without a client logs in with a one-time password, as documented.
func TestOneTimePasswordByHand(t *testing.T) {
	p, _ := realPlugin(t, allOf)
	challenge := regexp.MustCompile(`^otp-md5 ([0-9]+) ([a-zA-Z0-9]+) ext$`)
	login := func(wrong bool) string {
		answers := converse(t, p, func(say func(line string) string, _ func() string) {
			say("AUTH OTP")
			data, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(say(b64("\x00alice")), "+ "))
			m := challenge.FindStringSubmatch(string(data))
			if m == nil {
				t.Fatalf("challenge %q", data)
			}
			var n int
			_, _ = fmt.Sscan(m[1], &n)
			if wrong {
				n--
			}
			value, err := users.OTPStart("md5", m[2], []byte(passPhrase), n)
			if err != nil {
				t.Fatal(err)
			}
			say(b64("hex:" + hex.EncodeToString(value)))
		})
		return answers[len(answers)-1]
	}
	for _, wrong := range []bool{false, true, false} {
		want := "+OK Logged in."
		if wrong {
			want = "-ERR [AUTH] Access denied."
		}
		if got := login(wrong); got != want {
			t.Errorf("wrong %v: %q", wrong, got)
		}
	}
}
