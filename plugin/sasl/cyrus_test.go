package sasl

import (
	"bytes"
	"encoding/base64"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"

	"rashost/plugin"
	"rashost/plugin/sasl/exchange"
)

// cyrusWords are what sasl-sample-client says that wants an answer: a message of its own, or a question.
var cyrusWords = regexp.MustCompile(`C: ([A-Za-z0-9+/=]*)\n|Password: |Please enter your password: |Negotiation complete|authentication failed|[Uu]nable to`)

// TestCyrusSampleClient lets Cyrus SASL's sample client talk with an exchange. Its framing is its own: "S: " and "C: " before base64, a
// list of mechanisms first, and the name of the mechanism with a NUL before the initial response. On a terminal it asks for the password.
func TestCyrusSampleClient(t *testing.T) {
	needs(t, "sasl-sample-client", "sasl2-bin")
	p, _ := realPlugin(t, allOf)
	for _, mechanism := range []string{"SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN"} {
		for _, password := range []string{secret, "wrong"} {
			t.Run(mechanism+" "+password, func(t *testing.T) {
				x, err := p.newExchange(plugin.Call{Line: "modem1", Trusted: true}, "pop", nil)
				if err != nil {
					t.Fatal(err)
				}
				defer x.Close()
				code, said := cyrus(t, x, mechanism, password)
				want := exchange.SASL_OK
				if password != secret {
					want = exchange.SASL_BADAUTH
				}
				user, ok := x.Identity()
				if code != want || ok != (want == exchange.SASL_OK) || ok && user != "alice" {
					t.Errorf("%v, %q, %v\n%s", code, user, ok, said)
				}
			})
		}
	}
}

// cyrus lets the client talk with x to the end, and returns how that ended for x.
func cyrus(t *testing.T, x exchanger, mechanism, password string) (code exchange.Code, said string) {
	t.Helper()
	cmd := exec.Command("sasl-sample-client", "-m", mechanism, "-a", "alice", "-u", "alice", "-s", "pop", "-n", "rashost")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	client, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer func() {
		timer.Stop()
		_ = client.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	}()
	if _, err := term.MakeRaw(int(client.Fd())); err != nil {
		t.Fatal(err)
	}
	say := func(text string) {
		if _, err := io.WriteString(client, text+"\n"); err != nil {
			t.Error(err)
		}
	}
	say("S: " + b64(mechanism))
	var all, rest bytes.Buffer
	started := false
	for buf := make([]byte, 4096); ; {
		n, err := client.Read(buf)
		all.Write(buf[:n])
		rest.Write(buf[:n])
		for {
			at := cyrusWords.FindSubmatchIndex(rest.Bytes())
			if at == nil {
				break
			}
			word := string(rest.Next(at[1])[at[0]:])
			text, message := strings.CutPrefix(word, "C: ")
			if !message {
				if strings.HasSuffix(word, "assword: ") {
					say(password)
				}
				continue
			}
			in, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
			if err != nil {
				t.Fatal(err)
			}
			var out []byte
			if !started {
				started = true
				name, initial, given := bytes.Cut(in, []byte{0})
				if !given {
					initial = nil
				}
				out, code, _ = x.Start(t.Context(), string(name), initial)
			} else {
				out, code, _ = x.Step(t.Context(), in)
			}
			if code != exchange.SASL_CONTINUE {
				return code, all.String()
			}
			say("S: " + base64.StdEncoding.EncodeToString(out))
		}
		if err != nil {
			t.Errorf("the client ended: %v", err)
			return code, all.String()
		}
	}
}
