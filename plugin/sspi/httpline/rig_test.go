package httpline

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"gopkg.in/yaml.v3"

	"rashost/dialog"
	"rashost/plugin"
	"rashost/plugin/sspi"
	"rashost/plugin/users"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logBuffer takes log lines from any goroutine.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

const secret = "correct horse"

// setup is what a configuration gives the plugin, with a user file that holds the named users.
func setup(t testing.TB, options string, names ...string) (plugin.Setup, *logBuffer) {
	t.Helper()
	log := new(logBuffer)
	s := plugin.Setup{
		Dialog:   "devices",
		Decode:   func(into any) error { return yaml.Unmarshal([]byte("file: users.yaml\n"+options), into) },
		StateDir: t.TempDir(),
		Timeout:  120,
		Log:      slog.New(slog.NewTextHandler(log, nil)),
	}
	s.Resolve = func(name string) string { return filepath.Join(s.StateDir, name) }
	_, needs, err := Needs(s.Decode)
	if err != nil {
		return s, log
	}
	file, err := users.NewFile(s.Resolve("users.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := file.Add(name, []byte(secret), needs); err != nil {
			t.Fatal(err)
		}
	}
	return s, log
}

func mustPlugin(t testing.TB, s plugin.Setup) *Plugin {
	t.Helper()
	p, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	return p.(*Plugin)
}

// call is a call inside a synctest bubble: the caller's end of the line.
type call struct {
	t    *testing.T
	conn net.Conn
	mu   sync.Mutex
	out  bytes.Buffer
	done chan dialog.Outcome
	hang context.CancelFunc
}

// dial starts a dialog with p.
func dial(t *testing.T, host *dialog.Host, p plugin.Plugin, line string) *call {
	caller, lineEnd := net.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	c := &call{t: t, conn: caller, done: make(chan dialog.Outcome, 1), hang: cancel}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := caller.Read(buf)
			c.mu.Lock()
			c.out.Write(buf[:n])
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	go func() {
		c.done <- host.Run(ctx, lineEnd, p, dialog.Options{Timeout: dialog.MaxTimeout, Call: plugin.Call{ID: "1", Line: line}})
		cancel()
		_ = lineEnd.Close()
		_ = caller.Close()
	}()
	return c
}

// say sends text once the plugin waits.
func (c *call) say(text string) {
	c.t.Helper()
	synctest.Wait()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Errorf("sending %q: %v", text, err)
	}
	synctest.Wait()
}

// heard returns what has come since the last time.
func (c *call) heard() string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	text := c.out.String()
	c.out.Reset()
	return text
}

// ends checks the outcome.
func (c *call) ends(verdict plugin.Verdict, user string) dialog.Outcome {
	c.t.Helper()
	out := <-c.done
	if out.Verdict != verdict || out.User != user {
		c.t.Errorf("outcome %v, %q, %v, %v; want %v, %q", out.Verdict, out.User, out.Ended, out.Code, verdict, user)
	}
	return out
}

// answer is a reply of the plugin.
type answer struct {
	*http.Response
	body string
	raw  string
}

// reply reads the one reply that has come, by the rules of net/http.
func (c *call) reply(method string, status int) answer {
	c.t.Helper()
	raw := c.heard()
	r := bufio.NewReader(strings.NewReader(raw))
	res, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("no reply: %v in %q", err, raw)
	}
	body, err := io.ReadAll(res.Body)
	if rest, _ := io.ReadAll(r); err != nil || len(rest) > 0 {
		c.t.Errorf("after the reply: %q, %v", rest, err)
	}
	if res.StatusCode != status {
		c.t.Errorf("reply %s, want %d", res.Status, status)
	}
	return answer{res, string(body), raw}
}

// ask sends a request and reads its reply.
func (c *call) ask(method, target, headers, body string, status int) answer {
	c.t.Helper()
	c.say(asks(method, target, headers, body))
	return c.reply(method, status)
}

