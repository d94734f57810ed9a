package client

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// plain is RFC 4616: the secret itself. The far end proves nothing.
type plain struct{ message []byte }

func newPlain(c Credentials) (*plain, error) {
	if !utf8.ValidString(c.User) || !utf8.Valid(c.Secret) {
		return nil, fmt.Errorf("%w: PLAIN needs UTF-8", ErrCredentials)
	}
	if bytes.IndexByte([]byte(c.User), 0) >= 0 || bytes.IndexByte(c.Secret, 0) >= 0 {
		return nil, fmt.Errorf("%w: PLAIN takes no NUL", ErrCredentials)
	}
	message := make([]byte, 0, len(c.User)+len(c.Secret)+2)
	message = append(message, 0)
	message = append(message, c.User...)
	message = append(message, 0)
	return &plain{append(message, c.Secret...)}, nil
}

// Name implements Mechanism.
func (p *plain) Name() string { return PLAIN }

// Start implements Mechanism (RFC 4616, section 2). The message is wiped by Next and Finish.
func (p *plain) Start() ([]byte, error) { return p.message, nil }

// Next implements Mechanism: the server has nothing to ask.
func (p *plain) Next([]byte) ([]byte, error) {
	clear(p.message)
	return nil, fmt.Errorf("%w: a challenge within PLAIN", ErrProtocol)
}

// Finish implements Mechanism.
func (p *plain) Finish() error {
	clear(p.message)
	return nil
}
