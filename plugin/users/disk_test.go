package users

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// soon waits for f, which must not block on what stands in a file's place.
func soon(t *testing.T, what string, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(30 * time.Second):
		t.Fatalf("%s is blocked", what)
		return nil
	}
}

// A FIFO or a folder in the place of a file of ours is an error at once, and stays.
func TestNotAFile(t *testing.T) {
	for kind, put := range map[string]func(path string) error{
		"FIFO":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"folder": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		for name, use := range map[string]func(path string) error{
			"users.yaml":      func(path string) error { _, err := OpenStore(path, discard); return err },
			"users.yaml.list": func(path string) error { _, err := mustFile(t, path).List(); return err },
			"users.yaml.add": func(path string) error {
				return mustFile(t, path).Add("alice", []byte("sesame"), Verifiers{})
			},
			"lockout.json":   func(path string) error { _, err := OpenLockout(path, 1, time.Hour, discard); return err },
			"unlock.json":    func(path string) error { _, err := Unlock(path, "alice"); return err },
			"write":          func(path string) error { return writeFile(path, nil) },
			"fake-users.key": func(path string) error { _, err := FakeKey(filepath.Dir(path)); return err },
		} {
			path := filepath.Join(t.TempDir(), name)
			if err := put(path); err != nil {
				t.Fatal(err)
			}
			err := soon(t, name, func() error { return use(path) })
			if err == nil || !strings.Contains(err.Error(), path+": not a regular file") {
				t.Errorf("%s as a %s: %v", name, kind, err)
			}
			if info, err := os.Lstat(path); err != nil || info.Mode().IsRegular() {
				t.Errorf("%s: the %s is gone: %v, %v", name, kind, info, err)
			}
		}
	}
}

// A FIFO that takes the place of the user file or of the lock-out state while the host runs blocks nobody.
func TestFIFOWhileRunning(t *testing.T) {
	path := writeUsers(t, oneUser("alice", cheapHash))
	s, log := mustStore(t, path)
	state := filepath.Join(filepath.Dir(path), "lockout.json")
	l := mustLockout(t, state, 1, time.Hour)
	judges(t, l, "bob", "modem1", "-", "n")
	for _, name := range []string{path, state} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	err := soon(t, "Lookup", func() error {
		_, ok, err := s.Lookup(t.Context(), "alice")
		if !ok {
			t.Error("the users did not stay as they were")
		}
		return err
	})
	if err != nil || !strings.Contains(log.String(), "not a regular file") {
		t.Errorf("%v; log: %s", err, log)
	}
	if err := soon(t, "Judge", func() error { judges(t, l, "bob", "modem1", "+", "n"); return nil }); err != nil {
		t.Error(err)
	}
	if err := soon(t, "UpdateHash", func() error { return s.UpdateHash(t.Context(), "alice", cheapHash, cheapHash) }); err == nil {
		t.Error("a FIFO was written as a user file")
	}
}

func TestLockIsAFileOnly(t *testing.T) {
	path := writeUsers(t, oneUser("alice", cheapHash))
	if err := syscall.Mkfifo(path+".lock", 0o600); err != nil {
		t.Fatal(err)
	}
	err := soon(t, "Remove", func() error { return mustFile(t, path).Remove("alice") })
	if err == nil || !strings.Contains(err.Error(), path+".lock: not a regular file") {
		t.Errorf("a FIFO as lock: %v", err)
	}
	if err := os.Remove(path + ".lock"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(t.TempDir(), "elsewhere"), path+".lock"); err != nil {
		t.Fatal(err)
	}
	if err := mustFile(t, path).Remove("alice"); err == nil {
		t.Error("a link was followed as lock")
	}
}

func TestFilesAreBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yaml")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, maxFileSize+1); err != nil {
		t.Fatal(err)
	}
	if _, err := mustFile(t, path).List(); err == nil || !strings.Contains(err.Error(), "larger than 16777216 bytes") {
		t.Errorf("got %v", err)
	}
}

// A write that fails leaves the old file and nothing beside it.
func TestFailedWriteLeavesNothing(t *testing.T) {
	path := writeUsers(t, oneUser("alice", cheapHash))
	var limit, none syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	none.Max = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &none); err != nil { // Go ignores SIGXFSZ
		t.Fatal(err)
	}
	err := writeFile(path, []byte("version: 1\n"))
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	if err == nil {
		t.Error("a write beyond the limit succeeded")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != oneUser("alice", cheapHash) {
		t.Errorf("the file is now %q, %v", text, err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
}

// Whoever is not root keeps the group of the file, if it is one of theirs; otherwise the group's permissions go.
func TestOthersKeepTheGroupWherePossible(t *testing.T) {
	if path := os.Getenv("USERS_TEST_REWRITE"); path != "" {
		if err := writeFile(path, []byte("new")); err != nil {
			t.Fatal(err)
		}
		return
	}
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("NOT RUN: needs root")
	}
	const nobody, theirs, foreign = 65534, 4321, 4322
	for group, want := range map[int]os.FileMode{theirs: 0o640, foreign: 0o600, nobody: 0o640} {
		dir, err := os.MkdirTemp("/tmp", "users") // a path that nobody may walk
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		path := filepath.Join(dir, "users.yaml")
		if err := os.WriteFile(path, []byte("old"), 0o640); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{dir, path} {
			if err := os.Chown(name, nobody, group); err != nil {
				t.Fatal(err)
			}
		}
		binary := filepath.Join(dir, "test")
		data, err := os.ReadFile("/proc/self/exe")
		if err == nil {
			err = os.WriteFile(binary, data, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(binary, "-test.run", "^"+t.Name()+"$")
		cmd.Dir = dir
		cmd.Env = []string{"USERS_TEST_REWRITE=" + path}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody, Groups: []uint32{theirs}}}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		gid := int(info.Sys().(*syscall.Stat_t).Gid)
		if info.Mode().Perm() != want || want == 0o640 && gid != group {
			t.Errorf("group %d: mode %v, group %d", group, info.Mode(), gid)
		}
		if text, _ := os.ReadFile(path); string(text) != "new" {
			t.Errorf("group %d: the file was not rewritten", group)
		}
	}
}
