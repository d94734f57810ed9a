package users

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
)

// Store is the user file as a running host sees it. It looks at the file's stat before every login and reads it anew when it has
// changed. A file that has become unreadable or wrong leaves the users as they were; a file that is gone leaves none
// (docs/adr/0009-user-file-missing-or-broken.md). All methods may be called from any goroutine.
type Store struct {
	path   string
	hasher *hasher
	log    *slog.Logger
	users  atomic.Pointer[map[string]Account] // by folded name

	mu   sync.Mutex
	seen identity // of the file last looked at, zero when there was none
	gone bool
}

// OpenStore reads the file for the first time. A missing file is not an error: nobody can log in until there is one. A file that can't
// be read, or that others may read or change, is.
func OpenStore(path string, log *slog.Logger) (*Store, error) {
	h, err := newHasher()
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Store{path: path, hasher: h, log: log}
	s.set(nil)
	users, id, err := loadUsers(path, h)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.missing()
		return s, nil
	case err != nil:
		return nil, err
	}
	s.seen = id
	s.set(users)
	return s, nil
}

// Lookup finds a user in the file as it is now; false for an unknown name. A disabled user is found: whoever asks must look at Disabled.
// The error is ctx's, when it has ended.
func (s *Store) Lookup(ctx context.Context, name string) (Account, bool, error) {
	if err := ctx.Err(); err != nil {
		return Account{}, false, err
	}
	s.refresh()
	u, ok := (*s.users.Load())[Fold(name)]
	return u, ok, nil
}

// Known says whether there is such a user, without looking at the file. A record may show such a name; any other may have been a
// password typed at the wrong prompt.
func (s *Store) Known(name string) bool {
	_, ok := (*s.users.Load())[Fold(name)]
	return ok
}

// UpdateOTP replaces the state of a user's one-time passwords in the file, if it is still old: compare and swap under the file's lock,
// so that of two logins with one password one wins. The login counts only when UpdateOTP returned nil. Errors: ErrNoUser; ErrChanged
// when the state is another one or the user was disabled; why the file can't be read or written.
func (s *Store) UpdateOTP(ctx context.Context, name string, old, next OTP) error {
	if err := next.check(); err != nil {
		return nameError(name, err)
	}
	return updateUser(ctx, s.path, s.hasher, name, func(u *Account) error {
		if u.OTP == nil || u.Disabled || !u.OTP.equal(old) {
			return ErrChanged
		}
		u.OTP = &next
		return nil
	})
}

// UpdateHash replaces a user's hash in the file, if it is still old. Errors as those of UpdateOTP.
func (s *Store) UpdateHash(ctx context.Context, name, old, next string) error {
	return updateUser(ctx, s.path, s.hasher, name, func(u *Account) error {
		if u.Hash != old {
			return ErrChanged
		}
		u.Hash = next
		return nil
	})
}

// refresh reads the file anew if it is another one than last time.
func (s *Store) refresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := os.Stat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.missing()
		return
	case err == nil && !s.gone && identify(info) == s.seen:
		return
	}
	users, id, err := loadUsers(s.path, s.hasher)
	if id == s.seen && !s.gone && err != nil {
		return // said already
	}
	s.seen, s.gone = id, false
	if err != nil {
		s.log.Error("user file not taken over; the users stay as they were", "error", err)
		return
	}
	s.set(users)
	s.log.Info("user file read again", "file", s.path, "users", len(users))
}

// missing notes that there is no file, and says it once.
func (s *Store) missing() {
	if s.gone {
		return
	}
	s.gone = true
	s.set(nil)
	s.log.Warn(fmt.Sprintf("user file is missing: nobody can log in; add a user with: rashost user add (file %s)", s.path))
}

// set publishes the users.
func (s *Store) set(users []Account) {
	table := make(map[string]Account, len(users))
	for _, u := range users {
		table[Fold(u.Name)] = u
	}
	s.users.Store(&table)
}
