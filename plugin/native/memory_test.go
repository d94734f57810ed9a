package native

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rashost/dialog"
	"rashost/plugin"
)

// wrapped is a rasdll, built with sanitizers, that runs under command. FOLDER in it is where reports go, as files report*.
func wrapped(t testing.TB, command string, sanitizers ...string) (path, folder string) {
	t.Helper()
	folder = sharedFolder(t)
	path = filepath.Join(folder, "rasdll")
	script := fmt.Sprintf("#!/bin/sh\nexec %s %s \"$@\"\n", strings.ReplaceAll(command, "FOLDER", folder), rasdll(t, sanitizers...))
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path, folder
}

// reports returns what was written to folder/report*, for each process.
func reports(t testing.TB, folder string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "report*"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	return all
}

// exchanges plays calls that end in every ordinary way with a library: let in, refused, dropped.
func exchanges(r *rig, library string) {
	switch library {
	case "guard.c", "clerk.cpp":
		one, two := r.call("line1"), r.call("line2")
		one.expect("Name: ")
		two.expect("Name: ")
		one.send("caller1\rsecret-1\r")
		two.send("caller2\rno\rcaller2\rno\rcaller2\rno\r")
		one.want(granted("caller1"))
		two.want(refused("caller2"))
		gone := r.call("line1")
		gone.expect("Name: ")
		gone.hangUp()
		gone.want(dropped())
	case "token.c":
		c := r.call("line1")
		c.send(tokenAnswer("card17", -1))
		c.want(granted("card17"))
	case "bell.c":
		c := r.call("line1")
		c.send("abcd")
		c.expect("5*")
		c.send("e")
		c.expect("6+")
		c.send("f")
		c.want(granted("abcdef"))
	case "ledger.c":
		c := r.call("line1")
		c.send("bookkeeper\r")
		c.want(granted("bookkeeper"))
	default:
		r.t.Fatalf("no calls for %s", library)
	}
}

// checked runs the calls of a library with a wrapped rasdll; every process must end by itself, with status 0.
func checked(t *testing.T, library, flags, rasdllPath, folder string) {
	t.Helper()
	o := Options{Rasdll: rasdllPath, Read: []string{filepath.Dir(rasdll(t)), "/proc"}, Write: []string{folder}}
	o.Registry = map[string]any{`HKLM\SOFTWARE\Example\Ledger\User`: "bookkeeper"}
	var change func(s *plugin.Setup)
	if library == "guard.c" || library == "clerk.cpp" {
		o.Safe = "shared"
		change = func(s *plugin.Setup) { s.Isolation = "shared" }
	} else {
		change = func(*plugin.Setup) {}
	}
	r := newRig(t, library+" "+flags, o, change)
	r.o.DeviceName = "Test Bell 9600"
	r.o.Timeout = dialog.DefaultTimeout
	exchanges(r, library)
	r.shutdown()
	if log := r.log.String(); strings.Count(log, "program has ended") != strings.Count(log, `exit="exit status 0"`) || strings.Contains(log, "was ended") {
		t.Errorf("not every process ended with status 0:\n%s", log)
	}
}

// memoryLibraries are those that end their threads and free what they have.
var memoryLibraries = []string{"guard.c", "clerk.cpp", "token.c", "bell.c", "ledger.c"}

// Ordinary calls under valgrind's memcheck: no error, and nothing definitely lost.
func TestValgrind(t *testing.T) {
	t.Parallel()
	need(t, "valgrind", "valgrind")
	for _, library := range memoryLibraries {
		t.Run(library, func(t *testing.T) {
			path, folder := wrapped(t, "env TMPDIR=FOLDER valgrind --vgdb=no --error-exitcode=99 --leak-check=full --show-leak-kinds=definite"+
				" --errors-for-leak-kinds=definite --log-file=FOLDER/report%p")
			checked(t, library, "", path, folder)
			all := reports(t, folder)
			for _, text := range all {
				if !strings.Contains(text, "ERROR SUMMARY: 0 errors") {
					t.Errorf("valgrind:\n%s", text)
				}
			}
			if len(all) < 3 { // check, hello, calls
				t.Errorf("valgrind has seen %d processes, want at least 3", len(all))
			}
		})
	}
}

// A library that writes past its receive buffer is found by valgrind, and the fault is in the library.
func TestValgrindFindsOverrun(t *testing.T) {
	t.Parallel()
	need(t, "valgrind", "valgrind")
	path, folder := wrapped(t, "env TMPDIR=FOLDER valgrind --vgdb=no --error-exitcode=99 --log-file=FOLDER/report%p")
	r := newRig(t, "stray.c", Options{Rasdll: path, Read: []string{filepath.Dir(rasdll(t)), "/proc"}, Write: []string{folder}})
	c := r.call("line1")
	c.expect("What: ")
	c.send("overrun-by-one\r")
	c.want(failed(plugin.ErrorProcessAborted))
	r.gone()
	all := fmt.Sprint(reports(t, folder))
	if !strings.Contains(all, "signal 11 (SIGSEGV)") || !strings.Contains(all, "Happen (stray.c") {
		t.Errorf("valgrind did not blame the library:\n%s", all)
	}
	r.next(t)
}

const (
	sanitize = "-fsanitize=address,undefined"
	asan     = "env ASAN_OPTIONS=log_path=FOLDER/report:exitcode=99 UBSAN_OPTIONS=log_path=FOLDER/report:halt_on_error=1:exitcode=99"
)

// The same calls with rasdll and library built for AddressSanitizer and UndefinedBehaviorSanitizer: no report.
func TestSanitizers(t *testing.T) {
	t.Parallel()
	for _, library := range memoryLibraries {
		t.Run(library, func(t *testing.T) {
			path, folder := wrapped(t, asan, "address", "undefined")
			checked(t, library, sanitize, path, folder)
			for _, text := range reports(t, folder) {
				t.Errorf("report:\n%s", text)
			}
		})
	}
}

// AddressSanitizer finds the overrun too, and blames the library.
func TestSanitizerFindsOverrun(t *testing.T) {
	t.Parallel()
	path, folder := wrapped(t, asan, "address", "undefined")
	r := newRig(t, "stray.c "+sanitize, Options{Rasdll: path, Read: []string{filepath.Dir(rasdll(t)), "/proc"}, Write: []string{folder}})
	c := r.call("line1")
	c.expect("What: ")
	c.send("overrun-by-one\r")
	c.want(failed(plugin.ErrorProcessAborted))
	r.gone()
	if all := fmt.Sprint(reports(t, folder)); !strings.Contains(all, "AddressSanitizer") || !strings.Contains(all, "Happen") {
		t.Errorf("AddressSanitizer did not blame the library:\n%s", all)
	}
	r.next(t)
}
