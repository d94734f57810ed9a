package admin

import (
	"context"
	"sync"
)

// hubBuffer is how many events a watcher may be behind.
const hubBuffer = 256

// Hub passes events on to watchers. Publish never blocks: a watcher that is too far behind is dropped, and has to look again. The
// zero value is ready.
type Hub struct {
	mu       sync.Mutex
	watchers map[chan Event]struct{}
}

// Publish passes e on to everybody who watches.
func (h *Hub) Publish(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ch := range h.watchers {
		select {
		case ch <- e:
		default:
			h.drop(ch)
		}
	}
}

// Watch returns a channel of what is published from now on, until ctx ends or the receiver is too slow; then it is closed.
func (h *Hub) Watch(ctx context.Context) <-chan Event {
	ch := make(chan Event, hubBuffer)
	h.mu.Lock()
	if h.watchers == nil {
		h.watchers = map[chan Event]struct{}{}
	}
	h.watchers[ch] = struct{}{}
	h.mu.Unlock()
	context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.drop(ch)
	})
	return ch
}

// drop ends a watcher; h.mu is held.
func (h *Hub) drop(ch chan Event) {
	if _, ok := h.watchers[ch]; ok {
		delete(h.watchers, ch)
		close(ch)
	}
}

// Watched tells whether anybody watches, so that events nobody wants need not be made.
func (h *Hub) Watched() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.watchers) > 0
}
