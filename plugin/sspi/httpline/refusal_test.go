package httpline

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rashost/dialog"
	"rashost/plugin"
	"rashost/plugin/users"
)

// What differs from call to call in a challenge.
var random = regexp.MustCompile(`(nonce|opaque)="[^"]{32}"`)

// Whatever is wrong, the caller sees the same.
func TestRefusalsLookAlike(t *testing.T) {
	var seen []string
	for name, c := range map[string]struct{ name, password, user, status string }{
		"wrong password": {"Alice", "battery staple", "Alice", "SEC_E_LOGON_DENIED"},
		"unknown name":   {"mallory", secret, "mallory", "SEC_E_LOGON_DENIED"},
		"another's case": {"ALICE", secret, "ALICE", "SEC_E_LOGON_DENIED"},
		"not a name":     {"-froot", secret, "", "SEC_E_LOGON_DENIED"},
		"disabled":       {"bob", secret, "bob", "SEC_E_LOGON_DENIED"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, "", func(s *plugin.Setup) {
				file, err := users.NewFile(s.Resolve("users.yaml"))
				if err == nil {
					err = file.SetDisabled("bob", true)
				}
				if err != nil {
					t.Fatal(err)
				}
			}, func(t *testing.T, p *Plugin, log *logBuffer, host *dialog.Host) {
				call := dial(t, host, p, "modem1")
				cl := call.hello(c.name, c.password)
				var all string
				for range 2 {
					a := call.get(cl, "/", 401)
					if strings.Contains(a.raw, cl.nonce) || strings.Contains(a.raw, cl.opaque) {
						t.Errorf("the old challenge: %q", a.raw)
					}
					cl.reads(a)
					all += a.raw
				}
				all += call.get(cl, "/", 403).raw
				seen = append(seen, random.ReplaceAllString(all, "$1"))
				call.ends(plugin.Failure, c.user)
				if n := strings.Count(log.String(), "status="+c.status); n != 3 {
					t.Errorf("%d refusals in the log: %s", n, log)
				}
				if c.user == "mallory" && strings.Contains(log.String(), "mallory") {
					t.Error("the log names somebody who is no user")
				}
			})
		})
	}
	for _, s := range seen {
		if s != seen[0] {
			t.Errorf("%q\n%q", seen[0], s)
		}
	}
}

// A locked-out account looks like a wrong password, also with the right one.
func TestLockout(t *testing.T) {
	bubble(t, "", func(s *plugin.Setup) { s.LockoutDenials, s.Attempts = 2, 5 }, func(t *testing.T, p *Plugin, log *logBuffer, host *dialog.Host) {
		c := dial(t, host, p, "modem1")
		cl := c.hello("Alice", "wrong")
		var replies []string
		for range 2 {
			a := c.get(cl, "/", 401)
			cl.reads(a)
			replies = append(replies, random.ReplaceAllString(a.raw, "$1"))
		}
		cl.password = secret
		for range 2 {
			a := c.get(cl, "/", 401)
			if strings.Contains(a.raw, cl.nonce) || strings.Contains(a.raw, cl.opaque) {
				t.Errorf("the old challenge: %q", a.raw)
			}
			cl.reads(a)
			replies = append(replies, random.ReplaceAllString(a.raw, "$1"))
		}
		for _, r := range replies {
			if r != replies[0] {
				t.Errorf("%q\n%q", replies[0], r)
			}
		}
		if n := strings.Count(log.String(), "the account is locked out on this line"); n != 2 {
			t.Errorf("log: %s", log)
		}
		c.hang()
		c.ends(0, "")
		c = dial(t, host, p, "modem2") // the lock is of one line
		cl = c.hello("Alice", secret)
		c.get(cl, "/", 302)
		c.get(cl, "/connect", 200)
		c.ends(plugin.Success, "Alice")
	})
}

// A right password is not told by stale=true either while the account is locked out: not by a first response that does not count from 1,
// nor by a nonce that has become too old, whether it was answered before or not.
func TestLockoutIsNoOracle(t *testing.T) {
	const lifetime = time.Second
	setup := func(s *plugin.Setup) { s.LockoutDenials, s.Attempts = 2, 50 }
	refusals := func(log *logBuffer) int { return strings.Count(log.String(), "digest login refused") }
	lock := func(c *call) *client {
		cl := c.hello("Alice", "wrong")
		for range 2 {
			cl.reads(c.get(cl, "/", 401))
		}
		return cl
	}
	for name, prepare := range map[string]func(cl *client){
		"counts from 2": func(cl *client) { cl.nc = 1 },
		"old nonce":     func(*client) { time.Sleep(2 * lifetime) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, "nonce_lifetime: 1s", setup, func(t *testing.T, p *Plugin, log *logBuffer, host *dialog.Host) {
				c := dial(t, host, p, "modem1")
				cl := lock(c)
				var replies []string
				for _, password := range []string{"guess", secret, secret} {
					p.slow.Succeeded("Alice", "modem1") // answer at once
					cl.password = password
					prepare(cl)
					before := refusals(log)
					a := c.get(cl, "/", 401)
					if refusals(log) != before+1 {
						t.Errorf("%q was not counted: %s", password, log)
					}
					cl.reads(a)
					replies = append(replies, random.ReplaceAllString(a.raw, "$1"))
				}
				if replies[1] != replies[0] || replies[2] != replies[0] || strings.Contains(replies[0], "stale") {
					t.Errorf("%q", replies)
				}
				c.hang()
				c.ends(0, "")
			})
		})
	}
	t.Run("old nonce that let in before", func(t *testing.T) {
		bubble(t, "nonce_lifetime: 1s", setup, func(t *testing.T, p *Plugin, log *logBuffer, host *dialog.Host) {
			c := dial(t, host, p, "modem1")
			cl := c.hello("Alice", secret)
			c.get(cl, "/", 302)
			for range 2 { // another call on the line
				p.lockout.Judge("Alice", "modem1", false)
			}
			time.Sleep(2 * lifetime)
			if a := c.get(cl, "/", 401); strings.Contains(a.raw, "stale") || refusals(log) != 1 {
				t.Errorf("%q; log: %s", a.raw, log)
			}
			c.hang()
			<-c.done
		})
	})
}

// Repeated failures slow down, over calls, also for a right response.
func TestFailuresSlowDown(t *testing.T) {
	bubble(t, "", func(s *plugin.Setup) { s.Attempts = 100 }, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
		var took []time.Duration
		try := func(password string, status int) {
			c := dial(t, host, p, "modem1")
			cl := c.hello("Alice", password)
			begin := time.Now()
			c.say(asks("GET", "/", cl.authorization("GET", "/", ""), ""))
			for {
				c.mu.Lock()
				n := c.out.Len()
				c.mu.Unlock()
				if n > 0 {
					break
				}
				time.Sleep(100 * time.Millisecond)
				synctest.Wait()
			}
			took = append(took, time.Since(begin).Round(time.Second))
			c.reply("GET", status)
			if status == 302 {
				c.get(cl, "/connect", 200)
			} else {
				c.hang()
			}
			<-c.done
		}
		for range 5 {
			try("wrong", 401)
		}
		try(secret, 302)
		try("wrong", 401) // a login forgets the failures
		if fmt.Sprint(took) != "[0s 0s 0s 0s 1s 2s 0s]" {
			t.Errorf("tries took %v", took)
		}
	})
}
