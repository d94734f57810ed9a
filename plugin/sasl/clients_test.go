package sasl

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"rashost/dialog"
	"rashost/plugin"
)

// patience is how long a foreign program may take.
const patience = 30 * time.Second

// needs skips the test, or fails it under CI=true, when a program is missing.
func needs(t *testing.T, program, debian string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("NOT RUN: needs Debian package " + debian)
		}
		t.Skip("NOT RUN: needs Debian package " + debian)
	}
}

// line is a pty with the dialog at one end; what the caller holds is the other.
type line struct {
	t      *testing.T
	caller *os.File // the far end
	done   chan dialog.Outcome
	served chan string // what the service was told
}

// open starts a call. Whoever is let in reaches a mailbox that is always empty.
func open(t *testing.T, p *Plugin) *line {
	t.Helper()
	far, name := openPTY(t)
	l := openOn(t, p, openTTY(t, name))
	l.caller = far
	t.Cleanup(func() { _ = far.Close() })
	return l
}

// openOn starts a call on one end of a pty.
func openOn(t *testing.T, p *Plugin, ours *os.File) *line {
	t.Helper()
	l := &line{t: t, done: make(chan dialog.Outcome, 1), served: make(chan string, 1)}
	host := dialog.New(nil)
	ctx, cancel := context.WithCancel(context.Background())
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		out := host.Run(ctx, ours, p, dialog.Options{Call: plugin.Call{ID: "1", Line: "modem1", CallerID: number, Trusted: true}})
		l.done <- out
		if out.Granted() {
			l.served <- mailbox(io.MultiReader(bytes.NewReader(out.Unread), ours), ours)
		}
		_ = ours.Close() // hung up
	}()
	t.Cleanup(func() {
		cancel()
		_ = ours.Close()
		<-finished
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := host.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return l
}

// openPTY makes a pty in raw mode and returns its far end, whose reads end when it is closed, and the name of the other.
func openPTY(t *testing.T) (*os.File, string) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		_, err = term.MakeRaw(fd)
	}
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "/dev/ptmx"), fmt.Sprint("/dev/pts/", number)
}

// openTTY opens the near end of a pty.
func openTTY(t *testing.T, name string) *os.File {
	t.Helper()
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), name)
}

// mailbox is the service: enough of POP3 and SMTP for a client to say goodbye. It returns what it was told.
func mailbox(r io.Reader, w io.Writer) string {
	var heard strings.Builder
	for lines := bufio.NewScanner(r); lines.Scan(); {
		text := lines.Text()
		fmt.Fprintln(&heard, text)
		verb, _, _ := strings.Cut(strings.ToUpper(text), " ")
		answer := map[string]string{
			"CAPA": "+OK\r\n.", "STAT": "+OK 0 0", "LIST": "+OK\r\n.", "UIDL": "+OK\r\n.", "NOOP": "+OK", "EHLO": "250 mail.example", "RSET": "250 ok",
			"MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go on", ".": "250 taken", "QUIT": "221 bye",
		}[verb]
		if verb == "QUIT" && strings.Contains(heard.String(), "STAT") || verb == "QUIT" && strings.Contains(heard.String(), "LIST") {
			answer = "+OK bye"
		}
		if answer != "" {
			if _, err := io.WriteString(w, answer+"\r\n"); err != nil {
				break
			}
		}
		if verb == "QUIT" {
			break
		}
	}
	return heard.String()
}

// port lets one program reach the line over TCP, which is all that mail clients speak.
func (l *line) port() string {
	l.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		l.t.Fatal(err)
	}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		back := make(chan struct{})
		go func() {
			defer close(back)
			_, _ = io.Copy(conn, l.caller) // ends with EIO when the line is hung up
			_ = conn.Close()
		}()
		_, _ = io.Copy(l.caller, conn)
		_ = conn.Close()
		_ = l.caller.Close() // the client has hung up
		<-back
	}()
	l.t.Cleanup(func() {
		_ = listener.Close()
		_ = l.caller.Close()
		<-finished
	})
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		l.t.Fatal(err)
	}
	return port
}

// run runs a client with input and returns what it says and whether it is content.
func (l *line) run(input, program string, args ...string) (said string, content bool) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"HOME=" + l.t.TempDir(), "PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	cmd.Stdin = strings.NewReader(input)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		l.t.Fatal(err)
	}
	return string(out), err == nil
}

// outcome waits for the verdict.
func (l *line) outcome() dialog.Outcome {
	l.t.Helper()
	select {
	case out := <-l.done:
		return out
	case <-time.After(patience):
		l.t.Fatal("the dialog did not end")
		return dialog.Outcome{}
	}
}

// best leaves the mechanism to the client.
const best = "its best"

// mailClient is one way to log in with a stock program.
type mailClient struct {
	program, debian string
	profile         string // of the dialog
	mechanism       string
	user            string // alice when ""
	args            func(port, mechanism, user, password string) []string
}

// curlLogin are curl's words for a login. It does EXTERNAL only without a password, and takes what it likes best without a mechanism.
func curlLogin(mechanism, user, password string) []string {
	switch mechanism {
	case "EXTERNAL":
		password = ""
	case best:
		return []string{"-q", "-sS", "-v", "-u", user + ":" + password}
	}
	return []string{"-q", "-sS", "-v", "-u", user + ":" + password, "--login-options", "AUTH=" + mechanism}
}

