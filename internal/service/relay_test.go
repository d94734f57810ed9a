package service

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"rashost/port"
)

// host listens on a TCP port and serves one connection.
func host(t *testing.T, serve func(c *net.TCPConn)) Service {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		serve(c.(*net.TCPConn))
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	s, err := NewTCP(TCPConfig{Address: l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTCPIsTransparentBothWays(t *testing.T) {
	const size = 1 << 20
	up, down := pattern(size, 3), pattern(size, 7)
	received := make(chan []byte, 1)
	s := host(t, func(c *net.TCPConn) {
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_, _ = c.Write(down) // the test compares what arrives
		}()
		got := make([]byte, size)
		n, _ := io.ReadFull(c, got)
		received <- got[:n]
		<-sent
	})
	c := dial(t, s, string(up[:10]))
	go func() { _, _ = c.conn.Write(up[10:]) }()
	out, r := c.all()
	if out != string(down) || !bytes.Equal(<-received, up) {
		t.Error("the bytes changed on their way")
	}
	if r.Cause != port.HostRequest || r.In != size || r.Out != size || r.Err != nil {
		t.Errorf("%+v", r)
	}
}

// The same on a terminal for a line.
func TestRelayOnTTY(t *testing.T) {
	const size = 1 << 18
	master, slave, err := openPTY(program{rows: 24, columns: 80, raw: true})
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer slave.Close()
	line, err := os.OpenFile(slave.Name(), os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	s := host(t, func(c *net.TCPConn) {
		_, _ = io.CopyN(c, c, size) // an echo; the test compares what comes back
	})
	done := make(chan Result, 1)
	go func() { done <- s.Run(t.Context(), line, Caller{User: "alice"}) }()
	sent := pattern(size, 5)
	go func() { _, _ = master.Write(sent) }()
	got := make([]byte, size)
	if _, err := io.ReadFull(master, got); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("the bytes changed on their way, %v", err)
	}
	if r := <-done; r.Cause != port.HostRequest || r.In != size || r.Out != size {
		t.Errorf("%+v", r)
	}
}

func TestTCPEnds(t *testing.T) {
	t.Run("reset", func(t *testing.T) {
		s := host(t, func(c *net.TCPConn) {
			_, _ = c.Read(make([]byte, 1))
			_ = c.SetLinger(0)
		})
		c := dial(t, s, "x")
		if r := c.result(); r.Cause != port.LostService || r.Err == nil {
			t.Errorf("%+v", r)
		}
	})
	t.Run("hang-up", func(t *testing.T) {
		closed := make(chan error, 1)
		s := host(t, func(c *net.TCPConn) {
			_, err := c.Write([]byte("hello"))
			if err == nil {
				_, err = c.Read(make([]byte, 1))
			}
			closed <- err
		})
		c := dial(t, s, "")
		c.expect("hello")
		c.hangUp()
		if r := c.result(); r.Cause != 0 || r.Out != 5 {
			t.Errorf("%+v", r)
		}
		if err := <-closed; !errors.Is(err, io.EOF) {
			t.Errorf("the host sees %v", err)
		}
	})
	t.Run("half-close", func(t *testing.T) {
		s := host(t, func(c *net.TCPConn) {
			if all, err := io.ReadAll(c); err == nil {
				_, _ = c.Write(append([]byte("got "), all...)) // the caller is gone: nobody hears it
			}
		})
		c := dial(t, s, "")
		c.send("request")
		c.conn.Close()
		if r := c.result(); r.Cause != port.LostCarrier || r.In != 7 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s, err := NewTCP(TCPConfig{Address: l.Addr().String()})
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		out, r := dial(t, s, "").all()
		if out != unavailable || r.Cause != port.ServiceUnavailable || r.Err == nil {
			t.Errorf("%q, %+v", out, r)
		}
	})
	if _, err := NewTCP(TCPConfig{Address: "nowhere"}); err == nil {
		t.Error("an address without a port was accepted")
	}
}

func TestSerial(t *testing.T) {
	far, device := net.Pipe()
	s, err := NewSerial(SerialConfig{Device: "ttyS3", Open: func(context.Context) (ConnCloser, error) { return device, nil }})
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, s, "ahead ")
	buf := make([]byte, 6)
	if _, err := io.ReadFull(far, buf); err != nil || string(buf) != "ahead " {
		t.Fatalf("%q, %v", buf, err)
	}
	go func() { _, _ = far.Write([]byte("console> ")) }()
	c.expect("console> ")
	far.Close()
	if r := c.result(); r.Cause != port.LostService || r.In != 6 || r.Out != 9 || !strings.Contains(r.Reason, "ttyS3") {
		t.Errorf("%+v", r)
	}
	if _, err := device.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the device is still open: %v", err)
	}

	s, err = NewSerial(SerialConfig{Device: "ttyS3", Open: func(context.Context) (ConnCloser, error) { return nil, errors.New("in use") }})
	if err != nil {
		t.Fatal(err)
	}
	out, r := dial(t, s, "").all()
	if out != unavailable || r.Cause != port.ServiceUnavailable || r.Err == nil {
		t.Errorf("%q, %+v", out, r)
	}
	if _, err := NewSerial(SerialConfig{}); err == nil {
		t.Error("a service without a device was accepted")
	}
}

// The connection belongs to its owner again, with nothing left over.
func TestConnectionIsGivenBack(t *testing.T) {
	far, device := net.Pipe()
	defer far.Close()
	s, err := NewSerial(SerialConfig{Device: "d", Open: func(context.Context) (ConnCloser, error) { return device, nil }})
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, s, "")
	c.hangUp()
	c.result()
	go func() { _, _ = c.line.Write([]byte("after")) }()
	c.expect("after")
	go func() { _, _ = c.conn.Write([]byte("x")) }()
	if _, err := c.line.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
}

