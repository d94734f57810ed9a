package sasl

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rashost/dialog"
	"rashost/plugin"
	"rashost/plugin/sasl/exchange"
	"rashost/plugin/users"
)

// answered is how long the answer to a line takes.
func (c *caller) answered(line, want string) time.Duration {
	c.t.Helper()
	c.heard()
	begin := time.Now()
	c.say(line + "\r\n")
	for {
		if got := c.heard(); got != "" {
			if got != want {
				c.t.Errorf("%q is answered %q, want %q", line, got, want)
			}
			return time.Since(begin)
		}
		if time.Since(begin) > time.Hour {
			c.t.Fatalf("%q is not answered", line)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Repeated failures of a name on a line slow its tries down, a right one as much as a wrong one, and on that line only.
func TestRepeatedFailuresSlowDown(t *testing.T) {
	const denied = "-ERR [AUTH] Access denied.\r\n"
	wrong, right := "AUTH PLAIN "+b64("\x00alice\x00wrong"), "AUTH PLAIN "+b64("\x00alice\x00sesame")
	bubble(t, everything, func(s *plugin.Setup) { s.Attempts = 2 }, func(r *rig) {
		try := func(line, text string) time.Duration {
			r.call.Line = line
			c := r.dial("")
			want := denied
			if text == right {
				want = "+OK Logged in.\r\n"
			}
			took := c.answered(text, want)
			c.leaves()
			return took
		}
		for i := range 4 {
			if took := try("modem1", wrong); took > 100*time.Millisecond {
				t.Errorf("failure %d took %v", i+1, took)
			}
		}
		for _, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			if took := try("modem1", wrong); took < want-200*time.Millisecond || took > want+200*time.Millisecond {
				t.Errorf("a failure took %v, want about %v", took, want)
			}
		}
		if took := try("modem2", wrong); took > 100*time.Millisecond {
			t.Errorf("on another line it took %v", took)
		}
		if took := try("modem1", right); took < 7*time.Second {
			t.Errorf("the right password took %v: a wrong one would have taken 8 s", took)
		}
		for range 3 {
			if took := try("modem1", wrong); took > 100*time.Millisecond {
				t.Errorf("after a success a failure took %v", took)
			}
		}
	})
}

// The wait comes as soon as the name is known, before the message that tells a right proof from a wrong one.
func TestTheWaitComesBeforeTheProof(t *testing.T) {
	bubble(t, everything, nil, func(r *rig) {
		for range 5 {
			r.attemptLog.Failed("alice", "modem1")
		}
		c := r.dial("")
		c.heard()
		if took := c.answered("AUTH SCRAM-SHA-256 "+b64("alice"), "+ "+b64("r=1,s=2")+"\r\n"); took < time.Second {
			t.Errorf("the challenge took %v", took)
		}
		if took := c.answered(b64("sesame"), "+ "+b64("v=3")+"\r\n"); took > 100*time.Millisecond {
			t.Errorf("the proof took %v", took)
		}
		c.leaves()
	})
}

func TestTheWaitEndsWithTheLine(t *testing.T) {
	bubble(t, everything, nil, func(r *rig) {
		for range 20 {
			r.attemptLog.Failed("alice", "modem1")
		}
		c := r.dial("")
		c.say("AUTH PLAIN " + b64("\x00alice\x00sesame") + "\r\n")
		begin := time.Now()
		c.hang()
		if out := c.ends(0, ""); out.Ended != dialog.Dropped {
			t.Errorf("ended %v", out.Ended)
		}
		synctest.Wait()
		if took := time.Since(begin); took != 0 || r.closed != 1 {
			t.Errorf("after %v, %d exchanges closed", took, r.closed)
		}
	})
}

// A locked account looks like a wrong password, and the server does not prove itself to whoever has the right one.
func TestLockout(t *testing.T) {
	right := map[string][]string{
		"PLAIN":         {"AUTH PLAIN " + b64("\x00alice\x00sesame")},
		"SCRAM-SHA-256": {"AUTH SCRAM-SHA-256 " + b64("alice"), b64("sesame"), ""},
	}
	for mechanism, lines := range right {
		t.Run(mechanism, func(t *testing.T) {
			lock := func(s *plugin.Setup) { s.LockoutDenials, s.LockoutReset, s.Attempts = 2, 3600, 3 }
			bubble(t, everything, lock, func(r *rig) {
				c := r.dial("")
				for range 2 {
					c.say("AUTH PLAIN " + b64("\x00alice\x00wrong") + "\r\n")
				}
				c.heard()
				for _, line := range lines[:max(1, len(lines)-1)] {
					c.say(line + "\r\n")
				}
				time.Sleep(time.Minute)
				if got := c.heard(); !strings.HasSuffix(got, "-ERR [AUTH] Access denied.\r\n") || strings.Contains(got, b64("v=3")) {
					t.Errorf("caller sees %q", got)
				}
				c.ends(plugin.Failure, "alice")
				if was, err := users.Unlock(users.LockoutPath(r.setup.StateDir, "staff"), "alice"); !was || err != nil {
					t.Fatalf("Unlock: %v, %v", was, err)
				}
				c = r.dial("")
				for _, line := range lines {
					c.say(line + "\r\n")
					time.Sleep(10 * time.Second)
				}
				c.ends(plugin.Success, "Alice")
			})
		})
	}
}

// judges counts what lock-out is asked.
type judges struct{ asked []bool }

func (j *judges) Judge(_, _ string, matched bool) bool {
	j.asked = append(j.asked, matched)
	return false
}

// A locked account costs one judgement whether the password is right or wrong: each rewrites the state on disk.
func TestLockedOutCostsTheSame(t *testing.T) {
	for secret, want := range map[string]bool{"sesame": true, "wrong": false} {
		bubble(t, everything, func(s *plugin.Setup) { s.Attempts = 1 }, func(r *rig) {
			j := &judges{}
			r.lockout = j
			c := r.dial("")
			c.say("AUTH PLAIN " + b64("\x00alice\x00"+secret) + "\r\n")
			c.ends(plugin.Failure, "alice")
			if len(j.asked) != 1 || j.asked[0] != want || r.renewed != 0 {
				t.Errorf("%s: lock-out was asked %v, %d hashes were renewed", secret, j.asked, r.renewed)
			}
		})
	}
}

// Only whoever is let in gets a new hash: its work would tell a right password from a wrong one.
func TestHashIsRenewedOnceLetIn(t *testing.T) {
	bubble(t, everything, nil, func(r *rig) {
		c := r.dial("")
		c.say("AUTH PLAIN " + b64("\x00alice\x00wrong") + "\r\nAUTH PLAIN " + b64("\x00alice\x00sesame") + "\r\n")
		c.ends(plugin.Success, "Alice")
		if r.renewed != 1 {
			t.Errorf("%d renewals", r.renewed)
		}
	})
}

// What is not about the secret does not lock anybody out.
func TestTemporaryFailuresDoNotCount(t *testing.T) {
	bubble(t, everything, func(s *plugin.Setup) { s.LockoutDenials, s.Attempts = 2, 6 }, func(r *rig) {
		r.code = -8 // SASL_TRYAGAIN
		c := r.dial("")
		for range 5 {
			if took := c.answered("AUTH OTP "+b64("alice"), "-ERR [SYS/TEMP] Logging in does not work at present. Try again later.\r\n"); took > 100*time.Millisecond {
				t.Errorf("it took %v", took)
			}
		}
		c.say("AUTH PLAIN " + b64("\x00alice\x00sesame") + "\r\n")
		c.ends(plugin.Success, "Alice")
	})
}

// A right one-time password of a locked account is refused like a wrong one, with one judgement, and is not used up: the challenge stays.
func TestLockoutUsesNoOneTimePassword(t *testing.T) {
	p, _ := realPlugin(t, allOf)
	j := &judges{}
	p.lockout = j
	challenge := func(say func(line string) string) string {
		say("AUTH OTP")
		data, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(say(b64("\x00alice")), "+ "))
		return string(data)
	}
	converse(t, p, func(say func(line string) string, _ func() string) {
		before := challenge(say)
		var n int
		var seed string
		if _, err := fmt.Sscanf(before, "otp-md5 %d %s ext", &n, &seed); err != nil {
			t.Fatalf("challenge %q: %v", before, err)
		}
		value, err := users.OTPStart("md5", seed, []byte(passPhrase), n)
		if err != nil {
			t.Fatal(err)
		}
		if got := say(b64("hex:" + hex.EncodeToString(value))); got != "-ERR [AUTH] Access denied." {
			t.Errorf("answered %q", got)
		}
		if len(j.asked) != 1 || !j.asked[0] {
			t.Errorf("lock-out was asked %v", j.asked)
		}
		if after := challenge(say); after != before {
			t.Errorf("the challenge was %q and is %q", before, after)
		}
	})
}

// What stands where a mechanism belongs may be a password.
func TestUnknownMechanismIsNotLogged(t *testing.T) {
	bubble(t, everything, nil, func(r *rig) {
		r.newExchange = func(plugin.Call, string, func() bool) (exchanger, error) { return exchange.New(exchange.Config{}), nil }
		c := r.dial("")
		c.say("AUTH hunter2password\r\n")
		c.leaves()
		if text := r.log.String(); strings.Contains(strings.ToLower(text), "hunter2") || !strings.Contains(text, "mechanism=(unknown)") {
			t.Errorf("log: %s", text)
		}
	})
}

// PASS takes everything behind the first blank, blanks at the end too.
func TestPasswordKeepsItsBlanks(t *testing.T) {
	bubble(t, everything, nil, func(r *rig) {
		c := r.dial("")
		c.say("USER alice \r\nPASS  sesame  \r\n")
		c.leaves()
		if len(r.starts) != 1 || r.starts[0].initial != "\x00alice\x00 sesame  " {
			t.Errorf("the exchange got %+v", r.starts)
		}
	})
}
