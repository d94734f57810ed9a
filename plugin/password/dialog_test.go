package password

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"rashost/dialog"
	"rashost/plugin"
	"rashost/plugin/plugintest"
	"rashost/plugin/users"
)

func TestGoodLogin(t *testing.T) {
	bubble(t, func(s *plugin.Setup) { s.Banner = "Authorised\nuse only." }, func(t *testing.T, r rig) {
		c := dial(t, r.host, r.Plugin, "modem1", 0)
		c.expect("Authorised\r\nuse only.\r\nlogin: ")
		c.say("aLICE\r")
		c.expect("aLICE\r\nPassword: ")
		c.say("correct horse\rls\r")
		out := c.ends(plugin.Success, "Alice") // as stored
		c.expect("\r\n")
		if string(out.Unread) != "ls\r" || !out.Granted() {
			t.Errorf("%+v", out)
		}
	})
}

// Whatever is wrong, the caller sees the same.
func TestRefusalsLookAlike(t *testing.T) {
	for name, c := range map[string]struct{ name, secret, user string }{
		"wrong password":         {"alice", "battery staple", "alice"},
		"unknown name":           {"mallory", "correct horse", "mallory"},
		"disabled":               {"bob", "correct horse", "bob"},
		"no password, only keys": {"carol", "correct horse", "carol"},
		"leading dash":           {"-froot", "correct horse", ""},
		"leading space":          {" alice", "correct horse", ""},
		"not a name":             {"alice;reboot", "correct horse", ""},
		"too long a name":        {strings.Repeat("a", 65), "correct horse", ""},
		"empty password":         {"alice", "", "alice"},
		"password and more":      {"alice", "correct horse" + strings.Repeat("x", 300), "alice"},
		"unknown, odd password":  {"mallory", strings.Repeat("x", 128), "mallory"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(s *plugin.Setup) {
				s.Attempts = 2
				path := writeUsers(t, oneUser("Alice", cheapHash)+"  - {name: bob, hash: "+cheapHash+", disabled: true}\n"+scramOnly)
				s.Resolve = func(string) string { return path }
			}, func(t *testing.T, r rig) {
				call := dial(t, r.host, r.Plugin, "modem1", 0)
				for range 2 {
					call.expect("login: ")
					call.say(c.name + "\r")
					call.expect(c.name + "\r\nPassword: ")
					call.say(c.secret + "\r")
					bell := strings.Repeat("\a", min(1, len(c.secret)/(users.MaxSecret+2)))
					if got := call.heard(); !strings.HasPrefix(got, bell+"\r\nAccess denied.\r\n") {
						t.Errorf("caller sees %q", got)
					} else {
						call.mu.Lock()
						call.out.WriteString(strings.TrimPrefix(got, bell+"\r\nAccess denied.\r\n"))
						call.mu.Unlock()
					}
				}
				call.ends(plugin.Failure, c.user)
				if n := r.hashes.count(); n != 2 {
					t.Errorf("%d hashes were computed for 2 tries", n)
				}
				if c.secret != "" && strings.Contains(r.log.String(), c.secret) {
					t.Error("the log shows the password")
				}
			})
		})
	}
}

// scramOnly is a user whose password can't be checked by a hash.
const scramOnly = `  - name: carol
    scram:
      SCRAM-SHA-256: {iterations: 15000, salt: W22ZaJ0SNY7soEsUEjb6gQ==,
        stored_key: WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=, server_key: wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=}
`

func TestSecretIsWiped(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r rig) {
		c := dial(t, r.host, r.Plugin, "modem1", 0)
		c.say("mallory\rsesame\r")
		if k := r.hashes.secret; len(k) != len("sesame") || !bytes.Equal(k, make([]byte, len(k))) {
			t.Errorf("%d bytes, still %q", len(k), k)
		}
		c.hang()
		c.ends(0, "")
	})
}

func TestInterruptAndEmptyNameStartAgain(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r rig) {
		c := dial(t, r.host, r.Plugin, "modem1", 0)
		c.say("mallory\rsecr\x03")
		c.expect("login: mallory\r\nPassword: \r\nlogin: ")
		c.say("mal\x03\r\n")
		c.expect("mal\r\nlogin: \r\nlogin: ")
		for range 3 {
			c.say("mallory\r")
			c.say("x\r")
		}
		c.ends(plugin.Failure, "mallory")
	})
}

func TestRestartsAreBounded(t *testing.T) {
	for _, key := range []string{"\r", "\x03", "a\x03"} {
		bubble(t, nil, func(t *testing.T, r rig) {
			c := dial(t, r.host, r.Plugin, "modem1", 0)
			c.say(strings.Repeat(key, maxRestarts))
			c.ends(plugin.Failure, "")
			if got := c.heard(); !strings.HasSuffix(got, "Access denied.\r\n") || strings.Count(got, "login: ") != maxRestarts {
				t.Errorf("%q: caller sees %q", key, got)
			}
		})
	}
}

func TestSevenBitCaller(t *testing.T) {
	even := func(s string) string {
		b := []byte(s)
		for i, c := range b {
			for x := c; x != 0; x &= x - 1 {
				b[i] ^= 0x80
			}
		}
		return string(b)
	}
	bubble(t, nil, func(t *testing.T, r rig) {
		c := dial(t, r.host, r.Plugin, "modem1", 0)
		c.say(even("alice\r"))
		c.expect("login: " + even("alice\r\nPassword: "))
		c.say(even("wrong\r"))
		c.expect(even("\r\nAccess denied.\r\nlogin: "))
		c.say(even("alice\rcorrect horse\r"))
		c.ends(plugin.Success, "Alice")
	})
}

