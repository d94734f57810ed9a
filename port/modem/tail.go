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

const tailLen = 16

// Tail watches the last bytes of a data stream for a modem's NO CARRIER or RING on a line of its own: on a line without usable DCD
// nothing else shows that the caller is gone. What it sees is a hint, since a caller can type it. It does not allocate, and its cost
// does not grow with the data. The zero value is ready to use.
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

var (
	noCarrierTail = []byte("NO CARRIER")
	ringTail      = []byte("RING")
)

// Kind says what the stream ends with now. A line that is not ended yet is none.
func (t *Tail) Kind() TailKind {
	b := t.buf[tailLen-t.n:]
	switch {
	case bytes.HasSuffix(b, []byte("\r\n")):
		b = b[:len(b)-2]
	case len(b) > 0 && (b[len(b)-1] == '\r' || b[len(b)-1] == '\n'):
		b = b[:len(b)-1]
	default:
		return TailNone
	}
	switch {
	case ownLine(b, noCarrierTail):
		return TailNoCarrier
	case ownLine(b, ringTail):
		return TailRing
	}
	return TailNone
}

// ownLine says that b ends with word and that word begins a line, or the stream.
func ownLine(b, word []byte) bool {
	rest, ok := bytes.CutSuffix(b, word)
	return ok && (len(rest) == 0 || rest[len(rest)-1] == '\r' || rest[len(rest)-1] == '\n')
}

// Reset forgets all data.
func (t *Tail) Reset() { *t = Tail{} }
