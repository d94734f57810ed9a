package port

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"
)

// closeLimit is how long Close waits for the kernel. A driver that must give up its output first may take longer; the close then
// goes on alone.
const closeLimit = 2 * time.Second

// ttyDevice is a tty with two descriptions: file carries the data through Go's poller, port (go.bug.st/serial) the speed, the frame
// and DTR/RTS. The library's own Read pins a thread in select and panics at file number 1024, its Write on a closed port reaches
// whatever file got the number; neither is ever called, and portMu with closed guards the rest.
type ttyDevice struct {
	path   string // as configured
	node   string // what it leads to
	file   *os.File
	raw    syscall.RawConn
	lock   *uucpLock // nil: none taken
	log    *slog.Logger
	closed atomic.Bool
	leave  atomic.Bool // LeaveOutput

	portMu  sync.Mutex // guards port and applied
	port    serial.Port
	applied Settings // with defaults; the zero value before the first Apply
}

// ttyOpener opens a tty by its path.
type ttyOpener struct {
	path     string
	settings Settings
	locks    *locker
}

// Open implements Opener. A driver that hangs in open does not hang the caller: when ctx ends first, the late device is closed as
// soon as it comes.
func (o *ttyOpener) Open(ctx context.Context) (Device, error) {
	type result struct {
		dev *ttyDevice
		err error
	}
	done := make(chan result, 1)
	go func() {
		dev, err := openTTY(o.path, o.settings, o.locks)
		done <- result{dev, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, r.err
		}
		return r.dev, nil
	case <-ctx.Done():
		go func() {
			if r := <-done; r.err == nil {
				_ = r.dev.Close()
			}
		}()
		return nil, fmt.Errorf("%s: the driver is still opening it: %w", o.path, context.Cause(ctx))
	}
}

// openTTY takes the locks and opens both descriptions. The order matters: our own file before TIOCEXCL, every lock before the
// library changes settings, flow control and carrier bits after it because it clears them.
func openTTY(path string, s Settings, locks *locker) (_ *ttyDevice, err error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	node, err := resolveTTY(path)
	if err != nil {
		return nil, err
	}
	if err := locks.checkUUCP(node); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(node, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, openError(path, err)
	}
	d := &ttyDevice{path: path, node: node, file: file, log: locks.log}
	defer func() {
		if err != nil {
			d.lock.release()
			_ = file.Close()
		}
	}()
	if d.raw, err = file.SyscallConn(); err != nil {
		return nil, openError(path, err)
	}
	if err := d.control("open", isTTY); err != nil {
		return nil, openError(path, err)
	}
	if err := d.control("lock", func(fd int) error { return locks.lockTTY(fd, node) }); err != nil {
		return nil, err
	}
	if d.lock, err = locks.takeUUCP(node); err != nil {
		return nil, err
	}
	if d.port, err = openLibrary(node); err != nil {
		return nil, openError(path, err)
	}
	if err := d.Apply(s); err != nil {
		_ = d.port.Close()
		return nil, err
	}
	return d, nil
}

// openLibrary opens path with go.bug.st/serial. Its descriptors lack O_CLOEXEC, so they are swept right after; holding
// syscall.ForkLock instead would let one wedged port stop every fork of the process.
func openLibrary(path string) (serial.Port, error) {
	p, err := serial.Open(path, &serial.Mode{BaudRate: 9600})
	if sweepErr := closeOnExecAll(); err == nil && sweepErr != nil {
		_ = p.Close()
		return nil, sweepErr
	}
	return p, err
}

// closeOnExecAll marks every descriptor from 3 up close-on-exec. Kernels before 5.11 lack the call for it.
func closeOnExecAll() error {
	err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if err == nil || (!errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EINVAL)) {
		return os.NewSyscallError("close_range", err)
	}
	return closeOnExecEach()
}

// closeOnExecEach does the same by /proc/self/fd.
func closeOnExecEach() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd >= 3 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// Node is the device node that the path led to when it was opened.
func (d *ttyDevice) Node() string { return d.node }

// Path implements Device.
func (d *ttyDevice) Path() string { return d.path }

// Read implements Device.
func (d *ttyDevice) Read(p []byte) (int, error) {
	if d.closed.Load() {
		return 0, d.fail("read", fs.ErrClosed)
	}
	n, err := d.file.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = d.fail("read", err)
	}
	return n, err
}

// Write implements Device.
func (d *ttyDevice) Write(p []byte) (int, error) {
	if d.closed.Load() {
		return 0, d.fail("write", fs.ErrClosed)
	}
	n, err := d.file.Write(p)
	return n, d.fail("write", err)
}

// SetReadDeadline implements Device.
func (d *ttyDevice) SetReadDeadline(t time.Time) error {
	return d.fail("set read deadline", d.file.SetReadDeadline(t))
}

// SetWriteDeadline implements Device.
func (d *ttyDevice) SetWriteDeadline(t time.Time) error {
	return d.fail("set write deadline", d.file.SetWriteDeadline(t))
}

// Close implements Device. The queues are dropped and flow control is turned off first, because the last close of a UART otherwise
// waits for output that a low CTS holds back (closing_wait, 30 s by default).
func (d *ttyDevice) Close() error {
	if d.closed.Swap(true) {
		return d.fail("close", fs.ErrClosed)
	}
	_ = d.file.SetDeadline(time.Unix(1, 0)) // Read and Write return now, whatever the driver does
	done := make(chan error, 1)
	go func() { done <- d.release() }()
	limit := time.NewTimer(closeLimit)
	defer limit.Stop()
	select {
	case err := <-done:
		return err
	case <-limit.C:
		d.log.Warn("the driver is slow to close the device; it goes on alone", "device", d.path, "after", closeLimit)
		return fmt.Errorf("%s: close: the driver needs longer than %v", d.path, closeLimit)
	}
}

