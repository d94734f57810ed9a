package sasl

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rashost/dialog"
	"rashost/plugin"
	"rashost/plugin/sasl/exchange"
)

func TestAttempts(t *testing.T) {
	wrong := "AUTH PLAIN " + b64("\x00alice\x00wrong")
	for attempts, want := range map[int]int{0: 3, 1: 1, 4: 4} {
		bubble(t, everything, func(s *plugin.Setup) { s.Attempts = attempts }, func(r *rig) {
			c := r.dial("")
			for range want - 1 {
				c.say(wrong + "\r\n")
			}
			c.say("AUTH CRAM-MD5\r\n*\r\nAUTH NONE\r\nAUTH PLAIN !\r\n") // none of these is an attempt
			c.heard()
			c.say(wrong + "\r\n")
			time.Sleep(time.Minute)
			c.expect("-ERR [AUTH] Access denied.\r\n")
			c.ends(plugin.Failure, "alice")
		})
	}
}

func TestBrokenExchangesAreAttempts(t *testing.T) {
	bubble(t, everything, nil, func(r *rig) {
		c := r.dial("")
		c.say("AUTH CRAM-MD5\r\n!\r\n")
		c.say("AUTH PLAIN " + b64("no fields") + "\r\n")
		c.say("AUTH CRAM-MD5 " + b64("alice sesame") + "\r\n")
		c.ends(plugin.Failure, "")
		if got := c.heard(); strings.Count(got, "malformed") != 3 || r.closed != 3 {
			t.Errorf("caller sees %q; %d exchanges closed", got, r.closed)
		}
	})
}

func TestMistakesAreBounded(t *testing.T) {
	for _, line := range []string{"\r\n", "X\r\n", "AUTH NONE\r\n", "AUTH CRAM-MD5\r\n*\r\n", "STAT\r\n", "\x01\r\n", "USER\r\n", "PASS x\r\n"} {
		bubble(t, everything, nil, func(r *rig) {
			c := r.dial("")
			c.say(strings.Repeat(line, maxMistakes))
			c.ends(plugin.Failure, "")
			if got := c.heard(); !strings.HasSuffix(got, "-ERR Too many errors.\r\n") || strings.Count(got, "-ERR") != maxMistakes {
				t.Errorf("%q: caller sees %q", line, got)
			}
		})
	}
}

func TestCodes(t *testing.T) {
	denied := [2]string{"-ERR [AUTH] Access denied.", "535 5.7.8 Access denied."}
	malformed := [2]string{"-ERR Authentication failed: the response is malformed.", "501 5.5.2 Authentication failed: the response is malformed."}
	later := [2]string{
		"-ERR [SYS/TEMP] Logging in does not work at present. Try again later.",
		"454 4.7.0 Logging in does not work at present. Try again later.",
	}
	for code, want := range map[exchange.Code][2]string{
		exchange.SASL_FAIL: denied, exchange.SASL_BADAUTH: denied, exchange.SASL_EXPIRED: denied, exchange.SASL_DISABLED: denied, -20: denied, 2: denied, -99: denied,
		exchange.SASL_BADPROT: malformed, exchange.SASL_BADPARAM: malformed,
		exchange.SASL_TRYAGAIN: later, exchange.SASL_UNAVAIL: later, exchange.SASL_NOMEM: later, exchange.SASL_CONFIGERR: later,
		exchange.SASL_NOMECH:  {"-ERR Unknown authentication mechanism. Type CAPA for a list.", "504 5.5.4 Unknown authentication mechanism. Type EHLO for a list."},
		exchange.SASL_TOOWEAK: {"-ERR This mechanism is too weak. Type CAPA for others.", "534 5.7.9 This mechanism is too weak. Type EHLO for others."},
		exchange.SASL_ENCRYPT: {
			"-ERR This mechanism is not allowed on this line. Type CAPA for others.", "538 5.7.11 This mechanism is not allowed on this line. Type EHLO for others.",
		},
		exchange.SASL_TRANS: {"-ERR [AUTH] A new password is needed for this mechanism.", "432 4.7.12 A new password is needed for this mechanism."},
	} {
		for i, options := range []string{everything, withSMTP} {
			bubble(t, options, func(s *plugin.Setup) { s.Attempts = 1 }, func(r *rig) {
				r.code = code
				c := r.dial("")
				c.heard()
				c.say("AUTH OTP " + b64("alice") + "\r\n")
				c.expect(want[i] + "\r\n")
				verdict, user := plugin.Failure, "alice"
				switch {
				case want == later:
					verdict = plugin.Error
				case code == exchange.SASL_NOMECH || code == exchange.SASL_TOOWEAK || code == exchange.SASL_ENCRYPT:
					user = "" // the mechanism never began, and that was no attempt
					c.say("QUIT\r\n")
				}
				if out := c.ends(verdict, user); verdict == plugin.Error && out.Code != plugin.ErrorUnknown {
					t.Errorf("%v: code %v", code, out.Code)
				}
				if log := r.log.String(); !strings.Contains(log, fmt.Sprintf("(%d)", int(code))) || !strings.Contains(log, "as scripted") {
					t.Errorf("%v: log %s", code, log)
				}
			})
		}
	}
}

