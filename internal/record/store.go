package record

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// MemoryLimit is how many unsaved rows are kept in memory when Options.Limit is zero.
const MemoryLimit = 10000

// Errors of the package.
var (
	// ErrUnsaved: the row is in memory only, because the database can't be written. Health says why.
	ErrUnsaved = errors.New("the record is not on disk")
	// ErrNotFound: no record has that id.
	ErrNotFound = errors.New("no such call")
	// ErrAmbiguous: several records have ids that begin so.
	ErrAmbiguous = errors.New("several calls begin so")
	// ErrInUse: another process writes these records.
	ErrInUse = errors.New("another rashost writes the records")
	// ErrDamaged: the file is no database, or a broken one. It is never changed or moved by us.
	ErrDamaged = errors.New("the records are damaged")
	// ErrNewer: a newer rashost made the database.
	ErrNewer = errors.New("the records were made by a newer rashost")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the records are closed")
)

// Options of Open. The zero value is usable.
type Options struct {
	// Limit is how many unsaved rows are kept in memory; 0 means MemoryLimit. Above it the oldest ended ones are lost.
	Limit int
	// Log takes one message when saving begins to fail and one when it works again; nil discards.
	Log *slog.Logger

	retryMin, retryMax time.Duration // back-off while saving fails; 0 means 100 ms and 5 s
	busy               time.Duration // how long a commit waits for somebody else's lock; 0 means 1 s
}

