package terminal

// pppDetector recognises the start of an LCP frame, 7E FF 03 C0 21, where 7D x may stand for x^20 (RFC 1662). It works on the bytes
// as they came, before any parity is taken off.
type pppDetector struct {
	level   int  // how many of the five have been seen
	escaped bool // the last byte was 7D
}

// pppVerdict is what the bytes up to now are.
type pppVerdict int

const (
	pppNone     pppVerdict = iota // no frame
	pppPossible                   // the beginning of one
	pppFrame
)

const (
	pppFlag   = 0x7e
	pppEscape = 0x7d
)

// feed takes one byte.
func (d *pppDetector) feed(b byte) pppVerdict {
	frame := [...]byte{pppFlag, 0xff, 0x03, 0xc0, 0x21}
	if b == pppFlag {
		d.level, d.escaped = 1, false
		return pppPossible
	}
	if d.level == 0 {
		return pppNone
	}
	if b == pppEscape && !d.escaped {
		d.escaped = true
		return pppPossible
	}
	if d.escaped {
		b ^= 0x20
		d.escaped = false
	}
	if b != frame[d.level] {
		d.level = 0
		return pppNone
	}
	d.level++
	if d.level == len(frame) {
		return pppFrame
	}
	return pppPossible
}
