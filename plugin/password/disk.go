package password

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

// readFile reads a file and its identity as one: both belong to the opened file.
func readFile(path string, limit int64) ([]byte, fs.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s: not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, nil, err
	}
	if int64(len(data)) > limit {
		return nil, nil, fmt.Errorf("%s: larger than %d bytes", path, limit)
	}
	return data, info, nil
}

// writeFile replaces a file as a whole: after a crash it is the old one or the new one. A file that is there keeps its owner and its
// permissions; a new one gets 0600 and, when root makes it, the owner of its folder, so that the daemon can read it. The caller holds
// the lock.
func writeFile(path string, data []byte) (err error) {
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(temp)
		}
	}()
	defer f.Close()
	mode := fs.FileMode(0o600)
	model, err := os.Stat(path)
	if err == nil {
		mode = model.Mode().Perm()
	} else if model, err = os.Stat(filepath.Dir(path)); err != nil {
		return err
	}
	if err := adopt(f, model); err != nil {
		return err
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
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// adopt gives f the owner of model. Only root can, and only root needs to.
func adopt(f *os.File, model fs.FileInfo) error {
	st, ok := model.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return f.Chown(int(st.Uid), int(st.Gid))
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
	const flags = os.O_RDONLY | syscall.O_NOFOLLOW
	f, err := os.OpenFile(name, flags|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return os.OpenFile(name, flags, 0)
	}
	if err != nil {
		return nil, err
	}
	dir, err := os.Stat(filepath.Dir(name))
	if err == nil {
		err = adopt(f, dir)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
