package modemsim_test

import (
	"strings"
	"testing"
	"time"

	"rashost/port/modemsim"
)

// TestTIES: a command in data is obeyed without any silence, unless there is a fourth escape character, no valid command, or S2 is over
// 127; a pause does not break it.
func TestTIES(t *testing.T) {
	for _, tc := range []struct {
		name, data string
		s2         string
		hungUp     bool
	}{
		{"in the middle of text", "text+++ATH0\r", "43", true},
		{"small letters", "+++ath\r", "43", true},
		{"a blank between", "+++ ATH0\r", "43", true},
		{"four", "++++ATH0\r", "43", false},
		{"no command", "+++hello\r", "43", false},
		{"an unknown command", "+++AT!\r", "43", false},
		{"one that is not obeyed in data", "+++ATI3\r", "43", false},
		{"too long", "+++AT" + strings.Repeat("X4", 30) + "H0\r", "43", false},
		{"S2=255", "+++ATH0\r", "255", false},
		{"another escape character", "+++ATH0\r", "42", false},
	} {
		for _, pause := range []time.Duration{0, 3 * time.Second} {
			o, err := modemsim.Personality("ties")
			if err != nil {
				t.Fatal(err)
			}
			o.Stored = "E0S2=" + tc.s2
			inBubble(t, o, func(b *bench) {
				call := b.answered(modemsim.DialOptions{})
				for _, c := range []byte(tc.data) {
					b.type_(string(c))
					if c == '+' {
						time.Sleep(pause)
					}
				}
				b.heard()
				over := false
				select {
				case <-call.Done():
					over = true
				default:
				}
				if over != tc.hungUp {
					t.Errorf("%s, pause %s: hung up: %v", tc.name, pause, over)
				}
			})
		}
	}
}

// TestTIESPrompt: three escape characters and silence are answered by OK; what is no command leads back to the call.
func TestTIESPrompt(t *testing.T) {
	o, err := modemsim.Personality("ties")
	if err != nil {
		t.Fatal(err)
	}
	o.Stored = "E0"
	inBubble(t, o, func(b *bench) {
		b.answered(modemsim.DialOptions{})
		b.type_("+++")
		time.Sleep(2 * time.Second)
		if got := b.heard(); got != "\r\nOK\r\n" {
			t.Errorf("heard %q", got)
		}
		b.type_("x")
		if got := b.heard(); !strings.HasPrefix(got, "\r\nCONNECT") {
			t.Errorf("heard %q", got)
		}
	})
}
