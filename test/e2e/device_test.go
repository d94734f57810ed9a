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

	"rashost/port/modemsim"
)

// The device is not there at the start, appears, goes in a call and comes back under another name: no restart, no exit, and the line's
// events say so.
func TestComplaint2_3_DevicesComeAndGo(t *testing.T) {
	t.Parallel()
	h := newHost(t, newConf("one", "two"))
	h.pull("one")
	h.start()
	h.wantReason("one", "absent")
	by := h.bystander("two")
	h.plug("one", modemsim.Options{})
	h.wantBack("one")

	c := h.modems["one"].dial(t)
	c.login(alice, alicePassword)
	old, err := os.OpenFile(devicePath(h.dir, "one"), os.O_RDONLY|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0) // as long as it is open, its number is not given away
	must(t, err)
	defer old.Close()
	h.pull("one")
	h.wantReason("one", "absent")
	h.wantRecord("one", 2, record{cause: "Port-Error", verdict: "success", user: alice})
	h.plug("one", modemsim.Options{})
	h.wantBack("one")
	if said := h.ok("why", "one"); !contains(said, "absent", "back: as /dev/pts/", "moved: as /dev/pts/", ", before as /dev/pts/") {
		t.Errorf("the line's events: %s", said)
	}
	by.undisturbed()
}

// Two adapters whose names are swapped: each line has the device that its lasting name leads to.
func TestComplaint2_3_SwappedAdapters(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one", "two"))
	one, two := devicePath(h.dir, "one"), devicePath(h.dir, "two")
	h.pull("one")
	h.pull("two")
	h.wantReason("one", "absent")
	h.wantReason("two", "absent")
	h.plug("two", modemsim.Options{}) // the other order: the nodes change places
	h.plug("one", modemsim.Options{})
	h.wantBack("one")
	h.wantBack("two")
	for line, path := range map[string]string{"one": one, "two": two} {
		node, err := os.Readlink(path)
		must(t, err)
		if said := h.ok("why", line); !contains(said, "as "+node) {
			t.Errorf("line %s is not on %s: %s", line, node, said)
		}
		h.modems[line].dial(t).login(alice, alicePassword)
	}
}

// The device goes at every step of a call and comes back.
func TestDeviceGoesAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, step := range []struct {
		name string
		to   func(h *host)
		rows int
		want record
	}{
		{"listening", func(*host) {}, 0, record{}},
		{"ringing", func(h *host) { h.modems["one"].ring(h.t, ringOnce); h.wantState("one", "ringing") }, 0, record{}},
		{"answering", func(h *host) { h.modems["one"].ring(h.t, ringTwice); h.wantState("one", "answering") }, 1,
			record{cause: "Port-Error", verdict: "none"}},
		{"dialog", func(h *host) {
			h.fast()
			h.modems["one"].dialWith(h.t, ringTwice).expect("login: ")
		}, 1, record{cause: "Port-Error", verdict: "none"}},
		{"session", func(h *host) {
			h.fast()
			h.modems["one"].dialWith(h.t, ringTwice).login(alice, alicePassword)
		}, 1, record{cause: "Port-Error", verdict: "success", user: alice}},
		{"hanging-up", func(h *host) {
			h.fast()
			c := h.modems["one"].dialWith(h.t, ringTwice)
			c.login(alice, alicePassword)
			h.modems["one"].SetFaults(modemsim.Faults{Wedged: true}) // so that the hang-up takes long
			h.ok("hangup", "one")
			h.wantState("one", "hanging-up")
		}, 1, record{cause: "Admin-Reset", verdict: "success", user: alice}},
	} {
		t.Run(step.name, func(t *testing.T) {
			t.Parallel()
			h := slowHost(t)
			step.to(h)
			h.pull("one")
			h.wantReason("one", "absent")
			if step.rows > 0 {
				h.wantRecord("one", 1, step.want)
			} else if rows := h.calls("one"); len(rows) != 0 {
				t.Errorf("records of no call: %+v", rows)
			}
			h.plug("one", modemsim.Options{})
			h.wantState("one", "listening")
			c := h.modems["one"].dialWith(t, ringTwice)
			c.login(alice, alicePassword)
			c.hangUp()
			h.wantRecord("one", step.rows+1, record{cause: "Lost-Carrier", verdict: "success", user: alice})
			h.wantState("one", "listening")
		})
	}
}

