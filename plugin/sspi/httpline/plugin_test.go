package httpline

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"rashost/plugin"
	"rashost/plugin/sspi"
	"rashost/plugin/users"
)

func decoder(options string) func(any) error {
	return func(into any) error { return yaml.Unmarshal([]byte(options), into) }
}

func TestNeeds(t *testing.T) {
	for options, want := range map[string][]users.DigestKind{
		"file: u.yaml": {{Realm: "rashost", Algorithm: "SHA-256"}},
		"{file: u.yaml, realm: Plant 4, algorithms: [SHA-256, MD5-sess, MD5]}": {
			{Realm: "Plant 4", Algorithm: "SHA-256"}, {Realm: "Plant 4", Algorithm: "MD5"}},
	} {
		file, v, err := Needs(decoder(options))
		if err != nil || file != "u.yaml" || !reflect.DeepEqual(v, users.Verifiers{Digest: want}) {
			t.Errorf("%s: %q, %+v, %v", options, file, v, err)
		}
	}
	if _, _, err := Needs(decoder("realm: x")); err == nil || !strings.Contains(err.Error(), "file is missing") {
		t.Errorf("without a file: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for options, want := range map[string]string{
		"file: ''":                           "file is missing",
		"realm: 'a\"b'":                      "realm must be printable",
		`realm: 'a\b'`:                       "realm must be printable",
		"realm: a+++b":                       "realm must be printable",
		`realm: "a\nb"`:                      "realm must be printable",
		"algorithms: []":                     "algorithms is empty",
		"algorithms: [SHA-512]":              `"SHA-512" is not one of SHA-256, MD5, MD5-sess`,
		"algorithms: [MD5, MD5]":             "MD5 stands there twice",
		"qop: auth-conf":                     `qop is "auth-conf"`,
		"nonce_lifetime: 5m1s":               "nonce_lifetime is 5m1s, allowed is 1s to 5m0s",
		"nonce_lifetime: 1ms":                "nonce_lifetime is 1ms",
		"nonce_lifetime: -1s":                "nonce_lifetime is -1s",
		"realm: " + fmt.Sprintf("%0256d", 0): "realm must be printable",
	} {
		s, _ := setup(t, "")
		s.Decode = decoder("file: users.yaml\n" + options)
		if strings.HasPrefix(options, "file") {
			s.Decode = decoder(options)
		}
		if p, err := New(s); p != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", options, err, want)
		}
	}
	for want, edit := range map[string]func(s *plugin.Setup){
		"options: no such thing": func(s *plugin.Setup) { s.Decode = func(any) error { return errors.New("no such thing") } },
		"attempts is -1":         func(s *plugin.Setup) { s.Attempts = -1 },
		"attempts is 101":        func(s *plugin.Setup) { s.Attempts = 101 },
		"lockout":                func(s *plugin.Setup) { s.LockoutDenials = -1 },
		"banner contains +++":    func(s *plugin.Setup) { s.Banner = "+++ATH" },
		"banner contains a con":  func(s *plugin.Setup) { s.Banner = "\x1b[2J" },
		"banner is longer":       func(s *plugin.Setup) { s.Banner = strings.Repeat("x", 4097) },
		"not a regular file":     func(s *plugin.Setup) { s.Resolve = func(string) string { return t.TempDir() } },
	} {
		s, _ := setup(t, "")
		edit(&s)
		if p, err := New(s); p != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestWeakAlgorithmsAreSaid(t *testing.T) {
	for options, want := range map[string]int{"": 0, "algorithms: [SHA-256]": 0, "algorithms: [SHA-256, MD5]": 1, "algorithms: [MD5-sess]": 1} {
		s, _ := setup(t, options)
		var said []string
		s.Warn = func(text string) { said = append(said, text) }
		mustPlugin(t, s)
		if len(said) != want {
			t.Errorf("%s: %q", options, said)
		}
	}
}

func TestKnownUser(t *testing.T) {
	s, _ := setup(t, "", "Alice")
	p := mustPlugin(t, s)
	if !p.KnownUser("aLiCe") || p.KnownUser("mallory") {
		t.Error("wrong answers")
	}
	if p.options.Realm != "rashost" || p.options.NonceLifetime != sspi.MaxNonceLifetime || p.options.QOP != "auth" {
		t.Errorf("defaults: %+v", p.options)
	}
}
