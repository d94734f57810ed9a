package record

import (
	"context"
	"errors"
	"slices"
	"time"
)

// maxBatch is how many rows one transaction takes: enough to share one fsync among every line, little enough to fit on a disk that
// is almost full.
const maxBatch = 1000

// run is the writer: it owns the database. It sleeps on a channel, and on a timer only while saving fails.
func (s *Store) run() {
	defer close(s.done)
	defer s.db.close()
	backoff := s.opt.retryMin
	for {
		if s.failing() {
			timer := time.NewTimer(backoff)
			select {
			case <-timer.C:
				backoff = min(2*backoff, s.opt.retryMax)
			case <-s.quit:
				timer.Stop()
				s.flush()
				return
			}
		} else {
			backoff = s.opt.retryMin
			select {
			case <-s.wake:
			case <-s.quit:
				s.flush()
				return
			}
		}
		s.flush()
	}
}

func (s *Store) failing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure != nil
}

// flush writes until nothing is left or the first failure.
func (s *Store) flush() {
	for {
		b := s.take()
		err := s.write(b)
		if err != nil {
			s.putBack(b, err)
			return
		}
		if more := s.saved(b); !more {
			return
		}
	}
}

// item is one row of a transaction: a copy, because the call goes on meanwhile.
type item struct {
	entry   *entry
	row     Row
	tickets []*Ticket
}

// batch is what one transaction writes.
type batch struct {
	rows   []item
	events []Event
}

func (s *Store) take() batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.dirty), maxBatch)
	rows := make([]item, n)
	for i, e := range s.dirty[:n] {
		rows[i] = item{entry: e, row: e.row, tickets: e.tickets}
		e.dirty, e.tickets = false, nil
	}
	s.dirty = append(s.dirty[:0], s.dirty[n:]...)
	m := min(len(s.events), maxBatch)
	s.writingEvents = slices.Clone(s.events[:m])
	s.events = slices.Delete(s.events, 0, m)
	s.writing = n + m
	return batch{rows, s.writingEvents}
}

// write commits the batch. With an empty one it finds out whether the database works.
func (s *Store) write(b batch) error {
	ctx := context.Background()
	if err := s.db.connect(ctx); err != nil {
		return err
	}
	if len(b.rows)+len(b.events) == 0 && !s.failing() {
		return nil
	}
	clashes, err := s.db.save(ctx, b)
	if errors.Is(err, errGone) {
		s.opt.Log.Error("records: "+explain(err), "dir", s.db.dir)
		s.queueAll()
		if err = s.db.connect(ctx); err == nil {
			clashes, err = s.db.save(ctx, b)
		}
	}
	if err != nil {
		return err
	}
	for _, id := range clashes {
		s.opt.Log.Error("records: a call with this id is recorded already; the new one is lost", "call", Printable(id, maxName))
	}
	s.mu.Lock()
	s.lost += uint64(len(clashes))
	s.mu.Unlock()
	return nil
}

// queueAll queues the rows of all calls that are under way, because the new database knows none of them.
func (s *Store) queueAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.calls {
		if !e.dirty {
			e.dirty = true
			s.dirty = append(s.dirty, e)
		}
	}
}

// saved forgets what is on disk and says whether there is more to write.
func (s *Store) saved(b batch) bool {
	s.mu.Lock()
	s.writing, s.writingEvents = 0, nil
	recovered := s.failure != nil
	s.failure, s.since = nil, time.Time{}
	for _, it := range b.rows {
		if !it.entry.dirty && !it.entry.row.Open() {
			delete(s.calls, it.row.ID)
		}
		for _, t := range it.tickets {
			t.resolve(nil)
		}
	}
	more := len(s.dirty)+len(s.events) > 0
	if !more {
		for _, t := range s.barriers {
			t.resolve(nil)
		}
		s.barriers = nil
	}
	lost := s.lost
	s.mu.Unlock()
	if recovered {
		s.opt.Log.Info("records are being saved again", "rows", len(b.rows), "lost", lost)
	}
	return more
}

// putBack queues the batch again, in front of what came meanwhile.
func (s *Store) putBack(b batch, err error) {
	s.mu.Lock()
	s.writing, s.writingEvents = 0, nil
	s.events = newest(append(b.events, s.events...), s.opt.Limit)
	front := make([]*entry, 0, len(b.rows)+len(s.dirty))
	for _, it := range b.rows {
		if !it.entry.dirty {
			it.entry.dirty = true
			front = append(front, it.entry)
		}
		for _, t := range it.tickets {
			t.resolve(unsaved(err))
		}
	}
	s.dirty = append(front, s.dirty...)
	// Rows that came during the transaction wait for a ticket that would now take long.
	for _, e := range s.dirty {
		for _, t := range e.tickets {
			t.resolve(unsaved(err))
		}
		e.tickets = nil
	}
	for _, t := range s.barriers {
		t.resolve(unsaved(err))
	}
	s.barriers = nil
	s.mu.Unlock()
	s.fail(err)
}

// fail notes why saving does not work, and says so once.
func (s *Store) fail(err error) {
	s.mu.Lock()
	first := s.failure == nil
	s.failure = err
	if first {
		s.since = time.Now()
	}
	s.trim()
	s.mu.Unlock()
	if first {
		s.opt.Log.Error("records can't be saved; they are kept in memory and tried again", "dir", s.db.dir, "reason", explain(err),
			"kept", s.opt.Limit)
	}
}
