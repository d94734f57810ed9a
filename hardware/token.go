package hardware

import "strings"

// Token is one command of a command line.
type Token struct {
	// Text is as it was written, without AT and blanks around it: S0=1, &K3, +MS=V34.
	Text string
	// Name is the command, in capitals: S0, &K, +MS. For a register's bit it is the register, and Bit is "2" of S40.2=1.
	Name, Bit string
	// Value is what it is set to; "0" where a basic command has no number. Asks: it only asks (? or =?).
	Value string
	Asks  bool
	// Extended commands begin with +; what comes after them on the line needs a ; before it.
	Extended bool
	// Bad is what is wrong with how it is written, "" for nothing.
	Bad string
	// At counts the characters before it, AT included.
	At int
}

// Bounds of what is taken from outside.
const (
	maxCommandLine = 4096 // bytes of a command line that are looked at
	maxTokens      = 256  // commands of a command line
)

// tokens cuts a command line into its commands (ITU-T V.250 5.2 to 5.4). The dictionary decides how many letters belong to a command.
func (d *Dictionary) tokens(line string) []Token {
	if len(line) > maxCommandLine {
		line = line[:maxCommandLine]
	}
	s := scanner{dict: d, text: line}
	s.blanks()
	if len(s.rest()) >= 2 && strings.EqualFold(s.rest()[:2], "AT") {
		s.at += 2
	}
	var all []Token
	for len(all) < maxTokens {
		s.blanks()
		if s.at >= len(s.text) {
			break
		}
		if s.text[s.at] == ';' {
			s.at++
			continue
		}
		from := s.at
		t := s.token()
		if s.at == from {
			s.at++ // never stand still
		}
		t.At, t.Text = from, strings.TrimSpace(s.text[from:s.at])
		all = append(all, t)
	}
	return all
}

// scanner walks over a command line.
type scanner struct {
	dict *Dictionary
	text string
	at   int
}

func (s *scanner) rest() string { return s.text[s.at:] }

func (s *scanner) blanks() {
	for s.at < len(s.text) && (s.text[s.at] == ' ' || s.text[s.at] == '\t') {
		s.at++
	}
}

// while takes the characters of a set.
func (s *scanner) while(in func(byte) bool) string {
	from := s.at
	for s.at < len(s.text) && in(s.text[s.at]) {
		s.at++
	}
	return s.text[from:s.at]
}

func (s *scanner) token() Token {
	switch c := upper(s.text[s.at]); {
	case c == '+':
		return s.extended()
	case c == 'S':
		return s.register()
	case c == 'D':
		t := Token{Name: "D", Value: strings.TrimSpace(s.text[s.at+1:])}
		s.at = len(s.text)
		return t
	case c >= 'A' && c <= 'Z':
		s.at++
		return s.basic(string(c))
	case strings.IndexByte(`&\%#$*-"@!^:`, c) >= 0:
		return s.prefixed()
	}
	s.at++
	return Token{Name: string(s.text[s.at-1]), Bad: "no command begins with this character"}
}

// basic reads the number of a command such as E0 or &K3.
func (s *scanner) basic(name string) Token {
	t := Token{Name: name}
	switch {
	case strings.HasPrefix(s.rest(), "?"):
		s.at++
		t.Asks = true
	case strings.HasPrefix(s.rest(), "="):
		s.at++
		t.Value, t.Asks = s.value()
		if letters := strings.TrimLeft(name, `&\%#$*-"@!^:`); len(letters) < 2 {
			t.Bad = "the number follows at once, without ="
		}
	default:
		t.Value = number(s.while(digit))
	}
	return t
}

// number is a value without zeros in front; none is 0.
func number(digits string) string {
	if n := strings.TrimLeft(digits, "0"); n != "" {
		return n
	}
	return "0"
}

// prefixed reads a command that begins with a sign: as many letters as the dictionary knows; else one letter after & % \ *, and all of
// them after the others.
func (s *scanner) prefixed() Token {
	capitals := strings.ToUpper(s.rest())
	name := s.dict.known(capitals)
	if len(name) < 2 {
		n := 1
		for n < len(capitals) && capitals[n] >= 'A' && capitals[n] <= 'Z' && (n == 1 || !strings.ContainsRune(`&\%*`, rune(capitals[0]))) {
			n++
		}
		name = capitals[:n]
	}
	s.at += len(name)
	t := s.basic(name)
	if len(name) < 2 {
		t.Bad = "a letter is missing"
	}
	return t
}

// register reads S7=60, S7? and S40.2=1.
func (s *scanner) register() Token {
	s.at++
	t := Token{Name: "S" + number(s.while(digit))}
	if strings.HasPrefix(s.rest(), ".") {
		s.at++
		t.Bit = number(s.while(digit))
	}
	switch {
	case strings.HasPrefix(s.rest(), "="):
		s.at++
		if strings.HasPrefix(s.rest(), "?") {
			s.at++
			t.Asks = true
			break
		}
		t.Value = number(s.while(digit))
	case strings.HasPrefix(s.rest(), "?"):
		s.at++
		t.Asks = true
	default:
		t.Bad = "a register is set with = or asked with ?"
	}
	return t
}

// extended reads a command of ITU-T V.250 5.4, up to the semicolon.
func (s *scanner) extended() Token {
	s.at++
	name := s.while(func(c byte) bool { c = upper(c); return c >= 'A' && c <= 'Z' || digit(c) })
	t := Token{Name: "+" + strings.ToUpper(name), Extended: true}
	switch {
	case strings.HasPrefix(s.rest(), "?"):
		s.at++
		t.Asks = true
	case strings.HasPrefix(s.rest(), "="):
		s.at++
		t.Value, t.Asks = s.value()
	}
	if name == "" {
		t.Bad = "a name is missing"
	}
	return t
}

// value reads what follows "=", up to a semicolon, a blank or the sign of the next command outside quotation marks.
func (s *scanner) value() (value string, asks bool) {
	from, quoted := s.at, false
	for ; s.at < len(s.text); s.at++ {
		c := s.text[s.at]
		if c == '"' {
			quoted = !quoted
		}
		if !quoted && strings.IndexByte("; \t+&#%\\$", c) >= 0 {
			break
		}
	}
	value = strings.ToUpper(s.text[from:s.at])
	return value, value == "?"
}

func upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}

func digit(c byte) bool { return c >= '0' && c <= '9' }
