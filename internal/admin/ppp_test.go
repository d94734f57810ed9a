package admin

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestPPPPreUp: the report arrives with the process that made it, and the answer is the host's.
func TestPPPPreUp(t *testing.T) {
	r := start(t)
	c := dial(t, r.path)
	report := PPPReport{Call: "c1", Peer: "alice\x1b[2J", Interface: "ppp0", Remote: "10.0.0.2"}
	if err := c.PPPPreUp(t.Context(), report); err != nil {
		t.Error(err)
	}
	if want := fmt.Sprintf("pre-up %d %+v", os.Getpid(), report); len(r.host.actions) != 1 || r.host.actions[0] != want {
		t.Errorf("the host was told %q, want %q", r.host.actions, want)
	}
	if err := c.PPPPreUp(t.Context(), PPPReport{Peer: "mallory"}); err == nil || !strings.Contains(err.Error(), "another one") {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(r.log.String(), "PPP link refused") || strings.Contains(r.log.String(), "\x1b") {
		t.Errorf("the log says %q", r.log)
	}
	const host = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	for request, want := range map[string]int{
		"POST /v1/ppp/pre-up" + host + "Content-Length: 3\r\n\r\n{x}":                           400,
		"POST /v1/ppp/pre-up" + host + "Content-Length: 9000\r\n\r\n\"" + zeros(8999):           400,
		"GET /v1/ppp/pre-up" + host + "\r\n":                                                    405,
		"POST /v1/ppp/pre-up" + host + "Content-Length: 2\r\n\r\n{}":                            200,
		"POST /v1/ppp/pre-up" + host + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n": 200,
	} {
		conn := send(t, r.path, request)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != want {
			t.Errorf("%.60q: %v, %v; want %d", request, resp, err, want)
		}
		conn.Close()
	}
}

// TestPPPPreUpOfStrangers: a member of the socket's group may steer lines, and may not speak for pppd.
func TestPPPPreUpOfStrangers(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("NOT RUN: needs root")
		}
		t.Skip("NOT RUN: needs root to become another user")
	}
	r := start(t)
	dir, err := os.MkdirTemp("", "admin-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "control.sock")
	if err := errors.Join(os.Chmod(dir, 0o755), os.Link(r.path, socket), os.Chmod(socket, 0o666)); err != nil {
		t.Fatal(err)
	}
	self := filepath.Join(dir, "self")
	copySelf(t, self)
	cmd := exec.Command(self)
	cmd.Env, cmd.Dir = append(os.Environ(), "ADMIN_TEST_PREUP="+socket), "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "only the hook that pppd runs may report") {
		t.Errorf("nobody was answered %q, %v", out, err)
	}
	if len(r.host.actions) != 0 {
		t.Errorf("the host was told %q", r.host.actions)
	}
}
