package service

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rashost/port"
)

// directCall is a session of pppd on a tty of its own, as port.Call gives it away.
type directCall struct {
	net.Conn // never used
	t        *testing.T
	caller   *bufio.Reader // what pppd writes to the line
	tty      *os.File
	end      context.CancelCauseFunc
	done     chan Result

	mu       sync.Mutex
	released bool
	in, out  uint64
	notes    []string
}

func (c *directCall) TTY() (*os.File, func(), error) {
	return c.tty, func() { c.mu.Lock(); defer c.mu.Unlock(); c.released = true }, nil
}

func (c *directCall) AddOctets(in, out uint64) { c.in, c.out = in, out }

// direct starts s for alice on a pty whose carrier is obeyed or not.
func direct(t *testing.T, s *pppService, carrier bool) *directCall {
	t.Helper()
	master, slave, err := openPTY(program{raw: true})
	if err == nil {
		err = master.SetReadDeadline(time.Now().Add(30 * time.Second))
	}
	if err != nil {
		t.Fatal(err)
	}
	tio, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	tio.Cflag |= unix.CLOCAL
	if carrier {
		tio.Cflag &^= unix.CLOCAL
	}
	if err := unix.IoctlSetTermios(int(slave.Fd()), unix.TCSETS, tio); err != nil {
		t.Fatal(err)
	}
	s.cfg.Direct = true
	ctx, end := context.WithCancelCause(t.Context())
	c := &directCall{t: t, caller: bufio.NewReader(master), tty: slave, end: end, done: make(chan Result, 1)}
	who := Caller{User: "alice", Domain: "LAB", Line: "modem1", CallID: "c1", Note: func(what string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.notes = append(c.notes, what)
	}}
	go func() { c.done <- s.Run(ctx, c, who) }()
	t.Cleanup(func() {
		end(nil)
		slave.Close()
		master.Close()
	})
	return c
}

func (c *directCall) result() Result {
	c.t.Helper()
	select {
	case r := <-c.done:
		if !c.released {
			c.t.Error("the tty was not given back")
		}
		return r
	case <-time.After(time.Minute):
		c.t.Fatal("the session does not end")
		return Result{}
	}
}

