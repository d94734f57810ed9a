package plugintest

import (
	"sync"
	"testing"
	"time"
)

func TestParseStack(t *testing.T) {
	for _, tc := range []struct {
		name, dump, owner, bubble string
		foreign                   bool
	}{
		{"worker of the host", `goroutine 18 [select (durable), synctest bubble 7]:
rashost/plugin/x.(*talk).run(0x1, {0x2, 0x3})
	/src/x.go:10 +0x1
rashost/dialog.(*transaction).startWorker.func2()
	/src/worker.go:30 +0x2
created by rashost/dialog.(*transaction).startWorker in goroutine 1
	/src/worker.go:28 +0x3`, "rashost/dialog", "7", false},
		{"go statement in a plugin", `goroutine 18 [running]:
main.f()
	/src/x.go:10 +0x1
created by example.com/gate%2ev2.(*Gate[go.shape.int]).Begin in goroutine 1
	/src/x.go:28 +0x3`, "example.com/gate.v2", "", true},
		{"accepted package", `goroutine 18 [running]:
example.com/hash/argon.f()
	/src/x.go:10 +0x1
created by example.com/hash/argon.Sum in goroutine 1
	/src/x.go:28 +0x3`, "example.com/hash/argon", "", false},
		{"standard library alone", `goroutine 18 [IO wait]:
internal/poll.runtime_pollWait(0x1, 0x2)
	/go/netpoll.go:10 +0x1
os/exec.(*Cmd).Start.func2()
	/go/exec.go:10 +0x1
created by os/exec.(*Cmd).Start in goroutine 1
	/go/exec.go:28 +0x3`, "internal/poll", "", false},
		{"parallel library of the Go project", `goroutine 18 [running]:
golang.org/x/crypto/argon2.processBlocks.func1()
	/x/argon2.go:10 +0x1
created by golang.org/x/crypto/argon2.processBlocks in goroutine 1
	/x/argon2.go:28 +0x3`, "golang.org/x/crypto/argon2", "", false},
	} {
		g := parseStack([]byte(tc.dump))
		if g.owner != tc.owner || g.bubble != tc.bubble || g.id != "18" {
			t.Errorf("%s: got owner %q, bubble %q, id %q; want %q, %q, 18", tc.name, g.owner, g.bubble, g.id, tc.owner, tc.bubble)
		}
		if got := g.foreign([]string{"example.com/hash"}); got != tc.foreign {
			t.Errorf("%s: foreign is %v, want %v", tc.name, got, tc.foreign)
		}
	}
}

// What the standard library starts for somebody belongs to whose function runs.
func TestOwnerOfBorrowedGoroutine(t *testing.T) {
	owner := func() string { return parseStack(stack(false)).owner }
	got := make(chan string, 2)
	var wg sync.WaitGroup
	wg.Go(func() { got <- owner() })
	time.AfterFunc(0, func() { got <- owner() })
	wg.Wait()
	for range 2 {
		if o := <-got; o != "rashost/plugin/plugintest" {
			t.Errorf("owner is %q, want this package", o)
		}
	}
}
