package exchange

import (
	"bufio"
	"context"
	"encoding/base64"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// gsasl is GNU SASL's client, which speaks one line of base64 for each message.
type gsasl struct {
	t   *testing.T
	in  io.WriteCloser
	out *bufio.Scanner
}

// startGSASL starts the client and reads the mechanism's name that it says first.
func startGSASL(t *testing.T, mechanism, name, password string) *gsasl {
	t.Helper()
	need(t, "gsasl", "gsasl")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	cmd := exec.CommandContext(ctx, "gsasl", "--client", "--quiet", "--mechanism", mechanism, "--authentication-id", name,
		"--password", password, "--service", "pop", "--hostname", "line.example", "--realm", "line.example", "--quality-of-protection", "qop-auth")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait() // it complains of the end of its input
		cancel()
	})
	g := &gsasl{t, in, bufio.NewScanner(out)}
	if !g.out.Scan() || g.out.Text() != mechanism {
		t.Fatalf("gsasl begins with %q", g.out.Text())
	}
	return g
}

// says returns the client's next message; false when it has given up.
func (g *gsasl) says() ([]byte, bool) {
	g.t.Helper()
	if !g.out.Scan() {
		return nil, false
	}
	b, err := base64.StdEncoding.DecodeString(g.out.Text())
	if err != nil {
		g.t.Fatal(err)
	}
	return append([]byte{}, b...), true
}

func (g *gsasl) hears(message []byte) {
	g.t.Helper()
	if _, err := io.WriteString(g.in, base64.StdEncoding.EncodeToString(message)+"\n"); err != nil {
		g.t.Fatal(err)
	}
}

// GNU SASL's client logs in by every mechanism that it has, with the right password and no other. It checks the server's last message
// itself: on one that it does not like it gives up.
func TestGNUSASL(t *testing.T) {
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN", "EXTERNAL"} {
		for password, want := range map[string]Code{secret: SASL_OK, "wrong": SASL_BADAUTH} {
			t.Run(mechanism+" "+password, func(t *testing.T) {
				name := "Alice"
				b := newBook(t)
				c := config(b)
				if mechanism == "EXTERNAL" {
					name = number
					if c.CallerID = number; want != SASL_OK {
						c.CallerID = "5550199"
					}
				}
				x, g := New(c), startGSASL(t, mechanism, name, password)
				initial, _ := g.says()
				var out []byte
				var code Code
				var detail string
				switch mechanism {
				case "LOGIN": // its client does not wait to be asked for the name
					begin(t, x, mechanism, nil)
					out, code, detail = x.Step(t.Context(), initial)
				case "DIGEST-MD5", "CRAM-MD5":
					if len(initial) > 0 {
						t.Fatalf("gsasl speaks first: %q", initial)
					}
					out, code, detail = x.Start(t.Context(), mechanism, nil)
				default:
					out, code, detail = x.Start(t.Context(), mechanism, initial)
				}
				for code == SASL_CONTINUE {
					g.hears(out)
					in, ok := g.says()
					if !ok {
						t.Fatalf("gsasl gives up after %q", out)
					}
					out, code, detail = x.Step(t.Context(), in)
				}
				if user, ok := x.Identity(); code != want || ok != (want == SASL_OK) || ok && user != name {
					t.Errorf("%v, %q: %s", code, user, detail)
				}
			})
		}
	}
}

// The keys of the vectors are what GNU SASL makes of the password.
func TestGNUSASLKeys(t *testing.T) {
	need(t, "gsasl", "gsasl")
	for mechanism, salt := range map[string]string{"SCRAM-SHA-1": "QSXCR+Q6sek8bf92", "SCRAM-SHA-256": "W22ZaJ0SNY7soEsUEjb6gQ=="} {
		out, err := exec.CommandContext(t.Context(), "gsasl", "--mkpasswd", "--mechanism", mechanism, "--password", secret,
			"--iteration-count", "15000", "--salt", salt).Output()
		if err != nil {
			t.Fatal(err)
		}
		f := strings.Split(strings.TrimSpace(string(out)), ",")
		b := newBook(t)
		a := b.people["alice"]
		k := a.SCRAM[mechanism]
		k.Salt, k.StoredKey, k.ServerKey = unbase64(t, salt), unbase64(t, f[2]), unbase64(t, f[3])
		a.SCRAM[mechanism] = k
		b.people["alice"] = a
		if code, detail, err := logIn(t, New(config(b)), mechanism, "alice", secret); code != SASL_OK || err != nil {
			t.Errorf("%s: %v, %s, %v", mechanism, code, detail, err)
		}
	}
}
