package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain is also the other process of the tests about permissions: "dial PATH" says how a connection went.
func TestMain(m *testing.M) {
	if path := os.Getenv("ADMIN_TEST_DIAL"); path != "" {
		_, err := Dial(context.Background(), path)
		fmt.Println(err)
		return
	}
	if path := os.Getenv("ADMIN_TEST_PREUP"); path != "" {
		c, err := Dial(context.Background(), path)
		if err == nil {
			err = c.PPPPreUp(context.Background(), PPPReport{Call: "c1", Peer: "alice"})
		}
		fmt.Println(err)
		return
	}
	goleak.VerifyTestMain(m)
}

// fakeHost is a daemon with two lines.
type fakeHost struct {
	Hub
	mu      sync.Mutex
	actions []string
	query   CallQuery
	watched chan struct{} // gets a token for each Watch
	loan    *fakeLoan     // the last one
}

func newFakeHost() *fakeHost { return &fakeHost{watched: make(chan struct{}, 1000)} }

func (h *fakeHost) Lines() []LineView {
	return []LineView{{Name: "modem1", State: "listening", Calls: 3}, {Name: "modem2", State: "session", User: "alice"}}
}

func (h *fakeHost) Line(_ context.Context, name string) (LineReply, error) {
	for _, l := range h.Lines() {
		if l.Name == name {
			return LineReply{Line: l, Events: []LineEventView{{Kind: "noise", Text: "bytes that mean nothing", Count: 3}}}, nil
		}
	}
	return LineReply{}, NotFound(errors.New("no such line"))
}

func (h *fakeHost) Calls(_ context.Context, q CallQuery) ([]CallView, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.query = q
	return []CallView{{ID: "c1", Line: "modem1", Open: true}}, nil
}

func (h *fakeHost) Call(_ context.Context, id string) (CallView, error) {
	if id != "c1" {
		return CallView{}, fmt.Errorf("call %q: %w", id, ErrNotFound)
	}
	return CallView{ID: id, Why: "because"}, nil
}

func (h *fakeHost) act(name, line string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.actions = append(h.actions, name+" "+line)
	switch line {
	case "none":
		return fmt.Errorf("line %q: %w", line, ErrNotFound)
	case "idle":
		return fmt.Errorf("line %q has no call: %w", line, ErrConflict)
	case "broken":
		return errors.New("it broke")
	}
	return nil
}

func (h *fakeHost) Hangup(_ context.Context, line string) error  { return h.act("hangup", line) }
func (h *fakeHost) Disable(_ context.Context, line string) error { return h.act("disable", line) }
func (h *fakeHost) Drain(_ context.Context, line string) error   { return h.act("drain", line) }
func (h *fakeHost) Enable(_ context.Context, line string) error  { return h.act("enable", line) }
func (h *fakeHost) Reset(_ context.Context, line string) error   { return h.act("reset", line) }

func (h *fakeHost) Arm(_ context.Context, line string, peer Peer, r ArmRequest) (ArmView, error) {
	if r.By == "" {
		return ArmView{}, Invalid(errors.New("by is empty"))
	}
	return ArmView{By: r.By, Reason: r.Reason, UID: peer.UID}, h.act(fmt.Sprintf("arm %s %s for", r.By, r.For), line)
}

func (h *fakeHost) Disarm(_ context.Context, line string, peer Peer) error {
	return h.act(fmt.Sprintf("disarm %d", peer.UID), line)
}

func (h *fakeHost) PPPPreUp(_ context.Context, peer Peer, r PPPReport) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.actions = append(h.actions, fmt.Sprintf("pre-up %d %+v", peer.PID, r))
	if r.Peer == "mallory" {
		return Conflict(errors.New("the name is another one"))
	}
	return nil
}

func (h *fakeHost) Plugins() []PluginView {
	return []PluginView{{Name: "password", Kind: "built-in", From: "rashost", Dialogs: []string{"staff"}}}
}

func (h *fakeHost) Health() HealthView { return HealthView{OK: true, PID: 7} }

func (h *fakeHost) Watch(ctx context.Context) <-chan Event {
	ch := h.Hub.Watch(ctx)
	h.watched <- struct{}{}
	return ch
}

// lockedBuffer takes the log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

type running struct {
	path   string
	server *Server
	host   *fakeHost
	log    *lockedBuffer
	stop   func() // ends Serve and waits for it
}

