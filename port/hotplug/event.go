// Package hotplug tells when serial devices come and go, and lists those that are there. It reads the kernel's uevents from netlink and
// sysfs itself: it opens no device, so that a line in a call is never disturbed, and it polls nothing.
package hotplug

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// Action is what happened to a device (Linux, Documentation/core-api/kobject.rst; lib/kobject_uevent.c).
type Action string

// The actions that matter to a serial line. There are more (bind, change, move ...); they are told too.
const (
	Add    Action = "add"
	Remove Action = "remove"
	// Lost is not the kernel's: so many events came that some were dropped. Everything may have changed.
	Lost Action = "lost"
)

// Event is one thing that happened to one tty.
type Event struct {
	Action Action
	// Device is the path of the node, such as /dev/ttyUSB0; "" with Lost.
	Device string
	// Path is the device's place in sysfs, from /sys on; two devices never share it. "" with Lost.
	Path string
	// Settled says that udev has done its work: links such as those in /dev/serial/by-id are there. False for the kernel's own event,
	// which comes first, and is the only one on machines without udev.
	Settled bool
}

const (
	// maxEvent is more than the kernel puts into one event (UEVENT_BUFFER_SIZE is 2048) and udev into one of its own.
	maxEvent = 16 << 10
	// udevMagic marks an event that udev sends on after its rules (libudev, struct monitor_netlink_header).
	udevMagic = 0xfeedcafe
	// udevHeader is how long that header is at least.
	udevHeader = 40
)

// parse understands one message; ok is false for anything that is no event of a tty.
func parse(message []byte) (e Event, ok bool) {
	properties, settled, ok := body(message)
	if !ok {
		return Event{}, false
	}
	e.Settled = settled
	subsystem, name := "", ""
	for field := range bytes.SplitSeq(properties, []byte{0}) {
		key, value, found := strings.Cut(string(field), "=")
		if !found {
			continue
		}
		switch key {
		case "ACTION":
			e.Action = Action(value)
		case "DEVPATH":
			e.Path = value
		case "SUBSYSTEM":
			subsystem = value
		case "DEVNAME":
			name = value
		}
	}
	if subsystem != "tty" || name == "" || e.Action == "" || e.Action == Lost {
		return Event{}, false
	}
	if e.Device = name; !strings.HasPrefix(name, "/") { // the kernel says ttyS0, udev /dev/ttyS0
		e.Device = "/dev/" + name
	}
	return e, true
}

// body finds the KEY=VALUE list of a message: behind "ACTION@PATH" in the kernel's, where its header says in udev's.
func body(message []byte) (properties []byte, settled, ok bool) {
	if bytes.HasPrefix(message, []byte("libudev\x00")) {
		if len(message) < udevHeader || binary.BigEndian.Uint32(message[8:]) != udevMagic {
			return nil, false, false
		}
		from, size := uint64(binary.NativeEndian.Uint32(message[16:])), uint64(binary.NativeEndian.Uint32(message[20:]))
		if from > uint64(len(message)) || size > uint64(len(message))-from {
			return nil, false, false
		}
		return message[from : from+size], true, true
	}
	head, properties, found := bytes.Cut(message, []byte{0})
	if !found || !bytes.ContainsRune(head, '@') {
		return nil, false, false
	}
	return properties, false, true
}
