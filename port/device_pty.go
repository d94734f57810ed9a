package port

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// ptyDevice is the master end of a pty that we made; the other end has a link, PATH of "pty:PATH". A program that opens the link
// is the far end of the line:
//   - DCD is on while the link is open. There are no other signals, and DTR and RTS can't be set: to hang up, close.
//   - Before the first program comes, Read waits without a wake-up and what is written is lost, as on a cable that ends nowhere.
//   - When the far end closes the link the device is hung up, as a tty that obeys DCD: Read gives io.EOF, Write EIO, DCD is off, and
//     it stays so until the device is closed and opened anew. That makes a new pty, so nothing of one call can reach the next.
//
// A far end that opens and closes the link without a byte, and without Signals being asked meanwhile, goes unnoticed.
type ptyDevice struct {
	path   string
	master *os.File
	raw    syscall.RawConn
	slave  string // /dev/pts/N
	log    *slog.Logger
	lock   *os.File // flock on PATH.lock
	closed atomic.Bool
	seen   atomic.Bool // the far end was there
	hung   atomic.Bool // and went
}

// ptyOpener makes a pty for every Open.
type ptyOpener struct {
	path     string // of the link
	settings Settings
	log      *slog.Logger
}

// Open implements Opener.
func (o *ptyOpener) Open(ctx context.Context) (Device, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	name := "pty:" + o.path
	if err := o.settings.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if !filepath.IsAbs(o.path) {
		return nil, fmt.Errorf("link %q: must be an absolute path: %w", o.path, fs.ErrInvalid)
	}
	lock, err := lockLink(o.path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	master, slave, err := openPTY()
	if err != nil {
		_ = unlockLink(lock)
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	d := &ptyDevice{path: name, master: master, slave: slave.Name(), log: o.log, lock: lock}
	// The first close of the other end is what makes the kernel tell whether it is open.
	_ = slave.Close()
	if d.raw, err = master.SyscallConn(); err == nil {
		err = placeLink(d.slave, o.path)
	}
	if err != nil {
		_ = master.Close()
		_ = unlockLink(lock)
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
}

// lockLink keeps the link for this process, so that a second daemon does not take over a line of ours unseen. unlockLink gives it back.
func lockLink(link string) (*os.File, error) {
	path := link + ".lock"
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
		if err != nil {
			return nil, fmt.Errorf("%w: make the folder, and let the daemon's user write there", err)
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			pid := flockHolder(int(f.Fd()))
			_ = f.Close()
			if errors.Is(err, unix.EWOULDBLOCK) {
				return nil, &LockedError{Path: link, PID: pid, Command: commandOf(pid), Kind: LockFlock}
			}
			return nil, os.NewSyscallError("flock", err)
		}
		ours, err := f.Stat()
		if now, nowErr := os.Lstat(path); err == nil && nowErr == nil && os.SameFile(ours, now) {
			return f, nil
		}
		_ = f.Close() // whoever had it removed it meanwhile
	}
}

// unlockLink removes the lock file while it is held: who opened it before finds that it has gone.
func unlockLink(f *os.File) error { return errors.Join(os.Remove(f.Name()), f.Close()) }

// openPTY makes a pty whose master works with deadlines and whose slave is raw, so that what we write is not echoed back before
// the far end has set its terminal. The caller owns both files.
func openPTY() (master, slave *os.File, err error) {
	blocking, slave, err := pty.Open()
	if err != nil {
		return nil, nil, fmt.Errorf("make a pty (is the limit kernel.pty.max reached?): %w", err)
	}
	// creack/pty leaves the master blocking, where deadlines have no effect and Close does not end a Read.
	defer func() { _ = blocking.Close() }()
	fd, err := unix.FcntlInt(blocking.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		_ = slave.Close()
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	if err = unix.SetNonblock(fd, true); err == nil {
		err = changeTermios(int(slave.Fd()), makeRaw)
	}
	if err != nil {
		_ = unix.Close(fd)
		_ = slave.Close()
		return nil, nil, err
	}
	return os.NewFile(uintptr(fd), "/dev/ptmx"), slave, nil
}

// placeLink makes link point to target at once. It replaces a link to a pty, which is ours or that of an earlier life, and
// refuses anything else.
func placeLink(target, link string) error {
	info, err := os.Lstat(link)
	switch {
	case err == nil && info.Mode()&fs.ModeSymlink == 0:
		return fmt.Errorf("%s is there and is no link: choose another path or remove it: %w", link, fs.ErrExist)
	case err == nil:
		if old, err := os.Readlink(link); err != nil || !isPTS(old) {
			return fmt.Errorf("%s is a link to %q, no pty: choose another path or remove it: %w", link, old, fs.ErrExist)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	temp := link + ".new-" + strconv.Itoa(os.Getpid())
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, temp); err != nil {
		return fmt.Errorf("%w: make the folder, and let the daemon's user write there", err)
	}
	if err := os.Rename(temp, link); err != nil {
		_ = os.Remove(temp)
		return err
	}
	return nil
}

// Path implements Device.
func (d *ptyDevice) Path() string { return d.path }

// Read implements Device. A master without a far end gives EIO at once; before the first far end came that is no hang-up, and the
// poller waits for the first byte.
func (d *ptyDevice) Read(p []byte) (int, error) {
	switch {
	case d.closed.Load():
		return 0, d.fail("read", fs.ErrClosed)
	case d.hung.Load():
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	var n int
	var err error
	rawErr := d.raw.Read(func(fd uintptr) bool {
		n, err = ignoringEINTR(func() (int, error) { return unix.Read(int(fd), p) })
		return !errors.Is(err, unix.EAGAIN) && (!errors.Is(err, unix.EIO) || d.seen.Load())
	})
	switch {
	case rawErr != nil:
		return 0, d.fail("read", rawErr)
	case errors.Is(err, unix.EIO), err == nil && n == 0:
		d.hung.Store(true)
		return 0, io.EOF
	case err != nil:
		return 0, d.fail("read", err)
	}
	d.seen.Store(true)
	return n, nil
}

// Write implements Device.
func (d *ptyDevice) Write(p []byte) (int, error) {
	if d.closed.Load() {
		return 0, d.fail("write", fs.ErrClosed)
	}
	connected, err := d.connected()
	switch {
	case err != nil:
		return 0, err
	case d.hung.Load():
		return 0, d.fail("write", unix.EIO)
	case !connected:
		return len(p), nil
	}
	n, err := d.master.Write(p)
	return n, d.fail("write", err)
}

// connected asks the kernel whether the far end is open, and keeps what it says.
func (d *ptyDevice) connected() (bool, error) {
	var events int16
	err := d.control("poll", func(fd int) error {
		fds := []unix.PollFd{{Fd: int32(fd)}}
		_, err := ignoringEINTR(func() (int, error) { return unix.Poll(fds, 0) })
		events = fds[0].Revents
		return err
	})
	if err != nil {
		return false, err
	}
	open := events&unix.POLLHUP == 0
	switch {
	case open:
		d.seen.Store(true)
	case d.seen.Load():
		d.hung.Store(true)
	}
	return open && !d.hung.Load(), nil
}

// SetReadDeadline implements Device.
func (d *ptyDevice) SetReadDeadline(t time.Time) error {
	return d.fail("set read deadline", d.master.SetReadDeadline(t))
}

// SetWriteDeadline implements Device.
func (d *ptyDevice) SetWriteDeadline(t time.Time) error {
	return d.fail("set write deadline", d.master.SetWriteDeadline(t))
}

// Close implements Device: the far end is hung up, and the link goes if it still is ours.
func (d *ptyDevice) Close() error {
	if d.closed.Swap(true) {
		return d.fail("close", fs.ErrClosed)
	}
	link := d.path[len("pty:"):]
	if target, err := os.Readlink(link); err == nil && target == d.slave {
		if err := os.Remove(link); err != nil {
			d.log.Warn("the link of the pty stays", "device", d.path, "error", err)
		}
	}
	return errors.Join(d.master.Close(), unlockLink(d.lock))
}

// Apply implements Device. A pty has no speed and no frame: the settings are only checked.
func (d *ptyDevice) Apply(s Settings) error {
	if err := s.Validate(); err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	return d.control("apply", func(int) error { return nil })
}

// Signals implements Device. Only DCD has a meaning.
func (d *ptyDevice) Signals() (Signals, error) {
	dcd, err := d.connected()
	return Signals{DCD: dcd}, err
}

// SetDTR implements Device.
func (d *ptyDevice) SetDTR(bool) error {
	return d.control(opDTR, func(int) error { return unix.ENOTTY })
}

// SetRTS implements Device.
func (d *ptyDevice) SetRTS(bool) error {
	return d.control(opRTS, func(int) error { return unix.ENOTTY })
}

// Break implements Device. The far end does not see it.
func (d *ptyDevice) Break(ctx context.Context, length time.Duration) error {
	if err := d.control("break", func(int) error { return nil }); err != nil {
		return err
	}
	return sleepFor(ctx, length)
}

// Flush implements Device.
func (d *ptyDevice) Flush(q Queue) error {
	return d.control("flush", func(fd int) error { return flushQueue(fd, q) })
}

// OutQueue implements Device. What is written is with the far end at once.
func (d *ptyDevice) OutQueue() (int, error) {
	return 0, d.control("read output queue", func(int) error { return nil })
}

// control runs f with the master's number, which can't be closed or reused meanwhile.
func (d *ptyDevice) control(op string, f func(fd int) error) error {
	var err error
	if rawErr := d.raw.Control(func(fd uintptr) { err = f(int(fd)) }); rawErr != nil {
		err = rawErr
	}
	return d.fail(op, err)
}

// fail wraps err with place and meaning; nil stays nil.
func (d *ptyDevice) fail(op string, err error) error {
	return deviceError(d.path, op, d.closed.Load(), err)
}

// ignoringEINTR repeats a call that a signal interrupted.
func ignoringEINTR(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