// LeaveOutput makes Close leave what was written to the far end of a pty, which may not have read it yet: closing a pty waits for
// nothing. Close of any other tty drops it all the same.
func (d *ttyDevice) LeaveOutput() { d.leave.Store(isPTS(d.node)) }

// release gives everything back, the lock file last.
func (d *ttyDevice) release() error {
	_ = d.raw.Control(func(fd uintptr) {
		if d.leave.Load() {
			_ = unix.IoctlSetInt(int(fd), unix.TCFLSH, unix.TCIFLUSH)
			return
		}
		_ = unix.IoctlSetInt(int(fd), unix.TCFLSH, unix.TCIOFLUSH)
		_ = changeTermios(int(fd), func(t *unix.Termios) {
			t.Cflag &^= unix.CRTSCTS
			t.Iflag &^= unix.IXON | unix.IXOFF
		})
		_ = unix.IoctlSetInt(int(fd), unix.TCFLSH, unix.TCIOFLUSH)
	})
	d.portMu.Lock()
	portErr := d.port.Close()
	d.portMu.Unlock()
	fileErr := d.file.Close()
	d.lock.release()
	if err := errors.Join(portErr, fileErr); err != nil {
		return fmt.Errorf("%s: close: %w", d.path, err)
	}
	return nil
}

// Apply implements Device. Speed and frame go through the library and only when they changed, since some UARTs drop the byte in
// flight when they are set; the rest, which the library does not know, through our own description.
func (d *ttyDevice) Apply(s Settings) error {
	if err := s.Validate(); err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	s = s.withDefaults()
	d.portMu.Lock()
	defer d.portMu.Unlock()
	if d.closed.Load() {
		return d.fail("apply "+s.String(), fs.ErrClosed)
	}
	if mode := s.mode(); d.applied == (Settings{}) || mode != d.applied.mode() {
		if err := d.port.SetMode(&mode); err != nil {
			return d.fail("apply "+s.String(), err)
		}
	}
	if err := d.control("apply "+s.String(), func(fd int) error { return changeTermios(fd, s.extend) }); err != nil {
		return err
	}
	d.applied = s
	return nil
}

// Signals implements Device. It asks the kernel itself, as the library does not read back DTR and RTS.
func (d *ttyDevice) Signals() (sig Signals, err error) {
	err = d.control(opSignals, func(fd int) error {
		sig, err = readSignals(fd)
		return err
	})
	return sig, err
}

// SetDTR implements Device.
func (d *ttyDevice) SetDTR(on bool) error {
	return d.withPort(opDTR, func(p serial.Port) error { return p.SetDTR(on) })
}

// SetRTS implements Device.
func (d *ttyDevice) SetRTS(on bool) error {
	return d.withPort(opRTS, func(p serial.Port) error { return p.SetRTS(on) })
}

// Break implements Device. The library's Break can't be stopped, so this one is ours.
func (d *ttyDevice) Break(ctx context.Context, length time.Duration) error {
	if err := d.control("break", func(fd int) error { return unix.IoctlSetInt(fd, unix.TIOCSBRK, 0) }); err != nil {
		return err
	}
	waitErr := sleepFor(ctx, length)
	return errors.Join(waitErr, d.control("end break", func(fd int) error { return unix.IoctlSetInt(fd, unix.TIOCCBRK, 0) }))
}

// Flush implements Device.
func (d *ttyDevice) Flush(q Queue) error {
	return d.control("flush", func(fd int) error { return flushQueue(fd, q) })
}

// OutQueue implements Device. A pty has no such queue and gives 0.
func (d *ttyDevice) OutQueue() (n int, err error) {
	err = d.control("read output queue", func(fd int) error {
		n, err = unix.IoctlGetInt(fd, unix.TIOCOUTQ)
		return err
	})
	return n, err
}

// Lend opens the device once more for a child process, which must not share our O_NONBLOCK. The file bears the name of the node. The
// caller closes it; after the child ended the device must be closed and opened anew: nobody knows how the child leaves it.
func (d *ttyDevice) Lend() (*os.File, error) {
	var file *os.File
	err := d.control("lend", func(fd int) error {
		// TIOCEXCL keeps out ourselves, too, and the child that opens the node once more; root alone does not pass it, CAP_SYS_ADMIN does.
		// The flock and the lock file stay.
		_ = unix.IoctlSetInt(fd, unix.TIOCNXCL, 0)
		// O_NONBLOCK for the open only: it would wait for carrier.
		lent, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if err := unix.SetNonblock(lent, false); err != nil {
			_ = unix.Close(lent)
			return err
		}
		file = os.NewFile(uintptr(lent), d.node)
		return nil
	})
	return file, err
}

// control runs f with the number of our own description, which can't be closed or reused meanwhile.
func (d *ttyDevice) control(op string, f func(fd int) error) error {
	if d.closed.Load() {
		return d.fail(op, fs.ErrClosed)
	}
	var err error
	if rawErr := d.raw.Control(func(fd uintptr) { err = f(int(fd)) }); rawErr != nil {
		err = rawErr
	}
	return d.fail(op, err)
}

// withPort runs f with the library's port unless it is closed.
func (d *ttyDevice) withPort(op string, f func(serial.Port) error) error {
	d.portMu.Lock()
	defer d.portMu.Unlock()
	if d.closed.Load() {
		return d.fail(op, fs.ErrClosed)
	}
	return d.fail(op, f(d.port))
}

// fail wraps err with place and meaning; nil stays nil.
func (d *ttyDevice) fail(op string, err error) error {
	return deviceError(d.path, op, d.closed.Load(), err)
}
