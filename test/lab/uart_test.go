package lab

import (
	"bytes"
	"strings"
	"testing"

	"rashost/internal/admin"
	"rashost/port/modemsim"
	"rashost/test/lab/agent"
)

// One machine for all that concerns single 16550s. Each job has UARTs of its own, by number.
func TestUART(t *testing.T) {
	m := boot(t, Hardware{UARTs: 19, Wires: []int{11}})
	runJobs(t, m, []job{
		{"HangUpByDTR", hangUpByDTR},
		{"CarrierLostInDialog", carrierLostInDialog},
		{"CarrierLostInSession", carrierLostInSession},
		{"CLOCAL", clocal},
		{"OpenWithoutCarrier", openWithoutCarrier},
		{"SpeedAndParity", speedAndParity},
		{"KillAndRestart", killAndRestart},
		{"Complaint2_1_CTSHeldLow", ctsHeldLow},
	})
}

// Our hang-up drops DTR, and that alone makes the modem go on hook.
func hangUpByDTR(t *testing.T, m *Machine) {
	d := serve(t, m, line("one", uartDevice(1), ", rings: 2"))
	l := m.Exchange.Line(number(1))
	d.wantState("one", "listening")
	before := l.DTE()
	if !before.DTR || !before.RTS || before.Frame != "115200 8N1" {
		t.Errorf("a listening line: %+v", before)
	}
	r := call(t, l, modemsim.DialOptions{Number: "5550100"})
	r.login()
	if got := d.view("one"); got.State != "session" || got.CallerID != "5550100" {
		t.Errorf("in the session: %+v", got)
	}
	must(t, d.ask("POST", "/v1/lines/one/hangup", new(struct{})))
	r.ended()
	c := d.wantRecord("one", 1, "Admin-Reset")
	if l.DTE().Drops == before.Drops {
		t.Error("DTR did not fall")
	}
	wantWhy(t, c, "DTR")
	d.wantBack("one", c)
	call(t, l, modemsim.DialOptions{}).login()
}

// The carrier goes, and only DCD tells: no NO CARRIER.
func carrierLostInDialog(t *testing.T, m *Machine) {
	d := serve(t, m, line("one", uartDevice(2), ""))
	l := m.Exchange.Line(number(2))
	l.Modem.SetFaults(modemsim.Faults{SilentHangup: true})
	r := call(t, l, modemsim.DialOptions{})
	r.expect("login: ")
	r.hangUp()
	d.wantBack("one", d.wantRecord("one", 1, "Lost-Carrier"))
	call(t, l, modemsim.DialOptions{}).login()
}

func carrierLostInSession(t *testing.T, m *Machine) {
	d := serve(t, m, line("one", uartDevice(3), "")+line("two", uartDevice(4), ""))
	for i, silent := range []bool{true, false} { // by DCD alone; by DCD and NO CARRIER
		l, name := m.Exchange.Line(number(3+i)), []string{"one", "two"}[i]
		l.Modem.SetFaults(modemsim.Faults{SilentHangup: silent})
		r := call(t, l, modemsim.DialOptions{})
		r.login()
		r.hangUp()
		c := d.wantRecord(name, 1, "Lost-Carrier")
		if c.User != "alice" || c.Verdict != "success" {
			t.Errorf("record: %+v", c)
		}
		d.wantBack(name, c)
		call(t, l, modemsim.DialOptions{}).login()
	}
}

// A listening line is CLOCAL. Once carrier is up it is not, so that the kernel hangs the device up for all that have it open.
// Then it is CLOCAL again.
func clocal(t *testing.T, m *Machine) {
	d := serve(t, m, line("one", uartDevice(5), ""))
	l := m.Exchange.Line(number(5))
	d.wantState("one", "listening")
	wantSetting(t, m, uartDevice(5), "clocal")
	r := call(t, l, modemsim.DialOptions{})
	r.login()
	wantSetting(t, m, uartDevice(5), "-clocal")
	r.hangUp()
	d.wantBack("one", d.wantRecord("one", 1, "Lost-Carrier"))
	wantSetting(t, m, uartDevice(5), "clocal")
}

