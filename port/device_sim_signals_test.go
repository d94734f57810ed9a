package port

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rashost/port/modemsim"
)

// openSim opens a virtual modem with RTS/CTS.
func openSim(t *testing.T, m *modemsim.Modem) (Opener, Device) {
	t.Helper()
	o := NewSimOpener("sim:test", m, Settings{Baud: 115200, RTSCTS: true, CLOCAL: true}, nil)
	return o, open(t, o)
}

// TestSimHeldOutput: while CTS is low output queues as in a driver, a full queue blocks up to the deadline, and nothing is lost or
// overtaken when CTS comes back.
func TestSimHeldOutput(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	m := modemsim.New(modemsim.Options{Faults: modemsim.Faults{HoldCTS: true}})
	_, d := openSim(t, m)
	if s, err := d.Signals(); err != nil || s.CTS || !s.DSR {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := d.Write([]byte("ATE0\r")); err != nil {
		t.Fatal(err)
	}
	if n, err := d.OutQueue(); n != 5 || err != nil {
		t.Errorf("queue %d, %v", n, err)
	}
	_ = d.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := d.Write(make([]byte, simHeld)); n != simHeld-5 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a full queue took %d, %v", n, err)
	}
	if err := d.Flush(Out); err != nil {
		t.Fatal(err)
	}
	_ = d.SetWriteDeadline(time.Time{})
	if _, err := d.Write([]byte("AT+G")); err != nil {
		t.Fatal(err)
	}
	m.SetFaults(modemsim.Faults{})
	command(t, d, "MM", "virtual modem")
	eventually(t, "an empty queue", func() bool { n, err := d.OutQueue(); return n == 0 && err == nil })
	m.SetFaults(modemsim.Faults{HoldCTS: true})
	if _, err := d.Write([]byte("AT\r")); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := d.Close(); err != nil || time.Since(began) > closeLimit {
		t.Errorf("close with output queued: %v after %s", err, time.Since(began))
	}
}

// TestSimFlowOff: a host that stops obeying CTS gets rid of what is queued.
func TestSimFlowOff(t *testing.T) {
	m := modemsim.New(modemsim.Options{Faults: modemsim.Faults{HoldCTS: true}})
	_, d := openSim(t, m)
	if _, err := d.Write([]byte("AT+G")); err != nil {
		t.Fatal(err)
	}
	if err := d.Apply(Settings{Baud: 115200, CLOCAL: true}); err != nil {
		t.Fatal(err)
	}
	command(t, d, "MM", "virtual modem")
}

// TestSimSwitchedOff: a modem without power shows no signal and answers nothing.
func TestSimSwitchedOff(t *testing.T) {
	m := modemsim.New(modemsim.Options{Faults: modemsim.Faults{Off: true}})
	_, d := openSim(t, m)
	if s, err := d.Signals(); err != nil || s.CTS || s.DSR || s.DCD {
		t.Errorf("%+v, %v", s, err)
	}
	m.SetFaults(modemsim.Faults{})
	if s, err := d.Signals(); err != nil || !s.CTS || !s.DSR {
		t.Errorf("%+v, %v", s, err)
	}
	command(t, d, "AT", "OK")
}

// TestSimUnplugged: whoever has the device open sees it go, and it is absent until it is back.
func TestSimUnplugged(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	m := modemsim.New(modemsim.Options{})
	o, d := openSim(t, m)
	command(t, d, "AT", "OK")
	m.Unplug()
	_ = d.SetReadDeadline(time.Now().Add(patience))
	for buf := make([]byte, 64); ; {
		if _, err := d.Read(buf); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the host does not see that the modem is unplugged")
			}
			break
		}
	}
	_ = d.Close()
	if _, err := o.Open(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open: %v", err)
	}
	m.Plug()
	again := open(t, o)
	command(t, again, "AT", "OK")
	_ = again.Close()
}

// TestSimRings: RI is on while the telephone rings.
func TestSimRings(t *testing.T) {
	m := modemsim.New(modemsim.Options{Timing: modemsim.Timing{Ring: time.Hour, CallerID: time.Hour}})
	_, d := openSim(t, m)
	command(t, d, "AT", "OK")
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, _ = m.Dial(ctx, modemsim.DialOptions{})
	}()
	eventually(t, "RI", func() bool { s, err := d.Signals(); return err == nil && s.RI })
	cancel()
	<-over
	eventually(t, "no RI", func() bool { s, err := d.Signals(); return err == nil && !s.RI })
}
