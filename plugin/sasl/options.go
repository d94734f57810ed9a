package sasl

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"rashost/plugin/sasl/exchange"
	"rashost/plugin/users"
)

// Limits and defaults.
const (
	defaultAttempts  = 3
	maxAttempts      = 100
	defaultMechanism = "SCRAM-SHA-256"
	defaultName      = "rashost"
	profilePOP3      = "pop3"
	profileSMTP      = "smtp"

	// maxGreeting and maxHostname keep the greeting within one line of either protocol (RFC 2449, section 4).
	maxGreeting = 200
	maxHostname = 253
	maxRealm    = 64
)

// Options are the plugin's own settings, `dialogs.NAME.options`.
type Options struct {
	// File is the user file, relative to the configuration file. Required. If it is missing, nobody can log in.
	File string `yaml:"file"`
	// Mechanisms are those that callers may use, in the order in which they are listed; SCRAM-SHA-256 alone when empty. PLAIN and LOGIN
	// are offered only on lines marked `trusted: true`.
	Mechanisms []string `yaml:"mechanisms"`
	// Profile is the protocol of the greeting: "pop3", the default, or "smtp".
	Profile string `yaml:"profile"`
	// Hostname is the name in the greeting, "rashost" when empty. It need not be this machine's.
	Hostname string `yaml:"hostname"`
	// Realm is the realm of DIGEST-MD5, "rashost" when empty. The users' keys belong to it: with another one every password must be set
	// again.
	Realm string `yaml:"realm"`
	// Hosts are the names that DIGEST-MD5's digest-uri may have behind the service; any when empty.
	Hosts []string `yaml:"hosts"`
	// Echo shows a person at a terminal the commands that they type, and never what is a secret. Mail clients can't use such a line.
	Echo bool `yaml:"echo"`
}

// decodeOptions reads and checks the options, and fills in the defaults.
func decodeOptions(decode func(into any) error) (o Options, err error) {
	if decode != nil {
		if err := decode(&o); err != nil {
			return o, fault("options: %w", err)
		}
	}
	if len(o.Mechanisms) == 0 {
		o.Mechanisms = []string{defaultMechanism}
	}
	for _, text := range []struct {
		value *string
		empty string
	}{{&o.Profile, profilePOP3}, {&o.Hostname, defaultName}, {&o.Realm, defaultName}} {
		if *text.value == "" {
			*text.value = text.empty
		}
	}
	if err := errors.Join(o.faults()...); err != nil {
		return o, fault("%w", err)
	}
	return o, nil
}

// faults lists what is wrong with o.
func (o Options) faults() []error {
	var all []error
	if o.File == "" {
		all = append(all, errors.New("options: file is missing: name the user file, for instance users.yaml"))
	}
	if o.Profile != profilePOP3 && o.Profile != profileSMTP {
		all = append(all, fmt.Errorf("options: profile is %q, allowed is %s or %s", clip(o.Profile), profilePOP3, profileSMTP))
	}
	known := exchange.Mechanisms()
	for i, m := range o.Mechanisms {
		switch {
		case !slices.Contains(known, m):
			all = append(all, fmt.Errorf("options: mechanisms: %q is not known; known are %s", clip(m), strings.Join(known, ", ")))
		case slices.Contains(o.Mechanisms[:i], m):
			all = append(all, fmt.Errorf("options: mechanisms: %s stands there twice", m))
		}
	}
	for _, h := range o.Hosts {
		if !isHostname(h) {
			all = append(all, fmt.Errorf("options: hosts: %q, allowed are up to %d letters, digits, dots and hyphens", clip(h), maxHostname))
		}
	}
	if !isHostname(o.Hostname) {
		all = append(all, fmt.Errorf("options: hostname is %q, allowed are up to %d letters, digits, dots and hyphens", clip(o.Hostname), maxHostname))
	}
	if len(o.Realm) > maxRealm || strings.ContainsFunc(o.Realm, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' }) {
		all = append(all, fmt.Errorf("options: realm is %q, allowed are up to %d printable ASCII characters without blanks, \" and \\", clip(o.Realm), maxRealm))
	}
	return all
}

// warn remarks on mechanisms that work and are unwise.
func (o Options) warn(say func(text string)) {
	if len(o.Hosts) > 0 && !slices.Contains(o.Mechanisms, "DIGEST-MD5") {
		say("sasl: hosts has no effect: it is for DIGEST-MD5, which is not enabled")
	}
	for _, m := range o.Mechanisms {
		switch m {
		case "PLAIN", "LOGIN":
			say("sasl: " + m + " sends the password as it is: it is offered only on lines marked trusted: true")
		case "CRAM-MD5":
			say("sasl: CRAM-MD5 keeps every password as it is in the user file, and the server proves nothing; SCRAM-SHA-256 does neither")
		case "DIGEST-MD5":
			say("sasl: DIGEST-MD5 is historic (RFC 6331) and keeps in the user file what is as good as the password; use SCRAM-SHA-256 where you can")
		case "EXTERNAL":
			say("sasl: EXTERNAL lets in whoever calls from a number that is a user's name, and a number can be forged")
		}
	}
	if !slices.ContainsFunc(o.Mechanisms, func(m string) bool { return !needsTrust(m) }) {
		say("sasl: only PLAIN and LOGIN are enabled: nobody can log in on a line that is not marked trusted: true")
	}
}

// needsTrust says that a mechanism sends the password as it is.
func needsTrust(mechanism string) bool { return mechanism == "PLAIN" || mechanism == "LOGIN" }

// verifiers is what the mechanisms need of every user.
func (o Options) verifiers() users.Verifiers {
	var v users.Verifiers
	for _, m := range o.Mechanisms {
		switch {
		case needsTrust(m):
			v.Hash = true
		case strings.HasPrefix(m, "SCRAM-"):
			v.SCRAM = append(v.SCRAM, m)
		case m == "DIGEST-MD5":
			v.Digest = append(v.Digest, users.DigestKind{Realm: o.Realm, Algorithm: "MD5"})
		case m == "CRAM-MD5":
			v.Plain = true
		case m == "OTP":
			v.OTP = true
		}
	}
	return v
}

// checkGreeting refuses a banner that does not fit into the greeting, or that a modem would take as its escape.
func checkGreeting(banner string) error {
	switch {
	case len(banner) > maxGreeting:
		return fmt.Errorf("it is longer than %d bytes, and it is part of the greeting's line", maxGreeting)
	case strings.Contains(banner, "+++"):
		return errors.New("it contains +++, which the caller's modem may take as its escape")
	case strings.ContainsFunc(banner, func(r rune) bool { return r < ' ' || r >= 0x7f }):
		return errors.New("it is part of the greeting's line, which holds printable ASCII characters only")
	case strings.ContainsAny(banner, "<>"):
		return errors.New("it contains < or >, which POP3 clients take for a challenge of APOP")
	}
	return nil
}

// isHostname says whether name can stand in a greeting.
func isHostname(name string) bool {
	return name != "" && len(name) <= maxHostname && !strings.ContainsFunc(name, func(r rune) bool {
		return (r|0x20 < 'a' || r|0x20 > 'z') && (r < '0' || r > '9') && r != '.' && r != '-'
	})
}

// clip bounds a text for a message.
func clip(s string) string {
	const most = 40
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

// fault puts the plugin's name in front.
func fault(format string, args ...any) error { return fmt.Errorf("sasl: "+format, args...) }
