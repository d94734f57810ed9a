package sasl

import (
	"bytes"
	"strings"
)

// echo shows a person what they type: the command, its mechanism or name, and nothing of what may be a secret. Nothing else on the line
// echoes; the dialog's own echo would show everything.
func (s *session) echo(line []byte, what fed) error {
	if what == fedEnd || what == fedNext {
		s.shown = 0
		return s.conn.print("\r\n")
	}
	visible := s.visible(line)
	text := ""
	switch {
	case visible > s.shown:
		text = s.conn.framer.parity.show(line[s.shown:visible])
	case visible < s.shown:
		text = strings.Repeat("\b \b", s.shown-visible)
	}
	s.shown = visible
	return s.conn.print(text)
}

// visible is how many bytes of an unfinished line may be seen.
func (s *session) visible(line []byte) int {
	if s.state != atCommand {
		return 0
	}
	plain := make([]byte, len(line))
	for i, c := range line {
		plain[i] = s.conn.framer.parity.likely(c)
	}
	word := bytes.IndexByte(plain, ' ')
	if word < 0 {
		return len(line)
	}
	if verb := strings.ToUpper(string(plain[:word])); verb != "AUTH" && verb != "USER" {
		return word
	}
	if second := bytes.IndexByte(plain[word+1:], ' '); second >= 0 {
		return word + 1 + second
	}
	return len(line)
}
