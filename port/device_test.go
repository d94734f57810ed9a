package port

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// patience is how long a test waits for something that must happen.
const patience = 20 * time.Second

// farEnd is the other end of a device.
type farEnd interface {
	io.ReadWriter
	SetReadDeadline(time.Time) error
	Hangup()
}

// farFile is the far end of a pty of either direction.
type farFile struct{ *os.File }

func (f farFile) Hangup() { _ = f.Close() }

// deviceKind is one implementation of Device under the common cases.
type deviceKind struct {
	name   string
	bubble bool // runs under testing/synctest
	rig    func(t *testing.T) func() (Opener, farEnd)
}

// deviceKinds makes an opener whose device is there and a function that connects the far end of the open device.
func deviceKinds() []deviceKind {
	return []deviceKind{
		{"tty", false, func(t *testing.T) func() (Opener, farEnd) {
			dir := t.TempDir()
			return func() (Opener, farEnd) {
				master, path := testPTY(t)
				return NewOpener(path, Settings{Baud: 115200}, LockOptions{Dirs: []string{dir}}), farFile{master}
			}
		}},
		{"pty", false, func(t *testing.T) func() (Opener, farEnd) {
			link := filepath.Join(t.TempDir(), "line")
			return func() (Opener, farEnd) { return NewOpener("pty:"+link, Settings{}), &farLink{t: t, link: link} }
		}},
		{"fake", true, func(*testing.T) func() (Opener, farEnd) {
			f := NewFake("fake1", FakeOptions{})
			return func() (Opener, farEnd) { return f, f.Far() }
		}},
		{"fake without signals", true, func(*testing.T) func() (Opener, farEnd) {
			f := NewFake("fake2", FakeOptions{NoSignals: true})
			return func() (Opener, farEnd) { return f, f.Far() }
		}},
	}
}

// farLink opens the link of a "pty:" device when it is first used.
type farLink struct {
	t    *testing.T
	link string
	*os.File
}

func (f *farLink) file() *os.File {
	if f.File == nil {
		f.File = openFar(f.t, f.link)
	}
	return f.File
}

func (f *farLink) Read(p []byte) (int, error)        { return f.file().Read(p) }
func (f *farLink) Write(p []byte) (int, error)       { return f.file().Write(p) }
func (f *farLink) SetReadDeadline(t time.Time) error { return f.file().SetReadDeadline(t) }
func (f *farLink) Hangup()                           { _ = f.file().Close() }

