// Package lab runs the real rashost on real serial ports: a Linux in QEMU with 16550 UARTs and USB adapters, whose modems are the
// exchange's. The tests run on the host; in the guest an agent does what they ask for. docs/lab.md tells how to run and add jobs.
package lab

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Image is what a machine boots.
type Image struct {
	kernel, signals string // files
	initrd          []byte
}

// imageParts are the sources of the guest; it is built anew when one of them, or the kernel's package, changes.
var imageParts = []string{"image/build.sh", "image/init", "image/signals.c"}

// programs are built from this module, and go into the guest as /lab/NAME.
var programs = map[string]string{"rashost": "./cmd/rashost", "guest": "./test/lab/guest"}

// rules are those of hardware/udev, which the guest's udev gets.
var rules = []string{"70-rashost.rules", "99-rashost.rules"}

// NewImage builds what is not built yet. It takes ten seconds, of which downloading the kernel's package once is the most.
func NewImage(ctx context.Context) (*Image, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	cache = filepath.Join(cache, "rashost-lab")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(cache, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return nil, os.NewSyscallError("flock", err)
	}
	if err := buildGuest(ctx, cache); err != nil {
		return nil, err
	}
	root, err := os.ReadFile(filepath.Join(cache, "rootfs.cpio"))
	if err != nil {
		return nil, err
	}
	lab, err := buildPrograms(ctx, cache)
	if err != nil {
		return nil, err
	}
	return &Image{filepath.Join(cache, "kernel"), filepath.Join(cache, "signals.so"), append(root, lab...)}, nil
}

// buildGuest makes the kernel, the root file system and the preloaded library, unless they are there.
func buildGuest(ctx context.Context, cache string) error {
	sum := sha256.New()
	for _, part := range imageParts {
		b, err := os.ReadFile(part)
		if err != nil {
			return err
		}
		sum.Write(b)
	}
	kernel, err := exec.CommandContext(ctx, "apt-cache", "depends", "linux-image-amd64").Output()
	if err != nil {
		return fmt.Errorf("apt-cache: %w", err)
	}
	sum.Write(kernel)
	stamp, want := filepath.Join(cache, "stamp"), fmt.Sprintf("%x\n", sum.Sum(nil))
	if have, err := os.ReadFile(stamp); err == nil && string(have) == want {
		return nil
	}
	old, _ := filepath.Glob(filepath.Join(cache, "build.*")) // of builds that were killed
	for _, dir := range append(old, stamp) {
		os.RemoveAll(dir)
	}
	cmd := exec.CommandContext(ctx, "bash", "image/build.sh", cache)
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("image/build.sh: %w\n%s", err, out)
	}
	return os.WriteFile(stamp, []byte(want), 0o644)
}

// buildPrograms builds our own programs, static, and returns them as an archive for the guest.
func buildPrograms(ctx context.Context, cache string) ([]byte, error) {
	dir := filepath.Join(cache, "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	for _, folder := range []string{"lab", "etc/udev", "etc/udev/rules.d"} {
		addFile(&archive, folder, 0o40755, nil)
	}
	for name, pkg := range programs {
		file := filepath.Join(dir, name)
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, pkg)
		cmd.Dir = filepath.Join("..", "..")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		addFile(&archive, "lab/"+name, 0o100755, b)
	}
	for _, name := range rules {
		b, err := os.ReadFile(filepath.Join("..", "..", "hardware", "udev", name))
		if err != nil {
			return nil, err
		}
		addFile(&archive, "etc/udev/rules.d/"+name, 0o100644, b)
	}
	addFile(&archive, "TRAILER!!!", 0, nil)
	return archive.Bytes(), nil
}

// addFile adds a file to a cpio archive of the form "newc", as the kernel reads it (Documentation/driver-api/early-userspace/buffer-format.rst).
func addFile(archive *bytes.Buffer, name string, mode int, data []byte) {
	pad := func() { archive.WriteString(strings.Repeat("\x00", -archive.Len()&3)) }
	fmt.Fprintf(archive, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		archive.Len(), mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
	archive.WriteString(name + "\x00")
	pad()
	archive.Write(data)
	pad()
}

// memory returns a file without a name that holds data.
func memory(name string, data []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.Write(data); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
