package record

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"rashost/port"
)

// syncBuffer is a log to look at.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *syncBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

// wantLogged checks how often the log told that saving fails and that it works again.
func wantLogged(t *testing.T, log *syncBuffer, failures, recoveries int) {
	t.Helper()
	text := log.String()
	if f, r := strings.Count(text, "can't be saved"), strings.Count(text, "being saved again"); f != failures || r != recoveries {
		t.Errorf("logged %d failures and %d recoveries, want %d and %d:\n%s", f, r, failures, recoveries, text)
	}
}

// hold locks the database in dir as another program might, until release.
func hold(t *testing.T, dir string) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path(dir))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() {
		if _, err := db.Exec("ROLLBACK"); err != nil {
			t.Error(err)
		}
		_ = db.Close()
	})
}

func TestLockedDatabase(t *testing.T) {
	dir := t.TempDir()
	var log syncBuffer
	s := open(t, dir, Options{Log: log.logger()})
	s.Start(Row{ID: "before", Line: "line1"})
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	release := hold(t, dir)
	defer release()
	for i := range 3 {
		if err := s.Start(Row{ID: fmt.Sprint("during", i), Line: "line1"}).Wait(t.Context()); !errors.Is(err, ErrUnsaved) {
			t.Fatalf("the ticket says %v", err)
		}
	}
	s.End("during0", EndUpdate{Cause: port.UserRequest})
	s.End("before", EndUpdate{Cause: port.UserRequest})
	if err := s.Flush(t.Context()); !errors.Is(err, ErrUnsaved) {
		t.Errorf("Flush says %v", err)
	}
	until(t, "all four wait", func() bool { return s.Health().Unsaved == 4 })
	if h := s.Health(); h.OK || !strings.Contains(h.Reason, "locked") || h.Since.IsZero() || !strings.Contains(h.String(), "4 kept in memory") {
		t.Errorf("health is %+v, %s", h, h)
	}
	// The host still answers what it knows.
	rows, err := s.Calls(t.Context(), Query{Line: "line1"})
	if err != nil || len(rows) != 4 {
		t.Errorf("%d calls, %v", len(rows), err)
	}
	if r, err := s.Call(t.Context(), "during0"); err != nil || r.Cause != port.UserRequest {
		t.Errorf("a call in memory: %+v, %v", r, err)
	}
	release()
	until(t, "saving works again", func() bool { return s.Health().OK && s.Health().Unsaved == 0 })
	if rows, err := s.reader.Calls(t.Context(), Query{}); err != nil || len(rows) != 4 {
		t.Errorf("%d rows on disk, %v", len(rows), err)
	}
	if h := s.Health(); h.Unsaved != 0 || h.Lost != 0 {
		t.Errorf("health is %+v", h)
	}
	wantLogged(t, &log, 1, 1)
}

// A database that is removed, moved away or replaced under the running host is seen at the next row: a new one is begun, it has the calls
// that are under way, and the log says so.
func TestDatabaseRemovedWhileRunning(t *testing.T) {
	for name, take := range map[string]func(dir string) error{
		"removed": func(dir string) error { return os.Remove(path(dir)) },
		"all three removed": func(dir string) error {
			return errors.Join(os.Remove(path(dir)), os.Remove(path(dir)+"-wal"), os.Remove(path(dir)+"-shm"))
		},
		"moved away": func(dir string) error { return os.Rename(path(dir), path(dir)+".old") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var log syncBuffer
			s := open(t, dir, Options{Log: log.logger()})
			s.Start(Row{ID: "under way", Line: "line1"})
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := take(dir); err != nil {
				t.Fatal(err)
			}
			if err := s.Start(Row{ID: "after", Line: "line2"}).Wait(t.Context()); err != nil {
				t.Errorf("the next call is not recorded: %v", err)
			}
			if err := s.Flush(t.Context()); err != nil {
				t.Error(err)
			}
			if rows, err := s.reader.Calls(t.Context(), Query{}); err != nil || len(rows) != 2 {
				t.Errorf("%d rows on disk, want 2: %v", len(rows), err)
			}
			if text := log.String(); strings.Count(text, "a new one is begun") != 1 {
				t.Errorf("the log does not say so once: %s", text)
			}
		})
	}
}

