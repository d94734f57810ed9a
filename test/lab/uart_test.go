package lab

import (
	"fmt"
	"strings"
	"testing"

	"rashost/internal/admin"
	"rashost/internal/caller"
	"rashost/port/modemsim"
	"rashost/test/lab/agent"
)

// One machine for all that concerns single 16550s. Each line is named after its job and has a UART of its own.
func TestUART(t *testing.T) {
	m := boot(t, Hardware{UARTs: 27, Wires: []int{11, 24}})
	runJobs(t, m, []job{
		{"HangUpByDTR", line("dtr", uartDevice(1), ", rings: 2"), hangUpByDTR},
		{"CarrierLostInDialog", line("dialog", uartDevice(2), ""), carrierLostInDialog},
		{"CarrierLostInSession", line("silent", uartDevice(3), "") + line("told", uartDevice(4), ""), carrierLostInSession},
		{"CLOCAL", line("clocal", uartDevice(5), ""), clocal},
		{"OpenWithoutCarrier", "", openWithoutCarrier},
		{"SpeedAndParity", line("even", uartDevice(7), ", baud: 1200, parity: even") + line("odd", uartDevice(8), ", baud: 9600, parity: odd") +
			line("none", uartDevice(9), ", baud: 57600"), speedAndParity},
		{"OddSpeed", line("odd-speed", uartDevice(23), ", baud: 14400"), oddSpeed},
		{"AutobaudCR", "", autobaudCR},
		{"KillAndRestart", "", killAndRestart},
		{"Break", "", breakBothWays},
		{"CarrierModes", line("auto", uartDevice(13), ", carrier: auto") + line("required", uartDevice(14), ", carrier: required") +
			line("ignore", uartDevice(15), ", carrier: ignore"), carrierModes},
		{"FlowControl", line("rtscts", uartDevice(16), ", flow: rtscts") + line("xonxoff", uartDevice(17), ", flow: xonxoff") +
			line("noflow", uartDevice(18), ", flow: none"), flowControl},
		{"Complaint2_1_CTSHeldLow", line("cts", uartDevice(12), ""), ctsHeldLow},
		{"Complaint2_1_DCDStuck", line("dcd", uartDevice(19), ""), dcdStuck},
		{"Complaint2_1_ModemIgnoresDTR", line("deaf", uartDevice(20), "") +
			line("quarantined", uartDevice(22), ", quarantine_after: 1"), modemIgnoresDTR},
		{"Complaint2_1_ModemSwitchedOff", line("off", uartDevice(21), ""), modemSwitchedOff},
	})
}

// Our hang-up drops DTR, and that alone makes the modem go on hook.
func hangUpByDTR(t *testing.T, d *daemon) {
	l := d.m.Exchange.Line(number(1))
	d.wantState("dtr", "listening")
	before := l.DTE()
	if !before.DTR || !before.RTS || before.Frame != "115200 8N1" {
		t.Errorf("a listening line: %+v", before)
	}
	r := call(t, l, modemsim.DialOptions{Number: "5550100"})
	r.login()
	if got := d.view("dtr"); got.State != "session" || got.CallerID != "5550100" {
		t.Errorf("in the session: %+v", got)
	}
	must(t, d.ask("POST", "/v1/lines/dtr/hangup", new(struct{})))
	r.ended()
	c := d.wantRecord("dtr", 1, "Admin-Reset")
	if l.DTE().Drops == before.Drops {
		t.Error("DTR did not fall")
	}
	wantWhy(t, c, "DTR")
	d.wantBack("dtr", c)
	call(t, l, modemsim.DialOptions{}).login()
}

// The carrier goes, and only DCD tells: no NO CARRIER.
func carrierLostInDialog(t *testing.T, d *daemon) {
	l := d.m.Exchange.Line(number(2))
	l.Modem.SetFaults(modemsim.Faults{SilentHangup: true})
	r := call(t, l, modemsim.DialOptions{})
	r.expect("login: ")
	r.hangUp()
	d.wantBack("dialog", d.wantRecord("dialog", 1, "Lost-Carrier"))
	call(t, l, modemsim.DialOptions{}).login()
}

