package external

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"

	"rashost/internal/caller"
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

// login is caller n of an example, who gives the secrets one after the other.
func login(n int, secrets ...string) plugintest.Login {
	l := plugintest.Login{User: fmt.Sprintf("caller%d", n)}
	for _, secret := range secrets {
		l.Steps = append(l.Steps, plugintest.Expect("Name:"), plugintest.Send(l.User+"\r"), plugintest.Expect("Password:"), plugintest.SendSecret(secret+"\r"))
	}
	return l
}

// good and bad are the logins of the conformance suite; an example allows some attempts.
func good(n int) plugintest.Login { return login(n, fmt.Sprintf("secret-%d", n)) }

func bad(attempts int) func(n int) plugintest.Login {
	return func(n int) plugintest.Login { return login(n, []string{"wrong-1", "wrong-2", "wrong-3"}[:attempts]...) }
}

// conform runs the conformance suite on an example.
func conform(t *testing.T, program string, attempts int) {
	plugintest.Run(t, plugintest.Subject{
		New:        func() (plugin.Plugin, error) { return New(exampleSetup(t, program)) },
		Good:       good,
		Bad:        bad(attempts),
		Goroutines: []string{"rashost/plugin/external"},
	})
}

func TestGuestbookConforms(t *testing.T) {
	need(t, "python3", "python3")
	conform(t, example(t, "guestbook.py"), 3)
}

func TestDoormanConforms(t *testing.T) { conform(t, example(t, "doorman.sh"), 3) }

func TestPorterConforms(t *testing.T) { conform(t, porter(t), 1) }

// The login files of the examples, for `rashost plugin test`, are the logins that the examples are tested with.
func TestLoginFiles(t *testing.T) {
	for name, want := range map[string]plugintest.Login{"good.login": good(0), "bad.login": bad(3)(0), "bad-once.login": bad(1)(0)} {
		text, err := os.ReadFile(example(t, name))
		if err != nil {
			t.Fatal(err)
		}
		script, err := caller.ParseScript(name, text)
		if err != nil {
			t.Fatal(err)
		}
		got := plugintest.Login{User: script.User}
		for _, step := range script.Steps {
			switch step.Verb { //nolint:exhaustive // the others do not occur
			case caller.Expect:
				got.Steps = append(got.Steps, plugintest.Expect(step.Text))
			case caller.Send:
				got.Steps = append(got.Steps, plugintest.Send(step.Text+"\r"))
			case caller.Secret:
				got.Steps = append(got.Steps, plugintest.SendSecret(step.Text+"\r"))
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %+v, want %+v", name, got, want)
		}
	}
}

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
