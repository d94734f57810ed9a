package modemsim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// PTY is the modem's end of a pseudo-terminal; the host opens Path as it would a tty. Deadlines work, and Close ends a Read.
type PTY struct {
	*os.File
	// Path is the host's end, /dev/pts/N. It stays while the PTY is open, however often the host opens and closes it.
	Path string
	raw  syscall.RawConn

	mu    sync.Mutex
	taken int // what the last Read gave: the modem is done with it when it reads again
}

// OpenPTY makes a pseudo-terminal whose host end is raw, so that nothing is echoed before the host has set it up.
func OpenPTY() (*PTY, error) {
	f, err := os.OpenFile("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a pty (is the limit kernel.pty.max reached?): %w", err)
	}
	p := &PTY{File: f}
	if p.raw, err = f.SyscallConn(); err == nil {
		err = p.setup()
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("make a pty: %w", err)
	}
	return p, nil
}

func (p *PTY) setup() error {
	var err error
	cerr := p.raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err != nil {
			return
		}
		var n uint32
		if n, err = unix.IoctlGetUint32(int(fd), unix.TIOCGPTN); err != nil {
			return
		}
		p.Path = "/dev/pts/" + strconv.FormatUint(uint64(n), 10)
		var t *unix.Termios
		if t, err = unix.IoctlGetTermios(int(fd), unix.TCGETS); err != nil {
			return
		}
		t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
		t.Cflag = t.Cflag&^unix.PARENB | unix.CS8 | unix.CREAD | unix.CLOCAL
		t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
		err = unix.IoctlSetTermios(int(fd), unix.TCSETS, t)
	})
	if cerr != nil {
		return cerr
	}
	if err != nil {
		return err
	}
	// The first close of the other end is what makes the kernel tell whether it is open.
	host, err := os.OpenFile(p.Path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	return host.Close()
}

// HungUp says that the host has closed its end and not opened it again.
func (p *PTY) HungUp() bool {
	hup := false
	_ = p.raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd)}}
		n, err := unix.Poll(fds, 0)
		hup = err == nil && n > 0 && fds[0].Revents&unix.POLLHUP != 0
	})
	return hup
}

// Read implements io.Reader, and counts for Waiting.
func (p *PTY) Read(b []byte) (n int, err error) {
	p.mu.Lock()
	p.taken = 0
	p.mu.Unlock()
	rerr := p.raw.Read(func(fd uintptr) bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for n, err = unix.Read(int(fd), b); errors.Is(err, unix.EINTR); n, err = unix.Read(int(fd), b) {
		}
		p.taken = max(n, 0)
		return !errors.Is(err, unix.EAGAIN)
	})
	switch {
	case rerr != nil:
		return 0, rerr
	case err != nil:
		return 0, &os.PathError{Op: "read", Path: p.Name(), Err: err}
	case n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// Waiting returns how many bytes of the host's the modem has not read, or not dealt with yet.
func (p *PTY) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.taken
	_ = p.raw.Control(func(fd uintptr) {
		if got, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ); err == nil {
			n += got
		}
	})
	return n
}

// Flush drops what the host has not read. The line discipline of the host's end keeps it, and only a descriptor of that end reaches it.
func (p *PTY) Flush() {
	host, err := os.OpenFile(p.Path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	if raw, err := host.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.IoctlSetInt(int(fd), unix.TCFLSH, unix.TCIFLUSH) })
	}
	_ = host.Close()
}

// waitOpen waits until the host has opened the pty again. There is no event for that: it looks often for a second, which is longer than
// a host hangs up, and then less so.
func waitOpen(ctx context.Context, hungUp func() bool) {
	often, seldom := time.Millisecond, 20*time.Millisecond
	start := time.Now()
	for d := often; ctx.Err() == nil && hungUp(); time.Sleep(d) {
		if time.Since(start) > time.Second {
			d = seldom
		}
	}
}
