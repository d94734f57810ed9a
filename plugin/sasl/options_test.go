package sasl

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"rashost/plugin"
	"rashost/plugin/users"
)

func TestOptionsAreChecked(t *testing.T) {
	for text, want := range map[string]string{
		"profile: imap":                             `profile is "imap", allowed is pop3 or smtp`,
		"mechanisms: [SCRAM-MD5]":                   `"SCRAM-MD5" is not known; known are SCRAM-SHA-512, `,
		"mechanisms: [plain]":                       `"plain" is not known`,
		"mechanisms: [PLAIN, PLAIN]":                "PLAIN stands there twice",
		"hosts: [line.example, \"a b\"]":            "hosts: \"a b\"",
		"hostname: a b":                             `hostname is "a b"`,
		"hostname: \"a\\r\\nb\"":                    "hostname is",
		"realm: 'a\"b'":                             "realm is",
		"realm: " + strings.Repeat("x", maxRealm+1): "realm is",
		"mechanism: PLAIN":                          "mechanism",
		"file: ''":                                  "file is missing",
	} {
		decode := decodeYAML("file: users.yaml\n" + text)
		if strings.HasPrefix(text, "file") {
			decode = decodeYAML(text)
		}
		if _, err := New(plugin.Setup{Decode: decode, StateDir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
		if _, _, err := Needs(decode); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: Needs: %v", text, err)
		}
	}
}

func TestSettingsAreChecked(t *testing.T) {
	for want, edit := range map[string]func(s *plugin.Setup){
		"attempts is -1":           func(s *plugin.Setup) { s.Attempts = -1 },
		"attempts is 101":          func(s *plugin.Setup) { s.Attempts = maxAttempts + 1 },
		"lockout":                  func(s *plugin.Setup) { s.LockoutDenials = -1 },
		"banner: it contains +++":  func(s *plugin.Setup) { s.Banner = "a+++b" },
		"banner: it is longer":     func(s *plugin.Setup) { s.Banner = strings.Repeat("x", maxGreeting+1) },
		"banner: it is part":       func(s *plugin.Setup) { s.Banner = "one\ntwo" },
		"banner: it contains < or": func(s *plugin.Setup) { s.Banner = "<a@b>" },
	} {
		s, _ := setup(t, "")
		edit(&s)
		if _, err := New(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestDefaults(t *testing.T) {
	s, _ := setup(t, "")
	s.Warn = func(text string) { t.Errorf("warned: %s", text) }
	made, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := made.(*Plugin)
	want := Options{File: "users.yaml", Mechanisms: []string{"SCRAM-SHA-256"}, Profile: "pop3", Hostname: "rashost", Realm: "rashost"}
	if !reflect.DeepEqual(p.options, want) || p.attempts != 3 || p.wire != pop3 {
		t.Errorf("%+v, %d attempts", p.options, p.attempts)
	}
}

func TestNeeds(t *testing.T) {
	for text, want := range map[string]users.Verifiers{
		"":                                 {SCRAM: []string{"SCRAM-SHA-256"}},
		"mechanisms: [PLAIN]":              {Hash: true},
		"mechanisms: [LOGIN, SCRAM-SHA-1]": {Hash: true, SCRAM: []string{"SCRAM-SHA-1"}},
		"mechanisms: [DIGEST-MD5]\nrealm: line.one": {Digest: []users.DigestKind{{Realm: "line.one", Algorithm: "MD5"}}},
		"mechanisms: [CRAM-MD5]":                    {Plain: true},
		"mechanisms: [OTP, EXTERNAL]":               {OTP: true},
	} {
		file, got, err := Needs(decodeYAML("file: staff.yaml\n" + text))
		if err != nil || file != "staff.yaml" || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, %+v, %v; want %+v", text, file, got, err, want)
		}
	}
}

func TestWarnings(t *testing.T) {
	for mechanisms, want := range map[string][]string{
		"SCRAM-SHA-512, OTP":         nil,
		"PLAIN, SCRAM-SHA-256":       {"PLAIN sends"},
		"LOGIN":                      {"LOGIN sends", "only PLAIN and LOGIN"},
		"EXTERNAL, CRAM-MD5":         {"can be forged", "CRAM-MD5 keeps"},
		"SCRAM-SHA-1, DIGEST-MD5":    {"historic"},
		"SCRAM-SHA-256, SCRAM-SHA-1": nil,
	} {
		s, _ := setup(t, "mechanisms: ["+mechanisms+"]")
		var got []string
		s.Warn = func(text string) { got = append(got, text) }
		if _, err := New(s); err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Errorf("%s: %q", mechanisms, got)
		}
		for _, w := range want {
			if !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, "sasl: ") && strings.Contains(g, w) }) {
				t.Errorf("%s: no warning with %q in %q", mechanisms, w, got)
			}
		}
	}
}
