package lab

import (
	"strings"
	"testing"

	"rashost/port/modemsim"
)

// One machine for all that concerns single 16550s. Each job has UARTs of its own, by number.
func TestUART(t *testing.T) {
	m := boot(t, Hardware{UARTs: 15})
	runJobs(t, m, []job{
		{"HangUpByDTR", hangUpByDTR},
	})
}

// Our hang-up drops DTR, and that alone makes the modem go on hook.
func hangUpByDTR(t *testing.T, m *Machine) {
	d := serve(t, m, line("one", uartDevice(1), ""))
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
	if !strings.Contains(c.Why, "DTR") {
		t.Errorf("the record does not say how the line was hung up:\n%s", c.Why)
	}
	d.wantBack("one", c)
	call(t, l, modemsim.DialOptions{}).login()
}