func TestTemporaryFailureThenSuccess(t *testing.T) {
	bubble(t, everything, nil, func(r *rig) {
		r.broken = errors.New("the disk is gone")
		c := r.dial("")
		c.say("AUTH PLAIN " + b64("\x00alice\x00sesame") + "\r\n")
		c.expect(helloPOP3 + "-ERR [SYS/TEMP] Logging in does not work at present. Try again later.\r\n")
		r.broken = nil
		c.say("AUTH PLAIN " + b64("\x00alice\x00sesame") + "\r\n")
		c.ends(plugin.Success, "Alice")
		if !strings.Contains(r.log.String(), "the disk is gone") {
			t.Errorf("log: %s", r.log)
		}
	})
}

func TestNamesOfTheVerdict(t *testing.T) {
	for user, want := range map[string]string{"mallory": "mallory", "-x": "", "a b": "", "\xff": "", strings.Repeat("a", 65): ""} {
		bubble(t, everything, nil, func(r *rig) {
			c := r.dial("")
			c.say("AUTH PLAIN " + b64("\x00alice\x00wrong") + "\r\nAUTH PLAIN " + b64("\x00"+user+"\x00wrong") + "\r\nQUIT\r\n")
			c.ends(plugin.Failure, want)
			if log := r.log.String(); strings.Contains(log, "mallory") && strings.Contains(log, "user=mallory") {
				t.Errorf("log names who is no user: %s", log)
			}
		})
	}
	bubble(t, everything, nil, func(r *rig) {
		r.identity = "no name"
		c := r.dial("")
		c.say("AUTH PLAIN " + b64("\x00alice\x00sesame") + "\r\nQUIT\r\n")
		c.ends(plugin.Failure, "alice")
	})
}

func TestSecretsAreWiped(t *testing.T) {
	bubble(t, everything, nil, func(r *rig) {
		c := r.dial("")
		c.say("AUTH PLAIN " + b64("\x00alice\x00wrong") + "\r\nAUTH PLAIN\r\n" + b64("\x00alice\x00wrong") + "\r\nUSER alice\r\nPASS wrong\r\n")
		c.ends(plugin.Failure, "alice")
		if len(r.seen) != 3 {
			t.Fatalf("%d steps", len(r.seen))
		}
		for i, in := range r.seen {
			if len(in) == 0 || strings.Trim(string(in), "\x00") != "" {
				t.Errorf("message %d is still %q", i, in)
			}
		}
	})
}

func TestDropInTheMiddle(t *testing.T) {
	bubble(t, everything, nil, func(r *rig) {
		c := r.dial("")
		c.say("AUTH SCRAM-SHA-256 " + b64("alice") + "\r\n" + b64("sesame") + "\r\n")
		if r.closed != 0 {
			t.Fatal("closed before its end")
		}
		c.hang()
		if out := c.ends(0, ""); out.Ended != dialog.Dropped {
			t.Errorf("ended %v", out.Ended)
		}
		synctest.Wait()
		if r.closed != 1 {
			t.Errorf("closed %d times", r.closed)
		}
	})
}
