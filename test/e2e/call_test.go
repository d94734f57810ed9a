package e2e

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rashost/internal/caller"
	people "rashost/plugin/users"
	"rashost/port/modemsim"
)

// loginScript is the login at the password dialog, up to the first words of the service.
const loginScript = `abort "Access denied."
expect "login: "
send alice
expect "Password: "
secret
expect "READY alice"
`

// callRig is a host and a caller's files.
type callRig struct {
	*host
	script, secret, wrong, profile string
	heard                          string // where the commands of listen put what they read
}

// listen is a command that says something and keeps the next bytes.
func (r *callRig) listen(say, bytes string) []string {
	return []string{"--", "sh", "-c", say + "; head -c " + bytes + ` >"$0"`, r.heard}
}

// wantHeard checks what the last listen read.
func (r *callRig) wantHeard(text string) {
	r.t.Helper()
	if got, err := os.ReadFile(r.heard); err != nil || !strings.Contains(string(got), text) {
		r.t.Errorf("the command read %q, %v; want %q", got, err, text)
	}
	_ = os.Remove(r.heard)
}

// newCallRig makes the files of a caller, and starts a host with the lines of c, if there are any.
func newCallRig(t *testing.T, c *conf) *callRig {
	t.Helper()
	h := newHost(t, c)
	r := &callRig{host: h, heard: filepath.Join(h.dir, "heard")}
	for _, f := range []struct {
		path *string
		name string
		text string
	}{
		{&r.script, "login.txt", loginScript}, {&r.secret, "secret", alicePassword + "\n"}, {&r.wrong, "wrong", "looking-glass\n"},
		{&r.profile, "caller.yaml", strings.Replace(profile, "dtr: hangup", "dtr: hangup\nescape_off: ATS2=255", 1)},
	} {
		*f.path = filepath.Join(h.dir, f.name)
		must(t, os.WriteFile(*f.path, []byte(f.text), 0o600))
	}
	file, err := people.NewFile(filepath.Join(h.dir, "sasl.yaml"))
	must(t, err)
	must(t, file.Add(alice, []byte(alicePassword), people.Verifiers{Hash: true, SCRAM: []string{"SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"}}))
	if len(c.lines) > 0 {
		h.start()
	}
	for _, l := range c.lines {
		h.wantState(l.name, "listening")
	}
	return r
}

const saslDialogs = `  mail: {plugin: sasl, timeout: 60s, attempts: 3, options: {file: sasl.yaml, mechanisms: [SCRAM-SHA-256, SCRAM-SHA-1, SCRAM-SHA-512, PLAIN]}}
  smtp: {plugin: sasl, timeout: 60s, attempts: 3, options: {file: sasl.yaml, profile: smtp}}
`

// call runs `rashost call`.
func (r *callRig) call(args ...string) result {
	r.t.Helper()
	return command(r.t, "", append([]string{"call"}, args...)...)
}

// wantCall runs `rashost call` and checks its exit code and what it says.
func (r *callRig) wantCall(code int, text string, args ...string) result {
	r.t.Helper()
	got := r.call(args...)
	if got.code != code || !strings.Contains(got.stderr, text) {
		r.t.Errorf("rashost call %q: exit %d, want %d and %q\n%s%s", args, got.code, code, text, got.out, got.stderr)
	}
	wantClean(r.t, got.stderr)
	return got
}

// wantClean checks that a text can't steer a terminal and shows no secret.
func wantClean(t *testing.T, text string) {
	t.Helper()
	if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f || r >= 0x80 && r < 0xa0 }); i >= 0 {
		t.Errorf("a raw control character is in %q", text)
	}
	if strings.Contains(text, alicePassword) {
		t.Errorf("the secret is in:\n%s", text)
	}
}

// callersModem gives the caller a modem whose telephone reaches the lines of the host: the last digit of a number picks one, and 0 is
// nobody's.
func (r *callRig) callersModem(lines ...string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, "dev", "callers-modem")
	newModem(r.t, path, modemsim.Options{OnDial: r.exchange(lines...)})
	return path
}

