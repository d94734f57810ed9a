package users

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// MaxSecret is the longest password, in bytes. An empty one is never accepted.
const MaxSecret = 128

// nameRule says what plugin.ValidUserName accepts.
const nameRule = "a name begins with a letter, a digit or _ and goes on with up to 63 of these and . @ + -"

// What operations on users can meet.
var (
	ErrNoUser     = errors.New("there is no such user")
	ErrUserExists = errors.New("the user exists already; use: rashost user passwd")
	ErrName       = errors.New("the name is not allowed: " + nameRule)
	ErrNoSecret   = errors.New("the password is empty")
	ErrLongSecret = errors.New("the password is longer than " + strconv.Itoa(MaxSecret) + " bytes")
	ErrSecretText = errors.New("the password is no text in UTF-8, or has a NUL in it")
	// ErrChanged means that another login or command changed the user first.
	ErrChanged = errors.New("the user was changed meanwhile")
)

// Fold makes names comparable: without ASCII case, and nothing beyond ASCII.
func Fold(name string) string {
	b := []byte(name)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// checkNewSecret applies the rules for a password that is set: those of checkSecret, and that every mechanism can carry it.
func checkNewSecret(secret []byte) error {
	if err := checkSecret(secret); err != nil {
		return err
	}
	if !utf8.Valid(secret) || bytes.IndexByte(secret, 0) >= 0 {
		return ErrSecretText
	}
	return nil
}

// checkSecret applies the rules for passwords, those too that are in the file already.
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

// clip bounds a text for a message.
func clip(s string) string {
	const most = 40
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
