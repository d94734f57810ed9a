package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
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
	goleak.VerifyTestMain(m)
}

// fakeHost is a daemon with two lines.
type fakeHost struct {
	Hub
	mu      sync.Mutex
	actions []string
	query   CallQuery
	watched chan struct{} // gets a token for each Watch
}

func newFakeHost() *fakeHost { return &fakeHost{watched: make(chan struct{}, 1000)} }

func (h *fakeHost) Lines() []LineView {
	return []LineView{{Name: "modem1", State: "listening", Calls: 3}, {Name: "modem2", State: "session", User: "alice"}}
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
func (h *fakeHost) Enable(_ context.Context, line string) error  { return h.act("enable", line) }
func (h *fakeHost) Reset(_ context.Context, line string) error   { return h.act("reset", line) }

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

func TestNotRunning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	_, err := Dial(t.Context(), path)
	if !errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), "no answer at "+path) || !strings.Contains(err.Error(), "rashost serve") {
		t.Errorf("no socket: %v", err)
	}
	r := start(t)
	r.stop()
	if _, err := Dial(t.Context(), r.path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := os.Lstat(r.path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket was left behind: %v", err)
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if err := os.WriteFile(path+".new", nil, 0o600); err != nil { // left by a daemon that was killed while it started
		t.Fatal(err)
	}
	if _, err := Dial(t.Context(), path); !errors.Is(err, ErrNotRunning) {
		t.Fatalf("a stale socket: %v", err)
	}
	s, err := Listen(t.Context(), path, Options{Host: newFakeHost()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	dial(t, path)
}

func TestSecondDaemonIsRefused(t *testing.T) {
	r := start(t)
	_, err := Listen(t.Context(), r.path, Options{Host: newFakeHost()})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), r.path) {
		t.Errorf("got %v", err)
	}
	dial(t, r.path) // the first is not disturbed

	// A daemon without our lock, such as an older one, is seen by its answer.
	other := filepath.Join(t.TempDir(), "other.sock")
	l, err := net.Listen("unix", other)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Listen(t.Context(), other, Options{Host: newFakeHost()}); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v", err)
	}
}

func TestPlacesWhereNoSocketCanBe(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file: "there is a file that is no socket", filepath.Join(file, "sock"): "its folder cannot be made",
		filepath.Join(dir, strings.Repeat("x", 120)): "the path is too long",
	} {
		_, err := Listen(t.Context(), path, Options{Host: newFakeHost()})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Errorf("the file was changed: %q, %v", b, err)
	}
}

func TestCloseLeavesAnothersSocket(t *testing.T) {
	r := start(t)
	if err := os.Remove(r.path); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", r.path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r.stop()
	if _, err := os.Lstat(r.path); err != nil {
		t.Errorf("another daemon's socket was removed: %v", err)
	}
}

func TestOthersMayNotUseTheSocket(t *testing.T) {
	// Below a folder that everybody may enter, so that only the socket's own mode counts.
	dir, err := os.MkdirTemp("/tmp", "admin")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "control.sock")
	s, err := Listen(t.Context(), path, Options{Host: newFakeHost()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("NOT RUN: needs root")
		}
		t.Skip("NOT RUN: needs root to become another user")
	}
	self := filepath.Join(dir, "self")
	copySelf(t, self)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "ADMIN_TEST_DIAL="+path)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "you may not use "+path) {
		t.Errorf("as nobody: %s, %v", out, err)
	}
}

// copySelf puts the test's binary where another user can run it.
func copySelf(t *testing.T, to string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestWatchPushes(t *testing.T) {
	r := start(t)
	c := dial(t, r.path)
	ctx, cancel := context.WithCancel(t.Context())
	events := make(chan Event, 10)
	done := make(chan error, 1)
	go func() { done <- c.Watch(ctx, func(e Event) error { events <- e; return nil }) }()
	for _, want := range []string{"modem1", "modem2"} {
		if e := <-events; e.Type != EventLine || e.Line.Name != want {
			t.Errorf("got %+v, want %s as it is", e, want)
		}
	}
	r.host.Publish(Event{Type: EventRemoved, Name: "modem2"})
	if e := <-events; e.Type != EventRemoved || e.Name != "modem2" {
		t.Errorf("got %+v", e)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("a watch that was cancelled: %v", err)
	}

	stop := errors.New("enough")
	if err := c.Watch(t.Context(), func(Event) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

func TestWatchEndsWithTheDaemon(t *testing.T) {
	r := start(t)
	c := dial(t, r.path)
	done := make(chan error, 1)
	go func() { done <- c.Watch(t.Context(), func(Event) error { return nil }) }()
	<-r.host.watched
	r.stop()
	if err := <-done; err == nil {
		t.Error("the end of the daemon was not told")
	}
}

func TestManyWatchers(t *testing.T) {
	r := start(t)
	c := dial(t, r.path)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := make(chan struct{}, maxWatchers)
	var all sync.WaitGroup
	for range maxWatchers {
		all.Go(func() {
			_ = c.Watch(ctx, func(e Event) error {
				if e.Name == "gone" {
					got <- struct{}{}
				}
				return nil
			})
		})
	}
	for range maxWatchers {
		<-r.host.watched
	}
	err := c.Watch(ctx, func(Event) error { return nil })
	if status, ok := errors.AsType[*StatusError](err); !ok || status.Status != http.StatusServiceUnavailable {
		t.Errorf("one watcher too many: %v", err)
	}
	r.host.Publish(Event{Type: EventRemoved, Name: "gone"})
	for range maxWatchers {
		<-got
	}
	cancel()
	all.Wait()
}

// A watcher that reads nothing is dropped, and nobody waits for it.
func TestSlowWatcherIsDropped(t *testing.T) {
	r := start(t, func(o *Options) { o.watchWrite = 50 * time.Millisecond })
	conn := send(t, r.path, "GET /v1/watch HTTP/1.1\r\nHost: x\r\n\r\n")
	<-r.host.watched
	r.host.Publish(Event{Type: EventLine, Line: &LineView{Reason: strings.Repeat("x", 4<<20)}}) // more than the socket holds
	eventually(t, func() bool { return r.server.watchers.Load() == 0 })
	if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection does not end: %v", err)
	}
	if _, err := dial(t, r.path).Lines(t.Context()); err != nil {
		t.Error(err)
	}
}

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

func TestHubEndsAWatch(t *testing.T) {
	var h Hub
	ctx, cancel := context.WithCancel(t.Context())
	ch := h.Watch(ctx)
	h.Publish(Event{Name: "a"})
	if e := <-ch; e.Name != "a" {
		t.Errorf("got %+v", e)
	}
	if !h.Watched() {
		t.Error("nobody watches, it says")
	}
	cancel()
	if _, open := <-ch; open {
		t.Error("an event after the end")
	}
	if h.Watched() {
		t.Error("somebody still watches, it says")
	}
	slow := h.Watch(t.Context())
	for range hubBuffer + 1 {
		h.Publish(Event{})
	}
	n := 0
	for range slow {
		n++
	}
	if n != hubBuffer {
		t.Errorf("the slow watcher got %d events, then the end; want %d", n, hubBuffer)
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
