package lab

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rashost/internal/admin"
	"rashost/port/modemsim"
	"rashost/test/lab/agent"
	"rashost/test/lab/exchange"
)

// One machine with all the UARTs that there can be: first a line on each, then callers with pppd, who need UARTs, too.
func TestAccessServer(t *testing.T) {
	m := boot(t, Hardware{UARTs: 31, Modules: []string{"ppp_async", "ppp_deflate", "bsd_comp"}})
	t.Run("AllListening", func(t *testing.T) { allListening(t, m) })
	t.Run("PPP", func(t *testing.T) { // which is over when all of them are
		for name, run := range map[string]func(t *testing.T, m *Machine){
			"OneCaller":        func(t *testing.T, m *Machine) { pppCall(t, m, 1, "direct: false", 1<<20) },
			"Direct":           func(t *testing.T, m *Machine) { pppCall(t, m, 3, "direct: true", 1<<20) },
			"TwoCallersAtOnce": twoCallersAtOnce,
			"NameUnequal":      pppNameUnequal,
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

// pidsOf returns the live processes of that name.
func pidsOf(t *testing.T, m *Machine, name string) (pids []int) {
	t.Helper()
	must(t, m.call("Programs", name, &pids))
	return pids
}

// Every UART is a line that listens and answers.
func allListening(t *testing.T, m *Machine) {
	var lines strings.Builder
	for i := 1; i <= m.hardware.UARTs; i++ {
		lines.WriteString(line(fmt.Sprint("line", i), uartDevice(i), ""))
	}
	d := serve(t, m, lines.String())
	for i := 1; i <= m.hardware.UARTs; i++ {
		d.wantState(fmt.Sprint("line", i), "listening")
	}
	for _, i := range []int{1, 4, 31} {
		r := call(t, m.Exchange.Line(number(i)), modemsim.DialOptions{})
		r.login()
		r.hangUp()
		name := fmt.Sprint("line", i)
		d.wantBack(name, d.wantRecord(name, 1, "Lost-Carrier"))
	}
}

// peer is a caller in the guest: a Linux with pppd, whose modem is on a UART and whose network is its own.
type peer struct {
	t       *testing.T
	m       *Machine
	net     string
	service string // address of the far end
	log     string
	pid     int
}

// dialUp starts pppd, which calls a number by chat, and waits until the link is up.
func dialUp(t *testing.T, m *Machine, uart int, to *exchange.Line, server string, options ...string) *peer {
	t.Helper()
	p := &peer{t: t, m: m, net: fmt.Sprint("caller", uart), service: server, log: fmt.Sprintf("/tmp/caller%d-%d", uart, time.Now().UnixNano())}
	// What the modem said of the last call may still come until OK does.
	script := fmt.Sprintf("ABORT ERROR TIMEOUT 60 '' ATZ OK '\\c' ABORT BUSY ABORT 'NO CARRIER' ABORT 'NO ANSWER' '' ATDT%s CONNECT '\\c' ogin: %s word: %s\n",
		to.Number, name, password)
	must(t, m.call("Write", agent.File{Path: p.log + ".chat", Data: []byte(script)}, new(struct{})))
	must(t, m.call("Start", agent.Command{Net: p.net, Log: p.log, Args: append([]string{
		"pppd", uartDevice(uart), "115200", "modem", "crtscts", "nodetach", "debug", "noauth", "nolock", "noipdefault", "nodefaultroute", "maxfail", "1",
		"silent", // after the password the host begins: a caller who does is too early as long as the dialog is not over
		"logfd", "2", "connect", "chat -v -S -s -f " + p.log + ".chat",
	}, options...)}, &p.pid))
	t.Cleanup(func() {
		if t.Failed() {
			counters, _ := m.Do("sh", "-c", "cat /proc/tty/driver/serial /proc/interrupts; dmesg | tail -n 60; stty -a -F "+uartDevice(uart))
			t.Logf("the caller on UART %d:\n%s\nthe UARTs:\n%s", uart, p.said(), counters)
		}
		must(t, m.call("Kill", agent.Signal{PID: p.pid, Number: 9}, new(struct{})))
	})
	return p
}

func (p *peer) said() string {
	var f agent.File
	if err := p.m.call("Read", p.log, &f); err != nil {
		return err.Error()
	}
	return string(f.Data)
}

// up waits until the link is up.
func (p *peer) up() {
	p.t.Helper()
	eventually(p.t, "the link is up", func() (bool, string) {
		var alive bool
		must(p.t, p.m.call("Alive", p.pid, &alive))
		if said := p.said(); !alive {
			p.t.Fatalf("the caller's pppd ended with %d:\n%s", p.ended(), said)
		}
		return strings.Contains(p.said(), "remote IP address "+p.service), p.said()
	})
}

// ended waits until the caller's pppd has ended.
func (p *peer) ended() (code int) {
	p.t.Helper()
	must(p.t, p.m.call("Wait", p.pid, &code))
	return code
}

// sums is what `guest listen` and `guest dial` print.
var sums = regexp.MustCompile(`sent ([0-9a-f]{64}) received ([0-9a-f]{64})`)

// transfer sends n bytes each way at the same time, and compares the sums.
func (p *peer) transfer(n int) {
	p.t.Helper()
	log := p.log + ".listen"
	var pid, code int
	must(p.t, p.m.call("Start", agent.Command{Args: []string{"/lab/guest", "listen", p.service + ":9000", fmt.Sprint(n)}, Log: log}, &pid))
	var f agent.File
	eventually(p.t, "the host listens", func() (bool, string) {
		must(p.t, p.m.call("Read", log, &f))
		return strings.Contains(string(f.Data), "listening"), string(f.Data)
	})
	r, err := p.m.Run(agent.Command{
		Net: p.net, Args: []string{"/lab/guest", "dial", p.service + ":9000", fmt.Sprint(n)}, Limit: 2 * patience,
	})
	must(p.t, err)
	must(p.t, p.m.call("Wait", pid, &code))
	must(p.t, p.m.call("Read", log, &f))
	host, caller := sums.FindStringSubmatch(string(f.Data)), sums.FindStringSubmatch(r.Out)
	if host == nil || caller == nil || host[1] != caller[2] || host[2] != caller[1] || host[1] == host[2] {
		p.t.Errorf("the sums differ; exit %d and %d\nhost: %s\ncaller: %s", code, r.Code, f.Data, r.Out)
	}
}

// pppService is a service of the configuration for lines in 10.9.N.0.
func pppService(n int, more string) string {
	return fmt.Sprintf(`  net%d: {type: ppp, idle: 1h, options: [noauth, debug, nodefaultroute, "10.9.%d.1:10.9.%d.2"], %s}`, n, n, n, more)
}

// pppLine is a line with that service.
func pppLine(uart int) string {
	return fmt.Sprintf("  - {name: ppp%d, device: %s, dialog: staff, service: net%d}\n", uart, uartDevice(uart), uart)
}

func pppAddress(uart int) string { return fmt.Sprintf("10.9.%d.1", uart) }

// A Linux calls, passes the dialog, gets an address, moves bytes both ways; the carrier drops; the next call works, and ends in order.
// The line is on UART n, the caller on the next one.
func pppCall(t *testing.T, m *Machine, n int, more string, bytes int) {
	d := serve(t, m, pppLine(n), pppService(n, more))
	l, name := m.Exchange.Line(number(n)), fmt.Sprint("ppp", n)
	d.wantState(name, "listening")
	p := dialUp(t, m, n+1, l, pppAddress(n), "user", name)
	p.up()
	p.transfer(bytes)
	l.Cut()
	if code := p.ended(); code != 16 {
		t.Errorf("the caller's pppd ended with %d, want 16, modem hung up", code)
	}
	c := d.wantRecord(name, 1, "Lost-Carrier")
	if c.User != "alice" || c.Service != fmt.Sprint("net", n) || c.OctetsIn < uint64(bytes) || c.OctetsOut < uint64(bytes) {
		t.Errorf("record: %+v", c)
	}
	d.wantBack(name, c)

	p = dialUp(t, m, n+1, l, pppAddress(n), "user", name)
	p.up()
	must(t, m.call("Kill", agent.Signal{PID: p.pid, Number: 15}, new(struct{})))
	p.ended()
	c = d.wantRecord(name, 2, "User-Request")
	d.wantBack(name, c)
}

// Two callers on two lines of one host, at the same time.
func twoCallersAtOnce(t *testing.T, m *Machine) {
	d := serve(t, m, pppLine(5)+pppLine(6), pppService(5, "direct: false"), pppService(6, "direct: true"))
	peers := map[int]*peer{}
	for _, n := range []int{5, 6} {
		d.wantState(fmt.Sprint("ppp", n), "listening")
		peers[n] = dialUp(t, m, n+2, m.Exchange.Line(number(n)), pppAddress(n), "user", name)
	}
	var both sync.WaitGroup
	for _, p := range peers {
		p.up()
	}
	for _, p := range peers {
		both.Go(func() { p.transfer(100_000) })
	}
	both.Wait()
	for n, p := range peers {
		if got := d.view(fmt.Sprint("ppp", n)); got.State != "session" {
			t.Errorf("line ppp%d: %+v", n, got)
		}
		m.Exchange.Line(number(n)).Cut()
		p.ended()
		d.wantBack(fmt.Sprint("ppp", n), d.wantRecord(fmt.Sprint("ppp", n), 1, "Lost-Carrier"))
	}
}

// The caller gives another name in PPP than in the dialog: the host ends the call before a packet gets through, by the hook that pppd runs.
// With the same name the next call gets its link.
func pppNameUnequal(t *testing.T, m *Machine) {
	hook, err := os.ReadFile("../../hardware/ppp/ip-pre-up.d/0rashost")
	must(t, err)
	must(t, m.call("Write", agent.File{Path: "/etc/ppp/ip-pre-up.d/0rashost", Data: hook, Mode: 0o755}, new(struct{})))
	d := serve(t, m, pppLine(9), `  net9: {type: ppp, idle: 1h, options: [require-pap, nodefaultroute, "10.9.9.1:10.9.9.2"]}`)
	d.wantState("ppp9", "listening")
	l := m.Exchange.Line(number(9))
	p := dialUp(t, m, 10, l, pppAddress(9), "user", "mallory", "password", "x")
	p.ended()
	eventually(t, "the record of the call", func() (bool, string) {
		var reply admin.CallsReply
		must(t, d.ask("GET", "/v1/calls", &reply))
		text, _ := json.Marshal(reply.Calls)
		return len(reply.Calls) == 1 && slices.Contains(reply.Calls[0].Events, 20100) && !reply.Calls[0].Open, string(text)
	})
	d.wantState("ppp9", "listening")
	p = dialUp(t, m, 10, l, pppAddress(9), "user", name, "password", "x")
	p.up()
	p.transfer(10_000)
	must(t, m.call("Kill", agent.Signal{PID: p.pid, Number: 15}, new(struct{})))
	p.ended()
	d.wantBack("ppp9", d.wantRecord("ppp9", 2, "User-Request"))
}
