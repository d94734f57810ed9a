package password

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/semaphore"

	"rashost/dialog"
	"rashost/plugin"
	"rashost/plugin/plugintest"
)

func TestGoodLogin(t *testing.T) {
	bubble(t, func(s *plugin.Setup) { s.Banner = "Authorised\nuse only." }, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
		c := dial(t, host, p, "modem1", 0)
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
		"wrong password":        {"alice", "battery staple", "alice"},
		"unknown name":          {"mallory", "correct horse", "mallory"},
		"disabled":              {"bob", "correct horse", "bob"},
		"leading dash":          {"-froot", "correct horse", ""},
		"leading space":         {" alice", "correct horse", ""},
		"not a name":            {"alice;reboot", "correct horse", ""},
		"too long a name":       {strings.Repeat("a", 65), "correct horse", ""},
		"empty password":        {"alice", "", "alice"},
		"password and more":     {"alice", "correct horse" + strings.Repeat("x", 300), "alice"},
		"unknown, odd password": {"mallory", strings.Repeat("x", 128), "mallory"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(s *plugin.Setup) {
				s.Attempts = 2
				replaceUsers(t, s.Resolve("users.yaml"), oneUser("Alice", cheapHash)+"  - {name: bob, hash: "+cheapHash+", disabled: true}\n")
			}, func(t *testing.T, p *Plugin, log *logBuffer, host *dialog.Host) {
				var hashed atomic.Int32
				count(p, &hashed)
				call := dial(t, host, p, "modem1", 0)
				for range 2 {
					call.expect("login: ")
					call.say(c.name + "\r")
					call.expect(c.name + "\r\nPassword: ")
					call.say(c.secret + "\r")
					bell := strings.Repeat("\a", min(1, len(c.secret)/(MaxSecret+2)))
					if got := call.heard(); !strings.HasPrefix(got, bell+"\r\nAccess denied.\r\n") {
						t.Errorf("caller sees %q", got)
					} else {
						call.mu.Lock()
						call.out.WriteString(strings.TrimPrefix(got, bell+"\r\nAccess denied.\r\n"))
						call.mu.Unlock()
					}
				}
				call.ends(plugin.Failure, c.user)
				if hashed.Load() != 2 {
					t.Errorf("%d hashes were computed for 2 tries", hashed.Load())
				}
				if c.secret != "" && strings.Contains(log.String(), c.secret) {
					t.Error("the log shows the password")
				}
			})
		})
	}
}

// counted counts the hashes that are computed, now and at most at the same time.
type counted struct {
	digest
	n *atomic.Int32
}

func (c counted) MatchBytes(secret []byte) bool {
	c.n.Add(1)
	return c.digest.MatchBytes(secret)
}

// count makes every hash of p count itself.
func count(p *Plugin, n *atomic.Int32) {
	p.nobody = counted{p.nobody, n}
	users := *p.users.users.Load()
	for name, u := range users {
		u.parsed.digest = counted{u.parsed.digest, n}
		users[name] = u
	}
}

// keeps is a hash that keeps the secret it was given, as it is in memory.
type keeps struct{ secret []byte }

func (k *keeps) MatchBytes(secret []byte) bool {
	k.secret = secret
	return false
}

func TestSecretIsWiped(t *testing.T) {
	bubble(t, nil, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
		k := new(keeps)
		p.nobody = k
		c := dial(t, host, p, "modem1", 0)
		c.say("mallory\rsesame\r")
		if len(k.secret) != len("sesame") || !bytes.Equal(k.secret, make([]byte, len(k.secret))) {
			t.Errorf("%d bytes, still %q", len(k.secret), k.secret)
		}
		c.hang()
		c.ends(0, "")
	})
}

