package main

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rashost/dialog"
	"rashost/port"
)

// silent is a connection on which nothing may be sent.
type silent struct {
	net.Conn
	t *testing.T
}

func (s silent) Write(p []byte) (int, error) {
	s.t.Errorf("sent to the caller: %q", p)
	return len(p), nil
}

// TestQuiet: what ends the silence, and what the dialog gets of it.
func TestQuiet(t *testing.T) {
	for name, c := range map[string]struct {
		chunks []string // with a second between
		got    string   // then read by the dialog
	}{
		"a letter":              {[]string{"alice\r"}, "alice\r"},
		"Enter":                 {[]string{"\r"}, ""},
		"CR LF":                 {[]string{"\r\n"}, ""},
		"CR, then LF":           {[]string{"\r", "\nalice"}, "alice"},
		"CR, then NUL":          {[]string{"\r", "\x00alice"}, "alice"},
		"CR, then a name":       {[]string{"\r", "alice"}, "alice"},
		"two Enters":            {[]string{"\r\r"}, "\r"},
		"noise before":          {[]string{"\x00\x01\x80\xff\x1b", "\x7f", "\x00", "bob"}, "bob"},
		"noise around":          {[]string{"\x00\x01\x80x\x02"}, "x\x02"},
		"parity":                {[]string{"\x8d"}, ""},
		"a letter with parity":  {[]string{"\xe1"}, "\xe1"},
		"a flag that is no PPP": {[]string{"~", "x"}, "~x"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				line, far := net.Pipe()
				defer far.Close()
				defer line.Close()
				g := newPPPGuard(silent{line, t})
				go func() {
					for _, chunk := range c.chunks {
						time.Sleep(time.Second)
						_, _ = far.Write([]byte(chunk))
					}
				}()
				left, err := awaitCaller(t.Context(), g, time.Minute)
				if err != nil || left > 59*time.Second || left < 50*time.Second {
					t.Fatalf("%s, %v", left, err)
				}
				got := ""
				_ = g.SetReadDeadline(time.Now().Add(10 * time.Second))
				for buf := make([]byte, 64); ; {
					n, err := g.Read(buf)
					got += string(buf[:n])
					if err != nil {
						break
					}
				}
				if got != c.got {
					t.Errorf("the dialog got %q, want %q", got, c.got)
				}
			})
		})
	}
}

// TestQuietEnds: the ways in which the silence ends without a dialog. Nothing is sent in any of them.
func TestQuietEnds(t *testing.T) {
	run := func(t *testing.T, end func(cancel context.CancelCauseFunc, far net.Conn), check func(g *pppGuard, took time.Duration, err error)) {
		synctest.Test(t, func(t *testing.T) {
			line, far := net.Pipe()
			var caller sync.WaitGroup
			defer caller.Wait()
			defer far.Close()
			defer line.Close()
			g := newPPPGuard(silent{line, t})
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			caller.Go(func() { end(cancel, far) })
			begin := time.Now()
			_, err := awaitCaller(ctx, g, time.Minute)
			check(g, time.Since(begin), err)
		})
	}
	t.Run("limit", func(t *testing.T) {
		run(t, func(_ context.CancelCauseFunc, far net.Conn) {
			for range 100 { // noise does not prolong it
				if _, err := far.Write([]byte{0, 1, 0xff}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}, func(_ *pppGuard, took time.Duration, err error) {
			if !errors.Is(err, os.ErrDeadlineExceeded) || took != time.Minute {
				t.Errorf("%v after %s", err, took)
			}
		})
	})
	t.Run("shutdown", func(t *testing.T) {
		run(t, func(cancel context.CancelCauseFunc, _ net.Conn) {
			time.Sleep(time.Second)
			cancel(port.ErrShutdown)
		}, func(_ *pppGuard, took time.Duration, err error) {
			if !errors.Is(err, port.ErrShutdown) || took != time.Second {
				t.Errorf("%v after %s", err, took)
			}
		})
	})
	t.Run("PPP", func(t *testing.T) {
		run(t, func(_ context.CancelCauseFunc, far net.Conn) {
			_, _ = far.Write([]byte("\x7e\xff\x7d\x23\xc0\x21\x7d\x21"))
		}, func(g *pppGuard, _ time.Duration, err error) {
			if !g.found() || !errors.Is(err, errPPP) {
				t.Errorf("%v", err)
			}
		})
	})
	t.Run("the limit is a dialog's", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			line, far := net.Pipe()
			defer far.Close()
			defer line.Close()
			go func() { time.Sleep(19 * time.Second); _, _ = far.Write([]byte("x")) }()
			if left, err := awaitCaller(t.Context(), newPPPGuard(silent{line, t}), 20*time.Second); err != nil || left != dialog.MinTimeout {
				t.Errorf("%s, %v", left, err)
			}
		})
	})
}
