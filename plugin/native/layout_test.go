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
	for _, source := range sources(t) {
		mingw := "x86_64-w64-mingw32-gcc"
		flags := []string{"-Werror", "-Wall", "-Wextra", "-Wno-cast-function-type", "-fsyntax-only", "-DMESSAGE_SIZE=296"}
		switch {
		case source == "stray.c": // uses what is below
			continue
		case strings.HasSuffix(source, ".cpp"):
			mingw = "x86_64-w64-mingw32-g++"
		}
		need(t, mingw, "g++-mingw-w64-x86-64-win32")
		cmd := exec.Command(mingw, append(flags, source)...)
		cmd.Dir = "testdata"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", source, err, out)
		}
	}
}
