package port

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"rashost/hardware"
)

// TestLastWords: what the handler sent last has time to leave the UART and an adapter before DTR drops; a call without last words has none to wait for.
func TestLastWords(t *testing.T) {
	for words, want := range map[string]time.Duration{"": 0, "bye\r\n": lastWords, string(make([]byte, 480)): 500 * time.Millisecond} {
		bubble(t, FakeOptions{}, func(r *rig) {
			r.cfg.Baud = 9600
			r.handler = func(_ context.Context, c *Call) Outcome {
				_, _ = io.WriteString(c, words)
				return Outcome{}
			}
		}, func(r *rig) {
			r.within(time.Minute, Listening)
			r.say("\r\nRING\r\n")
			began := time.Now()
			if _, err := r.far.Wait(context.Background(), func(s FakeState) bool { return s.DTRDrops > 0 }); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took < want || want == 0 && took > drainPoll {
				t.Errorf("%d bytes: DTR dropped after %s", len(words), took)
			}
			r.within(10*time.Second, Listening)
		})
	}
}

// TestLastWordsWithoutDTR: where no DTR drops nothing is waited for. What was said last stays in front of what follows.
func TestLastWordsWithoutDTR(t *testing.T) {
	for name, change := range map[string]func(*rig){
		"pty":         func(*rig) {},
		"DTR ignored": func(r *rig) { r.cfg.Profile.DTR = hardware.DTRIgnored },
		"no DTR time": func(r *rig) { r.cfg.Profile.Hangup.DTRTime = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, FakeOptions{NoSignals: name == "pty"}, func(r *rig) {
				r.cfg.Profile.Hangup.Escape = "" // it begins with silence
				change(r)
				r.handler = func(_ context.Context, c *Call) Outcome {
					_, _ = io.WriteString(c, "bye\r\n")
					return Outcome{}
				}
			}, func(r *rig) {
				r.within(time.Minute, Listening)
				was := r.far.State().Opens
				r.say("\r\nRING\r\n")
				time.Sleep(lastWords / 2)
				var data string
				r.modem.set(func(m *fakeModem) { data = m.data.String() })
				if !strings.Contains(data, "bye\r\nAT") && r.far.State().Open && r.far.State().Opens == was {
					t.Errorf("the hang-up has not begun: %q", data)
				}
			})
		})
	}
}
