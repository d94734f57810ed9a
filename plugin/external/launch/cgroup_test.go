package launch

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	systemdMounts = "24 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n" +
		"35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
	hybridMounts = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n" +
		"41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	containerMounts = "900 800 0:30 /docker/abc /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n"
	oddMounts       = "35 24 0:30 / /mnt/with\\040space rw - cgroup2 cgroup2 rw\n"
)

func TestCgroupPath(t *testing.T) {
	for _, c := range []struct {
		name, mounts, own, want, fault string
	}{
		{"systemd", systemdMounts, "0::/system.slice/rashost.service\n", "/sys/fs/cgroup/system.slice/rashost.service", ""},
		{"hybrid", hybridMounts, "8:pids:/user\n4:memory:/x\n0::/\n", "/sys/fs/cgroup/unified", ""},
		{"container", containerMounts, "0::/docker/abc/inner\n", "/sys/fs/cgroup/inner", ""},
		{"container, top", containerMounts, "0::/docker/abc\n", "/sys/fs/cgroup", ""},
		{"space", oddMounts, "0::/a\n", "/mnt/with space/a", ""},
		{"outside of what is mounted", containerMounts, "0::/docker/xyz\n", "", "no cgroup file system of version 2 is mounted"},
		{"above what is mounted", containerMounts, "0::/../..\n", "", "no cgroup file system of version 2 is mounted"},
		{"version 1 only", "39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n", "8:pids:/\n", "", "the kernel has no cgroups of version 2"},
		{"not mounted", "24 1 8:1 / / rw - ext4 /dev/sda1 rw\n", "0::/\n", "", "no cgroup file system of version 2 is mounted"},
		{"rubbish", "x\n - \n1 2 3 - cgroup2 \n", "0::/\n", "", "no cgroup file system of version 2 is mounted"},
	} {
		_, path, err := cgroupPath(c.mounts, c.own)
		switch {
		case c.fault != "" && (err == nil || err.Error() != c.fault):
			t.Errorf("%s: %q, %v, want %q", c.name, path, err, c.fault)
		case c.fault == "" && (err != nil || path != c.want):
			t.Errorf("%s: %q, %v, want %q", c.name, path, err, c.want)
		}
	}
}

// TestPidsMax: the number goes where the kernel looks for it, and a group without the controller is not said to count. A folder stands
// in for the control group, so that it runs where the controller is not there.
func TestPidsMax(t *testing.T) {
	g := &cgroup{path: t.TempDir()}
	if g.write("pids.max", "7") == nil {
		t.Error("a file that is not there was written")
	}
	if err := os.WriteFile(g.path+"/pids.max", []byte("max\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := g.write("pids.max", "7"); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(g.path + "/pids.max"); err != nil || !strings.HasPrefix(string(text), "7") {
		t.Errorf("pids.max is %q, %v", text, err)
	}
}

// TestEnablePids: it is turned on where it is offered, once.
func TestEnablePids(t *testing.T) {
	for _, c := range []struct{ controllers, on, want string }{
		{"cpu pids memory\n", "", "+pids"},
		{"cpu pids memory\n", "pids memory\n", "pids memory\n"},
		{"cpu memory\n", "", ""},
	} {
		path := t.TempDir()
		for name, text := range map[string]string{"cgroup.controllers": c.controllers, "cgroup.subtree_control": c.on} {
			if err := os.WriteFile(path+"/"+name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		enablePids(path)
		if text, err := os.ReadFile(path + "/cgroup.subtree_control"); err != nil || string(text) != c.want {
			t.Errorf("with %q and %q it is %q, %v", c.controllers, c.on, text, err)
		}
	}
}

// TestDelegated: systemd marks what it delegates.
func TestDelegated(t *testing.T) {
	path := t.TempDir()
	if delegated(path) {
		t.Error("a plain folder is delegated")
	}
	if err := unix.Setxattr(path, "user.delegate", []byte("1"), 0); err != nil {
		impossible(t, "needs extended attributes below "+os.TempDir()+": "+err.Error())
	}
	if !delegated(path) {
		t.Error("a delegated folder is not")
	}
}