func carrierLostInSession(t *testing.T, d *daemon) {
	for i, silent := range []bool{true, false} { // by DCD alone; by DCD and NO CARRIER
		l, name := d.m.Exchange.Line(number(3+i)), []string{"silent", "told"}[i]
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
func clocal(t *testing.T, d *daemon) {
	l := d.m.Exchange.Line(number(5))
	d.wantState("clocal", "listening")
	wantSetting(t, d.m, uartDevice(5), "clocal")
	r := call(t, l, modemsim.DialOptions{})
	r.login()
	wantSetting(t, d.m, uartDevice(5), "-clocal")
	r.hangUp()
	d.wantBack("clocal", d.wantRecord("clocal", 1, "Lost-Carrier"))
	wantSetting(t, d.m, uartDevice(5), "clocal")
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
func openWithoutCarrier(t *testing.T, shared *daemon) {
	m := shared.m
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
func speedAndParity(t *testing.T, d *daemon) {
	for i, tc := range []struct{ name, frame string }{{"even", "1200 7E1"}, {"odd", "9600 7O1"}, {"none", "57600 8N1"}} {
		d.wantState(tc.name, "listening")
		l := d.m.Exchange.Line(number(7 + i))
		r := call(t, l, modemsim.DialOptions{})
		r.login()
		if got := l.DTE().Frame; got != tc.frame {
			t.Errorf("%s: the modem sees %s, want %s", tc.name, got, tc.frame)
		}
		r.hangUp()
		d.wantBack(tc.name, d.wantRecord(tc.name, 1, "Lost-Carrier"))
		if got := l.DTE().Frame; got != tc.frame {
			t.Errorf("%s: after the call the modem sees %s, want %s", tc.name, got, tc.frame)
		}
	}
}

// A speed for which there is no constant: the UART has the divisor for it. QEMU knows no such speed at the far end, and shows the next.
func oddSpeed(t *testing.T, d *daemon) {
	d.wantState("odd-speed", "listening")
	const divisor = 115200 / 14400
	if got, err := d.m.Do("/lab/guest", "divisor", uartDevice(23)); err != nil || strings.TrimSpace(got) != fmt.Sprint(divisor) {
		t.Errorf("the UART divides by %q, want %d: %v", got, divisor, err)
	}
	call(t, d.m.Exchange.Line(number(23)), modemsim.DialOptions{}).login()
}

// kill -9 in a session: the kernel drops DTR, so the caller is gone, and the next daemon takes the line and closes the record.
func killAndRestart(t *testing.T, shared *daemon) {
	m := shared.m
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

// wantWhy checks that the chain of a record says something.
func wantWhy(t *testing.T, c admin.CallView, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(c.Why, text) {
			t.Errorf("the record does not say %q:\n%s", text, c.Why)
		}
	}
}

// Breaks from the far end take a direct line from speed to speed, until Enter begins the call. And the far end gets ours.
func breakBothWays(t *testing.T, shared *daemon) {
	m := shared.m
	const uart = 11
	wire := m.Exchange.Line(number(uart))
	before := wire.DTE().Breaks
	if _, err := m.Do("/lab/guest", "break", uartDevice(uart)); err != nil {
		t.Fatal(err)
	}
	if got := wire.DTE().Breaks; got != before+1 {
		t.Errorf("%d breaks reached the far end, want 1", got-before)
	}
	d := serve(t, m, line("one", uartDevice(uart), ", modem: none, autobaud: break, speeds: [9600, 1200, 300]"))
	wantFrame := func(want string) {
		t.Helper()
		eventually(t, "the line is at "+want, func() (bool, string) { got := wire.DTE().Frame; return got == want, got })
	}
	d.wantState("one", "listening")
	wantFrame("9600 8N1")
	must(t, m.Break(uart))
	wantFrame("1200 8N1")
	eventually(t, "a break takes the line to 300", func() (bool, string) { // one that comes too soon does not count
		must(t, m.Break(uart))
		got := wire.DTE().Frame
		return got == "300 8N1", got
	})
	wire.Set(modemsim.Signals{CTS: true, DSR: true, DCD: true})
	r := &robot{Caller: caller.New(wire), t: t}
	eventually(t, "Enter begins a call", func() (bool, string) {
		r.send("")
		got := d.view("one").State
		return got == "dialog", got
	})
	r.login()
	wire.Set(modemsim.Signals{CTS: true})
	d.wantBack("one", d.wantRecord("one", 1, "Lost-Carrier"))
	wantFrame("9600 8N1")
}

// A caller at 1200 bit/s presses Enter until the line has found that speed. What comes at another speed is no Enter.
func autobaudCR(t *testing.T, shared *daemon) {
	m := shared.m
	const uart = 24
	wire := m.Exchange.Line(number(uart))
	d := serve(t, m, line("one", uartDevice(uart), ", modem: none, autobaud: cr, speeds: [9600, 300, 1200]"))
	d.wantState("one", "listening")
	wire.Set(modemsim.Signals{CTS: true, DSR: true, DCD: true})
	seen := map[string]bool{}
	eventually(t, "Enter begins a call", func() (bool, string) {
		frame := wire.DTE().Frame
		seen[frame] = true
		enter := []byte("\r")
		if frame != "1200 8N1" {
			enter = []byte{0xe6} // the rates are not real: what a UART at another speed makes of it
		}
		if _, err := wire.Write(enter); err != nil {
			t.Fatal(err)
		}
		got := d.view("one").State
		return got == "dialog", frame + ": " + got
	})
	if !seen["9600 8N1"] || !seen["1200 8N1"] {
		t.Errorf("the speeds that were tried: %v", seen)
	}
	r := &robot{Caller: caller.New(wire), t: t}
	r.login()
	if got := wire.DTE().Frame; got != "1200 8N1" {
		t.Errorf("the call is at %s", got)
	}
}

// The three carrier modes differ: the caller goes without a word, and only where DCD is obeyed the call ends.
func carrierModes(t *testing.T, d *daemon) {
	for i, mode := range []string{"auto", "required", "ignore"} {
		l := d.m.Exchange.Line(number(13 + i))
		l.Modem.SetFaults(modemsim.Faults{SilentHangup: true})
		d.wantState(mode, "listening")
		r := call(t, l, modemsim.DialOptions{})
		r.login()
		r.hangUp()
	}
	for _, mode := range []string{"auto", "required"} {
		d.wantBack(mode, d.wantRecord(mode, 1, "Lost-Carrier"))
	}
	if l := d.view("ignore"); l.State != "session" {
		t.Errorf("with carrier: ignore the line is %s: %s", l.State, l.Reason)
	}
	wantSetting(t, d.m, uartDevice(15), "clocal")
	must(t, d.ask("POST", "/v1/lines/ignore/hangup", new(struct{})))
	d.wantBack("ignore", d.wantRecord("ignore", 1, "Admin-Reset"))
}

// The device is set to the flow control of the configuration.
func flowControl(t *testing.T, d *daemon) {
	for i, f := range []struct{ name, cts, xon string }{
		{"rtscts", "crtscts", "-ixon"}, {"xonxoff", "-crtscts", "ixon"}, {"noflow", "-crtscts", "-ixon"},
	} {
		d.wantState(f.name, "listening")
		wantSetting(t, d.m, uartDevice(16+i), f.cts)
		wantSetting(t, d.m, uartDevice(16+i), f.xon)
	}
}
