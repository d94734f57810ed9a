package users

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"rashost/plugin"
)

// File is a user file on disk, for the commands that change it. A running host sees a change at the next login. All methods may be
// called from several processes at once.
type File struct {
	path   string
	hasher *hasher
}

// Entry is one user as `rashost user list` shows it.
type Entry struct {
	// Name is spelled as it was added.
	Name string
	// Kind is the kind of hash: argon2id, bcrypt, yescrypt, sha512crypt or sha256crypt; "" when none is kept.
	Kind string
	// Mark holds remarks, joined by "; ": "rehash at next login: KIND" when kind or cost is not the default, and iterations that are not
	// everybody's. "" for none.
	Mark string
	// Disabled users are refused.
	Disabled bool
	// Has is what is kept to check the user by.
	Has Verifiers
	// OTPLeft is how many one-time passwords are left, 0 when the user has none.
	OTPLeft int
	// Created and Changed are zero when the file does not say.
	Created, Changed time.Time
}

// NewFile names a user file. It need not exist yet.
func NewFile(path string) (*File, error) {
	h, err := newHasher()
	if err != nil {
		return nil, err
	}
	return &File{path: path, hasher: h}, nil
}

// Add adds a user with the verifiers of v, Hash alone when v is empty, and makes the file if there is none. Errors: ErrUserExists,
// ErrName, ErrNoSecret, ErrLongSecret, ErrSecretText, why a verifier can't be made of secret, or why the file can't be read or written.
func (f *File) Add(name string, secret []byte, v Verifiers) error {
	if v.Empty() {
		v.Hash = true
	}
	u := Account{Name: name}
	if err := f.make(&u, secret, v); err != nil {
		return err
	}
	return update(context.Background(), f.path, f.hasher, true, func(users []Account) ([]Account, error) {
		if find(users, name) >= 0 {
			return nil, nameError(name, ErrUserExists)
		}
		u.Created = timestamp()
		u.Changed = u.Created
		return append(users, u), nil
	})
}

// Passwd gives a user a new password. What v asks for is made anew, and everything else that came from the old password is removed; an
// empty v asks for what the user has. One-time passwords stay, unless v asks for nothing else. Errors as in Add, with ErrNoUser, and
// ErrChanged when another command changed the user meanwhile.
func (f *File) Passwd(name string, secret []byte, v Verifiers) error {
	old, err := f.account(name)
	if err != nil {
		return err
	}
	if v.Empty() {
		v = old.Verifiers()
	}
	made := Account{Name: old.Name} // a DigestKey counts the name as it was added
	if err := f.make(&made, secret, v); err != nil {
		return err
	}
	return f.change(name, func(u *Account) error {
		if u.Name != old.Name {
			return ErrChanged
		}
		made.Disabled, made.Created, made.Changed = u.Disabled, u.Created, timestamp()
		if made.OTP == nil {
			made.OTP = u.OTP
		}
		*u = made
		return nil
	})
}

// StartOTP sets a user's one-time passwords up anew, beginning with sequence number OTPSequence and a random seed: algorithm is "md5",
// "sha1" or "", which is md5. Errors: ErrNoUser, ErrPassPhrase, or why the file can't be read or written.
func (f *File) StartOTP(name, algorithm string, passPhrase []byte) error {
	otp, err := newOTP(cmp.Or(algorithm, defaultOTP), passPhrase)
	if err != nil {
		return err
	}
	return f.change(name, func(u *Account) error {
		u.OTP, u.Changed = otp, timestamp()
		return nil
	})
}

// SetDisabled refuses a user from now on, or lets the user in again. Error: ErrNoUser.
func (f *File) SetDisabled(name string, disabled bool) error {
	return f.change(name, func(u *Account) error {
		u.Disabled, u.Changed = disabled, timestamp()
		return nil
	})
}

// Remove takes a user out. Error: ErrNoUser.
func (f *File) Remove(name string) error {
	return update(context.Background(), f.path, f.hasher, false, func(users []Account) ([]Account, error) {
		i := find(users, name)
		if i < 0 {
			return nil, nameError(name, ErrNoUser)
		}
		return slices.Delete(users, i, i+1), nil
	})
}

