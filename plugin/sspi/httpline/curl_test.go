package httpline

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rashost/dialog"
	"rashost/plugin"
)

// patience is how long a foreign program may take.
const patience = 30 * time.Second

// needs skips the test, or fails it under CI=true, when a program is missing.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("needs Debian package %s", name)
			}
			t.Skipf("NOT RUN: needs Debian package %s", name)
		}
	}
}

// bridge is a line whose far end is a socket: what connects to it is the caller. socat holds the pty's other end.
type bridge struct {
	t      *testing.T
	socket string
	done   chan dialog.Outcome
	host   *dialog.Host
	line   *os.File
	socat  *exec.Cmd
}

// connect starts a call on a new bridge.
func connect(t *testing.T, p plugin.Plugin) *bridge {
	t.Helper()
	dir := t.TempDir()
	b := &bridge{t: t, socket: filepath.Join(dir, "socket"), done: make(chan dialog.Outcome, 1), host: dialog.New(nil)}
	tty := filepath.Join(dir, "tty")
	b.socat = exec.CommandContext(t.Context(), "socat", "PTY,rawer,wait-slave,pty-interval=0.01,link="+tty, "UNIX-LISTEN:"+b.socket)
	b.socat.Stderr = os.Stderr
	if err := b.socat.Start(); err != nil {
		t.Fatal(err)
	}
	appears(t, tty)
	fd, err := syscall.Open(tty, syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	b.line = os.NewFile(uintptr(fd), tty)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		b.done <- b.host.Run(ctx, b.line, p, dialog.Options{Call: plugin.Call{ID: "1", Line: "modem1"}})
	}()
	appears(t, b.socket)
	return b
}

// appears waits for a file that another program makes.
func appears(t *testing.T, path string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s did not appear", path)
		}
	}
}

// ends waits for the outcome and takes the bridge down.
func (b *bridge) ends() dialog.Outcome {
	b.t.Helper()
	var out dialog.Outcome
	select {
	case out = <-b.done:
	case <-time.After(patience):
		b.t.Fatal("the dialog did not end")
	}
	_ = b.line.Close()
	_ = b.socat.Process.Kill()
	_ = b.socat.Wait() // it was killed
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.host.Shutdown(ctx); err != nil {
		b.t.Error(err)
	}
	return out
}

// curl runs curl through the bridge and returns the last status and everything it has seen.
func (b *bridge) curl(args ...string) (status, trace string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	args = append([]string{"-q", "-sS", "-v", "-L", "--unix-socket", b.socket, "-o", "/dev/null", "-w", "%{http_code}"}, args...)
	cmd := exec.CommandContext(ctx, "curl", args...)
	cmd.Env = []string{"HOME=/nonexistent", "PATH=" + os.Getenv("PATH")}
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.t.Fatal(err)
	}
	if err != nil {
		b.t.Errorf("curl: %v\n%s", err, errs.String())
	}
	return string(out), errs.String()
}

// A stock client logs in over a pty with what every device's HTTP client can do: answer a challenge, follow a redirect.
func TestCurlLogsIn(t *testing.T) {
	needs(t, "curl", "socat")
	s, _ := setup(t, "algorithms: [SHA-256, MD5, MD5-sess]", "Alice")
	all := mustPlugin(t, s)
	for name, c := range map[string]struct {
		options string // "" is all algorithms
		args    []string
		trace   string
	}{
		"GET":       {"", []string{"--digest", "http://line/"}, "algorithm=SHA-256"},
		"any":       {"", []string{"--anyauth", "http://line/"}, "algorithm=SHA-256"},
		"HEAD":      {"", []string{"--digest", "-I", "http://line/"}, "> HEAD /connect HTTP/1.1"},
		"POST":      {"", []string{"--digest", "-d", "some body", "http://line/form"}, "> GET /connect HTTP/1.1"},
		"POST kept": {"", []string{"--digest", "--post302", "-d", strings.Repeat("x", 20000), "http://line/form"}, "> POST /connect HTTP/1.1"},
		"HTTP/1.0":  {"", []string{"--digest", "-0", "http://line/"}, "> GET /connect HTTP/1.0"},
		"connect":   {"", []string{"--digest", "http://line/connect?a=b"}, "> GET /connect HTTP/1.1"},
		"MD5":       {"algorithms: [MD5]", []string{"--digest", "http://line/"}, "algorithm=MD5"},
		"MD5-sess":  {"algorithms: [MD5-sess]", []string{"--digest", "http://line/"}, "algorithm=MD5-sess"},
		"expect":    {"", []string{"--anyauth", "-H", "Expect: 100-continue", "-d", "some body", "http://line/form"}, "< HTTP/1.1 100 Continue"},
	} {
		t.Run(name, func(t *testing.T) {
			p := all
			if c.options != "" {
				s, _ := setup(t, c.options, "Alice")
				p = mustPlugin(t, s)
			}
			b := connect(t, p)
			status, trace := b.curl(append([]string{"-u", "Alice:" + secret}, c.args...)...)
			out := b.ends()
			if status != "200" || !out.Granted() || out.User != "Alice" {
				t.Errorf("curl ends with %s, the dialog with %v, %q, %v\n%s", status, out.Verdict, out.User, out.Ended, trace)
			}
			for _, want := range []string{c.trace, "< HTTP/1.1 302 Found", "nc=00000002", "< Authentication-Info: qop=auth, rspauth="} {
				if !strings.Contains(trace, want) {
					t.Errorf("no %q in\n%s", want, trace)
				}
			}
		})
	}
}

