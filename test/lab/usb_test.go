package lab

import (
	"fmt"
	"testing"

	"rashost/port/modemsim"
	"rashost/test/lab/agent"
)

// One machine for USB adapters. Each job has adapters of its own, by number.
func TestUSB(t *testing.T) {
	m := boot(t, Hardware{USB: 6})
	runJobs(t, m, []job{
		{"UnplugWhileListening", unplugWhileListening},
		{"UnplugInDialog", unplugInDialog},
		{"UnplugInSession", unplugInSession},
		{"Complaint2_3_ReplugUnderAnotherNumber", replugUnderAnotherNumber},
		{"Complaint2_3_AdaptersSwapped", adaptersSwapped},
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

func unplugWhileListening(t *testing.T, m *Machine) {
	node(t, m, 1)
	d := serve(t, m, line("one", byID(1), ""))
	d.wantState("one", "listening")
	pull(t, m, 1)
	if l := d.wantState("one", "absent"); l.Reason == "" {
		t.Error("an absent line without a reason")
	}
	plug(t, m, 1)
	d.wantState("one", "listening")
	call(t, m.Exchange.Line(usbNumber(1)), modemsim.DialOptions{}).login()
}

func unplugInDialog(t *testing.T, m *Machine) {
	node(t, m, 2)
	d := serve(t, m, line("one", byID(2), ""))
	r := call(t, m.Exchange.Line(usbNumber(2)), modemsim.DialOptions{})
	r.expect("login: ")
	unplugged(t, m, d, r, 2)
}

func unplugInSession(t *testing.T, m *Machine) {
	node(t, m, 3)
	d := serve(t, m, line("one", byID(3), ""))
	r := call(t, m.Exchange.Line(usbNumber(3)), modemsim.DialOptions{})
	r.login()
	unplugged(t, m, d, r, 3)
}

// unplugged pulls the adapter of a call. The call ends and its record says why; plugged in, the line works again.
func unplugged(t *testing.T, m *Machine, d *daemon, r *robot, usb int) {
	t.Helper()
	pull(t, m, usb)
	r.ended()
	d.wantRecord("one", 1, "Port-Error")
	d.wantState("one", "absent")
	plug(t, m, usb)
	d.wantState("one", "listening")
	call(t, m.Exchange.Line(usbNumber(usb)), modemsim.DialOptions{}).login()
}

// Somebody keeps the old device open, so the adapter comes back under another number. Its lasting name leads there.
func replugUnderAnotherNumber(t *testing.T, m *Machine) {
	before := node(t, m, 4)
	d := serve(t, m, line("one", byID(4), ""))
	r := call(t, m.Exchange.Line(usbNumber(4)), modemsim.DialOptions{})
	r.login()
	var keeper int
	must(t, m.call("Start", agent.Command{Args: []string{"sh", "-c", "exec 7<" + before + "; echo open; exec sleep 1000"}, Log: d.dir + "/keeper"}, &keeper))
	eventually(t, before+" is kept open", func() (bool, string) {
		var log agent.File
		must(t, m.call("Read", d.dir+"/keeper", &log))
		return string(log.Data) == "open\n", string(log.Data)
	})
	pull(t, m, 4)
	r.ended()
	d.wantRecord("one", 1, "Port-Error")
	if after := plug(t, m, 4); after == before {
		t.Errorf("the adapter is %s again, although that is still open", after)
	}
	d.wantState("one", "listening")
	call(t, m.Exchange.Line(usbNumber(4)), modemsim.DialOptions{}).login()
	must(t, m.call("Kill", agent.Signal{PID: keeper, Number: 9}, new(struct{})))
}

// Two adapters change places. Each line stays with its own modem.
func adaptersSwapped(t *testing.T, m *Machine) {
	node(t, m, 5)
	node(t, m, 6)
	d := serve(t, m, line("five", byID(5), "")+line("six", byID(6), ""))
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
