package httpline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rashost/dialog"
	"rashost/plugin"
	"rashost/plugin/plugintest"
	"rashost/plugin/sspi"
	"rashost/plugin/users"
)

func TestLogin(t *testing.T) {
	for _, alg := range []string{sspi.SHA256, sspi.MD5, sspi.MD5Sess} {
		bubble(t, "algorithms: [SHA-256, MD5, MD5-sess]", func(s *plugin.Setup) { s.Banner = "Authorised use only." },
			func(t *testing.T, p *Plugin, log *logBuffer, host *dialog.Host) {
				c := dial(t, host, p, "modem1")
				first := c.ask("GET", "/", "", "", 401)
				offers := first.Header.Values("Www-Authenticate")
				if len(offers) != 3 || !strings.Contains(offers[0], "algorithm=SHA-256") || !strings.Contains(offers[1], "algorithm=MD5,") {
					t.Errorf("offers %q", offers)
				}
				if first.body != "Authorised use only.\nLog in with HTTP Digest.\n" {
					t.Errorf("body %q", first.body)
				}
				cl := (&client{name: "Alice", password: secret, alg: alg}).reads(first)
				found := c.get(cl, "/", 302)
				if found.Header.Get("Location") != "/connect" || found.body != "" {
					t.Errorf("%q", found.raw)
				}
				info := func(a answer) {
					t.Helper()
					want := fmt.Sprintf(`qop=auth, rspauth="%s", cnonce="%s", nc=%08x`, cl.digest("", ""), cl.cnonce, cl.nc)
					if got := a.Header.Get("Authentication-Info"); got != want {
						t.Errorf("Authentication-Info: %s, want %s", got, want)
					}
				}
				info(found)
				c.say(asks("GET", "/connect", cl.authorization("GET", "/connect", ""), "") + "~\xff}#\xc0! what the service shall get")
				info(c.reply("GET", 200))
				out := c.ends(plugin.Success, "Alice")
				if !out.Granted() || string(out.Unread) != "~\xff}#\xc0! what the service shall get" {
					t.Errorf("%+v", out)
				}
				if strings.Contains(log.String(), "UNFINISHED") || !strings.Contains(log.String(), `msg="digest login"`) {
					t.Errorf("log: %s", log)
				}
			})
	}
}

// The first response alone lets nobody in, whatever its path, and no other path than /connect does.
func TestOnlyTheSecondRequestLetsIn(t *testing.T) {
	bubble(t, "", nil, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
		c := dial(t, host, p, "modem1")
		cl := c.hello("Alice", secret)
		c.get(cl, "/connect", 302)
		c.get(cl, "/", 302)
		c.get(cl, "/connected", 302)
		c.ask("GET", "/connect", "", "", 401) // without a response
		c.get(cl, "/connect?x=y", 200)
		c.ends(plugin.Success, "Alice")
	})
}

// A replay of the response to /connect, or a first response again, lets nobody in; a right client needs only a new nonce.
func TestReplay(t *testing.T) {
	bubble(t, "", nil, func(t *testing.T, p *Plugin, log *logBuffer, host *dialog.Host) {
		c := dial(t, host, p, "modem1")
		cl := c.hello("Alice", secret)
		header := cl.authorization("GET", "/connect", "")
		c.ask("GET", "/connect", header, "", 302)
		again := c.ask("GET", "/connect", header, "", 401)
		if !strings.HasSuffix(again.Header.Get("Www-Authenticate"), "stale=true") {
			t.Errorf("%q", again.raw)
		}
		if !strings.Contains(log.String(), "SEC_E_OUT_OF_SEQUENCE") {
			t.Errorf("log: %s", log)
		}
		cl.reads(again)
		c.get(cl, "/connect", 302)
		c.get(cl, "/connect", 200)
		c.ends(plugin.Success, "Alice")
	})
}

