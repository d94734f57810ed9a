package modem_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"rashost/port/modem"
)

func TestPPPDetector(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want int // 0: not found
	}{
		"default ACCM":      {"\x7e\xff\x7d\x23\xc0\x21\x7d\x21", 6},
		"plain":             {"\x7e\xff\x03\xc0\x21", 5},
		"escaped all":       {"\x7e\x7d\xdf\x7d\x23\x7d\xe0\x7d\x01", 9},
		"many flags":        {"\x7e\x7e\x7e\xff\x03\xc0\x21", 7},
		"after text":        {"user\r\n\x7e\xff\x7d\x23\xc0\x21", 12},
		"flag within":       {"\x7e\xff\x03\x7e\xff\x03\xc0\x21", 8},
		"flag after escape": {"\x7e\x7d\x7e\xff\x03\xc0\x21", 7},
		"seven bits":        {"\x7e\x7f\x7d\x23\x40\x21", 6},
		"no flag":           {"\xff\x7d\x23\xc0\x21\x7d\x21", 0},
		"IPCP":              {"\x7e\xff\x03\x80\x21", 0},
		"seven bits half":   {"\x7e\xff\x03\x40\x21", 0},
		"broken off":        {"\x7e\xff\x03\xc0x\x21", 0},
		"text":              {"~user~ }#@! ~}# password ~~~\r\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			var d modem.PPPDetector
			found, n := d.Feed([]byte(tc.in))
			if found != (tc.want > 0) || n != tc.want {
				t.Errorf("whole: %v %d, want %d", found, n, tc.want)
			}
			d = modem.PPPDetector{}
			for i, c := range []byte(tc.in) {
				if found, n := d.Feed([]byte{c}); found != (i+1 == tc.want) || found && n != 1 {
					t.Fatalf("byte %d: %v %d", i, found, n)
				} else if found {
					break
				}
			}
		})
	}
}

func TestPPPDetectorPartial(t *testing.T) {
	var d modem.PPPDetector
	for i, c := range []byte("a\x7e\xff\x7d\x23\xc0x") {
		d.Feed([]byte{c})
		if want := i > 0 && i < 6; d.Partial() != want {
			t.Errorf("after byte %d: %v", i, d.Partial())
		}
	}
}

func FuzzPPP(f *testing.F) {
	f.Add([]byte("\x7e\xff\x7d\x23\xc0\x21\x7d\x21"), 3)
	f.Add([]byte("login: ~}#"), 1)
	f.Add([]byte("\x7e\x7d\x7d\x7e\xff\x03\xc0\x21"), 5)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		var whole, parts modem.PPPDetector
		found, n := whole.Feed(b)
		if found != (n > 0) || n > len(b) {
			t.Fatal(found, n)
		}
		if found {
			i := bytes.LastIndexByte(b[:n], 0x7e)
			if i < 0 || n-i < 5 || n-i > 9 {
				t.Fatalf("found in %q", b[:n])
			}
		}
		text := strings.Map(func(r rune) rune { return r & 0x7e }, string(b)) // never 7F or FF: ordinary text
		if found, _ := new(modem.PPPDetector).Feed([]byte(text)); found {
			t.Fatalf("found in text %q", text)
		}
		cut = max(0, min(cut, len(b)))
		got, m := parts.Feed(b[:cut])
		if !got {
			if got, m = parts.Feed(b[cut:]); got {
				m += cut
			}
		}
		if got != found || m != n {
			t.Fatalf("cut at %d: %v %d, whole: %v %d", cut, got, m, found, n)
		}
	})
}

