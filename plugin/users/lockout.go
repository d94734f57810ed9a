package users

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	lockoutVersion = 1
	// maxLockouts bounds the state. When it is full, the account that failed longest ago goes, one that is not locked out first.
	maxLockouts     = 10_000
	maxLockoutBytes = 8 << 20
	// maxDenials bounds the count of one account: more tries change nothing.
	maxDenials = 1 << 30
	// lockoutRetry is how long the file is left alone after its lock could not be had.
	lockoutRetry = 30 * time.Second
)

// DefaultReset is how long failures count when nothing else is said: the ResetTime of RAS's AccountLockout.
const DefaultReset = 2880 * time.Minute

// LockoutPath is where the dialog keeps its failures, for Unlock.
func LockoutPath(stateDir, dialog string) string {
	return filepath.Join(stateDir, "lockout-"+url.PathEscape(dialog)+".json")
}

// Unlock forgets the failures of an account on every line of the dialog whose state is in path, and says whether there were any. A
// running host sees it at the next try.
func Unlock(path, name string) (bool, error) {
	unlock, err := lockFile(context.Background(), path)
	if err != nil {
		return false, fmt.Errorf("lock-out state: %w", err)
	}
	defer unlock()
	state, _, err := loadLockouts(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	before := len(state.Failures)
	key := state.key(name)
	state.Failures = slices.DeleteFunc(state.Failures, func(f failures) bool { return f.Account == key })
	if len(state.Failures) == before {
		return false, nil
	}
	return true, state.save(path)
}

// failures is what is kept of an account on a line.
type failures struct {
	// Account is a keyed hash of the name: what was typed as a name may have been a password.
	Account string `json:"account"`
	Line    string `json:"line"`
	Denials int    `json:"denials"`
	// Since is the failure that the reset time runs from: the last one, or the one that locked the account out.
	Since time.Time `json:"since"`
}

// lockoutState is the file. Failures are in the order of the last try, oldest first.
type lockoutState struct {
	Version  int        `json:"version"`
	Key      string     `json:"key"`
	Failures []failures `json:"failures"`
}

// key returns the name that failures of an account go by.
func (s *lockoutState) key(name string) string {
	mac := hmac.New(sha256.New, []byte(s.Key))
	mac.Write([]byte(Fold(name)))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// save replaces the file. The caller holds its lock.
func (s *lockoutState) save(path string) error {
	data, err := json.Marshal(s)
	if err == nil {
		err = writeFile(path, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("lock-out state: cannot write: %w", err)
	}
	return nil
}

// loadLockouts reads the file.
func loadLockouts(path string) (*lockoutState, identity, error) {
	data, info, err := readFile(path, maxLockoutBytes)
	if err != nil {
		return nil, identity{}, fmt.Errorf("lock-out state: %w", err)
	}
	s, err := parseLockouts(data)
	if err != nil {
		return nil, identify(info), fmt.Errorf("lock-out state %s is damaged (remove it to forget all failures): %w", path, err)
	}
	return s, identify(info), nil
}

// parseLockouts takes the text of the file. Numbers of failures that no count could have led to are damage: they would undo a lock.
func parseLockouts(data []byte) (*lockoutState, error) {
	var s lockoutState
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, err
	}
	switch {
	case s.Version != lockoutVersion:
		return nil, fmt.Errorf("version %d, known is %d", s.Version, lockoutVersion)
	case s.Key == "":
		return nil, errors.New("the key is missing")
	case len(s.Failures) > maxLockouts:
		return nil, fmt.Errorf("%d entries, at most %d are kept", len(s.Failures), maxLockouts)
	case slices.ContainsFunc(s.Failures, func(f failures) bool { return f.Denials < 0 || f.Denials > maxDenials }):
		return nil, errors.New("an impossible number of failures")
	}
	return &s, nil
}

// Lockout counts failures per account and line, so that nobody can lock a user out of the other lines. It knows no difference
// between names that exist and names that do not. The counts outlive a restart. All methods may be called from any goroutine.
type Lockout struct {
	path    string
	denials int
	reset   time.Duration
	log     *slog.Logger

	mu      sync.Mutex
	state   *lockoutState
	seen    identity
	held    bool      // the file's lock is ours
	broken  bool      // the last access failed, and it has been said
	nextTry time.Time // of the file after its lock could not be had
}

// OpenLockout reads the state of an earlier run, if there is one, from path (see LockoutPath). An account is locked out on a line after
// denials failures in a row, until reset has passed since the last of them; reset 0 means DefaultReset. Error: a state that is damaged
// or can't be read.
func OpenLockout(path string, denials int, reset time.Duration, log *slog.Logger) (*Lockout, error) {
	if reset == 0 {
		reset = DefaultReset
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	l := &Lockout{path: path, denials: denials, reset: reset, log: log, state: &lockoutState{Version: lockoutVersion, Key: rand.Text()}}
	state, id, err := loadLockouts(path)
	switch {
	case err == nil:
		l.state, l.seen = state, id
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return l, nil
}

// Judge takes the outcome of a comparison and returns the one that counts: false while the account is locked out on the line. A
// success forgets the account's failures on the line, everything else is counted and written, so that a try costs the same whether
// the account exists, is locked out, or neither. A file that cannot be used leaves the count in memory.
func (l *Lockout) Judge(name, line string, matched bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.acquire()()
	now := time.Now()
	key := l.state.key(name)
	var f failures
	at := slices.IndexFunc(l.state.Failures, func(f failures) bool { return f.Account == key && f.Line == line })
	if at >= 0 {
		f = l.state.Failures[at]
		l.state.Failures = slices.Delete(l.state.Failures, at, at+1)
	}
	if f.Since.After(now) {
		f.Since = now // the clock was set back
	}
	if now.Sub(f.Since) >= l.reset {
		f = failures{}
	}
	locked := f.Denials >= l.denials
	if matched && !locked {
		if at >= 0 {
			l.save()
		}
		return true
	}
	if f.Denials = min(f.Denials+1, maxDenials); !locked {
		f.Since = now.UTC()
	}
	f.Account, f.Line = key, line
	l.makeRoom(now)
	l.state.Failures = append(l.state.Failures, f)
	l.save()
	return false
}

// makeRoom drops what has expired and, when the state is full, the oldest.
func (l *Lockout) makeRoom(now time.Time) {
	all := slices.DeleteFunc(l.state.Failures, func(f failures) bool { return now.Sub(f.Since) >= l.reset })
	if len(all) >= maxLockouts {
		oldest := max(0, slices.IndexFunc(all, func(f failures) bool { return f.Denials < l.denials }))
		all = slices.Delete(all, oldest, oldest+1)
	}
	l.state.Failures = all
}

// acquire takes the file's lock and reads it when another program, such as `rashost user unlock`, has replaced it. A caller who hangs
// up does not keep the failure from being counted.
func (l *Lockout) acquire() (release func()) {
	l.held = false
	if time.Now().Before(l.nextTry) {
		return func() {}
	}
	unlock, err := lockFile(context.Background(), l.path)
	if err != nil {
		l.nextTry = time.Now().Add(lockoutRetry)
		l.report(err)
		return func() {}
	}
	l.held = true
	if err := l.reload(); err != nil {
		l.report(err)
	}
	return unlock
}

// reload reads the file if it is another one than last time. One that was removed has forgotten all.
func (l *Lockout) reload() error {
	info, err := os.Stat(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		if l.seen != (identity{}) {
			l.state.Failures, l.seen = nil, identity{}
		}
		return nil
	}
	if err != nil || identify(info) == l.seen {
		return err
	}
	state, id, err := loadLockouts(l.path)
	if err == nil {
		l.state, l.seen = state, id
	}
	return err
}

// save writes the state and remembers the file as its own. Without the lock nothing is written.
func (l *Lockout) save() {
	if !l.held {
		return
	}
	err := l.state.save(l.path)
	if err == nil {
		var info fs.FileInfo
		if info, err = os.Stat(l.path); err == nil {
			l.seen = identify(info)
		}
	}
	if err != nil {
		l.report(err)
		return
	}
	if l.broken {
		l.broken = false
		l.log.Info("lock-out state is written again", "file", l.path)
	}
}

// report says once that the state is kept in memory only.
func (l *Lockout) report(err error) {
	if !l.broken {
		l.log.Error("lock-out counts are kept in memory only", "error", err)
	}
	l.broken = true
}
