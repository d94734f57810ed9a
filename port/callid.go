package port

import (
	"sync/atomic"
	"time"
)

// callIDs makes call ids: the time in units of 16 µs, in base 32, ten characters. They sort by time, and stay unique over restarts
// as long as the clock is not set back and no more than 62,500 calls begin in each second between them.
type callIDs struct{ last atomic.Int64 }

const (
	idAlphabet = "0123456789abcdefghjkmnpqrstvwxyz" // Crockford's: no i, l, o, u
	idLength   = 10
)

// next returns the id of a call that begins at now.
func (g *callIDs) next(now time.Time) string {
	for {
		last := g.last.Load()
		n := max(now.UnixMicro()/16, last+1)
		if !g.last.CompareAndSwap(last, n) {
			continue
		}
		var id [idLength]byte
		for i := idLength - 1; i >= 0; i-- {
			id[i] = idAlphabet[n&31]
			n >>= 5
		}
		return string(id[:])
	}
}
