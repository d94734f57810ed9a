package port

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// logBuffer takes a log from many goroutines.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// TestEventsOfALine: a line whose device does not work is event 20015 in the log, whether it is absent, recovering or quarantined.
func TestEventsOfALine(t *testing.T) {
	var logged logBuffer
	bubble(t, FakeOptions{}, func(r *rig) {
		r.mgr.log = slog.New(slog.NewTextHandler(&logged, nil))
		r.far.Vanish()
	}, func(r *rig) {
		r.within(time.Second, Absent)
		if n := strings.Count(logged.String(), "event=20015"); n != 1 {
			t.Errorf("absent: %d events, want 1, however often it is tried:\n%s", n, logged.String())
		}
		r.stays(time.Hour, Absent)
		if n := strings.Count(logged.String(), "event=20015"); n != 1 {
			t.Errorf("absent for an hour: %d events, want 1", n)
		}
	})
}
