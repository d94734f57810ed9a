package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"rashost/plugin"
)

// account is the dialog's key that root must write.
func account() string {
	if os.Geteuid() == 0 {
		return ", user: nobody"
	}
	return ""
}

// program puts an executable file into the host's folder.
func (h *host) program(name, text string) string {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	must(h.t, os.WriteFile(path, []byte(text), 0o755))
	must(h.t, os.Chmod(path, 0o755))
	return path
}

// doormanConf has a line "door" whose callers doorman.sh asks, and a bystander's line.
func doormanConf() *conf {
	c := newConf("door", "other")
	c.line("door").keys = "dialog: doorman"
	c.dialogs += fmt.Sprintf("  doorman: {plugin: external, timeout: 20s, end_grace: 2s%s, options: {command: [./doorman.sh, guests], read: [guests]}}\n", account())
	return c
}

// newDoorman makes the host of doormanConf, not yet started.
func newDoorman(t *testing.T, c *conf) *host {
	t.Helper()
	h := newHost(t, c)
	text, err := os.ReadFile("../../plugin/external/examples/doorman.sh")
	must(t, err)
	h.program("doorman.sh", string(text))
	must(t, os.WriteFile(filepath.Join(h.dir, "guests"), []byte("alice:wonderland-7\n"), 0o644))
	c.dialogs = strings.Replace(c.dialogs, "sh, guests", "sh, "+filepath.Join(h.dir, "guests"), 1)
	must(t, c.write(h.dir))
	return h
}

func startDoorman(t *testing.T) *host {
	t.Helper()
	h := newDoorman(t, doormanConf())
	h.start()
	h.wantState("door", "listening")
	h.wantState("other", "listening")
	return h
}

// answers logs in at doorman.sh.
func (c *call) answers(name, password string) {
	c.t.Helper()
	c.expect("Name: ")
	c.send(name)
	c.expect("Password: ")
	c.send(password)
}

// TestExternalPlugin: a shell script decides who gets the line; its verdicts are in the records with its name.
func TestExternalPlugin(t *testing.T) {
	t.Parallel()
	h := startDoorman(t)
	by := h.bystander("other")
	c := h.modems["door"].dial(t)
	c.answers("alice", "wonderland-7")
	c.expect(ready + " alice")
	c.echoes("through")
	c.hangUp()
	r := h.wantRecord("door", 1, record{cause: "Lost-Carrier", verdict: "success", user: "alice", service: "echo"})
	if r.Plugin != "external" || r.Dialog != "doorman" {
		t.Errorf("record: plugin %q, dialog %q", r.Plugin, r.Dialog)
	}
	h.wantState("door", "listening")
	c = h.modems["door"].dial(t)
	for range 3 {
		c.answers("alice", "guess")
	}
	if said := c.ended(); !strings.Contains(said, "Access denied.") {
		t.Errorf("the caller was told %q", said)
	}
	h.wantRecord("door", 2, record{cause: "Service-Unavailable", verdict: "failure", events: []uint32{uint32(plugin.EventSecurityFailure)}})
	if text := h.ok("plugins"); !contains(text, filepath.Join(h.dir, "doorman.sh"), "doorman") {
		t.Errorf("plugins: %s", text)
	}
	by.undisturbed()
}

// pluginPID finds the process that runs the script of h.
func (h *host) pluginPID(script string) int {
	h.t.Helper()
	pid := 0
	eventually(h.t, "a process runs "+script, func() (bool, string) {
		entries, _ := os.ReadDir("/proc")
		for _, e := range entries {
			n, err := strconv.Atoi(e.Name())
			if err != nil {
				continue
			}
			line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
			if strings.Contains(string(line), script) && !strings.Contains(string(line), "exec-plugin") {
				pid = n
				return true, ""
			}
		}
		return false, "none"
	})
	return pid
}

// gone waits until a process has ended.
func gone(t *testing.T, pid int) {
	t.Helper()
	eventually(t, fmt.Sprintf("process %d has ended", pid), func() (bool, string) {
		err := syscall.Kill(pid, 0)
		return err != nil, errText(err)
	})
}

