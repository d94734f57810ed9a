package terminal

import (
	"bytes"
	"context"
	"errors"
	"math/bits"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rashost/plugin"
)

// even and odd put a parity bit on every byte, as a 7E1 or 7O1 terminal does.
func even(s string) string { return withParity(s, 0) }
func odd(s string) string  { return withParity(s, 1) }

func withParity(s string, want int) string {
	b := []byte(s)
	for i, c := range b {
		if bits.OnesCount8(c)%2 != want {
			b[i] = c | 0x80
		}
	}
	return string(b)
}

func TestReadLine(t *testing.T) {
	long := strings.Repeat("x", DefaultMax)
	for name, c := range map[string]struct {
		in, want, out string
		secret        bool
	}{
		"CR":                         {in: "alice\r", want: "alice", out: "alice\r\n"},
		"LF":                         {in: "alice\n", want: "alice", out: "alice\r\n"},
		"BS":                         {in: "alicx\be\r", want: "alice", out: "alicx\b \be\r\n"},
		"DEL":                        {in: "alicx\x7fe\r", want: "alice", out: "alicx\b \be\r\n"},
		"BS on an empty line":        {in: "\b\x7fa\b\b\balice\r", want: "alice", out: "a\b \balice\r\n"},
		"^U":                         {in: "bob\x15alice\r", want: "alice", out: "bob\b \b\b \b\b \balice\r\n"},
		"noise before the first key": {in: "\x00\x00\x01\x11\x13\x18\x00alice\r", want: "alice", out: "alice\r\n"},
		"NUL and control within":     {in: "al\x00i\x11\x13\x01ce\x07\t\r", want: "alice", out: "alice\r\n"},
		"arrow keys":                 {in: "al\x1b[Ai\x1b[1;5Cc\x1bOPe\r", want: "alice", out: "alice\r\n"},
		"a title string":             {in: "\x1b]0;evil\x07al\x1bP1$r\x1b\\ice\r", want: "alice", out: "alice\r\n"},
		"ESC and end of line":        {in: "alice\x1b\r", want: "alice", out: "alice\r\n"},
		"CSI and end of line":        {in: "alice\x1b[12\r", want: "alice", out: "alice\r\n"},
		"secret":                     {in: "sesame\r", want: "sesame", out: "\r\n", secret: true},
		"secret, edited":             {in: "sesamo\be\r", want: "sesame", out: "\r\n", secret: true},
		"secret, killed":             {in: "oops\x15sesame\r", want: "sesame", out: "\r\n", secret: true},
		"empty":                      {in: "\r", want: "", out: "\r\n"},
		"one too many":               {in: long + "yz\r", want: long, out: long + "\a\r\n"},
		"too many, rubbed out":       {in: long + "yz\bY\r", want: long[1:] + "Y", out: long + "\a\b \bY\r\n"},
		"secret, too many":           {in: long + "yz\r", want: long, out: "\a\r\n", secret: true},
		"8-bit in a name":            {in: "jos\xc3\xa9 e\r", want: "jos\xc3\xa9 e", out: "jos?? e\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			term, h := newFake(t, c.in)
			got, err := term.ReadLine(Line{Secret: c.secret})
			if err != nil || string(got) != c.want {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
			if out := h.output(); out != c.out {
				t.Errorf("terminal shows %q, want %q", out, c.out)
			}
		})
	}
}

func TestPromptAndTypeAheadInOrder(t *testing.T) {
	term, h := newFake(t, "alice\r\nsesame\r\nls -l\r")
	name, err := term.ReadLine(Line{Prompt: "login: "})
	if err != nil {
		t.Fatal(err)
	}
	secret, err := term.ReadLine(Line{Prompt: "Password: ", Secret: true})
	if err != nil {
		t.Fatal(err)
	}
	if string(name) != "alice" || string(secret) != "sesame" {
		t.Errorf("got %q and %q", name, secret)
	}
	if got, want := h.output(), "login: alice\r\nPassword: \r\n"; got != want {
		t.Errorf("terminal shows %q, want %q", got, want)
	}
	if got := string(h.in); got != "\nls -l\r" {
		t.Errorf("left for the service: %q", got)
	}
}

