package config

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMain is also the other process of TestUnreadable: with CONFIG_TEST_LOAD it prints what Load says.
func TestMain(m *testing.M) {
	if path := os.Getenv("CONFIG_TEST_LOAD"); path != "" {
		_, err := Load(path, Env{})
		fmt.Println(err)
		return
	}
	os.Exit(m.Run())
}

func TestUnreadable(t *testing.T) {
	// Below a folder that everybody may enter, so that only the file's own mode counts.
	dir, err := os.MkdirTemp("/tmp", "config")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path, self := filepath.Join(dir, "c.yaml"), filepath.Join(dir, "self")
	if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	exe, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(self, exe, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "CONFIG_TEST_LOAD="+path)
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	} else if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), path+": you may not read it") {
		t.Errorf("got %s, %v", out, err)
	}
}
