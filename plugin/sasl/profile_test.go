package sasl

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"rashost/plugin"
)

// b64 is what a client types.

func b64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

const (
	helloPOP3 = "+OK POP3 rashost\r\n"
	helloSMTP = "220 rashost ESMTP\r\n"
	withSMTP  = everything + "profile: smtp\n"
)

func TestPOP3(t *testing.T) {
	bubble(t, everything, nil, func(r *rig) {
		c := r.dial("")
		c.expect(helloPOP3)
		c.talk(`
			C: CAPA
			S: +OK Capability list follows
			S: SASL SCRAM-SHA-256 CRAM-MD5 OTP EXTERNAL PLAIN LOGIN
			S: USER
			S: RESP-CODES
			S: AUTH-RESP-CODE
			S: .
			C: auth
			S: +OK Mechanisms follow
			S: SCRAM-SHA-256
			S: CRAM-MD5
			S: OTP
			S: EXTERNAL
			S: PLAIN
			S: LOGIN
			S: .
			C: NOOP
			S: +OK
			C: STAT
			S: -ERR Log in first.
			C: EHLO there
			S: -ERR Unknown command. Type HELP for a list.
			C: APOP alice c4c9334bac560ecc979e58001b3e22fb
			S: -ERR Unknown command. Type HELP for a list.
			C: AUTH SCRAM-SHA-256
			S: + 
			C: ` + b64("alice") + `
			S: + ` + b64("r=1,s=2") + `
			C: ` + b64("sesame") + `
			S: + ` + b64("v=3") + `
			C:
			S: +OK Logged in.
		`)
		if out := c.ends(plugin.Success, "Alice"); len(out.Unread) != 0 {
			t.Errorf("the service gets %q", out.Unread)
		}
	})
}

func TestSMTP(t *testing.T) {
	bubble(t, withSMTP+"hostname: line.example\n", func(s *plugin.Setup) { s.Banner = "Authorised use only." }, func(r *rig) {
		c := r.dial("")
		c.expect("220 line.example ESMTP Authorised use only.\r\n")
		c.talk(`
			C: CAPA
			S: 500 5.5.1 Unknown command. Type HELP for a list.
			C: USER alice
			S: 500 5.5.1 Unknown command. Type HELP for a list.
			C: HELO there
			S: 250 line.example
			C: MAIL FROM:<a@b>
			S: 530 5.7.0 Authentication required.
			C: ehlo there
			S: 250-line.example
			S: 250-ENHANCEDSTATUSCODES
			S: 250-AUTH SCRAM-SHA-256 CRAM-MD5 OTP EXTERNAL PLAIN LOGIN
			S: 250-AUTH=SCRAM-SHA-256 CRAM-MD5 OTP EXTERNAL PLAIN LOGIN
			S: 250 HELP
			C: RSET
			S: 250 2.0.0 OK
			C: NOOP and an argument
			S: 250 2.0.0 OK
			C: AUTH
			S: 501 5.5.4 Wrong arguments. Type HELP for a list.
			C: AUTH CRAM-MD5
			S: 334 ` + b64("<1@x>") + `
			C: *
			S: 501 5.7.0 Authentication cancelled.
			C: AUTH PLAIN
			S: 334 
			C: ` + b64("\x00alice\x00wrong") + `
			S: 535 5.7.8 Access denied.
			C: AUTH PLAIN ` + b64("\x00alice\x00sesame") + `
			S: 235 2.7.0 Logged in.
		`)
		c.ends(plugin.Success, "Alice")
	})
}

func TestEHLOUnderPOP3SwitchesTheRendering(t *testing.T) {
	for _, hello := range []string{"EHLO", "HELO"} {
		bubble(t, "", nil, func(r *rig) {
			c := r.dial("")
			c.say("garbage\r\n" + hello + " there\r\n")
			if got := c.heard(); !strings.HasPrefix(got, helloPOP3+"-ERR ") || !strings.Contains(got, "\r\n250") {
				t.Errorf("caller sees %q", got)
			}
			c.talk("C: QUIT\nS: 221 2.0.0 Bye.")
			c.ends(plugin.Failure, "")
		})
	}
}

func TestInitialResponse(t *testing.T) {
	for line, want := range map[string]start{
		"AUTH EXTERNAL":                              {"EXTERNAL", false, ""},
		"AUTH EXTERNAL ":                             {"EXTERNAL", false, ""},
		"AUTH EXTERNAL =":                            {"EXTERNAL", true, ""},
		"auth external YWxpY2U=":                     {"EXTERNAL", true, "alice"},
		"AUTH PLAIN " + b64("\x00alice\x00sesame"):   {"PLAIN", true, "\x00alice\x00sesame"},
		"AUTH PLAIN =":                               {"PLAIN", true, ""},
		"AUTH SCRAM-SHA-256 " + b64("n,,n=alice,r="): {"SCRAM-SHA-256", true, "n,,n=alice,r="},
	} {
		for _, options := range []string{everything, withSMTP} {
			bubble(t, options, nil, func(r *rig) {
				c := r.dial("")
				c.say(line + "\r\n")
				if !slices.Equal(r.starts, []start{want}) {
					t.Errorf("%q starts %+v, want %+v", line, r.starts, want)
				}
				c.leaves()
			})
		}
	}
}

// Every bad form is refused and ends the exchange: the next line is a command again.

// TestEndings: what ends a line, how the bytes are cut into pieces, and what is left for the service.

// A terminal sends CR alone: the first line waits a moment for an LF, the others don't.

// A CR that is the whole end of the very first line can't be told from one whose LF is to come: the byte behind it is lost, and it is said.

