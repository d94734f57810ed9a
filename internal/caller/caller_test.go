package caller_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"rashost/internal/caller"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plain hides the deadlines of a connection.
type plain struct{ io.ReadWriter }

// both runs a test on a connection with deadlines and on one without.
func both(t *testing.T, test func(t *testing.T, c *caller.Caller, host net.Conn)) {
	t.Helper()
	for name, wrap := range map[string]func(net.Conn) io.ReadWriter{
		"deadlines": func(c net.Conn) io.ReadWriter { return c },
		"goroutine": func(c net.Conn) io.ReadWriter { return plain{c} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, host := net.Pipe()
				defer near.Close()
				defer host.Close()
				test(t, caller.New(wrap(near)), host)
			})
		})
	}
}

func write(t *testing.T, w io.Writer, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if _, err := io.WriteString(w, p); err != nil {
			t.Error(err)
		}
	}
}

func TestTalk(t *testing.T) {
	both(t, func(t *testing.T, c *caller.Caller, host net.Conn) {
		go func() {
			write(t, host, "Welcome\r\nUser", "name: ")
			b := make([]byte, 64)
			n, err := host.Read(b)
			if err != nil || string(b[:n]) != "anna\r" {
				t.Errorf("got %q, %v", b[:n], err)
			}
			write(t, host, "anna\r\nPassword: more")
		}()
		ctx := t.Context()
		if got, err := c.Expect(ctx, "name: "); err != nil || got != "Welcome\r\nUsername: " {
			t.Fatalf("%q, %v", got, err)
		}
		if err := c.Send("anna"); err != nil {
			t.Fatal(err)
		}
		i, got, err := c.ExpectAny(ctx, "refused", "word: ")
		if err != nil || i != 1 || got != "anna\r\nPassword: " {
			t.Fatalf("%d %q, %v", i, got, err)
		}
		if got, err := c.Expect(ctx, "more"); err != nil || got != "more" {
			t.Fatalf("kept %q, %v", got, err)
		}
		if got := c.Transcript(); got != "Welcome\nUsername: anna\nPassword: more" {
			t.Errorf("transcript %q", got)
		}
	})
}

func TestExpectTimesOutAndGoesOn(t *testing.T) {
	both(t, func(t *testing.T, c *caller.Caller, host net.Conn) {
		go write(t, host, "abc\x1b")
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := c.Expect(ctx, "login")
		var ee *caller.ExpectError
		if !errors.As(err, &ee) || !errors.Is(err, context.DeadlineExceeded) || ee.Got != "abc\x1b" || strings.Contains(err.Error(), "\x1b") {
			t.Fatalf("%v", err)
		}
		go write(t, host, "login")
		if got, err := c.Expect(t.Context(), "login"); err != nil || got != "abc\x1blogin" {
			t.Fatalf("afterwards %q, %v", got, err)
		}
	})
}

func TestEnd(t *testing.T) {
	both(t, func(t *testing.T, c *caller.Caller, host net.Conn) {
		go func() {
			write(t, host, "bye")
			host.Close()
		}()
		if _, err := c.Expect(t.Context(), "login"); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if got, err := c.ExpectEnd(t.Context()); err != nil || got != "bye" {
			t.Fatalf("%q, %v", got, err)
		}
		if err := c.Send("x"); err == nil {
			t.Error("sent after the end")
		}
	})
}

func TestTextAtTheEnd(t *testing.T) {
	both(t, func(t *testing.T, c *caller.Caller, host net.Conn) {
		go func() {
			write(t, host, "bye")
			host.Close()
		}()
		if _, err := c.Expect(t.Context(), "bye"); err != nil {
			t.Fatal(err)
		}
	})
}

func TestBounds(t *testing.T) {
	both(t, func(t *testing.T, c *caller.Caller, host net.Conn) {
		go func() {
			for range 100 {
				write(t, host, strings.Repeat("x", 8192))
			}
			write(t, host, "end")
		}()
		got, err := c.Expect(t.Context(), "end")
		if err != nil || len(got) > caller.MaxUnseen+8192 {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		if n := len(c.Transcript()); n > caller.MaxTranscript+64 || !strings.HasSuffix(c.Transcript(), "cut here]\n") {
			t.Errorf("transcript of %d bytes", n)
		}
	})
}

func TestTranscriptEscapes(t *testing.T) {
	both(t, func(t *testing.T, c *caller.Caller, host net.Conn) {
		go write(t, host, "a\x1b[2J\x9b\x00\r\n.")
		if _, err := c.Expect(t.Context(), "."); err != nil {
			t.Fatal(err)
		}
		if got := c.Transcript(); got != "a\\x1b[2J\\x9b\\x00\n." {
			t.Errorf("%q", got)
		}
	})
}
