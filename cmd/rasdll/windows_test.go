package rasdll

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The whole of the Windows in the headers, tried out by a library: plain, with the sanitizers and under valgrind. Begin returns the line of
// the check that failed. ExitProcess in End ends the process with its code.
func TestWindows(t *testing.T) {
	registry := filepath.Join(t.TempDir(), "registry")
	const key = `SOFTWARE\Example\Windows`
	text := `HKLM\` + key + "\tText\tsz\ta b c\n" + `hklm\` + key + "\tNumber\tdword\t4294967295\n" + `HKEY_LOCAL_MACHINE\` + key + "\t\tsz\t\n"
	if err := os.WriteFile(registry, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for how, command := range map[string]func(t *testing.T) []string{
		"plain":     func(t *testing.T) []string { return []string{rasdll(t, "")} },
		"sanitized": func(t *testing.T) []string { return []string{rasdll(t, "address,undefined")} },
		"valgrind": func(t *testing.T) []string {
			need(t, "valgrind", "valgrind")
			return []string{"valgrind", "--quiet", "--error-exitcode=99", rasdll(t, "")}
		},
	} {
		t.Run(how, func(t *testing.T) {
			s := open(t, append(command(t), "--registry", registry, library(t, "windows.c"))...)
			s.hello("windows.so", "call")
			s.begin(7, `"x"`)
			s.expect(result(2, 0))
			s.request("SecurityDialogEnd", `"hport":7`)
			s.end(3)
			if got := s.stderr.String(); got != "the debugger\nthe end\n" {
				t.Errorf("stderr: %s", got)
			}
		})
	}
}

// A library that was not built as docs/native.md says does not compile, instead of going wrong.
func TestFlagsAreChecked(t *testing.T) {
	need(t, "gcc", "gcc")
	for flag, says := range map[string]string{
		"-fno-short-wchar": "compile with -fshort-wchar", "-DUNICODE": "build without UNICODE", "-fpack-struct=1": "pragma pack",
	} {
		o := start(t, "gcc", "", "-fms-extensions", "-fshort-wchar", flag, "-I"+include, "-fsyntax-only", "testdata/parts.c")
		if o.code == 0 || !strings.Contains(o.stderr, says) {
			t.Errorf("%s: got %+v, want %q", flag, o, says)
		}
	}
}
