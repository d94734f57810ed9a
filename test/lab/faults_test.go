package lab

import (
	"bytes"
	"slices"
	"testing"

	"rashost/internal/admin"
	"rashost/port"
	"rashost/port/modemsim"
)

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
	d.wantEvent("one", port.EventCTSLow)
	l.Modem.SetFaults(modemsim.Faults{})
	d.wantBack("one", c)
	call(t, l, modemsim.DialOptions{}).login()
}

// DCD stays high after the caller has gone, as with a modem or a cable that has it wired so. NO CARRIER ends the call all the same.
func dcdStuck(t *testing.T, m *Machine) {
	d := serve(t, m, line("one", uartDevice(19), ""))
	l := m.Exchange.Line(number(19))
	r := call(t, l, modemsim.DialOptions{})
	r.login()
	l.Modem.SetFaults(modemsim.Faults{StuckDCD: true})
	r.hangUp()
	c := d.wantRecord("one", 1, "Lost-Carrier")
	d.wantEvent("one", port.EventStuckDCD)
	d.wantBack("one", c)
	l.Modem.SetFaults(modemsim.Faults{})
	call(t, l, modemsim.DialOptions{}).login()
}

// A modem that does not hang up when DTR drops, and whose escape the set-up has switched off, stays in its call whatever we do. The line says
// so and comes back when the caller has gone.
func modemIgnoresDTR(t *testing.T, m *Machine) {
	d := serve(t, m, line("one", uartDevice(20), ""))
	l := m.Exchange.Line(number(20))
	r := call(t, l, modemsim.DialOptions{})
	r.login()
	l.Modem.SetFaults(modemsim.Faults{DeafToDTR: true})
	must(t, d.ask("POST", "/v1/lines/one/hangup", new(struct{})))
	d.wantRecord("one", 1, "Admin-Reset")
	d.wantEvent("one", port.EventDTRIgnored)
	if s := d.wantState("one", "recovering", "quarantined"); s.Reason == "" {
		t.Errorf("%s without a reason", s.State)
	}
	r.hangUp()
	l.Modem.SetFaults(modemsim.Faults{})
	d.wantState("one", "listening")
	call(t, l, modemsim.DialOptions{}).login()
}

// The modem is switched off in a session: DSR, CTS and DCD fall. The line says that the modem is off, and listens when it is on again.
func modemSwitchedOff(t *testing.T, m *Machine) {
	d := serve(t, m, line("one", uartDevice(21), ""))
	l := m.Exchange.Line(number(21))
	r := call(t, l, modemsim.DialOptions{})
	r.login()
	l.Modem.SetFaults(modemsim.Faults{Off: true})
	d.wantRecord("one", 1, "Lost-Carrier")
	d.wantEvent("one", port.EventDSRLow)
	if s := d.wantState("one", "recovering", "quarantined"); s.Reason == "" {
		t.Errorf("%s without a reason", s.State)
	}
	l.Modem.SetFaults(modemsim.Faults{})
	d.wantState("one", "listening")
	call(t, l, modemsim.DialOptions{}).login()
}

// wantEvent waits until a line has an event of that kind.
func (d *daemon) wantEvent(name, kind string) {
	d.t.Helper()
	eventually(d.t, name+" has the event "+kind, func() (bool, string) {
		var reply admin.LineReply
		must(d.t, d.ask("GET", "/v1/lines/"+name, &reply))
		kinds := ""
		for _, e := range reply.Events {
			kinds += e.Kind + ": " + e.Text + ": " + e.Result + "\n"
		}
		return slices.ContainsFunc(reply.Events, func(e admin.LineEventView) bool { return e.Kind == kind }), kinds
	})
}
