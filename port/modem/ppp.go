package modem

// PPPDetector finds the start of a PPP link: an LCP frame, flag 7E, address FF, control 03, protocol C0 21, each of them plain or
// escaped (RFC 1662). Bit 8 of FF and C0 may be missing, for callers with seven data bits. The zero value is ready to use.
type PPPDetector struct {
	level   int
	escaped bool
	seven   bool // FF came as 7F
}

const (
	pppFlag   = 0x7e
	pppEscape = 0x7d
	pppXOR    = 0x20
)

// Feed takes bytes from the caller, in any portions. found says that they complete the start of an LCP frame, of which b[n-1] is the
// last byte; otherwise n is 0. After a find the detector starts again.
func (d *PPPDetector) Feed(b []byte) (found bool, n int) {
	for i, c := range b {
		if d.put(c) {
			*d = PPPDetector{}
			return true, i + 1
		}
	}
	return false, 0
}

// Partial says that the last bytes can be the start of a frame. They must not be echoed: a peer takes its own frames for a loop.
func (d *PPPDetector) Partial() bool { return d.level > 0 }

func (d *PPPDetector) put(c byte) bool {
	if c == pppFlag {
		*d = PPPDetector{level: 1}
		return false
	}
	if d.level == 0 {
		return false
	}
	if c == pppEscape && !d.escaped {
		d.escaped = true
		return false
	}
	if d.escaped {
		c ^= pppXOR
		d.escaped = false
	}
	if !d.next(c) {
		*d = PPPDetector{}
		return false
	}
	d.level++
	return d.level == 5
}

// next says whether c is the byte that follows at this level.
func (d *PPPDetector) next(c byte) bool {
	switch d.level {
	case 1:
		d.seven = c == 0x7f
		return c == 0xff || d.seven
	case 2:
		return c == 0x03
	case 3:
		return c == 0xc0 || d.seven && c == 0x40
	default:
		return c == 0x21
	}
}
