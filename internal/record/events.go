package record

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"rashost/port"
)

// EventLimit is how many events of a line are kept: the newest.
const EventLimit = 1000

// Event is something that happened on a line and is no call: a fault, a step of the recovery. Its texts are escaped and bounded when
// they enter the store.
type Event struct {
	// id orders events and is unique in one database.
	id int64

	Line   string
	At     time.Time
	Kind   string
	Text   string
	Result string
	// Count is how many events like this one it stands for, at least 1.
	Count int
}

// LineEvent queues an event. It never blocks.
func (s *Store) LineEvent(e port.LineEvent) {
	at := orNow(e.At)
	kept := Event{
		Line: Printable(e.Line, maxName), At: at, Kind: Printable(e.Kind, maxName), Text: Printable(e.Text, maxText),
		Result: Printable(e.Result, maxText), Count: max(e.Count, 1),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.lastEvent = max(s.lastEvent+1, at.UnixMicro())
	kept.id = s.lastEvent
	s.events = newest(append(s.events, kept), s.opt.Limit)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// newest cuts events to the last n.
func newest(events []Event, n int) []Event {
	if len(events) <= n {
		return events
	}
	return slices.Delete(events, 0, len(events)-n)
}

// Events returns the newest events of a line, oldest first: those on disk and those in memory. limit 0 means EventLimit.
func (s *Store) Events(ctx context.Context, line string, limit int) ([]Event, error) {
	before := s.eventsInMemory(line)
	events, err := s.reader.Events(ctx, line, limit)
	if err != nil && !s.failing() {
		return nil, err
	}
	// What moves from memory to disk meanwhile may be seen twice.
	events = slices.Concat(events, before, s.eventsInMemory(line))
	slices.SortFunc(events, func(a, b Event) int { return cmp.Compare(a.id, b.id) })
	events = slices.CompactFunc(events, func(a, b Event) bool { return a.id == b.id })
	return byTime(newest(events, eventLimit(limit))), nil
}

// byTime sorts events by the time at which they happened. One that was counted for a while is written late, with the time of its last.
func byTime(events []Event) []Event {
	slices.SortStableFunc(events, func(a, b Event) int { return a.At.Compare(b.At) })
	return events
}

// eventsInMemory returns the events of a line that may not be on disk.
func (s *Store) eventsInMemory(line string) []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var events []Event
	for _, e := range slices.Concat(s.writingEvents, s.events) {
		if e.Line == line {
			events = append(events, e)
		}
	}
	return events
}

func eventLimit(limit int) int {
	if limit <= 0 {
		return EventLimit
	}
	return min(limit, EventLimit)
}

// Events returns the newest events of a line, oldest first. limit 0 means EventLimit. Records of an older rashost have none.
func (r *Reader) Events(ctx context.Context, line string, limit int) ([]Event, error) {
	db, done, err := r.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(r.dir, FileName), classify(err))
	}
	defer done()
	rows, err := db.QueryContext(ctx, "SELECT id, line, at, kind, text, result, count FROM line_events WHERE line = ? ORDER BY id DESC LIMIT ?",
		line, eventLimit(limit))
	if err != nil && strings.Contains(err.Error(), "no such table: line_events") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(r.dir, FileName), classify(err))
	}
	var events []Event
	for rows.Next() {
		var e Event
		var at int64
		if err := rows.Scan(&e.id, &e.Line, &at, &e.Kind, &e.Text, &e.Result, &e.Count); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		e.At = time.UnixMicro(at)
		events = append(events, e)
	}
	slices.Reverse(events)
	return byTime(events), errors.Join(rows.Err(), rows.Close())
}

// saveEvents writes events in the transaction under way, and drops what is more than EventLimit for a line.
func (d *database) saveEvents(ctx context.Context, events []Event) error {
	lines := map[string]bool{}
	for _, e := range events {
		_, err := d.conn.ExecContext(ctx, `INSERT INTO line_events (id, line, at, kind, text, result, count) VALUES (?1,?2,?3,?4,?5,?6,?7)
			ON CONFLICT (id) DO NOTHING`, e.id, e.Line, e.At.UnixMicro(), e.Kind, e.Text, e.Result, e.Count)
		if err != nil {
			return err
		}
		lines[e.Line] = true
	}
	for line := range lines {
		_, err := d.conn.ExecContext(ctx, `DELETE FROM line_events WHERE line = ?1 AND id <=
			(SELECT id FROM line_events WHERE line = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)`, line, EventLimit)
		if err != nil {
			return err
		}
	}
	return nil
}

// lastEventID returns the highest id of an event on disk, 0 for none.
func (d *database) lastEventID(ctx context.Context) (id int64) {
	if d.conn == nil || d.conn.QueryRowContext(ctx, "SELECT coalesce(max(id), 0) FROM line_events").Scan(&id) != nil {
		return 0
	}
	return id
}
