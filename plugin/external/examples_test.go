package external

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rashost/plugin"
	"rashost/plugin/plugintest"
)

// guests writes the file that the examples read, with all callers of the suite, and returns its path.
func guests(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	for n := range plugintest.Callers {
		fmt.Fprintf(&b, "caller%d:secret-%d\n", n, n)
	}
	path := filepath.Join(t.TempDir(), "guests")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// login is caller n of an example; attempts is how often a bad one tries.
func login(n, attempts int, secret string) plugintest.Login {
	l := plugintest.Login{User: fmt.Sprintf("caller%d", n)}
	for range attempts {
		l.Steps = append(l.Steps, plugintest.Expect("Name: "), plugintest.Send(l.User+"\r"),
			plugintest.Expect("Password: "), plugintest.SendSecret(secret+"\r"))
	}
	return l
}

// subject is an example as the conformance suite sees it.
func subject(t testing.TB, attempts int, command ...string) plugintest.Subject {
	file := guests(t)
	return plugintest.Subject{
		New: func() (plugin.Plugin, error) {
			return New(plugin.Setup{
				Dialog: "test", User: account(), Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
				Decode: func(into any) error {
					*into.(*Options) = Options{Command: append(command, file), Read: []string{file}}
					return nil
				},
			})
		},
		Good:       func(n int) plugintest.Login { return login(n, 1, fmt.Sprintf("secret-%d", n)) },
		Bad:        func(n int) plugintest.Login { return login(n, attempts, fmt.Sprintf("wrong-%d", n)) },
		Goroutines: []string{"rashost/plugin/external"},
	}
}

// account is whom programs run as: nobody else is needed where rashost is not root.
func account() string {
	if os.Geteuid() == 0 {
		return "root"
	}
	return ""
}

// example returns the absolute path of an example.
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

func TestGuestbookConforms(t *testing.T) {
	plugintest.Run(t, subject(t, 3, example(t, "guestbook.py")))
}

func TestDoormanConforms(t *testing.T) {
	plugintest.Run(t, subject(t, 3, example(t, "doorman.sh")))
}

func TestPorterConforms(t *testing.T) {
	plugintest.Run(t, subject(t, 1, porter(t)))
}
