package terminal

import "strings"

// DefaultMax is Line.Max when that is 0, in bytes.
const DefaultMax = 128

// Line says how ReadLine reads.
type Line struct {
	// Prompt is printed before the line and again after a Notice.
	Prompt string
	// Secret shows nothing of what is typed.
	Secret bool
	// Max is how many bytes are kept; the first one too many rings the bell, the others are ignored. 0 means DefaultMax.
	Max int
	// Timeout is how many seconds the caller may be silent, 0 means for ever.
	Timeout uint32
}

// Control characters, by their names in ASCII.
const (
	etx = 0x03 // ^C
	bel = 0x07
	bs  = 0x08
	lf  = 0x0a
	cr  = 0x0d
	nak = 0x15 // ^U
	esc = 0x1b
	del = 0x7f
)

// ReadLine prints the prompt and returns the next line without its end, which is CR, LF or CR LF. BS and DEL rub out, ^U empties the
// line, ^C gives ErrInterrupted. Other control characters and escape sequences have no effect. The slice is the caller's: clear it
// when it holds a secret. On error it is nil and what was typed is wiped.
func (t *Terminal) ReadLine(l Line) ([]byte, error) {
	if l.Max <= 0 {
		l.Max = DefaultMax
	}
	return t.read(&editor{Line: l, text: make([]byte, 0, l.Max), show: t.parity.show})
}

// read prints the prompt, edits, and wipes the line when that fails.
func (t *Terminal) read(e *editor) ([]byte, error) {
	err := t.Print(e.Prompt)
	if err == nil {
		err = t.edit(e)
	}
	if err != nil {
		clear(e.text[:cap(e.text)])
		return nil, err
	}
	return e.text, nil
}

// edit feeds the editor until the line ends.
func (t *Terminal) edit(e *editor) error {
	for {
		raw, err := t.receive(e.Timeout, e.redraw)
		if err != nil {
			return err
		}
		if t.isNoise(raw, len(e.text) == 0 && e.state == ground) {
			continue
		}
		c, keep := t.parity.observe(raw)
		switch e.feed(c, keep) {
		case lineEnd:
			t.skipLF = c == cr
			t.parity.lineEnd(e.text)
			return t.Print("\n")
		case lineBreak:
			t.parity.restart()
			if err := t.Print("\n"); err != nil {
				return err
			}
			return ErrInterrupted
		case lineOpen:
			if err := t.Print(e.echo); err != nil {
				return err
			}
		}
	}
}

// isNoise says whether a byte has no meaning where it stands: the LF of a CR LF, and on an empty line everything but a key that
// begins or ends one. Such bytes say nothing about parity either.
func (t *Terminal) isNoise(raw byte, empty bool) bool {
	c := t.parity.likely(raw)
	if c == 0 {
		return true // a NUL is padding everywhere
	}
	skipLF := t.skipLF
	t.skipLF = false
	if skipLF && c == lf {
		return true
	}
	return empty && (c < ' ' || c == del) && c != cr && c != lf && c != etx && c != esc
}

// feedResult is what one byte did to the line.
type feedResult int

const (
	lineOpen  feedResult = iota // the line goes on
	lineEnd                     // CR or LF
	lineBreak                   // ^C
)

// escState is where in an escape sequence the editor is (ECMA-48).
type escState int

const (
	ground   escState = iota
	escaped           // after ESC
	single            // after ESC N or ESC O: one more character
	csi               // after ESC [: parameters, then a final character
	inString          // after ESC P, X, ], ^ or _: text up to BEL or ESC \
)

// editor is the line being typed.
type editor struct {
	Line
	text  []byte // never grows over its capacity
	state escState
	full  bool                // the bell has rung
	echo  string              // what the terminal shall show for the last byte
	show  func(c byte) string // how a byte of text is shown
}

// feed takes one byte: c is what it means, keep what goes into the line.
func (e *editor) feed(c, keep byte) feedResult {
	e.echo = ""
	if e.state != ground && !e.leaveEscape(c) {
		return lineOpen
	}
	switch {
	case c == cr || c == lf:
		return lineEnd
	case c == etx:
		return lineBreak
	case c == esc:
		e.state = escaped
	case c == bs || c == del:
		e.erase(1)
	case c == nak:
		e.erase(len(e.text))
	case c < ' ':
	case len(e.text) == e.Max:
		if !e.full {
			e.full, e.echo = true, "\a"
		}
	default:
		e.text = append(e.text, keep)
		if !e.Secret {
			e.echo = e.show(keep)
		}
	}
	return lineOpen
}

// leaveEscape takes c as part of an escape sequence. It returns true, with the sequence given up, when c is a control character that
// means itself.
func (e *editor) leaveEscape(c byte) bool {
	if c == cr || c == lf || c == etx || c == nak {
		e.state = ground
		return true
	}
	switch e.state {
	case escaped:
		switch {
		case c == '[':
			e.state = csi
		case c == 'N' || c == 'O':
			e.state = single
		case strings.IndexByte("PX]^_", c) >= 0:
			e.state = inString
		case c >= 0x30:
			e.state = ground
		}
	case single:
		e.state = ground
	case csi:
		if c >= 0x40 {
			e.state = ground
		}
	case inString:
		switch c {
		case bel:
			e.state = ground
		case esc:
			e.state = escaped
		}
	case ground:
	}
	return false
}

// erase rubs out the last n bytes, as far as there are any.
func (e *editor) erase(n int) {
	n = min(n, len(e.text))
	left := len(e.text) - n
	clear(e.text[left:])
	e.text = e.text[:left]
	e.full = e.full && n == 0
	if !e.Secret {
		e.echo = strings.Repeat("\b \b", n)
	}
}

// redraw returns the prompt and the line as the terminal shows them.
func (e *editor) redraw() string {
	var b strings.Builder
	b.WriteString(e.Prompt)
	if !e.Secret {
		for _, c := range e.text {
			b.WriteString(e.show(c))
		}
	}
	return b.String()
}
