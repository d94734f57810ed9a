package e2e

import (
	"fmt"
	"sync"
	"testing"
)

// 64 lines with a call each, at the same time: every caller gets their own session and nobody else's, and every record is right.
func Test64Lines(t *testing.T) {
	const count = 64
	var names []string
	for n := range count {
		names = append(names, fmt.Sprintf("line%02d", n))
	}
	c := newConf(names...)
	h := startHost(t, c)
	var calls [count]*call
	each := func(do func(n int, name string)) {
		var wg sync.WaitGroup
		for n, name := range names {
			wg.Go(func() { do(n, name) })
		}
		wg.Wait()
	}
	each(func(n int, name string) {
		calls[n] = h.modems[name].dial(t)
		calls[n].login(alice, alicePassword)
		calls[n].expect(name) // RASHOST_LINE
		calls[n].echoes(fmt.Sprintf("this is caller %d", n))
	})
	if t.Failed() {
		t.FailNow()
	}
	for _, name := range names {
		h.wantState(name, "session")
	}
	each(func(n int, _ string) { calls[n].raw([]byte{4}); calls[n].ended() })
	for _, name := range names {
		h.wantRecord(name, 1, record{cause: "User-Request", verdict: "success", user: alice, service: "echo"})
		h.wantState(name, "listening")
	}
}
