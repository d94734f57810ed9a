package plugin

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// isSet says, inside a synctest bubble, whether a Wait on e would return at once; it takes an auto-reset event's token.
func isSet(t *testing.T, e *Event) bool {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	set := make(chan bool, 1)
	go func() { set <- e.Wait(ctx) == nil }()
	synctest.Wait()
	cancel()
	return <-set
}

func TestEventAutoResetReleasesOneWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := NewEvent(false)
		if isSet(t, e) {
			t.Error("a new event is set")
		}
		e.Set()
		e.Set()
		if !isSet(t, e) {
			t.Error("not set after Set")
		}
		if isSet(t, e) {
			t.Error("two Sets released two Waits: an auto-reset event keeps one")
		}
	})
}

func TestEventManualResetStaysSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := NewEvent(true)
		e.Set()
		if first, second := isSet(t, e), isSet(t, e); !first || !second {
			t.Error("a manual-reset event was cleared by Wait")
		}
		e.Reset()
		if isSet(t, e) {
			t.Error("still set after Reset")
		}
		e.Reset()
		e.Set()
		if !isSet(t, e) {
			t.Error("not set by a Set after Reset")
		}
	})
}

func TestEventResetClearsAutoResetEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := NewEvent(false)
		e.Set()
		e.Reset()
		if isSet(t, e) {
			t.Error("still set after Reset")
		}
	})
}

// Rule R3: the plugin may close its event while a receive still refers to it; the host's Set then does nothing.
func TestRuleR3EventClosedWhileReceivePending(t *testing.T) {
	for _, manual := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			e := NewEvent(manual)
			e.Close()
			e.Close()
			e.Set()
			e.Reset()
			e.Set()
			if isSet(t, e) {
				t.Errorf("manual %v: a closed event was set", manual)
			}
		})
	}
}

// Rule R3: both kinds wake a waiter.
func TestRuleR3SetWakesWaiter(t *testing.T) {
	for _, manual := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			e := NewEvent(manual)
			const waiters = 3
			ctx, cancel := context.WithCancel(t.Context())
			got := make(chan error, waiters)
			for range waiters {
				go func() { got <- e.Wait(ctx) }()
			}
			synctest.Wait()
			e.Set()
			synctest.Wait()
			want := 1
			if manual {
				want = waiters
			}
			if len(got) != want {
				t.Errorf("manual %v: %d of %d waiters woke, want %d", manual, len(got), waiters, want)
			}
			cancel()
			synctest.Wait()
			for i := range waiters {
				if err := <-got; (i >= want) != errors.Is(err, context.Canceled) {
					t.Errorf("manual %v: waiter %d got %v", manual, i, err)
				}
			}
		})
	}
}

// For the race detector: every method at once.
func TestEventConcurrentUse(t *testing.T) {
	for _, manual := range []bool{false, true} {
		e := NewEvent(manual)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 100 {
					e.Set()
					e.Reset()
				}
			})
			wg.Go(func() {
				for e.Wait(ctx) == nil {
					e.Reset()
				}
			})
		}
		wg.Go(func() {
			e.Set()
			e.Close()
			cancel()
		})
		wg.Wait()
		e.Reset()
		e.Set()
		if e.Wait(ctx) == nil {
			t.Errorf("manual %v: a closed event was set", manual)
		}
	}
}

func TestNewMessage(t *testing.T) {
	m := NewMessage(7, Failure, NoError, "eve", "ACME")
	if m.HPort != 7 || m.MsgID != Failure || m.Error != NoError {
		t.Errorf("got %+v", m)
	}
	if !bytes.HasPrefix(m.UserName[:], []byte("eve\x00")) || !bytes.HasPrefix(m.Domain[:], []byte("ACME\x00")) {
		t.Errorf("got name %q, domain %q", m.UserName[:5], m.Domain[:5])
	}
}

// Rule C5: what does not fit must not be cut to another, shorter name.
func TestRuleC5LongNameKeepsNoNUL(t *testing.T) {
	for _, tc := range []struct {
		user, domain string
		nul          bool
	}{
		{strings.Repeat("u", UserNameSize-1), strings.Repeat("d", DomainSize-1), true},
		{strings.Repeat("u", UserNameSize), strings.Repeat("d", DomainSize), false},
		{strings.Repeat("u", UserNameSize+9), strings.Repeat("d", DomainSize+9), false},
	} {
		m := NewMessage(1, Success, NoError, tc.user, tc.domain)
		if got := bytes.IndexByte(m.UserName[:], 0) >= 0; got != tc.nul {
			t.Errorf("name of %d bytes: has NUL %v, want %v", len(tc.user), got, tc.nul)
		}
		if got := bytes.IndexByte(m.Domain[:], 0) >= 0; got != tc.nul {
			t.Errorf("domain of %d bytes: has NUL %v, want %v", len(tc.domain), got, tc.nul)
		}
	}
}

// The numbers and sizes of rasshost.h, lmcons.h and mprapi.h.
func TestContractConstants(t *testing.T) {
	if Success != 1 || Failure != 2 || Error != 3 {
		t.Errorf("SECURITYMSG_* are %d, %d, %d, want 1, 2, 3", Success, Failure, Error)
	}
	if BufferSize != 1500 || UserNameSize != 257 || DomainSize != 16 || DeviceNameMax != 128 {
		t.Error("a size differs from the headers'")
	}
	for v, want := range map[Verdict]string{0: "none", Success: "success", Failure: "failure", Error: "error", 4: "invalid"} {
		if v.String() != want {
			t.Errorf("verdict %d reads %q, want %q", uint32(v), v.String(), want)
		}
	}
	if EventSecurityFailure != 20097 || EventSecurityInternal != 20098 || EventAuthTimeout != 20052 || EventDifferentUser.String() != "20100" {
		t.Error("an event number differs from the RAS event log's")
	}
}

// TestZeroEvent: a plugin that forgot NewEvent must not take the host down.
func TestZeroEvent(t *testing.T) {
	var e Event
	e.Reset()
	e.Set()
	if err := e.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Wait(ctx); err == nil {
		t.Fatal("an auto-reset event released two waits")
	}
}
