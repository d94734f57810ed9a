package sasl

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rashost/dialog"
	"rashost/plugin"
	"rashost/plugin/sasl/exchange"
)

// b64 is what a client types.
func b64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

const (
	helloPOP3 = "+OK POP3 rashost\r\n"
	helloSMTP = "220 rashost ESMTP\r\n"
	withSMTP  = everything + "profile: smtp\n"
)

func TestPOP3(t *testing.T) {
	bubble(t, everything, nil, func(r *rig) {
		c := r.dial("")
		c.expect(helloPOP3)
		c.talk(`
			C: CAPA
			S: +OK Capability list follows
			S: SASL SCRAM-SHA-256 CRAM-MD5 OTP EXTERNAL PLAIN LOGIN
			S: USER
			S: RESP-CODES
			S: AUTH-RESP-CODE
			S: .
			C: auth
			S: +OK Mechanisms follow
			S: SCRAM-SHA-256
			S: CRAM-MD5
			S: OTP
			S: EXTERNAL
			S: PLAIN
			S: LOGIN
			S: .
			C: NOOP
			S: +OK
			C: STAT
			S: -ERR Log in first.
			C: EHLO there
			S: -ERR Unknown command. Type HELP for a list.
			C: APOP alice c4c9334bac560ecc979e58001b3e22fb
			S: -ERR Unknown command. Type HELP for a list.
			C: AUTH SCRAM-SHA-256
			S: + 
			C: ` + b64("alice") + `
			S: + ` + b64("r=1,s=2") + `
			C: ` + b64("sesame") + `
			S: + ` + b64("v=3") + `
			C:
			S: +OK Logged in.
		`)
		if out := c.ends(plugin.Success, "Alice"); len(out.Unread) != 0 {
			t.Errorf("the service gets %q", out.Unread)
		}
	})
}

func TestSMTP(t *testing.T) {
	bubble(t, withSMTP+"hostname: line.example\n", func(s *plugin.Setup) { s.Banner = "Authorised use only." }, func(r *rig) {
		c := r.dial("")
		c.expect("220 line.example ESMTP Authorised use only.\r\n")
		c.talk(`
			C: CAPA
			S: 500 5.5.1 Unknown command. Type HELP for a list.
			C: USER alice
			S: 500 5.5.1 Unknown command. Type HELP for a list.
			C: HELO there
			S: 250 line.example
			C: MAIL FROM:<a@b>
			S: 530 5.7.0 Authentication required.
			C: ehlo there
			S: 250-line.example
			S: 250-ENHANCEDSTATUSCODES
			S: 250-AUTH SCRAM-SHA-256 CRAM-MD5 OTP EXTERNAL PLAIN LOGIN
			S: 250-AUTH=SCRAM-SHA-256 CRAM-MD5 OTP EXTERNAL PLAIN LOGIN
			S: 250 HELP
			C: RSET
			S: 250 2.0.0 OK
			C: NOOP and an argument
			S: 250 2.0.0 OK
			C: AUTH
			S: 501 5.5.4 Wrong arguments. Type HELP for a list.
			C: AUTH CRAM-MD5
			S: 334 ` + b64("<1@x>") + `
			C: *
			S: 501 5.7.0 Authentication cancelled.
			C: AUTH PLAIN
			S: 334 
			C: ` + b64("\x00alice\x00wrong") + `
			S: 535 5.7.8 Access denied.
			C: AUTH PLAIN ` + b64("\x00alice\x00sesame") + `
			S: 235 2.7.0 Logged in.
		`)
		c.ends(plugin.Success, "Alice")
	})
}

func TestEHLOUnderPOP3SwitchesTheRendering(t *testing.T) {
	for _, hello := range []string{"EHLO", "HELO"} {
		bubble(t, "", nil, func(r *rig) {
			c := r.dial("")
			c.say("garbage\r\n" + hello + " there\r\n")
			if got := c.heard(); !strings.HasPrefix(got, helloPOP3+"-ERR ") || !strings.Contains(got, "\r\n250") {
				t.Errorf("caller sees %q", got)
			}
			c.talk("C: QUIT\nS: 221 2.0.0 Bye.")
			c.ends(plugin.Failure, "")
		})
	}
}

