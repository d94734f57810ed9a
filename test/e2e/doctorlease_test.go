package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rashost/port/modemsim"
)

// startDoctor starts a doctor that goes on for a while, with a temporary folder of its own.
func (h *host) startDoctor(args ...string) (cmd *exec.Cmd, temp string) {
	h.t.Helper()
	temp = h.t.TempDir()
	cmd = exec.Command(binary, append([]string{"-c", h.configPath(), "doctor"}, args...)...)
	cmd.Env = append(quickRace(), "TMPDIR="+temp)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	h.t.Cleanup(func() {
		if cmd.Process != nil && cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return cmd, temp
}

// A doctor that is killed leaves nothing behind: the line comes back by itself, and the next doctor removes the folder.
func TestDoctorIsKilled(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one"))
	cmd, _ := h.startDoctor("one")
	must(t, cmd.Start())
	lent := fmt.Sprintf("lent to rashost doctor, pid %d", cmd.Process.Pid)
	eventually(t, "the line is lent", func() (bool, string) {
		l := h.lineView("one")
		return l.State == "disabled" && l.Reason == lent, l.State + ": " + l.Reason
	})
	if said := h.ok("lines"); !strings.Contains(said, lent) {
		t.Errorf("%s", said)
	}
	if r := h.run("doctor", "one"); r.code != 1 || !strings.Contains(r.stderr, lent) {
		t.Errorf("a second doctor: exit %d: %s", r.code, r.stderr)
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait()
	h.wantBack("one")
}

// The folder of a doctor that was killed in its call is removed by the next one.
func TestDoctorSweeps(t *testing.T) {
	t.Parallel()
	h := newHost(t, newConf("one"))
	h.conf.lines[0].device = "sim:one"
	must(t, h.conf.write(h.dir))
	cmd, temp := h.startDoctor("one")
	must(t, cmd.Start())
	left := func() []string {
		all, err := filepath.Glob(filepath.Join(temp, "*", "users.yaml"))
		must(t, err)
		return all
	}
	eventually(t, "the doctor calls", func() (bool, string) { return len(left()) == 1, "" })
	must(t, cmd.Process.Kill())
	_ = cmd.Wait()
	if len(left()) != 1 {
		t.Fatal("nothing is left to be removed")
	}
	next, _ := h.startDoctor("one")
	next.Env = append(next.Env, "TMPDIR="+temp)
	if out, err := next.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if all, err := os.ReadDir(temp); err != nil || len(all) != 0 {
		t.Errorf("left behind: %v, %v", all, err)
	}
}

// A doctor whose reader goes comes to its end, gives the line back, and keeps its report.
func TestDoctorIsNotRead(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one"))
	cmd, temp := h.startDoctor("one")
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	_, err = bufio.NewReaderSize(out, 16).ReadString('\n')
	must(t, err)
	must(t, out.Close())
	if err := cmd.Wait(); err != nil {
		t.Errorf("the doctor ended with %v", err)
	}
	h.wantState("one", "listening")
	if kept, err := filepath.Glob(filepath.Join(h.dir, "state", "doctor", "one-*.json")); err != nil || len(kept) != 1 {
		t.Errorf("reports: %q, %v", kept, err)
	}
	if all, err := os.ReadDir(temp); err != nil || len(all) != 0 {
		t.Errorf("left behind: %v, %v", all, err)
	}
	h.wantBack("one")
}

// What an operator wanted of the line before and while the doctor had it, or waited for it, is what the line does afterwards.
func TestDoctorKeepsTheOperatorsWish(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one"))
	c := h.modems["one"].dial(t)
	c.login(alice, alicePassword)
	h.ok("disable", "one", "--when-idle")
	if r := h.run("doctor", "one", "--no-call", "--wait", "300ms"); r.code != 1 || !strings.Contains(r.stderr, "a call is still on the line") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
	eventually(t, "the drain is pending", func() (bool, string) {
		l := h.lineView("one")
		return l.State == "session" && l.Pending == "disabled when the call is over", l.State + ": " + l.Pending
	})
	cmd, _ := h.startDoctor("one", "--no-call")
	must(t, cmd.Start())
	eventually(t, "the doctor waits", func() (bool, string) {
		l := h.lineView("one")
		return strings.Contains(l.Pending, "and lent to rashost doctor"), l.State + ": " + l.Pending
	})
	c.send("still here")
	c.expect("still here")
	c.hangUp()
	must(t, cmd.Wait())
	if l := h.lineView("one"); l.State != "disabled" || !strings.Contains(l.Reason, "switched off") && !strings.Contains(l.Reason, "operator") {
		t.Errorf("%s: %s", l.State, l.Reason)
	}
	h.ok("enable", "one")
	h.wantBack("one")
	cmd, _ = h.startDoctor("one", "--no-call")
	must(t, cmd.Start())
	eventually(t, "the line is lent", func() (bool, string) {
		l := h.lineView("one")
		return strings.HasPrefix(l.Reason, "lent to"), l.State + ": " + l.Reason
	})
	h.ok("disable", "one")
	must(t, cmd.Wait())
	if l := h.lineView("one"); l.State != "disabled" || l.Reason != "disabled by the operator" {
		t.Errorf("%s: %s", l.State, l.Reason)
	}
}

// A doctor whose host stops ends, and says why.
func TestDoctorsHostStops(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one"))
	cmd, _ := h.startDoctor("one", "--no-call")
	var said strings.Builder
	cmd.Stderr = &said
	must(t, cmd.Start())
	eventually(t, "the line is lent", func() (bool, string) {
		l := h.lineView("one")
		return strings.HasPrefix(l.Reason, "lent to"), l.State + ": " + l.Reason
	})
	h.stop()
	if err := cmd.Wait(); err == nil || !strings.Contains(said.String(), "the host has taken line one back") {
		t.Errorf("%v: %s", err, said.String())
	}
}

// A cable between two ports of the machine: the line at one end is examined through the one at the other end.
func TestDoctorThroughACable(t *testing.T) {
	t.Parallel()
	c := newConf()
	c.lines = []lineConf{{name: "one", keys: "modem: none, rings: 1"}, {name: "two", keys: "modem: none"}}
	h := newHost(t, c)
	var ends [2]*modemsim.PTY
	for i, name := range []string{"one", "two"} {
		h.modems[name].off()
		end, err := modemsim.OpenPTY()
		must(t, err)
		held, err := os.OpenFile(end.Path, os.O_RDWR|syscall.O_NOCTTY, 0) // or a read would fail while no program has it
		must(t, err)
		t.Cleanup(func() { _, _ = held.Close(), end.Close() })
		link := devicePath(h.dir, name)
		must(t, os.Remove(link))
		must(t, os.Symlink(end.Path, link))
		ends[i] = end
	}
	for i := range ends {
		go func() {
			buf := make([]byte, 256)
			for {
				n, err := ends[i].Read(buf)
				if err != nil {
					return
				}
				_, _ = ends[1-i].Write(buf[:n])
			}
		}()
	}
	h.start()
	h.wantState("one", "listening")
	h.wantState("two", "listening")
	alone := h.run("doctor", "one")
	if alone.code != 0 || !contains(alone.out, "not tested  call", "--sibling LINE", "could be tested") || strings.Contains(alone.out, "works") {
		t.Errorf("exit %d: %s%s", alone.code, alone.out, alone.stderr)
	}
	r := commandWithin(t, 3*time.Minute, "", "-c", h.configPath(), "doctor", "one", "--sibling", "two")
	if said := r.out + r.stderr; r.code != 0 || !contains(said, "good        call", "good        dialog", "good        session", "good        hang-up", "good        next call", "line one works: ") {
		t.Errorf("exit %d: %s", r.code, said)
	}
	h.wantState("one", "listening")
	h.wantState("two", "listening")
}