func (o Options) withDefaults() Options {
	if o.Limit <= 0 {
		o.Limit = MemoryLimit
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.retryMin <= 0 {
		o.retryMin = 100 * time.Millisecond
	}
	if o.retryMax <= 0 {
		o.retryMax = 5 * time.Second
	}
	if o.busy <= 0 {
		o.busy = time.Second
	}
	return o
}

// Store writes the records of one host. All methods may be called from any goroutine; only Close, Flush, Calls, Call and
// Ticket.Wait block on the disk.
type Store struct {
	opt    Options
	db     *database // the writer's
	reader *Reader
	wake   chan struct{} // one token: there is work
	quit   chan struct{}
	done   chan struct{}

	mu      sync.Mutex
	calls   map[string]*entry // open calls, and ended ones that are not saved
	dirty   []*entry          // what differs from the database, oldest first
	writing int               // rows in the transaction under way
	events  []Event           // line events that are not saved, oldest first
	// writingEvents are those in the transaction under way; lastEvent is the last id.
	writingEvents []Event
	lastEvent     int64

	barriers []*Ticket // of Flush
	failure  error     // why saving fails, nil when it works
	since    time.Time // when it began to fail
	lost     uint64
	closed   bool
}

// entry is a call in memory.
type entry struct {
	row     Row
	dirty   bool
	tickets []*Ticket
}

// Ticket stands for a row on its way to the disk.
type Ticket struct {
	done chan struct{}
	err  error
}

func newTicket() *Ticket { return &Ticket{done: make(chan struct{})} }

func (t *Ticket) resolve(err error) {
	t.err = err
	close(t.done)
}

// Wait returns nil when the row is committed. While the database can't be written it returns an error that wraps ErrUnsaved as soon
// as that is known: the row is then in memory and will be tried again. It returns ctx's error when ctx ends first.
func (t *Ticket) Wait(ctx context.Context) error {
	select {
	case <-t.done:
		return t.err
	default:
	}
	select {
	case <-t.done:
		return t.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Open opens or makes the records in dir (records.db, WAL) and closes with NAS-Reboot what an earlier host left open. When the disk
// is full, read-only or the database locked, it returns a store that keeps rows in memory and goes on trying: see Health. Errors:
// ErrInUse, ErrDamaged, ErrNewer, and whatever shows that trying again is useless.
func Open(ctx context.Context, dir string, o Options) (*Store, error) {
	s, err := newStore(ctx, dir, o)
	if err != nil {
		return nil, err
	}
	go s.run()
	return s, nil
}

// newStore is Open without the writer.
func newStore(ctx context.Context, dir string, o Options) (*Store, error) {
	reader, err := OpenReader(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{
		opt: o.withDefaults(), reader: reader, calls: make(map[string]*entry),
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	s.db = &database{dir: reader.dir, busy: s.opt.busy, log: s.opt.Log}
	if err := s.db.connect(ctx); err != nil {
		if permanent(err) || ctx.Err() != nil {
			s.db.close()
			return nil, err
		}
		s.fail(err)
	}
	s.lastEvent = s.db.lastEventID(ctx)
	return s, nil
}

// Start makes the row of a call and queues it. The ID must be new.
func (s *Store) Start(r Row) *Ticket {
	r.clean()
	t := newTicket()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		t.resolve(ErrClosed)
		return t
	case s.calls[r.ID] != nil:
		t.resolve(fmt.Errorf("call %q is recorded already", Printable(r.ID, maxName)))
		return t
	}
	e := &entry{row: r}
	s.calls[r.ID] = e
	if s.failure != nil {
		t.resolve(unsaved(s.failure))
	} else {
		e.tickets = append(e.tickets, t)
	}
	s.save(e)
	return t
}

// Answered notes that the modem has connected. It is written together with the verdict, or whatever comes first.
func (s *Store) Answered(id string, u AnswerUpdate) {
	s.change(id, false, func(r *Row) { r.answer(u) })
}

// Verdict queues the outcome of the dialog.
func (s *Store) Verdict(id string, u VerdictUpdate) {
	s.change(id, true, func(r *Row) { r.decide(u) })
}

// Step adds to the decision chain. The steps are written together with the verdict or the end.
func (s *Store) Step(id string, steps ...Step) {
	s.change(id, false, func(r *Row) { r.addSteps(steps) })
}

// End closes the row and queues it. Later changes are ignored.
func (s *Store) End(id string, u EndUpdate) {
	s.change(id, true, func(r *Row) { r.end(u) })
}

// change applies f to an open call, and queues the row if write is set.
func (s *Store) change(id string, write bool, f func(*Row)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.calls[id]
	if e == nil || !e.row.Open() {
		return
	}
	f(&e.row)
	if write {
		s.save(e)
	}
}

// save queues e and wakes the writer. It needs the lock.
func (s *Store) save(e *entry) {
	if !e.dirty {
		e.dirty = true
		s.dirty = append(s.dirty, e)
		s.trim()
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// trim gives up the oldest ended rows above the limit. It needs the lock. Rows of open calls stay: there are never more of them than
// lines.
func (s *Store) trim() {
	if s.failure == nil {
		return
	}
	kept := s.dirty[:0]
	excess := len(s.dirty) - s.opt.Limit
	if excess <= 0 {
		return
	}
	for _, e := range s.dirty {
		if excess > 0 && !e.row.Open() {
			delete(s.calls, e.row.ID)
			s.lost++
			excess--
			continue
		}
		kept = append(kept, e)
	}
	clear(s.dirty[len(kept):])
	s.dirty = kept
}

// Flush waits until everything queued so far is committed, or returns an error that wraps ErrUnsaved.
func (s *Store) Flush(ctx context.Context) error {
	t := newTicket()
	s.mu.Lock()
	switch {
	case s.failure != nil:
		t.resolve(unsaved(s.failure))
	case len(s.dirty)+len(s.events) == 0 && s.writing == 0:
		t.resolve(nil)
	default:
		s.barriers = append(s.barriers, t)
	}
	s.mu.Unlock()
	return t.Wait(ctx)
}

// Health is the state of the records.
type Health struct {
	// OK says that rows reach the disk. Reason says why not, Since when it began.
	OK     bool      `json:"ok"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	// Unsaved is how many rows and line events wait in memory, Lost how many calls were given up since the start because Options.Limit was reached.
	Unsaved int    `json:"unsaved"`
	Lost    uint64 `json:"lost"`
}

// String says it in one line.
func (h Health) String() string {
	lost := ""
	if h.Lost > 0 {
		lost = fmt.Sprintf("; %d calls lost", h.Lost)
	}
	if h.OK {
		return "records are being saved" + lost
	}
	return fmt.Sprintf("records have not been saved since %s: %s; %d kept in memory%s",
		h.Since.Format(time.DateTime), h.Reason, h.Unsaved, lost)
}

// Health returns the state of the records now.
func (s *Store) Health() Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := Health{OK: s.failure == nil, Since: s.since, Unsaved: len(s.dirty) + len(s.events) + s.writing, Lost: s.lost}
	if s.failure != nil {
		h.Reason = explain(s.failure)
	}
	return h
}

// Close writes what is queued, with one last try if saving fails, and closes the database. Calls that are still open stay so. The
// error wraps ErrUnsaved if rows are lost by it.
func (s *Store) Close(ctx context.Context) error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.quit)
	}
	s.mu.Unlock()
	select {
	case <-s.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	_ = s.reader.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.dirty) > 0 && s.failure != nil {
		return fmt.Errorf("%d calls: %w", len(s.dirty), unsaved(s.failure))
	}
	return nil
}

// unsaved is what the outside sees of a failure.
func unsaved(err error) error { return fmt.Errorf("%w: %s", ErrUnsaved, explain(err)) }
