package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Mode of the socket: its owner and its group may use it, nobody else.
const Mode = 0o660

// ErrInUse: another daemon answers on the socket.
var ErrInUse = errors.New("another rashost is running")

// listener is a socket at its path, with the lock that keeps a second daemon away.
type listener struct {
	*net.UnixListener
	path string
	file fs.FileInfo // of the socket, to remove no other
	lock *os.File

	slots chan struct{} // one for each connection
}

// Accept waits while there are as many connections as there may be: silent ones end by their time limits.
func (l *listener) Accept() (net.Conn, error) {
	l.slots <- struct{}{}
	conn, err := l.AcceptUnix()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &slotConn{UnixConn: conn, free: sync.OnceFunc(func() { <-l.slots })}, nil
}

// slotConn gives its slot back when it is closed.
type slotConn struct {
	*net.UnixConn
	free func()
}

func (c *slotConn) Close() error {
	defer c.free()
	return c.UnixConn.Close()
}

// listen takes the socket's path. A socket file that nobody listens on is replaced; one that somebody listens on is left alone.
// The socket is made under another name, given its mode and only then moved to its place, so that it is never open to others.
func listen(ctx context.Context, path string) (l *listener, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("control socket %s: its folder cannot be made: %w", path, err)
	}
	lock, err := takeLock(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			lock.Close()
			err = fmt.Errorf("control socket %s: %w", path, err)
		}
	}()
	if err := unused(ctx, path); err != nil {
		return nil, err
	}
	fresh := path + ".new"
	if err := removeSocket(fresh); err != nil {
		return nil, err
	}
	u, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if errors.Is(err, syscall.EINVAL) {
		return nil, errors.New("the path is too long: the system takes about 100 bytes, choose a shorter `control`")
	}
	if err != nil {
		return nil, err
	}
	u.SetUnlinkOnClose(false)
	l = &listener{UnixListener: u, path: path, lock: lock, slots: make(chan struct{}, maxConns)}
	if err := errors.Join(os.Chmod(fresh, Mode), os.Rename(fresh, path)); err != nil {
		_ = u.Close()
		os.Remove(fresh)
		return nil, err
	}
	if l.file, err = os.Lstat(path); err != nil {
		_ = u.Close()
		return nil, err
	}
	return l, nil
}

// removeSocket removes what a daemon that was killed while starting left; a file of somebody else's stays.
func removeSocket(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is needed for a moment and is no socket: move it away, or choose another `control`", path)
	}
	return os.Remove(path)
}

// Close stops listening and removes the socket, unless its path is somebody else's by now.
func (l *listener) Close() error {
	err := l.UnixListener.Close()
	if now, lerr := os.Lstat(l.path); lerr == nil && os.SameFile(now, l.file) {
		os.Remove(l.path)
	}
	return errors.Join(err, l.lock.Close())
}

// takeLock holds a lock file for the life of the daemon. The file stays: removing it would let two daemons lock two files.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w with this socket: stop it first, or give this one another `control`", ErrInUse)
		}
		return nil, err
	}
	return f, nil
}

// unused makes sure that a file at path is the socket of a daemon that is gone.
func unused(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("there is a file that is no socket: move it away, or choose another `control`")
	}
	d := net.Dialer{Timeout: 2 * time.Second}
	conn, err := d.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		conn.Close()
		return fmt.Errorf("%w with this socket: stop it first, or give this one another `control`", ErrInUse)
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil
	default:
		return fmt.Errorf("it cannot be seen whether somebody listens there: %w", err)
	}
}
