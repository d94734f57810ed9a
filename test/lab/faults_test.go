package lab

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rashost/internal/admin"
	"rashost/port"
	"rashost/port/modemsim"
	"rashost/test/lab/exchange"
)

// CTS is low with output queued, and then the caller goes: neither tcsetattr nor close may wait for the modem to take the output.
func ctsHeldLow(t *testing.T, d *daemon) {
	l := d.m.Exchange.Line(number(12))
	r := call(t, l, modemsim.DialOptions{})
	r.login()
	l.Modem.SetFaults(modemsim.Faults{HoldCTS: true})
	if err := r.SendRaw(bytes.Repeat([]byte("all of this comes back\r"), 500)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the service has it", func() (bool, string) {
		n := d.view("cts").OctetsIn
		return n > 5000, fmt.Sprint(n)
	})
	r.hangUp()
	d.wantRecord("cts", 1, "Lost-Carrier")
	d.wantEvent("cts", port.EventCTSLow)
	d.repaired("cts", l)
}

// DCD stays high when we hang up, so the modem seems to be in its call still. The line says so, and works when DCD does.
func dcdStuck(t *testing.T, d *daemon) {
	l := d.m.Exchange.Line(number(19))
	r := call(t, l, modemsim.DialOptions{})
	r.login()
	l.Modem.SetFaults(modemsim.Faults{StuckDCD: true})
	must(t, d.ask("POST", "/v1/lines/dcd/hangup", new(struct{})))
	d.wantRecord("dcd", 1, "Admin-Reset")
	d.wantEvent("dcd", port.EventStuckDCD)
	d.repaired("dcd", l)
}

// A modem that does not hang up when DTR drops, and whose escape the set-up has switched off, stays in its call whatever we do. The line says
// so, and comes back by itself when the modem obeys; a line with less patience is quarantined, with the same reason.
func modemIgnoresDTR(t *testing.T, d *daemon) {
	for uart, name := range map[int]string{20: "deaf", 22: "quarantined"} {
		l := d.m.Exchange.Line(number(uart))
		r := call(t, l, modemsim.DialOptions{})
		r.login()
		l.Modem.SetFaults(modemsim.Faults{DeafToDTR: true})
		must(t, d.ask("POST", "/v1/lines/"+name+"/hangup", new(struct{})))
		d.wantRecord(name, 1, "Admin-Reset")
	}
	if s := d.wantState("deaf", "recovering"); !strings.Contains(s.Reason, "ignores DTR") {
		t.Errorf("the reason does not say what is wrong: %s", s.Reason)
	}
	d.repaired("deaf", d.m.Exchange.Line(number(20)))
	if s := d.wantState("quarantined", "quarantined"); !strings.Contains(s.Reason, "ignores DTR") {
		t.Errorf("the reason does not say what is wrong: %s", s.Reason)
	}
}

// The modem is switched off in a session: DSR, CTS and DCD fall. The line says that the modem is off, and listens when it is on again.
func modemSwitchedOff(t *testing.T, d *daemon) {
	l := d.m.Exchange.Line(number(21))
	r := call(t, l, modemsim.DialOptions{})
	r.login()
	l.Modem.SetFaults(modemsim.Faults{Off: true})
	d.wantRecord("off", 1, "Lost-Carrier")
	d.wantEvent("off", port.EventDSRLow)
	l.Modem.Plug() // it will have forgotten its settings
	d.repaired("off", l)
}

// repaired makes sure that a faulty line is out of service with a reason; then the fault is over, and the line must come back by itself.
func (d *daemon) repaired(name string, l *exchange.Line) {
	d.t.Helper()
	if s := d.wantState(name, "recovering", "listening"); s.State != "listening" && s.Reason == "" {
		d.t.Error("it is out of service without a reason")
	}
	l.Modem.SetFaults(modemsim.Faults{})
	over := time.Now()
	d.wantState(name, "listening")
	d.t.Logf("%s listens %.1f s after its fault is over", name, time.Since(over).Seconds())
	call(d.t, l, modemsim.DialOptions{}).login()
}

// wantEvent waits until a line has an event of that kind.
func (d *daemon) wantEvent(name, kind string) {
	d.t.Helper()
	d.wantEventText(name, kind, "")
}

// wantEventText waits until a line has an event of that kind that says text, as "what: result".
func (d *daemon) wantEventText(name, kind, text string) {
	d.t.Helper()
	eventually(d.t, fmt.Sprintf("%s has the event %s %q", name, kind, text), func() (bool, string) {
		var reply admin.LineReply
		must(d.t, d.ask("GET", "/v1/lines/"+name, &reply))
		all := ""
		for _, e := range reply.Events {
			all += e.Kind + ": " + e.Text + ": " + e.Result + "\n"
		}
		return slices.ContainsFunc(reply.Events, func(e admin.LineEventView) bool {
			return e.Kind == kind && strings.Contains(e.Text+": "+e.Result, text)
		}), all
	})
}