func TestFloodIsRefused(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r rig) {
		c := dial(t, r.host, r.Plugin, "modem1", 0)
		c.say("mallory\r")
		go func() { _, _ = io.WriteString(c.conn, strings.Repeat("A", 1<<20)) }() // ends with the line
		c.ends(plugin.Failure, "mallory")
		if !strings.Contains(r.log.String(), "floods") {
			t.Errorf("log: %s", r.log)
		}
	})
}

func TestWarningBeforeTheEnd(t *testing.T) {
	for timeout, want := range map[time.Duration][2]string{
		120 * time.Second: {"1m0s", "One minute left."},
		600 * time.Second: {"9m0s", "One minute left."},
		60 * time.Second:  {"30s", "30 seconds left."},
	} {
		bubble(t, func(s *plugin.Setup) { s.Timeout = int(timeout / time.Second) }, func(t *testing.T, r rig) {
			at, err := time.ParseDuration(want[0])
			if err != nil {
				t.Fatal(err)
			}
			c := dial(t, r.host, r.Plugin, "modem1", timeout)
			c.say("ali")
			c.expect("login: ali")
			time.Sleep(at - time.Millisecond)
			c.expect("")
			time.Sleep(time.Millisecond)
			c.expect("\r\n" + want[1] + "\r\nlogin: ali")
			if out := c.ends(0, ""); out.Ended != dialog.LimitReached {
				t.Errorf("ended: %v", out.Ended)
			}
			c.expect("\r\nTime is up.\r\nlogin: ali")
		})
	}
}

func TestLockoutInTheDialog(t *testing.T) {
	bubble(t, func(s *plugin.Setup) { s.LockoutDenials, s.LockoutReset, s.Attempts = 2, 3600, 4 }, func(t *testing.T, r rig) {
		c := dial(t, r.host, r.Plugin, "modem1", 0)
		for _, secret := range []string{"wrong", "wrong", "correct horse", "wrong"} {
			c.say("alice\r" + secret + "\r")
		}
		c.ends(plugin.Failure, "alice")
		if got := c.heard(); got != strings.Repeat("login: alice\r\nPassword: \r\nAccess denied.\r\n", 4) {
			t.Errorf("caller sees %q", got)
		}
		if n := r.hashes.count(); n != 4 {
			t.Errorf("%d hashes for 4 tries: a locked account must cost the same", n)
		}
		if was, err := users.Unlock(r.state, "alice"); !was || err != nil {
			t.Fatalf("Unlock: %v, %v", was, err)
		}
		c = dial(t, r.host, r.Plugin, "modem1", 0)
		c.say("alice\rcorrect horse\r")
		c.ends(plugin.Success, "Alice")
	})
}

func TestThreeHundredWrongLogins(t *testing.T) {
	bubble(t, func(s *plugin.Setup) { s.LockoutDenials = 5 }, func(t *testing.T, r rig) {
		for i := range 100 {
			c := dial(t, r.host, r.Plugin, "modem1", 0)
			for try := range 3 {
				c.say(fmt.Sprintf("user%d\rwrong%d\r", i, try))
			}
			c.ends(plugin.Failure, fmt.Sprintf("user%d", i))
		}
		state, err := os.ReadFile(r.state)
		if n := bytes.Count(state, []byte(`"denials":3`)); n != 100 || err != nil {
			t.Errorf("%d accounts with three failures are kept, %v", n, err)
		}
		if s := r.host.Stats(); s.Open != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A caller who hangs up while a hash is waited for ends the dialog without a verdict.
func TestQueueLetsGo(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r rig) {
		r.hashes.wait = make(chan struct{})
		c := dial(t, r.host, r.Plugin, "modem1", 0)
		c.say("alice\rcorrect horse\r")
		c.hang()
		if out := c.ends(0, ""); out.Ended != dialog.Dropped {
			t.Errorf("ended: %v", out.Ended)
		}
	})
}

func TestConformance(t *testing.T) {
	text := "version: 1\nusers:\n"
	for n := range plugintest.Callers {
		text += fmt.Sprintf("  - {name: user%d, hash: %s}\n", n, cheapHash)
	}
	login := func(user, secret string) plugintest.Login {
		return plugintest.Login{User: user, Steps: []plugintest.Step{
			plugintest.Expect("login: "), plugintest.Send(user + "\r"), plugintest.Expect("Password: "), plugintest.SendSecret(secret + "\r"),
		}}
	}
	plugintest.Run(t, plugintest.Subject{
		New: func() (plugin.Plugin, error) {
			s, _ := setup(t, writeUsers(t, text))
			s.Attempts = 1
			p, _ := mustPlugin(t, s)
			return p, nil
		},
		Good:    func(n int) plugintest.Login { return login(fmt.Sprint("user", n), "correct horse") },
		Bad:     func(n int) plugintest.Login { return login(fmt.Sprint("user", n), "battery staple") },
		Virtual: true,
		// argon2 computes on goroutines and waits for them.
		Goroutines: []string{"github.com/go-crypt/x/argon2", "golang.org/x/crypto/argon2"},
	})
}
