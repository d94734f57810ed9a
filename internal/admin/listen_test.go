package admin

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestNotRunning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	_, err := Dial(t.Context(), path)
	if !errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), "no answer at "+path) || !strings.Contains(err.Error(), "rashost serve") {
		t.Errorf("no socket: %v", err)
	}
	r := start(t)
	r.stop()
	if _, err := Dial(t.Context(), r.path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := os.Lstat(r.path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket was left behind: %v", err)
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	killed, err := net.ListenUnix("unix", &net.UnixAddr{Name: path + ".new"}) // left by a daemon that was killed while it started
	if err != nil {
		t.Fatal(err)
	}
	killed.SetUnlinkOnClose(false)
	_ = killed.Close()
	if _, err := Dial(t.Context(), path); !errors.Is(err, ErrNotRunning) {
		t.Fatalf("a stale socket: %v", err)
	}
	s, err := Listen(t.Context(), path, Options{Host: newFakeHost()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	dial(t, path)
}

func TestSecondDaemonIsRefused(t *testing.T) {
	r := start(t)
	_, err := Listen(t.Context(), r.path, Options{Host: newFakeHost()})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), r.path) {
		t.Errorf("got %v", err)
	}
	dial(t, r.path) // the first is not disturbed

	// A daemon without our lock, such as an older one, is seen by its answer.
	other := filepath.Join(t.TempDir(), "other.sock")
	l, err := net.Listen("unix", other)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Listen(t.Context(), other, Options{Host: newFakeHost()}); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v", err)
	}
}

func TestPlacesWhereNoSocketCanBe(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file: "there is a file that is no socket", filepath.Join(file, "sock"): "its folder cannot be made",
		filepath.Join(dir, strings.Repeat("x", 120)): "the path is too long",
	} {
		_, err := Listen(t.Context(), path, Options{Host: newFakeHost()})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
	// Beside the socket, where it stands for a moment before it is moved to its place.
	if err := os.Rename(file, filepath.Join(dir, "control.new")); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "control.new")
	if _, err := Listen(t.Context(), filepath.Join(dir, "control"), Options{Host: newFakeHost()}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, want %s named", err, file)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Errorf("the file was changed: %q, %v", b, err)
	}
}

func TestCloseLeavesAnothersSocket(t *testing.T) {
	r := start(t)
	if err := os.Remove(r.path); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", r.path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r.stop()
	if _, err := os.Lstat(r.path); err != nil {
		t.Errorf("another daemon's socket was removed: %v", err)
	}
}

func TestOthersMayNotUseTheSocket(t *testing.T) {
	// Below a folder that everybody may enter, so that only the socket's own mode counts.
	dir, err := os.MkdirTemp("/tmp", "admin")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "control.sock")
	s, err := Listen(t.Context(), path, Options{Host: newFakeHost()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("NOT RUN: needs root")
		}
		t.Skip("NOT RUN: needs root to become another user")
	}
	self := filepath.Join(dir, "self")
	copySelf(t, self)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "ADMIN_TEST_DIAL="+path)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "you may not use "+path) {
		t.Errorf("as nobody: %s, %v", out, err)
	}
}

func copySelf(t *testing.T, to string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o755); err != nil {
		t.Fatal(err)
	}
}
