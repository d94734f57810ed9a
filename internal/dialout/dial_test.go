package dialout

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rashost/port/modem"
	"rashost/port/modemsim"
)

// TestDialResults: each answer of the modem is an error that says what it means, and the line is closed after it.
func TestDialResults(t *testing.T) {
	for _, tc := range []struct {
		answer string
		kind   modem.ResultKind
		text   string
	}{
		{"BUSY", modem.Busy, "the number is busy"},
		{"NO ANSWER", modem.NoAnswer, "nobody answers"},
		{"NO CARRIER", modem.NoCarrier, "no carrier"},
		{"NO DIALTONE", modem.NoDialtone, "no dial tone"},
		{"ERROR", modem.Error, "does not accept the number"},
		{"VOICE", modem.Voice, "a voice answered"},
		{"FAX", modem.Fax, "a fax machine answered"},
		{"DELAYED 00:05", modem.Delayed, "delays calls"},
		{"BLACKLISTED", modem.Blacklisted, "refuses this number"},
		{"LINE IN USE", modem.LineInUse, "another telephone"},
	} {
		t.Run(tc.answer, func(t *testing.T) {
			path := modemOnPTY(t, modemsim.Options{OnDial: func(string, *modemsim.FarCall) string { return tc.answer }})
			c, _ := onPTY(t, path)
			_, err := c.Run(t.Context())
			failed, ok := errors.AsType[*DialError](err)
			if !ok || failed.Kind != tc.kind || !strings.Contains(err.Error(), tc.text) || !strings.Contains(err.Error(), tc.answer) {
				t.Errorf("got %v, want %q", err, tc.text)
			}
		})
	}
}

// TestDialConnects: the number reaches the modem, CONNECT and the line feed behind it do not reach the command, and what follows does.
func TestDialConnects(t *testing.T) {
	numbers, ended := make(chan string, 1), make(chan struct{})
	path := modemOnPTY(t, modemsim.Options{Split: 1, OnDial: func(number string, call *modemsim.FarCall) string {
		numbers <- number
		go func() {
			_, _ = io.WriteString(call, "\nwelcome\n")
			<-call.Done()
			close(ended)
		}()
		return "CONNECT 33600/V34"
	}})
	c, said := onPTY(t, path)
	out := inDir(t, "out")
	c.Command = []string{"sh", "-c", `head -c 9 >"$0"; exit 3`, out}
	status, err := c.Run(t.Context())
	if err != nil || status != 3 {
		t.Fatalf("status %d, %v\n%s", status, err, said)
	}
	if got, _ := os.ReadFile(out); string(got) != "\nwelcome\n" {
		t.Errorf("the command read %q", got)
	}
	if n := <-numbers; n != "5550100" {
		t.Errorf("dialled %q", n)
	}
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the call was not hung up")
	}
	if !strings.Contains(said.String(), "CONNECT 33600/V34") {
		t.Errorf("the rate was not told:\n%s", said)
	}
}

// TestDialGivesUp: no answer within the time-out, and the end of the context, stop the dialling by a character, although the tty stays open.
func TestDialGivesUp(t *testing.T) {
	stop := errors.New("the user presses Ctrl-C")
	for _, by := range []string{"timeout", "context"} {
		t.Run(by, func(t *testing.T) {
			dialling, ended := make(chan struct{}), make(chan struct{})
			path := modemOnPTY(t, modemsim.Options{OnDial: func(_ string, call *modemsim.FarCall) string {
				close(dialling)
				<-call.Done()
				close(ended)
				return "NO ANSWER"
			}})
			held, err := os.OpenFile(path, os.O_RDWR, 0) // so that closing the tty is not what hangs up
			if err != nil {
				t.Fatal(err)
			}
			defer held.Close()
			c, said := onPTY(t, path)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if by == "timeout" {
				c.Modem.Timeout = 50 * time.Millisecond
			} else {
				go func() {
					<-dialling
					cancel(stop)
				}()
			}
			_, err = c.Run(ctx)
			failed, _ := errors.AsType[*DialError](err)
			if by == "timeout" && (failed == nil || failed.Kind != modem.None) || by == "context" && !errors.Is(err, stop) {
				t.Errorf("got %v\n%s", err, said)
			}
			select {
			case <-ended:
			case <-time.After(patience):
				t.Error("the modem still dials")
			}
		})
	}
}

