package port

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/creack/pty"
)

// TestTTYSettingsWithOutputQueued: with output that nobody takes, settings are changed and queues flushed at once: tcsetattr with drain
// would wait for ever. With a patience of its own, because a fault of this kind never ends.
func TestTTYSettingsWithOutputQueued(t *testing.T) {
	d, _ := openTest(t, Settings{RTSCTS: true, XONXOFF: true})
	fill(t, d)
	over := make(chan error, 1)
	go func() {
		over <- errors.Join(d.Apply(Settings{Baud: 19200, CLOCAL: true, HUPCL: true}), d.Flush(Both), d.Apply(Settings{RTSCTS: true}))
	}()
	select {
	case err := <-over:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("changing settings waits for output that nobody takes")
	}
}

// TestHangUpWithOutputQueued: on a real tty whose far end takes nothing, with the kernel's queue full and the handler stuck in Write, a
// hang-up brings the line back, and the next call is another one.
func TestHangUpWithOutputQueued(t *testing.T) {
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = master.Close() }()
	_ = slave.Close()
	full := make(chan struct{}, 2)
	m := NewManager(ManagerOptions{Log: slog.New(slog.NewTextHandler(testLog{t}, nil)), Observer: nobody{}, Handler: handlerFunc(
		func(_ context.Context, c *Call) Outcome {
			_ = c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
			for {
				if _, err := c.Write(make([]byte, 4096)); err != nil {
					break
				}
			}
			_ = c.SetWriteDeadline(time.Time{})
			full <- struct{}{}
			for {
				if _, err := c.Write(make([]byte, 4096)); err != nil {
					return Outcome{Reason: err.Error()}
				}
			}
		})})
	line := LineConfig{Name: "tty1", Device: slave.Name(), Flow: "rtscts", Carrier: CarrierIgnore, LockDirs: []string{}}
	if err := m.Apply(t.Context(), []LineConfig{line}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Shutdown(context.Background()) }()
	for range 2 {
		eventually(t, "listening", func() bool { s, _ := m.Line("tty1"); return s.State == Listening })
		if _, err := master.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		<-full
		if err := m.Hangup(t.Context(), "tty1"); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "listening", func() bool { s, _ := m.Line("tty1"); return s.State == Listening })
	if s, _ := m.Line("tty1"); s.Calls != 2 {
		t.Errorf("%d calls", s.Calls)
	}
}
