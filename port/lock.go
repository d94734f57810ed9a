package port

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

// LockOptions say how a tty is kept from other programs. flock and TIOCEXCL are always taken; the lock file LCK..NAME is for
// programs that know nothing else.
type LockOptions struct {
	// Dirs are the folders for lock files, in order of preference: all are searched for the locks of others, ours goes to the
	// first that can be written. nil means /run/lock and /var/lock; an empty list means no lock files. That no folder can be
	// written is not fatal: it is logged once.
	Dirs []string
	// Log takes the warnings; nil discards them.
	Log *slog.Logger
}

const (
	lockFileSize  = 64          // bytes read of a lock file; a customary one has 11
	lockRetries   = 5           // how often a lock file may change under us
	unreadableAge = time.Minute // a lock file without a process number counts as held while it is younger
	maxPID        = 1 << 22     // PID_MAX_LIMIT
)

// locker takes the locks of one line's device.
type locker struct {
	dirs []string
	log  *slog.Logger
	once sync.Once // for the warning that no lock file can be written
}

func newLocker(o LockOptions) *locker {
	l := &locker{dirs: o.Dirs, log: o.Log}
	if l.dirs == nil {
		l.dirs = []string{"/run/lock", "/var/lock"}
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	return l
}

// lockTTY takes the flock of fd and makes sure that nobody has TIOCEXCL, which root would pass unnoticed. TIOCEXCL itself comes
// with the library's open. The flock ends when fd's description is closed.
func (l *locker) lockTTY(fd int, path string) error {
	switch err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		pid := flockHolder(fd)
		if pid == 0 {
			pid = findHolder(path)
		}
		return &LockedError{Path: path, PID: pid, Command: commandOf(pid), Kind: LockFlock}
	case err != nil:
		l.log.Warn("flock does not work on this device", "device", path, "error", err)
	}
	excl, err := unix.IoctlGetInt(fd, unix.TIOCGEXCL)
	if err != nil || excl == 0 {
		return nil // kernels before 3.8 can't tell
	}
	// A pty keeps the mark of a holder that was killed for as long as its other end is open. Only root gets here to clear it; for
	// others the open has failed with EBUSY. A serial port loses the mark with its last close.
	if pid := findHolder(path); isPTS(path) && (pid == 0 || pid == os.Getpid()) {
		return unix.IoctlSetInt(fd, unix.TIOCNXCL, 0)
	}
	return holderError(path, LockExcl)
}

// isPTS says whether path is the slave end of a pty.
func isPTS(path string) bool { return strings.HasPrefix(path, "/dev/pts/") }

// uucpLock is a lock file that is ours.
type uucpLock struct{ path string }

// lockName is the customary name: what follows /dev/ with its slashes replaced.
func lockName(tty string) string {
	name, ok := strings.CutPrefix(tty, "/dev/")
	if !ok {
		name = filepath.Base(tty)
	}
	return "LCK.." + strings.ReplaceAll(name, "/", "_")
}

// checkUUCP returns a *LockedError when the lock file of a living process other than ours is in one of the folders. It is asked
// before the device is touched, since opening it raises DTR.
func (l *locker) checkUUCP(tty string) error {
	for _, dir := range l.dirs {
		path := filepath.Join(dir, lockName(tty))
		pid, held := readLock(path)
		if held && pid != os.Getpid() {
			return &LockedError{Path: path, PID: pid, Command: commandOf(pid), Kind: LockUUCP}
		}
	}
	return nil
}

// takeUUCP writes the lock file to the first folder that takes it; nil when none does. The caller holds the flock, so a file with
// our own number is left over from an earlier life with the same one (process 1 of a container).
func (l *locker) takeUUCP(tty string) (*uucpLock, error) {
	var faults []error
	for _, dir := range l.dirs {
		path := filepath.Join(dir, lockName(tty))
		err := createLock(path)
		var locked *LockedError
		switch {
		case err == nil:
			return &uucpLock{path}, nil
		case errors.As(err, &locked):
			return nil, err
		}
		faults = append(faults, err)
	}
	if len(faults) > 0 {
		l.once.Do(func() {
			l.log.Warn("no lock file: programs that know neither flock nor TIOCEXCL may take the device",
				"device", tty, "error", errors.Join(faults...))
		})
	}
	return nil, nil
}

