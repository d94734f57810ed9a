package native

import (
	"fmt"
	"log/slog"
	"testing"

	"rashost/plugin"
	"rashost/plugin/plugintest"
)

// subject is a library that asks for name and password, as the conformance suite sees it.
func subject(t *testing.T, library string, isolation string) plugintest.Subject {
	path, helper := privateCopy(t, library), rasdll(t)
	login := func(n, attempts int, secret string) plugintest.Login {
		l := plugintest.Login{User: fmt.Sprintf("caller%d", n)}
		for range attempts {
			l.Steps = append(l.Steps, plugintest.Expect("Name: "), plugintest.Send(l.User+"\r"),
				plugintest.Expect("Password: "), plugintest.SendSecret(secret+"\r"))
		}
		return l
	}
	return plugintest.Subject{
		New: func() (plugin.Plugin, error) {
			s := setup(t.Output(), Options{Library: path, Rasdll: helper, Safe: isolation})
			s.Isolation = isolation
			s.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
			return New(s)
		},
		Good:       func(n int) plugintest.Login { return login(n, 1, fmt.Sprintf("secret-%d", n)) },
		Bad:        func(n int) plugintest.Login { return login(n, 3, fmt.Sprintf("wrong-%d", n)) },
		Goroutines: []string{"rashost/plugin/external"},
	}
}

// The suite against a library in C, with a process for each call.
func TestGuardConforms(t *testing.T) {
	plugintest.Run(t, subject(t, "guard.c", "call"))
}

// The suite against a library in C++, with one process for all.
func TestClerkConforms(t *testing.T) {
	s := subject(t, "clerk.cpp", "shared")
	s.Skip = map[string]string{"silence": "it waits for the limit of the host, as it does for guard.c"}
	plugintest.Run(t, s)
}
