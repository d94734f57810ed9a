// Package client is the caller's half of a SASL login: the mechanisms, and the commands of POP3 and SMTP that carry them over a line.
// It knows nothing of lines or modems; whoever has an open connection can log in with Login.
package client

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Why a login fails, besides the connection and the context. Errors of this package wrap one of these, or are a *RefusedError or a
// *NotOfferedError.
var (
	// ErrImpostor: the far end let us in, or ended the exchange, without the proof that it knows the key of our password
	// (RFC 5802, section 3: the server's signature).
	ErrImpostor = errors.New("the far end does not know your password's key: it may be an impostor")
	// ErrProtocol: what came does not follow the rules of the mechanism or of the protocol around it.
	ErrProtocol = errors.New("the far end does not keep to the protocol")
	// ErrCredentials: name or secret can't be used with the mechanism.
	ErrCredentials = errors.New("name or secret can't be used")
)

// The names of the mechanisms.
const (
	SCRAMSHA1   = "SCRAM-SHA-1"
	SCRAMSHA256 = "SCRAM-SHA-256"
	SCRAMSHA512 = "SCRAM-SHA-512"
	PLAIN       = "PLAIN"
)

// Mechanism is the client's half of one SASL exchange (RFC 4422, section 3). It is used once, by one goroutine.
type Mechanism interface {
	// Name is the registered name, such as SCRAM-SHA-256.
	Name() string
	// Start returns the initial response. All mechanisms here have one.
	Start() ([]byte, error)
	// Next answers a challenge of the server. An error ends the exchange.
	Next(challenge []byte) ([]byte, error)
	// Finish is asked when the server reports success: ErrImpostor when it owes a proof.
	Finish() error
}

// Credentials are who logs in. The secret stays the caller's to wipe.
type Credentials struct {
	User   string
	Secret []byte
}

// maxCredential is the longest name or secret, in bytes: what PLAIN guarantees to carry (RFC 4616, section 2).
const maxCredential = 255

// Mechanisms lists what New can make, strongest first. PLAIN, the last, hands the secret itself to whoever is at the far end.
func Mechanisms() []string { return []string{SCRAMSHA512, SCRAMSHA256, SCRAMSHA1, PLAIN} }

// New makes a mechanism of that name, in any case. random gives the nonce; nil is crypto/rand. Errors: an unknown name; ErrCredentials.
func New(name string, c Credentials, random io.Reader) (Mechanism, error) {
	switch {
	case c.User == "" || len(c.Secret) == 0:
		return nil, fmt.Errorf("%w: one of them is empty", ErrCredentials)
	case len(c.User) > maxCredential || len(c.Secret) > maxCredential:
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrCredentials, maxCredential)
	}
	name = strings.ToUpper(name)
	if hash := scramHash(name); hash != nil {
		return newSCRAM(name, hash, c, random)
	}
	if name == PLAIN {
		return newPlain(c)
	}
	return nil, fmt.Errorf("no mechanism %q: there are %s", name, strings.Join(Mechanisms(), ", "))
}

// RefusedError says that the far end answered no.
type RefusedError struct {
	// What was refused: "the login", "the connection", or a command.
	What string
	// Text is the far end's answer as it came, at most 200 bytes; to PLAIN only the codes that it begins with.
	Text string
}

// Error shows the answer, escaped.
func (e *RefusedError) Error() string { return "the far end refused " + e.What + ": " + quote(e.Text) }

// NotOfferedError says that the far end does not know the mechanism.
type NotOfferedError struct {
	Mechanism string
	// Offered are the mechanisms that it named, as they came.
	Offered []string
}

// Error names what there is instead.
func (e *NotOfferedError) Error() string {
	if len(e.Offered) == 0 {
		return "the far end offers no " + e.Mechanism + ", and no other mechanism"
	}
	return "the far end offers no " + e.Mechanism + ", only " + quote(strings.Join(e.Offered, " "))
}
