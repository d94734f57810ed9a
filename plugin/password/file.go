package password

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"rashost/plugin"
)

// MaxSecret is the longest password, in bytes. An empty one is never accepted.
const MaxSecret = 128

// What File's operations can meet.
var (
	ErrNoUser     = errors.New("there is no such user")
	ErrUserExists = errors.New("the user exists already; use: rashost user passwd")
	ErrName       = errors.New("the name is not allowed: " + nameRule)
	ErrNoSecret   = errors.New("the password is empty")
	ErrLongSecret = errors.New("the password is longer than " + strconv.Itoa(MaxSecret) + " bytes")
)

// File is a user file on disk, for the commands that change it. A running host sees a change at the next login. All methods may be
// called from several processes at once.
type File struct {
	path   string
	hashes *hashes
}

// Entry is one user as `rashost user list` shows it.
type Entry struct {
	// Name is spelled as it was added.
	Name string
	// Kind is the kind of hash: argon2id, bcrypt, yescrypt, sha512crypt or sha256crypt.
	Kind string
	// Mark is "rehash at next login: KIND" when kind or cost is not the default, otherwise "".
	Mark string
	// Disabled users are refused.
	Disabled bool
	// Created and Changed are zero when the file does not say.
	Created, Changed time.Time
}

// NewFile names a user file. It need not exist yet.
func NewFile(path string) (*File, error) {
	h, err := newHashes()
	if err != nil {
		return nil, err
	}
	return &File{path: path, hashes: h}, nil
}

// Add adds a user and makes the file if there is none. Errors: ErrUserExists, ErrName, ErrNoSecret, ErrLongSecret, or why the file
// cannot be read or written.
func (f *File) Add(name string, secret []byte) error {
	hash, err := f.newHash(name, secret)
	if err != nil {
		return err
	}
	return f.update(context.Background(), true, func(users []account) ([]account, error) {
		if find(users, name) >= 0 {
			return nil, nameError(name, ErrUserExists)
		}
		now := timestamp()
		return append(users, account{Name: name, Hash: hash, Created: now, Changed: now}), nil
	})
}

// Passwd gives a user a new password. Errors as in Add, with ErrNoUser.
func (f *File) Passwd(name string, secret []byte) error {
	hash, err := f.newHash(name, secret)
	if err != nil {
		return err
	}
	return f.change(name, func(u *account) { u.Hash, u.Changed = hash, timestamp() })
}

// SetDisabled refuses a user from now on, or lets the user in again. Error: ErrNoUser.
func (f *File) SetDisabled(name string, disabled bool) error {
	return f.change(name, func(u *account) { u.Disabled, u.Changed = disabled, timestamp() })
}

// Remove takes a user out. Error: ErrNoUser.
func (f *File) Remove(name string) error {
	return f.update(context.Background(), false, func(users []account) ([]account, error) {
		i := find(users, name)
		if i < 0 {
			return nil, nameError(name, ErrNoUser)
		}
		return slices.Delete(users, i, i+1), nil
	})
}

// List returns the users in the file's order.
func (f *File) List() ([]Entry, error) {
	users, _, err := loadUsers(f.path, f.hashes)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(users))
	for i, u := range users {
		entries[i] = Entry{Name: u.Name, Kind: u.parsed.kind, Disabled: u.Disabled, Created: u.Created, Changed: u.Changed}
		if !u.parsed.current {
			entries[i].Mark = "rehash at next login: " + u.parsed.kind
		}
	}
	return entries, nil
}

// Verify says whether secret is the user's password; false for a disabled user. Error: ErrNoUser.
func (f *File) Verify(name string, secret []byte) (bool, error) {
	users, _, err := loadUsers(f.path, f.hashes)
	if err != nil {
		return false, err
	}
	i := find(users, name)
	if i < 0 {
		return false, nameError(name, ErrNoUser)
	}
	if users[i].Disabled || checkSecret(secret) != nil {
		return false, nil
	}
	return users[i].parsed.digest.MatchBytes(secret), nil
}

// change updates one user.
func (f *File) change(name string, edit func(u *account)) error {
	return f.update(context.Background(), false, func(users []account) ([]account, error) {
		i := find(users, name)
		if i < 0 {
			return nil, nameError(name, ErrNoUser)
		}
		edit(&users[i])
		return users, nil
	})
}

// rehash replaces a user's hash, unless it has changed meanwhile.
func (f *File) rehash(ctx context.Context, name, old, hash string) error {
	return f.update(ctx, false, func(users []account) ([]account, error) {
		if i := find(users, name); i >= 0 && users[i].Hash == old {
			users[i].Hash = hash
		}
		return users, nil
	})
}

// newHash checks name and secret and hashes. It comes before the lock, which is held for moments only.
func (f *File) newHash(name string, secret []byte) (string, error) {
	if !plugin.ValidUserName(name) {
		return "", nameError(name, ErrName)
	}
	if err := checkSecret(secret); err != nil {
		return "", err
	}
	return f.hashes.make(secret)
}

// update reads, edits and replaces the file under its lock. A missing file is an empty one if create is set.
func (f *File) update(ctx context.Context, create bool, edit func(users []account) ([]account, error)) error {
	path, err := resolve(f.path)
	if err != nil {
		return err
	}
	unlock, err := lockFile(ctx, path)
	if err != nil {
		return fmt.Errorf("user file: %w", err)
	}
	defer unlock()
	users, _, err := loadUsers(path, f.hashes)
	if err != nil && (!create || !errors.Is(err, fs.ErrNotExist)) {
		return err
	}
	if users, err = edit(users); err != nil {
		return err
	}
	data, err := formatUsers(users)
	if err != nil {
		return fmt.Errorf("user file %s: %w", path, err)
	}
	if err := writeFile(path, data); err != nil {
		return fmt.Errorf("user file: cannot write: %w", err)
	}
	return nil
}

// resolve follows a symbolic link, so that the file behind it is replaced and not the link.
func resolve(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	return real, err
}

// loadUsers reads a user file. It refuses one that others may read or change.
func loadUsers(path string, h *hashes) ([]account, identity, error) {
	data, info, err := readFile(path, maxFileSize)
	if err != nil {
		return nil, identity{}, fmt.Errorf("user file: %w", err)
	}
	id := identify(info)
	if info.Mode().Perm()&0o027 != 0 {
		return nil, id, fmt.Errorf("user file %s: mode %04o lets others read or change it; run: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	users, err := parseUsers(data, h)
	if err != nil {
		return nil, id, fmt.Errorf("user file %s: %w", path, err)
	}
	return users, id, nil
}

// find returns the index of a user, -1 if there is none.
func find(users []account, name string) int {
	name = fold(name)
	return slices.IndexFunc(users, func(u account) bool { return fold(u.Name) == name })
}

// checkSecret applies the rules for passwords.
func checkSecret(secret []byte) error {
	switch {
	case len(secret) == 0:
		return ErrNoSecret
	case len(secret) > MaxSecret:
		return ErrLongSecret
	}
	return nil
}

// nameError puts the name in front.
func nameError(name string, err error) error { return fmt.Errorf("user %q: %w", clip(name), err) }

// timestamp is now, in the form the file keeps.
func timestamp() time.Time { return time.Now().UTC().Truncate(time.Second) }
