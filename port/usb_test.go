package port

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// usbTree makes a tree like sysfs in which the rig's device hangs on a USB device behind a hub, and returns the file of its
// authorisation.
func usbTree(r *rig) string {
	r.t.Helper()
	root := r.t.TempDir()
	device := filepath.Join(root, "devices", "pci0", "usb1", "1-1", "1-1.2")
	for path, text := range map[string]string{
		"../../idVendor": "1d6b\n", "../../bDeviceClass": "09\n", "../../authorized": "1\n",
		"../idVendor": "05e3\n", "../bDeviceClass": "09\n", "../authorized": "1\n",
		"idVendor": "0572\n", "bDeviceClass": "02\n", "authorized": "1\n",
		"1-1.2:1.0/authorized": "1\n", "1-1.2:1.0/tty/x": "",
	} {
		file := filepath.Join(device, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
	class := filepath.Join(root, "class", "tty", filepath.Base(r.cfg.Device))
	if err := os.MkdirAll(class, 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(device, "1-1.2:1.0"), filepath.Join(class, "device")); err != nil {
		r.t.Fatal(err)
	}
	r.mgr.sysfs = root
	return filepath.Join(device, "authorized")
}

// usbSteps returns what was told of the last step of the ladder.
func (r *rig) usbSteps() (all []string) {
	for _, text := range r.told(EventLadder) {
		if result, ok := strings.CutPrefix(text, "USB device off and on: "); ok {
			all = append(all, result)
		}
	}
	return all
}

// TestUSBHelps: the last step takes the authorisation of the device away and gives it back; it comes after all others.
func TestUSBHelps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, FakeOptions{})
		defer r.stop()
		file := usbTree(r)
		r.cfg.USBReset, r.modem.mute = 1, true
		r.apply()
		for i := 0; ; i++ {
			if text, err := os.ReadFile(file); err != nil || i > 3_000 {
				t.Fatalf("it is never switched off: %v", err)
			} else if string(text) == "0\n" {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if told := r.told(EventLadder); len(told) != 6 {
			t.Errorf("before it: %v", told)
		}
		r.modem.set(func(m *fakeModem) { m.mute = false })
		r.within(5*time.Second, Listening)
		if text, err := os.ReadFile(file); err != nil || string(text) != "1\n" {
			t.Errorf("authorized: %q, %v", text, err)
		}
		if told := r.usbSteps(); len(told) != 1 || told[0] != "helped: the line listens again" {
			t.Error(told)
		}
	})
}

// TestUSBIsNotRepeated: a step that did not help is remembered, over a reload too, until an operator acts; and there is a limit for a day.
func TestUSBIsNotRepeated(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		usbTree(r)
		r.cfg.USBReset, r.modem.mute = 2, true
	}, func(r *rig) {
		r.within(10*time.Minute, Quarantined)
		if told := r.usbSteps(); len(told) == 0 || !strings.HasPrefix(told[0], "did not help: ") {
			t.Error(told)
		}
		var u *usbMemory
		r.mgr.usbOf(r.cfg.Device, func(now *usbMemory) { u = now })
		if len(u.tried) != 1 || !u.useless {
			t.Errorf("%+v", u)
		}
		r.cfg.Rings = 2
		r.apply()
		time.Sleep(2 * time.Hour)
		r.snap()
		if len(u.tried) != 1 {
			t.Errorf("repeated: %v", u.tried)
		}
		if told := strings.Join(r.usbSteps(), "; "); !strings.Contains(told, "not tried again, as it did not help") {
			t.Error(told)
		}
		for range 3 {
			if err := r.mgr.Reset(context.Background(), r.cfg.Name); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Hour)
		}
		r.snap()
		if len(u.tried) != 2 {
			t.Errorf("in a day: %v", u.tried)
		}
		time.Sleep(20 * time.Hour)
		r.snap()
		r.mgr.usbOf(r.cfg.Device, func(u *usbMemory) {
			if len(u.tried) > 1 {
				t.Error("a day is longer than a day")
			}
		})
	})
}

// TestUSBOnlyWhenConfigured: without usb_reset nothing is touched.
func TestUSBOnlyWhenConfigured(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		usbTree(r)
		r.modem.mute = true
	}, func(r *rig) {
		r.within(10*time.Minute, Quarantined)
		time.Sleep(time.Hour)
		if told := r.usbSteps(); len(told) != 0 || r.mgr.usb != nil {
			t.Errorf("%v, %v", told, r.mgr.usb)
		}
	})
}

// TestUSBDevice finds the device, and never a hub.
func TestUSBDevice(t *testing.T) {
	r := &rig{t: t, mgr: NewManager(ManagerOptions{})}
	r.cfg.Device = filepath.Join(t.TempDir(), "ttyUSB0")
	if err := os.WriteFile(r.cfg.Device, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	file := usbTree(r)
	place, err := usbDevice(r.mgr.sysfs, r.cfg.Device)
	if err != nil || place != filepath.Dir(file) {
		t.Fatalf("%s, %v", place, err)
	}
	if err := os.Remove(filepath.Join(place, "idVendor")); err != nil {
		t.Fatal(err)
	}
	if place, err := usbDevice(r.mgr.sysfs, r.cfg.Device); err == nil || !strings.Contains(err.Error(), "is a hub") {
		t.Errorf("behind it is only a hub: %s, %v", place, err)
	}
	if _, err := usbDevice(r.mgr.sysfs, r.cfg.Device+"1"); err == nil {
		t.Error("no such device")
	}
	if _, err := usbDevice(t.TempDir(), r.cfg.Device); err == nil || !strings.Contains(err.Error(), "is no USB device") {
		t.Errorf("a UART: %v", err)
	}
	if err := usbOffAndOn(t.Context(), t.TempDir()); err == nil {
		t.Error("nothing to write to")
	}
}

// TestComplaint2_2_PowerStepDenied: a daemon that may not write sysfs says what to do, and the line goes on without the step. A folder in
// place of the file is denied to root, too.
func TestComplaint2_2_PowerStepDenied(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		file := usbTree(r)
		if err := errors.Join(os.Remove(file), os.Mkdir(file, 0o700)); err != nil {
			t.Fatal(err)
		}
		r.cfg.USBReset, r.modem.mute = 1, true
	}, func(r *rig) {
		r.within(10*time.Minute, Quarantined)
		if told := r.usbSteps(); len(told) == 0 || !strings.HasPrefix(told[0], "did not help: ") {
			t.Error(told)
		}
		r.modem.set(func(m *fakeModem) { m.mute = false })
		r.within(6*time.Minute, Listening)
	})
	for _, denied := range []error{fs.ErrPermission, unix.EROFS} {
		if err := sysfsDenied("authorized", denied); !errors.Is(err, denied) || !strings.Contains(err.Error(), "give the daemon's user that right") {
			t.Error(err)
		}
	}
	if err := sysfsDenied("authorized", unix.EIO); err != unix.EIO { //nolint:errorlint // the very one
		t.Error(err)
	}
}
