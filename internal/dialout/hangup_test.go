package dialout

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"rashost/port"
	"rashost/port/modemsim"
)

// TestHangUpByEscape: a modem on a line without DTR is brought back by the escape, although the tty stays open.
func TestHangUpByEscape(t *testing.T) {
	for _, dtr := range []string{"hangup", "ignored"} {
		ended := make(chan struct{})
		path := modemOnPTY(t, modemsim.Options{OnDial: func(_ string, call *modemsim.FarCall) string {
			go func() {
				<-call.Done()
				close(ended)
			}()
			return "CONNECT"
		}})
		held, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		c, said := onPTY(t, path)
		c.Modem.Profile = profile(t, "", dtr)
		c.Modem.Profile.Hangup.Guard *= 55 // the virtual modem's is a second
		if _, err := c.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ended:
		case <-time.After(patience):
			t.Errorf("the modem was not hung up\n%s", said)
		}
		if !strings.HasSuffix(said.String(), "hung up\n") {
			t.Errorf("told:\n%s", said)
		}
	}
}

// TestHangUpByDTR: DTR drops on a modem that has the signal, before the tty is closed.
func TestHangUpByDTR(t *testing.T) {
	ended := make(chan struct{})
	m := modemsim.New(modemsim.Options{OnDial: func(_ string, call *modemsim.FarCall) string {
		go func() {
			<-call.Done()
			close(ended)
		}()
		return "CONNECT"
	}})
	c, said := onPTY(t, "sim")
	c.Target.Opener = port.NewSimOpener("sim", m, c.Target.Settings, nil)
	if _, err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-ended
	if !strings.HasSuffix(said.String(), "hung up\n") {
		t.Errorf("told:\n%s", said)
	}
}

// TestCarrierLoss: the loss of DCD ends a login and a command, and is said.
func TestCarrierLoss(t *testing.T) {
	far := make(chan *modemsim.FarCall, 1)
	newCall := func() (*Call, *told) {
		m := modemsim.New(modemsim.Options{Faults: modemsim.Faults{SilentHangup: true}, OnDial: func(_ string, call *modemsim.FarCall) string {
			go func() { far <- call }()
			return "CONNECT"
		}})
		c, said := onPTY(t, "sim")
		c.Target.Opener = port.NewSimOpener("sim", m, c.Target.Settings, nil)
		return c, said
	}
	t.Run("login", func(t *testing.T) {
		c, said := newCall()
		c.Login = &Login{Script: script(t, "send x\nexpect login:")}
		go func() {
			call := <-far
			_, _ = io.ReadFull(call, make([]byte, 2))
			_ = call.Close()
		}()
		if _, err := c.Run(t.Context()); !errors.Is(err, ErrHungUp) {
			t.Errorf("got %v\n%s", err, said)
		}
	})
	t.Run("command", func(t *testing.T) {
		c, said := newCall()
		c.Command = []string{"sh", "-c", "echo x; cat; exit 5"} // cat ends with its standard input
		go func() {
			call := <-far
			_, _ = io.ReadFull(call, make([]byte, 2))
			_ = call.Close()
		}()
		status, err := c.Run(t.Context())
		if status != 5 || err != nil || !strings.Contains(said.String(), "the carrier is lost") {
			t.Errorf("status %d, %v\n%s", status, err, said)
		}
	})
}

// TestNoCarrierWords: without DCD the modem's own words count, when silence follows them, and not when they go by.
func TestNoCarrierWords(t *testing.T) {
	for _, tc := range []struct {
		name, told string
		hungUp     bool
	}{{"at the end", "bye\r\nNO CARRIER\r\n", true}, {"in passing", "I say\r\nNO CARRIER\r\nand go on\r\n", false}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			path := modemOnPTY(t, modemsim.Options{OnDial: func(_ string, call *modemsim.FarCall) string {
				go func() { _, _ = io.WriteString(call, tc.told) }()
				return "CONNECT"
			}})
			c, said := onPTY(t, path)
			c.Login = &Login{Script: script(t, "expect login:"), Timeout: noCarrierSilence + 2*time.Second}
			if _, err := c.Run(t.Context()); errors.Is(err, ErrHungUp) != tc.hungUp || err == nil {
				t.Errorf("got %v\n%s", err, said)
			}
		})
	}
}

// TestLeave: a line that is left open keeps its DTR; one that is closed does not.
func TestLeave(t *testing.T) {
	for _, then := range []Then{Exit, Command} {
		fake := port.NewFake("fake", port.FakeOptions{})
		c, _ := onDevice(fake)
		c.Then = then
		if _, err := c.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := fake.Far().State(); s.Signals.DTR != (then == Exit) || s.Open {
			t.Errorf("%s: %+v", then, s)
		}
	}
}

// TestDrain: what was written goes out before the line is closed, while that makes progress.
func TestDrain(t *testing.T) {
	fake := port.NewFake("fake", port.FakeOptions{})
	fake.Far().Wedge(true)
	c, _ := onDevice(fake)
	c.Command = []string{"echo", "last words"}
	ended := make(chan error, 1)
	go func() {
		_, err := c.Run(t.Context())
		ended <- err
	}()
	if _, err := fake.Far().Wait(t.Context(), func(s port.FakeState) bool { return s.Open }); err != nil {
		t.Fatal(err)
	}
	fake.Far().Wedge(false)
	wantRead(t, fake.Far(), "last words\n")
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
