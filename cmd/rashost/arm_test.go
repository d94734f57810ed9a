package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rashost/internal/admin"
	"rashost/port"
)

// armed says whether a line may answer now on this device.
func (b *armBook) armed(line, device string) bool {
	_, ok := b.get(line, device)
	return ok
}

// heard keeps the events of an armBook.
type heard struct {
	mu   sync.Mutex
	text []string
}

func (h *heard) event(e port.LineEvent) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text = append(h.text, e.Line+" "+e.Kind+": "+e.Text+" / "+e.Result)
}

// take returns what was heard since the last time.
func (h *heard) take() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	text := strings.Join(h.text, "\n")
	h.text = nil
	return text
}

func testArming(line string, d time.Duration) arming {
	now := time.Now()
	return arming{Line: line, Device: "sim:" + line, Since: now, Until: now.Add(d), By: "alice", Reason: "firmware of pump 3", UID: 1000, User: "al"}
}

// TestArmBook: armed until the deadline and not an instant longer, also over a restart.
func TestArmBook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, h, log := t.TempDir(), &heard{}, slog.New(slog.DiscardHandler)
		b := newArmBook(dir, h.event, log)
		if b.armed("a", "sim:a") {
			t.Error("armed from the beginning")
		}
		if err := b.arm(testArming("a", 15*time.Minute)); err != nil {
			t.Fatal(err)
		}
		wantText(t, h.take(), "a armed: armed by alice (al) until ", ": firmware of pump 3")
		if !b.armed("a", "sim:a") || b.armed("b", "sim:b") {
			t.Error("only a is armed")
		}
		time.Sleep(10 * time.Minute)
		b.close() // and a restart
		b = newArmBook(dir, h.event, log)
		if a, ok := b.get("a", "sim:a"); !ok || a.By != "alice" || a.Reason != "firmware of pump 3" || a.UID != 1000 || a.User != "al" {
			t.Errorf("after the restart: %+v, %v", a, ok)
		}
		time.Sleep(5*time.Minute - time.Nanosecond)
		if !b.armed("a", "sim:a") {
			t.Error("it ended too early")
		}
		time.Sleep(time.Nanosecond)
		if b.armed("a", "sim:a") {
			t.Error("it goes on too long")
		}
		synctest.Wait()
		wantText(t, h.take(), "a armed: no longer armed: the time is over / it was armed by alice")
		if data, err := os.ReadFile(filepath.Join(dir, armFile)); err != nil || strings.Contains(string(data), "alice") {
			t.Errorf("the file says %q, %v", data, err)
		}
		b.close()
	})
}

// TestArmBookLateRestart: what ends while rashost is down is over, and that is recorded.
func TestArmBookLateRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, h, log := t.TempDir(), &heard{}, slog.New(slog.DiscardHandler)
		b := newArmBook(dir, h.event, log)
		if err := b.arm(testArming("a", time.Minute)); err != nil {
			t.Fatal(err)
		}
		b.close()
		time.Sleep(time.Minute)
		h.take()
		b = newArmBook(dir, h.event, log)
		if b.armed("a", "sim:a") {
			t.Error("armed still")
		}
		wantText(t, h.take(), "a armed: no longer armed: the time was over at the start of rashost / armed by alice")
	})
}

// TestDisarm: it ends at once, and the next arming replaces the one before.
func TestDisarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, h, log := t.TempDir(), &heard{}, slog.New(slog.DiscardHandler)
		b := newArmBook(dir, h.event, log)
		defer func() { b.close() }()
		if was, err := b.disarm("a", "root"); was || err != nil {
			t.Errorf("%v, %v", was, err)
		}
		for _, d := range []time.Duration{time.Hour, time.Minute} {
			if err := b.arm(testArming("a", d)); err != nil {
				t.Fatal(err)
			}
		}
		if a, _ := b.get("a", "sim:a"); time.Until(a.Until) != time.Minute {
			t.Errorf("the second arming does not count: %s", time.Until(a.Until))
		}
		h.take()
		if was, err := b.disarm("a", "root"); !was || err != nil || b.armed("a", "sim:a") {
			t.Errorf("%v, %v", was, err)
		}
		wantText(t, h.take(), "a armed: disarmed by root / it was armed by alice")
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if text := h.take(); text != "" {
			t.Errorf("later: %s", text)
		}
	})
}

