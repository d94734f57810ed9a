package modem_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"rashost/port/modem"
)

func lines(s *modem.Splitter, b []byte) []string {
	var all []string
	for len(b) > 0 {
		line, rest, ok := s.Next(b)
		if ok {
			all = append(all, line)
		}
		b = rest
	}
	return all
}

func TestSplitter(t *testing.T) {
	for name, tc := range map[string]struct {
		in, echo string
		want     []string
	}{
		"CR LF":          {"\r\nOK\r\n", "", []string{"OK"}},
		"CR":             {"OK\rRING\r", "", []string{"OK", "RING"}},
		"LF":             {"OK\nRING\n", "", []string{"OK", "RING"}},
		"LF CR":          {"OK\n\rRING\n\r", "", []string{"OK", "RING"}},
		"numeric":        {"0\r2\r", "", []string{"0", "2"}},
		"NULs":           {"\x00O\x00K\x00\r\n", "", []string{"OK"}},
		"noise":          {"\xff\x80\x11RI\x7fNG\x1b\r\n", "", []string{"RING"}},
		"no end":         {"OK", "", nil},
		"blanks":         {"  OK  \r\n   \r\n", "", []string{"OK"}},
		"echo":           {"ATE0\r\r\nOK\r\n", "ATE0\r", []string{"OK"}},
		"echo once":      {"AT\rAT\r", "AT", []string{"AT"}},
		"echo lower":     {"atz\r\r\nOK\r\n", "ATZ", []string{"OK"}},
		"ends like echo": {"NAME = PAT\r\nAT\r", "AT", []string{"NAME = PAT"}},
		"no echo":        {"\r\nOK\r\n", "ATE0", []string{"OK"}},
		"voice ring":     {"\x10R\x10R\r\nOK\r\n", "", []string{"RING", "RING", "OK"}},
		"DLE other":      {"\x10sOK\r\n", "", []string{"sOK"}},
		"just fits":      {strings.Repeat("x", modem.MaxLine) + "\rOK\r", "", []string{strings.Repeat("x", modem.MaxLine), "OK"}},
		"too long":       {strings.Repeat("x", modem.MaxLine+1) + "\rOK\r", "", []string{"OK"}},
	} {
		t.Run(name, func(t *testing.T) {
			var whole, bytewise modem.Splitter
			whole.Echo(tc.echo)
			bytewise.Echo(tc.echo)
			if got := lines(&whole, []byte(tc.in)); !slices.Equal(got, tc.want) {
				t.Errorf("whole: %q, want %q", got, tc.want)
			}
			var got []string
			for _, c := range []byte(tc.in) {
				got = append(got, lines(&bytewise, []byte{c})...)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("byte by byte: %q, want %q", got, tc.want)
			}
		})
	}
}

func TestSplitterLeavesDataAfterConnect(t *testing.T) {
	var s modem.Splitter
	_, rest, _ := s.Next([]byte("\r\nCONNECT 9600\r\nlogin"))
	if string(rest) != "login" || s.AfterCR() {
		t.Errorf("rest %q, after CR %v", rest, s.AfterCR())
	}
	if _, rest, _ = s.Next([]byte("\r\nCONNECT\r")); len(rest) != 0 || !s.AfterCR() {
		t.Errorf("rest %q, after CR %v", rest, s.AfterCR())
	}
}

func TestSplitterCountsDropped(t *testing.T) {
	var s modem.Splitter
	s.Next(bytes.Repeat([]byte("x"), 1<<20))
	if s.Pending() != modem.MaxLine || s.Dropped() != 0 {
		t.Fatalf("pending %d, dropped %d", s.Pending(), s.Dropped())
	}
	s.Next([]byte("\r"))
	if s.Pending() != 0 || s.Dropped() != 1 {
		t.Errorf("pending %d, dropped %d", s.Pending(), s.Dropped())
	}
	s.Next([]byte("half"))
	s.Reset()
	if got := lines(&s, []byte("OK\r")); !slices.Equal(got, []string{"OK"}) || s.Dropped() != 1 {
		t.Errorf("after reset %q, dropped %d", got, s.Dropped())
	}
}

func FuzzSplitter(f *testing.F) {
	f.Add([]byte("\r\nOK\r\nRING\r"), "ATE0", 3)
	f.Add([]byte("ATE0\r\r\nOK\r\n\x10R"), "ATE0", 1)
	f.Add(bytes.Repeat([]byte("\x00z"), 300), "", 7)
	f.Fuzz(func(t *testing.T, b []byte, echo string, cut int) {
		var whole, parts modem.Splitter
		whole.Echo(echo)
		parts.Echo(echo)
		want := lines(&whole, b)
		for _, l := range want {
			if l == "" || len(l) > modem.MaxLine || strings.ContainsFunc(l, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("line %q", l)
			}
		}
		cut = max(0, min(cut, len(b)))
		got := append(lines(&parts, b[:cut]), lines(&parts, b[cut:])...)
		if !slices.Equal(got, want) {
			t.Fatalf("cut at %d: %q, whole: %q", cut, got, want)
		}
	})
}
