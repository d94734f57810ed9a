package port

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// testS12 is the guard time of the modems in these tests.
const testS12 = time.Second

// escapeWatch is a modem that looks for escapes in what it is sent: by Hayes (three escape characters, nearer than S12 to each other, with
// silence of S12 on both sides), and by TIES where the characters must be nearer than S12 to each other (no fourth one, then AT and CR, with
// blanks and line ends passed over).
type escapeWatch struct {
	last    time.Time // the byte before
	run     int       // escape characters near each other
	alone   bool      // with silence before the first
	command []byte    // what followed three of them
	open    bool      // something may follow
	xonxoff bool      // it takes XON and XOFF out
	found   []string
}

func (w *escapeWatch) silence(now time.Time) {
	if w.run == 3 && w.alone && now.Sub(w.last) >= testS12 {
		w.found = append(w.found, "Hayes")
	}
}

func (w *escapeWatch) take(b byte, now time.Time) {
	w.silence(now)
	near := now.Sub(w.last) < testS12
	if b &= 0x7f; w.xonxoff && (b == 0x11 || b == 0x13) {
		return
	}
	switch {
	case b == '+' && w.run > 0 && near:
		w.run++
		w.open, w.command = w.run == 3, nil
	case b == '+':
		w.run, w.alone, w.open, w.command = 1, !near, false, nil
	case w.open && b == '\r' && len(w.command) > 0:
		if strings.HasPrefix(strings.ToUpper(string(w.command)), "AT") {
			w.found = append(w.found, "TIES")
		}
		w.open, w.run = false, 0
	case w.open && strings.IndexByte(" \r\n", b) < 0:
		w.command = append(w.command, b)
		w.run = 0
	default:
		w.run = 0
	}
	w.last = now
}

// escapeRig gives a handler a call, sends what the test wants, and returns what the modem saw, in the time of a bubble.
func escapeRig(t *testing.T, o FakeOptions, send func(c *Call)) (text []byte, found []string, took time.Duration, e End) {
	t.Helper()
	bubble(t, o, func(r *rig) {
		r.cfg.Baud = 115200
		r.handler = func(_ context.Context, c *Call) Outcome {
			time.Sleep(5 * time.Second) // silence before
			begin := time.Now()
			send(c)
			took = time.Since(begin)
			time.Sleep(5 * time.Second)
			return Outcome{Cause: UserRequest}
		}
	}, func(r *rig) {
		r.within(time.Second, Listening)
		w, x := &escapeWatch{}, &escapeWatch{xonxoff: true}
		r.modem.set(func(m *fakeModem) {
			m.guarded = true // this modem is only watched: w looks for escapes
			m.onData = func(p []byte) {
				for _, b := range p {
					w.take(b, time.Now())
					x.take(b, time.Now())
				}
			}
		})
		r.ring()
		r.within(time.Hour, Listening)
		w.silence(time.Now())
		x.silence(time.Now())
		r.modem.set(func(m *fakeModem) { text = bytes.Clone(m.data.Bytes()) })
		found, e = append(w.found, x.found...), r.lastEnd()
	})
	return text, found, took, e
}

// TestEscapeWatch: the test's own modem sees what it must, when nothing is done about it.
func TestEscapeWatch(t *testing.T) {
	for _, c := range []struct {
		text string
		want string
	}{{"+++ATH0\r", "TIES"}, {"x+++ath\r", "TIES"}, {"+++ AT\r", "TIES"}, {"\xab\xab\xabAT\r", "TIES"}, {"+++", "Hayes"}, {"++++ATH\r", ""}, {"++AT\r", ""}, {"x+++", ""}} {
		w, now := &escapeWatch{}, time.Now()
		for _, b := range []byte(c.text) {
			w.take(b, now)
			now = now.Add(time.Millisecond)
		}
		w.silence(now.Add(2 * testS12))
		if got := strings.Join(w.found, " "); got != c.want {
			t.Errorf("%q: %q", c.text, got)
		}
	}
}

