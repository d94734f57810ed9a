package users

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// steppedClock is a clock that a test sets.
type steppedClock struct{ now time.Time }

func (c *steppedClock) time() time.Time { return c.now }

func newAttempts(max int) (*Attempts, *steppedClock) {
	c := &steppedClock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	return NewAttempts(max, c.time), c
}

func TestRepeatedFailuresSlowDown(t *testing.T) {
	a, _ := newAttempts(0)
	for i, want := range []time.Duration{0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30} {
		if got := a.Delay("alice", "modem1"); got != want*time.Second {
			t.Errorf("after %d failures: %v, want %v", i, got, want*time.Second)
		}
		a.Failed("alice", "modem1")
	}
	for range 1000 {
		a.Failed("alice", "modem1")
	}
	if got := a.Delay("ALICE", "modem1"); got != mostOnLine {
		t.Errorf("after 1000 failures, in other case: %v", got)
	}
	for _, other := range [][2]string{{"bob", "modem1"}, {"alicemodem1", "x"}} {
		if got := a.Delay(other[0], other[1]); got != 0 {
			t.Errorf("%v pays for it: %v", other, got)
		}
	}
	if got := a.Delay("alice", "modem2"); got != mostEverywhere {
		t.Errorf("on a line without failures: %v", got)
	}
	a.Succeeded("Alice", "modem1")
	if got := a.Delay("alice", "modem1"); got != 0 {
		t.Errorf("after a success: %v", got)
	}
	a.Failed("alice", "modem1")
	if got := a.Delay("alice", "modem1"); got != 0 {
		t.Errorf("the failures before the success still count: %v", got)
	}
}

// A guesser with many lines has not many times as many free tries: failures on all lines together slow the name down too, later and less.
func TestFailuresOnAllLinesSlowDown(t *testing.T) {
	a, clock := newAttempts(0)
	tries := 0
	for line := range 100 {
		name := fmt.Sprint("modem", line)
		for range freeOnLine {
			if d := a.Delay("alice", name); d > 0 {
				clock.now = clock.now.Add(d)
			}
			a.Failed("alice", name)
			tries++
		}
	}
	took := clock.now.Sub(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	if want := time.Duration(tries-freeEverywhere-5) * mostEverywhere; took < want {
		t.Errorf("%d tries on 100 lines took %v, want at least %v", tries, took, want)
	}
	if d := a.Delay("bob", "modem1"); d != 0 {
		t.Errorf("another name pays for it: %v", d)
	}
}

func TestTimeThatPassesCounts(t *testing.T) {
	a, clock := newAttempts(0)
	for range 6 {
		a.Failed("alice", "modem1")
	}
	clock.now = clock.now.Add(3 * time.Second)
	if got := a.Delay("alice", "modem1"); got != time.Second {
		t.Errorf("3 of 4 seconds later: %v", got)
	}
	clock.now = clock.now.Add(time.Hour)
	if got := a.Delay("alice", "modem1"); got != 0 {
		t.Errorf("an hour later: %v", got)
	}
	a.Failed("alice", "modem1")
	if got := a.Delay("alice", "modem1"); got != 0 {
		t.Errorf("failures of an hour ago add up with new ones: %v", got)
	}
	for range 5 {
		a.Failed("alice", "modem1")
	}
	clock.now = clock.now.Add(-24 * time.Hour)
	if got := a.Delay("alice", "modem1"); got != 4*time.Second {
		t.Errorf("after the clock was set back: %v", got)
	}
}

// The table keeps max pairs: the one that failed longest ago goes first.
func TestAttemptsForgetTheOldest(t *testing.T) {
	a, _ := newAttempts(2)
	fail := func(name string) {
		for range 4 {
			a.Failed(name, "modem1")
		}
	}
	fail("alice")
	fail("bob")
	a.Failed("alice", "modem1")
	fail("carol") // bob failed longest ago
	for name, want := range map[string]time.Duration{"alice": 2 * time.Second, "bob": 0, "carol": time.Second} {
		if got := a.Delay(name, "modem1"); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if len(a.table) != 4 || a.order.Len() != 4 {
		t.Errorf("%d and %d pairs are kept", len(a.table), a.order.Len())
	}
}

// 100,000 failures under distinct, long names keep at most 4 MiB more than 1,000 do.
func TestAttemptsStaySmall(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	a, _ := newAttempts(MaxAttempts)
	long := strings.Repeat("x", 4096)
	fail := func(from, to int) {
		for i := from; i < to; i++ {
			a.Failed(fmt.Sprint(i, long), "modem1")
		}
	}
	fail(0, 1000)
	before := heap()
	fail(1000, 100_000)
	after := heap()
	more := int64(after) - int64(before)
	t.Logf("heap after 1,000 failures %d KiB, after 100,000 %d KiB more", before>>10, more>>10)
	if more > 4<<20 {
		t.Errorf("the heap has grown by %d bytes", more)
	}
	if len(a.table) != 2*MaxAttempts {
		t.Errorf("%d pairs are kept", len(a.table))
	}
	runtime.KeepAlive(a)
}
