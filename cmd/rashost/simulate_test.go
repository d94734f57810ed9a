package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rashost/hardware"
	"rashost/port"
	"rashost/port/modemsim"
)

func lineOf(device string) port.LineConfig { return port.LineConfig{Name: "l", Device: device} }

// TestUnusedVirtualModemsAreSwitchedOff: a reload that drops a `sim:` line takes its telephone away; the others stay.
func TestUnusedVirtualModemsAreSwitchedOff(t *testing.T) {
	dir := t.TempDir()
	s := newSimulators(dir, modemsim.Timing{}, slog.New(slog.DiscardHandler))
	defer s.close()
	for _, device := range []string{"sim:a", "sim:b"} {
		if o, err := s.opener(lineOf(device)); err != nil || o == nil {
			t.Fatalf("opener of %s: %v, %v", device, o, err)
		}
	}
	s.keep([]port.LineConfig{lineOf("sim:b"), lineOf("/dev/ttyS0")})
	if _, err := net.Dial("unix", filepath.Join(dir, "sim", "a.sock")); err == nil {
		t.Error("the dropped modem can still be called")
	}
	c, err := net.Dial("unix", filepath.Join(dir, "sim", "b.sock"))
	if err != nil {
		t.Fatalf("the kept modem: %v", err)
	}
	_ = c.Close()
}

// TestOtherFilesAreNoSockets: a file in the place of a telephone is the operator's and stays.
func TestOtherFilesAreNoSockets(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sim", "a.sock")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSimulators(dir, modemsim.Timing{}, slog.New(slog.DiscardHandler))
	defer s.close()
	if _, err := s.opener(lineOf("sim:a")); err == nil {
		t.Error("the virtual modem took the file's place")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "mine" {
		t.Errorf("the file: %q, %v", text, err)
	}
	if o, err := s.opener(lineOf("/dev/ttyS0")); o != nil || err != nil {
		t.Errorf("a real device: %v, %v; want to leave it to package port", o, err)
	}
	if err := removeSocket(filepath.Join(dir, "none")); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestProfileThatIsNoFile: a FIFO in the folder of profiles must not keep the host waiting.
func TestProfileThatIsNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.yaml")
	if err := mkfifo(path); err != nil {
		t.Fatal(err)
	}
	if _, err := readProfile(path); err == nil {
		t.Error("a FIFO was read as a profile")
	}
}

func mkfifo(path string) error { return syscall.Mkfifo(path, 0o600) }

// TestVirtualModemOfAFamily: the name in `sim:NAME` decides what the modem is. What a Courier is told, a terminal adapter refuses.
func TestVirtualModemOfAFamily(t *testing.T) {
	profile, err := hardware.Load("usr-courier")
	if err != nil {
		t.Fatal(err)
	}
	for device, want := range map[string]port.State{
		"sim:usr-courier-2": port.Listening, "sim:any": port.Listening, "sim:isdn-ta": port.Recovering,
	} {
		s := newSimulators(t.TempDir(), modemsim.Timing{}, slog.New(slog.DiscardHandler))
		m := port.NewManager(port.ManagerOptions{Open: s.opener, Log: slog.New(slog.DiscardHandler)})
		if err := m.Apply(t.Context(), []port.LineConfig{{Name: "l", Device: device, Profile: &profile}}); err != nil {
			t.Fatal(err)
		}
		var line port.Snapshot
		for end := time.Now().Add(30 * time.Second); line.State != want && time.Now().Before(end); time.Sleep(time.Millisecond) {
			line, _ = m.Line("l")
		}
		if line.State != want || device == "sim:isdn-ta" && !strings.Contains(line.Reason, "AT&F1") {
			t.Errorf("%s: %+v", device, line)
		}
		if err := m.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		s.close()
	}
}
