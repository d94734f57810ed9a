package dialout

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rashost/internal/caller"
	"rashost/port"
)

// TestScriptLogin: a login by script on a direct line, and what follows its last text is left for the command.
func TestScriptLogin(t *testing.T) {
	fake := port.NewFake("fake", port.FakeOptions{NoSignals: true})
	c, said := onDevice(fake)
	c.Login = &Login{Script: script(t, "expect login:\nsend alice\nexpect Password:\nsecret\nexpect welcome"), Secret: []byte("pw-7")}
	c.Command = []string{"sh", "-c", "head -c 5 >&2"}
	var out strings.Builder
	c.Stderr = &out
	go func() {
		far := fake.Far()
		_, _ = far.Wait(t.Context(), func(s port.FakeState) bool { return s.Open })
		_, _ = io.WriteString(far, "login: ")
		wantRead(t, far, "alice\r")
		_, _ = io.WriteString(far, "Password: ")
		wantRead(t, far, "pw-7\r")
		_, _ = io.WriteString(far, "welcome~\xffPPP")
	}()
	if _, err := c.Run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if out.String() != "~\xffPPP" {
		t.Errorf("the command read %q", out.String())
	}
	if strings.Contains(said.String(), "pw-7") {
		t.Errorf("the secret was told:\n%s", said)
	}
}

// TestScriptFails: an abort text, and an echo of the secret, which no error shows.
func TestScriptFails(t *testing.T) {
	for _, tc := range []struct{ name, says, text string }{
		{"abort", "Access denied.\r\n", `it said "Access denied."`},
		{"echo", "what is pw-7?\r\n\x1b[2J", `what is (secret)?\r\n\x1b[2J`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fake := port.NewFake("fake", port.FakeOptions{NoSignals: true})
			c, said := onDevice(fake)
			s := script(t, "abort denied.\nabort \"Access denied.\"\nsecret\nexpect welcome")
			s.Timeout = 300 * time.Millisecond
			c.Login = &Login{Script: s, Secret: []byte("pw-7")}
			go func() {
				far := fake.Far()
				wantRead(t, far, "pw-7\r")
				_, _ = io.WriteString(far, tc.says)
			}()
			_, err := c.Run(t.Context())
			if err == nil || strings.Contains(err.Error()+said.String(), "pw-7") {
				t.Fatalf("got %v\n%s", err, said)
			}
			if tc.name == "abort" != errors.Is(err, caller.ErrAborted) || tc.name == "echo" && !strings.Contains(err.Error(), tc.text) {
				t.Errorf("got %v, want %q", err, tc.text)
			}
		})
	}
}

// TestWake: on a direct line that is silent Enter is pressed after a second, and then every five; what comes is not lost. A dialled
// line is not woken, and neither is one to which a script speaks first.
func TestWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := port.NewFake("fake", port.FakeOptions{NoSignals: true})
		dev, err := fake.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = dev.Close() }()
		conn := &connection{Line: &device{Device: dev}}
		start := time.Now()
		go func() {
			far := fake.Far()
			for _, after := range []time.Duration{wakeFirst, wakeFirst + wakeAgain, wakeFirst + 2*wakeAgain} {
				_, _ = io.ReadFull(far, make([]byte, 1))
				if got := time.Since(start); got != after {
					t.Errorf("woken after %v, want %v", got, after)
				}
			}
			_, _ = io.WriteString(far, "login:")
		}()
		if woken, err := conn.wake(t.Context()); !woken || err != nil {
			t.Errorf("woken %v, %v", woken, err)
		}
		wantRead(t, conn, "login:")
	})
	for _, tc := range []struct {
		name, script string
		dialled      bool
	}{{"dialled", "expect login:", true}, {"the script begins", "send x\nexpect login:", false}} {
		synctest.Test(t, func(t *testing.T) {
			fake := port.NewFake("fake", port.FakeOptions{NoSignals: true})
			dev, err := fake.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = dev.Close() }()
			c, _ := onDevice(nil)
			c.Login = &Login{Script: script(t, tc.script), Timeout: 30 * time.Second}
			if tc.dialled {
				c.Target.Telephone = "x"
			}
			if err := c.login(t.Context(), &connection{Line: &device{Device: dev}}); err == nil || !strings.Contains(err.Error(), "30s") {
				t.Errorf("%s: %v", tc.name, err)
			}
			_ = fake.Far().SetReadDeadline(time.Now())
			got := make([]byte, 10)
			if n, _ := fake.Far().Read(got); strings.Trim(string(got[:n]), "x") != "" && !strings.HasPrefix(string(got[:n]), "x\r") || n > 2 {
				t.Errorf("%s: sent %q", tc.name, got[:n])
			}
		})
	}
}

// TestLoginTimeout: a far end that says nothing, and one that says ever the same, end the login in time, by script and by SASL.
func TestLoginTimeout(t *testing.T) {
	for name, login := range map[string]*Login{
		"script": {Script: script(t, "timeout 1h\nexpect welcome"), Timeout: 20 * time.Second},
		"sasl":   {Mechanism: "SCRAM-SHA-256", User: "alice", Secret: []byte("pw"), Timeout: 20 * time.Second},
	} {
		for _, says := range []string{"", "x", "x\r\n"} {
			synctest.Test(t, func(t *testing.T) {
				fake := port.NewFake("fake", port.FakeOptions{NoSignals: true})
				dev, err := fake.Open(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				over := make(chan struct{})
				go func() {
					defer close(over)
					for says != "" {
						if _, err := io.WriteString(fake.Far(), says); err != nil || !fake.Far().State().Open {
							return
						}
						time.Sleep(time.Second)
					}
				}()
				c, said := onDevice(nil)
				c.Login = login
				start := time.Now()
				err = c.login(t.Context(), &connection{Line: &device{Device: dev}})
				if took := time.Since(start); err == nil || !strings.Contains(err.Error(), "20s") || took > 21*time.Second {
					t.Errorf("%s, %q: %v after %v\n%s", name, says, err, took, said)
				}
				_ = dev.Close()
				_ = fake.Far().Close()
				<-over
			})
		}
	}
}