func TestCurlIsRefused(t *testing.T) {
	needs(t, "curl", "socat")
	for name, c := range map[string]struct{ user, status, reported string }{
		"wrong password": {"Alice:wrong", "403", "Alice"},
		"unknown user":   {"mallory:" + secret, "403", "mallory"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := setup(t, "", "Alice")
			s.Attempts = 1
			b := connect(t, mustPlugin(t, s))
			status, trace := b.curl("-u", c.user, "--digest", "http://line/")
			out := b.ends()
			if status != c.status || out.Verdict != plugin.Failure || out.User != c.reported {
				t.Errorf("curl ends with %s, the dialog with %v, %q\n%s", status, out.Verdict, out.User, trace)
			}
		})
	}
	t.Run("attempts left", func(t *testing.T) {
		s, _ := setup(t, "", "Alice")
		b := connect(t, mustPlugin(t, s))
		status, trace := b.curl("-u", "Alice:wrong", "--digest", "http://line/")
		// curl hangs up after the second 401.
		if out := b.ends(); status != "401" || out.Verdict != 0 || out.Ended != dialog.Dropped {
			t.Errorf("curl ends with %s, the dialog with %v, %v\n%s", status, out.Verdict, out.Ended, trace)
		}
	})
	t.Run("Basic", func(t *testing.T) {
		s, log := setup(t, "", "Alice")
		b := connect(t, mustPlugin(t, s))
		status, _ := b.curl("-u", "Alice:"+secret, "--basic", "http://line/")
		if out := b.ends(); status != "401" || out.Granted() {
			t.Errorf("curl ends with %s, the dialog with %v", status, out.Verdict)
		}
		if strings.Contains(log.String(), "QWxpY2U6") {
			t.Errorf("log: %s", log)
		}
	})
}

// python is a client of Python's standard library. It answers each challenge anew, in quotes where RFC 7616 has none, counts the uses of
// a nonce, and keeps its connection.
const python = `
import http.client, io, socket, sys, urllib.request
path, user, password = sys.argv[1:]
line = http.client.HTTPConnection("line")
line.sock = socket.socket(socket.AF_UNIX)
line.sock.connect(path)
class Handler(urllib.request.HTTPHandler):
    def http_open(self, req):
        headers = dict(req.headers)
        headers.update(req.unredirected_hdrs)
        line.request(req.get_method(), req.selector, req.data, headers)
        res = line.getresponse()
        reply = urllib.request.addinfourl(io.BytesIO(res.read()), res.headers, req.full_url, res.status)
        reply.msg = res.reason
        return reply
passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
passwords.add_password(None, "http://line/", user, password)
opener = urllib.request.build_opener(Handler, urllib.request.HTTPDigestAuthHandler(passwords))
print(opener.open("http://line/").status, end="")
`

func TestPythonLogsIn(t *testing.T) {
	needs(t, "python3", "socat")
	s, _ := setup(t, "algorithms: [MD5]", "Alice")
	b := connect(t, mustPlugin(t, s))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, "python3", "-c", python, b.socket, "Alice", secret).CombinedOutput()
	if outcome := b.ends(); err != nil || string(out) != "200" || !outcome.Granted() {
		t.Errorf("%s, %v; the dialog: %v", out, err, outcome.Verdict)
	}
}

// What the client sends after /connect is the service's, over a real tty too.
func TestServiceGetsTheRest(t *testing.T) {
	needs(t, "socat")
	s, _ := setup(t, "", "Alice")
	b := connect(t, mustPlugin(t, s))
	conn, err := net.Dial("unix", b.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cl := &client{name: "Alice", password: secret, alg: "SHA-256"}
	r := bufio.NewReader(conn)
	reply := func(status int) answer {
		t.Helper()
		res, err := http.ReadResponse(r, nil)
		if err != nil || res.StatusCode != status {
			t.Fatalf("%v, %v; want %d", res, err, status)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Fatal(err)
		}
		return answer{Response: res}
	}
	const want = "binary \x00\xff\x7e"
	send := func(text string) {
		t.Helper()
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
	}
	send(asks("GET", "/", "", ""))
	cl.reads(reply(401))
	send(asks("GET", "/", cl.authorization("GET", "/", ""), ""))
	reply(302)
	send(asks("GET", "/connect", cl.authorization("GET", "/connect", ""), "") + want)
	reply(200)
	out := <-b.done
	b.done <- out
	rest := string(out.Unread)
	if err := b.line.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	for buf := make([]byte, 64); len(rest) < len(want); {
		n, err := b.line.Read(buf)
		if err != nil {
			t.Fatalf("after %q: %v", rest, err)
		}
		rest += string(buf[:n])
	}
	if out = b.ends(); !out.Granted() || rest != want {
		t.Errorf("%v, the service gets %q, want %q", out.Verdict, rest, want)
	}
}
