package port

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// eventually polls until ok returns true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not seen: " + what)
		}
	}
}

func openLinked(t *testing.T) (d Device, link string) {
	t.Helper()
	link = filepath.Join(t.TempDir(), "line")
	return open(t, NewOpener("pty:"+link, Settings{})), link
}

func dcd(t *testing.T, d Device) bool {
	t.Helper()
	sig, err := d.Signals()
	if err != nil || sig != (Signals{DCD: sig.DCD}) {
		t.Errorf("signals %+v, %v", sig, err)
	}
	return sig.DCD
}

// Carrier is a far end that has the link open; when it goes the device is hung up, and another far end can't get into the call.
func TestPTYCarrier(t *testing.T) {
	d, link := openLinked(t)
	if dcd(t, d) {
		t.Error("DCD before anybody came")
	}
	far := openFar(t, link)
	if !dcd(t, d) {
		t.Error("no DCD while the link is open")
	}
	done := make(chan error, 1)
	go func() {
		_, err := d.Read(make([]byte, 1))
		done <- err
	}()
	if err := far.Close(); err != nil { // without a byte
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, io.EOF) {
		t.Errorf("read when the far end went: %v", err)
	}
	next := openFar(t, link)
	if _, err := next.Write([]byte("next caller")); err != nil {
		t.Fatal(err)
	}
	hungUp(t, d)
	if dcd(t, d) {
		t.Error("DCD on a hung-up device")
	}
}

// The first byte of a far end wakes the Read; before, it waits without a wake-up, although the kernel says EIO.
func TestPTYWaitsForTheFarEnd(t *testing.T) {
	d, link := openLinked(t)
	calls := func() int {
		stat, err := os.ReadFile("/proc/self/io")
		if err != nil {
			need(t, "/proc/self/io (CONFIG_TASK_IO_ACCOUNTING)")
		}
		var n int
		_, rest, _ := strings.Cut(string(stat), "syscr: ")
		if _, err := fmt.Sscan(rest, &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := calls()
	_ = d.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if n, err := d.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %d, %v", n, err)
	}
	if n := calls() - before; n > 100 {
		t.Errorf("%d read calls while nobody was there", n)
	}
	_ = d.SetReadDeadline(time.Time{})
	got := make(chan byte, 1)
	go func() {
		buf := make([]byte, 1)
		_, _ = d.Read(buf)
		got <- buf[0]
	}()
	if _, err := openFar(t, link).Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if b := <-got; b != 'x' {
		t.Errorf("got %q", b)
	}
}

// What is said to nobody is not kept for the next who comes.
func TestPTYWriteToNobody(t *testing.T) {
	d, link := openLinked(t)
	if n, err := d.Write([]byte("ATZ\r")); n != 4 || err != nil {
		t.Fatalf("write: %d, %v", n, err)
	}
	far := openFar(t, link)
	if _, err := d.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if got := readFull(t, far, 5); string(got) != "hello" {
		t.Errorf("got %q", got)
	}
}

// A far end that writes and goes at once is heard.
func TestPTYShortVisit(t *testing.T) {
	d, link := openLinked(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "sh", "-c", "printf hello > "+link).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if got := readFull(t, d, 5); string(got) != "hello" {
		t.Errorf("got %q", got)
	}
	hungUp(t, d)
}

// A shell on a terminal that nobody has set up must not get our words back as its own.
func TestPTYDoesNotEcho(t *testing.T) {
	d, link := openLinked(t)
	far := openFar(t, link)
	if _, err := d.Write([]byte("login:\r\n")); err != nil {
		t.Fatal(err)
	}
	if got := readFull(t, far, 8); !bytes.Equal(got, []byte("login:\r\n")) {
		t.Errorf("the far end got %q", got)
	}
	_ = d.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	buf := make([]byte, 20)
	if n, err := d.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("we got %q, %v", buf[:n], err)
	}
}

func TestPTYSignalsThatItHasNot(t *testing.T) {
	d, _ := openLinked(t)
	for what, err := range map[string]error{"SetDTR": d.SetDTR(false), "SetRTS": d.SetRTS(false)} {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestPTYLink(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "line")
	opener := NewOpener("pty:"+link, Settings{})
	target := func() string {
		s, err := os.Readlink(link)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, tc := range map[string]struct {
		before func() error
		want   error
	}{
		"nothing there":            {func() error { return nil }, nil},
		"stale":                    {func() error { return os.Symlink("/dev/pts/99999", link) }, nil},
		"regular file":             {func() error { return os.WriteFile(link, []byte("keep"), 0o600) }, fs.ErrExist},
		"folder":                   {func() error { return os.Mkdir(link, 0o700) }, fs.ErrExist},
		"somebody's link":          {func() error { return os.Symlink("/etc/passwd", link) }, fs.ErrExist},
		"temporary name left over": {func() error { return os.Symlink("/x", fmt.Sprintf("%s.new-%d", link, os.Getpid())) }, nil},
	} {
		if err := tc.before(); err != nil {
			t.Fatal(err)
		}
		d, err := opener.Open(t.Context())
		switch {
		case tc.want != nil:
			if d != nil || !errors.Is(err, tc.want) || !strings.Contains(err.Error(), link) {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := os.Lstat(link); err != nil {
				t.Errorf("%s: it is gone: %v", name, err)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		default:
			if !isPTS(target()) {
				t.Errorf("%s: %s", name, target())
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
		if tc.want == nil {
			if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
				t.Errorf("%s: left: %v, %v", name, left, err)
			}
		}
		_ = os.RemoveAll(link)
	}
	for _, path := range []string{"", "relative", filepath.Join(dir, "absent", "line")} {
		if d, err := NewOpener("pty:"+path, Settings{}).Open(t.Context()); err == nil {
			_ = d.Close()
			t.Errorf("%q was taken", path)
		}
	}
}

// A link that somebody has put there since is not ours to remove.
func TestPTYLinkTakenOver(t *testing.T) {
	first, link := openLinked(t)
	other, far, err := openPTY()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = other.Close(), far.Close() }()
	if err := placeLink(far.Name(), link); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(link); err != nil || target != far.Name() {
		t.Errorf("the link is %q, %v", target, err)
	}
}

// One daemon at a time has a link, and a second does not disturb it. When the first is done, the next may have it, and no file is left.
func TestPTYLinkIsLocked(t *testing.T) {
	first, link := openLinked(t)
	second := NewOpener("pty:"+link, Settings{})
	var locked *LockedError
	if d, err := second.Open(t.Context()); d != nil || !errors.As(err, &locked) || locked.PID != os.Getpid() || !strings.Contains(err.Error(), link) {
		t.Fatalf("the second got %v, %v", d, err)
	}
	if _, err := openFar(t, link).Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	readFull(t, first, 1)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, second)
	if files, err := filepath.Glob(link + "*"); err != nil || len(files) != 2 {
		t.Errorf("there are %v, want the link and its lock", files)
	}
}

// The far end is hung up by our close, and finds a new pty at the link after the next open.
func TestPTYReopen(t *testing.T) {
	link := filepath.Join(t.TempDir(), "line")
	o := NewOpener("pty:"+link, Settings{})
	d := open(t, o)
	far := openFar(t, link)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the far end is hung up", func() bool {
		_, err := far.Write([]byte("x"))
		return err != nil
	})
	d = open(t, o)
	if dcd(t, d) {
		t.Error("DCD on the new pty")
	}
	if _, err := openFar(t, link).Write([]byte("y")); err != nil {
		t.Fatal(err)
	}
	if got := readFull(t, d, 1); got[0] != 'y' {
		t.Errorf("got %q", got)
	}
}
