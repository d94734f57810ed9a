package sasl

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rashost/dialog"
	"rashost/plugin"
	"rashost/plugin/sasl/exchange"
)

func TestBadBase64(t *testing.T) {
	for _, bad := range []string{
		"YWxpY2V!", "YWxp Y2U=", "=AAA", "AAA=BBB", "=", "==", "====", "YWxpY2U", "YWxpY", "Y", "YWxpY2U==", "YWxpY2V=", "* ", "**", "*a", "-_-_",
		"YWxpY2U=\x01", "YWxp\x7fY2U=", "\xd9\x00WxpY2U=\x81", " YWxpY2U=", "YWxpY2U= ",
	} {
		bubble(t, withSMTP, nil, func(r *rig) {
			c := r.dial("")
			c.talk("C: AUTH CRAM-MD5\nS: " + strings.TrimSpace(helloSMTP) + "\nS: 334 " + b64("<1@x>"))
			c.say(bad + "\r\n")
			c.expect("501 5.5.2 Authentication failed: the response is malformed.\r\n")
			if r.closed != 1 || len(r.seen) != 0 {
				t.Errorf("%q: closed %d times, steps %q", bad, r.closed, r.seen)
			}
			c.talk("C: NOOP\nS: 250 2.0.0 OK")
			if initial := strings.TrimRight(bad, " "); initial != "=" && initial != "YWxpY2U=" {
				c.say("AUTH OTP " + initial + "\r\n")
				if got := c.heard(); !strings.HasPrefix(got, "50") || len(r.starts) != 1 {
					t.Errorf("initial response %q: %q, started %v", initial, got, r.starts)
				}
			}
			c.leaves()
		})
	}
}

func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		name, options, before, line, want string
	}{
		{"POP3 command", everything, "", "NOOP " + strings.Repeat("x", 253-5), "+OK\r\n"},
		{"POP3 command, one more", everything, "", "NOOP " + strings.Repeat("x", 254-5), "-ERR Line too long.\r\n"},
		{"POP3 AUTH with a response", everything, "", "AUTH OTP " + strings.Repeat("A", 244), "-ERR [AUTH] Access denied.\r\n"},
		{"POP3 AUTH with a response, more", everything, "", "AUTH OTP " + strings.Repeat("A", 248), "-ERR Line too long.\r\n"},
		{"SMTP command", withSMTP, "", "NOOP " + strings.Repeat("x", 510-5), "250 2.0.0 OK\r\n"},
		{"SMTP command, one more", withSMTP, "", "NOOP " + strings.Repeat("x", 511-5), "500 5.5.6 Line too long.\r\n"},
		{"response", withSMTP, "AUTH OTP\r\n", strings.Repeat("A", 12288), "535 5.7.8 Access denied.\r\n"},
		{"response, one more", withSMTP, "AUTH OTP\r\n", strings.Repeat("A", 12289), "500 5.5.6 Line too long.\r\n"},
		{"response, far more", everything, "AUTH OTP\r\n", strings.Repeat("A", 60000), "-ERR Line too long.\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, tt.options, nil, func(r *rig) {
				r.code = exchange.SASL_BADAUTH
				c := r.dial("")
				if tt.before != "" {
					c.say(tt.before)
				}
				c.heard()
				c.say(tt.line + "\r\n")
				c.expect(tt.want)
				c.say("NOOP\r\n")
				if got := c.heard(); got != r.wire.text(replyDone) {
					t.Errorf("after it the caller sees %q", got)
				}
				c.leaves()
			})
		})
	}
}

func TestEndings(t *testing.T) {
	login := "NOOP%[1]sAUTH PLAIN " + b64("\x00alice\x00sesame") + "%[1]s"
	for name, tt := range map[string]struct {
		end, rest, unread string
		bytewise          bool
	}{
		"CR LF":                       {"\r\n", "", "", false},
		"CR LF, byte by byte":         {"\r\n", "PPP", "PPP", true},
		"CR LF, pipelined":            {"\r\n", "~\x7e\xff\x7d\x23 PPP\r\n", "~\x7e\xff\x7d\x23 PPP\r\n", false},
		"CR LF, the service's own LF": {"\r\n", "\n\n", "\n\n", false},
		"LF":                          {"\n", "\r\nPPP", "\r\nPPP", false},
		"CR":                          {"\r", "PPP", "PPP", false},
		"CR, byte by byte":            {"\r", "PPP", "PPP", true},
		"CR NUL":                      {"\r\x00", "PPP", "\x00PPP", false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, everything, nil, func(r *rig) {
				c := r.dial("")
				text := fmt.Sprintf(login, tt.end)
				for tt.bytewise && len(text) > 1 {
					c.say(text[:1])
					text = text[1:]
				}
				c.say(text + tt.rest)
				out := c.ends(plugin.Success, "Alice")
				c.expect(helloPOP3 + "+OK\r\n+OK Logged in.\r\n")
				if string(out.Unread) != tt.unread {
					t.Errorf("the service gets %q, want %q", out.Unread, tt.unread)
				}
			})
		})
	}
}

func TestCarriageReturnAlone(t *testing.T) {
	bubble(t, everything, nil, func(r *rig) {
		c := r.dial("")
		c.say("NOOP\r")
		c.expect(helloPOP3)
		time.Sleep(endingWait * time.Second)
		c.expect("+OK\r\n")
		c.say("NOOP\r")
		c.expect("+OK\r\n")
		c.say("\nNOOP\n")
		c.expect("+OK\r\n") // the LF belonged to the CR
		c.say("AUTH PLAIN " + b64("\x00alice\x00sesame") + "\r")
		time.Sleep(endingWait * time.Second)
		c.ends(plugin.Success, "Alice")
	})
}