func TestInterruptAndEmptyNameStartAgain(t *testing.T) {
	bubble(t, nil, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
		c := dial(t, host, p, "modem1", 0)
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
		bubble(t, nil, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
			c := dial(t, host, p, "modem1", 0)
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
	bubble(t, nil, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
		c := dial(t, host, p, "modem1", 0)
		c.say(even("alice\r"))
		c.expect("login: " + even("alice\r\nPassword: "))
		c.say(even("wrong\r"))
		c.expect(even("\r\nAccess denied.\r\nlogin: "))
		c.say(even("alice\rcorrect horse\r"))
		c.ends(plugin.Success, "Alice")
	})
}

func TestFloodIsRefused(t *testing.T) {
	bubble(t, nil, func(t *testing.T, p *Plugin, log *logBuffer, host *dialog.Host) {
		c := dial(t, host, p, "modem1", 0)
		c.say("mallory\r")
		go func() { _, _ = io.WriteString(c.conn, strings.Repeat("A", 1<<20)) }() // ends with the line
		c.ends(plugin.Failure, "mallory")
		if !strings.Contains(log.String(), "floods") {
			t.Errorf("log: %s", log)
		}
	})
}

func TestWarningBeforeTheEnd(t *testing.T) {
	for timeout, want := range map[time.Duration][2]string{
		120 * time.Second: {"1m0s", "One minute left."},
		600 * time.Second: {"9m0s", "One minute left."},
		60 * time.Second:  {"30s", "30 seconds left."},
	} {
		bubble(t, func(s *plugin.Setup) { s.Timeout = int(timeout / time.Second) }, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
			at, err := time.ParseDuration(want[0])
			if err != nil {
				t.Fatal(err)
			}
			c := dial(t, host, p, "modem1", timeout)
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
	bubble(t, func(s *plugin.Setup) { s.LockoutDenials, s.LockoutReset, s.Attempts = 2, 3600, 4 }, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
		var hashed atomic.Int32
		count(p, &hashed)
		c := dial(t, host, p, "modem1", 0)
		for _, secret := range []string{"wrong", "wrong", "correct horse", "wrong"} {
			c.say("alice\r" + secret + "\r")
		}
		c.ends(plugin.Failure, "alice")
		if got := c.heard(); got != strings.Repeat("login: alice\r\nPassword: \r\nAccess denied.\r\n", 4) {
			t.Errorf("caller sees %q", got)
		}
		if hashed.Load() != 4 {
			t.Errorf("%d hashes for 4 tries: a locked account must cost the same", hashed.Load())
		}
		if was, err := Unlock(LockoutPath(filepath.Dir(p.lockout.path), "staff"), "alice"); !was || err != nil {
			t.Fatalf("Unlock: %v, %v", was, err)
		}
		c = dial(t, host, p, "modem1", 0)
		c.say("alice\rcorrect horse\r")
		c.ends(plugin.Success, "Alice")
	})
}

// never is a hash that nothing matches.
type never struct{}

func (never) MatchBytes([]byte) bool { return false }

func TestThreeHundredWrongLogins(t *testing.T) {
	bubble(t, func(s *plugin.Setup) { s.LockoutDenials = 5 }, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
		p.nobody = never{}
		for i := range 100 {
			c := dial(t, host, p, "modem1", 0)
			for try := range 3 {
				c.say(fmt.Sprintf("user%d\rwrong%d\r", i, try))
			}
			c.ends(plugin.Failure, fmt.Sprintf("user%d", i))
		}
		if n := len(p.lockout.state.Failures); n != 100 {
			t.Errorf("%d accounts are kept", n)
		}
		if s := host.Stats(); s.Open != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A caller who hangs up leaves the queue without a hash.
func TestQueueLetsGo(t *testing.T) {
	s, _ := setup(t, writeUsers(t, "version: 1\nusers: []\n"))
	p := mustPlugin(t, s)
	synctest.Test(t, func(t *testing.T) {
		p.gate = semaphore.NewWeighted(1)
		hash := &blocking{release: make(chan struct{})}
		p.nobody = hash
		go func() { _, _, _ = p.check(t.Context(), "first", []byte("x"), "modem1") }() // what it returns is tested elsewhere
		synctest.Wait()
		host := dialog.New(nil)
		c := dial(t, host, p, "modem2", 0)
		c.say("second\rx\r")
		c.hang()
		if out := c.ends(0, ""); out.Ended != dialog.Dropped {
			t.Errorf("ended: %v", out.Ended)
		}
		hash.release <- struct{}{}
		synctest.Wait()
		if hash.total.Load() != 1 {
			t.Errorf("%d hashes", hash.total.Load())
		}
		if err := host.Shutdown(t.Context()); err != nil {
			t.Error(err)
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
			return quick(mustPlugin(t, s)), nil
		},
		Good:    func(n int) plugintest.Login { return login(fmt.Sprint("user", n), "correct horse") },
		Bad:     func(n int) plugintest.Login { return login(fmt.Sprint("user", n), "battery staple") },
		Virtual: true,
		// argon2 computes on goroutines and waits for them.
		Goroutines: []string{"github.com/go-crypt/x/argon2", "golang.org/x/crypto/argon2"},
	})
}
