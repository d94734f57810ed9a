package modemsim_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"rashost/port/modem"
	"rashost/port/modemsim"
)

// lines gives what was heard as lines.
func lines(text string) []string {
	var s modem.Splitter
	var all []string
	for b := []byte(text); len(b) > 0; {
		line, rest, ok := s.Next(b)
		if ok {
			all = append(all, line)
		}
		b = rest
	}
	return all
}

func TestRinging(t *testing.T) {
	when := time.Date(2026, 11, 21, 2, 48, 0, 0, time.UTC)
	id := "DATE = 1121|TIME = 0248|NMBR = 5551212|NAME = ANNA"
	for name, tc := range map[string]struct {
		stored string
		o      modemsim.DialOptions
		want   string
	}{
		"no id asked":   {"E0", modemsim.DialOptions{Number: "5551212"}, "RING"},
		"id after":      {"E0+VCID=1", modemsim.DialOptions{Number: "5551212", Name: "ANNA", Rings: 2}, "RING|" + id + "|RING"},
		"id before":     {"E0#CID=1", modemsim.DialOptions{Number: "5551212", Name: "ANNA", IDFirst: true, Rings: 2}, id + "|RING|RING"},
		"withheld":      {"E0+VCID=1", modemsim.DialOptions{Number: "P"}, "RING|DATE = 1121|TIME = 0248|NMBR = P"},
		"own lines":     {"E0+VCID=1", modemsim.DialOptions{Lines: []string{"FM:301 TO:302"}}, "RING|FM:301 TO:302"},
		"in the ring":   {"E0", modemsim.DialOptions{RingText: "RING;301;302"}, "RING;301;302"},
		"no id at all":  {"E0+VCID=1", modemsim.DialOptions{}, "RING"},
		"numeric":       {"E0V0", modemsim.DialOptions{}, "2"},
		"three at once": {"E0", modemsim.DialOptions{Rings: 3}, "RING|RING|RING"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, modemsim.Options{Stored: tc.stored}, func(b *bench) {
				tc.o.When = when
				ctx, cancel := context.WithCancelCause(b.t.Context())
				gone := errors.New("gone")
				dialled := make(chan error, 1)
				go func() { _, err := b.m.Dial(ctx, tc.o); dialled <- err }()
				if got := strings.Join(lines(b.heard()), "|"); got != tc.want {
					t.Errorf("heard %q, want %q", got, tc.want)
				}
				cancel(gone)
				if err := <-dialled; !errors.Is(err, gone) {
					t.Errorf("dial: %v", err)
				}
			})
		})
	}
}

func TestRawCallerIDIsUnderstood(t *testing.T) {
	inBubble(t, modemsim.Options{Stored: "E0+VCID=2"}, func(b *bench) {
		go func() {
			_, _ = b.m.Dial(b.t.Context(), modemsim.DialOptions{Number: "5551212", Name: "ANNA", Called: "800", Rings: 1})
		}()
		var k modem.CallerIDCollector
		for _, l := range lines(b.heard()) {
			k.Line(l)
		}
		if id := k.CallerID(); id.Number != "5551212" || id.Name != "ANNA" || id.Called != "800" || len(id.Date+id.Time) != 8 {
			t.Errorf("%+v", id)
		}
		b.type_("ATA\r")
		b.heard()
	})
}

func TestRingTimes(t *testing.T) {
	inBubble(t, modemsim.Options{Stored: "E0+VCID=1", Timing: modemsim.Timing{Ring: 6 * time.Second, CallerID: 2 * time.Second}}, func(b *bench) {
		start := time.Now()
		dialled := make(chan error, 1)
		go func() { _, err := b.m.Dial(b.t.Context(), modemsim.DialOptions{Number: "1", Rings: 2}); dialled <- err }()
		if got := lines(b.heard()); len(got) != 1 || got[0] != "RING" {
			t.Errorf("first %q", got)
		}
		time.Sleep(2 * time.Second)
		if got := lines(b.heard()); len(got) != 3 {
			t.Errorf("then %q", got)
		}
		time.Sleep(4 * time.Second)
		if got := lines(b.heard()); len(got) != 1 {
			t.Errorf("second %q", got)
		}
		if err := <-dialled; !errors.Is(err, modemsim.ErrNoAnswer) || time.Since(start) != 12*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if got := b.ask("ATS1?"); got != "000 OK" {
			t.Errorf("ring counter %q", got)
		}
	})
}