func TestLineEnds(t *testing.T) {
	for _, in := range []string{"a\rb\rc\r", "a\nb\nc\n", "a\r\nb\r\nc\r\n", "a\r\x00\nb\r\x00c\r"} {
		term, _ := newFake(t, in)
		for _, want := range []string{"a", "b", "c"} {
			if got, err := term.ReadLine(Line{}); err != nil || string(got) != want {
				t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
			}
		}
	}
	// An LF on its own after CR LF is an empty line.
	term, _ := newFake(t, "a\r\n\nb\r")
	for _, want := range []string{"a", "", "b"} {
		if got, err := term.ReadLine(Line{}); err != nil || string(got) != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
}

// The LF of a CR LF belongs to its line also when it arrives long after the line was read.
func TestLateLFIsSwallowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term, h := newFake(t, "alice\r")
		if _, err := term.ReadLine(Line{}); err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(time.Second)
			h.keys("\n")
			time.Sleep(time.Second)
			h.keys("sesame\r")
		}()
		if got, err := term.ReadLine(Line{}); err != nil || string(got) != "sesame" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestInterrupt(t *testing.T) {
	term, h := newFake(t, "ali\x03bob\r")
	if got, err := term.ReadLine(Line{}); got != nil || !errors.Is(err, ErrInterrupted) {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := term.ReadLine(Line{}); err != nil || string(got) != "bob" {
		t.Errorf("after ^C: got %q, %v", got, err)
	}
	if got := h.output(); got != "ali\r\nbob\r\n" {
		t.Errorf("terminal shows %q", got)
	}
}

func TestParity(t *testing.T) {
	type line struct{ in, want string }
	for name, c := range map[string]struct {
		lines []line
		out   string // of Print("ok") afterwards
	}{
		"7E1":                            {[]line{{even("alice\r"), "alice"}, {even("sesame\r"), "sesame"}}, even("ok")},
		"7O1":                            {[]line{{odd("alice\r"), "alice"}, {odd("sesame\r"), "sesame"}}, odd("ok")},
		"7E1, edited":                    {[]line{{even("alicx\x7fe\x1b[A\r"), "alice"}}, even("ok")},
		"7E1, CR LF":                     {[]line{{even("alice\r\n"), "alice"}, {even("sesame\r\n"), "sesame"}}, even("ok")},
		"7E1, noise first":               {[]line{{"\x00\x01\xff\x00" + even("alice\r"), "alice"}}, even("ok")},
		"7E1, an empty line first":       {[]line{{even("\r"), ""}, {even("alice\r"), "alice"}}, even("ok")},
		"7O1, an empty line first":       {[]line{{odd("\r"), ""}, {odd("alice\r"), "alice"}}, odd("ok")},
		"8N1":                            {[]line{{"alice\r", "alice"}, {"s\xc3\xa4same\r", "s\xc3\xa4same"}}, "ok"},
		"8N1, a password that fits even": {[]line{{"alice\r", "alice"}, {even("sesame") + "\r", even("sesame")}}, "ok"},
		"8N1, not ASCII":                 {[]line{{"jos\xe9 alice\r", "jos\xe9 alice"}}, "ok"},
		"one byte does not fit":          {[]line{{even("alic") + "ee\r", even("alic") + "ee"}}, "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			var in string
			for _, l := range c.lines {
				in += l.in
			}
			term, h := newFake(t, in)
			for _, l := range c.lines {
				got, err := term.ReadLine(Line{Secret: true})
				if err != nil || string(got) != l.want {
					t.Errorf("got %q, %v; want %q", got, err, l.want)
				}
			}
			h.output()
			if err := term.Print("ok"); err != nil {
				t.Fatal(err)
			}
			if out := h.output(); out != c.out {
				t.Errorf("prints %q, want %q", out, c.out)
			}
		})
	}
}

