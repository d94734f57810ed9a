package launch

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const mebibyte = 1 << 20

// accountRoom is how many processes and threads the account of a plugin may have beside those of one program, where only the account as
// a whole can be bounded: enough for a call on every line, and the end of a fork bomb.
const accountRoom = 1024

// boundProcesses decides what stands in for pids.max where g does not have it. RLIMIT_NPROC counts the account, not the program: it makes
// sense only for an account that is neither root, who is exempt, nor the host's own.
func (r *request) boundProcesses(g *cgroup) {
	counted := g != nil && g.pids
	if r.Limits.Processes > 0 && !counted && r.UID != 0 && r.UID != os.Geteuid() {
		r.AllAccount = r.Limits.Processes + accountRoom
	}
}

// noCore turns core files off, and those that go to a program, too: what callers typed is in them. 0 would let the latter through (core(5)).
const noCore = 1

// limit sets the resource limits (getrlimit(2)), all but that of memory: see execute.
func limit(r *request) error {
	bounds := []struct {
		name     string
		resource int
		soft     uint64
		hard     uint64
		unset    bool
	}{
		{"core files", unix.RLIMIT_CORE, noCore, noCore, false},
		{"open files", unix.RLIMIT_NOFILE, uint64(r.Limits.Files), uint64(r.Limits.Files), r.Limits.Files == 0},
		{"file size", unix.RLIMIT_FSIZE, uint64(r.Limits.FileSize) * mebibyte, uint64(r.Limits.FileSize) * mebibyte, r.Limits.FileSize == 0},
		{"processor time", unix.RLIMIT_CPU, uint64(r.Limits.CPU), uint64(r.Limits.CPU) + 1, r.Limits.CPU == 0}, // SIGXCPU, then SIGKILL
		{"processes", unix.RLIMIT_NPROC, uint64(r.AllAccount), uint64(r.AllAccount), r.AllAccount == 0},
	}
	for _, b := range bounds {
		if b.unset {
			continue
		}
		var now unix.Rlimit
		if err := unix.Getrlimit(b.resource, &now); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		if err := unix.Setrlimit(b.resource, &unix.Rlimit{Cur: min(b.soft, now.Max), Max: min(b.hard, now.Max)}); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}
	return nil
}
