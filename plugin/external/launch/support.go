package launch

import (
	"os"

	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// Support is what this machine offers to keep a program in its place.
type Support struct {
	// Landlock is the version of the kernel's Landlock ABI, 0 without.
	Landlock int
	// Cgroup says that a program and everything that it starts can be killed for sure; Why says why not.
	Cgroup bool
	Why    string
	// Pids says that the number of processes of each program can be bounded.
	Pids bool
}

// Detect finds out what there is. It makes a control group to see, and removes it.
func Detect() Support {
	s := Support{Landlock: landlockABI()}
	g, err := newCgroup(1)
	if err != nil {
		s.Why = err.Error()
		return s
	}
	s.Cgroup, s.Pids = true, g.pids
	_ = g.remove()
	return s
}

// landlockABI is the version of the kernel's Landlock, 0 without.
func landlockABI() int {
	version, err := ll.LandlockGetABIVersion()
	if err != nil {
		return 0
	}
	return version
}

// landlockGaps are what plugins can do below an ABI version (landlock(7), Documentation/userspace-api/landlock.rst).
var landlockGaps = []struct {
	since int
	text  string
}{
	{3, "truncate files that their user can write"},
	{5, "use the ioctl calls of devices that they can open"},
	{6, "send signals to all processes of their user, and connect to abstract Unix sockets"},
}

// Missing says in sentences for an operator what plugins can do because this machine lacks something; nil when nothing is missing.
func (s Support) Missing() []string {
	var all []string
	if s.Landlock == 0 {
		all = append(all, "the kernel has no Landlock: plugins can read every file that their user can, and write every file that their user can")
	} else {
		for _, gap := range landlockGaps {
			if s.Landlock < gap.since {
				all = append(all, "the kernel's Landlock is old: plugins can "+gap.text)
			}
		}
	}
	switch {
	case !s.Cgroup:
		all = append(all, "children of plugins can escape when their plugin is killed: "+s.Why)
	case !s.Pids:
		all = append(all, "limits.processes bounds a plugin's whole account, not each plugin: the cgroup controller pids is not delegated to rashost")
	}
	if s.Landlock == 0 && os.Geteuid() != 0 {
		all = append(all, "plugins run as rashost's own account without Landlock: they can do to rashost what they like")
	}
	return all
}
