package rasdll

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// built is what the tests have compiled, each thing once a run.
var built struct {
	mu     sync.Mutex
	folder string
	done   map[string]error
}

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	folder, err := os.MkdirTemp("", "rasdll-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	built.folder, built.done = folder, make(map[string]error)
	return m.Run()
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

// once builds a thing, the first time it is needed, by a command in the root of the sources, whose last argument is the thing's path.
func once(t testing.TB, name string, command ...string) string {
	t.Helper()
	need(t, "gcc", "gcc")
	need(t, "make", "make")
	noteSources(t)
	built.mu.Lock()
	defer built.mu.Unlock()
	path := filepath.Join(built.folder, name)
	err, known := built.done[name]
	if !known {
		cmd := exec.Command(command[0], append(command[1:], path)...)
		cmd.Dir = "../.."
		if out, failed := cmd.CombinedOutput(); failed != nil {
			err = fmt.Errorf("%s: %w\n%s", cmd, failed, out)
		}
		built.done[name] = err
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// noteSources looks at what the compiler reads, so that the go command runs a cached test again when it has changed.
func noteSources(t testing.TB) {
	t.Helper()
	for _, pattern := range []string{"rules.mk", "src/*", "testdata/*", include + "/*"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		for _, path := range paths {
			if _, err := os.Stat(path); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// rasdll builds the program by its rules. With sanitizers it finds its own faults.
func rasdll(t testing.TB, sanitizers string) string {
	t.Helper()
	name := "rasdll" + strings.ReplaceAll(sanitizers, ",", "-")
	return once(t, name, "make", "-s", "-f", "cmd/rasdll/rules.mk", "RASDLL_SANITIZE="+sanitizers,
		"RASDLL="+filepath.Join(built.folder, name))
}

// library builds a library of testdata as docs/native.md says, with more flags.
func library(t testing.TB, source string, flags ...string) string {
	t.Helper()
	command := append([]string{"gcc", "-Wall", "-Werror", "-fms-extensions", "-fshort-wchar", "-fPIC", "-shared", "-Iplugin/native/include"}, flags...)
	name := strings.TrimSuffix(source, ".c") + strings.Join(flags, "") + ".so"
	return once(t, name, append(command, "cmd/rasdll/testdata/"+source, "-o")...)
}

// both are the two ways in which every test of behaviour runs rasdll.
var both = map[string]string{"plain": "", "sanitized": "address,undefined"}

// outcome is how a run of rasdll ended.
type outcome struct {
	code           int
	stdout, stderr string
}

// start runs rasdll to its end with an input.
func start(t testing.TB, program, stdin string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// Wrong arguments: status 2, what is wrong, and the usage.
func TestUsage(t *testing.T) {
	program := rasdll(t, "")
	for args, says := range map[string]string{
		"":                        "name one library",
		"a.so b.so":               "name one library",
		"--check":                 "name one library",
		"--hport qword a.so":      "--hport is handle or dword",
		"--safe always a.so":      "--safe is call, line or shared",
		"--frobnicate a.so":       "no such option",
		"a.so --registry":         "name one library",
		"--registry":              "lacks its value",
		"--check --hport= --name": "--hport is handle or dword",
	} {
		o := start(t, program, "", strings.Fields(args)...)
		if o.code != 2 || !strings.HasPrefix(o.stderr, "rasdll: ") || !strings.Contains(o.stderr, says) ||
			!strings.Contains(o.stderr, "usage: rasdll") || o.stdout != "" {
			t.Errorf("%q: got %+v", args, o)
		}
	}
	if o := start(t, program, "", "--help"); o.code != 0 || !strings.HasPrefix(o.stdout, "usage: rasdll") {
		t.Errorf("--help: got %+v", o)
	}
}

// What --check says of libraries: good ones, and each fault by name.
func TestCheck(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text.so")
	if err := os.WriteFile(text, []byte("\x7fELF is not all that it takes"), 0o600); err != nil {
		t.Fatal(err)
	}
	for how, sanitizers := range both {
		program := rasdll(t, sanitizers)
		for _, tc := range []struct {
			name, path string
			flags      []string
			code       int
			says       []string
		}{
			{"handle", library(t, "parts.c"), nil, 0, []string{"HPORT is a HANDLE", "296 bytes", "DllMain is there"}},
			{"dword", library(t, "parts.c", "-DRASSHOST_HPORT_DWORD"), nil, 0, []string{"HPORT is a DWORD", "288 bytes"}},
			{"handle, asked for", library(t, "parts.c"), []string{"--hport", "handle"}, 0, []string{"HANDLE"}},
			{"handle, asked for dword", library(t, "parts.c"), []string{"--hport", "dword"}, 1, []string{"HPORT of 8 bytes", "hport dword"}},
			{"unknown", library(t, "parts.c", "-DRASSHOST_NO_HPORT_SIZE"), nil, 1, []string{"hport handle or hport dword"}},
			{"unknown, asked for", library(t, "parts.c", "-DRASSHOST_NO_HPORT_SIZE"), []string{"--hport", "dword"}, 0, []string{"DWORD (--hport)"}},
			{"no exports", library(t, "parts.c", "-DNO_BEGIN", "-DNO_END"), nil, 1, []string{"export RasSecurityDialogBegin", "export RasSecurityDialogEnd"}},
			{"unresolved", library(t, "parts.c", "-DUNRESOLVED"), nil, 1, []string{"unresolved symbol CallsNobody", "unresolved symbol g_nNobody"}},
			{"refuses", library(t, "parts.c", "-DREFUSES"), nil, 1, []string{"DllMain", "refused"}},
			{"text", text, nil, 1, []string{"text.so"}},
			{"nothing", filepath.Join(t.TempDir(), "nothing.so"), nil, 1, []string{"nothing.so"}},
			{"folder", t.TempDir(), nil, 1, []string{"rasdll: "}},
			{"system library", "libc.so.6", nil, 1, []string{"libc.so.6"}}, // only what is named is loaded, nothing from the system's folders
		} {
			t.Run(how+"/"+tc.name, func(t *testing.T) {
				o := start(t, program, "", append(append([]string{"--check"}, tc.flags...), tc.path)...)
				if o.code != tc.code || (tc.code == 0) != (o.stderr == "") {
					t.Errorf("got %+v, want status %d", o, tc.code)
				}
				for _, says := range tc.says {
					if !strings.Contains(o.stdout+o.stderr, says) {
						t.Errorf("%q is not in %+v", says, o)
					}
				}
			})
		}
	}
}

// A library cut short anywhere is refused, and never crashes the search for what is missing.
func TestCheckBrokenFile(t *testing.T) {
	program := rasdll(t, "address,undefined")
	whole, err := os.ReadFile(library(t, "parts.c", "-DUNRESOLVED"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "broken.so")
	for i := range 60 {
		broken := bytes.Clone(whole[:len(whole)-i*len(whole)/60])
		for j := 40 + i; j < min(len(broken), 64) && i%2 == 1; j += 7 { // the header's offsets and counts
			broken[j] ^= 0x81
		}
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		if o := start(t, program, "", "--check", path); o.code != 1 || !strings.HasPrefix(o.stderr, "rasdll: ") || strings.Contains(o.stderr, "Sanitizer") {
			t.Fatalf("variant %d: got %+v", i, o)
		}
	}
}

// Faults of the registry's file; what it says is not repeated, because it may be secret.
func TestRegistryFile(t *testing.T) {
	program, lib := rasdll(t, "address,undefined"), library(t, "parts.c")
	path := filepath.Join(t.TempDir(), "registry")
	for text, code := range map[string]int{
		"": 0,
		"HKLM\\A\tB\tsz\tswordfish\nHKEY_USERS\tB\tdword\t7\n": 0,
		"HKLM\\A\tB\tsz\tswordfish":                            1,
		"HKXX\\A\tB\tsz\tswordfish\n":                          1,
		"HKLM\\A\tB\tqword\tswordfish\n":                       1,
		"HKLM\\A\tB\tdword\tswordfish\n":                       1,
		"HKLM\\A\tB\tdword\t4294967296\n":                      1,
		"HKLM\\A\tB\tsz\n":                                     1,
		"\n":                                                   1,
		"HKLM\\A\tB\tsz\tsword\x00fish\n":                      1,
		"HKLM\\" + strings.Repeat("A", 600) + "\tB\tsz\tx\n":   1,
		strings.Repeat("HKLM\\A\tB\tsz\tx\n", 80000):           1,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		o := start(t, program, "", "--check", "--registry", path, lib)
		if o.code != code || (code == 1 && !strings.HasPrefix(o.stderr, "rasdll: registry ")) || strings.Contains(o.stderr, "sword") {
			t.Errorf("%.80q: got %+v, want status %d", text, o, code)
		}
	}
	if o := start(t, program, "", "--check", "--registry", path+"/not", lib); o.code != 1 || !strings.Contains(o.stderr, path) {
		t.Errorf("no file: got %+v", o)
	}
}