// The device goes while it is being set up, at each command.
func TestDeviceGoesInInit(t *testing.T) {
	t.Parallel()
	h := newHost(t, newConf("one", "two"))
	h.start()
	h.wantState("one", "listening")
	by := h.bystander("two")
	for n := range 8 {
		h.pull("one")
		h.plug("one", modemsim.Options{Faults: modemsim.Faults{MuteAfter: max(n, 1), Mute: n == 0}})
		h.wantState("one", "initializing")
	}
	h.pull("one")
	h.wantReason("one", "absent")
	h.plug("one", modemsim.Options{})
	h.wantBack("one")
	by.undisturbed()
}

// A device that is a file, not a tty, is named as a fault and does not stop the others.
func TestDeviceIsNoTTY(t *testing.T) {
	t.Parallel()
	h := newHost(t, newConf("one", "two"))
	h.pull("one")
	must(t, os.WriteFile(devicePath(h.dir, "one"), []byte("not a tty"), 0o600))
	h.start()
	h.wantReason("one", "recovering")
	by := h.bystander("two")
	must(t, os.Remove(devicePath(h.dir, "one")))
	h.plug("one", modemsim.Options{})
	h.wantBack("one")
	by.undisturbed()
}

// Two daemons on one device: the second one waits and says who has it; the first one notices nothing.
func TestTwoDaemonsOnOneDevice(t *testing.T) {
	t.Parallel()
	first := startHost(t, newConf("one"))
	by := first.bystander("one")
	c := newConf()
	c.lines = []lineConf{{name: "mine", device: devicePath(first.dir, "one")}}
	second := newHost(t, c)
	second.start()
	second.wantReason("mine", "recovering", "rashost", pid(first))
	by.undisturbed()
	first.stop()
	second.wantState("mine", "listening")
}

// Lock files: that of a living process is respected and its owner named, a stale one is replaced, ours is there while we have the device,
// and a folder that is missing or that nobody may write is passed over.
func TestComplaint2_6_LockFiles(t *testing.T) {
	t.Parallel()
	c := newConf("one")
	locks := t.TempDir()
	c.locks = filepath.Join(locks, "missing") + ", " + locks
	h := newHost(t, c)
	node, err := os.Readlink(devicePath(h.dir, "one"))
	must(t, err)
	lock := filepath.Join(locks, "LCK..pts_"+filepath.Base(node))
	other := exec.Command("sleep", "infinity")
	other.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, other.Start())
	must(t, os.WriteFile(lock, fmt.Appendf(nil, "%10d\n", other.Process.Pid), 0o644))
	h.start()
	h.wantReason("one", "recovering", "sleep", strconv.Itoa(other.Process.Pid))
	must(t, other.Process.Kill())
	_ = other.Wait()                // killed
	h.wantState("one", "listening") // the lock is stale now
	if got, err := os.ReadFile(lock); err != nil || strings.TrimSpace(string(got)) != pid(h) || len(got) != 11 {
		t.Errorf("our lock file: %q, %v", got, err)
	}
	h.stop()
	if _, err := os.Stat(lock); !os.IsNotExist(err) {
		t.Errorf("our lock file after the end: %v", err)
	}
}

// A second daemon on the same control socket is refused before it touches anything.
func TestTwoDaemonsOnOneSocket(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one"))
	by := h.bystander("one")
	r := h.run("serve")
	if r.code != 1 || !contains(r.stderr, "another rashost is running", "control.sock") {
		t.Errorf("second daemon: %+v, want exit 1 and the reason", r)
	}
	by.undisturbed()
}