// While the parity is unknown the echo is the byte as it came; afterwards it carries parity. A 7E1 terminal reads both.
func TestParityOfEcho(t *testing.T) {
	term, h := newFake(t, even("alice\rbob\r"))
	for range 2 {
		if _, err := term.ReadLine(Line{Prompt: ">"}); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := h.output(), ">"+even("alice\r\n>bob\r\n"); got != want {
		t.Errorf("terminal gets %q, want %q", got, want)
	}
}

func TestPrint(t *testing.T) {
	term, h := newFake(t, "")
	text := strings.Repeat("0123456789", 400)
	if err := term.Print(text + "\nend\r\n"); err != nil {
		t.Fatal(err)
	}
	if h.largest > plugin.BufferSize || h.sends != 3 {
		t.Errorf("%d sends, the largest of %d bytes", h.sends, h.largest)
	}
	if got := h.output(); got != text+"\r\nend\r\n" {
		t.Errorf("sent %d bytes, ending in %q", len(got), got[len(got)-10:])
	}
}

func TestPrintWaitsForBuffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term, h := newFake(t, "")
		h.full = 20
		start := time.Now()
		if err := term.Print("late"); err != nil || h.output() != "late" {
			t.Errorf("Print: %v", err)
		}
		if took := time.Since(start); h.sends != 21 || took < time.Second {
			t.Errorf("%d sends in %v: that is no polite wait", h.sends, took)
		}
	})
}

func TestPrintGivesUpWithTheTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		term, h := newFake(t, "")
		term.ctx, h.full = ctx, 1<<30
		if err := term.Print("never"); !errors.Is(err, ErrGone) {
			t.Errorf("got %v, want ErrGone", err)
		}
	})
}

func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, end := range map[string]func(h *fakeHost, cancel func()){
			"drop":   func(h *fakeHost, _ func()) { h.drop() },
			"cancel": func(_ *fakeHost, cancel func()) { cancel() },
		} {
			term, h := newFake(t, "ali")
			ctx, cancel := context.WithCancel(t.Context())
			term.ctx = ctx
			time.AfterFunc(time.Second, func() { end(h, cancel) })
			for range 2 {
				if got, err := term.ReadLine(Line{}); got != nil || !errors.Is(err, ErrGone) {
					t.Errorf("%s: got %q, %v; want ErrGone", name, got, err)
				}
			}
			cancel()
		}
	})
}

func TestHostCodes(t *testing.T) {
	for code, gone := range map[plugin.Code]bool{
		plugin.ErrorPortDisconnected: true, plugin.ErrorInvalidPortHandle: true, plugin.ErrorAsyncRequestPending: false,
	} {
		term, h := newFake(t, "alice\r")
		h.code = code
		_, err := term.ReadLine(Line{})
		if !errors.Is(err, code) || errors.Is(err, ErrGone) != gone {
			t.Errorf("%v: got %v", code, err)
		}
	}
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term, h := newFake(t, "")
		time.AfterFunc(8*time.Second, func() { h.keys("a") })
		start := time.Now()
		if _, err := term.ReadLine(Line{Timeout: 10}); !errors.Is(err, ErrTimeout) {
			t.Errorf("got %v", err)
		}
		if got := time.Since(start); got != 18*time.Second {
			t.Errorf("timed out after %v, want 10 s after the last key", got)
		}
	})
}

func TestNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term, h := newFake(t, "")
		now := time.Now()
		term.SetNotices(Notice{now.Add(20 * time.Second), "second"}, Notice{now.Add(10 * time.Second), "first"})
		done := make(chan string)
		go func() {
			name, _ := term.ReadLine(Line{Prompt: "login: "})
			secret, _ := term.ReadLine(Line{Prompt: "Password: ", Secret: true})
			done <- string(name) + "/" + string(secret)
		}()
		time.Sleep(5 * time.Second)
		h.keys("ali")
		synctest.Wait()
		h.output()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := h.output(); got != "\r\nfirst\r\nlogin: ali" {
			t.Errorf("first notice shows %q", got)
		}
		h.keys("ce\rses")
		synctest.Wait()
		h.output()
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if got := h.output(); got != "\r\nsecond\r\nPassword: " {
			t.Errorf("second notice shows %q", got)
		}
		h.keys("ame\r")
		if got := <-done; got != "alice/sesame" {
			t.Errorf("got %q", got)
		}
	})
}

func TestFlood(t *testing.T) {
	for name, in := range map[string]string{
		"noise":       strings.Repeat("\x00\x01\xff\xfe", MaxInput),
		"endless":     strings.Repeat("x", 1<<20),
		"empty lines": strings.Repeat("\r", 1<<20),
		"rub out":     strings.Repeat("x\b", 1<<19),
	} {
		term, h := newFake(t, in)
		var err error
		for err == nil {
			_, err = term.ReadLine(Line{})
		}
		if !errors.Is(err, ErrFlood) {
			t.Errorf("%s: got %v, want ErrFlood", name, err)
		}
		if taken, out := len(in)-len(h.in), len(h.out); taken != MaxInput || out > 2*MaxInput {
			t.Errorf("%s: took %d bytes and answered with %d", name, taken, out)
		}
	}
}

