package launch

import (
	"errors"
	"os"
	"runtime/debug"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// execute makes this process the program. The memory limit is the last that is set: what the Go runtime has reserved is far beyond it, so that the
// next page that it asks for would end the process. Nothing is allocated between the limit and the program, or between the limit and
// the answer to the host when there is none.
func execute(host *os.File, r *request) error {
	if r.Limits.Memory == 0 {
		return explain(r, syscall.Exec(r.Command[0], r.Command, r.Env))
	}
	path, err := syscall.BytePtrFromString(r.Command[0])
	if err != nil {
		return err
	}
	args, err := syscall.SlicePtrFromStrings(r.Command)
	if err != nil {
		return err
	}
	environ, err := syscall.SlicePtrFromStrings(r.Env)
	if err != nil {
		return err
	}
	bound, err := memoryLimit(r)
	if err != nil {
		return err
	}
	if err := restoreFiles(r); err != nil {
		return err
	}
	answers := make([][]byte, maxErrno)
	for i := range answers {
		text := explain(r, syscall.Errno(i)).Error()
		answers[i] = []byte(text[:min(len(text), answerMax)])
	}
	fd := host.Fd()
	debug.SetGCPercent(-1)
	_, _, errno := syscall.RawSyscall6(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_AS, uintptr(unsafe.Pointer(&bound)), 0, 0, 0)
	for errno == 0 || errno == unix.EAGAIN { // EAGAIN: another thread was just being made
		_, _, errno = syscall.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(&args[0])), uintptr(unsafe.Pointer(&environ[0])))
	}
	answer := answers[min(int(errno), maxErrno-1)]
	_, _, _ = syscall.RawSyscall(unix.SYS_WRITE, fd, uintptr(unsafe.Pointer(&answer[0])), uintptr(len(answer)))
	_, _, _ = syscall.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
	return errno
}

// maxErrno is over Linux's errors.
const maxErrno = 134

// memoryLimit is RLIMIT_AS as r wants it, and no more than the process may have.
func memoryLimit(r *request) (bound unix.Rlimit, err error) {
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &now); err != nil {
		return bound, errors.Join(errors.New("memory"), err)
	}
	most := min(uint64(r.Limits.Memory)*mebibyte, now.Max)
	return unix.Rlimit{Cur: most, Max: most}, nil
}

// customaryFiles is the soft limit of open files that programs expect. (The Go runtime raises its own, and syscall.Exec would give it back.)
const customaryFiles = 1024

// restoreFiles does what syscall.Exec does for a program without a limit of files of its own.
func restoreFiles(r *request) error {
	if r.Limits.Files != 0 {
		return nil
	}
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &now); err != nil {
		return err
	}
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: min(customaryFiles, now.Max), Max: now.Max})
}