func pop3Curl(port, mechanism, user, password string) []string {
	return append(curlLogin(mechanism, user, password), "pop3://127.0.0.1:"+port+"/")
}

func smtpCurl(port, mechanism, user, password string) []string {
	return append(curlLogin(mechanism, user, password), "smtp://127.0.0.1:"+port+"/",
		"--mail-from", "a@mail.example", "--mail-rcpt", "b@mail.example", "-T", "-")
}

func withMpop(port, mechanism, user, password string) []string {
	return []string{
		"--debug", "--host=127.0.0.1", "--port=" + port, "--tls=off", "--auth=" + strings.ToLower(mechanism), "--user=" + user,
		"--passwordeval=echo " + password, "--deliver=mbox,/dev/null", "--uidls-file=/dev/null", "--auth-only",
	}
}

func withMsmtp(port, mechanism, user, password string) []string {
	return []string{
		"--debug", "--host=127.0.0.1", "--port=" + port, "--tls=off", "--auth=" + strings.ToLower(mechanism), "--user=" + user,
		"--passwordeval=echo " + password, "--from=a@mail.example", "--domain=mail.example", "b@mail.example",
	}
}

func withGsasl(port, mechanism, user, password string) []string {
	return []string{
		"--smtp", "--connect=127.0.0.1:" + port, "--no-starttls", "--mechanism=" + mechanism, "--authentication-id=" + user,
		"--password=" + password, "--hostname=line.example", "--service=smtp", "--realm=rashost", "--quality-of-protection=qop-auth", "--no-cb", "--verbose",
	}
}

func withSwaks(port, mechanism, user, password string) []string {
	return []string{
		"--server", "127.0.0.1", "--port", port, "--auth", mechanism, "--auth-user", user, "--auth-password", password, "--quit-after", "AUTH",
		"--helo", "mail.example",
	}
}

// mailClients is the list of what was tried; docs/sasl.md has the same.
func mailClients() []mailClient {
	var all []mailClient
	add := func(program, debian, profile string, args func(port, mechanism, user, password string) []string, mechanisms ...string) {
		for _, m := range mechanisms {
			c := mailClient{program: program, debian: debian, profile: profile, mechanism: m, args: args}
			if m == "EXTERNAL" {
				c.user = number
			}
			all = append(all, c)
		}
	}
	add("curl", "curl", "pop3", pop3Curl, best, "PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "EXTERNAL")
	add("curl", "curl", "smtp", smtpCurl, best, "PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "EXTERNAL")
	add("mpop", "mpop", "pop3", withMpop, "SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN", "EXTERNAL", "USER")
	add("msmtp", "msmtp", "smtp", withMsmtp, "SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN", "EXTERNAL")
	add("gsasl", "gsasl", "smtp", withGsasl, "SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN")
	add("swaks", "swaks", "smtp", withSwaks, "PLAIN", "LOGIN", "CRAM-MD5")
	return all
}

// TestMailClients: stock programs log in over a pty, and with a wrong password they do not.
func TestMailClients(t *testing.T) {
	plugins := map[string]*Plugin{}
	for _, profile := range []string{profilePOP3, profileSMTP} {
		plugins[profile], _ = realPlugin(t, allOf+"profile: "+profile+"\n")
	}
	for _, c := range mailClients() {
		if c.user == "" {
			c.user = "alice"
		}
		for _, password := range []string{secret, "wrong"} {
			if password == "wrong" && c.mechanism == "EXTERNAL" {
				continue // it has none
			}
			t.Run(strings.Join([]string{c.program, c.profile, c.mechanism, password}, " "), func(t *testing.T) {
				needs(t, c.program, c.debian)
				l := open(t, plugins[c.profile])
				said, content := l.run("Subject: x\r\n\r\nx\r\n", c.program, c.args(l.port(), c.mechanism, c.user, password)...)
				out := l.outcome()
				right := password == secret
				if out.Granted() != right || right && out.User != c.user {
					t.Errorf("outcome %v, %q, %v\n%s", out.Verdict, out.User, out.Ended, said)
				}
				if content != right {
					t.Errorf("the client is content: %v\n%s", content, said)
				}
				if right {
					select {
					case told := <-l.served:
						if !strings.Contains(told, "QUIT") {
							t.Errorf("the service was told %q\n%s", told, said)
						}
					case <-time.After(patience):
						t.Error("the service did not end")
					}
				}
			})
		}
	}
}

// TestSwaksOnTheLineItself: no TCP at all; swaks speaks through socat, which has opened the caller's end of the line.
func TestSwaksOnTheLineItself(t *testing.T) {
	needs(t, "swaks", "swaks")
	needs(t, "socat", "socat")
	for _, password := range []string{secret, "wrong"} {
		t.Run(password, func(t *testing.T) {
			far, name := openPTY(t)
			p, _ := realPlugin(t, allOf+"profile: smtp\n")
			l := openOn(t, p, far)
			said, _ := l.run("", "swaks", "--pipe", "socat STDIO FILE:"+name+",rawer", "--auth", "CRAM-MD5", "--auth-user", "alice",
				"--auth-password", password, "--quit-after", "AUTH", "--helo", "mail.example")
			out, right := l.outcome(), password == secret
			if out.Granted() != right || strings.Contains(said, "<-  235 ") != right {
				t.Errorf("outcome %v, %q, %v\n%s", out.Verdict, out.User, out.Ended, said)
			}
		})
	}
}
