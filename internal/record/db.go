package record

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/pressly/goose/v3"
	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"rashost/plugin"
	"rashost/port"
)

// FileName is the database's name in the state directory; SQLite puts a -wal and a -shm file beside it.
const FileName = "records.db"

// errGone: the file that is open is no longer the one in the directory.
var errGone = errors.New("the file has gone")

//go:embed migrations/*.sql
var migrations embed.FS

// database is the writer's connection. It belongs to one goroutine.
type database struct {
	dir  string
	busy time.Duration
	log  *slog.Logger

	lock   *os.File // flock: one writer per directory
	db     *sql.DB
	conn   *sql.Conn // the one connection; nil: not connected yet
	upsert *sql.Stmt
	file   fs.FileInfo // of the database when it was opened
}

// source is SQLite's URI of the database with pragmas.
func source(dir, mode string, pragmas ...string) string {
	query := url.Values{"mode": {mode}, "_pragma": pragmas}
	return (&url.URL{Scheme: "file", Path: filepath.Join(dir, FileName), RawQuery: query.Encode()}).String()
}

// connect opens the database, brings it up to date and closes what an earlier host left open. It does nothing when connected.
func (d *database) connect(ctx context.Context) error {
	if d.conn != nil {
		return nil
	}
	if err := d.lockDir(); err != nil {
		return err
	}
	if err := d.open(ctx); err != nil {
		d.disconnect()
		return fmt.Errorf("%s: %w", filepath.Join(d.dir, FileName), classify(err))
	}
	return nil
}

// lockDir makes the directory and takes the writer's lock.
func (d *database) lockDir() error {
	if d.lock != nil {
		return nil
	}
	if err := os.MkdirAll(d.dir, 0o750); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(d.dir, "records.lock"), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return fmt.Errorf("%s: %w: stop it, or give this one another state_dir", d.dir, ErrInUse)
		}
		return err
	}
	d.lock = f
	return nil
}

func (d *database) open(ctx context.Context) error {
	// SQLite gives the -wal and -shm files the mode of the database.
	f, err := os.OpenFile(filepath.Join(d.dir, FileName), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	d.file, err = f.Stat()
	f.Close()
	if err != nil {
		return err
	}
	d.db, err = sql.Open("sqlite", source(d.dir, "rw", fmt.Sprintf("busy_timeout(%d)", d.busy.Milliseconds()),
		"journal_mode(WAL)", "synchronous(FULL)"))
	if err != nil {
		return err
	}
	d.db.SetMaxOpenConns(1)
	if err := migrate(ctx, d.db); err != nil {
		return err
	}
	if d.conn, err = d.db.Conn(ctx); err != nil {
		return err
	}
	if d.upsert, err = d.conn.PrepareContext(ctx, upsertSQL); err != nil {
		return err
	}
	return d.closeOrphans(ctx)
}

// migrate brings the tables up to this version; it never goes back.
func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	current, target, err := provider.GetVersions(ctx)
	if err != nil {
		return err
	}
	if current > target {
		return fmt.Errorf("%w: version %d, this one knows up to %d", ErrNewer, current, target)
	}
	_, err = provider.Up(ctx)
	return err
}

// closeOrphans closes the rows of a host that did not come to do it.
func (d *database) closeOrphans(ctx context.Context) error {
	const reason = "rashost stopped without closing this call; found at the next start"
	now := time.Now().UnixMicro()
	result, err := d.conn.ExecContext(ctx, `UPDATE calls SET ended = ?1, cause = ?2, cause_name = ?3, reason = ?4,
		steps = json_insert(steps, '$[#]', json_object('at', ?1, 'what', ?4)) WHERE ended IS NULL`,
		now, int(port.NASReboot), port.NASReboot.String(), reason)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err == nil && n > 0 {
		d.log.Warn("records: closed calls that an earlier run left open", "calls", n, "cause", port.NASReboot.String())
	}
	return nil
}

// upsertSQL writes a whole row. A row with the same id but another start is another call: it stays as it is.
const upsertSQL = `INSERT INTO calls (` + columns + `)
	VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24,?25,?26,?27)
	ON CONFLICT (id) DO UPDATE SET answered=?5, decided=?6, ended=?7, caller_number=?8, caller_name=?9, caller_status=?10,
	called=?11, connect=?12, dialog=?13, plugin=?14, user=?15, domain=?16, verdict=?17, code=?18, events=?19, service=?20,
	octets_in=?21, octets_out=?22, cause=?23, cause_name=?24, reason=?25, exit=?26, steps=?27
	WHERE started=excluded.started AND line=excluded.line`

// columns in the order of upsertSQL and scan.
const columns = `id, line, device, started, answered, decided, ended, caller_number, caller_name, caller_status, called, connect,
	dialog, plugin, user, domain, verdict, code, events, service, octets_in, octets_out, cause, cause_name, reason, exit, steps`

// inPlace says whether what is open still is what stands in the directory. SQLite goes on writing to a file that was removed, and says nothing.
func (d *database) inPlace() error {
	now, err := os.Stat(filepath.Join(d.dir, FileName))
	if err == nil && os.SameFile(now, d.file) {
		return nil
	}
	d.disconnect()
	return fmt.Errorf("%s: %w", filepath.Join(d.dir, FileName), errGone)
}

