package record

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPrintable(t *testing.T) {
	for _, c := range []struct {
		in, want string
		limit    int
	}{
		{"", "", 10},
		{"plain text", "plain text", 10},
		{"Zoë", "Zoë", 10},
		{"a\x1b[2J", `a\x1b[2J`, 20},
		{"a\nb\r\x00", `a\nb\r\x00`, 20},
		{"\xff\u009b", `\xff\u009b`, 20},
		{`C:\x1b`, `C:\\x1b`, 20},
		{"\u202eevil", `\u202eevil`, 20},
		{"0123456789a", "0123456…", 10},
		{"abc\x00\x00", `abc…`, 9},
	} {
		if got := Printable(c.in, c.limit); got != c.want {
			t.Errorf("%q in %d: got %q, want %q", c.in, c.limit, got, c.want)
		}
	}
}

func TestMaskName(t *testing.T) {
	for in, want := range map[string]string{"": "", "secret": "s…(6)", "é": "é…(1)", "\x1b[2J": `\x1b…(4)`} {
		if got := MaskName(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("alice", 10)
	f.Add("\x1b]0;x\x07\xff\u202e\\", 5)
	f.Add(strings.Repeat("é", 100), 33)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		if limit < 3 || limit > 1<<16 {
			return
		}
		got := Printable(s, limit)
		if len(got) > limit || !utf8.ValidString(got) {
			t.Errorf("%q in %d gives %q", s, limit, got)
		}
		for _, r := range got {
			if !strconv.IsPrint(r) {
				t.Errorf("%q gives %q with %q", s, got, r)
			}
		}
	})
}
