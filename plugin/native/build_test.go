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

// sharedFolder makes a folder for one test that the account of the libraries can enter.
func sharedFolder(t testing.TB) string {
	t.Helper()
	folder, err := os.MkdirTemp(built.folder, "test-")
	if err == nil {
		err = os.Chmod(folder, 0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// once builds a thing that the run needs, the first time it is needed.
func once(t testing.TB, name string, build func(path string) error) string {
	t.Helper()
	path := filepath.Join(built.folder, strings.ReplaceAll(name, "=", "-")) // env(1) takes a = for its own
	built.mu.Lock()
	defer built.mu.Unlock()
	err, known := built.done[name]
	if !known {
		err = build(path)
		built.done[name] = err
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// sources lists the sources of the test libraries.
func sources(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".c") || strings.HasSuffix(e.Name(), ".cpp") {
			all = append(all, e.Name())
		}
	}
	return all
}

// compiler is the command that compiles a test library with more flags, as docs/native.md says.
func compiler(t testing.TB, source string, flags ...string) *exec.Cmd {
	t.Helper()
	name := "gcc"
	if strings.HasSuffix(source, ".cpp") {
		name = "g++"
	}
	need(t, name, name)
	args := []string{"-g", "-Wall", "-Werror", "-fms-extensions", "-fshort-wchar", "-fPIC", "-Iinclude"}
	return exec.Command(name, append(append(args, flags...), filepath.Join("testdata", source))...)
}

// library builds a test library and returns its path. spec is its source and, after spaces, more flags.
func library(t testing.TB, spec string) string {
	t.Helper()
	words := strings.Fields(spec)
	return once(t, strings.Join(words, "")+".so", func(path string) error {
		cmd := compiler(t, words[0], append(words[1:], "-shared", "-o", path)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", cmd, err, out)
		}
		return nil
	})
}

// privateCopy is library under a path of the test's own.
func privateCopy(t testing.TB, spec string) string {
	t.Helper()
	path := filepath.Join(sharedFolder(t), "gate.so")
	if err := os.Link(library(t, spec), path); err != nil {
		t.Fatal(err)
	}
	return path
}

// rasdll builds the program that runs libraries, with the sanitizers that are named, and returns its path.
func rasdll(t testing.TB, sanitizers ...string) string {
	t.Helper()
	need(t, "gcc", "gcc")
	need(t, "make", "make")
	return once(t, "rasdll"+strings.Join(sanitizers, "-"), func(path string) error {
		cmd := exec.Command("make", "-f", "cmd/rasdll/rules.mk", "rasdll", "RASDLL="+path, "RASDLL_SANITIZE="+strings.Join(sanitizers, ","))
		cmd.Dir = "../.."
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", cmd, err, out)
		}
		return nil
	})
}
