package modemsim_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"rashost/port/modemsim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a modem with a host's end to type on and to read from.
type bench struct {
	t    *testing.T
	m    *modemsim.Modem
	host net.Conn
	mu   sync.Mutex
	dcd  []bool
}

// inBubble runs test with a running modem in simulated time.
func inBubble(t *testing.T, o modemsim.Options, test func(*bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t}
		o.OnSignals = func(s modemsim.Signals) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if n := len(b.dcd); n == 0 && s.DCD || n > 0 && b.dcd[n-1] != s.DCD {
				b.dcd = append(b.dcd, s.DCD)
			}
		}
		b.m = modemsim.New(o)
		host, dte := net.Pipe()
		b.host = host
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.m.Run(ctx, dte) }()
		synctest.Wait()
		test(b)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		host.Close()
	})
}

func (b *bench) type_(text string) {
	b.t.Helper()
	if _, err := b.host.Write([]byte(text)); err != nil {
		b.t.Errorf("type %q: %v", text, err)
	}
}

// heard returns what the modem says until it has been silent for 100 ms.
func (b *bench) heard() string {
	b.t.Helper()
	var all []byte
	buf := make([]byte, 4096)
	for {
		_ = b.host.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		n, err := b.host.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				b.t.Errorf("read: %v", err)
			}
			return string(all)
		}
	}
}

// ask types a command, which must be echoed no more, and returns the answer without its line ends.
func (b *bench) ask(cmd string) string {
	b.t.Helper()
	b.type_(cmd + "\r")
	return strings.Join(strings.Fields(strings.ReplaceAll(b.heard(), "\r\n", "\n")), " ")
}

// answered dials and answers, and returns the far end.
func (b *bench) answered(o modemsim.DialOptions) *modemsim.FarCall {
	b.t.Helper()
	calls := make(chan *modemsim.FarCall, 1)
	go func() {
		c, err := b.m.Dial(b.t.Context(), o)
		if err != nil {
			b.t.Errorf("dial: %v", err)
		}
		calls <- c
	}()
	if got := b.heard(); !strings.Contains(got, "RING") {
		b.t.Fatalf("no RING in %q", got)
	}
	b.type_("ATA\r")
	if got := b.heard(); !strings.Contains(got, "CONNECT") {
		b.t.Fatalf("no CONNECT in %q", got)
	}
	c := <-calls
	if c == nil {
		b.t.FailNow()
	}
	return c
}

// read returns what the far end gets until 100 ms of silence, and whether the call ended.
func read(c *modemsim.FarCall) (string, bool) {
	var all []byte
	buf := make([]byte, 4096)
	for {
		_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		n, err := c.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil {
			return string(all), errors.Is(err, io.EOF)
		}
	}
}

func TestCommands(t *testing.T) {
	for name, tc := range map[string]struct{ cmd, want string }{
		"bare":           {"AT", "OK"},
		"lower case":     {"at", "OK"},
		"combined":       {"ATE0V1Q0X4&C1&D2S0=0", "OK"},
		"blanks":         {"AT E0 V1", "OK"},
		"register":       {"ATS7=60S7?", "060 OK"},
		"default":        {"ATS2?", "043 OK"},
		"register high":  {"ATS2=256", "ERROR"},
		"register none":  {"ATS300?", "ERROR"},
		"unknown":        {"ATU", "ERROR"},
		"unknown amp":    {"AT&U1", "ERROR"},
		"stops at fault": {"ATUS7=1", "ERROR"},
		"out of range":   {"ATE2", "ERROR"},
		"caller id":      {"AT+VCID=1", "OK"},
		"asked":          {"AT+VCID=1;+VCID?", "+VCID: 1 OK"},
		"Rockwell":       {"AT#CID=1", "OK"},
		"no such id":     {"AT%CCID=1", "ERROR"},
		"test form":      {"AT+MR=?", "OK"},
		"extended, then": {"AT+MR=1;+ER=1;&D2", "OK"},
		"no extension":   {"AT+NOSUCH=1", "ERROR"},
		"identity":       {"ATI3", "rashost virtual modem OK"},
		"maker":          {"AT+GMI", "rashost OK"},
		"reset":          {"ATZ", "OK"},
		"factory":        {"AT&F", "OK"},
		"hang up":        {"ATH", "OK"},
		"hang up 0":      {"ATH0", "OK"},
		"no call":        {"ATO", "NO CARRIER"},
		"no ring":        {"ATA", "NO CARRIER"},
		"no exchange":    {"ATDT5551212", "NO DIALTONE"},
		"too long":       {"AT" + strings.Repeat("L", 300), "ERROR"},
		"noise before":   {"xyzAT", "OK"},
		"corrected":      {"ATX9\b4", "OK"},
		"settings shown": {"AT&V", "E0 Q0 V1 X4 &C1 &D2 OK"},
		"conflict":       {"AT+VCID=9", "ERROR"},
		"wrong DTR":      {"AT&D7", "ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, modemsim.Options{Stored: "E0"}, func(b *bench) {
				if got := b.ask(tc.cmd); got != tc.want {
					t.Errorf("%q: %q, want %q", tc.cmd, got, tc.want)
				}
			})
		})
	}
}

