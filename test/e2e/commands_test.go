package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"rashost/internal/admin"
)

// The exit codes: 0 done, 1 failed, 2 bad usage or configuration. Errors are on stderr.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one"))
	for _, tc := range []struct {
		args []string
		code int
	}{
		{[]string{"lines"}, 0}, {[]string{"lines", "--json"}, 0}, {[]string{"calls"}, 0}, {[]string{"plugins"}, 0}, {[]string{"check"}, 0},
		{[]string{"schema"}, 0}, {[]string{"user", "list"}, 0}, {[]string{"--help"}, 0}, {[]string{"serve", "--help"}, 0},
		{[]string{"hangup", "nosuchline"}, 1}, {[]string{"hangup", "one"}, 1}, {[]string{"why", "zzzzzzzzzz"}, 1}, {[]string{"enable", "one"}, 1},
		{[]string{"user", "remove", "nobody-such"}, 1},
		{[]string{"hangup"}, 2}, {[]string{"lines", "--bogus"}, 2}, {[]string{"nosuchcommand"}, 2}, {[]string{"calls", "--since", "x"}, 2},
	} {
		r := h.run(tc.args...)
		if r.code != tc.code {
			t.Errorf("rashost %q: exit %d, want %d\n%s%s", tc.args, r.code, tc.code, r.out, r.stderr)
		}
		if (r.stderr != "") != (tc.code != 0) {
			t.Errorf("rashost %q: exit %d, and on stderr: %q", tc.args, r.code, r.stderr)
		}
	}
	h.stop()
	for _, args := range [][]string{{"lines"}, {"hangup", "one"}} {
		if r := h.run(args...); r.code != 1 || !strings.Contains(r.stderr, "control.sock") {
			t.Errorf("rashost %q without a daemon: %+v, want exit 1 and the socket's name", args, r)
		}
	}
	if r := h.run("calls"); r.code != 0 {
		t.Errorf("calls without a daemon: %+v", r)
	}
}