// A nonce of an earlier call is worth nothing, costs no attempt, and is not found.
func TestNonceDiesWithTheCall(t *testing.T) {
	bubble(t, "", func(s *plugin.Setup) { s.Attempts = 1 }, func(t *testing.T, p *Plugin, log *logBuffer, host *dialog.Host) {
		c := dial(t, host, p, "modem1")
		cl := c.hello("Alice", secret)
		c.get(cl, "/", 302)
		c.hang()
		c.ends(0, "")
		c = dial(t, host, p, "modem1")
		fresh := c.get(cl, "/connect", 401)
		if strings.Contains(fresh.raw, cl.nonce) || strings.Contains(fresh.raw, cl.opaque) {
			t.Errorf("%q", fresh.raw)
		}
		cl.reads(fresh)
		c.get(cl, "/", 302)
		c.get(cl, "/connect", 200)
		c.ends(plugin.Success, "Alice")
	})
}

// A nonce that is too old costs no attempt: the client gets a new one and the word that its password was right.
func TestStaleNonce(t *testing.T) {
	bubble(t, "nonce_lifetime: 1m", func(s *plugin.Setup) { s.Attempts = 1 }, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
		c := dial(t, host, p, "modem1")
		cl := c.hello("Alice", secret)
		time.Sleep(time.Minute)
		a := c.get(cl, "/", 401)
		if !strings.HasSuffix(a.Header.Get("Www-Authenticate"), "stale=true") {
			t.Errorf("first response: %q", a.raw)
		}
		cl.reads(a)
		c.get(cl, "/", 302)
		time.Sleep(time.Minute)
		a = c.get(cl, "/connect", 401) // right, and lets nobody in
		if !strings.HasSuffix(a.Header.Get("Www-Authenticate"), "stale=true") {
			t.Errorf("later response: %q", a.raw)
		}
		cl.reads(a)
		c.get(cl, "/connect", 302)
		c.get(cl, "/connect", 200)
		c.ends(plugin.Success, "Alice")
	})
	bubble(t, "nonce_lifetime: 1m", func(s *plugin.Setup) { s.Attempts = 2 }, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
		c := dial(t, host, p, "modem1")
		cl := c.hello("Alice", secret)
		c.get(cl, "/", 302)
		time.Sleep(time.Minute)
		cl.password = "wrong"
		a := c.get(cl, "/connect", 401)
		if strings.Contains(a.raw, "stale") || strings.Contains(a.raw, cl.nonce) {
			t.Errorf("%q", a.raw)
		}
		cl.reads(a)
		c.get(cl, "/connect", 403)
		c.ends(plugin.Failure, "Alice")
	})
}

// The response must be for the target of the request: else 400, and an attempt is gone.
func TestTarget(t *testing.T) {
	for name, c := range map[string]struct {
		target, uri string
		status      int
	}{
		"another path":           {"/connect", "/other", 400},
		"another query":          {"/a?x=1", "/a?x=2", 400},
		"absolute target":        {"http://line/connect", "/connect", 302},
		"absolute both":          {"http://line/connect", "http://line/connect", 302},
		"absolute uri":           {"/connect", "http://line/connect", 302},
		"absolute without path":  {"http://line", "/", 302},
		"absolute with query":    {"http://line?x", "/?x", 302},
		"absolute, another path": {"http://line/connect", "/other", 400},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, "", func(s *plugin.Setup) { s.Attempts = 2 }, func(t *testing.T, p *Plugin, log *logBuffer, host *dialog.Host) {
				call := dial(t, host, p, "modem1")
				cl := call.hello("Alice", secret)
				cl.present = c.uri
				a := call.get(cl, c.target, c.status)
				if c.status == 302 {
					cl.present = ""
					call.get(cl, "http://line/connect", 200)
					call.ends(plugin.Success, "Alice")
					return
				}
				if a.Header.Get("Www-Authenticate") != "" || !strings.Contains(log.String(), "uri is not the target") {
					t.Errorf("%q; log: %s", a.raw, log)
				}
				call.get(cl, c.target, 403)
				call.ends(plugin.Failure, "Alice")
			})
		})
	}
	// A response that was signed for one target and says another one.
	bubble(t, "", nil, func(t *testing.T, p *Plugin, log *logBuffer, host *dialog.Host) {
		c := dial(t, host, p, "modem1")
		cl := c.hello("Alice", secret)
		c.get(cl, "/", 302)
		cl.hashURI = "/"
		c.get(cl, "/connect", 401)
		if !strings.Contains(log.String(), "SEC_E_MESSAGE_ALTERED") {
			t.Errorf("log: %s", log)
		}
		c.hang()
		c.ends(0, "")
	})
}

