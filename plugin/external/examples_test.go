package external

import (
	"bytes"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"rashost/plugin"
	"rashost/plugin/plugintest"
)

// account is whom programs run as: nobody else is needed where rashost is not root.
func account() string {
	if os.Geteuid() == 0 {
		return "root"
	}
	return ""
}

// example returns the absolute path of an example's file.
func example(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("examples", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// porter builds the example in Go and returns its path.
func porter(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "porter")
	if out, err := exec.Command("go", "build", "-o", path, "./examples/porter").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// exampleSetup is a dialog on an example.
func exampleSetup(t testing.TB, program string) plugin.Setup {
	file := example(t, "guests")
	return plugin.Setup{
		Dialog: "test", User: account(), Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Decode: func(into any) error {
			*into.(*Options) = Options{Command: []string{program, file}, Read: []string{file}}
			return nil
		},
	}
}

// conform runs the conformance suite on an example, with the login that is shipped with it.
func conform(t *testing.T, program, login string) {
	text, err := os.ReadFile(example(t, login))
	if err != nil {
		t.Fatal(err)
	}
	script, err := plugintest.ParseScript(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v", login, err)
	}
	s := script.Subject()
	s.New = func() (plugin.Plugin, error) { return New(exampleSetup(t, program)) }
	s.Goroutines = []string{"rashost/plugin/external"}
	plugintest.Run(t, s)
}

func TestGuestbookConforms(t *testing.T) {
	need(t, "python3", "python3")
	conform(t, example(t, "guestbook.py"), "three-tries.login")
}

func TestDoormanConforms(t *testing.T) { conform(t, example(t, "doorman.sh"), "three-tries.login") }

func TestPorterConforms(t *testing.T) { conform(t, porter(t), "one-try.login") }

// need skips a test whose command is missing, and fails it where everything must run.
func need(t *testing.T, command, debian string) {
	t.Helper()
	if _, err := exec.LookPath(command); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("needs %s, Debian package %s", command, debian)
	}
	t.Skipf("NOT RUN: needs Debian package %s", debian)
}

// The examples are short enough to be read at once.
func TestExamplesAreShort(t *testing.T) {
	for _, name := range []string{"guestbook.py", "doorman.sh", "porter/main.go"} {
		text, err := os.ReadFile(example(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte("\n")); n >= 60 {
			t.Errorf("%s has %d lines", name, n)
		}
	}
}
