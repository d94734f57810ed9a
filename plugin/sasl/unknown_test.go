package sasl

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"

	"rashost/dialog"
	"rashost/plugin"
	"rashost/plugin/sasl/client"
)

// exchangeOf holds a dialog in real time and returns the lines that the caller sees after each of those that it says.
func exchangeOf(t *testing.T, p *Plugin, lines ...string) []string {
	t.Helper()
	return converse(t, p, func(say func(line string) string, _ func() string) {
		for _, line := range lines {
			say(line)
		}
	})
}

// converse holds a dialog in real time. script says lines and gets the first line of the answer to each, and hears those that follow;
// converse returns the first lines.
func converse(t *testing.T, p *Plugin, script func(say func(line string) string, hear func() string)) []string {
	t.Helper()
	near, far := net.Pipe()
	host := dialog.New(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		host.Run(t.Context(), far, p, dialog.Options{Call: plugin.Call{ID: "1", Line: "modem1", CallerID: number, Trusted: true}})
		_ = far.Close()
	}()
	r := bufio.NewReader(near)
	var answers []string
	hear := func() string {
		line, err := r.ReadString('\n')
		if err != nil {
			return "(end)"
		}
		return strings.TrimSuffix(line, "\r\n")
	}
	hear() // the greeting
	script(func(line string) string {
		if _, err := fmt.Fprintf(near, "%s\r\n", line); err != nil {
			return "(end)"
		}
		answers = append(answers, hear())
		return answers[len(answers)-1]
	}, hear)
	_ = near.Close()
	<-done
	if err := host.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	return answers
}

// random is what differs from one exchange to the next, whoever calls: nonces, and numbers in a challenge.
var random = []*regexp.Regexp{
	regexp.MustCompile(`(r=|nonce=")[^,"]+`),
	regexp.MustCompile(`<[^@]+@`),
	regexp.MustCompile(`s=[A-Za-z0-9+/=]{24}`), // a salt of 16 bytes
	regexp.MustCompile(`[a-z]{2}[0-9]{5}`),     // a seed
}

// sequence is the number of a one-time password, which goes down with every login.
var sequence = regexp.MustCompile(`^otp-md5 [1-9][0-9]{0,2} `)

// shape is an answer without what is random in it.
func shape(answer string) string {
	status, text, ok := strings.Cut(answer, " ")
	data, err := base64.StdEncoding.DecodeString(text)
	if !ok || status != "+" && status != "334" || err != nil {
		return answer
	}
	plain := sequence.ReplaceAllString(string(data), "otp-md5 (n) ")
	for _, r := range random {
		plain = r.ReplaceAllStringFunc(plain, func(s string) string { return fmt.Sprint("(", len(s), ")") })
	}
	return status + " " + plain
}

// wrongLogin is a login with a wrong secret, as far as it goes.
func wrongLogin(mechanism, user string) func(say func(line string) string, hear func() string) {
	return func(say func(line string) string, _ func() string) {
		auth := "AUTH " + mechanism
		switch mechanism {
		case "PLAIN":
			say(auth + " " + b64("\x00"+user+"\x00wrong"))
		case "LOGIN":
			say(auth)
			say(b64(user))
			say(b64("wrong"))
		case "CRAM-MD5":
			say(auth)
			say(b64(user + " 0123456789abcdef0123456789abcdef"))
		case "DIGEST-MD5":
			challenge := say(auth)
			data, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(challenge, "+ "))
			nonce := regexp.MustCompile(`nonce="[^"]+"`).FindString(string(data))
			say(b64(`charset=utf-8,username="` + user + `",realm="rashost",` + nonce + `,nc=00000001,cnonce="OA6MHXh6VqTrRk",` +
				`digest-uri="pop/rashost",response=b0d56d2f054c24b62072322106468db9,qop=auth`))
		case "OTP":
			say(auth + " " + b64("\x00"+user))
			say(b64("hex:0123456789abcdef"))
		case "EXTERNAL":
			say(auth + " " + b64(user))
		default:
			m, err := client.New(mechanism, client.Credentials{User: user, Secret: []byte("wrong")}, nil)
			if err != nil {
				panic(err)
			}
			first, _ := m.Start()
			challenge, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(say(auth+" "+base64.StdEncoding.EncodeToString(first)), "+ "))
			answer, _ := m.Next(challenge)
			say(base64.StdEncoding.EncodeToString(answer))
		}
	}
}

// Nobody can tell from the line whether a name is a user's: a wrong secret, an unknown name, a disabled user, and a name that no file can
// hold get the same messages, the same number of them, and the same end.
func TestUnknownUsersLookTheSame(t *testing.T) {
	p, log := realPlugin(t, allOf)
	for _, mechanism := range p.options.Mechanisms {
		t.Run(mechanism, func(t *testing.T) {
			shapes := map[string][]string{}
			for _, user := range []string{"alice", "dora", "nobody", "root", "Robert'); DROP TABLE"} {
				for _, answer := range converse(t, p, wrongLogin(mechanism, user)) {
					shapes[user] = append(shapes[user], shape(answer))
				}
			}
			want := shapes["alice"]
			if last := want[len(want)-1]; last != "-ERR [AUTH] Access denied." {
				t.Fatalf("a wrong secret is answered %q", want)
			}
			for user, got := range shapes {
				if !slices.Equal(got, want) {
					t.Errorf("%s: %q\nalice: %q", user, got, want)
				}
			}
		})
	}
	if strings.Contains(log.String(), "DROP") || strings.Contains(log.String(), "nobody") {
		t.Errorf("the log names who is no user: %s", log)
	}
}
