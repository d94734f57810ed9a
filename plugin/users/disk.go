package users

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// How long an update waits for another one to finish, and how often it looks.
const (
	lockWait = 2 * time.Second
	lockLook = 10 * time.Millisecond
)

// identity tells two states of a file apart without reading it. Every writer replaces the file, which changes the inode.
type identity struct {
	dev, ino     uint64
	size         int64
	mtime, ctime syscall.Timespec
}

// identify returns a file's identity from its stat.
func identify(info fs.FileInfo) identity {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return identity{size: info.Size()}
	}
	return identity{dev: st.Dev, ino: st.Ino, size: st.Size, mtime: st.Mtim, ctime: st.Ctim}
}

// openFlags are for reading a file of ours. Something else in its place, such as a FIFO, must not make the opening wait.
const openFlags = os.O_RDONLY | syscall.O_NONBLOCK | syscall.O_NOCTTY

// openRegular opens a file for reading, and nothing but a file.
func openRegular(path string, flags int) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, openFlags|flags, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a regular file", path)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// readFile reads a file of at most limit bytes and its identity as one: both belong to the opened file.
func readFile(path string, limit int64) ([]byte, fs.FileInfo, error) {
	f, info, err := openRegular(path, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, nil, err
	}
	if int64(len(data)) > limit {
		return nil, nil, fmt.Errorf("%s: larger than %d bytes", path, limit)
	}
	return data, info, nil
}

// writeFile replaces a file as a whole: after a crash it is the old one or the new one. A file that is there keeps its permissions and,
// where possible, its owner and group; a new one gets 0600 and, when root makes it, the owner of its folder, so that the daemon can
// read it. The caller holds the lock.
func writeFile(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	mode := fs.FileMode(0o600)
	model, err := os.Stat(path)
	switch {
	case err == nil && !model.Mode().IsRegular():
		return fmt.Errorf("%s: not a regular file", path)
	case err == nil:
		mode = model.Mode().Perm()
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case os.Geteuid() == 0:
		if model, err = os.Stat(dir); err != nil {
			return err
		}
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".") // has mode 0600
	if err != nil {
		return err
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if model != nil {
		if mode, err = adopt(f, model, mode); err != nil {
			return err
		}
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// adopt gives f the owner and group of model and returns the permissions that f may have. Only root can give files away; anybody
// else keeps the group if it is one of theirs, and where it is not, the permissions of the group go: they would be another group's.
func adopt(f *os.File, model fs.FileInfo, mode fs.FileMode) (fs.FileMode, error) {
	want, ok := model.Sys().(*syscall.Stat_t)
	if !ok {
		return mode, nil
	}
	if os.Geteuid() == 0 {
		return mode, f.Chown(int(want.Uid), int(want.Gid))
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if has, ok := info.Sys().(*syscall.Stat_t); ok && has.Gid == want.Gid {
		return mode, nil
	}
	if f.Chown(-1, int(want.Gid)) != nil {
		mode &^= 0o070
	}
	return mode, nil
}

// syncDir makes a rename in dir last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// lockFile keeps other writers of path away, in this process and in others, until unlock is called.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	name := path + ".lock"
	f, err := openLock(name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	tick := time.NewTicker(lockLook)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("%s: another program holds the lock: %w", name, ctx.Err())
		}
	}
}

// openLock opens a lock file and makes it if need be. Root leaves a new one to the owner of the folder.
func openLock(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		f, _, err = openRegular(name, syscall.O_NOFOLLOW)
		return f, err
	}
	if err != nil || os.Geteuid() != 0 {
		return f, err
	}
	dir, err := os.Stat(filepath.Dir(name))
	if err == nil {
		_, err = adopt(f, dir, 0)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
