package modem

import "bytes"

// TailKind is what the end of a data stream looks like.
type TailKind uint8

// The tails that hint at a hang-up, when silence follows them.
const (
	TailNone TailKind = iota
	TailNoCarrier
	TailRing
)

// String returns the line that was seen, "none" for TailNone.
func (k TailKind) String() string {
	switch k {
	case TailNoCarrier:
		return "NO CARRIER"
	case TailRing:
		return "RING"
	default:
		return "none"
	}
}

// tailLen is long enough for NO CARRIER and what a modem says to some commands that reach it before anybody knows that it is one.
const tailLen = 64

// Tail watches the last bytes of a data stream for a modem's NO CARRIER or RING on a line of its own: on a line without usable DCD
// nothing else shows that the caller is gone. NO CARRIER may be followed by results: what was on its way to the caller when he went is
// commands for the modem, and it answers. What is seen is a hint, since a caller can type it. It does not allocate, and its cost does not
// grow with the data. The zero value is ready to use.
type Tail struct {
	buf [tailLen]byte
	n   int // valid bytes, at the end of buf
}

// Feed takes data from the line.
func (t *Tail) Feed(b []byte) {
	if len(b) >= tailLen {
		copy(t.buf[:], b[len(b)-tailLen:])
		t.n = tailLen
		return
	}
	copy(t.buf[:], t.buf[len(b):])
	copy(t.buf[tailLen-len(b):], b)
	t.n = min(t.n+len(b), tailLen)
}

// Kind says what the stream ends with now. A line that is not ended yet is none.
func (t *Tail) Kind() TailKind {
	b := t.buf[tailLen-t.n:]
	switch {
	case bytes.HasSuffix(b, []byte("\r\n")):
		b = b[:len(b)-2]
	case len(b) > 0 && lineEnd(b[len(b)-1]):
		b = b[:len(b)-1]
	default:
		return TailNone
	}
	for last := true; ; last = false {
		start := bytes.LastIndexAny(b, "\r\n") + 1
		line := b[start:]
		switch {
		case start == 0 && t.n == tailLen: // who knows how it began
			return TailNone
		case string(line) == "NO CARRIER":
			return TailNoCarrier
		case string(line) == "RING" && last:
			return TailRing
		case !isRefusal(line):
			return TailNone
		}
		b = bytes.TrimRight(b[:start], "\r\n")
	}
}

func lineEnd(b byte) bool { return b == '\r' || b == '\n' }

// isRefusal says that a line is what a modem on hook says to a command or a text.
func isRefusal(line []byte) bool {
	switch string(line) {
	case "OK", "ERROR", "NO DIALTONE", "NO DIAL TONE", "BUSY", "NO ANSWER":
		return true
	}
	return false
}

// Reset forgets all data.
func (t *Tail) Reset() { *t = Tail{} }
