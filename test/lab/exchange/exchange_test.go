package exchange

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"rashost/port/modemsim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

func newExchange(t *testing.T) *Exchange {
	t.Helper()
	x, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.Close() })
	return x
}

// computer is what QEMU is to a line.
type computer struct {
	*os.File
	t *testing.T
	l *Line
}

// attach takes the computer's end of the line and raises DTR and RTS.
func attach(t *testing.T, l *Line) *computer {
	t.Helper()
	c := &computer{l.Computer(), t, l}
	c.dte(unix.TIOCM_DTR | unix.TIOCM_RTS)
	return c
}

func (c *computer) dte(bits uint32) {
	c.l.write(fieldDTE, bits)
	c.eventually("the modem knows its DTR", func() bool {
		c.l.x.mu.Lock()
		defer c.l.x.mu.Unlock()
		return c.l.last.DTR == (bits&unix.TIOCM_DTR != 0)
	})
}

func (c *computer) eventually(what string, is func() bool) {
	c.t.Helper()
	for start := time.Now(); !is(); time.Sleep(time.Millisecond) {
		if time.Since(start) > patience {
			c.t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

func (c *computer) send(text string) {
	c.t.Helper()
	if _, err := c.WriteString(text); err != nil {
		c.t.Fatal(err)
	}
}

// expect reads until text has come.
func (c *computer) expect(text string) {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	var got strings.Builder
	for b := make([]byte, 1); !strings.HasSuffix(got.String(), text); {
		if n, err := c.Read(b); err != nil {
			c.t.Fatalf("got %q, want %q: %v", got.String(), text, err)
		} else {
			got.Write(b[:n])
		}
	}
}

func (c *computer) wantDCD(on bool) {
	c.t.Helper()
	c.eventually("DCD", func() bool { return c.l.read(fieldDCE)&unix.TIOCM_CAR != 0 == on })
}

// connected returns two computers in a call.
func connected(t *testing.T) (caller, answerer *computer) {
	t.Helper()
	x := newExchange(t)
	ends := [2]*computer{}
	for i, number := range []string{"1001", "1002"} {
		l, err := x.Modem(number, modemsim.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = attach(t, l)
		ends[i].send("AT&D2\r")
		ends[i].expect("OK\r\n")
		ends[i].wantDCD(false)
	}
	caller, answerer = ends[0], ends[1]
	caller.send("ATDT1002\r")
	answerer.expect("RING\r\n")
	answerer.send("ATA\r")
	answerer.expect("CONNECT")
	answerer.expect("\r\n")
	caller.expect("CONNECT 33600\r\n")
	caller.wantDCD(true)
	answerer.wantDCD(true)
	return caller, answerer
}

func TestCall(t *testing.T) {
	caller, answerer := connected(t)
	caller.send("to and")
	answerer.expect("to and")
	answerer.send("fro")
	caller.expect("fro")
	answerer.dte(unix.TIOCM_RTS) // and its last words arrive all the same
	caller.expect("NO CARRIER\r\n")
	caller.wantDCD(false)
	answerer.wantDCD(false)
}

func TestCut(t *testing.T) {
	caller, answerer := connected(t)
	answerer.l.Cut()
	caller.expect("NO CARRIER\r\n")
	answerer.expect("NO CARRIER\r\n")
	caller.wantDCD(false)
	answerer.wantDCD(false)
}

func TestNumbersThatDoNotConnect(t *testing.T) {
	caller, answerer := connected(t)
	l, err := caller.l.x.Modem("1003", modemsim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	third := attach(t, l)
	for number, want := range map[string]string{"1002": "BUSY", "1003": "NO CARRIER", "9999": "NO CARRIER"} {
		third.send("ATDT" + number + "\r")
		third.expect(want + "\r\n")
	}
	caller.send("still there")
	answerer.expect("still there")
}

// A computer that has closed its port loses what is said meanwhile.
func TestClosedPortHearsNothing(t *testing.T) {
	x := newExchange(t)
	l, err := x.Modem("1001", modemsim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := attach(t, l)
	c.dte(0)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _ = l.Dial(ctx, modemsim.DialOptions{})
	c.dte(unix.TIOCM_DTR | unix.TIOCM_RTS)
	c.send("AT\r")
	c.expect("AT\r\r\nOK\r\n")
}

func TestWire(t *testing.T) {
	x := newExchange(t)
	l, err := x.Wire("1001")
	if err != nil {
		t.Fatal(err)
	}
	c := attach(t, l)
	l.Set(modemsim.Signals{DCD: true, DSR: true})
	if got := l.read(fieldDCE); got != unix.TIOCM_CAR|unix.TIOCM_DSR {
		t.Errorf("the computer sees %#x", got)
	}
	if _, err := l.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	c.expect("hello")
	c.send("back")
	b := make([]byte, 8)
	if n, err := l.Read(b); err != nil || string(b[:n]) != "back" {
		t.Errorf("%q, %v", b[:n], err)
	}
	if x.Line("1001") != l || x.Line("1002") != nil {
		t.Error("the wrong line")
	}
}

// Nobody else can open a line, as they could a pty whose number was theirs before.
func TestALineHasNoName(t *testing.T) {
	l, err := newExchange(t).Modem("1001", modemsim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []*os.File{l.modem, l.computer} {
		raw, err := end.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) {
			again, err := unix.Open(fmt.Sprint("/proc/self/fd/", fd), unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
			if err == nil {
				_ = unix.Close(again)
			}
			if !errors.Is(err, unix.ENXIO) {
				t.Errorf("the %s's end was opened: %v", end.Name(), err)
			}
		})
	}
}

func TestFrame(t *testing.T) {
	for c, want := range map[uint32]string{
		0: "", unix.B1200 | unix.CS7 | unix.PARENB: "1200 7E1", unix.B9600 | unix.CS8 | unix.CSTOPB: "9600 8N2",
		unix.B115200 | unix.CS8: "115200 8N1", unix.B300 | unix.CS7 | unix.PARENB | unix.PARODD: "300 7O1", unix.B50 | unix.CS5: "50 5N1",
	} {
		if got := frame(c); got != want {
			t.Errorf("%#o: %q, want %q", c, got, want)
		}
	}
}
