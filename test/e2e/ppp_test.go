package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"rashost/internal/admin"
)

// standInPPPD is a pppd for a machine whose kernel has no PPP. It has the real one's manners: its standard input is the line, it runs
// /etc/ppp/ip-pre-up with an environment of its own and waits for it whatever it says, and then reports what it does on standard error.
// Behind that it is a peer that says UP, gives lines back, and goes at "bye".
const standInPPPD = `#!/bin/sh
echo $$ >>DIR/pids
vars=; prev=
for a in "$@"; do [ "$prev" = set ] && vars="$vars $a"; prev=$a; done
echo "$@" >>DIR/options
trap 'exit 5' TERM; trap 'exit 5' HUP
printf 'PPP\n' >&0
peer=$(cat DIR/peer)
setsid -w env -i PWD=/ IFNAME=ppp0 IPREMOTE=10.9.0.2 PPPD_PID=$$ ${peer:+PEERNAME="$peer"} $vars /etc/ppp/ip-pre-up ppp0 "$1" 115200 10.9.0.1 10.9.0.2 </dev/null >>DIR/hook 2>&1
echo "local  IP address 10.9.0.1" >&2
printf 'UP\n' >&0
while read -r line <&0; do
  [ "$line" = bye ] && { echo "Sent 1000 bytes, received 2000 bytes." >&2; echo "Connection terminated." >&2; exit 0; }
  case $line in *"NO CARRIER"*) echo "No response to 4 echo-requests" >&2; exit 15 ;; esac # where DCD does not tell, LCP echoes do
  printf '%s\n' "$line" >&0
done
exit 16
`

// onPPP makes the daemon see the stand-in as /usr/sbin/pppd, a /dev/ppp, Debian's ip-pre-up with our hook, and itself in the path.
func (h *host) onPPP(peer string) {
	h.t.Helper()
	needsMounts(h.t)
	needsProgram(h.t, "pppd", "ppp")
	needsProgram(h.t, "setsid", "util-linux")
	hook, err := os.ReadFile("../../hardware/ppp/ip-pre-up.d/0rashost")
	must(h.t, err)
	dir := filepath.Join(h.dir, "ppp")
	must(h.t, os.MkdirAll(filepath.Join(dir, "etc", "ip-pre-up.d"), 0o755))
	must(h.t, os.WriteFile(filepath.Join(dir, "pppd"), []byte(strings.ReplaceAll(standInPPPD, "DIR", dir)), 0o755))
	must(h.t, os.WriteFile(filepath.Join(dir, "etc", "ip-pre-up"), []byte("#!/bin/sh\nPATH=/usr/sbin:/sbin:/usr/bin:/bin\nrun-parts /etc/ppp/ip-pre-up.d\n"), 0o755))
	must(h.t, os.WriteFile(filepath.Join(dir, "etc", "ip-pre-up.d", "0rashost"), hook, 0o755))
	h.peer(peer)
	h.wrap = []string{"unshare", "-m", "sh", "-c", `d=$0/devices; mkdir -p $d && mount -t tmpfs none $d && mkdir $d/pts && mount --bind /dev/pts $d/pts || exit 99
for x in null zero tty random urandom; do : >$d/$x && mount --bind /dev/$x $d/$x || exit 99; done
: >$d/ppp && mount --bind /dev/null $d/ppp && mount --move $d /dev && ln -s /proc/self/fd /dev/fd && ln -s pts/ptmx /dev/ptmx || exit 99
mount --bind $0/pppd /usr/sbin/pppd && mount --bind $0/etc /etc/ppp && mount -t tmpfs none /usr/local/sbin && ln -s "$1" /usr/local/sbin/rashost || exit 99
exec "$@"`, dir}
}

// peer sets the name that the next callers give in PPP.
func (h *host) peer(name string) {
	must(h.t, os.WriteFile(filepath.Join(h.dir, "ppp", "peer"), []byte(name), 0o644))
}

// pppds returns the numbers of the stand-ins that live.
func (h *host) pppds() []int {
	text, _ := os.ReadFile(filepath.Join(h.dir, "ppp", "pids"))
	var live []int
	for _, word := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(word)
		must(h.t, err)
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if syscall.Kill(pid, 0) == nil && strings.TrimSpace(string(comm)) == "pppd" && !zombie(pid) {
			live = append(live, pid)
		}
	}
	return live
}

func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}