// TestEscapesAreBroken: no escape reaches the modem, every byte does, and what is harmless is not held up.
func TestEscapesAreBroken(t *testing.T) {
	gap := testS12 + testS12/5
	for name, c := range map[string]struct {
		writes []string
		gaps   int
	}{
		"TIES":                         {[]string{"+++ATH0\r"}, 1},
		"small letters":                {[]string{"+++atz\r"}, 1},
		"in a text":                    {[]string{"Welcome! +++ATS0=1\r\n"}, 1},
		"with blanks":                  {[]string{"+++ \r\nAT\r"}, 1},
		"even parity, mark":            {[]string{"\xab\xab\xab\x41\xd4H\r"}, 1},
		"all bits set":                 {[]string{"\xab\xab\xab\xc1\xd4\xc8\x8d"}, 1},
		"over three writes":            {[]string{"+", "++A", "TH\r"}, 1},
		"byte by byte":                 {strings.Split("+++ATH\r", ""), 1},
		"alone":                        {[]string{"+++"}, 1},
		"alone, then AT":               {[]string{"+++", "ATH\r"}, 1},
		"typed and echoed":             {[]string{"a", "+", "+", "+"}, 1},
		"twice":                        {[]string{"+++ATH\r+++ATH\r"}, 2},
		"four":                         {[]string{"++++ATH\r"}, 1},
		"many":                         {[]string{strings.Repeat("+", 100) + "ATH\r"}, 1},
		"many, then AT":                {[]string{strings.Repeat("+", 100), "ATH\r"}, 1},
		"many by threes":               {[]string{"+++", "+++", "+++", "ATH\r"}, 2},
		"the last of the call":         {[]string{"bye +++"}, 1},
		"only an A so far":             {[]string{"+++A", "TH\r"}, 1},
		"a difference of two files":    {[]string{"--- a/x\n+++ b/x\n@@ -1 +1 @@\n+a\n"}, 0},
		"and of files under a":         {[]string{"+++ a/x\n"}, 0},
		"a table":                      {[]string{"+---+---+\n| 1 | 2 |\n+++++++++\n"}, 0},
		"C++":                          {[]string{"C++ At last, C+++ too"}, 0},
		"two":                          {[]string{"++", "AT"}, 0},
		"other parity, other letters":  {[]string{"\xab\xab\xabB\xd4\r"}, 0},
		"XON between":                  {[]string{"++\x11+ATH\r"}, 1},
		"XOFF with a parity bit":       {[]string{"+\x93++ATH\r"}, 1},
		"XON, alone":                   {[]string{"++\x11+"}, 1},
		"XON behind":                   {[]string{"+++\x11\x13"}, 1},
		"XON in the command":           {[]string{"+++\x11A\x13TH\r"}, 1},
		"XON in writes of its own":     {[]string{"+", "\x11", "+", "\x13", "+", "\x11", "ATH\r"}, 2},
		"XON behind three of four":     {[]string{"+++\x11+x"}, 2},
		"XON makes three of four":      {[]string{"+\x11+++ATH\r"}, 2},
		"XON and text":                 {[]string{"a\x11+\x13b+\x11c+\n"}, 0},
		"nothing":                      {[]string{""}, 0},
		"three apart":                  {[]string{"+a+b+ATH\r"}, 0},
		"harmless follows at once":     {[]string{"++", "+x"}, 0},
		"long silence before the last": {[]string{"++", "SLEEP", "+ATH\r"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var want strings.Builder
			slept := time.Duration(0)
			text, found, took, e := escapeRig(t, FakeOptions{}, func(c2 *Call) {
				for _, w := range c.writes {
					if w == "SLEEP" {
						slept = time.Minute
						time.Sleep(slept)
						continue
					}
					want.WriteString(w)
					if n, err := c2.Write([]byte(w)); n != len(w) || err != nil {
						t.Errorf("wrote %d of %q: %v", n, w, err)
					}
				}
			})
			if string(text) != want.String() {
				t.Errorf("the modem got %q", text)
			}
			if len(found) > 0 {
				t.Errorf("the modem found %v", found)
			}
			took -= slept
			if least, most := time.Duration(c.gaps)*gap, time.Duration(c.gaps)*(gap+50*time.Millisecond); took < least || took > most {
				t.Errorf("it took %s, not %d gaps", took, c.gaps)
			}
			if told := strings.Contains(stepsText(e), "escape sequence in what we send was broken"); told != (c.gaps > 0) {
				t.Errorf("the record says:\n%s", stepsText(e))
			}
		})
	}
}

