package exchange

import (
	"context"
	"testing"

	"rashost/plugin/users"
)

// A password that came as it is, and was right, may renew the user's hash until Close; nothing else may.
func TestRenew(t *testing.T) {
	for _, c := range []struct {
		name, mechanism, message string
		want                     int
	}{
		{"right", "PLAIN", "\x00alice\x00" + secret, 1},
		{"wrong", "PLAIN", "\x00alice\x00wrong", 0},
		{"somebody else's identity", "PLAIN", "bob\x00alice\x00" + secret, 0},
		{"no password", "EXTERNAL", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			renewed := 0
			made := config(newBook(t))
			var kept []byte
			made.Rehash = func(_ context.Context, a users.Account, given []byte) {
				renewed++
				kept = given
				if users.Fold(a.Name) != "alice" || string(given) != secret {
					t.Errorf("%q, %q", a.Name, given)
				}
			}
			x := New(made)
			x.Renew(t.Context()) // nothing has been said
			in := []byte(c.message)
			x.Start(t.Context(), c.mechanism, in)
			clear(in) // whoever reads the line wipes it
			x.Renew(t.Context())
			x.Close()
			for _, b := range kept {
				if b != 0 {
					t.Fatalf("after Close: %q", kept)
				}
			}
			x.Renew(t.Context())
			if renewed != c.want {
				t.Errorf("%d renewals, want %d", renewed, c.want)
			}
		})
	}
}