// openFar opens the far end's name of a pty.
func openFar(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// testPTY makes a pty and returns its master and the slave's path.
func testPTY(t *testing.T) (*os.File, string) {
	t.Helper()
	master, slave, err := openPTY()
	if err != nil {
		t.Fatal(err)
	}
	_ = slave.Close()
	t.Cleanup(func() { _ = master.Close() })
	return master, slave.Name()
}

// open opens a device and closes it after the test.
func open(t *testing.T, o Opener) Device {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	d, err := o.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// readFull reads n bytes or fails.
func readFull(t *testing.T, r interface {
	io.Reader
	SetReadDeadline(time.Time) error
}, n int) []byte {
	t.Helper()
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, n)
	if k, err := io.ReadFull(r, got); err != nil {
		t.Fatalf("read %d of %d bytes: %v", k, n, err)
	}
	if err := r.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	return got
}

// allBytes is every byte value, twice.
func allBytes() []byte {
	all := make([]byte, 512)
	for i := range all {
		all[i] = byte(i)
	}
	return all
}

// deviceCases is what every Device promises.
func deviceCases() []struct {
	name string
	run  func(t *testing.T, connect func() (Opener, farEnd))
} {
	return []struct {
		name string
		run  func(t *testing.T, connect func() (Opener, farEnd))
	}{
		{"carries every byte both ways", caseBytes},
		{"has read deadlines", caseReadDeadline},
		{"has write deadlines", caseWriteDeadline},
		{"close ends a read", caseCloseEndsRead},
		{"close ends a write", caseCloseEndsWrite},
		{"nothing works after close", caseUseAfterClose},
		{"a hang-up ends read and write", caseHangup},
		{"a hang-up ends a read in progress", caseHangupDuringRead},
		{"opens again with nothing left over", caseReopen},
		{"flush drops input", caseFlush},
		{"refuses bad settings", caseBadSettings},
		{"takes settings while open", caseApply},
		{"control signals work or are unsupported", caseSignals},
		{"break ends with its context", caseBreak},
		{"open ends with its context", caseOpenContext},
	}
}

func TestDevices(t *testing.T) {
	for _, kind := range deviceKinds() {
		for _, c := range deviceCases() {
			t.Run(kind.name+"/"+c.name, func(t *testing.T) {
				if kind.bubble {
					synctest.Test(t, func(t *testing.T) { c.run(t, kind.rig(t)) })
					return
				}
				before := goleak.IgnoreCurrent()
				t.Cleanup(func() { goleak.VerifyNone(t, before) }) // runs after those of the case
				c.run(t, kind.rig(t))
			})
		}
	}
}

func caseBytes(t *testing.T, connect func() (Opener, farEnd)) {
	o, far := connect()
	d := open(t, o)
	if _, err := far.Write(allBytes()); err != nil {
		t.Fatal(err)
	}
	if got := readFull(t, d, 512); !bytes.Equal(got, allBytes()) {
		t.Errorf("from the far end: got %x", got)
	}
	if n, err := d.Write(allBytes()); n != 512 || err != nil {
		t.Fatalf("write: %d, %v", n, err)
	}
	if got := readFull(t, far, 512); !bytes.Equal(got, allBytes()) {
		t.Errorf("to the far end: got %x", got)
	}
	if n, err := d.OutQueue(); err != nil || n != 0 {
		t.Errorf("output queue after all was read: %d, %v", n, err)
	}
	// Nothing came back as an echo.
	_ = d.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := d.Read(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the last byte: read %d, %v", n, err)
	}
}

func caseReadDeadline(t *testing.T, connect func() (Opener, farEnd)) {
	o, far := connect()
	d := open(t, o)
	buf := make([]byte, 10)
	for _, at := range []time.Time{time.Unix(1, 0), time.Now().Add(10 * time.Millisecond)} {
		if err := d.SetReadDeadline(at); err != nil {
			t.Fatal(err)
		}
		if n, err := d.Read(buf); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("deadline %v: read %d, %v", at, n, err)
		}
	}
	// A deadline that is moved into the past ends the read in progress.
	if err := d.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := d.Read(buf)
		done <- err
	}()
	if err := d.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("moved deadline: %v", err)
	}
	// And the device is as good as before.
	if _, err := far.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if got := readFull(t, d, 1); got[0] != 'x' {
		t.Errorf("got %q", got)
	}
}

// fill writes until the device takes no more, and returns how much it took.
func fill(t *testing.T, d Device) int {
	t.Helper()
	block := make([]byte, 4<<20)
	if err := d.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	n, err := d.Write(block)
	if n >= len(block) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("write %d, %v: expected the far end to block it", n, err)
	}
	if err := d.SetWriteDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	return n
}

func caseWriteDeadline(t *testing.T, connect func() (Opener, farEnd)) {
	o, far := connect()
	d := open(t, o)
	if err := far.SetReadDeadline(time.Time{}); err != nil { // connects
		t.Fatal(err)
	}
	fill(t, d)
	if err := d.SetWriteDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if n, err := d.Write([]byte("x")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write %d, %v", n, err)
	}
}

func caseCloseEndsRead(t *testing.T, connect func() (Opener, farEnd)) {
	o, _ := connect()
	d := open(t, o)
	done := make(chan error, 1)
	go func() {
		_, err := d.Read(make([]byte, 10))
		done <- err
	}()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, fs.ErrClosed) {
		t.Errorf("read: %v", err)
	}
}