func TestMethodsAndBodies(t *testing.T) {
	bubble(t, "", nil, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
		c := dial(t, host, p, "modem1")
		cl := &client{name: "Alice", password: secret, alg: sspi.SHA256}
		body := strings.Repeat("x", 5000) + "\r\n\r\nGET / HTTP/1.1\r\n\r\n"
		first := c.ask("POST", "/a", "", body, 401)
		cl.reads(first)
		head := c.ask("HEAD", "/a", "", "", 401)
		if head.Header.Get("Content-Length") != fmt.Sprint(len(first.body)) || strings.Contains(head.raw, first.body) {
			t.Errorf("HEAD: %q", head.raw)
		}
		c.ask("POST", "/a", cl.authorization("POST", "/a", body), body, 302)
		c.ask("HEAD", "/connect", cl.authorization("HEAD", "/connect", ""), "", 200)
		c.ends(plugin.Success, "Alice")
	})
}

func TestAuthInt(t *testing.T) {
	bubble(t, "qop: auth-int", nil, func(t *testing.T, p *Plugin, log *logBuffer, host *dialog.Host) {
		c := dial(t, host, p, "modem1")
		cl := c.hello("Alice", secret)
		if cl.qop != "auth-int" {
			t.Errorf("qop %s", cl.qop)
		}
		c.ask("POST", "/", cl.authorization("POST", "/", "body"), "body", 302)
		cl.hashBody = "body"
		c.ask("POST", "/connect", cl.authorization("POST", "/connect", "evil"), "evil", 401)
		if !strings.Contains(log.String(), "SEC_E_MESSAGE_ALTERED") {
			t.Errorf("log: %s", log)
		}
		cl.hashBody = ""
		cl.reads(c.ask("GET", "/", "", "", 401))
		c.get(cl, "/", 302)
		cl.qop = "auth"
		c.get(cl, "/connect", 401)
		c.hang()
		c.ends(0, "")
	})
}

// Requests may come in pieces, or several at once; nothing is lost and nothing is read too far.
func TestPiecesAndPipelines(t *testing.T) {
	bubble(t, "", nil, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
		c := dial(t, host, p, "modem1")
		cl := c.hello("Alice", secret)
		for _, b := range []byte("\r\n" + asks("POST", "/", cl.authorization("POST", "/", "body"), "body")) {
			c.say(string(b))
		}
		c.reply("POST", 302)
		text := asks("GET", "/a", cl.authorization("GET", "/a", ""), "") + asks("GET", "/connect", cl.authorization("GET", "/connect", ""), "") + "rest"
		c.say(strings.ReplaceAll(text, "\r\n", "\n"))
		if got := c.heard(); strings.Count(got, "HTTP/1.1 302 Found\r\n") != 1 || strings.Count(got, "HTTP/1.1 200 OK\r\n") != 1 {
			t.Errorf("replies %q", got)
		}
		if out := c.ends(plugin.Success, "Alice"); string(out.Unread) != "rest" {
			t.Errorf("unread %q", out.Unread)
		}
	})
}

func TestExpectContinue(t *testing.T) {
	bubble(t, "", nil, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
		c := dial(t, host, p, "modem1")
		c.say("POST / HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-Continue\r\n\r\n")
		if got := c.heard(); got != "HTTP/1.1 100 Continue\r\n\r\n" {
			t.Errorf("%q", got)
		}
		c.say("body")
		c.reply("POST", 401)
		c.ask("GET", "/", "Expect: 100-continue\r\n", "", 401) // nothing to wait for
		c.hang()
		c.ends(0, "")
	})
}