// TestEscapesTypedSlowly: whether two escape characters are neighbours for the modem is never in doubt.
func TestEscapesTypedSlowly(t *testing.T) {
	for _, between := range []time.Duration{0, 300 * time.Millisecond, 900 * time.Millisecond, time.Second, 1100 * time.Millisecond, 1199 * time.Millisecond, 2 * time.Second} {
		for _, words := range [][]string{{"+", "+", "+", "ATH\r"}, {"++", "++", "+", "ATH\r"}, {"++", "+++", "ATH\r"}, {"+", "+++", "++", "ATH\r"}, {"+++", "AT\r"}} {
			text, found, _, _ := escapeRig(t, FakeOptions{}, func(c *Call) {
				for _, w := range words {
					_, _ = c.Write([]byte(w))
					time.Sleep(between)
				}
			})
			if len(found) > 0 || string(text) != strings.Join(words, "") {
				t.Errorf("%q with %s between: %v, %q", words, between, found, text)
			}
		}
	}
}

// TestEscapeStreamProgresses: a stream that is nothing but escapes is slow, and gets through.
func TestEscapeStreamProgresses(t *testing.T) {
	const n = 200
	text, found, took, e := escapeRig(t, FakeOptions{}, func(c *Call) {
		_, _ = c.Write(bytes.Repeat([]byte("+++AT"), n))
	})
	if len(text) != 5*n || len(found) > 0 || took > n*(testS12+testS12/4) {
		t.Errorf("%d bytes in %s, %v", len(text), took, found)
	}
	if !strings.Contains(stepsText(e), "200 escape sequences in what we sent were broken in time") {
		t.Errorf("the record says:\n%s", stepsText(e))
	}
}

// TestEscapeWaitsForTheWire: what the modem takes slowly counts from when it has left.
func TestEscapeWaitsForTheWire(t *testing.T) {
	text, found, took, _ := escapeRig(t, FakeOptions{}, func(c *Call) {
		far := c.dev.(*fakeDevice).fake.Far()
		far.Wedge(true)
		time.AfterFunc(10*time.Second, func() { far.Wedge(false) })
		_, _ = c.Write([]byte("text +++ATH\r"))
	})
	if string(text) != "text +++ATH\r" || len(found) > 0 || took < 10*time.Second+testS12 {
		t.Errorf("%q in %s, %v", text, took, found)
	}
}

// TestEscapePauseEnds: a Write that keeps silence obeys its deadline, and the end of the call.
func TestEscapePauseEnds(t *testing.T) {
	t.Run("deadline before", func(t *testing.T) {
		_, _, _, _ = escapeRig(t, FakeOptions{}, func(c *Call) {
			begin := time.Now()
			_ = c.SetWriteDeadline(begin.Add(time.Second / 2))
			n, err := c.Write([]byte("+++AT"))
			if n != 2 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Second/2 {
				t.Errorf("%d, %v after %s", n, err, time.Since(begin))
			}
			_ = c.SetWriteDeadline(time.Time{})
			if n, err := c.Write([]byte("+AT")); n != 3 || err != nil {
				t.Errorf("the rest: %d, %v", n, err)
			}
		})
	})
	t.Run("deadline set meanwhile", func(t *testing.T) {
		_, _, _, _ = escapeRig(t, FakeOptions{}, func(c *Call) {
			begin := time.Now()
			time.AfterFunc(time.Second/4, func() { _ = c.SetWriteDeadline(longAgo) })
			n, err := c.Write([]byte("+++AT"))
			if n != 2 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Second/4 {
				t.Errorf("%d, %v after %s", n, err, time.Since(begin))
			}
		})
	})
	t.Run("carrier lost", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) {
			r.handler = func(_ context.Context, c *Call) Outcome {
				if _, err := c.Write([]byte(strings.Repeat("+++AT", 1000))); !errors.Is(err, ErrCarrierLost) {
					t.Errorf("write: %v", err)
				}
				return Outcome{}
			}
		}, func(r *rig) {
			r.within(time.Second, Listening)
			r.ring()
			time.Sleep(10 * time.Second)
			r.modem.lose("\r\nNO CARRIER\r\n")
			r.within(3*time.Second, Listening)
		})
	})
}

