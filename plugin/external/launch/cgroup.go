package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cgroupPrefix begins the name of each control group of ours; the number of the host's process and a random number follow.
const cgroupPrefix = "rashost-plugin-"

// emptyLimit is how long killed processes may take to be gone.
const emptyLimit = 2 * time.Second

// cgroup is a control group (cgroups(7), version 2) with one program and all its children in it. Whoever holds the lock on its folder owns
// it; the lock ends with the host, however that ends. A nil cgroup has nothing in it.
type cgroup struct {
	path string
	dir  *os.File // locked
	pids bool     // it bounds the number of processes
}

// newCgroup makes a control group for at most so many processes, 0 for no bound.
func newCgroup(processes int) (*cgroup, error) {
	base, err := cgroupBase()
	if err != nil {
		return nil, err
	}
	g, err := makeCgroup(base)
	for range 2 {
		if errors.Is(err, errOwned) || errors.Is(err, fs.ErrNotExist) { // another host's Sweep was between making and locking it
			g, err = makeCgroup(base)
		}
	}
	if err != nil {
		return nil, err
	}
	if !g.has("cgroup.kill") {
		_ = g.remove()
		return nil, errors.New("the kernel has no cgroup.kill (Linux 5.14)")
	}
	if processes > 0 {
		g.pids = g.write("pids.max", strconv.Itoa(processes)) == nil
	}
	return g, nil
}

// makeCgroup makes an empty control group below base and takes it.
func makeCgroup(base string) (*cgroup, error) {
	path, err := os.MkdirTemp(base, cgroupPrefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return nil, fmt.Errorf("the control group %s is not writable (in a systemd unit: Delegate=yes)", base)
	}
	g, err := lockCgroup(path)
	if err != nil {
		_ = unix.Rmdir(path)
		return nil, fmt.Errorf("the control group %s: %w", path, err)
	}
	if !g.has("cgroup.procs") {
		g.dir.Close()
		return nil, &fs.PathError{Op: "lock", Path: path, Err: fs.ErrNotExist}
	}
	return g, nil
}

// has says whether g has such a file.
func (g *cgroup) has(file string) bool {
	_, err := os.Stat(filepath.Join(g.path, file))
	return err == nil
}

var errOwned = errors.New("belongs to a running rashost")

// lockCgroup takes the control group at path, unless it has an owner.
func lockCgroup(path string) (*cgroup, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		dir.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errOwned
		}
		return nil, os.NewSyscallError("flock", err)
	}
	return &cgroup{path: path, dir: dir}, nil
}

func (g *cgroup) write(file, text string) error {
	f, err := os.OpenFile(filepath.Join(g.path, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

// kill sends SIGKILL to everything in g; none can fork its way out.
func (g *cgroup) kill() {
	if g != nil {
		_ = g.write("cgroup.kill", "1") // remove finds out
	}
}

// remove waits until what was killed is gone, and takes g away. What is still there then is left to Sweep.
func (g *cgroup) remove() error {
	if g == nil {
		return nil
	}
	defer g.dir.Close()
	err := unix.Rmdir(g.path)
	if !errors.Is(err, unix.EBUSY) {
		return wrapPath(g.path, err)
	}
	events, openErr := os.Open(filepath.Join(g.path, "cgroup.events"))
	if openErr != nil {
		return openErr
	}
	defer events.Close()
	buffer := make([]byte, 256)
	for deadline := time.Now().Add(emptyLimit); errors.Is(err, unix.EBUSY) && time.Now().Before(deadline); {
		if _, err := unix.Pread(int(events.Fd()), buffer, 0); err != nil { // from here on, a change is an event
			return wrapPath(g.path, err)
		}
		if err = unix.Rmdir(g.path); errors.Is(err, unix.EBUSY) {
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(events.Fd()), Events: unix.POLLPRI}}, 100)
		}
	}
	return wrapPath(g.path, err)
}

func wrapPath(path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: "rmdir", Path: path, Err: err}
}

// Sweep ends what the plugins of a host that was killed have left behind, and removes their control groups. A host calls it once, before
// it starts plugins. Where there are no control groups it does nothing.
func Sweep(log *slog.Logger) {
	base, err := cgroupBase()
	if err != nil {
		return
	}
	paths, _ := filepath.Glob(filepath.Join(escapeGlob(base), cgroupPrefix+"*"))
	for _, path := range paths {
		g, err := lockCgroup(path)
		if err != nil {
			continue // in use, or just removed
		}
		g.kill()
		if err = g.remove(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			log.Warn("the control group of a plugin of an earlier rashost cannot be removed", "path", path, "error", err.Error())
			continue
		}
		log.Info("removed the control group of a plugin of an earlier rashost", "path", path)
	}
}

// escapeGlob makes path match itself.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// cgroupBase is the folder in which the control groups of plugins are made: that of the host itself, or the one above when the service
// manager has given the host a subgroup of a delegated one. There the pids controller can be turned on.
func cgroupBase() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	mount, path, err := cgroupPath(string(mounts), string(own))
	if err != nil {
		return "", err
	}
	if above := filepath.Dir(path); path != mount && !delegated(path) && delegated(above) {
		path = above
	}
	if delegated(path) {
		enablePids(path)
	}
	return path, nil
}

// cgroupPath finds the own control group in the texts of /proc/self/mountinfo and /proc/self/cgroup (proc(5), cgroups(7)).
func cgroupPath(mounts, own string) (mount, path string, err error) {
	group := ""
	for line := range strings.Lines(own) {
		if rest, ok := strings.CutPrefix(line, "0::/"); ok {
			group = "/" + strings.TrimSuffix(rest, "\n")
		}
	}
	if group == "" {
		return "", "", errors.New("the kernel has no cgroups of version 2")
	}
	for line := range strings.Lines(mounts) {
		place, kind, ok := strings.Cut(line, " - ")
		fields := strings.Fields(place)
		if !ok || len(fields) < 5 || !strings.HasPrefix(kind, "cgroup2 ") {
			continue
		}
		root, mount := unescape(fields[3]), unescape(fields[4])
		below, err := filepath.Rel(root, group)
		if err != nil || below == ".." || strings.HasPrefix(below, "../") {
			continue
		}
		return mount, filepath.Join(mount, below), nil
	}
	return "", "", errors.New("no cgroup file system of version 2 is mounted")
}

// unescape reads a path of mountinfo.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

// delegated says whether systemd has left the control group at path to us (systemd.resource-control(5), Delegate=).
func delegated(path string) bool {
	var value [8]byte
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		if n, err := unix.Getxattr(path, name, value[:]); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	return false
}

// enablePids turns the pids controller on for the groups below path. Where it is refused, new groups have no pids.max.
func enablePids(path string) {
	g := &cgroup{path: path}
	if !g.lists("cgroup.subtree_control", "pids") && g.lists("cgroup.controllers", "pids") {
		_ = g.write("cgroup.subtree_control", "+pids")
	}
}

// lists says whether one of g's files has this word.
func (g *cgroup) lists(file, word string) bool {
	text, err := os.ReadFile(filepath.Join(g.path, file))
	return err == nil && slices.Contains(strings.Fields(string(text)), word)
}
