package modemsim_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"rashost/port/modemsim"
)

// TestDistinctiveRing: a ring's mark comes with RING, its cadence only where the host asked for it.
func TestDistinctiveRing(t *testing.T) {
	for stored, want := range map[string]string{"E0": "RING B", "E0+VDR=1": "DRON=8|DROF=4|RING B"} {
		inBubble(t, modemsim.Options{Stored: stored}, func(b *bench) {
			ctx, cancel := context.WithCancel(b.t.Context())
			dialled := make(chan error, 1)
			go func() {
				_, err := b.m.Dial(ctx, modemsim.DialOptions{Ring: "B", Cadence: []time.Duration{800 * time.Millisecond, 400 * time.Millisecond}})
				dialled <- err
			}()
			if got := strings.Join(lines(b.heard()), "|"); got != want {
				t.Errorf("%s: heard %q, want %q", stored, got, want)
			}
			cancel()
			if err := <-dialled; err == nil {
				t.Errorf("%s: the call was answered", stored)
			}
		})
	}
}

// TestFarEndEchoes: what the host sends comes back, as from a getty at the other end.
func TestFarEndEchoes(t *testing.T) {
	inBubble(t, modemsim.Options{Stored: "E0"}, func(b *bench) {
		b.answered(modemsim.DialOptions{Echo: true})
		b.type_("login: ")
		if got := b.heard(); got != "login: " {
			t.Errorf("heard %q", got)
		}
	})
}