func TestTail(t *testing.T) {
	for in, want := range map[string]modem.TailKind{
		"":                              modem.TailNone,
		"\r\nNO CARRIER\r\n":            modem.TailNoCarrier,
		"data\r\nNO CARRIER\r\n":        modem.TailNoCarrier,
		"data\nNO CARRIER\n":            modem.TailNoCarrier,
		"data\rNO CARRIER\r":            modem.TailNoCarrier,
		"NO CARRIER\r\n":                modem.TailNoCarrier,
		"NO CARRIER":                    modem.TailNone,
		"dataNO CARRIER\r\n":            modem.TailNone,
		"\r\n NO CARRIER\r\n":           modem.TailNone,
		"\r\nNO CARRIER\r\n$":           modem.TailNone,
		"\r\nNO CARRIER\r\n\r\n":        modem.TailNone,
		"\r\nNO CARRIER \r\n":           modem.TailNone,
		"\r\nno carrier\r\n":            modem.TailNone,
		"\r\nRING\r\n":                  modem.TailRing,
		"long data before it\r\nRING\r": modem.TailRing,
		"RING\r\n":                      modem.TailRing,
		"STRING\r\n":                    modem.TailNone,
		"\r\nRINGING\r\n":               modem.TailNone,
		strings.Repeat("x", 5) + "NO CARRIER\r\n":                      modem.TailNone,
		"\r\nNO CARRIER\r\n\r\nNO DIALTONE\r\n":                        modem.TailNoCarrier,
		"x\r\nNO CARRIER\r\n\r\nERROR\r\n\r\nOK\r\n\r\nNO CARRIER\r\n": modem.TailNoCarrier,
		"\r\nERROR\r\n":                                                  modem.TailNone,
		"\r\nNO CARRIER\r\nwas said\r\nOK\r\n":                           modem.TailNone,
		"\r\nNO CARRIER\r\n\r\nOK":                                       modem.TailNone,
		"\r\nNO CARRIER\r\n\r\nOK\r\n\r\n":                               modem.TailNone,
		"\r\nNO CARRIER\r\n\r\nRING\r\n":                                 modem.TailRing,
		"NO CARRIER\r\n" + strings.Repeat("\r\nERROR\r\n", 6) + "OK\r\n": modem.TailNone, // too long ago
		strings.Repeat("x", 54) + "NO CARRIER\r\n":                       modem.TailNone,
		strings.Repeat("x", 52) + "NO CARRIER\r\n":                       modem.TailNone,
	} {
		var whole, bytewise modem.Tail
		whole.Feed([]byte(in))
		for _, c := range []byte(in) {
			bytewise.Feed([]byte{c})
		}
		if whole.Kind() != want || bytewise.Kind() != want {
			t.Errorf("%q: %v, byte by byte %v, want %v", in, whole.Kind(), bytewise.Kind(), want)
		}
	}
}

func TestTailDoesNotAllocate(t *testing.T) {
	var tail modem.Tail
	data := []byte("some data\r\nNO CARRIER\r\n")
	if n := testing.AllocsPerRun(100, func() { tail.Feed(data); tail.Kind() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	tail.Reset()
	if tail.Kind() != modem.TailNone {
		t.Error("left over after reset")
	}
}

// What the tail must find.
var (
	tailRing      = regexp.MustCompile(`(?:^|[\r\n])RING(?:\r\n|\r|\n)$`)
	tailNoCarrier = regexp.MustCompile(`(?:^|[\r\n])NO CARRIER(?:\r\n|\r|\n)(?:[\r\n]*(?:OK|ERROR|NO DIALTONE|NO DIAL TONE|BUSY|NO ANSWER|NO CARRIER)(?:\r\n|\r|\n))*$`)
)

func FuzzTail(f *testing.F) {
	f.Add([]byte("x\r\nNO CARRIER\r\n"), 4)
	f.Add([]byte("\nRING\r"), 2)
	f.Add([]byte("NO CARRIER\r\n\r\nNO DIALTONE\r\n"), 5)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		want := modem.TailNone
		end := b[max(0, len(b)-64):] // of which the first line may have begun earlier
		if len(end) == 64 {
			end = end[max(0, bytes.IndexAny(end, "\r\n")):]
		}
		switch {
		case tailRing.Match(end):
			want = modem.TailRing
		case tailNoCarrier.Match(end):
			want = modem.TailNoCarrier
		}
		cut = max(0, min(cut, len(b)))
		var tail modem.Tail
		tail.Feed(b[:cut])
		tail.Feed(b[cut:])
		if tail.Kind() != want {
			t.Fatalf("%q cut at %d: %v, want %v", b, cut, tail.Kind(), want)
		}
	})
}
