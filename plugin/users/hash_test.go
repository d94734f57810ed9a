package users

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golang.org/x/sync/semaphore"

	"github.com/go-crypt/crypt/algorithm/argon2"
)

// quickHashes makes hashes of its own that cost next to nothing. How they are used is tested, not what they cost.
func quickHashes(t testing.TB) *Hashes {
	t.Helper()
	h, err := NewHashes()
	if err != nil {
		t.Fatal(err)
	}
	cheap, err := argon2.New(argon2.WithVariant(argon2.VariantID), argon2.WithM(64), argon2.WithT(1), argon2.WithP(1))
	if err != nil {
		t.Fatal(err)
	}
	h.hasher.argon2 = cheap
	return h
}

// counted counts how often it is compared.
type counted struct{ n atomic.Int32 }

func (c *counted) MatchBytes([]byte) bool {
	c.n.Add(1)
	return true // nobody must be let in by it
}

func TestCheck(t *testing.T) {
	h := quickHashes(t)
	longest := strings.Repeat("x", MaxSecret)
	long, err := h.hasher.make([]byte(longest))
	if err != nil {
		t.Fatal(err)
	}
	longer, err := h.hasher.make([]byte(longest + "x"))
	if err != nil {
		t.Fatal(err)
	}
	empty, err := h.hasher.make(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		hash, secret string
		want, spent  bool // spent: the default work was done
	}{
		"right":     {cheapHash, "correct horse", true, false},
		"wrong":     {cheapHash, "correct horsf", false, false},
		"no hash":   {"", "correct horse", false, true},
		"no secret": {empty, "", false, true},
		"longest":   {long, longest, true, false},
		"too long":  {longer, longest + "x", false, true},
	} {
		nobody := new(counted)
		h.nobody = nobody
		got, err := h.Check(t.Context(), c.hash, []byte(c.secret))
		if got != c.want || err != nil || (nobody.n.Load() == 1) != c.spent {
			t.Errorf("%s: %v, %v, default work %d times", name, got, err, nobody.n.Load())
		}
	}
	nobody := new(counted)
	h.nobody = nobody
	if got, err := h.Check(t.Context(), "plain", []byte("plain")); got || err == nil || nobody.n.Load() != 1 {
		t.Errorf("a hash that can't be read: %v, %v, default work %d times", got, err, nobody.n.Load())
	}
}

func TestRenewAndKind(t *testing.T) {
	h, err := NewHashes()
	if err != nil {
		t.Fatal(err)
	}
	next, err := h.Renew(t.Context(), cheapHash, []byte("correct horse"))
	if err != nil || h.Kind(next) != "argon2id" || h.Kind(cheapHash) != "bcrypt" || h.Kind("plain") != "" {
		t.Errorf("%q, %v, %q, %q", next, err, h.Kind(next), h.Kind(cheapHash))
	}
	if ok, err := h.Check(t.Context(), next, []byte("correct horse")); !ok || err != nil {
		t.Errorf("the new hash: %v, %v", ok, err)
	}
	if again, err := h.Renew(t.Context(), next, []byte("correct horse")); again != "" || err != nil {
		t.Errorf("the default hash is renewed: %q, %v", again, err)
	}
	if again, err := h.Renew(t.Context(), "plain", []byte("x")); again != "" || err == nil {
		t.Errorf("what is no hash is renewed: %q, %v", again, err)
	}
}

// blocking is a hash that waits to be let go and counts how many run.
type blocking struct {
	running, most, total atomic.Int32
	release              chan struct{}
}

func (b *blocking) MatchBytes([]byte) bool {
	n := b.running.Add(1)
	for most := b.most.Load(); n > most && !b.most.CompareAndSwap(most, n); most = b.most.Load() {
	}
	<-b.release
	b.running.Add(-1)
	b.total.Add(1)
	return false
}

func TestHashesAreBoundedAndFair(t *testing.T) {
	h := quickHashes(t)
	synctest.Test(t, func(t *testing.T) {
		const cores, callers = 2, 256
		hash := &blocking{release: make(chan struct{})}
		h.gate, h.nobody = semaphore.NewWeighted(cores), hash
		order := make(chan int, callers)
		for i := range callers {
			go func() {
				if _, err := h.Check(t.Context(), "", []byte("x")); err != nil {
					t.Error(err)
				}
				order <- i
			}()
			synctest.Wait() // so that they queue one after the other
		}
		for done := range callers {
			if n := hash.running.Load(); n > cores {
				t.Fatalf("%d hashes run at once", n)
			}
			hash.release <- struct{}{}
			synctest.Wait()
			if i := <-order; i > done+1 {
				t.Errorf("caller %d was served as number %d", i, done)
			}
		}
		if hash.most.Load() != cores || hash.total.Load() != callers {
			t.Errorf("at most %d at once, %d in all", hash.most.Load(), hash.total.Load())
		}
	})
}

// Whoever gives up leaves the queue without a hash.
func TestHashQueueLetsGo(t *testing.T) {
	h := quickHashes(t)
	synctest.Test(t, func(t *testing.T) {
		hash := &blocking{release: make(chan struct{})}
		h.gate, h.nobody = semaphore.NewWeighted(1), hash
		first := make(chan error, 1)
		go func() {
			_, err := h.Check(t.Context(), "", []byte("x"))
			first <- err
		}()
		synctest.Wait()
		for what, call := range map[string]func(ctx context.Context) error{
			"Check": func(ctx context.Context) error { _, err := h.Check(ctx, "", []byte("x")); return err },
			"Renew": func(ctx context.Context) error { _, err := h.Renew(ctx, cheapHash, []byte("x")); return err },
		} {
			ctx, cancel := context.WithCancelCause(t.Context())
			gone := make(chan error, 1)
			go func() { gone <- call(ctx) }()
			synctest.Wait()
			cancel(fmt.Errorf("hung up"))
			if err := <-gone; !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", what, err)
			}
		}
		hash.release <- struct{}{}
		if err := <-first; err != nil || hash.total.Load() != 1 {
			t.Errorf("%v, %d hashes", err, hash.total.Load())
		}
	})
}
