package hotplug

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// kernelEvent is a message as the kernel writes it.
func kernelEvent(fields ...string) []byte {
	return []byte("add@/devices/x\x00" + strings.Join(fields, "\x00") + "\x00")
}

// udevEvent is a message as udev writes it, with the properties at from and of a length that is changed by more.
func udevEvent(from, more int, fields ...string) []byte {
	list := []byte(strings.Join(fields, "\x00") + "\x00")
	head := make([]byte, from)
	copy(head, "libudev\x00")
	binary.BigEndian.PutUint32(head[8:], udevMagic)
	binary.NativeEndian.PutUint32(head[12:], uint32(from))
	binary.NativeEndian.PutUint32(head[16:], uint32(from))
	binary.NativeEndian.PutUint32(head[20:], uint32(len(list)+more))
	return append(head, list...)
}

var plugged = []string{"ACTION=add", "DEVPATH=/devices/pci0/usb1/ttyUSB0", "SUBSYSTEM=tty", "DEVNAME=ttyUSB0", "SEQNUM=7"}

func TestParse(t *testing.T) {
	want := Event{Action: Add, Device: "/dev/ttyUSB0", Path: "/devices/pci0/usb1/ttyUSB0"}
	settled := want
	settled.Settled = true
	absolute := append([]string{"DEVNAME=/dev/ttyUSB0", "DEVLINKS=/dev/serial/by-id/a"}, plugged[:3]...)
	spoilt := udevEvent(40, 0, absolute...)
	spoilt[8]++
	for _, c := range []struct {
		name    string
		message []byte
		want    Event
		ok      bool
	}{
		{"of the kernel", kernelEvent(plugged...), want, true},
		{"of udev", udevEvent(40, 0, absolute...), settled, true},
		{"of udev, with a longer header", udevEvent(64, 0, absolute...), settled, true},
		{"another magic number", spoilt, Event{}, false},
		{"properties behind the end", udevEvent(40, 1, absolute...), Event{}, false},
		{"a header cut off", udevEvent(40, 0, absolute...)[:39], Event{}, false},
		{"another subsystem", kernelEvent("ACTION=add", "SUBSYSTEM=usb", "DEVNAME=bus/usb/001/002"), Event{}, false},
		{"no node", kernelEvent("ACTION=add", "SUBSYSTEM=tty"), Event{}, false},
		{"no action", kernelEvent("SUBSYSTEM=tty", "DEVNAME=ttyUSB0"), Event{}, false},
		{"our own word from outside", kernelEvent("ACTION=lost", "SUBSYSTEM=tty", "DEVNAME=ttyUSB0"), Event{}, false},
		{"no headline", []byte("ACTION=add\x00SUBSYSTEM=tty\x00DEVNAME=ttyUSB0\x00"), Event{}, false},
		{"nothing", nil, Event{}, false},
	} {
		if got, ok := parse(c.message); ok != c.ok || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v, %v", c.name, got, ok, c.want, c.ok)
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add(kernelEvent(plugged...))
	f.Add(udevEvent(40, 0, plugged...))
	f.Add(udevEvent(64, -3, plugged...))
	f.Fuzz(func(t *testing.T, message []byte) {
		e, ok := parse(message)
		if ok != (e != Event{}) {
			t.Fatalf("%+v, %v", e, ok)
		}
		if !ok {
			return
		}
		if e.Action == "" || !strings.HasPrefix(e.Device, "/") || e.Action == Lost || !bytes.Contains(message, []byte("SUBSYSTEM=tty")) {
			t.Fatalf("%+v", e)
		}
	})
}
