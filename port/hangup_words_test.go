package port

import (
	"context"
	"io"
	"testing"
	"time"
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
