package lab

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"rashost/internal/admin"
	"rashost/port/modemsim"
	"rashost/test/lab/agent"
)

// alice is the user of every daemon.
const alice = name

// One machine for what becomes of a real pppd: whose name it was given, and every way in which its call ends. Each job has four UARTs, the
// line's and those of three callers: a modem whose call was just cut off may still have a NO CARRIER for who opens it next.
func TestPPPAndItsHook(t *testing.T) {
	m := boot(t, Hardware{UARTs: 20, Modules: []string{"ppp_async", "ppp_deflate", "bsd_comp"}})
	hook, err := os.ReadFile("../../hardware/ppp/ip-pre-up.d/0rashost")
	must(t, err)
	must(t, m.call("Write", agent.File{Path: "/etc/ppp/ip-pre-up.d/0rashost", Data: hook, Mode: 0o755}, new(struct{})))
	for _, file := range []string{"pap-secrets", "chap-secrets"} {
		must(t, m.call("Write", agent.File{Path: "/etc/ppp/" + file, Data: []byte("alice * x *\nbob * x *\n"), Mode: 0o600}, new(struct{})))
	}
	t.Run("Jobs", func(t *testing.T) { // which is over when all of them are
		for name, run := range map[string]func(t *testing.T, m *Machine){
			"NamesOnTheLine":              func(t *testing.T, m *Machine) { pppNames(t, m, 1, "direct: true") },
			"NamesOnAPTY":                 func(t *testing.T, m *Machine) { pppNames(t, m, 5, "direct: false") },
			"EndsOnTheLine":               func(t *testing.T, m *Machine) { pppEnds(t, m, 9, "direct: true") },
			"EndsOnAPTY":                  func(t *testing.T, m *Machine) { pppEnds(t, m, 13, "direct: false") },
			"Complaint2_1_PPPDWithCTSLow": func(t *testing.T, m *Machine) { pppCTSLow(t, m, 17, "direct: true") },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				run(t, m)
			})
		}
	})
	if pids := pidsOf(t, m, "pppd"); len(pids) > 0 {
		t.Errorf("stray pppd: %v", pids)
	}
}

// checkedService is a ppp service that checks names, for lines in 10.9.N.0.
func checkedService(n int, more string) string {
	return fmt.Sprintf("  net%d: {type: ppp, options: [nodefaultroute, \"10.9.%d.1:10.9.%d.2\"], grace: 2s, %s}", n, n, n, more)
}

func wantStep(t *testing.T, c admin.CallView, want string) {
	t.Helper()
	if !slices.ContainsFunc(c.Steps, func(s admin.StepView) bool { return strings.Contains(s.What, want) }) {
		t.Errorf("the record lacks %q:\n%s", want, c.Why)
	}
}

// strays returns the host's pppds on a device or a pty; the callers' own are not among them.
func strays(t *testing.T, m *Machine, dir string) (left []int) {
	t.Helper()
	for _, pid := range pidsOf(t, m, "pppd") {
		var f agent.File
		if m.call("Read", fmt.Sprintf("/proc/%d/cmdline", pid), &f) == nil && strings.Contains(string(f.Data), dir+"/") {
			left = append(left, pid)
		}
	}
	return left
}