func TestAutoAnswer(t *testing.T) {
	inBubble(t, modemsim.Options{Stored: "E0S0=2"}, func(b *bench) {
		dialled := make(chan error, 1)
		go func() {
			_, err := b.m.Dial(b.t.Context(), modemsim.DialOptions{Rings: 2, Connect: "-"})
			dialled <- err
		}()
		if got := strings.Join(lines(b.heard()), "|"); got != "RING|RING|CONNECT" {
			t.Errorf("%q", got)
		}
		if err := <-dialled; err != nil {
			t.Error(err)
		}
	})
}

func TestConnectTexts(t *testing.T) {
	o := modemsim.DialOptions{Connect: "115200", Modulation: "V34", Rate: "28800", Protocol: "LAPM", Compression: "V42B", DTERate: "115200"}
	rockwell := modemsim.DialOptions{Connect: "115200", Before: []string{"CARRIER 28800", "PROTOCOL: LAP-M"}}
	for name, tc := range map[string]struct {
		stored string
		o      modemsim.DialOptions
		want   string
	}{
		"default":    {"E0", modemsim.DialOptions{}, "CONNECT 28800/ARQ/V34/LAPM/V42BIS"},
		"own":        {"E0", modemsim.DialOptions{Connect: "2400"}, "CONNECT 2400"},
		"none":       {"E0", modemsim.DialOptions{Connect: "-"}, "CONNECT"},
		"X0":         {"E0X0", modemsim.DialOptions{Connect: "2400"}, "CONNECT"},
		"V0":         {"E0V0", modemsim.DialOptions{Connect: "2400"}, "1"},
		"no reports": {"E0", o, "CONNECT 115200"},
		"reports":    {"E0+MR=1;+ER=1;+DR=1;+ILRR=1", o, "+MCR: V34|+MRR: 28800|+ILRR: 115200|+ER: LAPM|+DR: V42B|CONNECT 115200"},
		"Rockwell":   {"E0", rockwell, "CARRIER 28800|PROTOCOL: LAP-M|CONNECT 115200"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, modemsim.Options{Stored: tc.stored}, func(b *bench) {
				go func() { _, _ = b.m.Dial(b.t.Context(), tc.o) }()
				b.heard()
				b.type_("ATA\r")
				if got := strings.Join(lines(b.heard()), "|"); got != tc.want {
					t.Errorf("%q, want %q", got, tc.want)
				}
			})
		})
	}
}

func TestHandshakeAborts(t *testing.T) {
	for name, abort := range map[string]func(*bench){
		"a byte from the host": func(b *bench) { b.type_("x") },
		"DTR":                  func(b *bench) { b.m.SetDTR(false) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, modemsim.Options{Stored: "E0", Timing: modemsim.Timing{Connect: 5 * time.Second}}, func(b *bench) {
				dialled := make(chan error, 1)
				go func() { _, err := b.m.Dial(b.t.Context(), modemsim.DialOptions{}); dialled <- err }()
				b.heard()
				b.type_("ATA\r\n")
				if got := b.heard(); got != "" {
					t.Errorf("answered at once: %q", got)
				}
				abort(b)
				if got := b.heard(); got != "\r\nNO CARRIER\r\n" {
					t.Errorf("%q", got)
				}
				if err := <-dialled; !errors.Is(err, modemsim.ErrNoAnswer) {
					t.Errorf("dial: %v", err)
				}
				time.Sleep(10 * time.Second)
				if b.m.DCD() || b.heard() != "" {
					t.Error("connected all the same")
				}
			})
		})
	}
}

