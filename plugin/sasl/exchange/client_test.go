package exchange

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"rashost/plugin/sasl/client"
	"rashost/plugin/users"
)

// zeros is a digest that is no secret's.
var zeros = strings.Repeat("0", 32)

var directive = regexp.MustCompile(`([a-z]+)="?([^",]*)"?`)

// responseDirective is where the digest stands in an answer.
var responseDirective = regexp.MustCompile(`response=([0-9a-f]{32})`)

// digestOf is the response of RFC 2831, section 2.1.2.1, from the client's side.
func digestOf(challenge, name, secret string) string {
	return digestOfCount(challenge, name, secret, "00000001")
}

func digestOfCount(challenge, name, secret, nc string) string {
	d := directives(challenge)
	sum := func(s string) string {
		h := md5.Sum([]byte(s))
		return string(h[:])
	}
	h := func(s string) string { return hex.EncodeToString([]byte(sum(s))) }
	a1 := sum(name+":"+d["realm"]+":"+secret) + ":" + d["nonce"] + ":OA6MHXh6VqTrRk"
	return h(h(a1) + ":" + d["nonce"] + ":" + nc + ":OA6MHXh6VqTrRk:auth:" + h("AUTHENTICATE:pop/line.example"))
}

// digestAnswer is what a client sends.
func digestAnswer(challenge, name, response string) string {
	d := directives(challenge)
	return fmt.Sprintf(`charset=utf-8,username="%s",realm="%s",nonce="%s",nc=00000001,cnonce="OA6MHXh6VqTrRk",`+
		`digest-uri="pop/line.example",response=%s,qop=auth`, name, d["realm"], d["nonce"], response)
}

func directives(text string) map[string]string {
	d := map[string]string{}
	for _, m := range directive.FindAllStringSubmatch(text, -1) {
		d[m[1]] = m[2]
	}
	return d
}

// oneTimeHex is the one-time password with a number, for newBook's users.
func oneTimeHex(t testing.TB, n int) string {
	t.Helper()
	v, err := users.OTPStart("md5", "ke12345", []byte(passPhrase), n)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(v)
}

// logIn runs a whole login with the client of package client, which was written apart from the server, and returns the last code.
func logIn(t testing.TB, x *Exchange, mechanism, name, secret string) (code Code, detail string, clientErr error) {
	t.Helper()
	m, err := client.New(mechanism, client.Credentials{User: name, Secret: []byte(secret)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	in, err := m.Start()
	if err != nil {
		t.Fatal(err)
	}
	out, code, detail := x.Start(t.Context(), mechanism, in)
	for code == SASL_CONTINUE {
		if in, err = m.Next(out); err != nil {
			return code, detail, err
		}
		out, code, detail = x.Step(t.Context(), in)
	}
	if code == SASL_OK {
		return code, detail, m.Finish()
	}
	return code, detail, nil
}

// rightSCRAM is an exchange of SCRAM-SHA-256 up to the server's last message: RFC 7677's.
func rightSCRAM(t testing.TB) (*Exchange, []turn) {
	t.Helper()
	const nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	k := users.SCRAMKeys{
		Iterations: 4096, Salt: unbase64(t, "W22ZaJ0SNY7soEsUEjb6gQ=="),
		StoredKey: unbase64(t, "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="), ServerKey: unbase64(t, "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="),
	}
	b := newBook(t)
	b.people["user"] = users.Account{Name: "user", SCRAM: map[string]users.SCRAMKeys{"SCRAM-SHA-256": k}}
	return pinned(b, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"), []turn{
		{"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "r=" + nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", SASL_CONTINUE, ""},
		{"c=biws,r=" + nonce + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", SASL_CONTINUE, ""},
	}
}

// The client of package client logs in by all its mechanisms, and believes the server's proof; a wrong password is refused.
func TestOwnClient(t *testing.T) {
	for _, m := range client.Mechanisms() {
		if code, detail, err := logIn(t, New(config(newBook(t))), m, "alice", secret); code != SASL_OK || err != nil {
			t.Errorf("%s: %v, %s, %v", m, code, detail, err)
		}
		if code, _, _ := logIn(t, New(config(newBook(t))), m, "alice", secret+"x"); code != SASL_BADAUTH {
			t.Errorf("%s: a wrong password gets %v", m, code)
		}
	}
}

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