func TestForms(t *testing.T) {
	inBubble(t, modemsim.Options{}, func(b *bench) {
		for _, tc := range []struct{ in, want string }{
			{"ATE1\r", "ATE1\r\r\nOK\r\n"},
			{"A/", "A/\r\nOK\r\n"},
			{"ATE0\r", "ATE0\r\r\nOK\r\n"},
			{"AT\r", "\r\nOK\r\n"},
			{"ATV0\r", "0\r"},
			{"ATU\r", "4\r"},
			{"ATI0\r", "250\r\n0\r"},
			{"ATV1Q1\r", ""},
			{"ATI0\r", "\r\n250\r\n"},
			{"ATQ0\r", "\r\nOK\r\n"},
			{"ATS3=33S4=34\r", "!\"OK!\""},
			{"AT&F!", "\r\nOK\r\n"},
			{"ATE0\r", "ATE0\r\r\nOK\r\n"},
		} {
			b.type_(tc.in)
			if got := b.heard(); got != tc.want {
				t.Errorf("%q: %q, want %q", tc.in, got, tc.want)
			}
		}
	})
}

func TestCall(t *testing.T) {
	inBubble(t, modemsim.Options{Stored: "E0"}, func(b *bench) {
		c := b.answered(modemsim.DialOptions{Number: "5551212"})
		if !b.m.DCD() {
			t.Error("no DCD in a call")
		}
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		b.type_(string(all))
		if got, _ := read(c); got != string(all) {
			t.Errorf("far end got %q", got)
		}
		go func() { _, _ = c.Write(all) }()
		if got := b.heard(); got != string(all) {
			t.Errorf("host got %q", got)
		}
		if _, err := b.m.Dial(b.t.Context(), modemsim.DialOptions{}); !errors.Is(err, modemsim.ErrBusy) {
			t.Errorf("second call: %v", err)
		}
		go func() {
			_, _ = c.Write([]byte("bye"))
			_ = c.Close()
		}()
		if got := b.heard(); got != "bye\r\nNO CARRIER\r\n" {
			t.Errorf("at the end %q", got)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("write after the end: %v", err)
		}
		if got := b.ask("AT"); got != "OK" {
			t.Errorf("afterwards %q", got)
		}
		if len(b.dcd) != 2 || !b.dcd[0] || b.dcd[1] || b.m.DCD() {
			t.Errorf("DCD %v", b.dcd)
		}
		_ = b.answered(modemsim.DialOptions{}).Close()
	})
}

func TestHangUpByHost(t *testing.T) {
	for name, hangUp := range map[string]func(*bench) (said string){
		"DTR": func(b *bench) string { b.m.SetDTR(false); return b.heard() },
		"escape": func(b *bench) string {
			time.Sleep(time.Second)
			b.type_("+++")
			time.Sleep(2 * time.Second)
			if got := b.heard(); got != "\r\nOK\r\n" {
				b.t.Errorf("escape: %q", got)
			}
			if !b.m.DCD() {
				b.t.Error("the escape dropped the call")
			}
			b.type_("ATH\r")
			return b.heard()
		},
		"escape, reset": func(b *bench) string {
			time.Sleep(time.Second)
			for range 3 {
				b.type_("+")
			}
			time.Sleep(2 * time.Second)
			b.heard()
			b.type_("ATZ\r")
			return b.heard()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, modemsim.Options{Stored: "E0"}, func(b *bench) {
				c := b.answered(modemsim.DialOptions{})
				said := hangUp(b)
				if want := "\r\nOK\r\n"; name == "DTR" && said != "\r\nNO CARRIER\r\n" || name != "DTR" && said != want {
					t.Errorf("said %q", said)
				}
				select {
				case <-c.Done():
				default:
					t.Fatal("the call goes on")
				}
				if _, ended := read(c); !ended || b.m.DCD() {
					t.Error("far end not told, or DCD up")
				}
				b.m.SetDTR(true)
				if got := b.ask("AT"); got != "OK" {
					t.Errorf("afterwards %q", got)
				}
			})
		})
	}
}