func (c *directCall) line() string {
	c.t.Helper()
	text, err := c.caller.ReadString('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.TrimSpace(text)
}

func (c *directCall) noted(what string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Contains(strings.Join(c.notes, "\n"), what)
}

// TestPPPDirect: pppd has the tty as its blocking standard input, in a group of its own, and it is nobody's controlling terminal; pppd's own
// count becomes the session's.
func TestPPPDirect(t *testing.T) {
	s := fakePPPD(t, `echo "$@" >&0; [ -t 0 ] && echo tty >&0; cut -d' ' -f5-7 /proc/$$/stat >&0; echo $$ >&0; grep flags /proc/$$/fdinfo/0 >&0
echo "local  IP address 10.0.0.1" >&2; echo "Sent 300 bytes, received 200 bytes." >&2; read wait <&0; exit 12`, "noauth", "mtu", "296")
	c := direct(t, s, true)
	got := c.line()
	if !strings.HasPrefix(got, c.tty.Name()+" lcp-echo-interval") || !strings.Contains(got, " noauth mtu 296 nodetach nopersist logfd 2 modem ") {
		t.Errorf("options %q", got)
	}
	if got := c.line(); got != "tty" {
		t.Errorf("standard input is no tty: %q", got)
	}
	var group, session, tty, pid int
	if _, err := fmt.Sscan(c.line()+" "+c.line(), &group, &session, &tty, &pid); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(c.tty.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	if own, err := unix.Getsid(0); err != nil || group != pid || session != own || tty == int(st.Rdev) {
		t.Errorf("group %d of %d, session %d of ours %d, controlling terminal %#x, the line is %#x", group, pid, session, own, tty, st.Rdev)
	}
	var flags int
	if _, err := fmt.Sscanf(c.line(), "flags: %o", &flags); err != nil || flags&unix.O_NONBLOCK != 0 {
		t.Errorf("flags %#o, %v", flags, err)
	}
	if err := unix.IoctlSetInt(int(c.tty.Fd()), unix.TCFLSH, unix.TCIFLUSH); err != nil {
		t.Fatal(err)
	}
	until(t, "pppd is known to be up", func() bool { return c.noted("PPP is up") })
	c.end(port.ErrCarrierLost)
	r := c.result()
	if r.Cause != 0 || r.In != 200 || r.Out != 300 || c.in != 200 || c.out != 300 {
		t.Errorf("%+v, added %d and %d", r, c.in, c.out)
	}
	for _, want := range []string{"pppd has the line itself", "carrier obeyed", "as pppd counted them inside PPP: 200 from the caller, 300 to",
		"not checked: the service's options say noauth"} {
		if !c.noted(want) {
			t.Errorf("the record lacks %q: %q", want, c.notes)
		}
	}
	wantGone(t, []int{pid})
}

// TestPPPDirectCarrier: pppd obeys the carrier where the line does.
func TestPPPDirectCarrier(t *testing.T) {
	for carrier, want := range map[bool]string{true: " modem ", false: " local "} {
		c := direct(t, fakePPPD(t, `echo "$@" >&0; sleep 0.1; exit 16`), carrier)
		if got := c.line(); !strings.Contains(got, want) {
			t.Errorf("carrier %v: %q", carrier, got)
		}
		if r := c.result(); r.Cause != port.LostCarrier || r.Exit != "16" || !c.noted("octets of the session: unknown") {
			t.Errorf("%+v, %q", r, c.notes)
		}
	}
}

// TestPPPDirectEnds: however a call ends, pppd is gone when Run returns, also one that obeys nothing but SIGKILL.
func TestPPPDirectEnds(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		why    error
	}{
		"hung up":             {"trap 'exit 5' TERM; echo $$ >&0; while :; do sleep 0.02; done", port.ErrHangup},
		"carrier lost":        {"trap 'exit 16' TERM; echo $$ >&0; while :; do sleep 0.02; done", port.ErrCarrierLost},
		"service stops":       {"trap 'exit 0' TERM; echo $$ >&0; while :; do sleep 0.02; done", port.ErrShutdown},
		"deaf":                {"trap '' TERM HUP; echo $$ >&0; while :; do sleep 0.02; done", port.ErrHangup},
		"deaf, service stops": {"trap '' TERM HUP; echo $$ >&0; while :; do sleep 0.02; done", port.ErrShutdown},
		"stopped":             {"echo $$ >&0; kill -STOP $$", port.ErrHangup},
	} {
		t.Run(name, func(t *testing.T) {
			s := fakePPPD(t, c.script)
			call := direct(t, s, false)
			var pid int
			if _, err := fmt.Sscan(call.line(), &pid); err != nil {
				t.Fatal(err)
			}
			call.end(c.why)
			if r := call.result(); r.Cause != 0 || r.Err != nil || r.Reason == "" {
				t.Errorf("%+v", r)
			}
			if alive(t, pid) {
				t.Errorf("pppd %d lives", pid)
			}
		})
	}
}

// TestPPPEndedByTheCaller: a caller who ends PPP and then hangs up has not lost the carrier, whichever is noticed first.
func TestPPPEndedByTheCaller(t *testing.T) {
	for _, exit := range []string{"16", "0"} {
		r := direct(t, fakePPPD(t, `echo "LCP terminated by peer (User request)" >&2; echo "Modem hangup" >&2; sleep 0.1; exit `+exit), true).result()
		if r.Cause != port.UserRequest || !strings.Contains(r.Reason, "the caller ended PPP (pppd exit "+exit) {
			t.Errorf("%+v", r)
		}
	}
	c := direct(t, fakePPPD(t, `trap 'exit 5' TERM; echo "LCP terminated by peer (User request)" >&2; echo x >&0; while :; do sleep 0.02; done`), true)
	c.line()
	c.end(port.ErrCarrierLost)
	if r := c.result(); r.Cause != port.UserRequest {
		t.Errorf("%+v", r)
	}
}

// TestPPPStoppedWithUs: a service manager's SIGTERM for all ends pppd a moment before we hear of it ourselves. That is our stop, no reset.
func TestPPPStoppedWithUs(t *testing.T) {
	const script = "trap 'exit 5' TERM; echo $$ >&0; while :; do sleep 0.02; done"
	for _, late := range []bool{false, true} {
		c := direct(t, fakePPPD(t, script), false)
		var pid int
		if _, err := fmt.Sscan(c.line(), &pid); err != nil {
			t.Fatal(err)
		}
		if err := unix.Kill(pid, unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		want := port.AdminReset
		if !late {
			c.end(port.ErrShutdown)
			want = 0
		}
		if r := c.result(); r.Cause != want || r.Exit != "5" {
			t.Errorf("late %v: %+v", late, r)
		}
	}
}

// A session lasts no longer than it may, even if pppd has forgotten.
func TestPPPDirectAbsolute(t *testing.T) {
	s := fakePPPD(t, "echo \"$@\" >&0; exec sleep 1000")
	s.cfg.Limits = Limits{Idle: 90 * time.Second, Absolute: time.Second}
	c := direct(t, s, false)
	if got := c.line(); !strings.Contains(got, " idle 90 maxconnect 1 ") {
		t.Errorf("options %q", got)
	}
	if r := c.result(); r.Cause != port.SessionTimeout {
		t.Errorf("%+v", r)
	}
}

// TestComplaint2_1_PPPDHangsAtItsEnd: pppd has ended the connection after unanswered LCP echoes, and then hangs in giving the terminal back.
// It is ended, the record says why the call was over, and the line is free.
func TestComplaint2_1_PPPDHangsAtItsEnd(t *testing.T) {
	for _, onLine := range []bool{true, false} {
		s := fakePPPD(t, `trap '' TERM HUP; echo "No response to 4 echo-requests" >&2; echo "Connection terminated." >&2; exec sleep 1000`)
		s.exit = 300 * time.Millisecond
		var r Result
		if onLine {
			r = direct(t, s, false).result()
		} else {
			_, r = dial(t, s, "").all()
		}
		if r.Cause != port.LostCarrier || r.Exit != "signal KILL" || !strings.Contains(r.Reason, "did not end by itself") {
			t.Errorf("direct %v: %+v", onLine, r)
		}
	}
}

// A line without a tty: pppd gets a pty, and the record says so.
func TestPPPDirectWithoutTTY(t *testing.T) {
	s := fakePPPD(t, `echo "$@"`)
	s.cfg.Direct = true
	out, r := dial(t, s, "").all()
	if !strings.Contains(out, " local ") || r.Cause != port.UserRequest {
		t.Errorf("%q, %+v", out, r)
	}
	c := &noTTY{directCall: directCall{t: t}}
	c.Conn, _ = net.Pipe()
	var notes []string
	if _, ok := s.runDirect(t.Context(), c, Caller{Note: func(what string) { notes = append(notes, what) }}); ok || len(notes) != 1 {
		t.Errorf("%v, %q", ok, notes)
	}
}

type noTTY struct{ directCall }

func (*noTTY) TTY() (*os.File, func(), error) { return nil, nil, errors.ErrUnsupported }

// What pppd says is bounded: an endless line is passed over, and those behind it count.
func TestPPPSaysTooMuch(t *testing.T) {
	s := fakePPPD(t, `head -c 1000000 /dev/zero | tr '\0' x >&2; echo >&2; echo "Sent 1 bytes, received 2 bytes." >&2`)
	c := direct(t, s, false)
	if r := c.result(); r.In != 2 || r.Out != 1 {
		t.Errorf("%+v", r)
	}
	l := s.newLink(Caller{})
	r, w := io.Pipe()
	go func() {
		_, _ = io.WriteString(w, "Sent 9999999999999999999 bytes, received 99999999999999999999 bytes.\n"+
			"Sent 7 bytes, received 8 bytes.\nrcvd [PAP AuthReq password=\"x\"]\n")
		_ = w.Close()
	}()
	l.listen(r)
	if l.in != 8 || l.out != 7 || strings.Contains(l.complain, "PAP") {
		t.Errorf("counted %d and %d, kept %q", l.in, l.out, l.complain)
	}
}