// exchange connects a modem that dials with one of lines.
func (h *host) exchange(lines ...string) func(number string, call *modemsim.FarCall) string {
	return func(number string, call *modemsim.FarCall) string {
		i := int(number[len(number)-1] - '1')
		if i < 0 || i >= len(lines) {
			<-call.Done()
			return "NO ANSWER"
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		far, err := h.modems[lines[i]].Dial(ctx, modemsim.DialOptions{Number: "5550199"})
		switch {
		case errors.Is(err, modemsim.ErrBusy):
			return "BUSY"
		case err != nil:
			return "NO CARRIER"
		}
		go func() {
			_, _ = io.Copy(far, call)
			_ = far.Close()
		}()
		go func() {
			_, _ = io.Copy(call, far)
			_ = call.Close()
		}()
		return "CONNECT 33600"
	}
}

// A call from modem to modem, by script: the right password, the wrong one, and a line that is busy.
func TestCallOverModems(t *testing.T) {
	t.Parallel()
	r := newCallRig(t, newConf("one", "two"))
	modem := r.callersModem("one", "two")
	dial := []string{modem, "--modem", r.profile, "--script", r.script}
	r.wantCall(0, "CONNECT 33600", append(append(dial, "--number", "555 1", "--secret-file", r.secret), r.listen("echo ping", "12")...)...)
	r.wantHeard("ping")
	r.wantRecord("one", 1, record{cause: "Lost-Carrier", verdict: "success", user: alice})
	r.wantCall(1, "Access denied.", append(dial, "--number", "555 1", "--secret-file", r.wrong, "--then", "exit")...)
	r.wantRecord("one", 2, record{cause: "Lost-Carrier", verdict: "none"})
	by := r.bystander("two")
	r.wantCall(1, "the number is busy", append(dial, "--number", "555 2", "--secret-file", r.secret, "--then", "exit")...)
	by.undisturbed()
	r.wantBack("one")
}

// Every answer of a modem ends in exit code 1 and a sentence.
func TestCallDialResults(t *testing.T) {
	t.Parallel()
	r := newCallRig(t, newConf())
	for i, tc := range []struct{ answer, text string }{
		{"BUSY", "the number is busy"}, {"NO CARRIER", "no carrier"}, {"NO ANSWER", "nobody answers"}, {"NO DIALTONE", "no dial tone"},
	} {
		device := filepath.Join(r.dir, "dev", "modem"+string(rune('a'+i)))
		newModem(t, device, modemsim.Options{OnDial: func(string, *modemsim.FarCall) string { return tc.answer }})
		r.wantCall(1, tc.text, device, "--number", "1", "--modem", r.profile, "--then", "exit")
	}
	device := r.callersModem()
	r.wantCall(1, "no connection within 1s", device, "--number", "0", "--modem", r.profile, "--then", "exit", "--timeout", "1s")
	if got := r.call(device, "--number", "0", "--modem", r.profile, "--then", "exit", "--timeout", "1s", "--quiet"); strings.Count(got.stderr, "\n") != 1 {
		t.Errorf("--quiet says more than the error: %q", got.stderr)
	}
}

// Ctrl-C while it dials: the modem stops dialling although its tty stays open, and the exit code is 130.
func TestCallInterrupted(t *testing.T) {
	t.Parallel()
	r := newCallRig(t, newConf())
	device, dialling, stopped := filepath.Join(r.dir, "dev", "callers-modem"), make(chan struct{}), make(chan struct{})
	newModem(t, device, modemsim.Options{OnDial: func(_ string, call *modemsim.FarCall) string {
		close(dialling)
		<-call.Done()
		close(stopped)
		return "NO ANSWER"
	}})
	held, err := os.OpenFile(device, os.O_RDWR|syscall.O_NOCTTY, 0)
	must(t, err)
	defer held.Close()
	cmd, said := r.start(device, "--number", "1", "--modem", r.profile, "--then", "exit")
	<-dialling
	must(t, cmd.Process.Signal(syscall.SIGINT))
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || !contains(said.String(), "dialling was stopped", "interrupted") {
		t.Errorf("exit %d, want 130\n%s", code, said)
	}
	select {
	case <-stopped:
	case <-time.After(patience):
		t.Error("the modem still dials")
	}
}

// start starts `rashost call` and returns it with its standard error.
func (r *callRig) start(args ...string) (*exec.Cmd, *logBuffer) {
	r.t.Helper()
	said := &logBuffer{}
	cmd := exec.Command(binary, append([]string{"call"}, args...)...)
	cmd.Env, cmd.Stderr = quickRace(), said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(r.t, cmd.Start())
	r.t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, said
}

// directConf is a host with one direct line on a pty at the path that comes with it.
func directConf(t *testing.T, dialog string) (*conf, string) {
	t.Helper()
	link := filepath.Join(t.TempDir(), "console")
	c := newConf()
	c.dialogs += saslDialogs
	c.lines = []lineConf{{name: "console", device: "pty:" + link, keys: "modem: none, dialog: " + dialog}}
	return c, link
}

// A direct line: the far end waits for the first byte, which the caller sends by itself.
func TestCallDirectLine(t *testing.T) {
	t.Parallel()
	c, link := directConf(t, "staff")
	r := newCallRig(t, c)
	r.wantCall(0, "logged in", link, "--script", r.script, "--secret-file", r.secret, "--", "sh", "-c", "head -c 3 >/dev/null")
	r.wantRecord("console", 1, record{cause: "Lost-Carrier", verdict: "success", user: alice})
	r.wantState("console", "listening")
	r.wantCall(1, "Access denied.", link, "--script", r.script, "--secret-file", r.wrong, "--then", "exit")
	r.wantState("console", "listening")
	// The status of the command is that of the call; the secret's descriptor is not the command's.
	r.wantState("console", "listening")
	cmd := exec.Command(binary, "call", link, "--script", r.script, "--secret-fd", "3", "-q", "--", "sh", "-c", "ls /proc/self/fd >&2; exit 42")
	secret, err := os.Open(r.secret)
	must(t, err)
	defer secret.Close()
	var said strings.Builder
	cmd.Env, cmd.ExtraFiles, cmd.Stderr = quickRace(), []*os.File{secret}, &said
	_ = cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != 42 || strings.Join(strings.Fields(said.String()), " ") != "0 1 2 3" { // 3 is the folder that ls reads
		t.Errorf("exit %d, descriptors %q", code, said.String())
	}
}

// SASL over a direct line: each mechanism, the wrong password, and what is not offered.
func TestCallSASL(t *testing.T) {
	t.Parallel()
	c, link := directConf(t, "mail")
	c.lines[0].keys += ", trusted: true"
	r := newCallRig(t, c)
	login := func(code int, text, secret string, args ...string) {
		t.Helper()
		r.wantState("console", "listening")
		r.wantCall(code, text, append([]string{link, "--user", alice, "--secret-file", secret, "-v"}, args...)...)
		if code == 0 {
			r.wantHeard("READY alice console")
		}
	}
	run := r.listen(":", "20")
	for _, sasl := range []string{"--sasl", "--sasl=SCRAM-SHA-1", "--sasl=scram-sha-512"} {
		login(0, "logged in", r.secret, append([]string{sasl}, run...)...)
	}
	login(0, "logged in", r.secret, append([]string{"--sasl=PLAIN", "--allow-plain"}, run...)...)
	login(1, "the far end refused the login", r.wrong, append([]string{"--sasl"}, run...)...)
	login(1, "smtp is wanted", r.secret, append([]string{"--sasl", "--profile", "smtp"}, run...)...)
}

// SASL over SMTP's commands, from modem to modem, and a mechanism that is not offered.
func TestCallSASLOverSMTP(t *testing.T) {
	t.Parallel()
	c := newConf("one")
	c.dialogs += saslDialogs
	c.line("one").keys = "dialog: smtp"
	r := newCallRig(t, c)
	modem := r.callersModem("one")
	dial := []string{modem, "--modem", r.profile, "--number", "1", "--user", alice, "--secret-file", r.secret}
	r.wantCall(0, "the far end speaks smtp", append(append(dial, "--sasl"), r.listen(":", "15")...)...)
	r.wantHeard("READY alice one")
	r.wantRecord("one", 1, record{cause: "Lost-Carrier", verdict: "success", user: alice})
	r.wantState("one", "listening")
	r.wantCall(1, `offers no PLAIN, only "SCRAM-SHA-256"`, append(dial, "--sasl=PLAIN", "--allow-plain", "--then", "exit")...)
}

// A virtual modem of the host is called by its name.
func TestCallVirtualModem(t *testing.T) {
	t.Parallel()
	c := newConf()
	c.lines = []lineConf{{name: "demo", device: "sim:demo", keys: "modem: generic"}}
	r := newCallRig(t, c)
	got := r.run(append([]string{"call", "sim:demo", "--script", r.script, "--secret-file", r.secret}, r.listen("echo hello", "13")...)...)
	if got.code != 0 {
		t.Errorf("exit %d\n%s", got.code, got.stderr)
	}
	r.wantHeard("hello")
	r.wantRecord("demo", 1, record{cause: "Lost-Carrier", verdict: "success", user: alice})
	if got := r.run("call", "sim:nosuch", "--script", r.script, "--secret-file", r.secret, "--", "true"); got.code != 1 || !contains(got.stderr, "sim:nosuch", "rashost serve") {
		t.Errorf("no such modem: %+v", got)
	}
}

// The host hangs up in a session: the command reads to the end, its status counts, and the reason is said.
func TestCallIsHungUp(t *testing.T) {
	t.Parallel()
	c, link := directConf(t, "staff")
	r := newCallRig(t, c)
	cmd, said := r.start(link, "--script", r.script, "--secret-file", r.secret, "--", "sh", "-c", "cat >/dev/null; exit 9")
	eventually(t, "the command runs", func() (bool, string) { return strings.Contains(said.String(), "running sh"), said.String() })
	r.ok("hangup", "console")
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 9 || !strings.Contains(said.String(), "the line was hung up") {
		t.Errorf("exit %d, want 9\n%s", code, said)
	}
}

// Devices that can't be had.
func TestCallDevices(t *testing.T) {
	t.Parallel()
	r := newCallRig(t, newConf("one"))
	gone := filepath.Join(r.dir, "dev", "gone")
	r.wantCall(1, "no such device", gone, "--then", "exit")
	r.wantCall(1, "not a serial device", r.secret, "--then", "exit")
	r.wantCall(1, "in use by process "+pid(r.host), devicePath(r.dir, "one"), "--then", "exit")
	r.wantBack("one")
}

// Wrong usage is exit code 2 and says what to do, before anything is opened.
func TestCallUsage(t *testing.T) {
	t.Parallel()
	r := newCallRig(t, newConf())
	tty := filepath.Join(r.dir, "dev", "none")
	bad := filepath.Join(r.dir, "bad.txt")
	must(t, os.WriteFile(bad, []byte("expct login:\nsend\nhello\n"), 0o600))
	empty := filepath.Join(r.dir, "empty")
	must(t, os.WriteFile(empty, []byte("\n"), 0o600))
	sasl := []string{tty, "--sasl", "--user", alice, "--then", "exit"}
	for _, tc := range []struct {
		text string
		args []string
	}{
		{"DEVICE", nil},
		{"DEVICE", []string{tty, "other"}},
		{"--sasl=MECHANISM", []string{tty, "--sasl", "SCRAM-SHA-1"}},
		{"COMMAND", []string{tty, "--"}},
		{"COMMAND", []string{tty, "--", "/no/such/command"}},
		{"unknown flag", []string{tty, "--password", "x"}},
		{"standard input is no terminal", []string{tty}},
		{"standard input is no terminal", []string{tty, "--then", "terminal"}},
		{"allowed are terminal and exit", []string{tty, "--then", "sleep"}},
		{"COMMAND", []string{tty, "--then", "exit", "--", "true"}},
		{"telephone number", []string{tty, "--number", "ATH", "--then", "exit"}},
		{"there is no --number", []string{tty, "--modem", "generic", "--then", "exit"}},
		{"there is no --number", []string{tty, "--redial", "3", "--then", "exit"}},
		{"no modem profile", []string{tty, "--number", "1", "--modem", "nosuch", "--then", "exit"}},
		{"direct line", []string{tty, "--number", "1", "--modem", "none", "--then", "exit"}},
		{"--baud", []string{tty, "--baud", "0", "--then", "exit"}},
		{"--baud", []string{tty, "--baud", "99999999", "--then", "exit"}},
		{"--parity", []string{tty, "--parity", "maybe", "--then", "exit"}},
		{"--flow", []string{tty, "--flow", "maybe", "--then", "exit"}},
		{"--timeout", []string{tty, "--timeout", "1ms", "--then", "exit"}},
		{"--redial", []string{tty, "--number", "1", "--redial", "-1", "--then", "exit"}},
		{"only one of them", []string{tty, "--script", r.script, "--sasl", "--then", "exit"}},
		{"--user", []string{tty, "--sasl", "--then", "exit"}},
		{"--user: it is for --sasl", []string{tty, "--script", r.script, "--user", alice, "--then", "exit"}},
		{"there is no login", []string{tty, "--secret-file", r.secret, "--then", "exit"}},
		{"there are SCRAM-SHA-512", append(sasl, "--sasl=NTLM")},
		{"--allow-plain", append(sasl, "--sasl=PLAIN")},
		{"--profile", append(sasl, "--profile", "imap")},
		{"only one of them", append(sasl, "--secret-file", r.secret, "--secret-fd", "3")},
		{"--secret-fd 1", append(sasl, "--secret-fd", "1")},
		{"not open", append(sasl, "--secret-fd", "77")},
		{"not open", append(sasl, "--secret-fd", "3")}, // the runtime's own by then
		{"not open", append(sasl, "--secret-fd", "4")},
		{"no such file", append(sasl, "--secret-file", filepath.Join(r.dir, "nothing"))},
		{"first line is empty", append(sasl, "--secret-file", empty)},
		{"no such file", []string{tty, "--script", filepath.Join(r.dir, "nothing"), "--then", "exit"}},
		{"bad.txt:1", []string{tty, "--script", bad, "--then", "exit"}},
		{"standard input", []string{"-", "--baud", "9600"}},
		{"standard input", []string{"-", "--then", "terminal"}},
		{"standard input", []string{"-", "--sasl", "--user", alice, "--secret-fd", "0"}},
		{"leave it out", []string{"sim:one", "--number", "1"}},
		{"no name of a virtual modem", []string{"sim:../x", "--", "true"}},
		{"leave pty: out", []string{"pty:/dev/x", "--then", "exit"}},
	} {
		r.wantCall(2, tc.text, tc.args...)
	}
}

// A secret that others may read is warned about.
func TestCallWarnsOfModes(t *testing.T) {
	t.Parallel()
	r := newCallRig(t, newConf())
	gone := filepath.Join(r.dir, "dev", "gone")
	must(t, os.Chmod(r.secret, 0o644))
	open := filepath.Join(r.dir, "open.txt")
	must(t, os.WriteFile(open, []byte("secret hunter2\n"), 0o604))
	must(t, os.Chmod(open, 0o604))
	r.wantCall(1, "(mode 0644): chmod 600 "+r.secret, gone, "--script", r.script, "--secret-file", r.secret, "--then", "exit", "-q")
	r.wantCall(1, "the script holds a secret, and others may open it (mode 0604)", gone, "--script", open, "--then", "exit")
}

// playedEnd is a far end on a pty, played by the test.
func playedEnd(t *testing.T) (*caller.Caller, string) {
	t.Helper()
	pty, err := modemsim.OpenPTY()
	must(t, err)
	t.Cleanup(func() { _ = pty.Close() })
	return caller.New(pty), pty.Path
}

// A far end that lets everybody in does not know the password: that is an impostor, whatever it says.
func TestCallImpostor(t *testing.T) {
	t.Parallel()
	r := newCallRig(t, newConf())
	far, path := playedEnd(t)
	go func() {
		_ = far.SendRaw([]byte("+OK come in\r\n"))
		_, _ = far.Expect(t.Context(), "CAPA\r\n")
		_ = far.SendRaw([]byte("+OK\r\nSASL SCRAM-SHA-256\r\n.\r\n"))
		_, _ = far.Expect(t.Context(), "\r\n")
		_ = far.SendRaw([]byte("+OK welcome\r\n"))
	}()
	r.wantCall(1, "it may be an impostor", path, "--sasl", "--user", alice, "--secret-file", r.secret, "--then", "exit")
}

// Hostile bytes reach nobody's screen raw, and end in an error.
func TestCallHostileBytes(t *testing.T) {
	t.Parallel()
	r := newCallRig(t, newConf())
	for _, said := range []string{
		"+OK \x1b]0;title\x07\x1b[2J\r\n-ERR\r\n-ERR \x1b[31m\u009b\xff\u202e\r\n",
		"-ERR \x1b[2J go away\x07\r\n",
		"220 \x1b[2J\r\n250 AUTH \x1b[31mEVIL\r\n",
		"+OK\r\n\x1b[2J\x00\xff\r\n",
		"+OK\r\n" + strings.Repeat("x", 20000),
	} {
		far, path := playedEnd(t)
		go func() {
			_, _ = far.Expect(t.Context(), "\r") // the one that wakes
			_ = far.SendRaw([]byte(said))
		}()
		r.wantCall(1, "rashost: ", path, "--sasl", "--user", alice, "--secret-file", r.secret, "--then", "exit", "-v", "--timeout", "20s")
	}
}