func (h *host) noPPPD() {
	h.t.Helper()
	eventually(h.t, "no pppd is left", func() (bool, string) { return len(h.pppds()) == 0, fmt.Sprint(h.pppds()) })
}

// pppHost is a host with one line whose service is the stand-in.
func pppHost(t *testing.T, keys, peer string) *host {
	t.Helper()
	c := newConf("one")
	c.services += "  net: {type: ppp, options: [\"10.9.0.1:10.9.0.2\"], " + keys + "}\n"
	c.line("one").keys = "service: net"
	h := newHost(t, c)
	h.onPPP(peer)
	h.start()
	h.wantState("one", "listening")
	return h
}

// steps is the decision chain of a call in one text.
func steps(c admin.CallView) string {
	var b strings.Builder
	for _, s := range c.Steps {
		b.WriteString(s.What + "\n")
	}
	return b.String()
}

func wantSteps(t *testing.T, c admin.CallView, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(steps(c), w) {
			t.Errorf("the record lacks %q:\n%s", w, steps(c))
		}
	}
}

// TestPPPSessions: pppd on its pty and straight on the line, through the hook that Debian's ip-pre-up runs: the right name, another one,
// and every way in which a call ends. No pppd is left, and the line takes the next call.
func TestPPPSessions(t *testing.T) {
	t.Parallel()
	for _, keys := range []string{"direct: true", "direct: false"} {
		t.Run(keys, func(t *testing.T) {
			t.Parallel()
			h := pppHost(t, keys, "ALICE")
			n := 0
			dial := func() *call {
				h.wantState("one", "listening")
				n++
				c := h.modems["one"].dial(t)
				c.raws(alice, alicePassword)
				c.expect("PPP\n")
				return c
			}
			// The right name; the caller ends PPP.
			c := dial()
			c.expect("UP\n")
			c.raw([]byte("hello\n"))
			c.expect("hello\n")
			c.raw([]byte("bye\n"))
			c.ended()
			got := h.wantRecord("one", n, record{cause: "User-Request", verdict: "success", user: alice, service: "net"})
			wantSteps(t, got, `the name in PPP is that of the dialog: "ALICE"`, "PPP is up")
			if keys == "direct: true" {
				wantSteps(t, got, "pppd has the line itself", "as pppd counted them inside PPP: 2000 from the caller, 1000 to the caller")
				if got.OctetsIn < 2000 || got.OctetsOut < 1000 {
					t.Errorf("octets %d and %d", got.OctetsIn, got.OctetsOut)
				}
			}
			h.noPPPD()
			// Another name.
			h.peer("bob")
			c = dial()
			if text := c.ended(); strings.Contains(text, "UP") {
				t.Errorf("the link came up: %q", text)
			}
			got = h.wantRecord("one", n, record{cause: "Service-Unavailable", verdict: "success", user: alice, events: []uint32{20100}})
			wantSteps(t, got, `pppd is killed: the name in PPP, "bob", is not that of the dialog, "alice"`)
			h.noPPPD()
			// The caller, and the operator, hang up.
			h.peer("alice")
			for cause, hangUp := range map[string]func(c *call){
				"Lost-Carrier": func(c *call) { c.hangUp() },
				"Admin-Reset":  func(*call) { h.run("hangup", "one") },
			} {
				c = dial()
				c.expect("UP\n")
				hangUp(c)
				h.wantRecord("one", n, record{cause: cause, verdict: "success", user: alice})
				h.noPPPD()
			}
			// The daemon is killed in a session, and starts again.
			c = dial()
			c.expect("UP\n")
			h.kill()
			h.start()
			h.noPPPD()
			c.hangUp()
			h.wantRecord("one", n, record{cause: "NAS-Reboot", verdict: "success", user: alice})
			// The daemon stops in a session.
			c = dial()
			c.expect("UP\n")
			h.stop()
			h.noPPPD()
			hook, _ := os.ReadFile(filepath.Join(h.dir, "ppp", "hook"))
			if strings.Contains(string(hook), "not found") {
				t.Errorf("the hook said %s", hook)
			}
		})
	}
}

