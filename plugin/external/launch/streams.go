package launch

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// streams are the files between us and the program. Ours have deadlines, theirs block, as programs expect it.
type streams struct {
	stdin, stdout, stderr *os.File
	helper                *os.File    // our end of the connection that brings the request and takes the answer
	theirs                [4]*os.File // 0, 1, 2 and the helper's end
}

// newStreams makes three pipes and a connection. The pipes belong to the account, so that the program can open /dev/stderr.
func newStreams(uid, gid int) (*streams, error) {
	s := &streams{}
	err := errors.Join(
		s.pipe(0, &s.stdin, uid, gid), s.pipe(1, &s.stdout, uid, gid), s.pipe(2, &s.stderr, uid, gid), s.connection())
	if err != nil {
		s.closeOurs()
		s.closeTheirs()
		return nil, err
	}
	return s, nil
}

// pipe makes the pipe that is file number n of the program.
func (s *streams) pipe(n int, ours **os.File, uid, gid int) error {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	read, write := 0, 1
	if n == 0 {
		read, write = 1, 0
	}
	err := s.keep(n, ours, fds[read], fds[write])
	if os.Geteuid() == 0 {
		err = errors.Join(err, os.NewSyscallError("fchown", unix.Fchown(fds[write], uid, gid)))
	}
	return err
}

// connection makes the helper's.
func (s *streams) connection() error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	return s.keep(3, &s.helper, fds[0], fds[1])
}

// keep makes files of two descriptors; only ours does not block.
func (s *streams) keep(n int, ours **os.File, our, their int) error {
	err := os.NewSyscallError("fcntl", unix.SetNonblock(our, true))
	*ours = os.NewFile(uintptr(our), "plugin")
	s.theirs[n] = os.NewFile(uintptr(their), "plugin")
	return err
}

// closeTheirs closes what only the child needs. It may be called again.
func (s *streams) closeTheirs() {
	for i, f := range s.theirs {
		if f != nil {
			f.Close()
			s.theirs[i] = nil
		}
	}
}

func (s *streams) closeOurs() {
	for _, f := range []*os.File{s.stdin, s.stdout, s.stderr, s.helper} {
		if f != nil {
			f.Close()
		}
	}
}

// drain ends the streams of a dead program: what it has written can still be read. Files that their owner has closed are no matter.
func (s *streams) drain() {
	s.stdin.Close()
	_ = s.stdout.SetReadDeadline(time.Now().Add(drainLimit))
	_ = s.stderr.SetReadDeadline(time.Now().Add(drainLimit))
}
