package users

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// fakeKeySize is the size of the key in bytes.
const fakeKeySize = 32

// FakeKey returns the random key, 32 bytes, from which the salts and seeds of unknown users are made: the same name always gets the
// same ones, so that nobody can tell it from a user. The first call makes the key and keeps it in stateDir, where it has mode 0600;
// removing it is harmless between calls. Errors: the folder is missing or can't be written, the file is damaged.
func FakeKey(stateDir string) ([]byte, error) {
	path := filepath.Join(stateDir, "fake-users.key")
	key, err := readFakeKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	unlock, err := lockFile(context.Background(), path)
	if err != nil {
		return nil, fmt.Errorf("key for unknown users: %w", err)
	}
	defer unlock()
	if key, err = readFakeKey(path); !errors.Is(err, fs.ErrNotExist) {
		return key, err // another process was first
	}
	key = make([]byte, fakeKeySize)
	_, _ = rand.Read(key) // it never fails
	if err := writeFile(path, key); err != nil {
		return nil, fmt.Errorf("key for unknown users: %w", err)
	}
	return key, nil
}

func readFakeKey(path string) ([]byte, error) {
	key, _, err := readFile(path, fakeKeySize)
	if err != nil {
		return nil, fmt.Errorf("key for unknown users: %w", err)
	}
	if len(key) != fakeKeySize {
		return nil, fmt.Errorf("key for unknown users: %s is damaged: remove it, and it will be made anew", path)
	}
	return key, nil
}