func TestInitialResponse(t *testing.T) {
	for line, want := range map[string]start{
		"AUTH EXTERNAL":                              {"EXTERNAL", false, ""},
		"AUTH EXTERNAL ":                             {"EXTERNAL", false, ""},
		"AUTH EXTERNAL =":                            {"EXTERNAL", true, ""},
		"auth external YWxpY2U=":                     {"EXTERNAL", true, "alice"},
		"AUTH PLAIN " + b64("\x00alice\x00sesame"):   {"PLAIN", true, "\x00alice\x00sesame"},
		"AUTH PLAIN =":                               {"PLAIN", true, ""},
		"AUTH SCRAM-SHA-256 " + b64("n,,n=alice,r="): {"SCRAM-SHA-256", true, "n,,n=alice,r="},
	} {
		for _, options := range []string{everything, withSMTP} {
			bubble(t, options, nil, func(r *rig) {
				c := r.dial("")
				c.say(line + "\r\n")
				if !slices.Equal(r.starts, []start{want}) {
					t.Errorf("%q starts %+v, want %+v", line, r.starts, want)
				}
				c.leaves()
			})
		}
	}
}

// Every bad form is refused and ends the exchange: the next line is a command again.
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

// TestEndings: what ends a line, how the bytes are cut into pieces, and what is left for the service.
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

// A terminal sends CR alone: the first line waits a moment for an LF, the others don't.
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

// A CR that is the whole end of the very first line can't be told from one whose LF is to come: the byte behind it is lost, and it is said.
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

// An exchange that was begun and broken off counts as an attempt, whatever it was broken off with.
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
			if got := c.heard(); len(got) > maxInput {
				t.Errorf("%q: %d bytes of answers", text, len(got))
			}
		})
	}
}

// claimed is the name in the flood of exchanges.
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
		time.Sleep(10*time.Second - timeUpLead)
		if got := c.heard(); !strings.HasSuffix(got, "+OK\r\n-ERR Time is up.\r\n") {
			t.Errorf("caller sees %q", got)
		}
		if out := c.ends(plugin.Failure, ""); out.Ended != dialog.Completed {
			t.Errorf("ended %v", out.Ended)
		}
	})
}

