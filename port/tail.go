package port

import (
	"sync/atomic"
	"time"

	"rashost/port/modem"
)

// The silence after which a modem's own words at the end of a call without usable DCD are believed.
const (
	noCarrierSilence = 3 * time.Second
	ringSilence      = time.Second
)

// tailWatch watches the end of what a caller sends for the modem's NO CARRIER or RING on a line of its own. received is called by
// one goroutine, the rest by any.
type tailWatch struct {
	on      bool // set before the call is served
	tail    modem.Tail
	kind    atomic.Uint64 // modem.TailKind in the low byte, a count of changes above it
	written atomic.Int64  // when something was last sent while the tail stood, Unix nanoseconds
}

// received looks at what was read and says whether the line must hear of it: words of the modem are now the last bytes.
func (t *tailWatch) received(p []byte) bool {
	if !t.on {
		return false
	}
	t.tail.Feed(p)
	kind, old := t.tail.Kind(), t.kind.Load()
	if kind == modem.TailNone && modem.TailKind(old&0xff) == modem.TailNone {
		return false
	}
	t.kind.Store(old&^0xff + 0x100 + uint64(kind))
	return kind != modem.TailNone
}

// sent notes that the silence was broken from our side.
func (t *tailWatch) sent() {
	if t.on && modem.TailKind(t.kind.Load()&0xff) != modem.TailNone {
		t.written.Store(time.Now().UnixNano())
	}
}

// forget stops watching: what is received from now on goes elsewhere.
func (t *tailWatch) forget() {
	t.on = false
	t.kind.Store(t.kind.Load()&^0xff + 0x100 + uint64(modem.TailNone))
}

// stands returns what the last bytes are, and a mark that changes with every byte received.
func (t *tailWatch) stands() (modem.TailKind, uint64) {
	mark := t.kind.Load()
	return modem.TailKind(mark & 0xff), mark
}

// silenceAfter is how long a tail of that kind must stand.
func silenceAfter(kind modem.TailKind) time.Duration {
	if kind == modem.TailRing {
		return ringSilence
	}
	return noCarrierSilence
}
