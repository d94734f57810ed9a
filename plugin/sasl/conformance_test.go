package sasl

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"rashost/plugin"
	"rashost/plugin/plugintest"
	"rashost/plugin/sasl/client"
	"rashost/plugin/users"
)

// scramLogin is a login by SCRAM-SHA-256 over POP3, each message computed from the one before.
func scramLogin(user, secret string, right bool) plugintest.Login {
	mechanism, err := client.New(client.SCRAMSHA256, client.Credentials{User: user, Secret: []byte(secret)}, nil)
	next := func(seen string) (string, error) {
		if err != nil {
			return "", err
		}
		text, ok := strings.CutPrefix(strings.TrimSuffix(seen, "\r\n"), "+ ")
		if !ok {
			return "", errors.New("no challenge")
		}
		challenge, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return "", err
		}
		out, err := mechanism.Next(challenge)
		return base64.StdEncoding.EncodeToString(out) + "\r\n", err
	}
	first := func(string) (string, error) {
		if err != nil {
			return "", err
		}
		out, err := mechanism.Start()
		return "AUTH SCRAM-SHA-256 " + base64.StdEncoding.EncodeToString(out) + "\r\n", err
	}
	steps := []plugintest.Step{
		plugintest.Expect(helloPOP3), plugintest.Reply(first), plugintest.Expect("+ "), plugintest.Expect("\r\n"), plugintest.Reply(next),
	}
	if right {
		steps = append(steps, plugintest.Expect("+ "), plugintest.Expect("\r\n"), plugintest.Reply(next), plugintest.Expect("+OK Logged in.\r\n"))
	} else {
		steps = append(steps, plugintest.Expect("-ERR [AUTH] Access denied.\r\n"))
	}
	return plugintest.Login{User: user, Steps: steps, Secrets: []string{secret}}
}

func TestConformance(t *testing.T) {
	s, _ := setup(t, "")
	file, err := users.NewFile(s.Resolve("users.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	name := func(n int) string { return fmt.Sprint("user", n) }
	for n := range plugintest.Callers {
		if err := file.Add(name(n), []byte(secret), users.Verifiers{SCRAM: []string{"SCRAM-SHA-256"}}); err != nil {
			t.Fatal(err)
		}
	}
	s.Attempts = 1
	plugintest.Run(t, plugintest.Subject{
		New:     func() (plugin.Plugin, error) { return New(s) },
		Good:    func(n int) plugintest.Login { return scramLogin(name(n), secret, true) },
		Bad:     func(n int) plugintest.Login { return scramLogin(name(n), "battery staple", false) },
		Virtual: true,
	})
}
