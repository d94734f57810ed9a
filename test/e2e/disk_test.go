package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"rashost/internal/admin"
)

// needsMounts leaves a test out loudly where no mount namespace can be made.
func needsMounts(t *testing.T) {
	t.Helper()
	needsRoot(t)
	needsProgram(t, "unshare", "util-linux")
	if out, err := exec.Command("unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt").CombinedOutput(); err != nil {
		missing(t, "mount namespaces: "+strings.TrimSpace(string(out)))
	}
}

// onTmpfs makes the daemon see a tmpfs of its own as its state folder. Others see it through stateRoot.
func (h *host) onTmpfs(options string) {
	state := filepath.Join(h.dir, "state")
	must(h.t, os.MkdirAll(state, 0o700))
	h.wrap = []string{"unshare", "-m", "sh", "-c", `mount -t tmpfs -o "$1" none "$2" && shift 2 && exec "$@"`, "sh", options, state}
}

// stateRoot is the daemon's state folder as the daemon sees it.
func (h *host) stateRoot() string { return "/proc/" + pid(h) + "/root" + filepath.Join(h.dir, "state") }

// fill leaves no byte free in the daemon's state folder, and returns how to free it again.
func (h *host) fill() (free func()) {
	h.t.Helper()
	ballast := filepath.Join(h.stateRoot(), "ballast")
	f, err := os.Create(ballast)
	must(h.t, err)
	defer f.Close()
	for size := 64 << 10; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	return func() { must(h.t, os.Remove(ballast)) }
}

// wantRecords waits until the health of the records is as wanted.
func (h *host) wantRecords(ok bool) admin.RecordsHealth {
	h.t.Helper()
	var r admin.RecordsHealth
	eventually(h.t, fmt.Sprintf("records ok: %v", ok), func() (bool, string) {
		reply, err := h.tryLines()
		r = reply.Health.Records
		return err == nil && r.OK == ok, fmt.Sprint(err, " ", r)
	})
	return r
}

// mostCalls is how many calls it may take until the room that the database has in its own files is used up.
const mostCalls = 60

// untilUnsaved repeats a call until the records can't be written any more, and returns how many it took.
func (h *host) untilUnsaved(call func()) int {
	h.t.Helper()
	for n := 1; n <= mostCalls; n++ {
		call()
		if reply, err := h.tryLines(); err == nil && !reply.Health.Records.OK {
			return n
		}
	}
	h.t.Fatalf("the disk is full, and after %d calls the records are still written\n%s", mostCalls, h.log)
	return 0
}

// onDisk returns the records that are in the daemon's files, read past the daemon but in its mount namespace.
func (h *host) onDisk(line string) []admin.CallView {
	h.t.Helper()
	text, err := os.ReadFile(h.configPath())
	must(h.t, err)
	path := filepath.Join(h.dir, "disk.yaml")
	must(h.t, os.WriteFile(path, bytes.Replace(text, []byte("control.sock"), []byte("nobody.sock"), 1), 0o600))
	out, err := exec.Command("nsenter", "-t", pid(h), "-m", binary, "-c", path, "calls", "--json", "--line", line, "--limit", "1000").Output()
	var reply admin.CallsReply
	if err != nil || json.Unmarshal(out, &reply) != nil || reply.Health.PID != 0 {
		h.t.Fatalf("calls without a daemon: %v %s", err, out)
	}
	return reply.Calls
}