// asks is a request.
func asks(method, target, headers, body string) string {
	if body != "" {
		headers += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	return method + " " + target + " HTTP/1.1\r\nHost: line\r\n" + headers + "\r\n" + body
}

// client logs in by HTTP Digest; it does its arithmetic without the package's.
type client struct {
	name, password, alg        string
	realm, nonce, opaque, qop  string
	nc                         int
	cnonce, method, uri, body  string
	hashURI, hashBody, present string // what is hashed, or sent, instead
}

// reads takes the challenge of an algorithm.
func (c *client) reads(a answer) *client {
	for _, text := range a.Header.Values("Www-Authenticate") {
		ds, err := sspi.ParseDirectives(strings.TrimPrefix(text, "Digest "))
		if err != nil {
			continue
		}
		got := map[string]string{}
		for _, d := range ds {
			got[d.Name] = d.Value
		}
		if got["algorithm"] == c.alg {
			c.realm, c.nonce, c.opaque, c.qop, c.nc = got["realm"], got["nonce"], got["opaque"], got["qop"], 0
		}
	}
	return c
}

func (c *client) hash(s string) string {
	if c.alg == sspi.SHA256 {
		sum := sha256.Sum256([]byte(s))
		return hex.EncodeToString(sum[:])
	}
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// digest is the response of the client, or of the server with method "".
func (c *client) digest(method, body string) string {
	a1 := c.hash(c.name + ":" + c.realm + ":" + c.password)
	if c.alg == sspi.MD5Sess {
		a1 = c.hash(a1 + ":" + c.nonce + ":" + c.cnonce)
	}
	uri := c.uri
	if c.hashURI != "" {
		uri = c.hashURI
	}
	a2 := method + ":" + uri
	if c.qop == "auth-int" {
		a2 += ":" + c.hash(body)
	}
	return c.hash(fmt.Sprintf("%s:%s:%08x:%s:%s:%s", a1, c.nonce, c.nc, c.cnonce, c.qop, c.hash(a2)))
}

// authorization is the header for the next request.
func (c *client) authorization(method, uri, body string) string {
	c.nc++
	c.method, c.uri, c.body, c.cnonce = method, uri, body, "Zm9vYmFy"
	if c.present != "" {
		c.uri = c.present
	}
	if c.hashBody != "" {
		body = c.hashBody
	}
	return fmt.Sprintf(`Authorization: Digest username="%s", realm="%s", nonce="%s", uri="%s", algorithm=%s, response="%s", opaque="%s", `+
		`qop=%s, nc=%08x, cnonce="%s"`+"\r\n", c.name, c.realm, c.nonce, c.uri, c.alg, c.digest(method, body), c.opaque, c.qop, c.nc, c.cnonce)
}

// get is a GET with the client's next response.
func (c *call) get(cl *client, target string, status int) answer {
	c.t.Helper()
	return c.ask("GET", target, cl.authorization("GET", target, ""), "", status)
}

// hello makes a client of the challenge to a first request.
func (c *call) hello(name, password string) *client {
	c.t.Helper()
	cl := &client{name: name, password: password, alg: sspi.SHA256}
	return cl.reads(c.ask("GET", "/", "", "", 401))
}

// bubble runs f with a plugin whose users are Alice and bob.
func bubble(t *testing.T, options string, edit func(s *plugin.Setup), f func(t *testing.T, p *Plugin, log *logBuffer, host *dialog.Host)) {
	t.Helper()
	s, log := setup(t, options, "Alice", "bob")
	if edit != nil {
		edit(&s)
	}
	p := mustPlugin(t, s)
	synctest.Test(t, func(t *testing.T) {
		p.slow = users.NewAttempts(0, time.Now)
		host := dialog.New(nil)
		f(t, p, log, host)
		if err := host.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// challenge is a reply with one challenge.
func challenge(text string) *http.Response {
	return &http.Response{Header: http.Header{"Www-Authenticate": {"Digest " + text}}}
}
