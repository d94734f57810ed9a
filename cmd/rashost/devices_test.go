package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rashost/port/hotplug"
)

func TestDeviceViews(t *testing.T) {
	ports := []hotplug.Port{
		{Device: "/dev/ttyS0", Bus: "pnp", Driver: "serial"},
		{Device: "/dev/ttyUSB0", ByID: "/dev/serial/by-id/a", ByPath: "/dev/serial/by-path/a", Bus: "usb", Driver: "ftdi_sio",
			Manufacturer: "FTDI", Product: "Cable", VendorID: "0403", ProductID: "6001"},
		{Device: "/dev/ttyUSB1", ByPath: "/dev/serial/by-path/b", Bus: "usb", Driver: "ftdi_sio", VendorID: "0403", ProductID: "6001", KeptOff: true},
		{Device: "/dev/ttyACM0", Bus: "usb", VendorID: "0572", ProductID: "1329", KeptOff: true},
	}
	m := machine{modemManager: true, holder: func(node string) (int, string) {
		if node == "/dev/ttyUSB0" {
			return 77, "minicom"
		}
		return 0, ""
	}}
	views := deviceViews(ports, map[string]string{"/dev/ttyUSB0": "modem1", "/dev/ttyS0": "console"}, m)
	for i, want := range []string{"", "ModemManager is running", "another adapter says the same", "udev made no lasting name"} {
		got := strings.Join(views[i].Advice, "\n")
		if !strings.HasPrefix(got, want) || (want == "") != (got == "") || strings.Contains(got, "\n") {
			t.Errorf("%s: advice %q, want %q", views[i].Device, got, want)
		}
	}
	var out bytes.Buffer
	if err := writeDevices(&out, views); err != nil {
		t.Fatal(err)
	}
	wantText(t, out.String(), "NAME", "/dev/serial/by-id/a    /dev/ttyUSB0  FTDI Cable (ftdi_sio)", "line modem1, minicom (process 77)",
		"/dev/ttyS0             /dev/ttyS0    pnp (serial)", "line console", "0403:6001 usb (ftdi_sio)", "/dev/ttyACM0: udev made no lasting name")
	out.Reset()
	if err := writeDevices(&out, nil); err != nil || !strings.Contains(out.String(), "there is no serial port") {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func TestModemManagerRuns(t *testing.T) {
	proc := t.TempDir()
	if err := os.MkdirAll(filepath.Join(proc, "12"), 0o755); err != nil {
		t.Fatal(err)
	}
	comm := filepath.Join(proc, "12", "comm")
	for text, want := range map[string]bool{"bash\n": false, "ModemManager\n": true} {
		if err := os.WriteFile(comm, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if modemManagerRuns(proc) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

// The command lists what this machine has, says which line has it, and opens nothing.
func TestDevicesCommand(t *testing.T) {
	b := newBench(t)
	out, _ := b.run(0, "devices", "--json")
	var reply devicesReply
	if err := json.Unmarshal([]byte(out), &reply); err != nil {
		t.Fatal(err)
	}
	if len(reply.Devices) == 0 {
		out, _ := b.run(0, "devices")
		wantText(t, out, "there is no serial port")
		return
	}
	first := reply.Devices[0]
	b.change("sim:a", first.Device)
	out, _ = b.run(0, "devices")
	wantText(t, out, first.Name, "line modem1")
}