// The codes of the exchange and what the caller is told of them: nothing that is about the name or the secret.
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
		exchange.SASL_TRYAGAIN: later, exchange.SASL_UNAVAIL: later, exchange.SASL_NOMEM: later,
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
				verdict := plugin.Failure
				if want == later {
					verdict = plugin.Error
				}
				if out := c.ends(verdict, "alice"); verdict == plugin.Error && out.Code != plugin.ErrorUnknown {
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

// The verdict names whom the last exchange claimed to be; a name that can't be one is left out.
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

func TestUserAndPass(t *testing.T) {
	bubble(t, everything, nil, func(r *rig) {
		c := r.dial("")
		c.talk(`
			C: PASS sesame
			S: +OK POP3 rashost
			S: -ERR USER first.
			C: USER
			S: -ERR Wrong arguments. Type HELP for a list.
			C: USER alice
			S: +OK Now the password with PASS.
			C: PASS a b
			S: -ERR [AUTH] Access denied.
			C: PASS sesame
			S: -ERR USER first.
			C: USER alice
			S: +OK Now the password with PASS.
			C: PASS sesame
			S: +OK Logged in.
		`)
		c.ends(plugin.Success, "Alice")
		if want := (start{"PLAIN", true, "\x00alice\x00a b"}); len(r.starts) != 2 || r.starts[0] != want {
			t.Errorf("starts %+v", r.starts)
		}
	})
}

// On a line that is not trusted nothing takes a password as it is.
func TestLineThatIsNotTrusted(t *testing.T) {
	bubble(t, everything, nil, func(r *rig) {
		r.call.Trusted = false
		c := r.dial("")
		c.talk(`
			C: CAPA
			S: +OK POP3 rashost
			S: +OK Capability list follows
			S: SASL SCRAM-SHA-256 CRAM-MD5 OTP EXTERNAL
			S: RESP-CODES
			S: AUTH-RESP-CODE
			S: .
			C: AUTH PLAIN ` + b64("\x00alice\x00sesame") + `
			S: -ERR This mechanism is not allowed on this line. Type CAPA for others.
			C: AUTH login
			S: -ERR This mechanism is not allowed on this line. Type CAPA for others.
			C: USER alice
			S: -ERR This mechanism is not allowed on this line. Type CAPA for others.
			C: PASS sesame
			S: -ERR This mechanism is not allowed on this line. Type CAPA for others.
			C: AUTH SCRAM-SHA-512
			S: -ERR Unknown authentication mechanism. Type CAPA for a list.
			C: AUTH ABCDEFGHIJKLMNOPQRSTUVWXYZ
			S: -ERR Unknown authentication mechanism. Type CAPA for a list.
		`)
		if len(r.starts) != 0 {
			t.Errorf("started %+v", r.starts)
		}
		c.leaves()
	})
	bubble(t, "mechanisms: [PLAIN]\nprofile: smtp", nil, func(r *rig) {
		r.call.Trusted = false
		c := r.dial("")
		c.talk(`
			C: EHLO there
			S: 220 rashost ESMTP
			S: 250-rashost
			S: 250-ENHANCEDSTATUSCODES
			S: 250 HELP
			C: AUTH PLAIN
			S: 538 5.7.11 This mechanism is not allowed on this line. Type EHLO for others.
		`)
		c.leaves()
	})
}

func TestHelp(t *testing.T) {
	bubble(t, "", nil, func(r *rig) {
		c := r.dial("")
		c.talk(`
			C: help
			S: +OK POP3 rashost
			S: +OK Commands: AUTH, CAPA, NOOP, QUIT, HELP.
			S: AUTH and a mechanism logs in. Answers to the challenges are base64; * cancels.
			S: Mechanisms: SCRAM-SHA-256
			S: .
		`)
		c.leaves()
	})
	bubble(t, withSMTP, nil, func(r *rig) {
		c := r.dial("")
		c.talk(`
			C: HELP
			S: 220 rashost ESMTP
			S: 214-Commands: AUTH, EHLO, NOOP, QUIT, HELP.
			S: 214-AUTH and a mechanism logs in. Answers to the challenges are base64; * cancels.
			S: 214 Mechanisms: SCRAM-SHA-256 CRAM-MD5 OTP EXTERNAL PLAIN LOGIN
		`)
		c.leaves()
	})
}

// A person sees the command that they type, and no secret.
func TestEcho(t *testing.T) {
	bubble(t, everything+"echo: true\n", nil, func(r *rig) {
		c := r.dial("")
		c.say("\bnoox\bp\r")
		time.Sleep(endingWait * time.Second)
		c.expect(helloPOP3 + "noox\b \bp\r\n+OK\r\n")
		for typed, want := range map[string]string{
			"auth plain " + b64("\x00alice\x00wrong") + "\r": "auth plain\r\n-ERR [AUTH] Access denied.\r\n",
			"user alice\rpass wro ng\b\r":                    "user alice\r\n+OK Now the password with PASS.\r\npass\r\n-ERR [AUTH] Access denied.\r\n",
			"AUTH CRAM-MD5\rYWx\x7fpY2U=\x08=\r*\r":          "AUTH CRAM-MD5\r\n+ " + b64("<1@x>") + "\r\n\r\n-ERR Authentication failed: the response is malformed.\r\n*\r\n-ERR Unknown command. Type HELP for a list.\r\n",
			"secret x\x1b\r":                                 "secret\r\n-ERR Unreadable line: only ASCII text is understood.\r\n",
		} {
			c := r.dial("")
			c.say("noop\r")
			time.Sleep(endingWait * time.Second)
			c.heard()
			c.say(typed)
			c.expect(want)
			c.leaves()
		}
		c.leaves()
	})
}

// A call that ends in the middle of an exchange closes it, and nobody is let in.
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