// unreadable is a user file that cannot be read.
type unreadable struct{}

func (unreadable) Known(string) bool { return false }
func (unreadable) Lookup(context.Context, string) (users.Account, bool, error) {
	return users.Account{}, false, errors.New("input/output error")
}

func TestNobodyCanBeJudged(t *testing.T) {
	bubble(t, "", nil, func(t *testing.T, p *Plugin, log *logBuffer, host *dialog.Host) {
		p.users = unreadable{}
		c := dial(t, host, p, "modem1")
		cl := c.hello("Alice", secret)
		if a := c.get(cl, "/", 503); a.body != textTrouble {
			t.Errorf("%q", a.raw)
		}
		if out := c.ends(plugin.Error, "Alice"); out.Granted() || out.Code != plugin.ErrorUnknown {
			t.Errorf("%+v", out)
		}
		if !strings.Contains(log.String(), "SEC_E_NO_AUTHENTICATING_AUTHORITY") || !strings.Contains(log.String(), "input/output error") {
			t.Errorf("log: %s", log)
		}
	})
}

// A caller who hangs up in the middle leaves an audit message and nothing else.
func TestDropIsAudited(t *testing.T) {
	bubble(t, "", nil, func(t *testing.T, p *Plugin, log *logBuffer, host *dialog.Host) {
		c := dial(t, host, p, "modem1")
		c.hello("Alice", secret)
		c.hang()
		if out := c.ends(0, ""); out.Ended != dialog.Dropped {
			t.Errorf("%v", out.Ended)
		}
		synctest.Wait()
		if n := strings.Count(log.String(), "SEC_E_UNFINISHED_CONTEXT_DELETED"); n != 1 || !strings.Contains(log.String(), "line=modem1 call=1") {
			t.Errorf("log: %s", log)
		}
	})
}

func TestConformance(t *testing.T) {
	name := func(n int) string { return fmt.Sprint("user", n) }
	login := func(n int, password string) plugintest.Login {
		cl := &client{name: name(n), password: password, alg: sspi.SHA256}
		// signed answers the challenge that was seen last, or goes on counting.
		signed := func(target string) plugintest.Step {
			return plugintest.Reply(func(seen string) (string, error) {
				if strings.Contains(seen, "WWW-Authenticate: ") {
					_, text, _ := strings.Cut(seen, "WWW-Authenticate: Digest ")
					text, _, _ = strings.Cut(text, "\r\n")
					cl.reads(answer{Response: challenge(text)})
				}
				if cl.nonce == "" {
					return "", errors.New("no challenge")
				}
				return asks("GET", target, cl.authorization("GET", target, ""), ""), nil
			})
		}
		l := plugintest.Login{User: name(n), Secrets: []string{secret, password}, Steps: []plugintest.Step{
			plugintest.Send(asks("GET", "/", "", "")), plugintest.Expect(textChallenge), signed("/"),
		}}
		if password == secret {
			l.Steps = append(l.Steps, plugintest.Expect("Location: /connect"), plugintest.Expect("\r\n\r\n"), signed("/connect"))
		} else {
			l.Steps = append(l.Steps, plugintest.Expect(textChallenge), signed("/"), plugintest.Expect(textChallenge), signed("/"))
		}
		return l
	}
	plugintest.Run(t, plugintest.Subject{
		New: func() (plugin.Plugin, error) {
			var names []string
			for n := range plugintest.Callers {
				names = append(names, name(n))
			}
			s, _ := setup(t, "", names...)
			return New(s)
		},
		Good:    func(n int) plugintest.Login { return login(n, secret) },
		Bad:     func(n int) plugintest.Login { return login(n, "battery staple") },
		Virtual: true,
	})
}
