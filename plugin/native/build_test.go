package native

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"rashost/plugin/external/launch"
)

// built is what the tests have compiled: each thing once a run, in a folder that every account can enter.
var built struct {
	mu     sync.Mutex
	folder string
	done   map[string]error
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == launch.Command {
		os.Exit(launch.Main(os.Args[2:]))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	folder, err := os.MkdirTemp("", "rashost-native-test-")
	if err == nil {
		err = os.Chmod(folder, 0o755)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	built.folder, built.done = folder, make(map[string]error)
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// need leaves a test out where a command is missing, and fails it under CI=true.
func need(t testing.TB, command, debianPackage string) {
	t.Helper()
	if _, err := exec.LookPath(command); err == nil {
		return
	}
	text := fmt.Sprintf("NOT RUN: needs %s, Debian package %s", command, debianPackage)
	if os.Getenv("CI") == "true" {
		t.Fatal(text)
	}
	t.Skip(text)
}