// check names all faults at once, each with its place, those that only plugins, services and profiles know as well; serve refuses the same
// file in the same words and touches nothing.
func TestCheckNamesEveryFault(t *testing.T) {
	t.Parallel()
	h := newHost(t, newConf("one"))
	good, err := os.ReadFile(h.configPath())
	must(t, err)
	bad := strings.Replace(string(good), "settle: 0", "settle: 5", 1)
	bad = strings.Replace(bad, "timeout: 60s", "timeout: 5s", 1)
	bad = strings.Replace(bad, "file: users.yaml", "fil: users.yaml", 1)
	bad = strings.Replace(bad, "command: [/bin/sh,", "command: [/bin/nope,", 1)
	bad += "bogus: 1\n"
	must(t, os.WriteFile(h.configPath(), []byte(bad), 0o644))
	must(t, os.WriteFile(filepath.Join(h.dir, "profiles", "other.yaml"), []byte("name: other\nbauds: 1\n"), 0o644))
	faults := []string{"lines[0].settle: ", "dialogs.staff.timeout: ", "bogus: ", "dialogs.staff.options.fil: ", "services.echo.command: ", ": bauds: "}
	for _, command := range []string{"check", "serve"} {
		r := h.run(command)
		if r.code != 2 || !contains(r.stderr, faults...) {
			t.Errorf("%s: %+v, want exit 2 and the faults %q", command, r, faults)
		}
		if n := len(regexp.MustCompile(`\.yaml:\d+:\d+: `).FindAllString(r.stderr, -1)); n != len(faults) {
			t.Errorf("%s: %d places file:line:column, want %d:\n%s", command, n, len(faults), r.stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(h.dir, "state")); err == nil {
		t.Error("serve made the state folder in spite of the faults")
	}
}

// A user added by the command, with the secret on standard input, can log in at once; a new password counts at once; a removed user is
// refused at once.
func TestUserCommands(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one"))
	add := func(secret string, args ...string) {
		t.Helper()
		if r := h.runWith(secret+"\n", args...); r.code != 0 {
			t.Fatalf("rashost %q: %+v", args, r)
		}
	}
	try := func(secret string, ok bool) {
		t.Helper()
		h.wantState("one", "listening")
		c := h.modems["one"].dial(t)
		if ok {
			c.login("carol", secret)
			c.raw([]byte{4})
			c.ended()
			return
		}
		c.denied("carol", secret)
		h.ok("hangup", "one")
		c.ended()
	}
	try("first-secret", false)
	add("first-secret", "user", "add", "carol")
	try("first-secret", true)
	add("second-secret", "user", "passwd", "carol")
	try("first-secret", false)
	try("second-secret", true)
	h.ok("user", "disable", "carol")
	try("second-secret", false)
	h.ok("user", "enable", "carol")
	try("second-secret", true)
	h.ok("user", "remove", "carol")
	try("second-secret", false)
	info, err := os.Stat(filepath.Join(h.dir, "users.yaml"))
	must(t, err)
	text, err := os.ReadFile(filepath.Join(h.dir, "users.yaml"))
	must(t, err)
	if info.Mode().Perm() != 0o600 || bytes.Contains(text, []byte("secret")) {
		t.Errorf("user file: mode %o\n%s", info.Mode().Perm(), text)
	}
}

// The demo, in a pipe and from any folder, plays its call and exits 0.
func TestDemoInAPipe(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(binary, "demo")
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil || !contains(string(out), "Access denied.", "WELCOME demo", "demo was let in to the service shell", "Lost-Carrier") {
		t.Errorf("demo: %v\n%s", err, out)
	}
	if left, _ := os.ReadDir(cmd.Dir); len(left) != 0 {
		t.Errorf("the demo left files behind: %v", left)
	}
}

// `lines --watch` on a real terminal draws the table anew, and ends with ^C.
func TestWatchOnATerminal(t *testing.T) {
	t.Parallel()
	needsProgram(t, "tmux", "tmux")
	h := startHost(t, newConf("one", "two"))
	socket := filepath.Join(h.dir, "tmux.sock")
	tmux := func(args ...string) string {
		out, _ := exec.Command("tmux", append([]string{"-f", "/dev/null", "-S", socket}, args...)...).CombinedOutput()
		return string(out)
	}
	tmux("new-session", "-d", "-x", "150", "-y", "20", binary+" -c "+h.configPath()+" lines --watch; echo ended with $?; exec cat")
	t.Cleanup(func() { tmux("kill-server") })
	shows := func(parts ...string) {
		t.Helper()
		eventually(t, "the screen shows "+strings.Join(parts, ", "), func() (bool, string) {
			screen := tmux("capture-pane", "-p")
			return contains(screen, parts...) && strings.Count(screen, "CONDITION") == 1, screen
		})
	}
	shows("one", "two", "listening")
	c := h.modems["one"].dial(t)
	shows("dialog", "AUTHENTICATING")
	c.login(alice, alicePassword)
	shows("session", "AUTHENTICATED", alice)
	h.ok("disable", "two")
	shows("disabled")
	c.raw([]byte{4})
	c.ended()
	eventually(t, "the line is back on the screen", func() (bool, string) {
		screen := tmux("capture-pane", "-p")
		return strings.Contains(screen, "listening") && !strings.Contains(screen, "session"), screen
	})
	tmux("send-keys", "C-c")
	shows("ended with 0")
}

// `lines --watch --json` in a pipe is one JSON object a line.
func TestWatchInAPipe(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one"))
	var out logBuffer
	cmd := exec.Command(binary, "-c", h.configPath(), "lines", "--watch", "--json")
	cmd.Stdout, cmd.Stderr = &out, &out
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	states := func() (states []string) {
		for l := range strings.Lines(out.String()) {
			var e admin.Event
			if err := json.Unmarshal([]byte(l), &e); err == nil && e.Line != nil {
				if state := e.Line.State; len(states) == 0 || states[len(states)-1] != state {
					states = append(states, state)
				}
			}
		}
		return states
	}
	eventually(t, "the first state", func() (bool, string) { return len(states()) > 0, out.String() })
	c := h.modems["one"].dial(t)
	c.login(alice, alicePassword)
	c.raw([]byte{4})
	c.ended()
	eventually(t, "the life of a call", func() (bool, string) {
		return contains(strings.Join(states(), " "), "ringing", "answering", "dialog session hanging-up listening"), strings.Join(states(), " ")
	})
}