// List returns the users in the file's order.
func (f *File) List() ([]Entry, error) {
	users, _, err := loadUsers(f.path, f.hasher)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(users))
	for i, u := range users {
		entries[i] = f.entry(u)
	}
	return entries, nil
}

// entry describes a user.
func (f *File) entry(u Account) Entry {
	e := Entry{Name: u.Name, Disabled: u.Disabled, Has: u.Verifiers(), Created: u.Created, Changed: u.Changed}
	var marks []string
	if u.Hash != "" {
		p, _ := f.hasher.parse(u.Hash) // was checked when the file was read
		e.Kind = p.kind
		if !p.current {
			marks = append(marks, "rehash at next login: "+p.kind)
		}
	}
	for _, mechanism := range e.Has.SCRAM {
		if n := u.SCRAM[mechanism].Iterations; n != SCRAMIterations {
			marks = append(marks, fmt.Sprintf("%s has %d iterations, not %d, which shows that the name exists: passwd", mechanism, n, SCRAMIterations))
		}
	}
	if u.OTP != nil {
		e.OTPLeft = u.OTP.Sequence
		if !u.OTP.ordinary() {
			marks = append(marks, "the chain of one-time passwords is not like those made here, which shows that the name exists: otp")
		}
	}
	e.Mark = strings.Join(marks, "; ")
	return e
}

// Verify says whether secret is the user's password by the hash; false for a disabled user and for one without a hash. Error: ErrNoUser.
func (f *File) Verify(name string, secret []byte) (bool, error) {
	u, err := f.account(name)
	if err != nil || u.Disabled || u.Hash == "" || checkSecret(secret) != nil {
		return false, err
	}
	p, err := f.hasher.parse(u.Hash)
	return err == nil && p.digest.MatchBytes(secret), err
}

// account reads one user.
func (f *File) account(name string) (Account, error) {
	users, _, err := loadUsers(f.path, f.hasher)
	if err != nil {
		return Account{}, err
	}
	i := find(users, name)
	if i < 0 {
		return Account{}, nameError(name, ErrNoUser)
	}
	return users[i], nil
}

// make checks name and secret and makes the verifiers. It comes before the lock, which is held for moments only.
func (f *File) make(u *Account, secret []byte, v Verifiers) error {
	if !plugin.ValidUserName(u.Name) {
		return nameError(u.Name, ErrName)
	}
	if err := checkNewSecret(secret); err != nil {
		return err
	}
	return u.set(f.hasher, secret, v)
}

// change updates one user.
func (f *File) change(name string, edit func(u *Account) error) error {
	return updateUser(context.Background(), f.path, f.hasher, name, edit)
}

// updateUser updates one user of the file at path. An error of edit changes nothing.
func updateUser(ctx context.Context, path string, h *hasher, name string, edit func(u *Account) error) error {
	return update(ctx, path, h, false, func(users []Account) ([]Account, error) {
		i := find(users, name)
		if i < 0 {
			return nil, nameError(name, ErrNoUser)
		}
		if err := edit(&users[i]); err != nil {
			return nil, nameError(name, err)
		}
		return users, nil
	})
}

// update reads, edits and replaces the file under its lock. A missing file is an empty one if create is set.
func update(ctx context.Context, path string, h *hasher, create bool, edit func(users []Account) ([]Account, error)) error {
	path, err := resolve(path)
	if err != nil {
		return err
	}
	unlock, err := lockFile(ctx, path)
	if err != nil {
		return fmt.Errorf("user file: %w", err)
	}
	defer unlock()
	users, _, err := loadUsers(path, h)
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
func loadUsers(path string, h *hasher) ([]Account, identity, error) {
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
func find(users []Account, name string) int {
	name = Fold(name)
	return slices.IndexFunc(users, func(u Account) bool { return Fold(u.Name) == name })
}

// timestamp is now, in the form the file keeps.
func timestamp() time.Time { return time.Now().UTC().Truncate(time.Second) }
