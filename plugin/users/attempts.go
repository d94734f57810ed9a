package users

import (
	"container/list"
	"crypto/sha256"
	"sync"
	"time"
)

// How repeated failures slow down.
const (
	// MaxAttempts is how many pairs of name and line an Attempts usually keeps.
	MaxAttempts = 10_000

	freeFailures   = 3                // in a row that cost no time
	firstDelay     = time.Second      // after the next one; then twice as long each time
	maxDelay       = 30 * time.Second // at most
	forgetFailures = 15 * time.Minute // after the last one
)

// Attempts counts failures in a row of a name on a line, so that guessing gets slower and nobody can slow a user down on the other
// lines. It knows no difference between names that exist and names that do not, keeps no name, and forgets the pair that failed
// longest ago when it is full. All methods may be called from any goroutine.
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

// NewAttempts keeps at most max pairs of name and line, MaxAttempts when max is 0. clock is time.Now when nil.
func NewAttempts(max int, clock func() time.Time) *Attempts {
	if max <= 0 {
		max = MaxAttempts
	}
	if clock == nil {
		clock = time.Now
	}
	return &Attempts{max: max, clock: clock, order: list.New(), table: map[attemptKey]*list.Element{}}
}

// Failed counts a failure.
func (a *Attempts) Failed(name, line string) {
	key, now := keyOf(name, line), a.clock()
	a.mu.Lock()
	defer a.mu.Unlock()
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

// Succeeded forgets the failures.
func (a *Attempts) Succeeded(name, line string) {
	key := keyOf(name, line)
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.table[key]; e != nil {
		a.order.Remove(e)
		delete(a.table, key)
	}
}

// Delay is how long the answer to the next try must wait from now on: 0 for the first failures, then 1 s, 2 s, 4 s, at most 30 s after
// the last one. It is the same for a right and a wrong password: ask before the try is judged, or after its failure is counted.
func (a *Attempts) Delay(name, line string) time.Duration {
	key, now := keyOf(name, line), a.clock()
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.table[key]
	if e == nil {
		return 0
	}
	at, _ := e.Value.(*attempt)
	beyond := at.failures - freeFailures
	if beyond <= 0 {
		return 0
	}
	delay := maxDelay
	if beyond < 6 {
		delay = min(maxDelay, firstDelay<<(beyond-1))
	}
	// A clock that was set back must not make it longer.
	return min(delay, max(0, delay-now.Sub(at.last)))
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