func TestByteLostBehindTheFirstLine(t *testing.T) {
	bubble(t, everything, nil, func(r *rig) {
		c := r.dial("")
		c.say("AUTH PLAIN " + b64("\x00alice\x00sesame") + "\rPPP")
		if out := c.ends(plugin.Success, "Alice"); string(out.Unread) != "PP" || !strings.Contains(r.log.String(), "did not reach the service") {
			t.Errorf("the service gets %q; log %s", out.Unread, r.log)
		}
	})
}

func TestNoiseBeforeTheGreeting(t *testing.T) {
	bubble(t, everything, nil, func(r *rig) {
		c := r.dial("\xff\x00~login: x\r\n\rNOOP\r\n")
		time.Sleep(2 * time.Second)
		c.expect(helloPOP3)
		c.say("\x00\xff}~ .\r\n \xc0NOOP\r\n")
		c.expect("-ERR Unknown command. Type HELP for a list.\r\n+OK\r\n")
		c.talk("C: QUIT\nS: +OK Bye.")
		c.ends(plugin.Failure, "")
	})
}

func TestGarbledCommands(t *testing.T) {
	bubble(t, everything, nil, func(r *rig) {
		c := r.dial("")
		c.say("N\x00OO\x00P\r\n")
		c.expect(helloPOP3 + "+OK\r\n")
		for _, line := range []string{"NO\x01OP", "NOOP\x1b[A", "NOOP\t", "N\xcfOP", "NOOX\x7fP"} {
			c.say(line + "\r\n")
			c.expect("-ERR Unreadable line: only ASCII text is understood.\r\n")
		}
		c.say("\r\n  \r\nAUTHENTICATE PLAIN\r\n")
		c.expect(strings.Repeat("-ERR Unknown command. Type HELP for a list.\r\n", 3))
		c.leaves()
	})
}

func TestSevenBitCaller(t *testing.T) {
	for name, odd := range map[string]byte{"even": 0, "odd": 0x80} {
		t.Run(name, func(t *testing.T) {
			dress := func(s string) string {
				b := []byte(s)
				for i, c := range b {
					b[i] ^= odd
					for x := c; x != 0; x &= x - 1 {
						b[i] ^= 0x80
					}
				}
				return string(b)
			}
			bubble(t, everything, nil, func(r *rig) {
				c := r.dial("")
				c.expect(helloPOP3) // the parity is not known yet
				c.say(dress("NOOP\r\n"))
				c.expect(dress("+OK\r\n"))
				c.say(dress("AUTH PLAIN " + b64("\x00alice\x00sesame") + "\r\n"))
				c.expect(dress("+OK Logged in.\r\n"))
				if out := c.ends(plugin.Success, "Alice"); len(out.Unread) != 0 {
					t.Errorf("the service gets %q", out.Unread)
				}
			})
		})
	}
}

func TestFloodIsRefused(t *testing.T) {
	for _, text := range []string{"NOOP\r\n", "A", "\x00", "\r", "AUTH OTP\r\nQQ==\r\n*\r\n"} {
		bubble(t, everything, nil, func(r *rig) {
			c := r.dial("")
			r.code = exchange.SASL_CONTINUE
			c.expect(helloPOP3)
			go func() {
				for range 256 {
					if _, err := c.conn.Write([]byte(strings.Repeat(text, 4096/len(text)))); err != nil {
						return
					}
				}
			}()
			out := c.ends(plugin.Failure, c.claimed(text))
			if out.Ended != dialog.Completed {
				t.Errorf("%q: ended %v", text, out.Ended)
			}
			if got := c.heard(); len(got) > maxInput || !strings.HasSuffix(got, "-ERR Too many errors.\r\n") {
				t.Errorf("%q: %d bytes of answers, the last are %q", text, len(got), got[max(0, len(got)-40):])
			}
		})
	}
}

func (c *caller) claimed(text string) string {
	if strings.Contains(text, "QQ==") {
		return "A"
	}
	return ""
}

func TestSilence(t *testing.T) {
	for name, typed := range map[string]string{"at the greeting": "", "in a command": "AUT", "in an exchange": "AUTH PLAIN\r\n", "in a response": "AUTH PLAIN\r\nAGF"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, withSMTP, nil, func(r *rig) {
				c := r.dial("")
				if typed != "" {
					c.say(typed)
				}
				c.heard()
				time.Sleep(maxSilence*time.Second - time.Millisecond)
				c.expect("")
				time.Sleep(time.Second)
				c.expect("421 4.4.2 Time is up.\r\n")
				if out := c.ends(plugin.Failure, ""); out.Ended != dialog.Completed {
					t.Errorf("ended %v", out.Ended)
				}
			})
		})
	}
}

func TestTimeIsUpBeforeTheHostsLimit(t *testing.T) {
	bubble(t, "", func(s *plugin.Setup) { s.Timeout = 90 }, func(r *rig) {
		c := r.dial("")
		for range 8 {
			time.Sleep(10 * time.Second)
			c.say("NOOP\r\n")
		}
		time.Sleep(8 * time.Second)
		if got := c.heard(); !strings.HasSuffix(got, "+OK\r\n-ERR Time is up.\r\n") {
			t.Errorf("caller sees %q", got)
		}
		if out := c.ends(plugin.Failure, ""); out.Ended != dialog.Completed {
			t.Errorf("ended %v", out.Ended)
		}
	})
}
