package port

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"
)

// openTest opens a tty on a new pty without lock files.
func openTest(t *testing.T, s Settings) (d *ttyDevice, master *os.File) {
	t.Helper()
	master, path := testPTY(t)
	return open(t, NewOpener(path, s, LockOptions{Dirs: []string{}})).(*ttyDevice), master
}

// need skips a test that can't run here, and fails under CI.
func need(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("needs %s", what)
	}
	t.Skipf("NOT RUN: needs %s", what)
}

// settingsOf reads back what the kernel has.
func settingsOf(t *testing.T, d *ttyDevice) (tio unix.Termios, speed uint32) {
	t.Helper()
	err := d.control("test", func(fd int) error {
		got, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
		if err == nil {
			tio, speed = *got, got.Ospeed
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tio, speed
}

func TestTTYSettingsReachTheKernel(t *testing.T) {
	d, _ := openTest(t, Settings{})
	for _, tc := range []struct {
		s                 Settings
		speed             uint32
		on, off           uint32 // c_cflag
		inputOn, inputOff uint32
	}{
		{Settings{}, 9600, unix.CS8, unix.PARENB | unix.CSTOPB | unix.CRTSCTS | unix.CLOCAL | unix.HUPCL, 0, unix.IXON | unix.IXOFF},
		{Settings{Baud: 115200, RTSCTS: true, CLOCAL: true}, 115200, unix.CRTSCTS | unix.CLOCAL, unix.HUPCL, 0, unix.IXON},
		{Settings{Baud: 115200, RTSCTS: true, HUPCL: true}, 115200, unix.CRTSCTS | unix.HUPCL, unix.CLOCAL, 0, unix.IXON},
		{Settings{Baud: 31250, RTSCTS: true}, 31250, unix.CRTSCTS, unix.HUPCL, 0, 0},
		{Settings{Baud: 31250, XONXOFF: true}, 31250, 0, unix.CRTSCTS, unix.IXON | unix.IXOFF, unix.IXANY},
		{Settings{Baud: 300, Bits: 7, Parity: ParityEven, StopBits: 2}, 300, unix.CS7 | unix.CSTOPB, unix.PARODD, 0, unix.ISTRIP},
		{Settings{Baud: MaxBaud}, MaxBaud, unix.CS8, unix.CRTSCTS, 0, unix.ICRNL},
	} {
		if err := d.Apply(tc.s); err != nil {
			t.Errorf("%v: %v", tc.s, err)
			continue
		}
		tio, speed := settingsOf(t, d)
		if speed != tc.speed {
			t.Errorf("%v: speed %d", tc.s, speed)
		}
		if tio.Cflag&tc.on != tc.on || tio.Cflag&tc.off != 0 {
			t.Errorf("%v: c_cflag %#o", tc.s, tio.Cflag)
		}
		if tio.Iflag&tc.inputOn != tc.inputOn || tio.Iflag&tc.inputOff != 0 {
			t.Errorf("%v: c_iflag %#o", tc.s, tio.Iflag)
		}
		if tio.Lflag&(unix.ECHO|unix.ICANON|unix.ISIG) != 0 || tio.Oflag&unix.OPOST != 0 {
			t.Errorf("%v: not raw: c_lflag %#o, c_oflag %#o", tc.s, tio.Lflag, tio.Oflag)
		}
	}
}

// A pty forces its frame to 8 bits without parity, so that the mapping is checked here.
func TestSettingsMode(t *testing.T) {
	for s, want := range map[Settings]serial.Mode{
		{Baud: 300, Bits: 7, Parity: ParityEven, StopBits: 1}:  {BaudRate: 300, DataBits: 7, Parity: serial.EvenParity},
		{Baud: 300, Bits: 7, Parity: ParityOdd, StopBits: 2}:   {BaudRate: 300, DataBits: 7, Parity: serial.OddParity, StopBits: serial.TwoStopBits},
		{Baud: 300, Bits: 8, Parity: ParityMark, StopBits: 1}:  {BaudRate: 300, DataBits: 8, Parity: serial.MarkParity},
		{Baud: 300, Bits: 8, Parity: ParitySpace, StopBits: 1}: {BaudRate: 300, DataBits: 8, Parity: serial.SpaceParity},
		{Baud: 300, Bits: 8, Parity: ParityNone, StopBits: 1}:  {BaudRate: 300, DataBits: 8},
	} {
		if got := s.mode(); got != want {
			t.Errorf("%v: %+v", s, got)
		}
	}
}

func TestSignalBits(t *testing.T) {
	for bits, want := range map[int]Signals{
		0:              {},
		unix.TIOCM_DTR: {DTR: true}, unix.TIOCM_RTS: {RTS: true}, unix.TIOCM_CTS: {CTS: true},
		unix.TIOCM_DSR: {DSR: true}, unix.TIOCM_CD: {DCD: true}, unix.TIOCM_RI: {RI: true},
	} {
		if got := signalsOf(bits); got != want {
			t.Errorf("%#x: %+v", bits, got)
		}
	}
}

func TestTTYOpenErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		path, says string
		is         error
	}{
		{filepath.Join(dir, "absent"), "plug it in", ErrAbsent},
		{file, "not a serial device", fs.ErrInvalid},
		{dir, "not a serial device", fs.ErrInvalid},
		{"/dev/null", "not a serial device", fs.ErrInvalid},
	} {
		d, err := NewOpener(tc.path, Settings{}).Open(t.Context())
		if d != nil || !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), tc.path) {
			t.Errorf("%s: %v", tc.path, err)
		}
	}
	if _, err := NewOpener("/dev/ptmx", Settings{Baud: -1}).Open(t.Context()); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("bad settings: %v", err)
	}
	for _, tc := range []struct {
		err, is error
		says    string
	}{
		{unix.ENXIO, ErrAbsent, "plug it in"},
		{unix.ENODEV, ErrAbsent, "plug it in"},
		{unix.EIO, ErrAbsent, "plug it in"},
		{unix.EACCES, fs.ErrPermission, "dialout"},
		{unix.EBUSY, ErrLocked, "in use"},
		{unix.EMFILE, unix.EMFILE, "open"},
	} {
		err := openError("/dev/ttyX9", &fs.PathError{Op: "open", Path: "/dev/ttyX9", Err: tc.err})
		if !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%v: %v", tc.err, err)
		}
	}
}

