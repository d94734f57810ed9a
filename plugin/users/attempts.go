package users

import (
	"container/list"
	"crypto/sha256"
	"sync"
	"time"
)

// How repeated failures slow down.
const (
	// MaxAttempts is how many names an Attempts usually keeps, each on one line; a name on several lines counts as several.
	MaxAttempts = 10_000

	forgetFailures = 15 * time.Minute // after the last one
)

// A name is slowed down on the line where it failed, and, later and less, on all lines together: many lines must not make guessing many
// times as fast, and nobody shall be able to do more than annoy a user who calls on another line.
const (
	freeOnLine, mostOnLine         = 3, 30 * time.Second // failures in a row that cost no time; the longest wait
	freeEverywhere, mostEverywhere = 12, 8 * time.Second
)

// everywhere stands in place of a line for all of them; no line has this name.
const everywhere = ""

// Attempts counts failures in a row of a name, on each line and on all of them, so that guessing gets slower. It knows no difference between names
// that exist and names that do not, keeps no name, and forgets the pair that failed longest ago when it is full. All methods may be called from any
// goroutine.
type Attempts struct {
	max   int
	clock func() time.Time

	mu    sync.Mutex
	order *list.List // of *attempt, the last failure in front
	table map[attemptKey]*list.Element
}

// attemptKey stands for a name and a line, whatever their length.
type attemptKey [16]byte

// attempt is what is kept of one pair.
type attempt struct {
	key      attemptKey
	failures int
	last     time.Time
}

// NewAttempts keeps at most max pairs of name and line, and as many names alone, MaxAttempts when max is 0. clock is time.Now when nil.
func NewAttempts(max int, clock func() time.Time) *Attempts {
	if max <= 0 {
		max = MaxAttempts
	}
	if clock == nil {
		clock = time.Now
	}
	return &Attempts{max: 2 * max, clock: clock, order: list.New(), table: map[attemptKey]*list.Element{}}
}

// Failed counts a failure.
func (a *Attempts) Failed(name, line string) {
	now := a.clock()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count(keyOf(name, everywhere), now)
	a.count(keyOf(name, line), now)
}

// count adds a failure to a key.
func (a *Attempts) count(key attemptKey, now time.Time) {
	e := a.table[key]
	if e == nil {
		if a.order.Len() >= a.max {
			oldest, _ := a.order.Remove(a.order.Back()).(*attempt)
			delete(a.table, oldest.key)
		}
		e = a.order.PushFront(&attempt{key: key})
		a.table[key] = e
	}
	a.order.MoveToFront(e)
	at, _ := e.Value.(*attempt)
	if now.Sub(at.last) >= forgetFailures {
		at.failures = 0
	}
	at.failures++
	at.last = now
}

// Succeeded forgets the failures on that line, and those on all lines.
func (a *Attempts) Succeeded(name, line string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, key := range []attemptKey{keyOf(name, line), keyOf(name, everywhere)} {
		if e := a.table[key]; e != nil {
			a.order.Remove(e)
			delete(a.table, key)
		}
	}
}

// Delay is how long the answer to the next try must wait from now on: 0 for the first three failures on a line, then 1 s, 2 s, 4 s, at most 30 s
// after the last one; 0 for the first twelve on all lines together, then 1 s, 2 s, 4 s, at most 8 s; the longer of the two. It is the same for a
// right and a wrong password: ask before the try is judged, or after its failure is counted.
func (a *Attempts) Delay(name, line string) time.Duration {
	now := a.clock()
	a.mu.Lock()
	defer a.mu.Unlock()
	return max(a.delay(keyOf(name, line), freeOnLine, mostOnLine, now), a.delay(keyOf(name, everywhere), freeEverywhere, mostEverywhere, now))
}

// delay is what is left of the wait after a key's last failure: a second after the first failure that is not free, then twice as long each
// time, up to most.
func (a *Attempts) delay(key attemptKey, free int, most time.Duration, now time.Time) time.Duration {
	e := a.table[key]
	if e == nil {
		return 0
	}
	at, _ := e.Value.(*attempt)
	beyond := at.failures - free
	if beyond <= 0 {
		return 0
	}
	wait := most
	if beyond < 6 {
		wait = min(most, time.Second<<(beyond-1))
	}
	// A clock that was set back must not make it longer.
	return min(wait, max(0, wait-now.Sub(at.last)))
}

// keyOf hashes a name, without case, and a line.
func keyOf(name, line string) (key attemptKey) {
	h := sha256.New()
	h.Write([]byte(Fold(name)))
	h.Write([]byte{0}) // in no line's name
	h.Write([]byte(line))
	copy(key[:], h.Sum(nil))
	return key
}
