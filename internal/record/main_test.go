package record

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// TestMain also plays the other processes of the tests.
func TestMain(m *testing.M) {
	if role := os.Getenv("RECORD_TEST_ROLE"); role != "" {
		if err := play(role, os.Getenv("RECORD_TEST_DIR")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func play(role, dir string) error {
	ctx := context.Background()
	switch role {
	case "host": // writes three calls at three stages, says so, and waits to be killed
		s, err := Open(ctx, dir, Options{})
		if err != nil {
			return err
		}
		for _, id := range []string{"started", "decided", "ended"} {
			if err := s.Start(Row{ID: id, Line: "line1"}).Wait(ctx); err != nil {
				return err
			}
		}
		s.Verdict("decided", VerdictUpdate{User: "alice", Verdict: 1, Steps: []Step{{What: "let in"}}})
		s.End("ended", EndUpdate{Cause: 1})
		if err := s.Flush(ctx); err != nil {
			return err
		}
		fmt.Println("ready")
		select {}
	case "reader": // prints the ids of all calls
		r, err := OpenReader(dir)
		if err != nil {
			return err
		}
		rows, err := r.Calls(ctx, Query{})
		if err != nil {
			return err
		}
		for _, row := range rows {
			fmt.Println(row.ID)
		}
		return r.Close()
	default:
		return fmt.Errorf("no role %q", role)
	}
}

// helper is another process of a role.
func helper(t *testing.T, role, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), "RECORD_TEST_ROLE="+role, "RECORD_TEST_DIR="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// ownMounts runs the rest of the calling test in a process with mounts of its own, and says whether this is that process.
func ownMounts(t *testing.T) bool {
	t.Helper()
	if os.Getenv("RECORD_TEST_MOUNTS") == t.Name() {
		if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		return true
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "RECORD_TEST_MOUNTS="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if cmd.Process == nil {
		missing(t, "root or user namespaces: "+err.Error())
	}
	if err != nil {
		t.Fatalf("in a mount namespace: %v\n%s", err, out)
	}
	return false
}

// missing skips a test that can't run here; where everything must run it fails.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("needs " + what)
	}
	t.Skip("NOT RUN: needs " + what)
}

// smallDisk mounts a tmpfs of that many bytes.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// open opens a store that retries fast and is closed at the end of the test.
func open(t *testing.T, dir string, o Options) *Store {
	t.Helper()
	if o.retryMin == 0 {
		o.retryMin, o.retryMax, o.busy = time.Millisecond, 5*time.Millisecond, time.Millisecond
	}
	s, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Close(context.Background()) // a second Close of a store that its test has closed
	})
	return s
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited too long until " + what)
		}
	}
}

func path(dir string) string { return filepath.Join(dir, FileName) }
