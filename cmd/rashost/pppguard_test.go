package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"rashost/dialog"
)

// guarded returns a guard on one end of a connection, and the caller's end.
func guarded(t *testing.T) (*pppGuard, net.Conn) {
	line, far := net.Pipe()
	t.Cleanup(func() { _ = line.Close(); _ = far.Close() })
	return newPPPGuard(line), far
}

// feed writes chunks to the caller's end, one after the other.
func feed(far net.Conn, chunks ...string) {
	go func() {
		for _, c := range chunks {
			if _, err := far.Write([]byte(c)); err != nil {
				return
			}
		}
	}()
}

func readText(t *testing.T, g *pppGuard, n int) string {
	t.Helper()
	got := make([]byte, n)
	if _, err := io.ReadFull(readerOnly{g}, got); err != nil {
		t.Fatalf("read %d bytes: %v", n, err)
	}
	return string(got)
}

type readerOnly struct{ r io.Reader }

func (r readerOnly) Read(p []byte) (int, error) { return r.r.Read(p) }

// TestPPPFramesEndTheDialog: every way in which a frame can begin ends in an error that the dialog knows, and none of its bytes
// passes.
func TestPPPFramesEndTheDialog(t *testing.T) {
	frames := map[string][]string{
		"plain":          {"\x7e\xff\x03\xc0\x21\x01"},
		"escaped":        {"\x7e\xff\x7d\x23\xc0\x21\x7d\x21"},
		"byte by byte":   {"\x7e", "\xff", "\x7d", "\x23", "\xc0", "\x21"},
		"seven bits":     {"\x7e\x7f\x7d\x23\x40\x21"},
		"after flags":    {"\x7e\x7e\x7e\xff\x03\xc0\x21"},
		"after a prompt": {"bob\r", "\x7e\xff\x03\xc0\x21"},
	}
	for name, chunks := range frames {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, far := guarded(t)
				feed(far, chunks...)
				var passed bytes.Buffer
				buf := make([]byte, 16)
				var err error
				for err == nil {
					var n int
					n, err = g.Read(buf)
					passed.Write(buf[:n])
				}
				if !errors.Is(err, dialog.ErrCannotReceive) || !g.found() {
					t.Fatalf("error %v, found %v; want ErrCannotReceive", err, g.found())
				}
				for _, b := range []byte{0xff, 0x7f, 0x03, 0xc0} {
					if bytes.IndexByte(passed.Bytes(), b) >= 0 {
						t.Fatalf("%q of the frame passed", passed.Bytes())
					}
				}
				if _, err := g.Read(buf); !errors.Is(err, dialog.ErrCannotReceive) {
					t.Fatalf("the next read gave %v: it must fail for ever", err)
				}
			})
		})
	}
}

// TestWhatIsNoFramePasses: a tilde in a name, a flag at the end of a binary message, and a flood of flags.
func TestWhatIsNoFramePasses(t *testing.T) {
	for name, text := range map[string]string{
		"tilde":         "~bob~\r",
		"trailing flag": "data\x7e",
		"half a frame":  "\x7e\xff\x03\xc0 no",
		"noise":         "\x00\x7d\x7d\x7e\x7d\xff\x03",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, far := guarded(t)
				feed(far, text)
				if got := readText(t, g, len(text)); got != text {
					t.Fatalf("got %q, want %q", got, text)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		g, far := guarded(t)
		flood := string(bytes.Repeat([]byte{pppFlag}, 100_000))
		feed(far, flood)
		readText(t, g, len(flood)-1)
		if len(g.held) > 16 {
			t.Fatalf("%d bytes are held", len(g.held))
		}
	})
}

// TestHeldBytesAreReleasedInTime: what could begin a frame waits for pppHold and no longer, and the dialog's own deadline stays.
func TestHeldBytesAreReleasedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, far := guarded(t)
		began := time.Now()
		feed(far, "\x7e")
		if got := readText(t, g, 1); got != "\x7e" || time.Since(began) != pppHold {
			t.Fatalf("got %q after %v, want the flag after %v", got, time.Since(began), pppHold)
		}
		_ = g.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		feed(far, "\x7e")
		if _, err := g.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("error %v, want the dialog's own deadline", err)
		}
		if got := g.unread([]byte("typed")); string(got) != "typed\x7e" {
			t.Fatalf("unread = %q: a held byte was lost", got)
		}
	})
}

// chunkLine is a line whose bytes come in chunks. Whoever waits for more with a deadline learns at once that it has passed, so that nothing
// waits for real; without one, the caller has gone.
type chunkLine struct {
	data     []byte
	size     int
	deadline time.Time
}

func (l *chunkLine) Read(p []byte) (int, error) {
	switch {
	case len(l.data) > 0:
		n := copy(p, l.data[:min(l.size, len(l.data))])
		l.data = l.data[n:]
		return n, nil
	case !l.deadline.IsZero():
		return 0, os.ErrDeadlineExceeded
	default:
		return 0, io.EOF
	}
}

func (l *chunkLine) Write(p []byte) (int, error)        { return len(p), nil }
func (l *chunkLine) SetReadDeadline(t time.Time) error  { l.deadline = t; return nil }
func (l *chunkLine) SetWriteDeadline(_ time.Time) error { return nil }

// FuzzPPPGuard: what goes in comes out, in order and whole, unless it is PPP; then what came out is the beginning of it, and the rest is
// not lost. Chunks and the sizes of reads change nothing.
func FuzzPPPGuard(f *testing.F) {
	for _, seed := range []string{
		"", "bob\rsecret\r", "~bob~\r", "\x7e", "\x7e\x7e\x7e", "\x7e\xff\x03\xc0\x21\x01", "\x7e\xff\x7d\x23\xc0\x21", "\x7e\x7f\x7d\x23\x40\x21",
		"name\r\x7e\xff\x7d\x23\xc0", "\x00\x7d\x7d\x7e\x7d\xff\x03", "\x7e\xff\x03\xc0 no",
	} {
		f.Add([]byte(seed), uint8(1), uint8(3))
		f.Add([]byte(seed), uint8(255), uint8(1))
	}
	f.Fuzz(func(t *testing.T, in []byte, chunk, size uint8) {
		pass := func(chunk, size uint8) ([]byte, bool) {
			g := newPPPGuard(&chunkLine{data: bytes.Clone(in), size: int(chunk) + 1})
			var out []byte
			buf := make([]byte, int(size)+1)
			for {
				n, err := g.Read(buf)
				out = append(out, buf[:n]...)
				if err == nil {
					continue
				}
				if g.found() != errors.Is(err, dialog.ErrCannotReceive) || !g.found() && !errors.Is(err, io.EOF) {
					t.Fatalf("found %v, error %v", g.found(), err)
				}
				if rest := g.unread(bytes.Clone(out)); !bytes.HasPrefix(in, rest) || !g.found() && len(rest) != len(in) {
					t.Fatalf("%q became %q and then %q", in, out, rest)
				}
				return out, g.found()
			}
		}
		out, found := pass(chunk, size)
		if !found && !bytes.Equal(out, in) || !bytes.HasPrefix(in, out) {
			t.Fatalf("%q became %q, PPP %v", in, out, found)
		}
		if _, again := pass(0, 0); again != found {
			t.Fatalf("%q is PPP in one piece %v, byte by byte %v", in, found, again)
		}
	})
}
