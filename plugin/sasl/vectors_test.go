package sasl

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"

	"rashost/plugin"
	"rashost/plugin/sasl/exchange"
)

// rfc5034 plays the server of DIGEST-MD5 with the messages of RFC 5034, section 6, and RFC 2831's user chris.
type rfc5034 struct {
	t    *testing.T
	step int
}

func (x *rfc5034) Start(_ context.Context, mechanism string, initial []byte) ([]byte, exchange.Code, string) {
	if mechanism != "DIGEST-MD5" || initial != nil {
		x.t.Errorf("started with %s, %q", mechanism, initial)
	}
	challenge := `realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8`
	return []byte(challenge), exchange.SASL_CONTINUE, ""
}

func (x *rfc5034) Step(_ context.Context, in []byte) ([]byte, exchange.Code, string) {
	want := [...]string{
		`charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",nc=00000001,cnonce="OA6MHXh6VqTrRk",` +
			`digest-uri="pop/elwood.innosoft.com",response=b0d56d2f054c24b62072322106468db9,qop=auth`,
		"",
	}[x.step]
	if in == nil || string(in) != want {
		x.t.Errorf("step %d takes %q, want %q", x.step, in, want)
	}
	if x.step++; x.step == 1 {
		return []byte("rspauth=0b971462cef5e8f930db9a33b02fc9a0"), exchange.SASL_CONTINUE, ""
	}
	return nil, exchange.SASL_OK, ""
}

func (x *rfc5034) Identity() (string, bool) { return "chris", x.step == 2 }
func (x *rfc5034) Name() string             { return "chris" }
func (x *rfc5034) Renew(context.Context)    {}
func (x *rfc5034) Close()                   {}

// RFC 5034, section 6, byte by byte as printed. That the exchange computes these messages is tested there.
func TestRFC5034Dialog(t *testing.T) {
	bubble(t, "mechanisms: [DIGEST-MD5]\n", nil, func(r *rig) {
		r.newExchange = func(plugin.Call, string, func() bool) (exchanger, error) { return &rfc5034{t: r.t}, nil }
		c := r.dial("")
		c.expect(helloPOP3)
		c.talk(`
			C: AUTH DIGEST-MD5
			S: + cmVhbG09ImVsd29vZC5pbm5vc29mdC5jb20iLG5vbmNlPSJPQTZNRzl0RVFHbTJoaCIscW9wPSJhdXRoIixhbGdvcml0aG09bWQ1LXNlc3MsY2hhcnNldD11dGYtOA==
			C: Y2hhcnNldD11dGYtOCx1c2VybmFtZT0iY2hyaXMiLHJlYWxtPSJlbHdvb2QuaW5ub3NvZnQuY29tIixub25jZT0iT0E2TUc5dEVRR20yaGgiLG5jPTAwMDAwMDAxLGNub25jZT0iT0E2TUhYaDZWcVRyUmsiLGRpZ2VzdC11cmk9InBvcC9lbHdvb2QuaW5ub3NvZnQuY29tIixyZXNwb25zZT1iMGQ1NmQyZjA1NGMyNGI2MjA3MjMyMjEwNjQ2OGRiOSxxb3A9YXV0aA==
			S: + cnNwYXV0aD0wYjk3MTQ2MmNlZjVlOGY5MzBkYjlhMzNiMDJmYzlhMA==
			C:
			S: +OK Logged in.
		`)
		c.ends(plugin.Success, "chris")
	})
}

// The messages of PLAIN and EXTERNAL that the RFCs print reach the exchange as they mean.
func TestPrintedInitialResponses(t *testing.T) {
	for line, want := range map[string]start{
		"AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q=": {"PLAIN", true, "test\x00test\x00test"}, // RFC 5034, section 6
		"AUTH PLAIN dGVzdAB0ZXN0ADEyMzQ=": {"PLAIN", true, "test\x00test\x001234"}, // RFC 4954, section 4.1
		"AUTH EXTERNAL =":                 {"EXTERNAL", true, ""},
		"AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("Ursel\x00Kurt\x00xipj3plmq")): {"PLAIN", true, "Ursel\x00Kurt\x00xipj3plmq"}, // RFC 4616
	} {
		bubble(t, withSMTP, nil, func(r *rig) {
			c := r.dial("")
			c.say(line + "\r\n")
			if len(r.starts) != 1 || r.starts[0] != want {
				t.Errorf("%s: %+v", line, r.starts)
			}
			c.leaves()
		})
	}
}

// With the real exchange: the initial responses that are wrong in themselves, and what each mechanism is told.
func TestInitialResponsesOfTheRealExchange(t *testing.T) {
	const malformed, denied = "501 ", "535 "
	p, _ := realPlugin(t, allOf+"profile: smtp\n")
	for line, want := range map[string]string{
		"AUTH PLAIN =":                                   malformed,
		"AUTH SCRAM-SHA-256 =":                           malformed,
		"AUTH EXTERNAL =":                                "235 ",
		"AUTH EXTERNAL " + b64("somebody"):               denied,
		"AUTH CRAM-MD5 " + b64("alice 00"):               malformed,
		"AUTH CRAM-MD5 =":                                malformed,
		"AUTH DIGEST-MD5 " + b64(`username="alice"`):     malformed,
		"AUTH LOGIN " + b64("alice"):                     malformed,
		"AUTH PLAIN " + b64("bob\x00alice\x00"+secret):   denied,
		"AUTH PLAIN " + b64("alice\x00alice\x00"+secret): "235 ",
		"AUTH PLAIN " + b64("\x00ALICE\x00"+secret):      "235 ",
		"AUTH PLAIN " + b64("\x00dora\x00"+secret):       denied,
		"AUTH SCRAM-SHA-256-PLUS " + b64("p=tls-unique"): "504 ",
		"AUTH GSSAPI":                                    "504 ",
	} {
		got := exchangeOf(t, p, line)
		if last := got[len(got)-1]; !strings.HasPrefix(last, want) {
			t.Errorf("%s is answered %q, want %s", line, got, want)
		}
	}
}

// What is not enabled is refused by the exchange, which knows what is weak; on a line that is not trusted so is what sends the password.
func TestPolicyOfTheRealExchange(t *testing.T) {
	p, log := realPlugin(t, "mechanisms: [SCRAM-SHA-256, LOGIN]\nprofile: smtp\n")
	for mechanism, want := range map[string]string{
		"PLAIN": "534 ", "DIGEST-MD5": "534 ", "SCRAM-SHA-512": "504 ", "LOGIN": "334 ", "scram-sha-256": "334 ", "SCRAM_SHA_256": "504 ",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ": "504 ", "X\"Y": "504 ",
	} {
		if got := exchangeOf(t, p, "AUTH "+mechanism); !strings.HasPrefix(got[0], want) {
			t.Errorf("AUTH %s is answered %q, want %s", mechanism, got, want)
		}
	}
	if text := log.String(); !strings.Contains(text, "SASL_TOOWEAK (-15)") || !strings.Contains(text, "SASL_NOMECH (-4)") {
		t.Errorf("log: %s", text)
	}
}
