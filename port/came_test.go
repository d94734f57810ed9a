package port

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"rashost/port/hotplug"
)

// fakeDevices tells what a test says.
type fakeDevices struct {
	events chan hotplug.Event
	fails  chan error
	closed chan struct{}
}

func newFakeDevices() *fakeDevices {
	return &fakeDevices{events: make(chan hotplug.Event), fails: make(chan error), closed: make(chan struct{})}
}

func (d *fakeDevices) Run(tell func(hotplug.Event)) error {
	for {
		select {
		case e := <-d.events:
			tell(e)
		case err := <-d.fails:
			return err
		case <-d.closed:
			return nil
		}
	}
}

func (d *fakeDevices) Close() error {
	close(d.closed)
	return nil
}

// hear makes the kernel tell of devices in the folder of the rig's device.
func (r *rig) hear() *fakeDevices {
	d := newFakeDevices()
	r.mgr.dev = filepath.Dir(r.cfg.Device) + "/"
	r.mgr.watchDevices(d)
	return d
}

// A device that comes is opened when the kernel tells of it, long before the next look, and an absent one is hardly looked for.
func TestDeviceComes(t *testing.T) {
	var devices *fakeDevices
	bubble(t, FakeOptions{}, func(r *rig) { devices = r.hear() }, func(r *rig) {
		r.within(10*time.Second, Listening)
		r.vanish()
		r.within(time.Second, Absent)
		before := r.looks()
		r.stays(time.Hour, Absent)
		if n := r.looks() - before; n < 60 || n > 75 {
			t.Errorf("looked %d times in an hour without a device", n)
		}
		devices.events <- hotplug.Event{Action: hotplug.Add, Device: "/dev/ttyOTHER"}
		r.stays(time.Second, Absent)
		for before := r.looks(); r.looks() == before; { // until the next look is far
			r.stays(time.Second, Absent)
		}
		r.appear()
		began := time.Now()
		devices.events <- hotplug.Event{Action: hotplug.Remove, Device: "/dev/ttyOTHER"}
		r.stays(100*time.Millisecond, Absent)
		devices.events <- hotplug.Event{Action: hotplug.Add, Device: r.cfg.Device, Settled: true}
		r.within(10*time.Second, Listening)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("back after %v", took)
		}
		if e := r.eventsOf(EventDevice); len(e) != 1 || e[0].Text != "absent" {
			t.Errorf("%+v", e)
		}
	})
}

// When events were lost, or nothing more is told, each absent line looks for itself.
func TestDeviceEventsLost(t *testing.T) {
	for name, lose := range map[string]func(*fakeDevices){
		"some":                func(d *fakeDevices) { d.events <- hotplug.Event{Action: hotplug.Lost} },
		"all that is to come": func(d *fakeDevices) { d.fails <- errors.New("the socket broke") },
	} {
		t.Run(name, func(t *testing.T) {
			var devices *fakeDevices
			bubble(t, FakeOptions{}, func(r *rig) { devices = r.hear() }, func(r *rig) {
				r.within(10*time.Second, Listening)
				r.vanish()
				r.stays(10*time.Minute, Absent)
				r.appear()
				lose(devices)
				r.within(10*time.Second, Listening)
				r.vanish()
				if name != "some" {
					r.stays(10*time.Minute, Absent)
					r.appear()
					r.within(10*time.Second, Listening) // looked for every few seconds again
				}
			})
		})
	}
}

// A line that is not absent does not care.
func TestDeviceEventsInACall(t *testing.T) {
	var devices *fakeDevices
	bubble(t, FakeOptions{}, func(r *rig) { devices = r.hear() }, func(r *rig) {
		r.within(10*time.Second, Listening)
		r.say("\r\nRING\r\n")
		r.within(10*time.Second, Dialog)
		for _, a := range []hotplug.Action{hotplug.Add, "change", hotplug.Lost, hotplug.Remove} {
			devices.events <- hotplug.Event{Action: a, Device: r.cfg.Device}
		}
		r.stays(time.Minute, Dialog)
	})
}

func TestHardware(t *testing.T) {
	m := NewManager(ManagerOptions{})
	for device, want := range map[string]bool{
		"/dev/ttyS0": true, "/dev/serial/by-id/usb-x": true, "/dev/pts/3": false, "/dev/shm/link": false, "/tmp/pty": false, "sim:demo": false, "pty:/dev/x": false,
	} {
		l := &line{mgr: m, given: &LineConfig{Device: device}}
		if l.hardware() != want {
			t.Errorf("%s: %v", device, !want)
		}
	}
}

// looks is how often the line has looked for its absent device.
func (r *rig) looks() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(r.states), func(s string) bool { return s != "absent>opening" }))
}

// eventsOf are the line events of a kind so far.
func (r *rig) eventsOf(kind string) []LineEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.events), func(e LineEvent) bool { return e.Kind != kind })
}
