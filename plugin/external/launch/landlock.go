package launch

import (
	"os"
	"path/filepath"

	"github.com/landlock-lsm/go-landlock/landlock"
)

// Every program may read and execute what is below systemFolders, and use these devices.
var (
	systemFolders = []string{"/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc"}
	readDevices   = []string{"/dev/urandom"}
	writeDevices  = []string{"/dev/null", "/dev/zero"}
)

// restrict closes the file system to this process but for what r lists, and confines signals and abstract Unix sockets to it, as far as
// the kernel can (landlock(7)). The network stays open: docs/adr/0015 says why. Nothing undoes it, and children inherit it.
func restrict(r *request) error {
	c := landlock.V11.BestEffort()
	c.HandledAccessNet = 0
	rules := []landlock.Rule{
		landlock.RODirs(systemFolders...).IgnoreIfMissing(),
		landlock.ROFiles(readDevices...).IgnoreIfMissing(),
		landlock.RWFiles(writeDevices...).IgnoreIfMissing(),
	}
	for _, path := range append(ownPaths(r.Command[0]), r.Read...) {
		if isFolder(path) {
			rules = append(rules, landlock.RODirs(path).IgnoreIfMissing())
		} else {
			rules = append(rules, landlock.ROFiles(path).IgnoreIfMissing())
		}
	}
	for _, path := range r.Write {
		if !isFolder(path) {
			rules = append(rules, landlock.RWFiles(path).WithIoctlDev().WithResolveUnix().IgnoreIfMissing())
			continue
		}
		rule := landlock.RWDirs(path).WithIoctlDev().WithResolveUnix().IgnoreIfMissing()
		if landlockABI() > 1 { // version 1 forbids to move files between folders, and asking for it would turn everything off
			rule = rule.WithRefer()
		}
		rules = append(rules, rule)
	}
	return c.Restrict(rules...)
}

// ownPaths are the folder in which the program was named and the one where it really is. A program in the root folder has only itself.
func ownPaths(program string) []string {
	paths := []string{program}
	if real, err := filepath.EvalSymlinks(program); err == nil && real != program {
		paths = append(paths, real)
	}
	for i, path := range paths {
		if folder := filepath.Dir(path); folder != "/" {
			paths[i] = folder
		}
	}
	return paths
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