func start(t *testing.T, options ...func(*Options)) *running {
	t.Helper()
	r := &running{path: filepath.Join(t.TempDir(), "run", "control.sock"), host: newFakeHost(), log: &lockedBuffer{}}
	o := Options{Host: r.host, Log: slog.New(slog.NewTextHandler(r.log, nil))}
	for _, change := range options {
		change(&o)
	}
	s, err := Listen(t.Context(), r.path, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.server = s
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

func dial(t *testing.T, path string) *Client {
	t.Helper()
	c, err := Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestReads(t *testing.T) {
	r := start(t)
	c := dial(t, r.path)
	lines, err := c.Lines(t.Context())
	if err != nil || len(lines.Lines) != 2 || lines.Lines[1].User != "alice" || !lines.Health.OK {
		t.Errorf("lines: %+v, %v", lines, err)
	}
	since := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	calls, err := c.Calls(t.Context(), CallQuery{Since: since, Line: "a&b", User: "x y", Open: true, Limit: 5})
	if err != nil || len(calls.Calls) != 1 || calls.Health.PID != 7 {
		t.Errorf("calls: %+v, %v", calls, err)
	}
	if q := r.host.query; !q.Since.Equal(since) || q.Line != "a&b" || q.User != "x y" || !q.Open || q.Limit != 5 {
		t.Errorf("the host got %+v", q)
	}
	call, err := c.Call(t.Context(), "c1")
	if err != nil || call.Why != "because" {
		t.Errorf("call: %+v, %v", call, err)
	}
	if _, err := c.Call(t.Context(), "a/b?c"); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), `"a/b?c"`) {
		t.Errorf("unknown call: %v", err)
	}
	plugins, err := c.Plugins(t.Context())
	if err != nil || plugins.Plugins[0].Name != "password" {
		t.Errorf("plugins: %+v, %v", plugins, err)
	}
	if health, err := c.Health(t.Context()); err != nil || health.PID != 7 {
		t.Errorf("health: %+v, %v", health, err)
	}
	if strings.Contains(r.log.String(), "control request") {
		t.Errorf("reading was logged:\n%s", r.log)
	}
}

func TestActionsAreLoggedWithThePeer(t *testing.T) {
	r := start(t)
	c := dial(t, r.path)
	for _, action := range []string{"hangup", "disable", "enable", "reset"} {
		if err := c.Do(t.Context(), action, "modem1"); err != nil {
			t.Errorf("%s: %v", action, err)
		}
		if got := r.host.actions[len(r.host.actions)-1]; got != action+" modem1" {
			t.Errorf("the host was asked for %s", got)
		}
		want := fmt.Sprintf("request=%s line=\"\\\"modem1\\\"\" uid=%d gid=%d pid=%d", action, os.Getuid(), os.Getgid(), os.Getpid())
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, r.log)
		}
	}
	for line, want := range map[string]int{"none": 404, "idle": 409, "broken": 500} {
		err := c.Do(t.Context(), "hangup", line)
		status, ok := errors.AsType[*StatusError](err)
		if !ok || status.Status != want || !strings.Contains(r.log.String(), `control request failed`) {
			t.Errorf("%s: got %v, want status %d", line, err, want)
		}
	}
	if err := c.Do(t.Context(), "hangup", "none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v is not ErrNotFound", err)
	}
	if err := c.Do(t.Context(), "hangup", "idle"); !errors.Is(err, ErrConflict) {
		t.Errorf("%v is not ErrConflict", err)
	}
	if err := c.Do(t.Context(), "explode", "modem1"); err == nil {
		t.Error("an unknown action was done")
	}
	_ = c.Do(t.Context(), "reset", "\x1b[2J\nuid=0")
	if strings.Contains(r.log.String(), "\x1b") || strings.Contains(r.log.String(), "\nuid=0") {
		t.Errorf("the log has a raw escape:\n%q", r.log)
	}
}

// copySelf puts the test's binary where another user can run it.
// A watcher that reads nothing is dropped, and nobody waits for it.
func TestErrorClassesKeepTheText(t *testing.T) {
	cause := errors.New("line x: no such line")
	for _, err := range []error{NotFound(cause), Conflict(cause)} {
		if err.Error() != cause.Error() || !errors.Is(err, cause) {
			t.Errorf("got %v", err)
		}
	}
	if !errors.Is(NotFound(cause), ErrNotFound) || errors.Is(NotFound(cause), ErrConflict) || !errors.Is(Conflict(cause), ErrConflict) {
		t.Error("the classes are wrong")
	}
	if NotFound(nil) != nil || Conflict(nil) != nil {
		t.Error("no error became one")
	}
}

// eventually waits for a condition, with a generous deadline.
func eventually(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not happen")
		}
	}
}

// send writes raw bytes to the socket.
func send(t *testing.T, path, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
	return conn
}

