package port

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestOtherProcess is no test: it is what the other process of a test does, by PORT_TEST_ROLE.
func TestOtherProcess(t *testing.T) {
	role, path := os.Getenv("PORT_TEST_ROLE"), os.Getenv("PORT_TEST_PATH")
	if role == "" {
		return
	}
	switch role {
	case "rashost":
		open(t, NewOpener(path, Settings{}, LockOptions{Dirs: []string{}}))
	case "TIOCEXCL", "flock":
		f := openFar(t, path)
		var err error
		if role == "flock" {
			err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		} else {
			err = unix.IoctlSetInt(int(f.Fd()), unix.TIOCEXCL, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
	case "idle":
	case "tmpfs": // the lock folder is a small file system in a mount namespace of our own
		folder := filepath.Dir(path) + "/locks"
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		flags := uintptr(0)
		if os.Getenv("PORT_TEST_OPTIONS") == "ro" {
			flags = unix.MS_RDONLY
		}
		options := strings.TrimPrefix(os.Getenv("PORT_TEST_OPTIONS"), "ro")
		if err := unix.Mount("tmpfs", folder, "tmpfs", flags, options); err != nil {
			t.Fatal(err)
		}
		checkUnusableFolder(t, folder)
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// otherProcess starts one and returns when it is ready.
func otherProcess(t *testing.T, role, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOtherProcess$", "-test.v")
	cmd.Env = append(os.Environ(), "PORT_TEST_ROLE="+role, "PORT_TEST_PATH="+path)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	var said bytes.Buffer
	for lines := bufio.NewScanner(io.TeeReader(stdout, &said)); lines.Scan(); {
		if lines.Text() == "ready" {
			return cmd
		}
	}
	t.Fatalf("the other process: %s", said.String())
	return nil
}

// ownCommand is the test binary's name as the kernel shortens it.
func ownCommand() string {
	name := filepath.Base(os.Args[0])
	return name[:min(len(name), 15)]
}

// Two processes on one device: the second is told who the first is, and gets it as soon as that is gone, killed or not.
func TestLockedByOtherProcess(t *testing.T) {
	for _, tc := range []struct {
		role string
		kind LockKind
	}{{"rashost", LockFlock}, {"flock", LockFlock}, {"TIOCEXCL", LockExcl}} {
		t.Run(tc.role, func(t *testing.T) {
			_, path := testPTY(t)
			other := otherProcess(t, tc.role, path)
			o := NewOpener(path, Settings{}, LockOptions{Dirs: []string{}})
			d, err := o.Open(t.Context())
			var locked *LockedError
			if d != nil || !errors.As(err, &locked) || !errors.Is(err, ErrLocked) {
				t.Fatalf("got %v", err)
			}
			if os.Getuid() != 0 && tc.role == "rashost" {
				tc.kind = LockExcl // it already stops the open
			}
			if locked.Kind != tc.kind || locked.PID != other.Process.Pid || locked.Command != ownCommand() {
				t.Errorf("got %+v; the holder is %d", locked, other.Process.Pid)
			}
			if !strings.Contains(err.Error(), fmt.Sprint(other.Process.Pid)) || !strings.Contains(err.Error(), path) {
				t.Errorf("the text names neither holder nor device: %v", err)
			}
			if err := other.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = other.Wait()
			if os.Getuid() != 0 && tc.role != "flock" {
				return // the kernel keeps TIOCEXCL of the dead holder while the pty's master is open, and only root passes it
			}
			open(t, o)
		})
	}
}

func TestLockFileOfOtherProcess(t *testing.T) {
	_, path := testPTY(t)
	dirs := []string{t.TempDir(), t.TempDir()}
	other := otherProcess(t, "idle", "")
	pid := other.Process.Pid
	name := filepath.Join(dirs[1], lockName(path)) // found in any of the folders
	if err := os.WriteFile(name, fmt.Appendf(nil, "%10d\n", pid), 0o644); err != nil {
		t.Fatal(err)
	}
	o := NewOpener(path, Settings{}, LockOptions{Dirs: dirs})
	var locked *LockedError
	if _, err := o.Open(t.Context()); !errors.As(err, &locked) || locked.PID != pid || locked.Kind != LockUUCP || locked.Path != name {
		t.Fatalf("got %v", err)
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait()
	open(t, o) // the lock is stale now
}

func TestLockFile(t *testing.T) {
	master, path := testPTY(t)
	link := filepath.Join(t.TempDir(), "usb-by-id")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "LCK..pts_"+filepath.Base(path)) // the device's name, not the link's
	d := open(t, NewOpener(link, Settings{}, LockOptions{Dirs: []string{dir}}))
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%10d\n", os.Getpid()); string(content) != want || len(content) != 11 {
		t.Errorf("content %q, want %q", content, want)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
	_ = master
}

// A lock file that another took over, as pppd does, is not ours to remove.
func TestLockFileTakenOver(t *testing.T) {
	dir := t.TempDir()
	_, path := testPTY(t)
	d := open(t, NewOpener(path, Settings{}, LockOptions{Dirs: []string{dir}}))
	name := filepath.Join(dir, lockName(path))
	if err := os.WriteFile(name, fmt.Appendf(nil, "%10d\n", os.Getppid()), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(name); err != nil {
		t.Errorf("the other's lock file is gone: %v", err)
	}
}

func TestLockName(t *testing.T) {
	for path, want := range map[string]string{
		"/dev/ttyS0": "LCK..ttyS0", "/dev/ttyUSB12": "LCK..ttyUSB12", "/dev/pts/7": "LCK..pts_7", "/srv/chroot/ttyS1": "LCK..ttyS1",
	} {
		if got := lockName(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// deadPID is the number of a process that is gone.
func deadPID(t *testing.T) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

func TestReadLock(t *testing.T) {
	self := os.Getpid()
	binarySelf := binary.NativeEndian.AppendUint32(nil, uint32(self))
	dead := deadPID(t)
	path := filepath.Join(t.TempDir(), "LCK..test")
	for _, tc := range []struct {
		name    string
		content []byte
		old     bool
		pid     int
		held    bool
	}{
		{"customary", fmt.Appendf(nil, "%10d\n", self), true, self, true},
		{"no newline", fmt.Appendf(nil, "%d", self), true, self, true},
		{"with words", fmt.Appendf(nil, "%10d minicom root\n", self), true, self, true},
		{"binary", binarySelf, true, self, true},
		{"process 1, not ours to signal", []byte("         1\n"), true, 1, true},
		{"dead", fmt.Appendf(nil, "%10d\n", dead), false, dead, false},
		{"empty and young", nil, false, 0, true},
		{"empty and old", nil, true, 0, false},
		{"no number, young", []byte("hello"), false, 0, true},
		{"no number, old", []byte("hello"), true, 0, false},
		{"negative", []byte("        -1\n"), true, 0, false},
		{"zero", []byte("         0\n"), true, 0, false},
		{"too large", []byte("4294967297\n"), true, 0, false},
	} {
		_ = os.Remove(path)
		if err := os.WriteFile(path, tc.content, 0o644); err != nil {
			t.Fatal(err)
		}
		if tc.old {
			long := time.Now().Add(-time.Hour)
			if err := os.Chtimes(path, long, long); err != nil {
				t.Fatal(err)
			}
		}
		if pid, held := readLock(path); pid != tc.pid || held != tc.held {
			t.Errorf("%s: %d, %v", tc.name, pid, held)
		}
	}
	if pid, held := readLock(path + "-absent"); pid != 0 || held {
		t.Errorf("absent: %d, %v", pid, held)
	}
}

// Stale files are replaced; one with our own number is from an earlier process 1 of a container.
func TestStaleLockFileIsReplaced(t *testing.T) {
	_, path := testPTY(t)
	dir := t.TempDir()
	name := filepath.Join(dir, lockName(path))
	for what, pid := range map[string]int{"dead": deadPID(t), "own": os.Getpid()} {
		if err := os.WriteFile(name, fmt.Appendf(nil, "%10d\n", pid), 0o644); err != nil {
			t.Fatal(err)
		}
		d := open(t, NewOpener(path, Settings{}, LockOptions{Dirs: []string{dir}}))
		if pid, _ := readLock(name); pid != os.Getpid() {
			t.Errorf("%s: the lock file says %d", what, pid)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// checkUnusableFolder opens a tty twice with a lock folder that can't be written: it opens, and the log says so once.
func checkUnusableFolder(t *testing.T, dirs ...string) {
	t.Helper()
	_, path := testPTY(t)
	var said bytes.Buffer
	o := NewOpener(path, Settings{}, LockOptions{Dirs: dirs, Log: slog.New(slog.NewTextHandler(&said, nil))})
	for range 2 {
		if err := open(t, o).Close(); err != nil {
			t.Error(err)
		}
	}
	if n := strings.Count(said.String(), "no lock file"); n != 1 || !strings.Contains(said.String(), dirs[0]) {
		t.Errorf("logged %d times: %s", n, said.String())
	}
}

func TestUnusableLockFolders(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("absent, and a file", func(t *testing.T) { checkUnusableFolder(t, filepath.Join(dir, "absent"), file) })
	t.Run("the second is used", func(t *testing.T) {
		good := t.TempDir()
		_, path := testPTY(t)
		open(t, NewOpener(path, Settings{}, LockOptions{Dirs: []string{filepath.Join(dir, "absent"), good}}))
		if pid, held := readLock(filepath.Join(good, lockName(path))); pid != os.Getpid() || !held {
			t.Errorf("%d, %v", pid, held)
		}
	})
	for name, options := range map[string]string{"read-only": "ro", "full": "nr_inodes=1"} {
		t.Run(name, func(t *testing.T) {
			if os.Getuid() != 0 {
				need(t, "root, for a mount namespace")
			}
			base := t.TempDir()
			if err := os.Mkdir(filepath.Join(base, "locks"), 0o755); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOtherProcess$", "-test.v")
			cmd.Env = append(os.Environ(), "PORT_TEST_ROLE=tmpfs", "PORT_TEST_PATH="+filepath.Join(base, "x"), "PORT_TEST_OPTIONS="+options)
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
			out, err := cmd.CombinedOutput()
			if errors.Is(err, unix.EPERM) {
				need(t, "the right to make a mount namespace")
			}
			if err != nil || !bytes.Contains(out, []byte("ready")) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func TestCommandOf(t *testing.T) {
	if got := commandOf(os.Getpid()); got != ownCommand() {
		t.Errorf("own: %q", got)
	}
	for _, pid := range []int{0, -1, deadPID(t)} {
		if got := commandOf(pid); got != "" {
			t.Errorf("%d: %q", pid, got)
		}
	}
}

func FuzzParseLockPID(f *testing.F) {
	for _, s := range []string{"      1230\n", "1230", "1230 minicom root\n", "", "\n", "   -1\n", "99999999999\n", "\x01\x02\x00\x00", "0x12", "1\x00\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		pid, ok := parseLockPID(content)
		if ok != (pid > 0) || pid > maxPID {
			t.Errorf("%q: %d, %v", content, pid, ok)
		}
		if again, ok := parseLockPID(fmt.Appendf(nil, "%10d\n", pid)); pid > 0 && (!ok || again != pid) {
			t.Errorf("%q reads as %d, written again as %d", content, pid, again)
		}
	})
}
