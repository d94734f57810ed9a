package plugin

import (
	"context"
	"sync"
)

// Event is the event object that DialogReceive sets (CreateEvent, rule R3). The zero value is an auto-reset event that is not set.
type Event struct {
	mu     sync.Mutex
	manual bool
	closed bool
	set    bool
	ch     chan struct{} // closed while the event is set; nil: nobody has waited yet
}

// NewEvent returns an event that is not set. A manual-reset event stays set until Reset; an auto-reset one releases one Wait.
func NewEvent(manualReset bool) *Event {
	return &Event{manual: manualReset}
}

// Set sets the event. Setting one that is set already, or closed, does nothing.
func (e *Event) Set() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.set {
		return
	}
	e.set = true
	if e.ch != nil {
		close(e.ch)
	}
}

// Reset clears the event.
func (e *Event) Reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reset()
}

func (e *Event) reset() {
	if e.set {
		e.set = false
		e.ch = nil
	}
}

// Close is CloseHandle: the plugin is done with the event. A receive in progress may still refer to it and does no harm.
func (e *Event) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
}

// Wait blocks until the event is set or ctx ends, and returns ctx's error in the latter case. An auto-reset event is then cleared.
func (e *Event) Wait(ctx context.Context) error {
	for {
		e.mu.Lock()
		if e.set {
			if !e.manual {
				e.reset()
			}
			e.mu.Unlock()
			return nil
		}
		if e.ch == nil {
			e.ch = make(chan struct{})
		}
		ch := e.ch
		e.mu.Unlock()
		select {
		case <-ch:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