// TestExternalPluginDies: killed at each prompt it is an Error 1067 in the record, and the next caller is served.
func TestExternalPluginDies(t *testing.T) {
	t.Parallel()
	h := startDoorman(t)
	by := h.bystander("other")
	script := filepath.Join(h.dir, "doorman.sh")
	for i, prompt := range []string{"Name: ", "Password: "} {
		c := h.modems["door"].dial(t)
		c.expect("Name: ")
		if prompt != "Name: " {
			c.send("alice")
			c.expect(prompt)
		}
		must(t, syscall.Kill(h.pluginPID(script), syscall.SIGKILL))
		c.ended()
		r := h.wantRecord("door", i+1, record{cause: "NAS-Error", verdict: "error", events: []uint32{uint32(plugin.EventSecurityInternal)}})
		if r.Code != uint32(plugin.ErrorProcessAborted) {
			t.Errorf("at %q: code %d, want 1067", prompt, r.Code)
		}
		h.wantState("door", "listening")
	}
	c := h.modems["door"].dial(t)
	c.answers("alice", "wonderland-7")
	c.expect(ready + " alice")
	c.hangUp()
	by.undisturbed()
}

// TestExternalPluginEndsWithTheCall: a caller who hangs up, and a daemon that is killed, leave no process behind.
func TestExternalPluginEndsWithTheCall(t *testing.T) {
	t.Parallel()
	h := startDoorman(t)
	script := filepath.Join(h.dir, "doorman.sh")
	c := h.modems["door"].dial(t)
	c.expect("Name: ")
	pid := h.pluginPID(script)
	c.hangUp()
	gone(t, pid)
	h.wantRecord("door", 1, record{cause: "Lost-Carrier", verdict: "none"})
	h.wantState("door", "listening")
	c = h.modems["door"].dial(t)
	c.expect("Name: ")
	pid = h.pluginPID(script)
	h.kill()
	gone(t, pid)
}

// TestExternalPluginMustLoad: a program that is missing or speaks another version stops the start with event 20096 and exit 2; with
// on_load_error: disable its line is disabled and the others work.
func TestExternalPluginMustLoad(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"missing":       "",
		"no executable": "no",
		"wrong version": "#!/bin/sh\nread line\necho '{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"version\":2,\"name\":\"x\"}}'\nread line\n",
		"exits":         "#!/bin/sh\nexit 3\n",
		"babbles":       "#!/bin/sh\nwhile :; do echo hello; done\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, onError := range []string{"stop", "disable"} {
				c := doormanConf()
				c.line("door").keys += ", on_load_error: " + onError
				h := newDoorman(t, c)
				path := filepath.Join(h.dir, "doorman.sh")
				switch text {
				case "":
					must(t, os.Remove(path))
				case "no":
					must(t, os.Chmod(path, 0o644))
				default:
					h.program("doorman.sh", text)
				}
				if onError == "stop" {
					h.launch()
					h.wantExit(2)
					if !contains(h.log.String(), "20096", "dialogs.doorman", path) {
						t.Errorf("the log: %s", h.log)
					}
					continue
				}
				h.start()
				if l := h.wantState("door", "disabled"); !contains(l.Reason, "20096", "doorman") {
					t.Errorf("disabled for %q", l.Reason)
				}
				h.wantBack("other")
			}
		})
	}
}

