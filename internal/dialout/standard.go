package dialout

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"rashost/port"
)

// writeChunk is how much is written at once to a descriptor that may block: less than any kernel has room for when it says that it has.
const writeChunk = 128

// standard is a line, or a person's terminal, on descriptors that other processes share: nothing about them is changed, not even
// O_NONBLOCK. Deadlines work because it polls before each read and write.
type standard struct {
	in, out *direction
}

// direction is one descriptor, used one way.
type direction struct {
	file *os.File
	wake int // an eventfd: the deadline has changed

	busy sync.Mutex // held while the descriptor is used

	mu       sync.Mutex // guards what follows
	deadline time.Time
	closed   bool
}

// newStandard returns a line on two files, which stay the caller's to close. Errors: fs.ErrInvalid when in is a terminal that is set up
// for a person.
func newStandard(in, out *os.File) (*standard, error) {
	if t, err := unix.IoctlGetTermios(int(in.Fd()), unix.TCGETS); err == nil && t.Lflag&unix.ICANON != 0 {
		return nil, fmt.Errorf("%s: standard input is a terminal for people: give the path of the device, or set the terminal raw: %w", OnStandardInput, fs.ErrInvalid)
	}
	return newFiles(in, out)
}

// newFiles returns a connection on two files.
func newFiles(in, out *os.File) (*standard, error) {
	s := &standard{}
	for _, d := range []struct {
		to   **direction
		file *os.File
	}{{&s.in, in}, {&s.out, out}} {
		wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			_ = s.Close()
			return nil, os.NewSyscallError("eventfd", err)
		}
		*d.to = &direction{file: d.file, wake: wake}
	}
	return s, nil
}

// Read implements Line. It takes no byte before it is asked for.
func (s *standard) Read(p []byte) (int, error) {
	s.in.busy.Lock()
	defer s.in.busy.Unlock()
	for {
		if err := s.in.wait(unix.POLLIN); err != nil {
			return 0, s.in.fail("read", err)
		}
		n, err := unix.Read(int(s.in.file.Fd()), p)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
		case err != nil:
			return 0, s.in.fail("read", err)
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// Write implements Line.
func (s *standard) Write(p []byte) (done int, err error) {
	s.out.busy.Lock()
	defer s.out.busy.Unlock()
	for done < len(p) {
		if err := s.out.wait(unix.POLLOUT); err != nil {
			return done, s.out.fail("write", err)
		}
		n, err := unix.Write(int(s.out.file.Fd()), p[done:min(len(p), done+writeChunk)])
		if err != nil && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return done, s.out.fail("write", err)
		}
		done += max(n, 0)
	}
	return done, nil
}

// wait returns when the descriptor is ready, or os.ErrDeadlineExceeded, fs.ErrClosed.
func (d *direction) wait(events int16) error {
	for {
		d.mu.Lock()
		deadline, closed := d.deadline, d.closed
		d.mu.Unlock()
		timeout := -1
		if closed {
			return fs.ErrClosed
		}
		if !deadline.IsZero() {
			left := time.Until(deadline)
			if left <= 0 {
				return os.ErrDeadlineExceeded
			}
			timeout = int(min((left+time.Millisecond-1)/time.Millisecond, math.MaxInt32))
		}
		fds := []unix.PollFd{{Fd: int32(d.file.Fd()), Events: events}, {Fd: int32(d.wake), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, timeout); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		} else if err != nil {
			continue
		}
		switch {
		case fds[1].Revents != 0:
			var count [8]byte
			_, _ = unix.Read(d.wake, count[:])
		case fds[0].Revents&unix.POLLNVAL != 0:
			return fs.ErrClosed
		case fds[0].Revents != 0:
			return nil
		}
	}
}

// set changes the deadline of a wait that is under way, too.
func (d *direction) set(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return d.fail("set deadline", fs.ErrClosed)
	}
	d.deadline = t
	return d.fail("set deadline", d.poke())
}

func (d *direction) poke() error {
	one := [8]byte{1}
	if _, err := unix.Write(d.wake, one[:]); err != nil && !errors.Is(err, unix.EAGAIN) {
		return err
	}
	return nil
}

// close ends a use that is under way and the direction with it. The descriptor stays open.
func (d *direction) close() {
	if d == nil {
		return
	}
	d.mu.Lock()
	was := d.closed
	d.closed = true
	if !was {
		_ = d.poke()
	}
	d.mu.Unlock()
	if was {
		return
	}
	d.busy.Lock()
	defer d.busy.Unlock()
	_ = unix.Close(d.wake)
}

func (d *direction) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: d.file.Name(), Err: err}
}

// SetReadDeadline implements Line.
func (s *standard) SetReadDeadline(t time.Time) error { return s.in.set(t) }

// SetWriteDeadline implements Line.
func (s *standard) SetWriteDeadline(t time.Time) error { return s.out.set(t) }

// Signals implements Line.
func (s *standard) Signals() (port.Signals, error) {
	bits, err := unix.IoctlGetInt(int(s.in.file.Fd()), unix.TIOCMGET)
	if err != nil {
		return port.Signals{}, s.in.fail("read control signals", unsupported(err))
	}
	on := func(bit int) bool { return bits&bit != 0 }
	return port.Signals{
		DTR: on(unix.TIOCM_DTR), RTS: on(unix.TIOCM_RTS), CTS: on(unix.TIOCM_CTS), DSR: on(unix.TIOCM_DSR), DCD: on(unix.TIOCM_CD), RI: on(unix.TIOCM_RI),
	}, nil
}

// SetDTR implements Line.
func (s *standard) SetDTR(on bool) error {
	request := uint(unix.TIOCMBIC)
	if on {
		request = unix.TIOCMBIS
	}
	return s.in.fail("set DTR", unsupported(unix.IoctlSetPointerInt(int(s.in.file.Fd()), request, unix.TIOCM_DTR)))
}

// unsupported says that a descriptor has no control signals: a pipe, a socket, a pty.
func unsupported(err error) error {
	for _, none := range []error{unix.ENOTTY, unix.EINVAL, unix.EOPNOTSUPP, unix.EIO} {
		if errors.Is(err, none) {
			return fmt.Errorf("the line has none: %w", errors.ErrUnsupported)
		}
	}
	return err
}

// Unsent implements Line.
func (s *standard) Unsent() (int, error) {
	n, err := unix.IoctlGetInt(int(s.out.file.Fd()), unix.TIOCOUTQ)
	if err != nil {
		return 0, nil // a pipe: nobody can know
	}
	return n, nil
}

// Leave implements Line: the descriptors stay open for whoever gave them.
func (s *standard) Leave() error { return s.Close() }

// Close implements Line. The descriptors stay open, and so does the line: whoever gave them closes it.
func (s *standard) Close() error {
	s.in.close()
	s.out.close()
	return nil
}