// A full disk, with records.on_failure: continue. Calls are answered, `lines` and `calls` say that records are not saved, the log says
// it once, and when there is room again all records are saved.
func TestFullDiskContinue(t *testing.T) {
	t.Parallel()
	needsMounts(t)
	c := newConf("one", "two")
	c.top = "records: {on_failure: continue}\n"
	h := newHost(t, c)
	h.onTmpfs("size=600k")
	h.start()
	h.wantState("one", "listening")
	by := h.bystander("two")
	free := h.fill()
	calls := 0
	quick := func() {
		one := h.modems["one"].dial(t)
		one.login(alice, alicePassword)
		one.raw([]byte{4})
		one.ended()
		calls++
		h.wantRecord("one", calls, record{cause: "User-Request", verdict: "success", user: alice})
		h.wantState("one", "listening")
	}
	h.untilUnsaved(quick)
	quick()
	r := h.wantRecords(false)
	if r.Reason == "" || r.Unsaved == 0 || r.Lost != 0 {
		t.Errorf("health of the records: %+v", r)
	}
	for _, command := range []string{"lines", "calls"} {
		if out := h.ok(command); !strings.Contains(out, "RECORDS ARE NOT SAVED") {
			t.Errorf("rashost %s does not say that records are not saved:\n%s", command, out)
		}
	}
	if n := strings.Count(h.log.String(), "records can't be saved"); n != 1 {
		t.Errorf("the log says %d times that the disk is full:\n%s", n, h.log)
	}
	free()
	if r = h.wantRecords(true); r.Lost != 0 || r.Unsaved != 0 {
		t.Errorf("health of the records with room again: %+v", r)
	}
	if rows := h.onDisk("one"); len(rows) != calls {
		t.Errorf("%d records on disk, want %d", len(rows), calls)
	}
	by.undisturbed()
	quick()
}

// A full disk, with records.on_failure: refuse. Nobody new gets as far as a prompt; the call that goes on is not disturbed; and calls
// are answered again when there is room.
func TestFullDiskRefuse(t *testing.T) {
	t.Parallel()
	needsMounts(t)
	c := newConf("one", "two")
	c.top = "records: {on_failure: refuse}\n"
	h := newHost(t, c)
	h.onTmpfs("size=600k")
	h.start()
	h.wantState("one", "listening")
	by := h.bystander("two")
	free := h.fill()
	var last *call
	calls := h.untilUnsaved(func() {
		last = h.modems["one"].dial(t)
		last.raw([]byte("x\ry\rx\ry\rx\ry\r"))
		last.ended()
		h.wantState("one", "listening")
	})
	hangUp := h.modems["one"].ring(t, ringOnce)
	eventually(t, "the log says why nobody answers", func() (bool, string) {
		return contains(h.log.String(), "not answered", "records.on_failure is refuse"), h.log.String()
	})
	hangUp()
	by.undisturbed()
	free()
	h.wantRecords(true)
	if rows := h.onDisk("one"); len(rows) != calls {
		t.Errorf("%d records on disk, want %d", len(rows), calls)
	}
	h.wantState("one", "listening")
	h.wantBack("one")
	by.undisturbed()
}

// A state folder that is read-only from the start: the daemon starts, says so, and serves as records.on_failure wants.
func TestReadOnlyState(t *testing.T) {
	t.Parallel()
	needsMounts(t)
	c := newConf("one", "two")
	h := newHost(t, c)
	h.onTmpfs("ro,size=600k")
	h.start()
	if r := h.wantRecords(false); r.Reason == "" {
		t.Errorf("health of the records: %+v", r)
	}
	by := h.bystander("two")
	h.wantBack("one")
	if out := h.ok("lines"); !strings.Contains(out, "RECORDS ARE NOT SAVED") {
		t.Errorf("rashost lines does not say that records are not saved:\n%s", out)
	}
	by.undisturbed()
	must(t, h.cmd.Process.Signal(syscall.SIGTERM))
	h.wantExit(1) // records are lost, and the exit code says so
	if !strings.Contains(h.log.String(), "the record is not on disk") {
		t.Errorf("the log does not say that records are lost:\n%s", h.log)
	}
}

// The state folder belongs to somebody else: the daemon does not start, and says what to do.
func TestStateOfSomebodyElse(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	needsProgram(t, "setpriv", "util-linux")
	h := newHost(t, newConf("one"))
	must(t, os.Chown(filepath.Join(h.dir, "users.yaml"), 65534, 65534))
	h.wrap = []string{"setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"}
	h.launch()
	h.wantExit(1)
	if !contains(h.log.String(), "state", "permission denied") {
		t.Errorf("the daemon does not say what is wrong:\n%s", h.log)
	}
}
