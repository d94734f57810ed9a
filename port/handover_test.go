package port

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"rashost/hardware"
	"rashost/port/modemsim"
)

// handOver is a handler that gives the device to a program, as a service does with pppd.
type handOver struct {
	t       *testing.T
	program string // for sh; its standard input and output are the device
	devices chan string
	release bool
}

func (h handOver) ServeCall(ctx context.Context, c *Call) Outcome {
	tty, release, err := c.TTY()
	if err != nil {
		return Outcome{Cause: NASError, Reason: err.Error()}
	}
	if h.release {
		defer release()
	}
	h.devices <- tty.Name()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, errHandedOver) {
		h.t.Errorf("a read of the call gave %v", err)
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, errHandedOver) {
		h.t.Errorf("a write of the call gave %v", err)
	}
	if _, _, err := c.TTY(); !errors.Is(err, errHandedOver) {
		h.t.Errorf("the device was given away twice: %v", err)
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", h.program)
	cmd.Stdin, cmd.Stdout = tty, tty
	if err := cmd.Run(); err != nil && ctx.Err() == nil {
		h.t.Errorf("the program: %v", err)
	}
	c.AddOctets(100, 200)
	return Outcome{Cause: UserRequest, Reason: "done"}
}

// simLine is a line on a virtual modem.
func simLine(t *testing.T, h Handler) (*modemsim.Modem, *Manager, chan End) {
	t.Helper()
	profile, err := hardware.Load("generic")
	if err != nil {
		t.Fatal(err)
	}
	sim, ends := modemsim.New(modemsim.Options{}), make(chan End, 10)
	m := NewManager(ManagerOptions{
		Handler: h, Observer: endsObserver{nobody{}, ends}, Log: slog.New(slog.NewTextHandler(testLog{t}, nil)),
		Open: func(c LineConfig) (Opener, error) { return NewSimOpener(c.Device, sim, c.Settings(), nil), nil },
	})
	if err := m.Apply(t.Context(), []LineConfig{{Name: "modem1", Device: "sim:one", Profile: &profile}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := m.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return sim, m, ends
}

// TestDeviceHandedOver: a program has the line's device for itself, byte for byte and blocking; afterwards the line is closed and opened
// anew and takes the next call, however the program left the terminal, and also when the handler forgot to release it.
func TestDeviceHandedOver(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
	const spoil = `stty echo icanon -clocal -hupcl; echo ready; read line; echo "<$line>"; read seen`
	for _, release := range []bool{true, false} {
		devices := make(chan string, 2)
		sim, m, ends := simLine(t, handOver{t, spoil, devices, release})
		listening := func() bool { s, _ := m.Line("modem1"); return s.State == Listening }
		for range 2 {
			eventually(t, "listening", listening)
			call, err := sim.Dial(t.Context(), modemsim.DialOptions{})
			if err != nil {
				t.Fatal(err)
			}
			_ = call.SetReadDeadline(time.Now().Add(patience))
			r := bufio.NewReader(call)
			for _, want := range []string{"ready", "hello", "<hello>"} { // the second is the echo
				if want == "hello" {
					_, _ = io.WriteString(call, "hello\n")
				}
				if got, err := r.ReadString('\n'); err != nil || strings.TrimSpace(got) != want {
					t.Fatalf("the caller read %q, %v; want %q", got, err, want)
				}
			}
			_, _ = io.WriteString(call, "seen\n")
			select {
			case e := <-ends:
				if e.Cause != UserRequest || e.In < 100 || e.Out < 200 {
					t.Errorf("%+v", e)
				}
			case <-time.After(patience):
				t.Fatal("the call does not end")
			}
			if name := <-devices; !isPTS(name) {
				t.Errorf("the program's terminal is named %q", name)
			}
			_ = call.Close()
		}
		eventually(t, "listening", listening)
	}
}

// TestDeviceHandedOverHangUp: what the line notices ends the program's call by its context, as with every other.
func TestDeviceHandedOverHangUp(t *testing.T) {
	sim, m, ends := simLine(t, handOver{t, "echo ready; exec sleep 1000", make(chan string, 9), true})
	for _, hangUp := range []func(io.Closer) error{
		func(call io.Closer) error { return call.Close() },
		func(io.Closer) error { return m.Hangup(t.Context(), "modem1") },
	} {
		eventually(t, "listening", func() bool { s, _ := m.Line("modem1"); return s.State == Listening })
		call, err := sim.Dial(t.Context(), modemsim.DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_ = call.SetReadDeadline(time.Now().Add(patience))
		if got, err := bufio.NewReader(call).ReadString('\n'); err != nil {
			t.Fatalf("%q, %v", got, err)
		}
		if err := hangUp(call); err != nil {
			t.Error(err)
		}
		select {
		case e := <-ends:
			if got := e.Steps[len(e.Steps)-1].What; !strings.Contains(got, "proven idle") {
				t.Errorf("%+v", e)
			}
		case <-time.After(patience):
			t.Fatal("the call does not end")
		}
	}
}

// TestDeviceNotHandedOver: what is no tty says so, and the call goes on.
func TestDeviceNotHandedOver(t *testing.T) {
	link := filepath.Join(t.TempDir(), "line")
	said := make(chan error, 1)
	m := NewManager(ManagerOptions{Log: slog.New(slog.NewTextHandler(testLog{t}, nil)), Observer: nobody{}, Handler: handlerFunc(
		func(_ context.Context, c *Call) Outcome {
			_, _, err := c.TTY()
			said <- err
			_, _ = io.WriteString(c, "still here\n")
			_, _ = c.Read(make([]byte, 10)) // what began the call
			_, _ = c.Read(make([]byte, 10)) // the far end has read it
			return Outcome{Cause: UserRequest}
		})})
	if err := m.Apply(t.Context(), []LineConfig{{Name: "tty1", Device: "pty:" + link}}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Shutdown(context.Background()) }()
	eventually(t, "listening", func() bool { s, _ := m.Line("tty1"); return s.State == Listening })
	far, err := os.OpenFile(link, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = far.Close() }()
	if _, err := io.WriteString(far, "\r"); err != nil {
		t.Fatal(err)
	}
	if err := <-said; !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
	if got, err := bufio.NewReader(far).ReadString('\n'); err != nil || got != "still here\n" {
		t.Errorf("the caller read %q, %v", got, err)
	}
	_, _ = io.WriteString(far, "seen\r")
}

type handlerFunc func(context.Context, *Call) Outcome

func (f handlerFunc) ServeCall(ctx context.Context, c *Call) Outcome { return f(ctx, c) }
