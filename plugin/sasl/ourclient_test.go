package sasl

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"rashost/plugin/sasl/client"
)

// TestOurClient: what `rashost call` uses logs in, and what follows at once reaches the service.
func TestOurClient(t *testing.T) {
	for _, profile := range []string{profilePOP3, profileSMTP} {
		p, _ := realPlugin(t, allOf+"profile: "+profile+"\n")
		for _, mechanism := range client.Mechanisms() {
			for _, as := range []client.Profile{client.Auto, client.Profile(profile)} {
				for _, password := range []string{secret, "wrong"} {
					t.Run(fmt.Sprint(profile, " ", mechanism, " ", as, " ", password), func(t *testing.T) {
						l := open(t, p)
						m, err := client.New(mechanism, client.Credentials{User: "alice", Secret: []byte(password)}, nil)
						if err != nil {
							t.Fatal(err)
						}
						if _, err := io.WriteString(l.caller, "\r\n"); err != nil { // wakes a far end that may sleep
							t.Fatal(err)
						}
						err = client.Login(t.Context(), l.caller, client.Options{Mechanism: m, Profile: as, Woken: true})
						if password != secret {
							var refused *client.RefusedError
							if !errors.As(err, &refused) {
								t.Errorf("%v", err)
							}
							_ = l.caller.Close()
							if out := l.outcome(); out.Granted() {
								t.Error("let in")
							}
							return
						}
						if err != nil {
							t.Fatal(err)
						}
						if _, err := io.WriteString(l.caller, "STAT\r\nQUIT\r\n"); err != nil {
							t.Fatal(err)
						}
						if out := l.outcome(); !out.Granted() || out.User != "alice" {
							t.Errorf("outcome %v, %q", out.Verdict, out.User)
						}
						select {
						case told := <-l.served:
							if told != "STAT\nQUIT\n" {
								t.Errorf("the service was told %q", told)
							}
						case <-time.After(patience):
							t.Error("the service did not end")
						}
					})
				}
			}
		}
	}
}
