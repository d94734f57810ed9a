package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// doctorFolder is the beginning of the names of the doctor's temporary folders; the process's number follows.
const doctorFolder = "rashost-doctor-"

// makeDoctorFolder makes a temporary folder that is locked as long as this process lives, and removes those of doctors that were killed.
func makeDoctorFolder() (dir string, remove func(), err error) {
	sweepDoctorFolders(os.TempDir())
	if dir, err = os.MkdirTemp("", fmt.Sprintf("%s%d-", doctorFolder, os.Getpid())); err != nil {
		return "", nil, err
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	return dir, func() {
		_ = os.RemoveAll(dir) // the next doctor tries again
		_ = unix.Close(lock)
	}, nil
}

// lockFolder takes a folder's lock, which ends with the process.
func lockFolder(dir string) (fd int, err error) {
	fd, err = unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = unix.Close(fd)
		return -1, &os.PathError{Op: "flock", Path: dir, Err: err}
	}
	return fd, nil
}

// sweepDoctorFolders removes what doctors that were killed have left behind. A process number alone does not say that one lives:
// another container may share the folder. The lock alone does not, either: it is taken a moment after the folder was made.
func sweepDoctorFolders(temp string) {
	left, err := filepath.Glob(filepath.Join(temp, doctorFolder+"*"))
	if err != nil {
		return
	}
	for _, dir := range left {
		pid := 0
		name := strings.TrimPrefix(filepath.Base(dir), doctorFolder)
		if _, err := fmt.Sscanf(name, "%d-", &pid); err == nil && pid > 0 && !errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			continue
		}
		var s unix.Stat_t
		if unix.Lstat(dir, &s) != nil || int(s.Uid) != os.Geteuid() {
			continue
		}
		lock, err := lockFolder(dir)
		if err != nil {
			continue
		}
		_ = os.RemoveAll(dir) // the next one tries again
		_ = unix.Close(lock)
	}
}
