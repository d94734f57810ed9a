package record

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"rashost/plugin"
	"rashost/port"
)

// DefaultLimit is how many calls a Query without a limit returns.
const DefaultLimit = 100

// Query chooses calls. Zero fields choose everything.
type Query struct {
	// Since is the earliest start.
	Since time.Time
	// Line and User must be equal, the user without ASCII case.
	Line, User string
	// Open chooses the calls that have not ended.
	Open bool
	// Limit is the most calls to return; 0 means DefaultLimit, a negative one no limit.
	Limit int
}

func (q Query) limit() int {
	if q.Limit == 0 {
		return DefaultLimit
	}
	return q.Limit
}

// match says whether r belongs to q; the SQL in Reader.Calls says the same.
func (q Query) match(r Row) bool {
	return !r.Start.Before(q.Since) && (q.Line == "" || q.Line == r.Line) && (!q.Open || r.Open()) &&
		(q.User == "" || strings.EqualFold(q.User, r.User))
}

// Reader reads records, also while a host in another process writes them, and also when none runs.
type Reader struct {
	dir string

	mu sync.Mutex
	db *sql.DB // opened when first needed
}

// OpenReader returns a reader of the records in dir. Whether there are any shows at the first question: its error is then
// fs.ErrNotExist.
func OpenReader(dir string) (*Reader, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return &Reader{dir: dir}, nil
}

// Close gives the database back.
func (r *Reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.db == nil {
		return nil
	}
	err := r.db.Close()
	r.db = nil
	return err
}

// Calls returns the calls that q chooses, newest first.
func (r *Reader) Calls(ctx context.Context, q Query) ([]Row, error) {
	text := "SELECT " + columns + " FROM calls WHERE started >= ?"
	args := []any{q.Since.UnixMicro()}
	if q.Since.IsZero() {
		args[0] = int64(-1 << 62)
	}
	if q.Line != "" {
		text, args = text+" AND line = ?", append(args, q.Line)
	}
	if q.User != "" {
		text, args = text+" AND user = ? COLLATE NOCASE", append(args, q.User)
	}
	if q.Open {
		text += " AND ended IS NULL"
	}
	text, args = text+" ORDER BY started DESC, id DESC LIMIT ?", append(args, q.limit())
	return r.query(ctx, text, args...)
}

// Call returns the call with this id, or the only one whose id begins so. Errors: ErrNotFound, ErrAmbiguous.
func (r *Reader) Call(ctx context.Context, id string) (Row, error) {
	if id == "" {
		return Row{}, fmt.Errorf("call %q: %w", id, ErrNotFound)
	}
	rows, err := r.query(ctx, "SELECT "+columns+" FROM calls WHERE id >= ?1 AND substr(id, 1, length(?1)) = ?1 ORDER BY id LIMIT 2", id)
	if err != nil {
		return Row{}, err
	}
	return only(id, rows)
}

// only picks the call that id means from those that begin so, in the order of their ids.
func only(id string, rows []Row) (Row, error) {
	switch {
	case len(rows) == 0:
		return Row{}, fmt.Errorf("call %q: %w", id, ErrNotFound)
	case len(rows) == 1 || rows[0].ID == id:
		return rows[0], nil
	default:
		return Row{}, fmt.Errorf("call %q: %w: give more of the id", id, ErrAmbiguous)
	}
}

// query runs one SELECT of columns.
func (r *Reader) query(ctx context.Context, text string, args ...any) ([]Row, error) {
	db, done, err := r.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(r.dir, FileName), classify(err))
	}
	defer done()
	result, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(r.dir, FileName), classify(err))
	}
	defer func() { _ = result.Close() }()
	var rows []Row
	for result.Next() {
		row, err := scan(result)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, result.Err()
}

// open connects on first use; the caller calls done after its query. A clean shutdown leaves no -shm file behind; where we may not
// make one (a read-only disk, another user's folder) nobody is writing now, and for this one query the file is read as it is.
func (r *Reader) open(ctx context.Context) (db *sql.DB, done func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.db != nil {
		return r.db, func() {}, nil
	}
	path := filepath.Join(r.dir, FileName)
	if _, err := os.Stat(path); err != nil {
		return nil, nil, err
	}
	db, err = openReadOnly(ctx, source(r.dir, "ro", "busy_timeout(2000)", "query_only(1)"))
	if err == nil {
		r.db = db
		return db, func() {}, nil
	}
	code := resultCode(err)
	_, walErr := os.Stat(path + "-wal")
	if code != sqlite3.SQLITE_CANTOPEN && code != sqlite3.SQLITE_READONLY || !errors.Is(walErr, fs.ErrNotExist) {
		return nil, nil, err
	}
	db, err = openReadOnly(ctx, source(r.dir, "ro", "query_only(1)")+"&immutable=1")
	if err != nil {
		return nil, nil, err
	}
	return db, func() { _ = db.Close() }, nil
}

