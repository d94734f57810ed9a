package port

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"
)

// RaiseFileLimit raises the number of files that the process may open to its hard limit and returns it. A tty takes four, so 256
// lines pass the customary soft limit of 1024. Nothing here depends on file numbers below 1024.
func RaiseFileLimit() (uint64, error) {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return 0, fmt.Errorf("limit of open files: %w", err)
	}
	lim.Cur = lim.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return 0, fmt.Errorf("limit of open files: %w", err)
	}
	return lim.Cur, nil
}

// readSignals asks for all six control signals at once.
func readSignals(fd int) (Signals, error) {
	bits, err := unix.IoctlGetInt(fd, unix.TIOCMGET)
	if err != nil {
		return Signals{}, err
	}
	return signalsOf(bits), nil
}

// signalsOf decodes TIOCMGET's bits.
func signalsOf(bits int) Signals {
	return Signals{
		DTR: bits&unix.TIOCM_DTR != 0,
		RTS: bits&unix.TIOCM_RTS != 0,
		CTS: bits&unix.TIOCM_CTS != 0,
		DSR: bits&unix.TIOCM_DSR != 0,
		DCD: bits&unix.TIOCM_CD != 0,
		RI:  bits&unix.TIOCM_RI != 0,
	}
}

// mode is the part of s that the library sets.
func (s Settings) mode() serial.Mode {
	m := serial.Mode{BaudRate: s.Baud, DataBits: s.Bits, StopBits: serial.OneStopBit}
	if s.StopBits == 2 {
		m.StopBits = serial.TwoStopBits
	}
	switch s.Parity {
	case ParityEven:
		m.Parity = serial.EvenParity
	case ParityOdd:
		m.Parity = serial.OddParity
	case ParityMark:
		m.Parity = serial.MarkParity
	case ParitySpace:
		m.Parity = serial.SpaceParity
	default:
		m.Parity = serial.NoParity
	}
	return m
}

// extend sets the part of s that the library does not know.
func (s Settings) extend(t *unix.Termios) {
	t.Cflag &^= unix.CRTSCTS | unix.CLOCAL | unix.HUPCL
	t.Iflag &^= unix.IXON | unix.IXOFF
	if s.RTSCTS {
		t.Cflag |= unix.CRTSCTS
	}
	if s.CLOCAL {
		t.Cflag |= unix.CLOCAL
	}
	if s.HUPCL {
		t.Cflag |= unix.HUPCL
	}
	if s.XONXOFF {
		t.Iflag |= unix.IXON | unix.IXOFF
		t.Cc[unix.VSTART], t.Cc[unix.VSTOP] = 0x11, 0x13
	}
}

// changeTermios reads, edits and sets the termios of fd without draining. A speed that has no B-constant survives it.
func changeTermios(fd int, edit func(*unix.Termios)) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	edit(t)
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}

// makeRaw makes a terminal pass every byte unchanged, without echo.
func makeRaw(t *unix.Termios) {
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
}

// flushQueue drops what is queued in the kernel.
func flushQueue(fd int, q Queue) error {
	which := unix.TCIOFLUSH
	switch q {
	case In:
		which = unix.TCIFLUSH
	case Out:
		which = unix.TCOFLUSH
	case Both:
	default:
		return fmt.Errorf("queue %d: %w", q, fs.ErrInvalid)
	}
	return unix.IoctlSetInt(fd, unix.TCFLSH, which)
}

// isTTY fails for anything that has no terminal settings.
func isTTY(fd int) error {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err
}

// resolveTTY follows links (by-id names) to the device node and refuses anything that is none.
func resolveTTY(path string) (string, error) {
	node, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", openError(path, err)
	}
	if node, err = filepath.Abs(node); err != nil {
		return "", openError(path, err)
	}
	info, err := os.Stat(node)
	if err != nil {
		return "", openError(path, err)
	}
	if info.Mode()&fs.ModeCharDevice == 0 {
		return "", openError(path, unix.ENOTTY)
	}
	return node, nil
}

// openError says what an open met and what to do about it. Absent devices wrap ErrAbsent whatever the driver calls it.
func openError(path string, err error) error {
	var lib *serial.PortError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: no such device: plug it in, or correct the line's device: %w", path, err)
	case errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV), errors.Is(err, unix.EIO):
		return fmt.Errorf("%s: no hardware behind this name: plug it in, or correct the line's device: %w (%w)", path, ErrAbsent, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: no permission: add the daemon's user to the group that owns it (dialout on Debian): %w", path, err)
	case errors.Is(err, unix.EBUSY):
		return holderError(path, LockExcl)
	case errors.Is(err, unix.ENOTTY), errors.Is(err, errors.ErrUnsupported):
		return fmt.Errorf("%s: not a serial device: correct the line's device: %w", path, fs.ErrInvalid)
	case errors.As(err, &lib) && lib.Code() == serial.PortBusy:
		return holderError(path, LockExcl)
	case errors.As(err, &lib) && lib.Code() == serial.PermissionDenied:
		return fmt.Errorf("%s: no permission: add the daemon's user to the group that owns it (dialout on Debian): %w", path, fs.ErrPermission)
	default:
		return fmt.Errorf("%s: open: %w", path, err)
	}
}

// deviceError wraps what an operation on an open device met: closed devices give fs.ErrClosed, missing control signals
// errors.ErrUnsupported, the rest keeps its errno.
func deviceError(path, op string, closed bool, err error) error {
	var locked *LockedError
	var pathErr *fs.PathError
	switch {
	case err == nil:
		return nil
	case closed:
		return &fs.PathError{Op: op, Path: path, Err: fs.ErrClosed}
	case errors.As(err, &locked):
		return err
	case errors.Is(err, syscall.ENOTTY), errors.Is(err, syscall.EINVAL) && onSignals(op):
		return &fs.PathError{Op: op, Path: path, Err: fmt.Errorf("the device has no such thing: %w", errors.ErrUnsupported)}
	case errors.As(err, &pathErr):
		return &fs.PathError{Op: op, Path: path, Err: pathErr.Err}
	default:
		return &fs.PathError{Op: op, Path: path, Err: err}
	}
}

// onSignals says that an operation is about control signals. Where a device has none, Linux before 5.13 says EINVAL instead of ENOTTY.
func onSignals(op string) bool { return op == opSignals || op == opDTR || op == opRTS }

// The operations on control signals.
const opSignals, opDTR, opRTS = "read control signals", "set DTR", "set RTS"

// sleepFor returns after d, or with ctx's cause when it ends first.
func sleepFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
