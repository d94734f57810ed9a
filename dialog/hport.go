package dialog

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"

	"rashost/plugin"
)

// registry gives out HPORTs and knows which are open, and counts whatever of the host outlives Run.
type registry struct {
	mu       sync.RWMutex
	issued   uint64 // the last HPORT given out; never goes back (rule B1)
	open     map[plugin.HPORT]*transaction
	late     uint64 // calls on HPORTs that are not open
	deferred int    // open transactions whose line is gone
	workers  int
	stuck    int            // workers of closed transactions whose grace is over
	overdue  map[string]int // by type of plugin: Begins and Ends that are past their limit and still running
	busy     int            // transactions, workers and entry points of plugins in progress
	idle     chan struct{}  // closed when busy falls to zero; nil when nobody waits
}

// add gives t an HPORT and opens it. It returns false when all numbers have been used: none is ever given out twice (rule B1).
func (r *registry) add(t *transaction) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.issued >= math.MaxUint32 {
		return false
	}
	r.issued++
	t.hport = plugin.HPORT(r.issued)
	r.open[t.hport] = t
	return true
}

// remove closes hport for good.
func (r *registry) remove(hport plugin.HPORT) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, hport)
}

// acquire returns the open transaction hport with its mutex held, or nil, and counts the call as late then.
func (r *registry) acquire(hport plugin.HPORT) *transaction {
	r.mu.RLock()
	t := r.open[hport]
	r.mu.RUnlock()
	if t != nil {
		t.mu.Lock()
		if !t.closed {
			return t
		}
		t.mu.Unlock()
	}
	r.count(func() { r.late++ })
	return nil
}

// count changes counters.
func (r *registry) count(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
	if r.busy == 0 && r.idle != nil {
		close(r.idle)
		r.idle = nil
	}
}

// enter and leave bracket whatever Shutdown waits for.
func (r *registry) enter() { r.count(func() { r.busy++ }) }
func (r *registry) leave() { r.count(func() { r.busy-- }) }

// unhealthy adds n to the overdue calls of a plugin type.
func (r *registry) unhealthy(kind string, n int) {
	r.count(func() {
		r.overdue[kind] += n
		if r.overdue[kind] == 0 {
			delete(r.overdue, kind)
		}
	})
}

// wait blocks until nothing is in progress.
func (r *registry) wait(ctx context.Context) error {
	for {
		r.mu.Lock()
		if r.busy == 0 {
			r.mu.Unlock()
			return nil
		}
		if r.idle == nil {
			r.idle = make(chan struct{})
		}
		idle := r.idle
		r.mu.Unlock()
		select {
		case <-idle:
		case <-ctx.Done():
			s := r.stats()
			return fmt.Errorf("dialog: %d transactions and %d workers have not ended: %w", s.Open, s.Workers, context.Cause(ctx))
		}
	}
}

// stats takes the counters.
func (r *registry) stats() Stats {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return Stats{
		Open: len(r.open), Deferred: r.deferred, LateCalls: r.late, Workers: r.workers, WorkersStuck: r.stuck,
		Unhealthy: slices.Sorted(maps.Keys(r.overdue)),
	}
}