func TestBadRequests(t *testing.T) {
	r := start(t)
	const host = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	for request, want := range map[string]int{
		"GET /v1/lines" + host + "\r\n":                                                           200,
		"GET /v2/lines" + host + "\r\n":                                                           404,
		"GET /" + host + "\r\n":                                                                   404,
		"DELETE /v1/lines" + host + "\r\n":                                                        405,
		"GET /v1/lines/modem1/hangup" + host + "\r\n":                                             405,
		"POST /v1/lines" + host + "Content-Length: 0\r\n\r\n":                                     405,
		"GET /v1/calls?since=yesterday" + host + "\r\n":                                           400,
		"GET /v1/calls?limit=0" + host + "\r\n":                                                   400,
		"GET /v1/calls?limit=99999999" + host + "\r\n":                                            400,
		"GET /v1/calls?open=perhaps" + host + "\r\n":                                              400,
		"POST /v1/lines/none/hangup" + host + "Content-Length: 0\r\n\r\n":                         404,
		"POST /v1/lines/modem1/hangup" + host + "Content-Length: 2\r\n\r\nhi":                     200,
		"POST /v1/lines/modem1/hangup" + host + "Content-Length: 9000\r\n\r\n" + zeros(9000):      413,
		"POST /v1/lines/modem1/hangup" + host + "Transfer-Encoding: chunked\r\n\r\nzz\r\n":        413,
		"GET /v1/lines HTTP/1.1\r\nHost: x\r\nX: " + zeros(3*maxHeader) + "\r\n\r\n":              431,
		"\x00\x01\x02garbage\r\n\r\n":                                                             400,
		"GET /v1/lines HTTP/9.9\r\nHost: x\r\n\r\n":                                               505,
		"POST /v1/lines/" + strings.Repeat("y", 900) + "/x" + host + "Content-Length: 0\r\n\r\n":  404,
		"POST /v1/lines/%1b%5b2J/reset" + host + "Content-Length: 0\r\nConnection: close\r\n\r\n": 200,
	} {
		conn := send(t, r.path, request)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%.60q: %v", request, err)
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != want {
			t.Errorf("%.60q: got %s %s, want %d", request, resp.Status, body, want)
		}
		var fault errorReply
		ours := want != 431 && want != 505 && request[0] != 0 // those are net/http's own
		if want != 200 && ours && (json.Unmarshal(body, &fault) != nil || fault.Error == "") {
			t.Errorf("%.60q: the body is no error: %s", request, body)
		}
		conn.Close()
	}
	if _, err := dial(t, r.path).Lines(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func zeros(n int) string { return strings.Repeat("0", n) }

// Clients that send nothing, or half a request, do not keep the daemon from stopping or from serving others.
func TestSilentClients(t *testing.T) {
	r := start(t)
	for range 20 {
		send(t, r.path, "")
		send(t, r.path, "GET /v1/lin")
	}
	if _, err := dial(t, r.path).Lines(t.Context()); err != nil {
		t.Error(err)
	}
	r.stop()
}

// TestManyClients: whoever opens connections without end gets no more than a fixed number of them; the daemon's files stay free for
// lines. When some are given back, others are served.
func TestManyClients(t *testing.T) {
	r := start(t)
	var conns []net.Conn
	for range maxConns {
		conns = append(conns, send(t, r.path, ""))
	}
	client := dial(t, r.path) // connected by the kernel, waiting for a slot
	served := make(chan error, 1)
	go func() {
		_, err := client.Lines(t.Context())
		served <- err
	}()
	for len(r.server.listener.slots) < maxConns {
		runtime.Gosched()
	}
	select {
	case err := <-served:
		t.Errorf("one more was served: %v", err)
	default:
	}
	for _, c := range conns[:10] {
		c.Close()
	}
	if err := <-served; err != nil {
		t.Errorf("with free slots: %v", err)
	}
	r.stop()
}

// FuzzQuery parses any query of /v1/calls: it is refused in few words, or it stays within bounds and is the same when it is sent again.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"", "since=2026-01-02T03:04:05Z&line=modem1&user=bob&open=true&limit=7", "limit=10001", "limit=-1", "limit=1&limit=x", "since=%zz", ";=&%00",
		"since=9999-99-99T00:00:00Z", "open=T", "line=%1b[2J&user=%ff", "limit=" + strings.Repeat("9", 100), "a=1;b=2&limit=3",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseQuery(&http.Request{URL: &url.URL{RawQuery: raw}})
		if err != nil {
			if text := err.Error(); len(text) > 300 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("refused with %q", text)
			}
			return
		}
		if q.Limit < 0 || q.Limit > maxCalls {
			t.Errorf("limit %d", q.Limit)
		}
		v := url.Values{"line": {q.Line}, "user": {q.User}, "open": {strconv.FormatBool(q.Open)}}
		if !q.Since.IsZero() {
			v.Set("since", q.Since.Format(time.RFC3339Nano))
		}
		if q.Limit > 0 {
			v.Set("limit", strconv.Itoa(q.Limit))
		}
		again, err := parseQuery(&http.Request{URL: &url.URL{RawQuery: v.Encode()}})
		if err != nil || !again.Since.Equal(q.Since) || again.Line != q.Line || again.User != q.User || again.Open != q.Open || again.Limit != q.Limit {
			t.Errorf("%q is %+v, sent again %+v, %v", raw, q, again, err)
		}
	})
}
