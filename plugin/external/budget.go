package external

import "time"

// A program may send budgetMax messages at once and budgetRate a second for ever; a receive that brought bytes pays for budgetReceive more,
// so that a program that reads byte by byte is not blamed for its caller's typing. Who sends more is a message bomb.
const (
	budgetMax     = 10000
	budgetRate    = 1000
	budgetReceive = 4
)

// budget is a token bucket. A message costs 1 and 1 more for each KiB.
type budget struct {
	left float64
	at   time.Time // when left was true
}

// spend takes cost out of the bucket and says whether there was enough.
func (b *budget) spend(cost float64, now time.Time) bool {
	b.earn(now.Sub(b.at).Seconds() * budgetRate)
	b.at = now
	b.left -= cost
	return b.left >= 0
}

// earn puts something in.
func (b *budget) earn(n float64) { b.left = min(b.left+n, budgetMax) }