func TestDialOut(t *testing.T) {
	onDial := func(number string, call *modemsim.FarCall) string {
		if number != "5551212" {
			return "BUSY"
		}
		go func() { _, _ = io.Copy(call, call) }()
		return "CONNECT 9600"
	}
	inBubble(t, modemsim.Options{Stored: "E0", OnDial: onDial}, func(b *bench) {
		if got := b.ask("ATDT1"); got != "BUSY" {
			t.Errorf("%q", got)
		}
		if got := b.ask("ATD 5551212"); got != "CONNECT 9600" || !b.m.DCD() {
			t.Errorf("%q, DCD %v", got, b.m.DCD())
		}
		if got := b.ask("echo"); got != "echo" {
			t.Errorf("%q", got)
		}
		b.m.SetDTR(false)
		if got := b.heard(); got != "\r\nNO CARRIER\r\n" {
			t.Errorf("%q", got)
		}
	})
}

func TestBackPressure(t *testing.T) {
	const size = 1 << 20
	data := strings.Repeat("0123456789abcdef", size/16)
	inBubble(t, modemsim.Options{Stored: "E0"}, func(b *bench) {
		c := b.answered(modemsim.DialOptions{})
		typed := make(chan error, 1)
		go func() { _, err := b.host.Write([]byte(data)); typed <- err }()
		time.Sleep(time.Minute)
		select {
		case err := <-typed:
			t.Fatalf("1 MB went to a far end that does not read: %v", err)
		default:
		}
		if got, _ := read(c); got != data {
			t.Errorf("%d bytes to the far end", len(got))
		}
		if err := <-typed; err != nil {
			t.Error(err)
		}
		sent := make(chan error, 1)
		go func() { _, err := c.Write([]byte(data)); sent <- err }()
		time.Sleep(time.Minute)
		select {
		case err := <-sent:
			t.Fatalf("1 MB went to a host that does not read: %v", err)
		default:
		}
		if got := b.heard(); got != data {
			t.Errorf("%d bytes to the host", len(got))
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
	})
}

func TestHangUpFreesBlockedEnds(t *testing.T) {
	inBubble(t, modemsim.Options{Stored: "E0"}, func(b *bench) {
		c := b.answered(modemsim.DialOptions{})
		sent := make(chan error, 1)
		go func() { _, err := c.Write(make([]byte, 1<<20)); sent <- err }()
		time.Sleep(time.Second)
		b.m.SetDTR(false)
		if err := <-sent; !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("write: %v", err)
		}
		if got := b.heard(); !strings.HasSuffix(got, "\r\nNO CARRIER\r\n") || len(got) > 1024 {
			t.Errorf("host still got %d bytes of the call", len(got))
		}
		b.m.SetDTR(true)

		c = b.answered(modemsim.DialOptions{})
		typed := make(chan error, 1)
		go func() { _, err := b.host.Write(make([]byte, 100<<10)); typed <- err }()
		time.Sleep(time.Second)
		_ = c.Close()
		if err := <-typed; err != nil {
			t.Errorf("host's write: %v", err)
		}
		b.heard()
		b.type_("\r") // ends what came too late to be data
		if got := b.ask("AT"); got != "OK" {
			t.Errorf("afterwards %q", got)
		}
	})
}

func TestReadDeadline(t *testing.T) {
	inBubble(t, modemsim.Options{Stored: "E0"}, func(b *bench) {
		c := b.answered(modemsim.DialOptions{})
		start := time.Now()
		if got, ended := read(c); got != "" || ended || time.Since(start) != 100*time.Millisecond {
			t.Errorf("%q %v after %v", got, ended, time.Since(start))
		}
		_ = c.SetReadDeadline(time.Time{})
		b.type_("late")
		if got, _ := read(c); got != "late" {
			t.Errorf("%q", got)
		}
	})
}

func TestFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		f    modemsim.Faults
		asks []string
		want []string
	}{
		"mute":            {modemsim.Faults{Mute: true}, []string{"AT"}, []string{""}},
		"mute after two":  {modemsim.Faults{MuteAfter: 2}, []string{"AT", "ATI0", "AT"}, []string{"OK", "250 OK", ""}},
		"wedged":          {modemsim.Faults{Wedged: true}, []string{"AT"}, []string{""}},
		"lost OK":         {modemsim.Faults{LoseOK: 1}, []string{"AT", "AT"}, []string{"", "OK"}},
		"numeric":         {modemsim.Faults{Numeric: true}, []string{"ATV1", "ATU"}, []string{"0", "4"}},
		"noise":           {modemsim.Faults{Noise: []byte("~~")}, []string{"AT"}, []string{"~~ OK"}},
		"RING in command": {modemsim.Faults{RingInCommand: 1}, []string{"AT", "AT"}, []string{"RING OK", "OK"}},
		"rejects":         {modemsim.Faults{Reject: []string{"X4", "+mr=1"}}, []string{"ATX4", "AT+MR=1", "ATX3"}, []string{"ERROR", "ERROR", "OK"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, modemsim.Options{Stored: "E0", Faults: tc.f}, func(b *bench) {
				for i, a := range tc.asks {
					if got := b.ask(a); got != tc.want[i] {
						t.Errorf("%s: %q, want %q", a, got, tc.want[i])
					}
				}
				b.m.SetFaults(modemsim.Faults{})
				if got := b.ask("AT"); got != "OK" {
					t.Errorf("afterwards %q", got)
				}
			})
		})
	}
}

func TestFaultsInACall(t *testing.T) {
	inBubble(t, modemsim.Options{Stored: "E0", Faults: modemsim.Faults{OKBeforeConnect: true, StuckDCD: true, SilentHangup: true}}, func(b *bench) {
		dialled := make(chan *modemsim.FarCall, 1)
		go func() { c, _ := b.m.Dial(b.t.Context(), modemsim.DialOptions{Connect: "-"}); dialled <- c }()
		b.heard()
		if got := b.ask("ATA"); got != "OK CONNECT" {
			t.Errorf("%q", got)
		}
		_ = (<-dialled).Close()
		if got := b.heard(); got != "" || !b.m.DCD() {
			t.Errorf("heard %q, DCD %v", got, b.m.DCD())
		}
		b.m.SetFaults(modemsim.Faults{})
		if b.m.DCD() {
			t.Error("DCD still stuck")
		}
		b.answered(modemsim.DialOptions{})
		b.m.SetFaults(modemsim.Faults{DeafToDTR: true})
		b.m.SetDTR(false)
		if got := b.heard(); got != "" || !b.m.DCD() {
			t.Errorf("heard DTR: %q", got)
		}
	})
}

func TestOnCommandCanSetFaults(t *testing.T) {
	var m *modemsim.Modem
	var mu sync.Mutex
	var seen []string
	o := modemsim.Options{Stored: "E0", OnCommand: func(line string) {
		mu.Lock()
		defer mu.Unlock()
		if seen = append(seen, line); line == "ATX4" {
			m.SetFaults(modemsim.Faults{Mute: true})
		}
	}}
	inBubble(t, o, func(b *bench) {
		m = b.m
		if got := b.ask("ATV1") + "|" + b.ask("ATX4") + "|" + b.ask("AT"); got != "OK||" {
			t.Errorf("%q", got)
		}
		mu.Lock()
		defer mu.Unlock()
		if strings.Join(seen, " ") != "ATV1 ATX4 AT" {
			t.Errorf("%q", seen)
		}
	})
}

func TestSplitAndDelayed(t *testing.T) {
	o := modemsim.Options{Stored: "E0", Split: 1, Timing: modemsim.Timing{Chunk: 10 * time.Millisecond, Command: 30 * time.Millisecond}}
	inBubble(t, o, func(b *bench) {
		start := time.Now()
		b.type_("AT\r")
		var parts int
		buf := make([]byte, 64)
		for got := ""; got != "\r\nOK\r\n"; parts++ {
			n, err := b.host.Read(buf)
			if err != nil || n != 1 {
				t.Fatalf("%d bytes, %v", n, err)
			}
			got += string(buf[:n])
		}
		if d := time.Since(start); parts != 6 || d != 80*time.Millisecond {
			t.Errorf("%d parts in %v", parts, d)
		}
	})
}
