package lab

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"rashost/port"
	"rashost/port/modemsim"
	"rashost/test/lab/agent"
)

// One machine for USB adapters. Each line is named after its job and has an adapter of its own.
func TestUSB(t *testing.T) {
	m := boot(t, Hardware{USB: 8})
	for usb := 1; usb <= m.hardware.USB; usb++ {
		node(t, m, usb)
	}
	runJobs(t, m, []job{
		{"UnplugWhileListening", line("listening", byID(1), ""), unplugWhileListening},
		{"UnplugInDialog", line("dialog", byID(2), ""), unplugInDialog},
		{"UnplugInSession", line("session", byID(3), ""), unplugInSession},
		{"Complaint2_3_ReplugUnderAnotherNumber", line("number", byID(4), ""), replugUnderAnotherNumber},
		{"Complaint2_3_AdaptersSwapped", line("five", byID(5), "") + line("six", byID(6), ""), adaptersSwapped},
		{"Complaint2_2_OffAndOnAgain", line("wedged", byPath(t, m, 7), ", idle_probe: 10s, usb_reset: 1"), offAndOnAgain},
		{"Complaint2_7_UdevRules", "", udevRules},
	})
}

// node waits for an adapter's lasting name and returns the device that it leads to.
func node(t *testing.T, m *Machine, usb int) (to string) {
	t.Helper()
	eventually(t, byID(usb)+" is there", func() (bool, string) {
		err := m.call("Link", byID(usb), &to)
		return err == nil, fmt.Sprint(err)
	})
	return to
}

// byPath is the name of an adapter that says where it is plugged in.
func byPath(t *testing.T, m *Machine, usb int) string {
	t.Helper()
	device := node(t, m, usb)
	names, err := m.Do("udevadm", "info", "--query=symlink", "--root", "--name="+device)
	must(t, err)
	i := slices.IndexFunc(strings.Fields(names), func(name string) bool { return strings.HasPrefix(name, "/dev/serial/by-path/") })
	if i < 0 {
		t.Fatalf("%s has no name by its place: %s", device, names)
	}
	return strings.Fields(names)[i]
}

// pull unplugs an adapter and waits until its name has gone.
func pull(t *testing.T, m *Machine, usb int) {
	t.Helper()
	must(t, m.Pull(usb))
	eventually(t, byID(usb)+" is gone", func() (bool, string) {
		var to string
		err := m.call("Link", byID(usb), &to)
		return err != nil, to
	})
}

// plug plugs an adapter in and returns the device that it is now.
func plug(t *testing.T, m *Machine, usb int) string {
	t.Helper()
	eventually(t, fmt.Sprintf("adapter %d can be plugged in", usb), func() (bool, string) {
		err := m.Plug(usb)
		return err == nil, fmt.Sprint(err)
	})
	return node(t, m, usb)
}

func unplugWhileListening(t *testing.T, d *daemon) {
	d.wantState("listening", "listening")
	pull(t, d.m, 1)
	if l := d.wantState("listening", "absent"); l.Reason == "" {
		t.Error("an absent line without a reason")
	}
	plug(t, d.m, 1)
	d.wantState("listening", "listening")
	call(t, d.m.Exchange.Line(usbNumber(1)), modemsim.DialOptions{}).login()
}

func unplugInDialog(t *testing.T, d *daemon) {
	d.wantState("dialog", "listening")
	r := call(t, d.m.Exchange.Line(usbNumber(2)), modemsim.DialOptions{})
	r.expect("login: ")
	d.unplugged("dialog", r, 2)
}

func unplugInSession(t *testing.T, d *daemon) {
	d.wantState("session", "listening")
	r := call(t, d.m.Exchange.Line(usbNumber(3)), modemsim.DialOptions{})
	r.login()
	d.unplugged("session", r, 3)
}

// unplugged pulls the adapter of a call. The call ends and its record says why; plugged in, the line works again.
func (d *daemon) unplugged(name string, r *robot, usb int) {
	d.t.Helper()
	pull(d.t, d.m, usb)
	r.ended()
	d.wantRecord(name, 1, "Port-Error")
	d.wantState(name, "absent")
	plug(d.t, d.m, usb)
	d.wantState(name, "listening")
	call(d.t, d.m.Exchange.Line(usbNumber(usb)), modemsim.DialOptions{}).login()
}

