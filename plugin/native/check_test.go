package native

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rashost/plugin"
	"rashost/plugin/external"
)

// fakeRasdll is a rasdll that does what script says when it is asked to check, and says hello otherwise.
func fakeRasdll(t testing.TB, script string) string {
	t.Helper()
	path := filepath.Join(sharedFolder(t), "rasdll")
	text := `#!/bin/sh
if [ "$1" = --check ]; then
` + script + `
fi
while read -r request; do
	echo '{"jsonrpc":"2.0","id":1,"result":{"version":1,"name":"fake"}}'
done
`
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// fakeLibrary is a file that fakeRasdll takes for a library.
func fakeLibrary(t testing.TB) string {
	t.Helper()
	path := filepath.Join(sharedFolder(t), "gate.so")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// What rasdll says becomes one line, fit for a screen and bounded.
func TestReason(t *testing.T) {
	for script, want := range map[string]string{
		`echo "rasdll: no such symbol: A" >&2; echo "rasdll: no such symbol: B" >&2; exit 1`: "native: no such symbol: A; no such symbol: B",
		`printf 'rasdll: gate.so needs:\n  A\n\n  B\n' >&2; exit 1`:                          "native: gate.so needs: A; B",
		`printf 'a \033[2J bell\n' >&2; exit 1`:                                              `native: "a \x1b[2J bell"`,
		`exit 3`:                                                                             "ended with exit status 3",
		`kill -SEGV $$`:                                                                      "ended with signal: segmentation fault",
		`echo nothing; exit 1`:                                                               "ended with exit status 1",
		`yes "a long reason" | head -c 1000000 >&2; exit 1`:                                  "a long reason; a long reason",
		`yes "said at load" | head -c 1000000; exit 1`:                                       "ended with exit status 1",
		`(sleep 60 & ) ; echo "has left a child" >&2; exit 1`:                                "has left a child",
		`[ "$2 $3" = "--hport dword" ] && exit 0; exit 1`:                                    "",
		`[ "$4" = --registry ] && grep -q swordfish "$5" && exit`:                            "",
	} {
		o := Options{Library: fakeLibrary(t), Rasdll: fakeRasdll(t, script), HPort: "dword", Registry: map[string]any{`HKLM\A\Secret`: "swordfish"}}
		p, err := New(setup(new(logText), o))
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", script, err)
			} else if err := p.(*Plugin).Close(); err != nil {
				t.Error(err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 2*reasonMax {
			t.Errorf("%s: got %.200v, want %s", script, err, want)
		}
	}
}

// The registry is nowhere on disk, not even while the plugin is in use: nothing is left however the host ends. Each process reads it from its
// beginning, none can change it, and once the plugin is closed it is gone.
func TestRegistryIsNoFile(t *testing.T) {
	dir := sharedFolder(t)
	t.Setenv("TMPDIR", dir)
	script := `for n in 1 2; do grep -q swordfish "$3" || exit 1; done
chmod 666 "$3" 2>/dev/null; (echo changed >"$3") 2>/dev/null && { echo "can be changed" >&2; exit 1; }
exit 0`
	o := Options{Library: fakeLibrary(t), Rasdll: fakeRasdll(t, script), Registry: map[string]any{`HKLM\A\B`: "swordfish"}}
	p, err := New(setup(new(logText), o))
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("in the temporary folder: %v, %v", entries, err)
	}
	registry := p.(*Plugin).registry
	if err := p.(*Plugin).Close(); err != nil {
		t.Error(err)
	}
	if _, err := registry.Stat(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// As root, a library never runs as root unless that is written out.
func TestUserIsRequired(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("NOT RUN: needs root")
		}
		t.Skip("NOT RUN: needs root")
	}
	s := setup(new(logText), Options{Library: fakeLibrary(t), Rasdll: fakeRasdll(t, "exit 0")})
	s.User = ""
	if p, err := New(s); err == nil || p != nil || !strings.Contains(err.Error(), "user is required") {
		t.Errorf("got %v, %v; want an error", p, err)
	}
	for _, name := range []string{"nobody", "root"} {
		script := `[ "$(id -un)" = ` + name + ` ] && [ -r "$3" ] || { id >&2; exit 1; }`
		s := setup(new(logText), Options{Library: fakeLibrary(t), Rasdll: fakeRasdll(t, script), Registry: map[string]any{`HKLM\A\B`: "c"}})
		s.User = name
		p, err := New(s)
		if err != nil {
			t.Errorf("as %s: %v", name, err)
			continue
		}
		if err := p.(*Plugin).Close(); err != nil {
			t.Error(err)
		}
	}
}

var _ plugin.Factory = New

// A library that is never done with loading ends the check, not the host.
func TestCheckHasALimit(t *testing.T) {
	library := fakeLibrary(t)
	program := external.Program{Command: []string{fakeRasdll(t, "sleep 600"), "--check", library}, Kind: "native"}
	err := checkLibrary(setup(new(logText), Options{}), program, 100*time.Millisecond)
	var fault *LoadError
	if !errors.As(err, &fault) || fault.Event != plugin.EventCannotLoadSecurity || !strings.Contains(err.Error(), "not loaded within 100ms") {
		t.Errorf("got %v", err)
	}
	for end := time.Now().Add(patience); len(processes(library)) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the check is still running")
		}
	}
}