// An exchange that was begun and broken off counts as an attempt, whatever it was broken off with.

// claimed is the name in the flood of exchanges.

// The codes of the exchange and what the caller is told of them: nothing that is about the name or the secret.

// The verdict names whom the last exchange claimed to be; a name that can't be one is left out.

func TestUserAndPass(t *testing.T) {
	bubble(t, everything, nil, func(r *rig) {
		c := r.dial("")
		c.talk(`
			C: PASS sesame
			S: +OK POP3 rashost
			S: -ERR USER first.
			C: USER
			S: -ERR Wrong arguments. Type HELP for a list.
			C: USER alice
			S: +OK Now the password with PASS.
			C: PASS a b
			S: -ERR [AUTH] Access denied.
			C: PASS sesame
			S: -ERR USER first.
			C: USER alice
			S: +OK Now the password with PASS.
			C: PASS sesame
			S: +OK Logged in.
		`)
		c.ends(plugin.Success, "Alice")
		if want := (start{"PLAIN", true, "\x00alice\x00a b"}); len(r.starts) != 2 || r.starts[0] != want {
			t.Errorf("starts %+v", r.starts)
		}
	})
}

// On a line that is not trusted nothing takes a password as it is.

func TestLineThatIsNotTrusted(t *testing.T) {
	bubble(t, everything, nil, func(r *rig) {
		r.call.Trusted = false
		c := r.dial("")
		c.talk(`
			C: CAPA
			S: +OK POP3 rashost
			S: +OK Capability list follows
			S: SASL SCRAM-SHA-256 CRAM-MD5 OTP EXTERNAL
			S: RESP-CODES
			S: AUTH-RESP-CODE
			S: .
			C: AUTH PLAIN ` + b64("\x00alice\x00sesame") + `
			S: -ERR This mechanism is not allowed on this line. Type CAPA for others.
			C: AUTH login
			S: -ERR This mechanism is not allowed on this line. Type CAPA for others.
			C: USER alice
			S: -ERR This mechanism is not allowed on this line. Type CAPA for others.
			C: PASS sesame
			S: -ERR This mechanism is not allowed on this line. Type CAPA for others.
			C: AUTH SCRAM-SHA-512
			S: -ERR Unknown authentication mechanism. Type CAPA for a list.
			C: AUTH ABCDEFGHIJKLMNOPQRSTUVWXYZ
			S: -ERR Unknown authentication mechanism. Type CAPA for a list.
		`)
		if len(r.starts) != 0 {
			t.Errorf("started %+v", r.starts)
		}
		c.leaves()
	})
	bubble(t, "mechanisms: [PLAIN]\nprofile: smtp", nil, func(r *rig) {
		r.call.Trusted = false
		c := r.dial("")
		c.talk(`
			C: EHLO there
			S: 220 rashost ESMTP
			S: 250-rashost
			S: 250-ENHANCEDSTATUSCODES
			S: 250 HELP
			C: AUTH PLAIN
			S: 538 5.7.11 This mechanism is not allowed on this line. Type EHLO for others.
		`)
		c.leaves()
	})
}

func TestHelp(t *testing.T) {
	bubble(t, "", nil, func(r *rig) {
		c := r.dial("")
		c.talk(`
			C: help
			S: +OK POP3 rashost
			S: +OK Commands: AUTH, CAPA, NOOP, QUIT, HELP.
			S: AUTH and a mechanism logs in. Answers to the challenges are base64; * cancels.
			S: Mechanisms: SCRAM-SHA-256
			S: .
		`)
		c.leaves()
	})
	bubble(t, withSMTP, nil, func(r *rig) {
		c := r.dial("")
		c.talk(`
			C: HELP
			S: 220 rashost ESMTP
			S: 214-Commands: AUTH, EHLO, NOOP, QUIT, HELP.
			S: 214-AUTH and a mechanism logs in. Answers to the challenges are base64; * cancels.
			S: 214 Mechanisms: SCRAM-SHA-256 CRAM-MD5 OTP EXTERNAL PLAIN LOGIN
		`)
		c.leaves()
	})
}

// A person sees the command that they type, and no secret.

func TestEcho(t *testing.T) {
	bubble(t, everything+"echo: true\n", nil, func(r *rig) {
		c := r.dial("")
		c.say("\bnoox\bp\r")
		time.Sleep(endingWait * time.Second)
		c.expect(helloPOP3 + "noox\b \bp\r\n+OK\r\n")
		for typed, want := range map[string]string{
			"auth plain " + b64("\x00alice\x00wrong") + "\r": "auth plain\r\n-ERR [AUTH] Access denied.\r\n",
			"user alice\rpass wro ng\b\r":                    "user alice\r\n+OK Now the password with PASS.\r\npass\r\n-ERR [AUTH] Access denied.\r\n",
			"AUTH CRAM-MD5\rYWx\x7fpY2U=\x08=\r*\r":          "AUTH CRAM-MD5\r\n+ " + b64("<1@x>") + "\r\n\r\n-ERR Authentication failed: the response is malformed.\r\n*\r\n-ERR Unknown command. Type HELP for a list.\r\n",
			"secret x\x1b\r":                                 "secret\r\n-ERR Unreadable line: only ASCII text is understood.\r\n",
		} {
			c := r.dial("")
			c.say("noop\r")
			time.Sleep(endingWait * time.Second)
			c.heard()
			c.say(typed)
			c.expect(want)
			c.leaves()
		}
		c.leaves()
	})
}

// A call that ends in the middle of an exchange closes it, and nobody is let in.