// The name that the dialog let in goes through; another one is killed before a packet passes, with event 20100; noauth is written down.
func pppNames(t *testing.T, m *Machine, n int, direct string) {
	d := serve(t, m, pppLine(n), checkedService(n, direct))
	l, name := m.Exchange.Line(number(n)), fmt.Sprint("ppp", n)
	d.wantState(name, "listening")
	p := dialUp(t, m, n+1, l, pppAddress(n), "user", alice, "password", "x")
	p.up()
	p.transfer(20_000)
	must(t, m.call("Kill", agent.Signal{PID: p.pid, Number: 15}, new(struct{})))
	p.ended()
	c := d.wantRecord(name, 1, "User-Request")
	wantStep(t, c, `the name in PPP is that of the dialog: "alice"`)
	wantStep(t, c, fmt.Sprintf("the caller's address is 10.9.%d.2", n))
	d.wantBack(name, c)

	p = dialUp(t, m, n+2, l, pppAddress(n), "user", "bob", "password", "x")
	p.ended()
	c = d.wantRecord(name, 2, "Service-Unavailable")
	if !slices.Contains(c.Events, 20100) || c.User != "alice" || c.Exit != "signal KILL" {
		t.Errorf("events %v, user %q, exit %q:\n%s", c.Events, c.User, c.Exit, c.Why)
	}
	wantStep(t, c, `the name in PPP, "bob", is not that of the dialog, "alice"`)
	if slices.ContainsFunc(c.Steps, func(s admin.StepView) bool { return strings.Contains(s.What, "PPP is up") }) {
		t.Errorf("packets passed:\n%s", c.Why)
	}
	if left := strays(t, m, d.dir); len(left) > 0 {
		t.Errorf("stray pppd: %v", left)
	}
	d.wantBack(name, c)
	d.stop()

	d = serve(t, m, pppLine(n), pppService(n, direct))
	d.wantState(name, "listening")
	p = dialUp(t, m, n+3, l, pppAddress(n), "user", alice)
	p.up()
	l.Cut()
	p.ended()
	c = d.wantRecord(name, 1, "Lost-Carrier")
	wantStep(t, c, "the name in PPP was not checked: the service's options say noauth")
	d.wantBack(name, c)
}

// The operator hangs up; rashost is killed and starts again; it stops: no pppd is left, and the line takes the next call.
func pppEnds(t *testing.T, m *Machine, n int, direct string) {
	d := serve(t, m, pppLine(n), checkedService(n, direct))
	l, name := m.Exchange.Line(number(n)), fmt.Sprint("ppp", n)
	sessions := 0
	session := func() *peer {
		d.wantState(name, "listening")
		sessions++
		p := dialUp(t, m, n+sessions, l, pppAddress(n), "user", alice, "password", "x")
		p.up()
		return p
	}
	none := func(after string) {
		t.Helper()
		eventually(t, "no pppd is left "+after, func() (bool, string) {
			left := strays(t, m, d.dir)
			return len(left) == 0, fmt.Sprint(left)
		})
	}
	p := session()
	must(t, d.ask("POST", "/v1/lines/"+name+"/hangup", new(struct{})))
	p.ended()
	c := d.wantRecord(name, 1, "Admin-Reset")
	none("after a hang-up")
	d.wantBack(name, c)

	p = session()
	d.signal(9)
	d.wait()
	d.start()
	none("after kill -9 and a start")
	p.ended()
	d.wantRecord(name, 2, "NAS-Reboot")

	p = session()
	d.stop()
	none("after a stop")
	p.ended()
}

// The modem takes nothing more (CTS low) while output is queued, and the operator hangs up: pppd would wait for the output when it gives the
// line back. It is ended, and the line listens again.
func pppCTSLow(t *testing.T, m *Machine, n int, direct string) {
	d := serve(t, m, fmt.Sprintf("  - {name: ppp%d, device: %s, flow: rtscts, dialog: staff, service: net%d}\n", n, uartDevice(n), n), checkedService(n, direct))
	l, name := m.Exchange.Line(number(n)), fmt.Sprint("ppp", n)
	d.wantState(name, "listening")
	p := dialUp(t, m, n+1, l, pppAddress(n), "user", alice, "password", "x")
	p.up()
	l.Modem.SetFaults(modemsim.Faults{HoldCTS: true})
	_, err := m.Run(agent.Command{Args: []string{"ping", "-c", "30", "-A", "-s", "1400", "-w", "3", fmt.Sprintf("10.9.%d.2", n)}}) // no answer comes
	must(t, err)
	must(t, d.ask("POST", "/v1/lines/"+name+"/hangup", new(struct{})))
	p.ended()
	c := d.wantRecord(name, 1, "Admin-Reset")
	if left := strays(t, m, d.dir); len(left) > 0 {
		t.Errorf("stray pppd: %v", left)
	}
	l.Modem.SetFaults(modemsim.Faults{})
	d.wantBack(name, c)
	p = dialUp(t, m, n+2, l, pppAddress(n), "user", alice, "password", "x")
	p.up()
}
