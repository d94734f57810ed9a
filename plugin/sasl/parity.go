package sasl

import "math/bits"

// parity finds out whether the caller sends seven bits and a parity bit (7E1, 7O1) over our eight-bit line, and then takes the bit off
// what comes in and puts it on what goes out. Both protocols are ASCII, base64 included, so that a line with bit 7 set is either of one
// parity throughout or not of the protocol. The first line that is not empty decides, for this dialog only.
type parity int

const (
	parityUnknown parity = iota
	parityNone
	parityEven
	parityOdd
)

// likely returns what a byte means as far as known: without bit 7 when that is a parity bit or may still be one.
func (p parity) likely(raw byte) byte {
	if p == parityNone {
		return raw
	}
	return raw & 0x7f
}

// observe decides, if that has not happened yet, and takes the parity off the line.
func (p *parity) observe(line []byte) {
	if *p == parityUnknown && len(line) > 0 {
		*p = parityOf(line)
	}
	if *p == parityNone {
		return
	}
	for i := range line {
		line[i] &= 0x7f
	}
}

// parityOf returns the parity that all bytes of a line have; none when they differ or bit 7 is set nowhere.
func parityOf(line []byte) parity {
	high, odd := 0, 0
	for _, c := range line {
		high += int(c >> 7)
		odd += bits.OnesCount8(c) % 2
	}
	switch {
	case high == 0:
		return parityNone
	case odd == 0:
		return parityEven
	case odd == len(line):
		return parityOdd
	default:
		return parityNone
	}
}

// add puts the parity bit on what goes out.
func (p parity) add(out []byte) {
	if p != parityEven && p != parityOdd {
		return
	}
	for i, c := range out {
		c &= 0x7f
		if odd := bits.OnesCount8(c)%2 == 1; odd == (p == parityEven) {
			c |= 0x80
		}
		out[i] = c
	}
}

// show returns how bytes of a line are echoed: as they came where they print in ASCII, otherwise as question marks. A control character
// never goes back.
func (p parity) show(text []byte) string {
	shown := make([]byte, len(text))
	for i, c := range text {
		shown[i] = '?'
		if l := p.likely(c); l >= ' ' && l < del {
			shown[i] = c
		}
	}
	return string(shown)
}