// TestPPPFailsClosed: when the hook can't ask, pppd is ended by the hook itself; when nobody is authenticated, by the host.
func TestPPPFailsClosed(t *testing.T) {
	t.Parallel()
	h := pppHost(t, "direct: true", "")
	for n, want := range []struct{ peer, step, cause string }{
		{"", "pppd authenticated nobody, though the name in PPP is to be checked", "Service-Unavailable"},
		{"alice PPPD_PID=1", "is not that of the dialog", "Service-Unavailable"},
	} {
		h.peer(want.peer)
		h.wantState("one", "listening")
		c := h.modems["one"].dial(t)
		c.raws(alice, alicePassword)
		if text := c.ended(); strings.Contains(text, "UP") {
			t.Errorf("the link came up: %q", text)
		}
		wantSteps(t, h.wantRecord("one", n+1, record{cause: want.cause, verdict: "success", events: []uint32{20100}}), want.step)
		h.noPPPD()
	}
	// The hook finds no rashost: the script ends pppd.
	must(t, exec.Command("nsenter", "-t", pid(h), "-m", "rm", "/usr/local/sbin/rashost").Run())
	h.peer("alice")
	h.wantState("one", "listening")
	c := h.modems["one"].dial(t)
	c.raws(alice, alicePassword)
	if text := c.ended(); strings.Contains(text, "UP") {
		t.Errorf("the link came up: %q", text)
	}
	h.wantRecord("one", 3, record{cause: "NAS-Error", verdict: "success"})
	h.noPPPD()
	// And without the hook the host does not start.
	h.stop()
	must(t, os.Remove(filepath.Join(h.dir, "ppp", "etc", "ip-pre-up.d", "0rashost")))
	h.launch()
	h.wantExit(2)
	if !strings.Contains(h.log.String(), "services.net: ") && !strings.Contains(h.log.String(), "would not ask rashost") {
		t.Errorf("the reason is not named:\n%s", h.log)
	}
}

// TestPPPRecordOnly: with noauth, or peer: record, the record says that nobody compared the names.
func TestPPPRecordOnly(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ keys, peer, step string }{
		{"direct: true, peer: record", "bob", `the name in PPP is "bob"; it was not compared`},
		{"options: [noauth]", "", "the name in PPP was not checked: the service's options say noauth"},
	} {
		h := pppHost(t, "direct: true", tc.peer) // made anew below
		h.stop()
		h.conf.services = strings.Replace(h.conf.services, `options: ["10.9.0.1:10.9.0.2"], direct: true`, tc.keys, 1)
		must(t, h.conf.write(h.dir))
		h.start()
		h.wantState("one", "listening")
		c := h.modems["one"].dial(t)
		c.raws(alice, alicePassword)
		c.expect("UP\n")
		c.raw([]byte("bye\n"))
		c.ended()
		wantSteps(t, h.wantRecord("one", 1, record{cause: "User-Request", verdict: "success"}), tc.step)
	}
}

// TestPPPHookAlone: the hook by itself ends the pppd that runs it when nobody answers, whatever the environment calls pppd's number; for a
// pppd that is not rashost's it does nothing; and where nothing above it is a pppd, it kills nobody.
func TestPPPHookAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other := exec.Command("sleep", "1000") // what a forged PPPD_PID names
	must(t, other.Start())
	t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() })
	for name, c := range map[string]struct {
		program, control string
		killed           bool
		code             string
	}{
		"nobody answers": {"pppd", filepath.Join(dir, "no.sock"), true, ""},
		"not ours":       {"pppd", "", false, "hook 0"},
		"no pppd":        {"other", filepath.Join(dir, "no.sock"), false, "hook 1"},
	} {
		script := filepath.Join(t.TempDir(), c.program)
		must(t, os.WriteFile(script, []byte("#!/bin/sh\nsh -c '"+binary+" ppp-hook'\necho hook $?\n"), 0o755))
		cmd := exec.Command(script)
		cmd.Env = append(quickRace(), fmt.Sprintf("PPPD_PID=%d", other.Process.Pid), "PEERNAME=alice")
		if c.control != "" {
			cmd.Env = append(cmd.Env, "RASHOST_CONTROL="+c.control)
		}
		out, _ := cmd.CombinedOutput()
		status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if killed := status.Signaled() && status.Signal() == syscall.SIGKILL; killed != c.killed || !c.killed && !strings.Contains(string(out), c.code) {
			t.Errorf("%s: %v, said %s", name, cmd.ProcessState, out)
		}
	}
	if syscall.Kill(other.Process.Pid, 0) != nil || zombie(other.Process.Pid) {
		t.Error("a process that was only named in the environment was killed")
	}
}
