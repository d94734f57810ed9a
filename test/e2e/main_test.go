// Package e2e tests the whole product: the real rashost binary on real pseudo-terminals, with virtual modems, robot callers and the
// commands that an operator uses. It holds tests only.
package e2e

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The two people of the user file.
const (
	alice, alicePassword = "alice", "wonderland-7"
	bob, bobPassword     = "bob", "correct-horse-8"
)

var (
	binary string // the rashost that is tested
	users  []byte // a user file with alice and bob
)

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = flag.Set("test.parallel", "8") // the tests wait more than they compute
	}
	os.Exit(runAll(m))
}

// runAll builds the binary and a user file, and runs the tests.
func runAll(m *testing.M) int {
	dir, err := os.MkdirTemp("", "rashost-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	binary = filepath.Join(dir, "rashost")
	args := []string{"build", "-o", binary}
	if os.Getenv("RASHOST_E2E_RACE") != "" {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "./cmd/rashost")...)
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "e2e: go build: %v\n%s", err, out)
		return 1
	}
	file := filepath.Join(dir, "users.yaml")
	for _, u := range [][2]string{{alice, alicePassword}, {bob, bobPassword}} {
		add := exec.Command(binary, "user", "add", "--file", file, u[0])
		add.Stdin = bytes.NewBufferString(u[1] + "\n")
		if out, err := add.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "e2e: user add: %v\n%s", err, out)
			return 1
		}
	}
	if users, err = os.ReadFile(file); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	return m.Run()
}