// A database that is locked when the host starts does not stop the start.
func TestLockedAtOpen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	if err := s.Start(Row{ID: "left open"}).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	release := hold(t, dir)
	defer release()
	s = open(t, dir, Options{})
	if s.Health().OK {
		t.Error("the records look healthy")
	}
	s.Start(Row{ID: "new"})
	release()
	until(t, "saving works", func() bool { return s.Health().OK && s.Health().Unsaved == 0 })
	if r, err := s.Call(t.Context(), "left open"); err != nil || r.Cause != port.NASReboot {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := s.reader.Call(t.Context(), "new"); err != nil || !r.Open() {
		t.Errorf("the call of this run: %+v, %v", r, err)
	}
}

func TestMemoryLimit(t *testing.T) {
	if n := (Options{}).withDefaults().Limit; n != 10000 {
		t.Errorf("the limit is %d", n)
	}
	dir := t.TempDir()
	s := open(t, dir, Options{Limit: 10})
	s.Start(Row{ID: "live"})
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	release := hold(t, dir)
	defer release()
	s.Verdict("live", VerdictUpdate{User: "alice"})
	until(t, "saving fails", func() bool { return !s.Health().OK })
	for i := range 25 {
		id := fmt.Sprintf("%02d", i)
		s.Start(Row{ID: id})
		s.End(id, EndUpdate{Cause: port.UserRequest})
	}
	// A retry takes some rows away for a moment; nothing more comes, so its end makes it right.
	until(t, "the oldest are given up", func() bool { h := s.Health(); return h.Unsaved <= 11 && h.Lost >= 15 })
	h := s.Health()
	if !strings.Contains(h.String(), fmt.Sprint(h.Lost, " calls lost")) {
		t.Errorf("health says %s", h)
	}
	release()
	until(t, "saving works again", func() bool { return s.Health().OK && s.Health().Unsaved == 0 })
	rows, err := s.reader.Calls(t.Context(), Query{})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows)+int(s.Health().Lost) != 26 || rows[0].ID != "24" || rows[len(rows)-1].ID != "live" {
		t.Errorf("%d rows from %s to %s, %d lost", len(rows), rows[0].ID, rows[len(rows)-1].ID, s.Health().Lost)
	}
	if rows[len(rows)-1].User != "alice" {
		t.Error("the open call lost its verdict")
	}
}

func TestCloseWithUnsavedRows(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	release := hold(t, dir)
	defer release()
	s.Start(Row{ID: "c"})
	if err := s.Close(t.Context()); !errors.Is(err, ErrUnsaved) || !strings.Contains(err.Error(), "1 calls") {
		t.Errorf("Close says %v", err)
	}
}

func TestDamagedFileIsRefusedAndKept(t *testing.T) {
	dir := t.TempDir()
	garbage := bytes.Repeat([]byte("this is no database\n"), 1000)
	if err := os.WriteFile(path(dir), garbage, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), dir, Options{})
	if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path(dir)) {
		t.Errorf("Open says %v", err)
	}
	if got, err := os.ReadFile(path(dir)); err != nil || !bytes.Equal(got, garbage) {
		t.Errorf("the file was changed, %v", err)
	}
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if _, err := r.Calls(t.Context(), Query{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("a reader says %v", err)
	}
}

func TestTwoHosts(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second host: %v", err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	open(t, dir, Options{})
}

func TestMigrations(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "here")
	for range 2 {
		s := open(t, dir, Options{})
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", "file:"+path(dir))
	if err != nil {
		t.Fatal(err)
	}
	var version, rows int
	if err := db.QueryRow("SELECT max(version_id), count(*) FROM goose_db_version").Scan(&version, &rows); err != nil {
		t.Fatal(err)
	}
	if version != 2 || rows != 3 {
		t.Errorf("version %d after %d steps", version, rows)
	}
	if _, err := db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)"); err != nil {
		t.Fatal(err)
	}
	_ = db.Close()
	if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, ErrNewer) {
		t.Errorf("a newer database: %v", err)
	}
}

func TestNoDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), filepath.Join(file, "state"), Options{}); err == nil {
		t.Error("a state directory below a file was accepted")
	}
}

func TestFullDisk(t *testing.T) {
	if !ownMounts(t) {
		return
	}
	dir := smallDisk(t, 1<<20)
	var log syncBuffer
	s := open(t, dir, Options{Log: log.logger()})
	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)
	// The log of the database may still have room, also after a first failure.
	n := 0
	for s.Health().Unsaved < 50 {
		err := s.Start(Row{ID: fmt.Sprint(n), Reason: strings.Repeat("x", maxText)}).Wait(t.Context())
		if n++; err != nil && !errors.Is(err, ErrUnsaved) || n > 10000 {
			t.Fatalf("row %d on a full disk: %v", n, err)
		}
	}
	if h := s.Health(); h.OK || !strings.Contains(h.Reason, "full") {
		t.Errorf("health is %+v", h)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	until(t, "saving works again", func() bool { return s.Health().OK && s.Health().Unsaved == 0 })
	if rows, err := s.reader.Calls(t.Context(), Query{Limit: -1}); err != nil || len(rows) != n {
		t.Errorf("%d rows on disk, %v; want %d", len(rows), err, n)
	}
	if !strings.Contains(log.String(), "the disk is full") {
		t.Errorf("logged %q", log.String())
	}
}

// fill takes all of a disk.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 16, 1 << 12, 1} {
		for err == nil {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
		err = nil
	}
}

// A disk that is full or read-only when the host starts does not stop the start.
func TestBadDiskAtOpen(t *testing.T) {
	if !ownMounts(t) {
		return
	}
	t.Run("full", func(t *testing.T) {
		dir := smallDisk(t, 1<<20)
		fill(t, filepath.Join(dir, "ballast"))
		s := open(t, dir, Options{})
		if h := s.Health(); h.OK || !strings.Contains(h.Reason, "full") {
			t.Errorf("health is %+v", h)
		}
		s.Start(Row{ID: "c"})
		if err := os.Remove(filepath.Join(dir, "ballast")); err != nil {
			t.Fatal(err)
		}
		wantSaved(t, s)
	})
	for _, existing := range []bool{false, true} {
		t.Run(fmt.Sprintf("read-only, existing=%v", existing), func(t *testing.T) {
			dir := smallDisk(t, 1<<20)
			if existing {
				if err := open(t, dir, Options{}).Close(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			remount(t, dir, unix.MS_RDONLY)
			s := open(t, dir, Options{})
			if h := s.Health(); h.OK || !strings.Contains(h.Reason, "read-only") {
				t.Errorf("health is %+v", h)
			}
			s.Start(Row{ID: "c"})
			if rows, err := s.Calls(t.Context(), Query{}); err != nil || len(rows) != 1 {
				t.Errorf("%d calls, %v", len(rows), err)
			}
			remount(t, dir, 0)
			wantSaved(t, s)
		})
	}
}

func remount(t *testing.T, dir string, flags uintptr) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT|flags, ""); err != nil {
		t.Fatal(err)
	}
}

// wantSaved waits until the one call "c" is on disk.
func wantSaved(t *testing.T, s *Store) {
	t.Helper()
	until(t, "saving works", func() bool { return s.Health().OK && s.Health().Unsaved == 0 })
	if _, err := s.reader.Call(t.Context(), "c"); err != nil {
		t.Error(err)
	}
}

// A stranger who may read the file, but make none beside it, reads what a stopped host has left.
func TestReadByAnotherAccount(t *testing.T) {
	if os.Geteuid() != 0 {
		missing(t, "root")
	}
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir, Options{})
	s.Start(Row{ID: "c"})
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path(dir), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := helper(t, "reader", dir)
	program, err := os.ReadFile(cmd.Path)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Path = filepath.Join(t.TempDir(), "reader")
	if err := os.WriteFile(cmd.Path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(cmd.Path); dir != "/"; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || info.Mode()&0o005 != 0o005 {
			missing(t, "a temporary directory that everybody may enter")
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.Output(); err != nil || string(out) != "c\n" {
		t.Errorf("read %q, %v", out, err)
	}
}
