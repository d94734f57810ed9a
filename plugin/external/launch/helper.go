package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Command is the word that makes an executable the helper: `HELPER exec-plugin NAME`.
const Command = "exec-plugin"

// FirstFile is the descriptor of the first of Spec.Files in the program.
const FirstFile = requestFD + 1

const (
	requestFD = 3    // the helper's end of the connection
	answerMax = 4096 // bytes of an error that the helper reports
	umask     = 0o077
	// oomScore makes the kernel, when memory runs out, kill plugins before the host (proc_pid_oom_score_adj(5)).
	oomScore = 500
)

// steps are what the helper does to itself, in this order. Each failure ends it: a program never runs with less around it than is meant.
var steps = []struct {
	what string
	do   func(r *request) error
}{
	{"close the host's files", closeFiles},
	{"be the first that is killed when memory runs out", raiseOOMScore},
	{"forbid new privileges", forbidPrivileges},
	{"change the account", changeAccount},
	{"go to the working folder", func(r *request) error { return unix.Chdir(r.Dir) }},
	{"reach the program", func(r *request) error { return unix.Access(r.Command[0], unix.X_OK) }},
	{"close the file system", restrict},
	{"end with the host", dieWithParent},
	{"restore the signals", restoreSignals},
	{"set the limits", limit},
}

// Main is the helper, `rashost exec-plugin NAME`: it reads what to do from the host, gives up what a plugin must not have, and becomes the
// program. It returns only on failure, with an exit status; the reason goes to the host.
func Main([]string) int {
	runtime.LockOSThread() // several steps count for this thread only, which becomes the program
	var stat unix.Stat_t
	if err := unix.Fstat(requestFD, &stat); err != nil || stat.Mode&unix.S_IFMT != unix.S_IFSOCK {
		fmt.Fprintln(os.Stderr, "rashost: exec-plugin is started by rashost itself, to run a plugin's program")
		return 2
	}
	host := os.NewFile(requestFD, "host")
	err := become(host)
	text := err.Error()
	_, _ = host.WriteString(text[:min(len(text), answerMax)])
	return 1
}

// become takes the steps and executes the program.
func become(host *os.File) error {
	var r request
	if err := json.NewDecoder(host).Decode(&r); err != nil {
		return fmt.Errorf("read what to do: %w", err)
	}
	for _, step := range steps {
		if err := step.do(&r); err != nil {
			return fmt.Errorf("cannot %s as user %s: %w", step.what, r.User, err)
		}
	}
	return execute(host, &r)
}

// explain says what an operator can do when the program cannot be executed.
func explain(r *request, err error) error {
	switch {
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w as user %s: neither the program nor the interpreter in its first line may lie outside of what plugins may read", err, r.User)
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%w: the interpreter in its first line, or its loader, is missing", err)
	case errors.Is(err, unix.ENOEXEC):
		return fmt.Errorf("%w: a script needs a first line such as #!/bin/sh, a binary must be built for this machine", err)
	default:
		return err
	}
}

// closeFiles makes everything but the three pipes and the program's files end with the exec.
func closeFiles(r *request) error {
	err := unix.CloseRange(requestFD, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) { // before Linux 5.11
		err = closeEach()
	}
	for fd := range uintptr(r.Files) {
		if _, e := unix.FcntlInt(FirstFile+fd, unix.F_SETFD, 0); e != nil {
			err = errors.Join(err, os.NewSyscallError("fcntl", e))
		}
	}
	return err
}

// closeEach is closeFiles for old kernels.
func closeEach() error {
	entries, err := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd >= requestFD {
			unix.CloseOnExec(fd)
		}
	}
	return err
}

// raiseOOMScore is of no importance where it is not possible.
func raiseOOMScore(*request) error {
	if f, err := os.OpenFile("/proc/self/oom_score_adj", os.O_WRONLY, 0); err == nil {
		_, _ = f.WriteString(strconv.Itoa(oomScore))
		f.Close()
	}
	return nil
}

// forbidPrivileges makes setuid programs and file capabilities useless, and drops capabilities that a service manager has handed down.
func forbidPrivileges(*request) error {
	unix.Umask(umask)
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	if errors.Is(err, unix.EINVAL) { // before Linux 4.3 there are none
		return nil
	}
	return err
}

// changeAccount gives up the account of the host, with all its groups. Only this thread does: the others end with the exec, and to wait
// for them would take longer than all other steps.
func changeAccount(r *request) error {
	if !r.Become {
		return nil
	}
	uid, gid := uintptr(r.UID), uintptr(r.GID)
	if _, _, e := unix.RawSyscall(sysSetgroups, 0, 0, 0); e != 0 {
		return os.NewSyscallError("setgroups", e)
	}
	if _, _, e := unix.RawSyscall(sysSetresgid, gid, gid, gid); e != 0 {
		return os.NewSyscallError("setresgid", e)
	}
	if _, _, e := unix.RawSyscall(sysSetresuid, uid, uid, uid); e != 0 {
		return os.NewSyscallError("setresuid", e)
	}
	return nil
}

// dieWithParent comes after changeAccount, which clears the signal. A host that died before it is noticed by its number.
func dieWithParent(r *request) error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return err
	}
	if unix.Getppid() != r.Parent {
		return errors.New("it is gone")
	}
	return nil
}

// restoreSignals gives the program the default dispositions and an empty mask. What the host ignores would otherwise stay ignored, what it
// handles goes by itself. All zero is the default action in every layout of struct sigaction.
func restoreSignals(*request) error {
	var def [8]uint64
	var none uint64
	for sig := uintptr(1); sig <= 64; sig++ {
		if sig == uintptr(unix.SIGKILL) || sig == uintptr(unix.SIGSTOP) {
			continue
		}
		if _, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&def)), 0, unsafe.Sizeof(none), 0, 0); e != 0 {
			return fmt.Errorf("signal %d: %w", sig, e)
		}
	}
	const setMask = 2 // SIG_SETMASK
	if _, _, e := unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, setMask, uintptr(unsafe.Pointer(&none)), 0, unsafe.Sizeof(none), 0, 0); e != 0 {
		return e
	}
	return nil
}