// wantSetting checks a word of what stty says.
func wantSetting(t *testing.T, m *Machine, device, word string) {
	t.Helper()
	eventually(t, device+" is "+word, func() (bool, string) {
		out, err := m.Do("stty", "-F", device, "-a")
		must(t, err)
		return strings.Contains(" "+strings.NewReplacer(";", " ", "\n", " ").Replace(out)+" ", " "+word+" "), out
	})
}

// A device that was left with CLOCAL off and has no carrier lets nobody open it who waits. The daemon does not.
func openWithoutCarrier(t *testing.T, m *Machine) {
	device := uartDevice(6)
	_, err := m.Do("stty", "-F", device, "-clocal")
	must(t, err)
	if r, err := m.Run(agent.Command{Args: []string{"timeout", "1", "sh", "-c", ": <" + device}}); err != nil || r.Code == 0 {
		t.Fatalf("an open that waits for carrier ended with %+v, %v", r, err)
	}
	d := serve(t, m, line("one", device, ""))
	d.wantState("one", "listening")
	call(t, m.Exchange.Line(number(6)), modemsim.DialOptions{}).login()
}

// The modem sees the speed and the frame of the configuration, and calls come through.
func speedAndParity(t *testing.T, m *Machine) {
	frames := []struct{ keys, want string }{
		{", baud: 1200, parity: even", "1200 7E1"}, {", baud: 9600, parity: odd", "9600 7O1"}, {", baud: 57600", "57600 8N1"},
	}
	names := []string{"one", "two", "three"}
	lines := ""
	for i, f := range frames {
		lines += line(names[i], uartDevice(7+i), f.keys)
	}
	d := serve(t, m, lines)
	for i, f := range frames {
		d.wantState(names[i], "listening")
		l := m.Exchange.Line(number(7 + i))
		r := call(t, l, modemsim.DialOptions{})
		r.login()
		if got := l.DTE().Frame; got != f.want {
			t.Errorf("%s: the modem sees %s, want %s", f.keys, got, f.want)
		}
		r.hangUp()
		d.wantBack(names[i], d.wantRecord(names[i], 1, "Lost-Carrier"))
		if got := l.DTE().Frame; got != f.want {
			t.Errorf("%s: after the call the modem sees %s, want %s", f.keys, got, f.want)
		}
	}
}

// kill -9 in a session: the kernel drops DTR, so the caller is gone, and the next daemon takes the line and closes the record.
func killAndRestart(t *testing.T, m *Machine) {
	d := serve(t, m, line("one", uartDevice(10), ""))
	l := m.Exchange.Line(number(10))
	r := call(t, l, modemsim.DialOptions{})
	r.login()
	d.signal(9)
	if code := d.wait(); code != 128+9 {
		t.Errorf("the daemon ended with %d", code)
	}
	r.ended()
	if l.DTE().DTR {
		t.Error("DTR is high although nobody has the device open")
	}
	d.start()
	c := d.wantRecord("one", 1, "NAS-Reboot")
	if c.User != "alice" {
		t.Errorf("record: %+v", c)
	}
	d.wantState("one", "listening")
	call(t, l, modemsim.DialOptions{}).login()
}

// CTS is low with output queued, and then the caller goes: neither tcsetattr nor close may wait for the modem to take the output.
func ctsHeldLow(t *testing.T, m *Machine) {
	d := serve(t, m, line("one", uartDevice(12), ""))
	l := m.Exchange.Line(number(12))
	r := call(t, l, modemsim.DialOptions{})
	r.login()
	l.Modem.SetFaults(modemsim.Faults{HoldCTS: true})
	if err := r.SendRaw(bytes.Repeat([]byte("all of this comes back\r"), 500)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "output is queued", func() (bool, string) {
		before := d.view("one").OctetsIn
		return before > 5000, "not read yet"
	})
	r.hangUp()
	c := d.wantRecord("one", 1, "Lost-Carrier")
	l.Modem.SetFaults(modemsim.Faults{})
	d.wantBack("one", c)
	call(t, l, modemsim.DialOptions{}).login()
}

// wantWhy checks that the chain of a record says something.
func wantWhy(t *testing.T, c admin.CallView, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(c.Why, text) {
			t.Errorf("the record does not say %q:\n%s", text, c.Why)
		}
	}
}