func TestRedial(t *testing.T) {
	for _, tc := range []struct {
		redial, dials int
		answers       []string
		ok            bool
	}{
		{2, 3, []string{"BUSY", "NO ANSWER", "CONNECT"}, true},
		{1, 2, []string{"BUSY", "BUSY", "CONNECT"}, false},
		{5, 1, []string{"NO DIALTONE", "CONNECT"}, false},
		{0, 1, []string{"BUSY", "CONNECT"}, false},
	} {
		var dials atomic.Int32
		path := modemOnPTY(t, modemsim.Options{OnDial: func(string, *modemsim.FarCall) string {
			return tc.answers[dials.Add(1)-1]
		}})
		c, said := onPTY(t, path)
		c.Modem.Redial = tc.redial
		_, err := c.Run(t.Context())
		if int(dials.Load()) != tc.dials || tc.ok != (err == nil) {
			t.Errorf("%v: dialled %d times, %v\n%s", tc.answers, dials.Load(), err, said)
		}
	}
}

// TestModemDoesNotAnswer: a modem that is off, and one that refuses a command, are named.
func TestModemDoesNotAnswer(t *testing.T) {
	for _, tc := range []struct {
		faults modemsim.Faults
		text   string
	}{
		{modemsim.Faults{Wedged: true}, `modem command "ATQ0" (2 of 7): no OK within 1s`},
		{modemsim.Faults{Reject: []string{"E0"}}, `modem command "ATE0" (4 of 7): the modem answered ERROR`},
	} {
		c, said := onPTY(t, modemOnPTY(t, modemsim.Options{Faults: tc.faults}))
		_, err := c.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), tc.text) || !strings.Contains(err.Error(), "--baud") {
			t.Errorf("got %v\n%s", err, said)
		}
	}
}

// TestNoisyModem: a modem that is slow of speech, with noise, an echo, numbers for words and RING in between, still dials.
func TestNoisyModem(t *testing.T) {
	for name, o := range map[string]modemsim.Options{
		"noise":   {Faults: modemsim.Faults{Noise: []byte("\x00\xff\r\n\x10")}},
		"RING":    {Faults: modemsim.Faults{RingInCommand: 4}},
		"numeric": {Faults: modemsim.Faults{Numeric: true}},
		"split":   {Split: 1},
		"silent":  {Stored: "E1Q1V0"},
	} {
		t.Run(name, func(t *testing.T) {
			o.OnDial = func(string, *modemsim.FarCall) string { return "CONNECT 9600" }
			c, said := onPTY(t, modemOnPTY(t, o))
			if _, err := c.Run(t.Context()); err != nil {
				t.Errorf("%v\n%s", err, said)
			}
		})
	}
}

func TestCheckNumber(t *testing.T) {
	for _, good := range []string{"1", "0,5550100", "T5550100", "p0W5550100", "*99#", "+49 (30) 555-01.00", "9@555!01&"} {
		if err := CheckNumber(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "T", "555;0100", "555\r0100", "5550100\n", "ATH", "555\x00", "5551H0", "٥٥٥", strings.Repeat("5", 65)} {
		if CheckNumber(bad) == nil {
			t.Errorf("%q passes", bad)
		}
	}
	for number, command := range map[string]string{"5550100": "ATDT5550100", "P5550100": "ATDP5550100", "t1": "ATDt1", "*99#": "ATDT*99#"} {
		if got := dialCommand(number); got != command {
			t.Errorf("%s: %s, want %s", number, got, command)
		}
	}
}

// scripted is a line on which a fixed text comes.
type scripted struct {
	Line
	io.Reader
}

func (s scripted) Read(p []byte) (int, error)     { return s.Reader.Read(p) }
func (scripted) Write(p []byte) (int, error)      { return len(p), nil }
func (scripted) SetReadDeadline(time.Time) error  { return nil }
func (scripted) SetWriteDeadline(time.Time) error { return nil }

// FuzzDial: whatever a modem says, dialling ends, and only a CONNECT connects.
func FuzzDial(f *testing.F) {
	f.Add([]byte("\r\nCONNECT 28800/V34\r\n~data"))
	f.Add([]byte("ATDT1\r\r\nBUSY\r\n"))
	f.Add([]byte("CARRIER 33600\r\nPROTOCOL: LAPM\r\nRINGING\r\n1\r\n"))
	f.Add([]byte("CONN\xa4ECT0\r"))
	f.Add([]byte("+MCR: V34\r\nNO CARRIER\r\n\x10R\x00"))
	f.Fuzz(func(t *testing.T, said []byte) {
		c := &Call{Modem: &Modem{Number: "1"}, Progress: func(text string) {
			if len(text) > 1000 {
				t.Errorf("%d bytes were told", len(text))
			}
		}}
		from := strings.NewReader(string(said))
		_, err := c.dialOnce(t.Context(), &talk{line: scripted{Reader: from}})
		printable := bytes.Map(func(r rune) rune { // noise between the letters of a result is passed over
			if r < ' ' || r > '~' {
				return -1
			}
			return r
		}, said)
		if upper := strings.ToUpper(string(printable)); err == nil && !strings.Contains(upper, "CONNECT") && !strings.Contains(upper, "1") {
			t.Errorf("%q connects", said)
		}
	})
}