// save commits the batch in one transaction and returns the ids that belong to other calls already. When the file is no longer in its
// place it is errGone, and the next connect makes a new one.
func (d *database) save(ctx context.Context, b batch) (clashes []string, err error) {
	if err := d.inPlace(); err != nil {
		return nil, err
	}
	clashes, err = d.commit(ctx, b)
	if err == nil {
		err = d.inPlace()
	}
	return clashes, err
}

func (d *database) commit(ctx context.Context, b batch) (clashes []string, err error) {
	if _, err := d.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return nil, classify(err)
	}
	defer func() {
		if err != nil {
			// After some errors SQLite has rolled back by itself, and says so here.
			_, _ = d.conn.ExecContext(ctx, "ROLLBACK")
		}
	}()
	for _, it := range b.rows {
		result, err := d.upsert.ExecContext(ctx, values(it.row)...)
		if err != nil {
			return nil, classify(err)
		}
		if n, err := result.RowsAffected(); err == nil && n == 0 {
			clashes = append(clashes, it.row.ID)
		}
	}
	if err := d.saveEvents(ctx, b.events); err != nil {
		return nil, classify(err)
	}
	if _, err := d.conn.ExecContext(ctx, "COMMIT"); err != nil {
		return nil, classify(err)
	}
	return clashes, nil
}

// values are the arguments of upsertSQL.
func values(r Row) []any {
	return []any{
		r.ID, r.Line, r.Device, r.Start.UnixMicro(), micros(r.Answered), micros(r.Decided), micros(r.End),
		r.CallerNumber, r.CallerName, r.CallerStatus, r.Called, r.Connect, r.Dialog, r.Plugin, r.User, r.Domain,
		int64(r.Verdict), int64(r.Code), encodeEvents(r.Events), r.Service, octets(r.In), octets(r.Out),
		int64(r.Cause), r.Cause.String(), r.Reason, r.Exit, encodeSteps(r.Steps),
	}
}

// micros is a time in the database, NULL for the zero time.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func octets(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

func encodeEvents(events []plugin.EventID) string {
	text := []byte{'['}
	for i, e := range events {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendUint(text, uint64(e), 10)
	}
	return string(append(text, ']'))
}

// storedStep is a Step in the database.
type storedStep struct {
	At   int64  `json:"at"`
	What string `json:"what"`
}

func encodeSteps(steps []Step) string {
	stored := make([]storedStep, len(steps))
	for i, s := range steps {
		stored[i] = storedStep{s.At.UnixMicro(), s.What}
	}
	text, err := json.Marshal(stored)
	if err != nil {
		return "[]" // numbers and strings always marshal
	}
	return string(text)
}

// close gives everything back. What was committed is on disk already; an error here has nothing to tell.
// disconnect closes the database and keeps the directory's lock.
func (d *database) disconnect() {
	if d.upsert != nil {
		_ = d.upsert.Close()
	}
	if d.conn != nil {
		_ = d.conn.Close()
	}
	if d.db != nil {
		_ = d.db.Close()
	}
	d.db, d.conn, d.upsert = nil, nil, nil
}

func (d *database) close() {
	d.disconnect()
	if d.lock != nil {
		d.lock.Close()
	}
}

// resultCode is SQLite's primary result code of err, 0 for other errors.
func resultCode(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

// classify adds ErrDamaged to what SQLite says of a file that is no good.
func classify(err error) error {
	switch resultCode(err) {
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	default:
		return err
	}
}

// permanent says whether trying again is useless: everything but a file system or a lock that may change.
func permanent(err error) bool {
	switch resultCode(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_PROTOCOL:
		return false
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENAMETOOLONG)
	}
	return true
}

// explain says in plain words why saving fails and what to do.
func explain(err error) string {
	var advice string
	code := resultCode(err)
	switch {
	case errors.Is(err, ErrDamaged):
		advice = "the database is damaged: stop rashost, move " + FileName + ", " + FileName + "-wal and " + FileName +
			"-shm away together, start again"
	case errors.Is(err, errGone):
		advice = "the database was removed or replaced while rashost runs: a new one is begun; to have the old one back, stop rashost, " +
			"put it in its place with its -wal and -shm files, start again"
	case code == sqlite3.SQLITE_FULL, errors.Is(err, unix.ENOSPC):
		advice = "the disk is full: free some space"
	case code == sqlite3.SQLITE_BUSY, code == sqlite3.SQLITE_LOCKED:
		advice = "another program holds the database locked"
	case code == sqlite3.SQLITE_READONLY, errors.Is(err, unix.EROFS):
		advice = "the database can't be written: it or its disk is read-only"
	case errors.Is(err, fs.ErrPermission):
		advice = "no permission to write"
	case code == sqlite3.SQLITE_CANTOPEN:
		advice = "the database can't be opened: look at the folder's owner, mode and free space"
	case code == sqlite3.SQLITE_IOERR:
		advice = "the disk reports an error"
	}
	if advice == "" {
		return err.Error()
	}
	return advice + " (" + err.Error() + ")"
}
