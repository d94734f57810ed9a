package service

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// call is a session of a service as its caller sees it.
type call struct {
	t      *testing.T
	conn   net.Conn // the caller's end
	line   net.Conn // the service's end
	hangUp context.CancelFunc
	done   chan Result
	wait   time.Duration // how long result waits
}

// dial starts a session of s for alice.
func dial(t *testing.T, s Service, unread string) *call {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	conn, line := net.Pipe()
	c := &call{t: t, conn: conn, line: line, hangUp: cancel, done: make(chan Result, 1), wait: time.Minute}
	who := Caller{
		User: "alice", Domain: "LAB", Line: "modem1", CallID: "c1", CallerID: "5551234 $(reboot)\x1b", Connect: "33600/V34", Unread: []byte(unread),
	}
	go func() { c.done <- s.Run(ctx, line, who) }()
	t.Cleanup(func() {
		cancel()
		conn.Close()
		line.Close()
	})
	return c
}

// result waits for the end of the session.
func (c *call) result() Result {
	c.t.Helper()
	select {
	case r := <-c.done:
		return r
	case <-time.After(c.wait):
		c.t.Fatal("the session does not end")
		return Result{}
	}
}

// all reads to the end of the session.
func (c *call) all() (string, Result) {
	c.t.Helper()
	var out bytes.Buffer
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(&out, c.conn) // ends with the pipe
	}()
	r := c.result()
	c.line.Close()
	<-copied
	return out.String(), r
}

// expect reads until text comes and returns everything up to its end.
func (c *call) expect(text string) string {
	c.t.Helper()
	var got []byte
	buf := make([]byte, 1)
	if err := c.conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		c.t.Fatal(err)
	}
	for !strings.HasSuffix(string(got), text) {
		n, err := c.conn.Read(buf)
		if err != nil {
			c.t.Fatalf("after %q: %v", got, err)
		}
		got = append(got, buf[:n]...)
	}
	return string(got)
}

func (c *call) send(text string) {
	c.t.Helper()
	if _, err := c.conn.Write([]byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// drain reads and forgets whatever comes.
func (c *call) drain() {
	_ = c.conn.SetReadDeadline(time.Time{})
	go func() { _, _ = io.Copy(io.Discard, c.conn) }()
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited too long until " + what)
		}
	}
}

// missing skips a test that can't run here; where everything must run it fails.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("needs " + what)
	}
	t.Skip("NOT RUN: needs " + what)
}

// alive says whether a process runs; one that nobody has reaped yet does not.
func alive(t *testing.T, pid int) bool {
	t.Helper()
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile("/proc/" + itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// pattern is n bytes in which every value occurs and no block repeats early.
func pattern(n int, seed byte) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i) + byte(i>>8)*seed
	}
	return p
}
