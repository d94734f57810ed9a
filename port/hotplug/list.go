package hotplug

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Port is one serial port that is there.
type Port struct {
	// Device is the node, such as /dev/ttyUSB0. Nodes of USB ports get new numbers when they are plugged in again.
	Device string `json:"device"`
	// ByID and ByPath are udev's lasting links to it: by what the adapter says of itself, and by the socket it is plugged into; "" for none.
	ByID   string `json:"by_id"`
	ByPath string `json:"by_path"`
	// Bus is usb, pci, pnp, platform or what else the kernel calls it; Driver is the kernel's; "" where it has none.
	Bus    string `json:"bus"`
	Driver string `json:"driver"`
	// What a USB adapter says of itself, made printable; "" on other buses and where it says nothing. Interface is which of a device's
	// several, in two hexadecimal digits.
	VendorID     string `json:"vendor_id"`
	ProductID    string `json:"product_id"`
	Manufacturer string `json:"manufacturer"`
	Product      string `json:"product"`
	Serial       string `json:"serial"`
	Interface    string `json:"interface"`
	// KeptOff says that udev marked the port for ModemManager to leave alone (ID_MM_DEVICE_IGNORE or ID_MM_PORT_IGNORE).
	KeptOff bool `json:"modemmanager_kept_off"`
}

// Name is the best name for a configuration: the one that changes least.
func (p Port) Name() string { return cmp.Or(p.ByID, p.ByPath, p.Device) }

const (
	maxText  = 64       // of what an adapter says of itself, in characters
	maxFile  = 4 << 10  // of a file in sysfs, in bytes
	maxUdev  = 64 << 10 // of what udev keeps of a device, in bytes
	maxClimb = 16       // folders between a tty and its bus
)

// List returns the serial ports that are there, sorted by device, without opening any. root is the folder with sys, dev and run in it: "/"
// but in tests. Consoles and ptys are no serial ports, and neither is a port of the PC's that has no chip behind it.
func List(root string) ([]Port, error) {
	class := filepath.Join(root, "sys/class/tty")
	entries, err := os.ReadDir(class)
	if err != nil {
		return nil, fmt.Errorf("list of serial ports: %w", err)
	}
	byID, byPath := links(filepath.Join(root, "dev/serial/by-id"), root), links(filepath.Join(root, "dev/serial/by-path"), root)
	var ports []Port
	for _, e := range entries {
		tty := filepath.Join(class, e.Name())
		place, err := filepath.EvalSymlinks(filepath.Join(tty, "device"))
		if err != nil || line(filepath.Join(tty, "type")) == "0" {
			continue
		}
		p := Port{Device: "/dev/" + e.Name()}
		p.ByID, p.ByPath = byID[p.Device], byPath[p.Device]
		p.climb(place)
		p.KeptOff = keptOff(filepath.Join(root, "run/udev/data", "c"+line(filepath.Join(tty, "dev"))))
		ports = append(ports, p)
	}
	slices.SortFunc(ports, func(a, b Port) int {
		return cmp.Or(cmp.Compare(len(a.Device), len(b.Device)), cmp.Compare(a.Device, b.Device)) // ttyUSB2 before ttyUSB10
	})
	return ports, nil
}

// climb learns of a port from the folders above it in sysfs: its driver, its bus, and the USB interface and device it belongs to.
func (p *Port) climb(place string) {
	for range maxClimb {
		if driver, err := os.Readlink(filepath.Join(place, "driver")); err == nil && p.Driver == "" && !isSerialBase(driver) {
			p.Driver = filepath.Base(driver)
		}
		if bus, err := os.Readlink(filepath.Join(place, "subsystem")); err == nil && p.Bus == "" {
			switch name := filepath.Base(bus); name {
			case "usb-serial", "serial-base", "serial", "tty":
			default:
				p.Bus = name
			}
		}
		if number := line(filepath.Join(place, "bInterfaceNumber")); number != "" && p.Interface == "" {
			p.Interface = number
		}
		if vendor := line(filepath.Join(place, "idVendor")); vendor != "" {
			p.VendorID, p.ProductID = vendor, line(filepath.Join(place, "idProduct"))
			p.Manufacturer, p.Product = line(filepath.Join(place, "manufacturer")), line(filepath.Join(place, "product"))
			p.Serial = line(filepath.Join(place, "serial"))
			return
		}
		above := filepath.Dir(place)
		if above == place || filepath.Base(above) == "devices" {
			return
		}
		place = above
	}
}

// isSerialBase says that a driver is only the kernel's glue between a chip and its ports.
func isSerialBase(driver string) bool { return strings.Contains(driver, "/serial-base/") }

// links reads a folder of udev's, by the node that each link leads to. Of several links to one node the first counts.
func links(folder, root string) map[string]string {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil // no udev, or no such device
	}
	found := make(map[string]string)
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(folder, e.Name()))
		if err != nil {
			continue
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(folder, target)
		}
		node, name := inside(target, root), inside(filepath.Join(folder, e.Name()), root)
		if found[node] == "" {
			found[node] = name
		}
	}
	return found
}

// inside is a path as it reads within root.
func inside(path, root string) string {
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return path
	}
	return filepath.Join("/", rel)
}

// line reads the one line of a file in sysfs, printable and bounded: USB adapters write what they like. "" when there is none.
func line(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return ""
	}
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, strings.TrimSpace(string(data)))
	return text[:min(len(text), maxText)]
}

// keptOff reads what udev keeps of a device.
func keptOff(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(io.LimitReader(f, maxUdev))
	for lines.Scan() {
		if text := lines.Text(); text == "E:ID_MM_DEVICE_IGNORE=1" || text == "E:ID_MM_PORT_IGNORE=1" {
			return true
		}
	}
	return false
}
