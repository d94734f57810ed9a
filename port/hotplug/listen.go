package hotplug

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// The netlink groups that events are sent to.
const (
	kernelGroup = 1 << 0
	udevGroup   = 1 << 1
)

// receiveBuffer is how much the kernel keeps for us, in bytes: a hub full of adapters that comes at once must fit.
const receiveBuffer = 1 << 20

// Listener receives events. Make it with Listen; Close ends it.
type Listener struct {
	socket *os.File
	closed atomic.Bool
}

// Listen begins to receive events; any user may. It fails where the kernel has no uevents for us, as in some containers: then devices
// must be looked for again and again.
func Listen() (*Listener, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, fmt.Errorf("uevents: %w", err)
	}
	// Without more room than usual, Lost comes earlier; that is all.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err == nil {
		err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: kernelGroup | udevGroup})
		if err == nil {
			return &Listener{socket: os.NewFile(uintptr(fd), "uevents")}, nil
		}
	}
	_ = unix.Close(fd)
	return nil, fmt.Errorf("uevents: %w", err)
}

// Close ends Run. A second Close returns an error.
func (l *Listener) Close() error {
	l.closed.Store(true)
	return l.socket.Close()
}

// Run hands each event of a tty to tell, in order, until the listener is closed; then it returns nil. tell must not block long.
func (l *Listener) Run(tell func(Event)) error {
	raw, err := l.socket.SyscallConn()
	if err != nil {
		return l.ended(err)
	}
	message, control := make([]byte, maxEvent), make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	for {
		var n, nc, flags int
		var from unix.Sockaddr
		var failed error
		err := raw.Read(func(fd uintptr) bool {
			n, nc, flags, from, failed = unix.Recvmsg(int(fd), message, control, 0)
			return !errors.Is(failed, unix.EAGAIN)
		})
		switch {
		case err != nil:
			return l.ended(err)
		case errors.Is(failed, unix.EINTR):
		case errors.Is(failed, unix.ENOBUFS):
			tell(Event{Action: Lost})
		case failed != nil:
			return fmt.Errorf("uevents: %w", failed)
		case flags&unix.MSG_TRUNC == 0 && trusted(control[:nc], from):
			if e, ok := parse(message[:n]); ok {
				tell(e)
			}
		}
	}
}

// ended turns the error of a closed socket into nil.
func (l *Listener) ended(err error) error {
	if l.closed.Load() {
		return nil
	}
	return fmt.Errorf("uevents: %w", err)
}

// trusted says whether a message comes from the kernel, or from root: any process may send to the groups. Only udev's group may be
// written to by a process at all, and only the kernel has port 0.
func trusted(control []byte, from unix.Sockaddr) bool {
	netlink, ok := from.(*unix.SockaddrNetlink)
	if !ok || netlink.Groups&kernelGroup != 0 && netlink.Pid != 0 {
		return false
	}
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil || len(messages) == 0 {
		return false
	}
	who, err := unix.ParseUnixCredentials(&messages[0])
	return err == nil && who.Uid == 0
}
