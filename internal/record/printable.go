package record

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Longest texts that a record keeps, in bytes.
const (
	maxName = 320  // one field: a name, a number, a CONNECT text
	maxText = 1000 // a sentence: a reason, a step
)

// Printable returns s with everything that could harm a terminal or a log written as a Go escape (\x1b, \u202e, \\), cut to at most
// limit bytes with "…" as its last character. Applied twice it escapes twice.
func Printable(s string, limit int) string {
	if plain(s) && len(s) <= limit {
		return s
	}
	const ellipsis = "…"
	var b strings.Builder
	fits := 0 // length of what may stay if more is to come
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		var piece string
		switch {
		case r == utf8.RuneError && size <= 1:
			piece = `\x` + strconv.FormatUint(uint64(s[0])|0x100, 16)[1:]
		case r == '\\':
			piece = `\\`
		case strconv.IsPrint(r):
			piece = s[:size]
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			piece = quoted[1 : len(quoted)-1]
		}
		s = s[size:]
		if b.Len()+len(piece) > limit {
			return b.String()[:fits] + ellipsis
		}
		b.WriteString(piece)
		if b.Len()+len(ellipsis) <= limit {
			fits = b.Len()
		}
	}
	return b.String()
}

// plain says whether s is printable ASCII without a backslash.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '\\' {
			return false
		}
	}
	return true
}

// MaskName stands for a name that may be a password typed at the wrong prompt: its first letter and its length in characters,
// "s…(6)". An empty name stays empty.
func MaskName(name string) string {
	if name == "" {
		return ""
	}
	_, size := utf8.DecodeRuneInString(name)
	return Printable(name[:size], maxName) + "…(" + strconv.Itoa(utf8.RuneCountInString(name)) + ")"
}