// TestEscapeHoldsUpNothingElse: without escape characters Write costs no more than before.
func TestEscapeHoldsUpNothingElse(t *testing.T) {
	text := bytes.Repeat([]byte("no such thing + in ++ here\r\n"), 1000)
	got, _, took, _ := escapeRig(t, FakeOptions{}, func(c *Call) { _, _ = c.Write(text) })
	if took != 0 || !bytes.Equal(got, text) {
		t.Errorf("%d bytes took %s", len(got), took)
	}
}

// FuzzEscapes writes anything in any pieces with any pauses: the modem finds no escape and gets every byte.
// TestEscapeRun: many characters at once are taken as one after the other, and the next escape character is found whatever its parity bit.
func TestEscapeRun(t *testing.T) {
	alphabet := []byte("a+A\x11+\xab\x93T")
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var one, all escapeRun
		for range 3 {
			p := make([]byte, random.IntN(9))
			for i := range p {
				p[i] = alphabet[random.IntN(len(alphabet))]
			}
			first := slices.IndexFunc(p, func(b byte) bool { return b&0x7f == escapeChar })
			if got := indexEscape(p); got != first {
				t.Fatalf("%q: the first escape character at %d, not %d", p, got, first)
			}
			for _, b := range p {
				one.take(b)
			}
			if all.takeAll(p); all != one {
				t.Fatalf("%q: %+v, one by one %+v", p, all, one)
			}
		}
	}
}

func FuzzEscapes(f *testing.F) {
	f.Add([]byte("+++ATH\r"), []byte{0})
	f.Add([]byte("++++++ATH\r+++\r\nat\r"), []byte{3, 90, 2, 120, 1, 60})
	f.Add([]byte("\xab\xab\xab\xc1\xd4\r"), []byte{1, 101, 1, 99})
	f.Add([]byte("++\x11+ATH\r+\x93+++\x11ATH\r++\x13\x11\x11+++A\x91T\r"), []byte{3, 30, 1, 30, 1, 30, 1, 30})
	f.Add([]byte("++\x11+++ATH\r"), []byte{2, 130, 1, 0})
	f.Fuzz(func(t *testing.T, text, cuts []byte) {
		if len(text) > 200 || len(cuts) > 100 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			fake := NewFake("x", FakeOptions{})
			dev, err := fake.Open(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			far := fake.Far()
			w, x, got, done := &escapeWatch{}, &escapeWatch{xonxoff: true}, []byte(nil), make(chan struct{})
			go func() {
				defer close(done)
				for buf := make([]byte, 64); ; {
					n, err := far.Read(buf)
					if err != nil {
						return
					}
					for _, b := range buf[:n] {
						w.take(b, time.Now())
						x.take(b, time.Now())
					}
					got = append(got, buf[:n]...)
				}
			}()
			c := &Call{dev: dev, wake: make(chan struct{}, 1), guard: newEscapeGuard(testS12, 115200)}
			for i, p := 0, text; len(p) > 0; i++ {
				n := len(p)
				if 2*i < len(cuts) {
					n = min(n, int(cuts[2*i])%8)
				}
				if m, err := c.Write(p[:n]); m != n || err != nil {
					t.Errorf("%d of %d, %v", m, n, err)
				}
				if p = p[n:]; 2*i+1 < len(cuts) {
					time.Sleep(time.Duration(cuts[2*i+1]) * 10 * time.Millisecond)
				} else if n == 0 {
					cuts = nil
				}
			}
			time.Sleep(2 * testS12)
			synctest.Wait()
			w.silence(time.Now())
			x.silence(time.Now())
			if !bytes.Equal(got, text) || len(w.found)+len(x.found) > 0 {
				t.Errorf("%q arrived as %q, with %v, and without XON and XOFF %v", text, got, w.found, x.found)
			}
			_ = far.Close()
			<-done
		})
	})
}
