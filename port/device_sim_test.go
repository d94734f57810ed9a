package port

import (
	"bufio"
	"context"
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rashost/port/modemsim"
)

// command sends a command and returns the modem's lines up to the final one.
func command(t *testing.T, d Device, text string, final ...string) {
	t.Helper()
	if _, err := d.Write([]byte(text + "\r")); err != nil {
		t.Fatal(err)
	}
	_ = d.SetReadDeadline(time.Now().Add(patience))
	lines := bufio.NewScanner(d)
	for lines.Scan() {
		for _, want := range final {
			if lines.Text() == want {
				return
			}
		}
	}
	t.Fatalf("%s: no %q: %v", text, final, lines.Err())
}

func TestSimDevice(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	m := modemsim.New(modemsim.Options{Connect: "-"})
	o := NewSimOpener("sim:test", m, Settings{Baud: 115200}, nil)
	for round := range 2 { // the same modem after a reopen
		d, err := o.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d.Path() != "sim:test" {
			t.Errorf("path %q", d.Path())
		}
		command(t, d, "ATE0&D2", "OK")
		if sig, err := d.Signals(); err != nil || sig != (Signals{DTR: true, RTS: true, CTS: true, DSR: true}) {
			t.Errorf("round %d, idle: %+v, %v", round, sig, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		type dialled struct {
			call *modemsim.FarCall
			err  error
		}
		answer := make(chan dialled, 1)
		go func() {
			c, err := m.Dial(ctx, modemsim.DialOptions{})
			answer <- dialled{c, err}
		}()
		command(t, d, "", "RING")
		command(t, d, "ATA", "CONNECT")
		far := <-answer
		if far.err != nil {
			t.Fatal(far.err)
		}
		if sig, err := d.Signals(); err != nil || !sig.DCD {
			t.Errorf("round %d, connected: %+v, %v", round, sig, err)
		}
		if _, err := far.call.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if got := readFull(t, d, 5); string(got) != "hello" {
			t.Errorf("got %q", got)
		}
		if round == 0 {
			if err := d.SetDTR(false); err != nil {
				t.Error(err)
			}
			if sig, err := d.Signals(); err != nil || sig.DTR || sig.DCD {
				t.Errorf("DTR low: %+v, %v", sig, err)
			}
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		<-far.call.Done() // by DTR, or by the close
		cancel()
	}
}

// A modem that another opener has switched on is not there.
func TestSimDeviceTwice(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	m := modemsim.New(modemsim.Options{})
	first, err := NewSimOpener("sim:one", m, Settings{}, nil).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	command(t, first, "AT", "OK")
	second, err := NewSimOpener("sim:two", m, Settings{}, nil).Open(t.Context())
	if err == nil {
		_ = second.SetReadDeadline(time.Now().Add(patience))
		if _, err := second.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("read: %v", err)
		}
		if _, err := second.Signals(); !errors.Is(err, syscall.EIO) {
			t.Errorf("signals: %v", err)
		}
		if err := second.Close(); err != nil {
			t.Error(err)
		}
	}
	command(t, first, "AT", "OK")
	if err := first.Close(); err != nil {
		t.Error(err)
	}
}

func TestNewOpenerSim(t *testing.T) {
	d := open(t, NewOpener("sim:alone", Settings{}))
	command(t, d, "AT", "OK")
}
