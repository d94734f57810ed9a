package users

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// cheapHash is of "correct horse" and fast.
var cheapHash = glibcHashes["bcrypt 2b"]

// writeUsers makes a user file from lines and returns its path.
func writeUsers(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users.yaml")
	replaceUsers(t, path, text)
	return path
}

// replaceUsers replaces a user file as an editor does.
func replaceUsers(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".edit", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".edit", path); err != nil {
		t.Fatal(err)
	}
}

// oneUser is a file with one user.
func oneUser(name, hash string) string {
	return fmt.Sprintf("version: 1\nusers:\n  - name: %s\n    hash: %s\n", name, hash)
}

func mustFile(t testing.TB, path string) *File {
	t.Helper()
	f, err := NewFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFileLifeOfAUser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yaml")
	f := mustFile(t, path)
	if err := f.Add("Alice", []byte("sesame"), Verifiers{}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the new file: %v, %v", info.Mode(), err)
	}
	if err := f.Add("aLICE", []byte("other"), Verifiers{}); !errors.Is(err, ErrUserExists) {
		t.Errorf("adding the same name in other case: %v", err)
	}
	verify := func(name, secret string, want bool) {
		t.Helper()
		if ok, err := f.Verify(name, []byte(secret)); ok != want || err != nil {
			t.Errorf("Verify(%s, %s) = %v, %v", name, secret, ok, err)
		}
	}
	verify("alice", "sesame", true)
	verify("ALICE", "Sesame", false)
	verify("alice", "", false)
	if err := f.Passwd("alice", []byte("new secret"), Verifiers{}); err != nil {
		t.Fatal(err)
	}
	verify("alice", "sesame", false)
	verify("alice", "new secret", true)
	if err := f.SetDisabled("alice", true); err != nil {
		t.Fatal(err)
	}
	verify("alice", "new secret", false)
	users, err := f.List()
	if err != nil || len(users) != 1 {
		t.Fatalf("List: %v, %v", users, err)
	}
	u := users[0]
	if u.Name != "Alice" || u.Kind != "argon2id" || u.Mark != "" || !u.Disabled || time.Since(u.Created) > time.Hour || u.Changed.Before(u.Created) {
		t.Errorf("List: %+v", u)
	}
	if err := f.SetDisabled("alice", false); err != nil {
		t.Fatal(err)
	}
	verify("alice", "new secret", true)
	if err := f.Remove("ALICE"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Verify("alice", nil); !errors.Is(err, ErrNoUser) {
		t.Errorf("Verify of a removed user: %v", err)
	}
	for what, err := range map[string]error{
		"Passwd": f.Passwd("alice", []byte("x"), Verifiers{}), "Remove": f.Remove("alice"), "SetDisabled": f.SetDisabled("alice", true),
	} {
		if !errors.Is(err, ErrNoUser) {
			t.Errorf("%s of a removed user: %v", what, err)
		}
	}
}

func TestFileRefusesNamesAndSecrets(t *testing.T) {
	f := mustFile(t, filepath.Join(t.TempDir(), "users.yaml"))
	for _, name := range []string{"", "-rf", " alice", "al ice", "alice\n", "../x", ".x", "@x", "j\xc3\xb6rg", strings.Repeat("x", 65)} {
		if err := f.Add(name, []byte("x"), Verifiers{}); !errors.Is(err, ErrName) {
			t.Errorf("Add(%q): %v", name, err)
		}
	}
	if err := f.Add("alice", nil, Verifiers{}); !errors.Is(err, ErrNoSecret) {
		t.Errorf("empty secret: %v", err)
	}
	if err := f.Add("alice", make([]byte, MaxSecret+1), Verifiers{}); !errors.Is(err, ErrLongSecret) {
		t.Errorf("long secret: %v", err)
	}
	for _, secret := range []string{"swordfish\x00", "sword\x00fish", "sw\xf6rdfish", "swordfish\xff"} {
		if err := f.Add("alice", []byte(secret), Verifiers{}); !errors.Is(err, ErrSecretText) {
			t.Errorf("secret %q: %v", secret, err)
		}
	}
	if _, err := f.List(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("refused users made a file: %v", err)
	}
	if err := f.Passwd("alice", []byte("x"), Verifiers{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Passwd without a file: %v", err)
	}
}

func TestListMarksOtherKinds(t *testing.T) {
	text := "version: 1\nusers:\n"
	var names []string
	for name, hash := range glibcHashes {
		names = append(names, name)
		text += fmt.Sprintf("  - {name: u%d, hash: %s}\n", len(names), hash)
	}
	users, err := mustFile(t, writeUsers(t, text)).List()
	if err != nil {
		t.Fatal(err)
	}
	for i, u := range users {
		kind, _, _ := strings.Cut(names[i], " ")
		if u.Kind != kind || u.Mark != "rehash at next login: "+kind {
			t.Errorf("%s: %+v", names[i], u)
		}
	}
	other := "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if users, err = mustFile(t, writeUsers(t, oneUser("a", other))).List(); err != nil || users[0].Mark != "rehash at next login: argon2id" {
		t.Errorf("another cost: %+v, %v", users, err)
	}
}

func TestUserFileMode(t *testing.T) {
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: true, 0o644: false, 0o604: false, 0o660: false, 0o602: false} {
		path := writeUsers(t, oneUser("alice", cheapHash))
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		f := mustFile(t, path)
		_, err := f.List()
		if ok != (err == nil) || !ok && !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %04o: %v", mode, err)
		}
		if !ok {
			continue
		}
		if err := f.SetDisabled("alice", true); err != nil {
			t.Fatal(err)
		}
		if info, _ := os.Stat(path); info.Mode().Perm() != mode {
			t.Errorf("mode %04o became %04o", mode, info.Mode().Perm())
		}
	}
}

