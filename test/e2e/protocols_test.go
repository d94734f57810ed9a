package e2e

import (
	"context"
	"errors"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"rashost/plugin/sasl/client"
	"rashost/port/modemsim"
)

// startMail starts a host whose line "mail" speaks SASL, "web" HTTP, and "other" asks for a password. Alice and Bob get the verifiers
// that this needs by `user passwd`.
func startMail(t *testing.T) *host {
	t.Helper()
	c := newConf("mail", "web", "other")
	c.line("mail").keys, c.line("web").keys = "dialog: mail", "dialog: web"
	c.dialogs += "  mail: {plugin: sasl, timeout: 20s, options: {file: users.yaml, mechanisms: [SCRAM-SHA-256, PLAIN]}}\n" +
		"  web: {plugin: sspi, timeout: 20s, attempts: 1, options: {file: users.yaml}}\n"
	h := newHost(t, c)
	for name, password := range map[string]string{alice: alicePassword, bob: bobPassword} {
		if r := h.runWith(password+"\n", "user", "passwd", name, "--dialog", "mail"); r.code != 0 {
			t.Fatalf("user passwd: %d, %s%s", r.code, r.out, r.stderr)
		}
	}
	h.start()
	for _, l := range c.lines {
		h.wantState(l.name, "listening")
	}
	return h
}

// sasl logs in with our own client, which proves nothing by itself: the plugin's tests have those of others.
func (c *call) sasl(mechanism, name, password string) error {
	c.t.Helper()
	m, err := client.New(mechanism, client.Credentials{User: name, Secret: []byte(password)}, nil)
	must(c.t, err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return client.Login(ctx, farEnd{c.far}, client.Options{Mechanism: m})
}

// farEnd is a far end whose writes never wait.
type farEnd struct{ *modemsim.FarCall }

func (farEnd) SetWriteDeadline(time.Time) error { return nil }

func TestSASLLogin(t *testing.T) {
	t.Parallel()
	h := startMail(t)
	by := h.bystander("other")
	c := h.modems["mail"].dial(t)
	must(t, c.sasl("SCRAM-SHA-256", alice, alicePassword))
	c.expect(ready + " " + alice)
	c.echoes("AUTH is no command here")
	c.hangUp()
	r := h.wantRecord("mail", 1, record{cause: "Lost-Carrier", verdict: "success", user: alice, service: "echo"})
	if r.Plugin != "sasl" {
		t.Errorf("plugin %q", r.Plugin)
	}
	n := 1
	for _, wrong := range [][2]string{{alice, "guess"}, {"mallory", alicePassword}} {
		h.wantState("mail", "listening")
		c = h.modems["mail"].dial(t)
		err := c.sasl("SCRAM-SHA-256", wrong[0], wrong[1])
		if _, ok := errors.AsType[*client.RefusedError](err); !ok {
			t.Errorf("%s: %v", wrong[0], err)
		}
		c.hangUp()
		n++
		if r := h.wantRecord("mail", n, record{cause: "Lost-Carrier", verdict: "none"}); strings.Contains(r.User, "mallory") {
			t.Errorf("the record has the name as it was typed: %q", r.User)
		}
	}
	// PLAIN is enabled, and the line is not trusted: it is not even offered.
	h.wantState("mail", "listening")
	c = h.modems["mail"].dial(t)
	if err := c.sasl("PLAIN", alice, alicePassword); err == nil {
		t.Error("PLAIN on a line that is not trusted")
	} else if _, ok := errors.AsType[*client.NotOfferedError](err); !ok {
		t.Errorf("PLAIN: %v", err)
	}
	c.hangUp()
	if text := h.log.String(); !contains(text, "SASL_BADAUTH") || strings.Contains(text, alicePassword) {
		t.Errorf("the log: %s", text)
	}
	by.undisturbed()
}

// bridge is a TCP port whose one connection is the call.
func (c *call) bridge() (address string) {
	c.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(c.t, err)
	c.t.Cleanup(func() { l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() { _, _ = io.Copy(c.far, conn) }()
		_, _ = io.Copy(conn, c.far)
		conn.Close()
	}()
	return l.Addr().String()
}

// TestHTTPDigestLogin: curl logs in through the line, and a wrong password is a Failure with the name.
func TestHTTPDigestLogin(t *testing.T) {
	t.Parallel()
	needsProgram(t, "curl", "curl")
	h := startMail(t)
	by := h.bystander("other")
	for i, c := range []struct {
		user, status string
		want         record
	}{
		{alice + ":" + alicePassword, "200", record{cause: "Lost-Carrier", verdict: "success", user: alice, service: "echo"}},
		{alice + ":guess", "403", record{cause: "Service-Unavailable", verdict: "failure", user: alice}},
		{"mallory:guess", "403", record{cause: "Service-Unavailable", verdict: "failure", user: "m…(7)"}},
	} {
		h.wantState("web", "listening")
		far := h.modems["web"].dial(t)
		cmd := exec.Command("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "20", "-L", "--digest", "-u", c.user, "http://"+far.bridge()+"/")
		out, _ := cmd.Output() // after the login the line carries no HTTP: curl may complain
		if got := string(out); got != c.status {
			t.Errorf("%s: curl ended with %s, want %s\n%s", c.user, got, c.status, h.log)
		}
		far.hangUp()
		r := h.wantRecord("web", i+1, c.want)
		if r.Plugin != "sspi" {
			t.Errorf("plugin %q", r.Plugin)
		}
	}
	if text := h.log.String(); !contains(text, "SEC_E_LOGON_DENIED") {
		t.Errorf("the log: %s", text)
	}
	by.undisturbed()
}

// TestPluginsOfThisHost: what decides on each line, and where it came from.
func TestPluginsOfThisHost(t *testing.T) {
	t.Parallel()
	h := startMail(t)
	for _, line := range strings.Split(strings.TrimSpace(h.ok("plugins")), "\n")[1:] {
		f := strings.Fields(line)
		want := map[string]string{"password": "staff", "sasl": "mail", "sspi": "web"}[f[0]]
		if want != "" && f[3] != want || f[2] != "rashost" {
			t.Errorf("%s", line)
		}
	}
}
