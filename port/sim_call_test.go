package port

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rashost/hardware"
	"rashost/port/modemsim"
)

// TestCallsOnVirtualModem takes calls on a real pty, through the virtual modem and the generic profile: one that the handler ends and
// one that the caller ends, with DCD and without.
func TestCallsOnVirtualModem(t *testing.T) {
	for _, carrier := range []CarrierMode{CarrierAuto, CarrierRequired, CarrierIgnore} {
		t.Run(string(carrier), func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			profile, err := hardware.Load("generic")
			if err != nil {
				t.Fatal(err)
			}
			sim := modemsim.New(modemsim.Options{})
			ends := make(chan End, 10)
			m := NewManager(ManagerOptions{
				Handler: echoHandler{}, Observer: endsObserver{nobody{}, ends}, Log: slog.New(slog.NewTextHandler(testLog{t}, nil)),
				Open: func(c LineConfig) (Opener, error) { return NewSimOpener(c.Device, sim, c.Settings(), nil), nil },
			})
			cfg := LineConfig{Name: "modem1", Device: "sim:one", Profile: &profile, Carrier: carrier}
			if err := m.Apply(t.Context(), []LineConfig{cfg}); err != nil {
				t.Fatal(err)
			}
			defer func() {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				if err := m.Shutdown(ctx); err != nil {
					t.Error(err)
				}
			}()
			listening := func() bool { s, _ := m.Line("modem1"); return s.State == Listening }
			for round := range 2 {
				eventually(t, "listening", listening)
				call, err := sim.Dial(t.Context(), modemsim.DialOptions{Number: "5551234"})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(call, "hello\r"); err != nil {
					t.Fatal(err)
				}
				_ = call.SetReadDeadline(time.Now().Add(patience))
				if got, err := bufio.NewReader(call).ReadString('\r'); err != nil || got != "HELLO\r" {
					t.Fatalf("the caller read %q, %v", got, err)
				}
				want := LostCarrier
				if round == 0 {
					want = UserRequest
					_, _ = io.WriteString(call, "quit\r")
				} else {
					_ = call.Close()
				}
				select {
				case e := <-ends:
					if e.Cause != want || !e.Connected {
						t.Errorf("round %d: %+v", round, e)
					}
				case <-time.After(patience):
					s, _ := m.Line("modem1")
					t.Fatalf("round %d: the call does not end: %+v", round, s)
				}
			}
			eventually(t, "listening", listening)
		})
	}
}

// echoHandler gives back in capitals what it reads, until "quit".
type echoHandler struct{}

func (echoHandler) ServeCall(_ context.Context, c *Call) Outcome {
	for r := bufio.NewReader(c); ; {
		line, err := r.ReadString('\r')
		if err != nil {
			return Outcome{}
		}
		if line == "quit\r" {
			return Outcome{Cause: UserRequest, Reason: "quit"}
		}
		if _, err := io.WriteString(c, strings.ToUpper(line)); err != nil {
			return Outcome{}
		}
	}
}

type endsObserver struct {
	nobody
	ends chan End
}

func (o endsObserver) Ended(_ *Call, e End) { o.ends <- e }

// testLog is a log that only shows when a test fails.
type testLog struct{ t *testing.T }

func (w testLog) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// TestCallsOnPTY: whoever opens the link of a pty line is a caller, and gone when he closes it; the link is there again for the next.
func TestCallsOnPTY(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	link := filepath.Join(t.TempDir(), "line")
	ends := make(chan End, 10)
	m := NewManager(ManagerOptions{
		Handler: echoHandler{}, Observer: endsObserver{nobody{}, ends}, Log: slog.New(slog.NewTextHandler(testLog{t}, nil)),
	})
	if err := m.Apply(t.Context(), []LineConfig{{Name: "tty1", Device: "pty:" + link}}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := m.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	}()
	for range 2 {
		eventually(t, "listening", func() bool { s, _ := m.Line("tty1"); return s.State == Listening })
		far, err := os.OpenFile(link, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(far, "hello\r"); err != nil {
			t.Fatal(err)
		}
		if got, err := bufio.NewReader(far).ReadString('\r'); err != nil || got != "HELLO\r" {
			t.Fatalf("the caller read %q, %v", got, err)
		}
		_ = far.Close()
		select {
		case e := <-ends:
			wantCause(t, e, LostCarrier, "carrier lost")
		case <-time.After(patience):
			s, _ := m.Line("tty1")
			t.Fatalf("the call does not end: %+v", s)
		}
	}
}

// TestNobodyOpenedThePTY: a line that talks to a modem on a pty which nobody has opened says that, and nothing of a CTS that a pty has not.
func TestNobodyOpenedThePTY(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	link := filepath.Join(t.TempDir(), "line")
	m := NewManager(ManagerOptions{Handler: echoHandler{}})
	profile := testProfile()
	profile.Flow = hardware.FlowRTSCTS
	if err := m.Apply(t.Context(), []LineConfig{{Name: "tty1", Device: "pty:" + link, Profile: profile}}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := m.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	}()
	var s Snapshot
	eventually(t, "recovering", func() bool { s, _ = m.Line("tty1"); return s.State == Recovering })
	if !strings.HasSuffix(s.Reason, "; nobody has opened "+link) || strings.Contains(s.Reason, "CTS") {
		t.Error(s.Reason)
	}
}
