package modemsim_test

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rashost/port/modemsim"
)

// onPTY runs a modem on a pty until the test ends.
func onPTY(t *testing.T, o modemsim.Options) (*modemsim.Modem, *modemsim.PTY) {
	t.Helper()
	p, err := modemsim.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	m := modemsim.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx, p) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return m, p
}

func open(t *testing.T, p *modemsim.PTY) *os.File {
	t.Helper()
	f, err := os.OpenFile(p.Path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// until reads from the host's end until text has come.
func until(t *testing.T, f *os.File, text string) string {
	t.Helper()
	_ = f.SetReadDeadline(time.Now().Add(20 * time.Second))
	var all []byte
	buf := make([]byte, 4096)
	for !strings.Contains(string(all), text) {
		n, err := f.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil {
			t.Fatalf("waiting for %q, got %q: %v", text, all, err)
		}
	}
	return string(all)
}

// talk asks until the modem has noticed that the pty is open.
func talk(t *testing.T, f *os.File) {
	t.Helper()
	if _, err := f.WriteString("AT\r"); err != nil {
		t.Fatal(err)
	}
	until(t, f, "OK\r\n")
}

func TestPTYClosedHangsUp(t *testing.T) {
	m, p := onPTY(t, modemsim.Options{Stored: "E0"})
	if !p.HungUp() {
		t.Error("not hung up before it was opened")
	}
	for range 3 {
		f := open(t, p)
		talk(t, f)
		dialled := make(chan *modemsim.FarCall, 1)
		go func() {
			c, err := m.Dial(context.Background(), modemsim.DialOptions{})
			if err != nil {
				t.Errorf("dial: %v", err)
			}
			dialled <- c
		}()
		until(t, f, "RING\r\n")
		_, _ = f.WriteString("ATA\r")
		until(t, f, "V42BIS\r\n")
		c := <-dialled
		if c == nil {
			t.FailNow()
		}
		_, _ = f.WriteString("from the host")
		_, _ = c.Write([]byte("never read"))
		_ = f.Close()
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		got, err := io.ReadAll(c)
		if err != nil || string(got) != "from the host" {
			t.Errorf("far end got %q, %v", got, err)
		}
		f = open(t, p)
		if _, err := f.WriteString("ATI0\r"); err != nil {
			t.Fatal(err)
		}
		if got := until(t, f, "OK\r\n"); got != "\r\n250\r\n\r\nOK\r\n" {
			t.Errorf("after reopening: %q", got)
		}
		_ = f.Close()
	}
}

func TestPTYClosedWhileFarEndDoesNotRead(t *testing.T) {
	m, p := onPTY(t, modemsim.Options{Stored: "E0S0=1"})
	f := open(t, p)
	talk(t, f)
	dialled := make(chan *modemsim.FarCall, 1)
	go func() { c, _ := m.Dial(context.Background(), modemsim.DialOptions{}); dialled <- c }()
	until(t, f, "V42BIS\r\n")
	c := <-dialled
	_ = f.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	if _, err := f.Write(make([]byte, 1<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("1 MB to a far end that does not read: %v", err)
	}
	_ = f.Close()
	select {
	case <-c.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("the call goes on")
	}
}

func TestIdleModemsAreCheap(t *testing.T) {
	before := runtime.NumGoroutine()
	const n = 50
	for range n {
		_, p := onPTY(t, modemsim.Options{Stored: "E0"})
		talk(t, open(t, p))
	}
	deadline := time.Now().Add(20 * time.Second)
	for runtime.NumGoroutine() > before+n {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines for %d idle modems", runtime.NumGoroutine()-before, n)
		}
		runtime.Gosched()
	}
}
