package native

import (
	"os/exec"
	"strings"
	"testing"
)

// The sizes and offsets of rasshost.h as published (contract 1.2), in C and C++, with both kinds of HPORT: the compiler checks them.
func TestLayout(t *testing.T) {
	for _, source := range []string{"layout.c", "layout.cpp"} {
		for _, flags := range [][]string{{"-DMESSAGE_SIZE=296"}, {"-DMESSAGE_SIZE=288", "-DRASSHOST_HPORT_DWORD"}} {
			if out, err := compiler(t, source, append(flags, "-fsyntax-only")...).CombinedOutput(); err != nil {
				t.Errorf("%s %v: %v\n%s", source, flags, err, out)
			}
		}
	}
}

// The check of the layout is one: it fails with the other kind of HPORT.
func TestLayoutFindsOtherSize(t *testing.T) {
	out, err := compiler(t, "layout.c", "-DMESSAGE_SIZE=296", "-DRASSHOST_HPORT_DWORD", "-fsyntax-only").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "message_port") {
		t.Errorf("got %v: %s", err, out)
	}
}

// The libraries of these tests are sources for Windows: they compile with its own headers, as mingw-w64 has them.
func TestLibrariesAreWindowsSource(t *testing.T) {
	t.Parallel()
	need(t, "x86_64-w64-mingw32-g++", "g++-mingw-w64-x86-64-win32")
	for _, source := range sources(t) {
		if source == "stray.c" { // uses the system below
			continue
		}
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			mingw := "x86_64-w64-mingw32-gcc"
			if strings.HasSuffix(source, ".cpp") {
				mingw = "x86_64-w64-mingw32-g++"
			}
			cmd := exec.Command(mingw, "-Werror", "-Wall", "-Wextra", "-Wno-cast-function-type", "-fsyntax-only", "-DMESSAGE_SIZE=296", source)
			cmd.Dir = "testdata"
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