// A device that is there again after it was absent opens with the same opener.
func TestTTYAppears(t *testing.T) {
	master, path := testPTY(t)
	link := filepath.Join(t.TempDir(), "by-id")
	o := NewOpener(link, Settings{}, LockOptions{Dirs: []string{}})
	if _, err := o.Open(t.Context()); !errors.Is(err, ErrAbsent) {
		t.Fatalf("absent: %v", err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	d := open(t, o)
	if d.Path() != link {
		t.Errorf("path %q", d.Path())
	}
	if _, err := master.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	readFull(t, d, 1)
}

// A pty has no control signals; its kernel says ENOTTY.
func TestTTYSignalsUnsupportedOnPTY(t *testing.T) {
	d, _ := openTest(t, Settings{})
	_, err := d.Signals()
	for what, err := range map[string]error{"Signals": err, "SetDTR": d.SetDTR(true), "SetRTS": d.SetRTS(true)} {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for op, none := range map[string]bool{opSignals: true, opDTR: true, opRTS: true, "apply": false} { // kernels before Linux 5.13
		if err := deviceError("/dev/pts/9", op, false, unix.EINVAL); errors.Is(err, errors.ErrUnsupported) != none {
			t.Errorf("%s: EINVAL gives %v", op, err)
		}
	}
}

// go.bug.st/serial panics in Read at file number 1024; nothing of ours may depend on such a limit.
func TestTTYAboveFile1024(t *testing.T) {
	limit, err := RaiseFileLimit()
	if err != nil {
		t.Fatal(err)
	}
	if limit < 1300 {
		need(t, "a hard limit of 1300 open files")
	}
	for range 1100 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
	}
	d, master := openTest(t, Settings{Baud: 115200})
	var number int
	if err := d.control("test", func(fd int) error { number = fd; return nil }); err != nil {
		t.Fatal(err)
	}
	if number <= 1024 {
		t.Fatalf("file number %d: the test needs one above 1024", number)
	}
	if err := d.Apply(Settings{Baud: 9600, RTSCTS: true}); err != nil {
		t.Error(err)
	}
	if _, err := master.Write([]byte("in")); err != nil {
		t.Fatal(err)
	}
	if got := readFull(t, d, 2); string(got) != "in" {
		t.Errorf("got %q", got)
	}
	if _, err := d.Write([]byte("out")); err != nil {
		t.Error(err)
	}
	if got := readFull(t, master, 3); string(got) != "out" {
		t.Errorf("got %q", got)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// Four descriptors per line, and all come back.
func TestTTYDescriptors(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	_, path := testPTY(t)
	before := count()
	o := NewOpener(path, Settings{}, LockOptions{Dirs: []string{}})
	d := open(t, o)
	if n := count() - before; n > 4 {
		t.Errorf("an open tty takes %d descriptors", n)
	}
	if _, err := o.Open(t.Context()); !errors.Is(err, ErrLocked) {
		t.Errorf("second open: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != before {
		t.Errorf("%d descriptors before, %d after", before, n)
	}
}

// The library's descriptors have no O_CLOEXEC of their own.
func TestTTYNotInherited(t *testing.T) {
	d, _ := openTest(t, Settings{})
	out, err := exec.CommandContext(t.Context(), "ls", "-l", "/proc/self/fd").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		_, after, ok := strings.Cut(line, " -> ")
		if !ok {
			continue
		}
		left := strings.Fields(line)
		number := left[len(left)-3]
		if number > "2" && !strings.HasPrefix(after, "/proc/") {
			t.Errorf("the child has %s", line)
		}
		if strings.Contains(line, "/dev/pts/") && strings.Contains(line, d.Path()) {
			t.Errorf("the child has the line: %s", line)
		}
	}
}

func TestCloseOnExecEach(t *testing.T) {
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := closeOnExecEach(); err != nil {
		t.Fatal(err)
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags %#x, %v", flags, err)
	}
}

// What is lent to a child is a description of its own: the child reads and writes as it is used to, ours keeps its deadlines.
func TestTTYLend(t *testing.T) {
	d, master := openTest(t, Settings{CLOCAL: true})
	lent, err := d.Lend()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lent.Close() }()
	var ours int
	if err := d.control("test", func(fd int) (err error) {
		ours, err = unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	theirs, err := unix.FcntlInt(lent.Fd(), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	if ours&unix.O_NONBLOCK == 0 || theirs&unix.O_NONBLOCK != 0 {
		t.Errorf("O_NONBLOCK: ours %#o, theirs %#o", ours, theirs)
	}
	if excl, err := unix.IoctlGetInt(int(lent.Fd()), unix.TIOCGEXCL); err != nil || excl != 0 {
		t.Errorf("the child may not open the device by its name: TIOCEXCL %d, %v", excl, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	child := exec.CommandContext(ctx, "sh", "-c", "echo ready; read line; echo got $line")
	child.Stdin, child.Stdout = lent, lent
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	_ = master.SetReadDeadline(time.Now().Add(patience))
	lines := bufio.NewReader(master)
	if got, err := lines.ReadString('\n'); got != "ready\n" {
		t.Fatalf("got %q, %v", got, err)
	}
	if _, err := master.Write([]byte("hello\n")); err != nil {
		t.Fatal(err)
	}
	if got, err := lines.ReadString('\n'); got != "got hello\n" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := child.Wait(); err != nil {
		t.Error(err)
	}
	if err := d.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("ours after the child: %v", err)
	}
}

// A device that was closed must not reach a file that got its number. The library's Write does.
func TestTTYClosedNumberIsNotReused(t *testing.T) {
	d, _ := openTest(t, Settings{})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "other")) // gets the lowest free number
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if n, err := d.Write([]byte("secret")); n != 0 || err == nil {
		t.Errorf("write: %d, %v", n, err)
	}
	if info, err := file.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("the other file has %d bytes, %v", info.Size(), err)
	}
}

// For the race detector: everything at once, with Close among it.
func TestTTYConcurrentUse(t *testing.T) {
	d, master := openTest(t, Settings{})
	var wg sync.WaitGroup
	for _, use := range []func() error{
		func() error { _, err := d.Read(make([]byte, 1)); return err },
		func() error { _, err := d.Write([]byte("x")); return err },
		func() error { return d.SetReadDeadline(time.Now().Add(time.Millisecond)) },
		func() error { return d.SetWriteDeadline(time.Now().Add(time.Millisecond)) },
		func() error { return d.Apply(Settings{Baud: 1200}) },
		func() error { _, err := d.Signals(); return err },
		func() error { return d.SetDTR(true) },
		func() error { return d.Flush(Both) },
		func() error { _, err := d.OutQueue(); return err },
		func() error { _, err := master.Write([]byte("x")); return errors.Join(err, d.closedForTest()) },
	} {
		wg.Go(func() {
			for !errors.Is(use(), fs.ErrClosed) {
			}
		})
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	_ = master.SetWriteDeadline(time.Unix(1, 0))
	wg.Wait()
}

func (d *ttyDevice) closedForTest() error {
	if d.closed.Load() {
		return fs.ErrClosed
	}
	return nil
}

// The kernel must not be asked to send what the far end does not take: a UART's close waits for it.
func TestTTYCloseDropsOutput(t *testing.T) {
	d, master := openTest(t, Settings{RTSCTS: true, XONXOFF: true})
	took := fill(t, d)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		tio, err := unix.IoctlGetTermios(int(fd), unix.TCGETS) // the slave's
		if err != nil || tio.Cflag&unix.CRTSCTS != 0 || tio.Iflag&(unix.IXON|unix.IXOFF) != 0 {
			t.Errorf("flow control is still on: %+v, %v", tio, err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = master.SetReadDeadline(time.Now().Add(patience))
	left, err := io.Copy(io.Discard, master)
	if !errors.Is(err, unix.EIO) {
		t.Errorf("the far end ends with %v", err)
	}
	if left >= int64(took) {
		t.Errorf("all %d bytes that waited were sent", took)
	}
}