func openReadOnly(ctx context.Context, uri string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", uri)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(2)
	var n int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM calls WHERE id = ''").Scan(&n); err != nil {
		_ = db.Close()
		return nil, err
	}
	return db, nil
}

// scan reads one row of columns.
func scan(rows *sql.Rows) (Row, error) {
	var (
		r                        Row
		started                  int64
		answered, decided, ended sql.NullInt64
		verdict, code            int64
		in, out                  int64
		cause                    int64
		causeName                string
		events, steps            string
	)
	err := rows.Scan(&r.ID, &r.Line, &r.Device, &started, &answered, &decided, &ended, &r.CallerNumber, &r.CallerName, &r.CallerStatus,
		&r.Called, &r.Connect, &r.Dialog, &r.Plugin, &r.User, &r.Domain, &verdict, &code, &events, &r.Service, &in, &out, &cause,
		&causeName, &r.Reason, &r.Exit, &steps)
	if err != nil {
		return Row{}, err
	}
	r.Start = time.UnixMicro(started)
	r.Answered, r.Decided, r.End = fromMicros(answered), fromMicros(decided), fromMicros(ended)
	r.Verdict, r.Code, r.Cause = plugin.Verdict(verdict), plugin.Code(code), port.TerminateCause(cause)
	r.In, r.Out = uint64(in), uint64(out)
	if err := json.Unmarshal([]byte(events), &r.Events); err != nil {
		return Row{}, fmt.Errorf("call %s: events: %w", r.ID, err)
	}
	var stored []storedStep
	if err := json.Unmarshal([]byte(steps), &stored); err != nil {
		return Row{}, fmt.Errorf("call %s: steps: %w", r.ID, err)
	}
	for _, s := range stored {
		r.Steps = append(r.Steps, Step{At: time.UnixMicro(s.At), What: s.What})
	}
	return r, nil
}

func fromMicros(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.UnixMicro(n.Int64)
}

// Calls returns the calls that q chooses, newest first: those in the database, and what is newer in memory. While the database can't
// be used (see Health) those in memory are all.
func (s *Store) Calls(ctx context.Context, q Query) ([]Row, error) {
	before := s.inMemory(q.match)
	rows, err := s.reader.Calls(ctx, q)
	if err != nil && !s.failing() {
		return nil, err
	}
	return s.overlay(before, rows, q.match, func(rows []Row) []Row {
		slices.SortFunc(rows, func(a, b Row) int { return cmp.Or(b.Start.Compare(a.Start), cmp.Compare(b.ID, a.ID)) })
		if n := q.limit(); n >= 0 && len(rows) > n {
			rows = rows[:n]
		}
		return rows
	}), nil
}

// Call returns the call with this id, or the only one whose id begins so. Errors: ErrNotFound, ErrAmbiguous.
func (s *Store) Call(ctx context.Context, id string) (Row, error) {
	match := func(r Row) bool { return id != "" && strings.HasPrefix(r.ID, id) }
	before := s.inMemory(match)
	row, err := s.reader.Call(ctx, id)
	var rows []Row
	switch {
	case err == nil:
		rows = append(rows, row)
	case errors.Is(err, ErrAmbiguous):
		return Row{}, err
	case !errors.Is(err, ErrNotFound) && !s.failing():
		return Row{}, err
	}
	rows = s.overlay(before, rows, match, func(rows []Row) []Row {
		slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.ID, b.ID) })
		return rows
	})
	return only(id, rows)
}

// inMemory returns the rows in memory that match.
func (s *Store) inMemory(match func(Row) bool) []Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows []Row
	for _, e := range s.calls {
		if match(e.row) {
			rows = append(rows, e.row)
		}
	}
	return rows
}

// overlay puts together what was in memory before the database was read, what the database said, and what is in memory now. Of one
// row, the state that is further on wins: it may have moved from memory to disk before or after the database was read.
func (s *Store) overlay(before, stored []Row, match func(Row) bool, order func([]Row) []Row) []Row {
	latest := make(map[string]Row)
	for _, rows := range [][]Row{before, stored, s.inMemory(match)} {
		for _, r := range rows {
			if old, ok := latest[r.ID]; !ok || r.progress() >= old.progress() {
				latest[r.ID] = r
			}
		}
	}
	s.mu.Lock()
	for id := range latest { // in memory it no longer belongs to what was asked for
		if e := s.calls[id]; e != nil && !match(e.row) {
			delete(latest, id)
		}
	}
	s.mu.Unlock()
	return order(slices.Collect(maps.Values(latest)))
}