func TestBuffersAreWiped(t *testing.T) {
	term, h := newFake(t, "sesame\r")
	if _, err := term.ReadLine(Line{Secret: true}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(h.rcvBuf, make([]byte, len(h.rcvBuf))) {
		t.Errorf("the receive buffer still holds %q", bytes.Trim(h.rcvBuf, "\x00"))
	}
	e := &editor{Line: Line{Max: 8}, text: make([]byte, 0, 8), show: func(byte) string { return "" }}
	for _, c := range []byte("sesam\b\b") {
		e.feed(c, c)
	}
	if got := e.text[:cap(e.text)]; string(got) != "ses\x00\x00\x00\x00\x00" {
		t.Errorf("rubbed out bytes stay: %q", got)
	}
	e.feed(nak, nak)
	if got := e.text[:cap(e.text)]; !bytes.Equal(got, make([]byte, 8)) {
		t.Errorf("a killed line stays: %q", got)
	}
}

func TestLineGivenUpIsWiped(t *testing.T) {
	for _, in := range []string{"sesame\x03", "sesame"} {
		term, h := newFake(t, in)
		term.begin.Host = endsWithInput{h}
		e := &editor{Line: Line{Max: 8, Secret: true}, text: make([]byte, 0, 8), show: term.parity.show}
		if _, err := term.read(e); err == nil {
			t.Fatal("no error")
		}
		if got := e.text[:cap(e.text)]; !bytes.Equal(got, make([]byte, 8)) {
			t.Errorf("%q leaves %q", in, got)
		}
	}
}

// A line given up by ^C says nothing about parity.
func TestParityAfterInterrupt(t *testing.T) {
	term, _ := newFake(t, "alice\x03"+even("alice\r"))
	if _, err := term.ReadLine(Line{}); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	if got, err := term.ReadLine(Line{}); err != nil || string(got) != "alice" {
		t.Errorf("got %q, %v", got, err)
	}
}

func FuzzReadLine(f *testing.F) {
	for _, s := range []string{"alice\r\nsesame\r\n", even("alice\rsesame\r"), odd("a\rb\r"), "\x1b[A\x1b]0;x\x07a\b\b\x15\x03\r", "\xff\xfe\x00\r"} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, secret bool) {
		term, h := newFake(t, string(in))
		term.begin.Host = endsWithInput{h}
		for {
			line, err := term.ReadLine(Line{Secret: secret, Max: 16})
			if errors.Is(err, ErrInterrupted) {
				continue
			}
			if err != nil {
				break
			}
			if len(line) > 16 || bytes.ContainsAny(line, "\x00\r\n\x03\b\x15\x1b\x7f") {
				t.Fatalf("line %q", line)
			}
		}
		if term.taken > len(in) || len(h.out) > 4*len(in)+64 {
			t.Fatalf("%d bytes in, %d out", term.taken, len(h.out))
		}
		for _, c := range h.out {
			seven := c
			if term.parity.kind == parityEven || term.parity.kind == parityOdd {
				seven &= 0x7f
			}
			if strings.IndexByte("\r\n\a\b", seven) < 0 && (seven < ' ' || seven == del || seven >= 0x80 && seven < 0xa0) {
				t.Fatalf("control character %#x in the output %q", c, h.out)
			}
			if secret && strings.IndexByte("\r\n\a", seven&0x7f) < 0 {
				t.Fatalf("%#x is shown of a secret", c)
			}
		}
	})
}

// endsWithInput drops the line when all input has been taken.
type endsWithInput struct{ *fakeHost }

func (h endsWithInput) DialogReceive(p plugin.HPORT, buf []byte, n *uint16, timeout uint32, event *plugin.Event) plugin.Code {
	if len(h.in) == 0 {
		return plugin.ErrorPortDisconnected
	}
	return h.fakeHost.DialogReceive(p, buf, n, timeout, event)
}