// TestPluginTestCommand: the suite passes a plugin that keeps the contract, and names the rule and the exchange of one that does not.
func TestPluginTestCommand(t *testing.T) {
	t.Parallel()
	h := newDoorman(t, doormanConf())
	script := func(name, text string) string {
		path := filepath.Join(h.dir, name)
		must(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	one := "expect Name:\nsend caller{n}\nexpect Password:\nsecret "
	good := script("good", "user caller{n}\n"+one+"secret-{n}\n")
	bad := script("bad", "user caller{n}\n"+strings.Repeat(one+"xyzzy\n", 3))
	as := []string{"plugin", "test", "--good", good, "--bad", bad}
	if os.Geteuid() == 0 {
		as = append(as, "--user", "nobody")
	}
	guests := filepath.Join("..", "..", "plugin", "external", "examples", "guests")
	names, err := os.ReadFile(guests)
	must(t, err)
	guests = script("guests", string(names))
	text, err := os.ReadFile(filepath.Join(h.dir, "doorman.sh"))
	must(t, err)
	const suite = 5 * time.Minute // half a minute on an idle machine
	t.Run("keeps the contract", func(t *testing.T) {
		t.Parallel()
		r := commandWithin(t, suite, "", append(as, "--option", `read=["`+h.dir+`"]`, filepath.Join(h.dir, "doorman.sh"), guests)...)
		if r.code != 0 || !contains(r.out, "pass  good", "pass  twenty", " 0 failed, 0 left out") {
			t.Errorf("exit %d\n%s%s", r.code, r.out, r.stderr)
		}
	})
	t.Run("breaks it", func(t *testing.T) {
		t.Parallel()
		// It takes its first answer for the whole login and grants without a name: rule C3.
		broken := strings.Replace(string(text), `name=$1 prompt=secret`, `name= prompt=secret; complete 1; return`, 1)
		if broken == string(text) {
			t.Fatal("the example has changed")
		}
		path := h.program("broken.sh", broken)
		r := commandWithin(t, suite, "", append(as, "--option", `read=["`+h.dir+`"]`, path, guests)...)
		if r.code != 1 || !contains(r.out, "FAIL  good", "C3: Complete reported Success without a name", "Name: ") {
			t.Errorf("exit %d\n%s%s", r.code, r.out, r.stderr)
		}
	})
	for _, how := range []string{"interrupt", "hangup", "closed output"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			// It leaves a child in each process.
			slow := h.program(how+".sh", strings.Replace(string(text), "guests=$1", "sleep 9876 & guests=$1", 1))
			tmp := filepath.Join(h.dir, how)
			must(t, os.Mkdir(tmp, 0o755))
			cmd := exec.Command(binary, append(as, slow, guests)...)
			cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
			var errs logBuffer
			cmd.Stderr = &errs
			out, err := cmd.StdoutPipe()
			must(t, err)
			must(t, cmd.Start())
			t.Cleanup(func() { _ = cmd.Process.Kill() })
			if line, err := bufio.NewReaderSize(out, 16).ReadString('\n'); err != nil || !strings.HasPrefix(line, "pass  ") {
				t.Fatalf("%q, %v: %s", line, err, errs.String())
			}
			pid := h.pluginPID(slow)
			switch how {
			case "interrupt":
				must(t, cmd.Process.Signal(os.Interrupt))
			case "hangup":
				must(t, cmd.Process.Signal(syscall.SIGHUP))
			default:
				must(t, out.Close())
			}
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 130 {
				t.Errorf("exit %d: %s", code, errs.String())
			}
			gone(t, pid)
			if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
				t.Errorf("it leaves %v, %v", left, err)
			}
		})
	}
	for text, args := range map[string][]string{
		"name a program or a library": {"plugin", "test", "--good", good},
		"--good is missing":           {"plugin", "test", "/bin/true"},
		"no such file":                {"plugin", "test", "--good", good, "/nonexistent"},
		"`user NAME` is missing":      {"plugin", "test", "--good", script("nameless", one+"x\n"), "/bin/true"},
		"secret needs a text here":    {"plugin", "test", "--good", script("bare", "user a\nsecret\n"), "/bin/true"},
	} {
		if r := command(t, "", args...); r.code != 2 || !strings.Contains(r.stderr, text) {
			t.Errorf("%q: exit %d, %s", args, r.code, r.stderr)
		}
	}
}

// TestCheckIsInterrupted: a check that waits for a plugin ends with the signal, says so, and leaves no process.
func TestCheckIsInterrupted(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		h := newDoorman(t, doormanConf())
		script := h.program("doorman.sh", "#!/bin/sh\nsleep 9876\n") // never says hello
		cmd := exec.Command(binary, "-c", h.configPath(), "check")
		var errs logBuffer
		cmd.Stderr = &errs
		must(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		pid := h.pluginPID(script)
		must(t, cmd.Process.Signal(sig))
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(errs.String(), "interrupted") {
			t.Errorf("%v: exit %d: %s", sig, code, errs.String())
		}
		gone(t, pid)
	}
}