// TestArmingFollowsItsLine: it ends with the line, with its device and with 'answer: armed', also over a restart.
func TestArmingFollowsItsLine(t *testing.T) {
	dir, h, log := t.TempDir(), &heard{}, slog.New(slog.DiscardHandler)
	b := newArmBook(dir, h.event, log)
	for _, line := range []string{"kept", "gone", "moved", "x"} {
		if err := b.arm(testArming(line, time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	h.take()
	if b.armed("kept", "sim:x") {
		t.Error("armed on any device")
	}
	b.follow(map[string]string{"kept": "sim:kept", "moved": "sim:gone", "x": "sim:x"})
	text := h.take()
	wantText(t, text, "gone armed: no longer armed: the line is gone, or answers at any time / it was armed by alice",
		"moved armed: no longer armed: the line has another device / it was armed by alice")
	if strings.Contains(text, "kept") || strings.Count(text, "\n") != 1 || !b.armed("kept", "sim:kept") {
		t.Errorf("told %s", text)
	}
	b.close()
	b = newArmBook(dir, h.event, log)
	defer b.close()
	if b.armed("gone", "sim:gone") || b.armed("moved", "sim:moved") || !b.armed("kept", "sim:kept") {
		t.Error("the file says otherwise")
	}
	b.follow(map[string]string{"x": "sim:x"})
	b.follow(map[string]string{"kept": "sim:kept", "x": "sim:x"})
	if b.armed("kept", "sim:kept") || !b.armed("x", "sim:x") {
		t.Error("armed again with the next line of that name")
	}
}

// TestArmClock: a clock that is set back makes no arming longer.
func TestArmClock(t *testing.T) {
	a := testArming("a", time.Hour)
	for offset, want := range map[time.Duration]bool{
		0: true, 59 * time.Minute: true, time.Hour: false, -30 * time.Second: true, -2 * time.Minute: false, -24 * time.Hour: false,
	} {
		if got := a.inForce(a.Since.Add(offset)); got != want {
			t.Errorf("%s after it began: %v", offset, got)
		}
	}
}

// TestArmFile: a file that is not our own arms nothing, and says so; one that cannot be written arms nothing either.
func TestArmFile(t *testing.T) {
	far := time.Now().Add(time.Minute).Add(maxArmed).Format(time.RFC3339Nano)
	for _, text := range []string{"{", `[{"line": "a"}, {"until": "x"}]`, `[{"line": "a", "since": "` + time.Now().Format(time.RFC3339Nano) + `", "until": "` + far + `"}]`, strings.Repeat(" ", maxArmFile+1)} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, armFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		b := newArmBook(dir, func(port.LineEvent) {}, slog.New(slog.NewTextHandler(&log, nil)))
		if b.armed("a", "sim:a") || !strings.Contains(log.String(), "no line is armed") {
			t.Errorf("%.60q: %s", text, &log)
		}
	}
	b := newArmBook(filepath.Join(t.TempDir(), "gone"), func(port.LineEvent) {}, slog.New(slog.DiscardHandler))
	if err := b.arm(testArming("a", time.Hour)); err == nil || b.armed("a", "sim:a") {
		t.Errorf("armed without a file: %v", err)
	}
}

// TestNewArming: every fault at once, and nothing that a terminal would obey.
func TestNewArming(t *testing.T) {
	_, err := newArming("a", "sim:a", admin.Peer{}, admin.ArmRequest{})
	if err == nil {
		t.Fatal("accepted")
	}
	wantText(t, err.Error(), "--for is missing: say how long", "--by is missing: say who is responsible", "--reason is missing: say what it is for")
	for _, c := range []struct {
		r    admin.ArmRequest
		want string
	}{
		{admin.ArmRequest{For: "15", By: "a", Reason: "b"}, "--for: 15 has no unit"},
		{admin.ArmRequest{For: "0", By: "a", Reason: "b"}, "allowed is 1s to 168h"},
		{admin.ArmRequest{For: "169h", By: "a", Reason: "b"}, "allowed is 1s to 168h"},
		{admin.ArmRequest{For: "-1m", By: "a", Reason: "b"}, "--for: -1m is negative"},
		{admin.ArmRequest{For: "1m", By: "\x1b[2J", Reason: "b"}, "--by has a character that does not show"},
		{admin.ArmRequest{For: "1m", By: "a", Reason: "\u202e"}, "--reason has a character that does not show"},
		{admin.ArmRequest{For: "1m", By: strings.Repeat("x", 65), Reason: "b"}, "--by has 65 bytes: at most 64"},
		{admin.ArmRequest{For: "1m", By: "  ", Reason: "b"}, "--by is missing"},
	} {
		if _, err := newArming("a", "sim:a", admin.Peer{}, c.r); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.r, err, c.want)
		}
	}
	a, err := newArming("a", "sim:a", admin.Peer{UID: 0}, admin.ArmRequest{For: "15m", By: " alice ", Reason: "Störung 7"})
	if err != nil || a.By != "alice" || a.Until.Sub(a.Since) != 15*time.Minute || a.User != "root" {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestArmCommands: what the operator types and sees.
func TestArmCommands(t *testing.T) {
	b := newBench(t)
	armed := admin.ArmView{Since: since, Until: since.Add(15 * time.Minute), By: "alice", Reason: "pump 3", User: "al"}
	d := &fakeDaemon{lines: []admin.LineView{
		{Name: "modem1", State: "listening", Since: since, Answer: "armed", Armed: &armed}, {Name: "modem2", State: "listening", Since: since, Answer: "armed"},
	}}
	b.start(d)
	out, _ := b.run(0, "arm", "modem1", "--for", "15m", "--by", "alice", "--reason", "pump 3")
	wantText(t, out, "modem1: armed by alice (", ": pump 3\n", armed.Until.Local().Format(time.DateTime))
	out, _ = b.run(0, "arm", "modem1", "--for", "15m", "--by", "alice", "--reason", "pump 3", "--json")
	wantText(t, out, `"by": "alice"`, `"until": "2026-01-02T03:19:05Z"`)
	out, _ = b.run(0, "disarm", "modem1")
	wantText(t, out, "modem1: disarmed\n")
	if got := strings.Join(d.done, ", "); got != "arm for 15m modem1, arm for 15m modem1, disarm modem1" {
		t.Errorf("the daemon did %s", got)
	}
	_, stderr := b.run(2, "arm", "modem1")
	wantText(t, stderr, "--for is missing", "--by is missing", "--reason is missing")
	out, _ = b.run(0, "lines")
	wantText(t, out, "armed by alice (al) until", "pump 3", "not armed")
}