// limited is a session with limits on a serial service, in simulated time.
func limited(t *testing.T, lim Limits) (*call, net.Conn) {
	t.Helper()
	far, device := net.Pipe()
	s, err := NewSerial(SerialConfig{Device: "d", Limits: lim, Open: func(context.Context) (ConnCloser, error) { return device, nil }})
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, s, "")
	c.wait = 24 * time.Hour
	return c, far
}

func TestIdleLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		c, far := limited(t, Limits{Idle: 10 * time.Minute, WarningBefore: 20 * time.Second})
		buf := make([]byte, 1)
		for range 5 { // traffic in either direction counts
			time.Sleep(9 * time.Minute)
			c.send("x")
			if _, err := far.Read(buf); err != nil {
				t.Fatal(err)
			}
			time.Sleep(9 * time.Minute)
			if _, err := far.Write([]byte("y")); err != nil {
				t.Fatal(err)
			}
			if _, err := c.conn.Read(buf); err != nil {
				t.Fatal(err)
			}
		}
		out, r := c.all()
		if r.Cause != port.IdleTimeout || r.In != 5 || r.Out != 5 || !strings.Contains(r.Reason, "10m0s") {
			t.Errorf("%+v", r)
		}
		if got := time.Since(begin); got != 100*time.Minute {
			t.Errorf("ended after %s", got)
		}
		if strings.Count(out, "***") != 1 || !strings.Contains(out, "ends in 20s") {
			t.Errorf("warned with %q", out)
		}
		far.Close()
	})
}

func TestAbsoluteLimit(t *testing.T) {
	for _, warning := range []time.Duration{0, 20 * time.Second, 2 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			c, far := limited(t, Limits{Absolute: time.Hour, Idle: 2 * time.Hour, WarningBefore: warning})
			ended := make(chan struct{})
			go func() { // the warning disturbs nothing of this
				defer close(ended)
				for {
					time.Sleep(time.Second)
					if _, err := far.Write([]byte("0123456789")); err != nil {
						return
					}
				}
			}()
			out, r := c.all()
			took := time.Since(begin)
			<-ended
			far.Close()
			if r.Cause != port.SessionTimeout || took != time.Hour {
				t.Errorf("%+v after %s", r, took)
			}
			before, after, warned := strings.Cut(out, "\r\n*** This session ends in 20s: its time is used up.\r\n")
			if warned != (warning == 20*time.Second) {
				t.Errorf("warning before %s: warned %v", warning, warned)
			}
			if data := before + after; strings.ReplaceAll(data, "0123456789", "") != "" || uint64(len(data)) != r.Out {
				t.Errorf("%d bytes for the caller, %d counted", len(data), r.Out)
			}
			if n := len(after) / 10; warned && (n < 19 || n > 21) {
				t.Errorf("%d s were left after the warning", n)
			}
		})
	}
}

// A limit also strikes while the caller takes nothing, and the warning that can't be given holds nothing up.
func TestLimitWhileBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		c, far := limited(t, Limits{Absolute: time.Hour, WarningBefore: time.Minute})
		go func() { _, _ = far.Write(make([]byte, 100)) }()
		if r := c.result(); r.Cause != port.SessionTimeout || time.Since(begin) != time.Hour {
			t.Errorf("%+v after %s", r, time.Since(begin))
		}
		far.Close()
	})
}

func TestLimitsValidate(t *testing.T) {
	for _, l := range []Limits{{}, {Idle: time.Second}, {Absolute: time.Hour, WarningBefore: time.Minute}} {
		if err := l.Validate(); err != nil {
			t.Error(err)
		}
	}
	for _, l := range []Limits{{Idle: -1}, {Absolute: time.Millisecond}, {WarningBefore: -1}} {
		if l.Validate() == nil {
			t.Errorf("%+v was accepted", l)
		}
	}
}

// What a failing line means for the record.
func TestCallersLineFails(t *testing.T) {
	for err, want := range map[error]port.TerminateCause{io.EOF: port.LostCarrier, unix.EIO: port.PortError, os.ErrDeadlineExceeded: 0} {
		_, device := net.Pipe()
		s, newErr := NewSerial(SerialConfig{Device: "d", Open: func(context.Context) (ConnCloser, error) { return device, nil }})
		if newErr != nil {
			t.Fatal(newErr)
		}
		line, conn := net.Pipe()
		if r := s.Run(t.Context(), failing{line, err}, Caller{User: "alice"}); r.Cause != want || r.Reason == "" {
			t.Errorf("%v: %+v", err, r)
		}
		conn.Close()
		line.Close()
	}
}

// failing is a connection that can't be read.
type failing struct {
	net.Conn
	err error
}

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// BenchmarkRelayTTY moves bytes from one pty to another.
func BenchmarkRelayTTY(b *testing.B) {
	ends := make([]*os.File, 4) // master, slave, master, slave
	for i := 0; i < 4; i += 2 {
		m, s, err := openPTY(program{rows: 24, columns: 80, raw: true})
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
		line, err := os.OpenFile(s.Name(), os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
		if err != nil {
			b.Fatal(err)
		}
		ends[i], ends[i+1] = m.File, line
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	r := &relay{caller: ends[1], peer: ends[3]}
	go func() {
		r.run(ctx)
		close(done)
	}()
	chunk := make([]byte, 64<<10)
	b.SetBytes(int64(len(chunk)))
	go func() {
		for range b.N {
			if _, err := ends[0].Write(chunk); err != nil {
				return
			}
		}
	}()
	if _, err := io.CopyN(io.Discard, ends[2], int64(b.N)*int64(len(chunk))); err != nil {
		b.Fatal(err)
	}
	cancel()
	<-done
	for _, f := range ends {
		f.Close()
	}
}
