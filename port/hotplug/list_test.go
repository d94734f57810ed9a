package hotplug

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// tree is a folder with sys, dev and run in it.
type tree struct {
	t    *testing.T
	root string
}

func (w tree) file(path, text string) {
	w.t.Helper()
	path = filepath.Join(w.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// link makes from a link to a path within the tree.
func (w tree) link(from, to string) {
	w.t.Helper()
	from = filepath.Join(w.root, from)
	if err := os.MkdirAll(filepath.Dir(from), 0o755); err != nil {
		w.t.Fatal(err)
	}
	rel, err := filepath.Rel(filepath.Dir(from), filepath.Join(w.root, to))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.Symlink(rel, from); err != nil {
		w.t.Fatal(err)
	}
}

// The layout is that of Linux 6.1 with a USB adapter by ftdi_sio, a USB modem by cdc_acm, a port of the PC's and one without a chip.
func newTree(t *testing.T) tree {
	w := tree{t, t.TempDir()}
	const usb = "sys/devices/pci0000:00/0000:00:04.0/usb1"
	// Adapter: usb device, interface, usb-serial port, tty.
	w.file(usb+"/1-1/idVendor", "0403")
	w.file(usb+"/1-1/idProduct", "6001")
	w.file(usb+"/1-1/manufacturer", "FTDI")
	w.file(usb+"/1-1/product", "Cable\x1b[2J\xff"+strings.Repeat("x", 100))
	w.file(usb+"/1-1/serial", "MODEM01")
	w.link(usb+"/1-1/subsystem", "sys/bus/usb")
	w.file(usb+"/1-1/1-1:1.0/bInterfaceNumber", "00")
	w.link(usb+"/1-1/1-1:1.0/subsystem", "sys/bus/usb")
	w.link(usb+"/1-1/1-1:1.0/ttyUSB0/subsystem", "sys/bus/usb-serial")
	w.link(usb+"/1-1/1-1:1.0/ttyUSB0/driver", "sys/bus/usb-serial/drivers/ftdi_sio")
	w.file(usb+"/1-1/1-1:1.0/ttyUSB0/tty/ttyUSB0/dev", "188:0")
	w.link(usb+"/1-1/1-1:1.0/ttyUSB0/tty/ttyUSB0/device", usb+"/1-1/1-1:1.0/ttyUSB0")
	w.link("sys/class/tty/ttyUSB0", usb+"/1-1/1-1:1.0/ttyUSB0/tty/ttyUSB0")
	w.link("dev/serial/by-id/usb-FTDI_Cable_MODEM01-if00-port0", "dev/ttyUSB0")
	w.link("dev/serial/by-path/pci-0000:00:04.0-usb-0:1:1.0-port0", "dev/ttyUSB0")
	w.file("run/udev/data/c188:0", "S:serial/by-id/x\nE:ID_BUS=usb\nE:ID_MM_DEVICE_IGNORE=1")
	// Modem: its interface is the tty's parent.
	w.file(usb+"/1-2/idVendor", "0572")
	w.file(usb+"/1-2/idProduct", "1329")
	w.file(usb+"/1-2/1-2:1.0/bInterfaceNumber", "00")
	w.link(usb+"/1-2/1-2:1.0/subsystem", "sys/bus/usb")
	w.link(usb+"/1-2/1-2:1.0/driver", "sys/bus/usb/drivers/cdc_acm")
	w.file(usb+"/1-2/1-2:1.0/tty/ttyACM0/dev", "166:0")
	w.link(usb+"/1-2/1-2:1.0/tty/ttyACM0/device", usb+"/1-2/1-2:1.0")
	w.link("sys/class/tty/ttyACM0", usb+"/1-2/1-2:1.0/tty/ttyACM0")
	// The PC's own: one with a chip, on Linux 6.18 below serial-base, and one without.
	const pnp = "sys/devices/pnp0/00:03"
	w.link(pnp+"/subsystem", "sys/bus/pnp")
	w.link(pnp+"/driver", "sys/bus/pnp/drivers/serial")
	w.link(pnp+"/00:03:0/00:03:0.0/subsystem", "sys/bus/serial-base")
	w.link(pnp+"/00:03:0/00:03:0.0/driver", "sys/bus/serial-base/drivers/port")
	w.file(pnp+"/00:03:0/00:03:0.0/tty/ttyS0/type", "4")
	w.link(pnp+"/00:03:0/00:03:0.0/tty/ttyS0/device", pnp+"/00:03:0/00:03:0.0")
	w.link("sys/class/tty/ttyS0", pnp+"/00:03:0/00:03:0.0/tty/ttyS0")
	const platform = "sys/devices/platform/serial8250"
	w.file(platform+"/tty/ttyS1/type", "0")
	w.link(platform+"/tty/ttyS1/device", platform)
	w.link("sys/class/tty/ttyS1", platform+"/tty/ttyS1")
	w.file("sys/devices/virtual/tty/tty0/dev", "4:0")
	w.link("sys/class/tty/tty0", "sys/devices/virtual/tty/tty0")
	return w
}

func TestList(t *testing.T) {
	w := newTree(t)
	got, err := List(w.root)
	if err != nil {
		t.Fatal(err)
	}
	want := []Port{
		{Device: "/dev/ttyS0", Bus: "pnp", Driver: "serial"},
		{Device: "/dev/ttyACM0", Bus: "usb", Driver: "cdc_acm", VendorID: "0572", ProductID: "1329", Interface: "00"},
		{
			Device: "/dev/ttyUSB0", ByID: "/dev/serial/by-id/usb-FTDI_Cable_MODEM01-if00-port0",
			ByPath: "/dev/serial/by-path/pci-0000:00:04.0-usb-0:1:1.0-port0", Bus: "usb", Driver: "ftdi_sio", VendorID: "0403", ProductID: "6001",
			Manufacturer: "FTDI", Product: "Cable?[2J?" + strings.Repeat("x", 54), Serial: "MODEM01", Interface: "00", KeptOff: true,
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got[2].Name() != want[2].ByID || got[0].Name() != "/dev/ttyS0" {
		t.Errorf("names %s, %s", got[0].Name(), got[2].Name())
	}
}

func TestListWithoutSysfs(t *testing.T) {
	if ports, err := List(t.TempDir()); err == nil {
		t.Errorf("%v", ports)
	}
}

// What this machine has can be listed whatever it is.
func TestListHere(t *testing.T) {
	ports, err := List("/")
	if err != nil {
		t.Skip("NOT POSSIBLE HERE: ", err)
	}
	for _, p := range ports {
		if !strings.HasPrefix(p.Device, "/dev/tty") || p.Bus == "" {
			t.Errorf("%+v", p)
		}
	}
}
