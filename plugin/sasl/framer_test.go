package sasl

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// frame feeds text and renders what comes out: lines in quotes, faults in their words, and what is left unfinished.
func frame(f *framer, text string, limit int) string {
	var out []string
	f.begin(limit)
	end := func() {
		line, err := f.line()
		if err != nil {
			out = append(out, err.Error())
		} else {
			out = append(out, fmt.Sprintf("%q", line))
		}
		f.begin(limit)
	}
	for i := range len(text) {
		switch f.feed(text[i], false) {
		case fedEnd:
			end()
		case fedNext:
			end()
			if f.feed(text[i], false) == fedEnd {
				end()
			}
		case fedMore, fedErase:
		}
	}
	return strings.Join(out, " ") + fmt.Sprintf(" %q", f.text)
}

func TestFramer(t *testing.T) {
	for text, want := range map[string]string{
		"a\r\nb\nc\r\nd":        `"a" "b" "c" "d"`,
		"a\rb\rc\r\nd\r\n":      `"a" "b" "c" "d" ""`,
		"a\r\r\r\n\n":           `"a" "" "" "" ""`,
		"a\n\nb\n":              `"a" "" "b" ""`,
		"a\x00\r\x00\nb\x00\n":  `"a" "b" ""`,
		"x2345678\n":            `"x2345678" ""`,
		"x23456789\nb\n":        errTooLong.Error() + ` "b" ""`,
		"x2345678901234\r\nb\n": errTooLong.Error() + ` "b" ""`,
		"a\tb\nc\x80\nd\n":      errGarbled.Error() + " " + errGarbled.Error() + ` "d" ""`,
		" \x01~9a\nb\n":         `"a" "b" ""`,
		"\r\n\r\na":             `"" "" "a"`,
		"\x8d\x8a":              `"" ""`,
		"a\n\xe1\xe1\n":         `"a" ` + errGarbled.Error() + ` ""`,
		"\xe1\x8d\nb\n":         `"a" "b" ""`,
	} {
		if got := frame(new(framer), text, 8); got != want {
			t.Errorf("%q gives %s, want %s", text, got, want)
		}
	}
}

func TestFramerWipes(t *testing.T) {
	f := new(framer)
	frame(f, "secret\nx\n", 8)
	if whole := f.text[:cap(f.text)]; bytes.ContainsAny(whole, "secrtx") {
		t.Errorf("kept %q", bytes.TrimRight(whole, "\x00"))
	}
}

// Whatever comes: no panic, a bounded line, and the next one is read.
func FuzzFramer(f *testing.F) {
	for _, text := range []string{"a\r\nb\n", "a\rb\r", "\x00\xff\r\n\x8d\x8a", strings.Repeat("x", 20) + "\n"} {
		f.Add([]byte(text), uint8(8))
	}
	f.Fuzz(func(t *testing.T, text []byte, limit uint8) {
		fr := new(framer)
		frame(fr, string(text), int(limit))
		if len(fr.text) > int(limit) || cap(fr.text) != maxResponse {
			t.Errorf("keeps %d of %d bytes, limit %d", len(fr.text), cap(fr.text), limit)
		}
		frame(fr, "x\n\n", 200)
		fr.begin(200)
		for _, c := range []byte("NOOP\n") {
			if fr.parity == parityEven || fr.parity == parityOdd {
				b := []byte{c}
				fr.parity.add(b)
				c = b[0]
			}
			fr.feed(c, false)
		}
		if line, err := fr.line(); err != nil || string(line) != "NOOP" {
			t.Errorf("after %q comes %q, %v", text, line, err)
		}
	})
}
