package httpline

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"rashost/dialog"
	"rashost/plugin"
)

// A request whose end is not known ends the call.
func TestMalformed(t *testing.T) {
	long := strings.Repeat("x", maxHead)
	for request, status := range map[string]int{
		"hello\r\n":                                                    400,
		"GET /\r\n":                                                    400,
		"GET / FTP/1.0\r\n":                                            400,
		"GET  HTTP/1.1\r\n":                                            400,
		"GET / x HTTP/1.1\r\n":                                         400,
		"GET a HTTP/1.1\r\n":                                           400,
		"GET http:// HTTP/1.1\r\n":                                     400,
		"GET https://line/ HTTP/1.1\r\n":                               400,
		"GET /\x7f HTTP/1.1\r\n":                                       400,
		"GET /\xe4 HTTP/1.1\r\n":                                       400,
		"G\x00T / HTTP/1.1\r\n":                                        400,
		"GET\t/ HTTP/1.1\r\n":                                          400,
		"GET /\rx":                                                     400,
		"~\xff}#\xc0!}!}!} }4}\"\r\n":                                  400,
		"OPTIONS * HTTP/1.1\r\n":                                       501,
		"get / HTTP/1.1\r\n":                                           501,
		"CONNECT line:1 HTTP/1.1\r\n":                                  501,
		"GET / HTTP/2.0\r\n":                                           505,
		"GET / HTTP/1.1\r\nX\r\n":                                      400,
		"GET / HTTP/1.1\r\n: x\r\n":                                    400,
		"GET / HTTP/1.1\r\nX : x\r\n":                                  400,
		"GET / HTTP/1.1\r\nX: y\r\n folded: z\r\n":                     400,
		"GET / HTTP/1.1\r\nX: a\x00b\r\n":                              400,
		"GET / HTTP/1.1\r\nX: a\rb\r\n":                                400,
		"GET / HTTP/1.1\r\nContent-Length: -1\r\n":                     400,
		"GET / HTTP/1.1\r\nContent-Length: +1\r\n":                     400,
		"GET / HTTP/1.1\r\nContent-Length: 1_0\r\n":                    400,
		"GET / HTTP/1.1\r\nContent-Length: 1, 1\r\n":                   400,
		"GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n":   400,
		"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n": 400,
		"GET / HTTP/1.1\r\nAuthorization: Digest a=b\r\nauthorization: Digest a=b\r\n":        400,
		"GET / HTTP/1.1\r\nContent-Length: 65537\r\n":                                         413,
		"GET / HTTP/1.1\r\nExpect: cake\r\n":                                                  417,
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n":                                   501,
		"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n":              501,
		"GET / HTTP/1.1\r\nX: " + long:                                                        431,
		"GET /" + long:                                                                        431,
		"GET / HTTP/1.1\r\n" + strings.Repeat("X: y\r\n", maxHead/6):                          431,
		strings.Repeat("\r\n", maxHead):                                                       431,
		"GET / HTTP/1.1\r\nAuthorization: Basic QWxpY2U6c2VjcmV0\r\nTransfer-Encoding: x\r\n": 501,
	} {
		bubble(t, "", nil, func(t *testing.T, p *Plugin, log *logBuffer, host *dialog.Host) {
			c := dial(t, host, p, "modem1")
			synctest.Wait()
			_, _ = io.WriteString(c.conn, request) // the call may end first
			c.ends(plugin.Failure, "")
			a := c.reply("GET", status)
			if a.body != textMalformed || !a.Close || a.Header.Get("Www-Authenticate") != "" {
				t.Errorf("%.60q: %q", request, a.raw)
			}
			if strings.Contains(log.String(), "QWxpY2U6c2VjcmV0") {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// The longest request that is served.
func TestLongestRequest(t *testing.T) {
	bubble(t, "", nil, func(t *testing.T, p *Plugin, _ *logBuffer, host *dialog.Host) {
		c := dial(t, host, p, "modem1")
		head := "POST / HTTP/1.1\r\nContent-Length: 65536\r\nX: \r\n\r\n"
		head = strings.Replace(head, "X: ", "X: "+strings.Repeat("x", maxHead-len(head)), 1)
		c.say(head)
		for range 16 { // the host keeps no more than 64 KiB for a plugin that is slower than the line
			c.say(strings.Repeat("\x00", maxBody/16))
		}
		c.reply("POST", 401)
		c.hang()
		c.ends(0, "")
	})
}

// Other schemes are no attempt, and what they send is not logged.
func TestOtherSchemes(t *testing.T) {
	bubble(t, "", func(s *plugin.Setup) { s.Attempts = 1 }, func(t *testing.T, p *Plugin, log *logBuffer, host *dialog.Host) {
		c := dial(t, host, p, "modem1")
		for _, value := range []string{"Basic QWxpY2U6Y29ycmVjdCBob3JzZQ==", "Digest", "Bearer x", ""} {
			c.ask("GET", "/", "Authorization: "+value+"\r\n", "", 401)
		}
		if log.String() != "" {
			t.Errorf("log: %s", log)
		}
		c.ask("GET", "/", "Authorization: Digest nonsense\r\n", "", 403)
		c.ends(plugin.Failure, "")
	})
}

func TestRequestsAreBounded(t *testing.T) {
	bubble(t, "", nil, func(t *testing.T, p *Plugin, log *logBuffer, host *dialog.Host) {
		c := dial(t, host, p, "modem1")
		for range maxRequests {
			c.ask("GET", "/", "", "", 401)
		}
		c.ends(plugin.Failure, "")
		if !strings.Contains(log.String(), "too many requests") {
			t.Errorf("log: %s", log)
		}
	})
}
