package terminal

import "math/bits"

// parity finds out whether the caller's terminal sends seven bits and a parity bit (7E1, 7O1) over our eight-bit line, and then
// takes the bit off what comes in and puts it on what goes out. It decides on the first line that is not empty: parity is even (or
// odd) when every byte fits it and at least one has bit 7 set. The setting holds for this conversation only.
type parity struct {
	kind    parityKind
	notEven bool // some byte of the line has odd parity
	notOdd  bool
	high    bool // some byte has bit 7 set
}

type parityKind int

const (
	parityUnknown parityKind = iota
	parityNone
	parityEven
	parityOdd
)

// observe takes a byte of the line. c is what it means to the editor, keep is what goes into the line: as long as the parity is
// unknown, the byte as it came.
func (p *parity) observe(raw byte) (c, keep byte) {
	if p.kind == parityUnknown {
		if bits.OnesCount8(raw)%2 == 0 {
			p.notOdd = true
		} else {
			p.notEven = true
		}
		p.high = p.high || raw >= 0x80
		return p.likely(raw), raw
	}
	c = p.likely(raw)
	return c, c
}

// likely returns what raw means as far as known: without bit 7 when that is a parity bit or may still be one.
func (p *parity) likely(raw byte) byte {
	switch p.kind {
	case parityNone:
		return raw
	case parityUnknown:
		if p.notEven && p.notOdd {
			return raw
		}
	case parityEven, parityOdd:
	}
	return raw & 0x7f
}

// lineEnd decides, if that has not happened yet, and takes the parity off the line. An empty line without a set bit 7 proves nothing.
func (p *parity) lineEnd(line []byte) {
	if p.kind != parityUnknown {
		return
	}
	switch {
	case p.high && !p.notEven:
		p.kind = parityEven
	case p.high && !p.notOdd:
		p.kind = parityOdd
	case len(line) > 0:
		p.kind = parityNone
		return
	default:
		p.restart()
		return
	}
	for i := range line {
		line[i] &= 0x7f
	}
}

// restart forgets a line that was given up.
func (p *parity) restart() { p.notEven, p.notOdd, p.high = false, false, false }

// add puts the parity bit on what goes out.
func (p *parity) add(out []byte) {
	if p.kind != parityEven && p.kind != parityOdd {
		return
	}
	for i, c := range out {
		c &= 0x7f
		odd := bits.OnesCount8(c)%2 == 1
		if odd == (p.kind == parityEven) {
			c |= 0x80
		}
		out[i] = c
	}
}

// show returns how a byte of the line is echoed: itself when it prints in ASCII, as it came when bit 7 may be its parity, otherwise
// a question mark. A control character never goes back.
func (p *parity) show(keep byte) string {
	if c := p.likely(keep); c >= ' ' && c < del {
		return string([]byte{keep})
	}
	return "?"
}