// createLock makes path appear with its content at once: a temporary file and a hard link. Dead holders are replaced.
func createLock(path string) error {
	temp, err := os.CreateTemp(filepath.Dir(path), "LTMP..")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	_, err = fmt.Fprintf(temp, "%10d\n", os.Getpid())
	if err = errors.Join(err, temp.Chmod(0o644), temp.Close()); err != nil {
		return err
	}
	for range lockRetries {
		if err = os.Link(temp.Name(), path); !errors.Is(err, fs.ErrExist) {
			return err
		}
		if pid, held := readLock(path); held && pid != os.Getpid() {
			return &LockedError{Path: path, PID: pid, Command: commandOf(pid), Kind: LockUUCP}
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("stale lock file: %w", err)
		}
	}
	return err
}

// release removes the lock file if it still is ours. A nil lock is fine.
func (u *uucpLock) release() {
	if u == nil {
		return
	}
	if pid, _ := readLock(u.path); pid == os.Getpid() {
		_ = os.Remove(u.path)
	}
}

// readLock returns whose lock file path is and whether that process lives. A file without a process number counts as held, by 0,
// while it is young: other programs don't write it at once.
func readLock(path string) (pid int, held bool) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return 0, false
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, lockFileSize))
	if err != nil {
		return 0, false
	}
	if pid, ok := parseLockPID(content); ok {
		return pid, !errors.Is(unix.Kill(pid, 0), unix.ESRCH)
	}
	info, err := f.Stat()
	return 0, err == nil && time.Since(info.ModTime()) < unreadableAge
}

// parseLockPID reads the process number of a lock file: decimal, followed by anything after a blank, or four bytes in the
// machine's order as old UUCP writes them.
func parseLockPID(content []byte) (int, bool) {
	if fields := bytes.Fields(content); len(fields) > 0 {
		if pid, err := strconv.ParseUint(string(fields[0]), 10, 32); err == nil && pid > 0 && pid <= maxPID {
			return int(pid), true
		}
	}
	if len(content) == 4 {
		if pid := binary.NativeEndian.Uint32(content); pid > 0 && pid <= maxPID {
			return int(pid), true
		}
	}
	return 0, false
}

// holderError is a LockedError with the process that has path open, as far as it can be seen.
func holderError(path string, kind LockKind) error {
	node, err := filepath.EvalSymlinks(path)
	if err != nil {
		node = path
	}
	pid := findHolder(node)
	if pid == os.Getpid() {
		pid = 0 // our own description of the moment says nothing
	}
	return &LockedError{Path: path, PID: pid, Command: commandOf(pid), Kind: kind}
}

// flockHolder reads from /proc/locks who holds the flock of fd's file, 0 when it can't be seen (another container).
func flockHolder(fd int) int {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return 0
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return 0
	}
	file := fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino)
	for line := range strings.Lines(string(locks)) {
		// 12: FLOCK  ADVISORY  WRITE 1230 00:06:91 0 EOF
		if f := strings.Fields(line); len(f) >= 6 && f[1] == "FLOCK" && f[5] == file {
			if pid, err := strconv.Atoi(f[4]); err == nil && pid > 0 {
				return pid
			}
		}
	}
	return 0
}

// Holder returns a process that has the tty open and the name of its program; 0 and "" when none is seen. Processes of other users are
// seen by root only.
func Holder(tty string) (pid int, command string) {
	if pid = findHolder(tty); pid != 0 {
		command = commandOf(pid)
	}
	return pid, command
}

// findHolder returns a process that has tty open, another one rather than ours; 0 when none is seen.
func findHolder(tty string) int {
	links, err := filepath.Glob("/proc/[0-9]*/fd")
	if err != nil {
		return 0
	}
	self, found := os.Getpid(), 0
	for _, dir := range links {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		if err != nil || !hasOpen(dir, tty) {
			continue
		}
		if pid != self {
			return pid
		}
		found = pid
	}
	return found
}

// hasOpen says whether one of the descriptors in dir is tty.
func hasOpen(dir, tty string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if target, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && target == tty {
			return true
		}
	}
	return false
}

// commandOf returns the short name of a process, printable, "" when unknown.
func commandOf(pid int) string {
	if pid <= 0 {
		return ""
	}
	name, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	if err != nil {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.TrimSuffix(string(name), "\n"))
}
