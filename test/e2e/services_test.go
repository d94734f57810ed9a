package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rashost/internal/caller"
	"rashost/port/modemsim"
)

// allBytes is 1 MB in which every value stands beside every other.
func allBytes() []byte {
	b := make([]byte, 0, 1<<20)
	for len(b) < 1<<20 {
		for step := 1; step < 256 && len(b) < 1<<20; step += 2 {
			for i := range 256 {
				b = append(b, byte(i*step))
			}
		}
	}
	return b[:1<<20]
}

// exchange sends 1 MB each way at once between a caller and what is behind the service, and compares.
func exchange(t *testing.T, far io.ReadWriter, behind io.ReadWriter) {
	t.Helper()
	in, out := allBytes(), allBytes()
	for i := range out { // so that no echo passes for the answer
		out[i] ^= 0xff
	}
	type got struct {
		who  string
		b    []byte
		err  error
		want []byte
	}
	results := make(chan got, 4)
	read := func(who string, r io.Reader, want []byte) {
		b := make([]byte, len(want))
		n, err := io.ReadFull(r, b)
		results <- got{who, b[:n], err, want}
	}
	write := func(who string, w io.Writer, b []byte) {
		_, err := w.Write(b)
		results <- got{who, nil, err, nil}
	}
	go write("caller writes", far, in)
	go write("service writes", behind, out)
	go read("caller reads", far, out)
	go read("service reads", behind, in)
	limit := time.After(patience)
	for range 4 {
		select {
		case g := <-results:
			if g.err != nil || !bytes.Equal(g.b, g.want) {
				at := 0
				for at < len(g.b) && at < len(g.want) && g.b[at] == g.want[at] {
					at++
				}
				t.Errorf("%s: %v, %d bytes, equal to the %d sent up to %d", g.who, g.err, len(g.b), len(g.want), at)
			}
		case <-limit:
			t.Fatal("1 MB did not get through")
		}
	}
}

// raws logs in to a service that says nothing of its own, and returns the bare connection.
func (c *call) raws(name, password string) io.ReadWriter {
	c.t.Helper()
	c.expect("login: ")
	c.send(name)
	c.expect("Password: ")
	c.send(password)
	c.expect("\r\n") // the end of the password's line: after it only the service speaks
	return c.far
}

// A tcp service carries 1 MB of all 256 values both ways, byte for byte.
func TestTCPServiceIsByteExact(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	c := newConf("one", "two")
	c.services += fmt.Sprintf("  rtu: {type: tcp, address: %q}\n", l.Addr())
	c.line("one").keys = "service: rtu"
	h := startHost(t, c)
	by := h.bystander("two")
	one := h.modems["one"].dial(t)
	far := one.raws(alice, alicePassword)
	conn, err := l.Accept()
	must(t, err)
	exchange(t, far, conn)
	by.undisturbed()
	_ = conn.Close()
	one.ended()
	got := h.wantRecord("one", 1, record{cause: "Host-Request", verdict: "success", user: alice, service: "rtu"})
	if got.OctetsIn < 1<<20 || got.OctetsOut < 1<<20 {
		t.Errorf("octets %d in, %d out", got.OctetsIn, got.OctetsOut)
	}
	h.wantState("one", "listening")
}

// The host behind a tcp service is not there: the caller is told, and the record says so.
func TestTCPServiceUnreachable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, l.Close())
	c := newConf("one")
	c.services += fmt.Sprintf("  rtu: {type: tcp, address: %q}\n", l.Addr())
	c.line("one").keys = "service: rtu"
	h := startHost(t, c)
	one := h.modems["one"].dial(t)
	one.raws(alice, alicePassword)
	if got := one.ended(); strings.TrimSpace(got) == "" {
		t.Error("the caller was not told")
	}
	h.wantRecord("one", 1, record{cause: "Service-Unavailable", verdict: "success", user: alice})
	h.wantState("one", "listening")
}

// A serial service relays to another tty, byte for byte.
func TestSerialServiceIsByteExact(t *testing.T) {
	t.Parallel()
	console, err := modemsim.OpenPTY()
	must(t, err)
	t.Cleanup(func() { _ = console.Close() })
	c := newConf("one")
	c.services += fmt.Sprintf("  console: {type: serial, device: %s, baud: 9600}\n", console.Path)
	c.line("one").keys = "service: console"
	h := startHost(t, c)
	one := h.modems["one"].dial(t)
	far := one.raws(alice, alicePassword)
	eventually(t, "the console is open", func() (bool, string) { return !console.HungUp(), "" })
	exchange(t, far, console)
	one.hangUp()
	h.wantRecord("one", 1, record{cause: "Lost-Carrier", verdict: "success", user: alice, service: "console"})
	h.wantState("one", "listening")
}

// Where the kernel has no PPP, or pppd refuses to run, the caller of a ppp service is refused in order, and the line works on.
func TestPPPServiceRefused(t *testing.T) {
	t.Parallel()
	refused, cause := "", "Service-Unavailable"
	if _, err := os.Stat("/dev/ppp"); err == nil {
		refused, cause = ", maxfail, no-number", "NAS-Error" // this kernel has PPP: pppd refuses for another reason
	}
	c := newConf("one")
	c.services += "  net: {type: ppp, options: [noauth, \"10.0.0.1:10.0.0.2\"" + refused + "]}\n"
	c.line("one").keys = "service: net"
	h := newHost(t, c)
	h.start()
	h.wantState("one", "listening")
	one := h.modems["one"].dial(t)
	one.raws(alice, alicePassword)
	one.ended()
	h.wantRecord("one", 1, record{cause: cause, verdict: "success", user: alice, service: "net"})
	h.wantState("one", "listening")
}

// A direct line without a modem, on a pty that rashost makes: a person's terminal opens it, logs in, leaves, and the next one can come.
func TestDirectLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := filepath.Join(dir, "terminal")
	c := newConf("two")
	c.lines = append(c.lines, lineConf{name: "console", device: "pty:" + link, keys: "modem: none"})
	h := startHost(t, c)
	by := h.bystander("two")
	for n := range 3 {
		h.wantState("console", "listening")
		tty, err := os.OpenFile(link, os.O_RDWR, 0)
		must(t, err)
		person := &call{Caller: caller.New(tty), t: t}
		must(t, person.SendRaw([]byte("\r")))
		person.login(alice, alicePassword)
		person.echoes("hello")
		if n == 2 { // the last one goes by ^D
			person.raw([]byte{4})
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			_, _ = person.ExpectEnd(ctx)
			cancel()
			h.wantRecord("console", n+1, record{cause: "User-Request", verdict: "success", user: alice})
		}
		_ = tty.Close()
		if n < 2 {
			h.wantRecord("console", n+1, record{cause: "Lost-Carrier", verdict: "success", user: alice})
		}
	}
	h.wantState("console", "listening")
	by.undisturbed()
}
