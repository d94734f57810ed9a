package record

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"rashost/port"
)

func event(line, text string) port.LineEvent {
	return port.LineEvent{Line: line, At: time.Now(), Kind: port.EventLadder, Text: text, Result: "helped", Count: 1}
}

// TestEventsAreKept: events come back in order, over a restart, escaped, and no more than EventLimit for a line.
func TestEventsAreKept(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for i := range EventLimit + 20 {
		s.LineEvent(event("noisy", fmt.Sprint("event ", i)))
	}
	s.LineEvent(port.LineEvent{Line: "quiet", Kind: "noise\x1b[2J", Text: "a\nb", Result: strings.Repeat("x", 5000)})
	seen, err := s.Events(t.Context(), "noisy", 0)
	if err != nil || len(seen) != EventLimit || seen[EventLimit-1].Text != fmt.Sprint("event ", EventLimit+19) {
		t.Fatalf("before they are on disk: %d events, %v", len(seen), err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	seen, err = s.Events(t.Context(), "noisy", 0)
	if err != nil || len(seen) != EventLimit || seen[0].Text != "event 20" || seen[0].Result != "helped" || seen[0].Kind != port.EventLadder {
		t.Fatalf("after a restart: %d events, %v, %+v", len(seen), err, seen[0])
	}
	last, err := s.Events(t.Context(), "noisy", 3)
	if err != nil || len(last) != 3 || last[2].Text != fmt.Sprint("event ", EventLimit+19) {
		t.Errorf("the last three: %+v, %v", last, err)
	}
	quiet, err := s.Events(t.Context(), "quiet", 0)
	if err != nil || len(quiet) != 1 || quiet[0].Count != 1 || quiet[0].At.IsZero() {
		t.Fatalf("the other line: %+v, %v", quiet, err)
	}
	if e := quiet[0]; e.Kind != `noise\x1b[2J` || e.Text != `a\nb` || len(e.Result) > maxText {
		t.Errorf("not escaped or not bounded: %.200q", e.Kind+e.Text+e.Result)
	}
	var rows int
	if err := s.db.conn.QueryRowContext(t.Context(), "SELECT count(*) FROM line_events").Scan(&rows); err != nil || rows != EventLimit+1 {
		t.Errorf("%d rows on disk, %v", rows, err)
	}
}

// TestEventsAreInTheOrderOfTime: an event that was counted for a while is told late, and stands where it happened.
func TestEventsAreInTheOrderOfTime(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	begin := time.Now()
	for _, e := range []struct {
		text  string
		after time.Duration
	}{{"first", 0}, {"third", 2 * time.Minute}, {"fourth", 2 * time.Minute}, {"second, told late", time.Minute}} {
		s.LineEvent(port.LineEvent{Line: "l", At: begin.Add(e.after), Kind: port.EventNoise, Text: e.text, Count: 1})
	}
	inOrder := func(when string, seen []Event, err error) {
		t.Helper()
		var texts []string
		for _, e := range seen {
			texts = append(texts, e.Text)
		}
		if got := strings.Join(texts, ", "); err != nil || got != "first, second, told late, third, fourth" {
			t.Errorf("%s: %s, %v", when, got, err)
		}
	}
	seen, err := s.Events(t.Context(), "l", 0)
	inOrder("in memory", seen, err)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	seen, err = r.Events(t.Context(), "l", 0)
	inOrder("on disk", seen, err)
	if last, err := r.Events(t.Context(), "l", 2); err != nil || len(last) != 2 || last[0].Text != "second, told late" {
		t.Errorf("the two told last: %+v, %v", last, err)
	}
}

// TestEventsInMemory: what can't be written is kept in memory, bounded, and shown.
func TestEventsInMemory(t *testing.T) {
	s, err := newStore(t.Context(), t.TempDir(), Options{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 25 {
		s.LineEvent(event("l", fmt.Sprint("event ", i)))
		b := s.take()
		s.putBack(b, errors.New("the disk is full"))
	}
	if h := s.Health(); h.OK || h.Unsaved != 10 {
		t.Errorf("health %+v", h)
	}
	seen, err := s.Events(t.Context(), "l", 0)
	if err != nil || len(seen) != 10 || seen[9].Text != "event 24" {
		t.Errorf("%d events, %v", len(seen), err)
	}
	go s.run()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestEventIsNeverMissingNorTwice: an event is seen once at every moment while it moves from memory to disk.
func TestEventIsNeverMissingNorTwice(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	for i := range 200 {
		s.LineEvent(event("l", fmt.Sprint("event ", i)))
		seen, err := s.Events(t.Context(), "l", 0)
		if err != nil || len(seen) != i+1 {
			t.Fatalf("after event %d: %d events, %v", i, len(seen), err)
		}
	}
}

// TestEventsOfAnOlderDatabase: a database that no new host has opened yet has no events, and that is no error.
func TestEventsOfAnOlderDatabase(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	if _, err := s.db.conn.ExecContext(t.Context(), "DROP TABLE line_events"); err != nil {
		t.Fatal(err)
	}
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	if seen, err := r.Events(t.Context(), "l", 0); err != nil || len(seen) != 0 {
		t.Errorf("%v, %v", seen, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