func caseCloseEndsWrite(t *testing.T, connect func() (Opener, farEnd)) {
	o, far := connect()
	d := open(t, o)
	if err := far.SetReadDeadline(time.Time{}); err != nil { // connects
		t.Fatal(err)
	}
	fill(t, d)
	done := make(chan error, 1)
	go func() {
		_, err := d.Write(make([]byte, 4<<20))
		done <- err
	}()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, fs.ErrClosed) {
		t.Errorf("write: %v", err)
	}
}

func caseUseAfterClose(t *testing.T, connect func() (Opener, farEnd)) {
	o, _ := connect()
	d := open(t, o)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for name, use := range map[string]func() error{
		"Read":             func() error { _, err := d.Read(make([]byte, 1)); return err },
		"Write":            func() error { _, err := d.Write([]byte("x")); return err },
		"Close":            d.Close,
		"SetReadDeadline":  func() error { return d.SetReadDeadline(time.Time{}) },
		"SetWriteDeadline": func() error { return d.SetWriteDeadline(time.Time{}) },
		"Apply":            func() error { return d.Apply(Settings{}) },
		"Signals":          func() error { _, err := d.Signals(); return err },
		"SetDTR":           func() error { return d.SetDTR(true) },
		"SetRTS":           func() error { return d.SetRTS(true) },
		"Break":            func() error { return d.Break(t.Context(), time.Millisecond) },
		"Flush":            func() error { return d.Flush(Both) },
		"OutQueue":         func() error { _, err := d.OutQueue(); return err },
	} {
		if err := use(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	if d.Path() == "" {
		t.Error("Path is empty after Close")
	}
}

// hungUp waits until the device knows of the hang-up, and checks what it then does.
func hungUp(t *testing.T, d Device) {
	t.Helper()
	_ = d.SetReadDeadline(time.Now().Add(patience))
	for {
		n, err := d.Read(make([]byte, 100))
		if err == nil {
			continue
		}
		if n != 0 || (!errors.Is(err, io.EOF) && !errors.Is(err, syscall.EIO)) {
			t.Errorf("read after a hang-up: %d, %v", n, err)
		}
		break
	}
	if n, err := d.Write([]byte("x")); n != 0 || !errors.Is(err, syscall.EIO) {
		t.Errorf("write after a hang-up: %d, %v", n, err)
	}
	if n, err := d.Read(make([]byte, 100)); n != 0 || err == nil {
		t.Errorf("second read after a hang-up: %d, %v", n, err)
	}
}

func caseHangup(t *testing.T, connect func() (Opener, farEnd)) {
	o, far := connect()
	d := open(t, o)
	if _, err := far.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	readFull(t, d, 1)
	far.Hangup()
	hungUp(t, d)
	if err := d.Close(); err != nil {
		t.Errorf("close after a hang-up: %v", err)
	}
}

func caseHangupDuringRead(t *testing.T, connect func() (Opener, farEnd)) {
	o, far := connect()
	d := open(t, o)
	if _, err := far.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	readFull(t, d, 1)
	done := make(chan error, 1)
	go func() {
		_, err := d.Read(make([]byte, 10))
		done <- err
	}()
	far.Hangup()
	if err := <-done; !errors.Is(err, io.EOF) && !errors.Is(err, syscall.EIO) {
		t.Errorf("read: %v", err)
	}
}

func caseReopen(t *testing.T, connect func() (Opener, farEnd)) {
	for round := range 3 {
		o, far := connect()
		d := open(t, o)
		if _, err := far.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if got := readFull(t, d, 1); got[0] != 'h' {
			t.Fatalf("round %d: got %q: left over from the last one", round, got)
		}
		far.Hangup()
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func caseFlush(t *testing.T, connect func() (Opener, farEnd)) {
	o, far := connect()
	d := open(t, o)
	if _, err := far.Write([]byte("old")); err != nil {
		t.Fatal(err)
	}
	readFull(t, d, 1) // the rest has arrived, too
	for _, q := range []Queue{In, Out, Both} {
		if err := d.Flush(q); err != nil {
			t.Errorf("flush %d: %v", q, err)
		}
	}
	if err := d.Flush(0); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("flush 0: %v", err)
	}
	if _, err := far.Write([]byte("new")); err != nil {
		t.Fatal(err)
	}
	if got := readFull(t, d, 3); string(got) != "new" {
		t.Errorf("after the flush: %q", got)
	}
}

func caseBadSettings(t *testing.T, connect func() (Opener, farEnd)) {
	o, _ := connect()
	d := open(t, o)
	for _, s := range []Settings{{Baud: -1}, {Baud: MaxBaud + 1}, {Bits: 5}, {Bits: 9}, {StopBits: 3}, {Parity: 5}, {Parity: -1}} {
		if err := d.Apply(s); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

func caseApply(t *testing.T, connect func() (Opener, farEnd)) {
	o, far := connect()
	d := open(t, o)
	for _, s := range []Settings{{}, {Baud: 31250}, {Baud: 1200, StopBits: 2}, {Baud: 115200, CLOCAL: true, HUPCL: true}} {
		if err := d.Apply(s); err != nil {
			t.Fatalf("%v: %v", s, err)
		}
		if _, err := far.Write([]byte("ab")); err != nil {
			t.Fatal(err)
		}
		if got := readFull(t, d, 2); string(got) != "ab" {
			t.Errorf("%v: got %q", s, got)
		}
	}
}

func caseSignals(t *testing.T, connect func() (Opener, farEnd)) {
	o, _ := connect()
	d := open(t, o)
	if _, err := d.Signals(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Signals: %v", err)
	}
	for _, on := range []bool{false, true} {
		errDTR, errRTS := d.SetDTR(on), d.SetRTS(on)
		if (errDTR == nil) != (errRTS == nil) || (errDTR != nil && !errors.Is(errDTR, errors.ErrUnsupported)) {
			t.Errorf("SetDTR: %v, SetRTS: %v", errDTR, errRTS)
			continue
		}
		if sig, err := d.Signals(); errDTR == nil && (err != nil || sig.DTR != on || sig.RTS != on) {
			t.Errorf("set to %v, reads as %+v, %v", on, sig, err)
		}
	}
}

func caseBreak(t *testing.T, connect func() (Opener, farEnd)) {
	o, _ := connect()
	d := open(t, o)
	if err := d.Break(t.Context(), time.Millisecond); err != nil {
		t.Errorf("break: %v", err)
	}
	gone, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	cancel(stop)
	if err := d.Break(gone, time.Hour); !errors.Is(err, stop) {
		t.Errorf("stopped break: %v", err)
	}
}

func caseOpenContext(t *testing.T, connect func() (Opener, farEnd)) {
	o, _ := connect()
	gone, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	cancel(stop)
	d, err := o.Open(gone)
	if err == nil { // it was faster; that is allowed
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !errors.Is(err, stop) {
		t.Errorf("open: %v", err)
	}
	if d != nil {
		t.Error("a device beside an error")
	}
}

func TestSettingsString(t *testing.T) {
	for s, want := range map[Settings]string{
		{}:                           "9600 8N1",
		{Baud: 115200, RTSCTS: true}: "115200 8N1 rtscts",
		{Baud: 300, Bits: 7, Parity: ParityEven, XONXOFF: true}:       "300 7E1 xonxoff",
		{Baud: 1200, Bits: 7, Parity: ParityMark, StopBits: 2}:        "1200 7M2",
		{Baud: 1200, Parity: ParityOdd}:                               "1200 8O1",
		{Baud: 1200, Parity: ParitySpace}:                             "1200 8S1",
		{Baud: 1200, Parity: 9, RTSCTS: true, XONXOFF: true, Bits: 3}: "1200 3?1 rtscts xonxoff",
	} {
		if got := s.String(); got != want {
			t.Errorf("%+v: %q, want %q", s, got, want)
		}
	}
	for p, want := range map[Parity]string{0: "none", 1: "even", 2: "odd", 3: "mark", 4: "space", 7: "parity-7"} {
		if p.String() != want {
			t.Errorf("%d: %q", p, p)
		}
	}
}