func TestEscapeNeedsItsSilence(t *testing.T) {
	for name, tc := range map[string]struct {
		stored string
		typed  func(*bench)
		escape bool
	}{
		"good":        {"", func(b *bench) { time.Sleep(time.Second); b.type_("+++"); time.Sleep(time.Second) }, true},
		"none before": {"", func(b *bench) { time.Sleep(time.Second); b.type_("x"); b.type_("+++"); time.Sleep(time.Second) }, false},
		"none after":  {"", func(b *bench) { time.Sleep(time.Second); b.type_("+++"); b.type_("x"); time.Sleep(time.Second) }, false},
		"four":        {"", func(b *bench) { time.Sleep(time.Second); b.type_("++++"); time.Sleep(time.Second) }, false},
		"within data": {"", func(b *bench) { time.Sleep(time.Second); b.type_("+++ATH\r"); time.Sleep(time.Second) }, false},
		"too slow": {"", func(b *bench) {
			time.Sleep(time.Second)
			b.type_("++")
			time.Sleep(time.Second)
			b.type_("+")
			time.Sleep(time.Second)
		}, false},
		"switched off": {"S2=255", func(b *bench) { time.Sleep(time.Second); b.type_("+++"); time.Sleep(time.Second) }, false},
		"other sign":   {"S2=42", func(b *bench) { time.Sleep(time.Second); b.type_("***"); time.Sleep(time.Second) }, true},
		"no guard":     {"S12=0", func(b *bench) { b.type_("+++") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, modemsim.Options{Stored: "E0" + tc.stored}, func(b *bench) {
				b.answered(modemsim.DialOptions{})
				tc.typed(b)
				if got := b.heard(); (got == "\r\nOK\r\n") != tc.escape {
					t.Errorf("heard %q", got)
				}
			})
		})
	}
}

func TestBackOnline(t *testing.T) {
	inBubble(t, modemsim.Options{Stored: "E0S12=0"}, func(b *bench) {
		c := b.answered(modemsim.DialOptions{Connect: "9600"})
		b.type_("+++")
		b.heard()
		written := make(chan error, 1)
		go func() { _, err := c.Write([]byte("held")); written <- err }()
		if got := b.heard(); got != "" {
			t.Errorf("data in command mode: %q", got)
		}
		b.type_("ATO\r")
		if got := b.heard(); got != "\r\nCONNECT 9600\r\nheld" {
			t.Errorf("online again: %q", got)
		}
		if err := <-written; err != nil {
			t.Error(err)
		}
	})
}

func TestDTRModes(t *testing.T) {
	for stored, want := range map[string]struct{ said, ask string }{
		"E0&D0": {"", ""}, // ignored: still in the call, where AT is data
		"E0&D1": {"\r\nOK\r\n", "OK"},
		"E0&D2": {"\r\nNO CARRIER\r\n", "OK"},
		"E0&D3": {"\r\nNO CARRIER\r\n", "OK"},
	} {
		t.Run(stored, func(t *testing.T) {
			inBubble(t, modemsim.Options{Stored: stored, Timing: modemsim.Timing{DTR: 50 * time.Millisecond}}, func(b *bench) {
				b.answered(modemsim.DialOptions{})
				b.m.SetDTR(false)
				time.Sleep(40 * time.Millisecond)
				b.m.SetDTR(true) // too short to be noticed
				time.Sleep(time.Second)
				if !b.m.DCD() {
					t.Fatal("a short drop ended the call")
				}
				b.m.SetDTR(false)
				if said := b.heard(); said != want.said {
					t.Errorf("said %q", said)
				}
				if got := b.ask("AT"); got != want.ask {
					t.Errorf("AT: %q", got)
				}
			})
		})
	}
}

func TestResetForgetsCallerID(t *testing.T) {
	inBubble(t, modemsim.Options{Stored: "E0"}, func(b *bench) {
		b.ask("AT+VCID=1;&D3")
		b.m.SetDTR(false)
		b.m.SetDTR(true)
		if got := b.ask("AT+VCID?"); got != "+VCID: 0 OK" {
			t.Errorf("%q", got)
		}
	})
}

func TestSwitchedOff(t *testing.T) {
	m := modemsim.New(modemsim.Options{})
	if _, err := m.Dial(t.Context(), modemsim.DialOptions{}); !errors.Is(err, modemsim.ErrOff) {
		t.Errorf("dial: %v", err)
	}
	inBubble(t, modemsim.Options{Stored: "E0"}, func(b *bench) {
		if err := b.m.Run(b.t.Context(), b.host); !errors.Is(err, modemsim.ErrRunning) {
			t.Errorf("second Run: %v", err)
		}
	})
}

func TestHostVanishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := modemsim.New(modemsim.Options{Stored: "E0"})
		host, dte := net.Pipe()
		ended := make(chan error, 1)
		go func() { ended <- m.Run(t.Context(), dte) }()
		synctest.Wait()
		dialled := make(chan error, 1)
		go func() { _, err := m.Dial(t.Context(), modemsim.DialOptions{}); dialled <- err }()
		synctest.Wait()
		host.Close()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := <-dialled; !errors.Is(err, modemsim.ErrOff) {
			t.Errorf("Dial: %v", err)
		}
	})
}