// Somebody keeps the old device open, so the adapter comes back under another number. Its lasting name leads there.
func replugUnderAnotherNumber(t *testing.T, d *daemon) {
	m, before := d.m, node(t, d.m, 4)
	d.wantState("number", "listening")
	r := call(t, m.Exchange.Line(usbNumber(4)), modemsim.DialOptions{})
	r.login()
	var keeper int
	must(t, m.call("Start", agent.Command{
		Args: []string{"sh", "-c", "exec 7<" + before + "; echo open; exec sleep 1000"}, Log: d.dir + "/keeper",
	}, &keeper))
	eventually(t, before+" is kept open", func() (bool, string) {
		var log agent.File
		must(t, m.call("Read", d.dir+"/keeper", &log))
		return string(log.Data) == "open\n", string(log.Data)
	})
	pull(t, m, 4)
	r.ended()
	d.wantRecord("number", 1, "Port-Error")
	if after := plug(t, m, 4); after == before {
		t.Errorf("the adapter is %s again, although that is still open", after)
	}
	d.wantState("number", "listening")
	call(t, m.Exchange.Line(usbNumber(4)), modemsim.DialOptions{}).login()
	must(t, m.call("Kill", agent.Signal{PID: keeper, Number: 9}, new(struct{})))
}

// Two adapters change places. Each line stays with its own modem.
func adaptersSwapped(t *testing.T, d *daemon) {
	m := d.m
	d.wantState("five", "listening")
	d.wantState("six", "listening")
	pull(t, m, 5)
	pull(t, m, 6)
	d.wantState("five", "absent")
	d.wantState("six", "absent")
	plug(t, m, 6)
	plug(t, m, 5)
	for usb, name := range map[int]string{5: "five", 6: "six"} {
		d.wantState(name, "listening")
		r := call(t, m.Exchange.Line(usbNumber(usb)), modemsim.DialOptions{})
		r.login()
		r.hangUp()
		if got := d.wantRecord(name, 1, "Lost-Carrier"); got.Device != byID(usb) {
			t.Errorf("the call on adapter %d was on %s", usb, got.Device)
		}
	}
}

// A USB modem wedges while it listens. Nothing that can be sent helps, so the last step of the ladder takes away its authorisation and
// gives it back: the kernel lets the device go and sets it up anew, which is what the modem needs.
func offAndOnAgain(t *testing.T, d *daemon) {
	m, l := d.m, d.m.Exchange.Line(usbNumber(7))
	before := d.wantState("wedged", "listening")
	tty := path.Base(node(t, m, 7))
	var monitor int
	must(t, m.call("Start", agent.Command{
		Args: []string{"udevadm", "monitor", "--kernel", "--subsystem-match=tty"}, Log: d.dir + "/monitor",
	}, &monitor))
	events := func() string {
		var log agent.File
		must(t, m.call("Read", d.dir+"/monitor", &log))
		return string(log.Data)
	}
	eventually(t, "the kernel's events can be seen", func() (bool, string) { return strings.Contains(events(), "KERNEL"), events() })
	l.Modem.SetFaults(modemsim.Faults{Wedged: true})
	eventually(t, "the kernel lets "+tty+" go", func() (bool, string) {
		all := events()
		for _, event := range strings.Split(all, "\n") {
			if strings.Contains(event, "remove") && strings.Contains(event, "/"+tty+" ") {
				return true, ""
			}
		}
		return false, all
	})
	l.Modem.Plug()
	l.Modem.SetFaults(modemsim.Faults{})
	must(t, m.call("Kill", agent.Signal{PID: monitor, Number: 15}, new(struct{})))
	d.wantEventText("wedged", port.EventLadder, "USB device off and on: helped")
	after := d.wantState("wedged", "listening")
	if after.Device != before.Device {
		t.Errorf("the line was %s and is %s", before.Device, after.Device)
	}
	call(t, l, modemsim.DialOptions{}).login()
}