// A reader sees the old file or the new one, never a part, and nothing is left beside it.
func TestWriteIsAtomic(t *testing.T) {
	path := writeUsers(t, oneUser("alice", cheapHash))
	f := mustFile(t, path)
	old, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := f.SetDisabled("alice", true); err != nil {
		t.Fatal(err)
	}
	var was bytes.Buffer
	if _, err := was.ReadFrom(old); err != nil || was.String() != oneUser("alice", cheapHash) {
		t.Errorf("the old file was written to: %q, %v", was.String(), err)
	}
	// A file of the operator's stays, whatever its name.
	if err := os.WriteFile(path+".new", []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.SetDisabled("alice", false); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path + ".new"); err != nil || string(text) != "mine" {
		t.Errorf("the operator's own file is now %q, %v", text, err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, []string{"users.yaml", "users.yaml.lock", "users.yaml.new"}) {
		t.Errorf("the folder holds %v", names)
	}
}

func TestFileBehindALinkIsReplaced(t *testing.T) {
	real := writeUsers(t, oneUser("alice", cheapHash))
	link := filepath.Join(t.TempDir(), "users.yaml")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if err := mustFile(t, link).SetDisabled("alice", true); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info.Mode(), err)
	}
	if users, err := mustFile(t, real).List(); err != nil || !users[0].Disabled {
		t.Errorf("the file behind the link: %+v, %v", users, err)
	}
}

// What root changes or makes still belongs to the user that the daemon runs as.
func TestRootKeepsTheOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("NOT RUN: needs root")
	}
	const nobody = 65534
	owner := func(path string) uint32 {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Sys().(*syscall.Stat_t).Uid
	}
	kept := writeUsers(t, oneUser("alice", cheapHash))
	if err := os.Chown(kept, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	if err := mustFile(t, kept).SetDisabled("alice", true); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(dir, "users.yaml")
	if err := mustFile(t, made).Add("alice", []byte("sesame"), Verifiers{}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{kept, made, made + ".lock"} {
		if uid := owner(path); uid != nobody {
			t.Errorf("%s belongs to user %d", path, uid)
		}
	}
}

func TestConcurrentChangesAreAllKept(t *testing.T) {
	path := writeUsers(t, oneUser("alice", cheapHash))
	const writers = 8
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			f := mustFile(t, path) // a File of its own, as another process has
			if err := f.Add(fmt.Sprintf("user%d", i), []byte("sesame"), Verifiers{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if users, err := mustFile(t, path).List(); err != nil || len(users) != writers+1 {
		t.Errorf("%d users, %v", len(users), err)
	}
}

func TestHeldLockIsAnError(t *testing.T) {
	path := writeUsers(t, oneUser("alice", cheapHash))
	unlock, err := lockFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := mustFile(t, path).Remove("alice"); err == nil || !strings.Contains(err.Error(), path+".lock: another program holds the lock") {
		t.Errorf("got %v", err)
	}
	unlock()
	if err := mustFile(t, path).Remove("alice"); err != nil {
		t.Error(err)
	}
}
