package password

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
)

// store is the user file as a running host sees it. It looks at the file's stat before every login and reads it anew when it has
// changed. A file that has become unreadable or wrong leaves the users as they were; a file that is gone leaves none.
type store struct {
	path   string
	hashes *hashes
	log    *slog.Logger
	users  atomic.Pointer[map[string]account] // by folded name

	mu   sync.Mutex
	seen identity // of the file last looked at, zero when there was none
	gone bool
}

// openStore reads the file for the first time. A missing file is not an error: nobody can log in until there is one.
func openStore(path string, h *hashes, log *slog.Logger) (*store, error) {
	s := &store{path: path, hashes: h, log: log}
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

// find looks a user up in the file as it is now.
func (s *store) find(name string) (account, bool) {
	s.refresh()
	return s.known(name)
}

// known looks a user up without looking at the file.
func (s *store) known(name string) (account, bool) {
	u, ok := (*s.users.Load())[fold(name)]
	return u, ok
}

// refresh reads the file anew if it is another one than last time.
func (s *store) refresh() {
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
	users, id, err := loadUsers(s.path, s.hashes)
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
func (s *store) missing() {
	if s.gone {
		return
	}
	s.gone = true
	s.set(nil)
	s.log.Warn(fmt.Sprintf("user file is missing: nobody can log in; add a user with: rashost user add (file %s)", s.path))
}

// set publishes the users.
func (s *store) set(users []account) {
	table := make(map[string]account, len(users))
	for _, u := range users {
		table[fold(u.Name)] = u
	}
	s.users.Store(&table)
}
