// Package exchange is the server of a SASL negotiation (RFC 4422) after the functions sasl_server_start and sasl_server_step of Cyrus
// SASL: their codes, their order, their difference between no initial response and an empty one. It knows messages, not lines: what
// stands around them (base64, commands, replies) is package sasl's.
//
// What is kept stricter than there: an error closes the exchange for good and comes with no data; the identity exists only with SASL_OK;
// a name that is unknown, disabled or without a verifier gets the same messages, the same number of them, the same work and the same code
// as a wrong secret.
package exchange

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"rashost/plugin/users"
)

// Accounts is where mechanisms find users; it is *users.Store.
type Accounts interface {
	// Lookup returns the account of a name, compared without ASCII case, and false when there is none. An error means that the answer
	// is not known.
	Lookup(ctx context.Context, name string) (users.Account, bool, error)
	// UpdateOTP replaces the state of one-time passwords if it still is old: users.ErrChanged when another login was first.
	UpdateOTP(ctx context.Context, name string, old, next users.OTP) error
}

// Passwords compares a password with a hash, "" standing for a user who has none; it is *users.Hashes.
type Passwords interface {
	Check(ctx context.Context, hash string, secret []byte) (bool, error)
}

// Config is what an exchange needs.
type Config struct {
	Accounts Accounts
	// Passwords may be nil when neither PLAIN nor LOGIN is enabled.
	Passwords Passwords
	// FakeKey makes what unknown users are told, the same every time: users.FakeKey.
	FakeKey []byte
	// Mechanisms are those that are enabled.
	Mechanisms []string
	// Realm is DIGEST-MD5's, and the host in CRAM-MD5's challenge. Service is the service name of DIGEST-MD5: "pop" or "smtp".
	Realm, Service string
	// CallerID is the number that the network gave, for EXTERNAL; "", "P" and "O" are none.
	CallerID string
	// Trusted lines may use mechanisms that send the password as it is.
	Trusted bool
	// Rand is crypto/rand when nil, Now is time.Now. Log nil discards.
	Rand io.Reader
	Now  func() time.Time
	Log  *slog.Logger
}

// mechanism is one row of the table.
type mechanism struct {
	name string
	// serverFirst takes no initial response: the server speaks first.
	serverFirst bool
	// plain sends the password as it is; weak is not offered to who asks for it although it is not enabled.
	plain, weak bool
	begin       func(x *Exchange) server
}

// server is the server's side of one exchange. in is nil in the first step of a mechanism in which the server speaks first.
type server interface {
	step(ctx context.Context, in []byte) (out []byte, code Code, detail string)
}

// table lists the mechanisms, strongest first.
func table() []mechanism {
	return []mechanism{
		{name: "SCRAM-SHA-512", begin: newScram},
		{name: "SCRAM-SHA-256", begin: newScram},
		{name: "SCRAM-SHA-1", begin: newScram},
		{name: "OTP", begin: newOTP},
		{name: "DIGEST-MD5", serverFirst: true, weak: true, begin: newDigest},
		{name: "CRAM-MD5", serverFirst: true, weak: true, begin: newCram},
		{name: "PLAIN", plain: true, weak: true, begin: newPlain},
		{name: "LOGIN", serverFirst: true, plain: true, weak: true, begin: newLogin},
		{name: "EXTERNAL", weak: true, begin: newExternal},
	}
}

// Mechanisms lists the names of all mechanisms that exist, strongest first.
func Mechanisms() []string {
	var names []string
	for _, m := range table() {
		names = append(names, m.name)
	}
	return names
}

// state is where an exchange stands.
type state int

const (
	fresh   state = iota // nothing was started
	running              // the mechanism waits for a message
	proven               // the server's last message is out, and the client's empty one is due
	done                 // SASL_OK
	closed               // an error, or Close
)

// Exchange is one negotiation: one Start, then Steps until the code is not SASL_CONTINUE. It belongs to one goroutine.
type Exchange struct {
	config    Config
	mechanism mechanism
	server    server
	state     state
	name      string // as the client claims
	user      string // as the accounts spell it; counts only with done
}

// New prepares an exchange.
func New(c Config) *Exchange {
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Exchange{config: c}
}

// Start begins with a mechanism (sasl_server_start). initial nil means that the client sent no initial response, which differs from an
// empty one. With SASL_CONTINUE out is not nil, though it may be empty; with any other code it is nil. detail says why, for a log: the
// caller must never see it.
func (x *Exchange) Start(ctx context.Context, mechanism string, initial []byte) (out []byte, code Code, detail string) {
	if x.state != fresh {
		return x.end(SASL_FAIL, "a second start")
	}
	m, code, detail := x.pick(mechanism)
	if code != SASL_OK {
		return x.end(code, detail)
	}
	x.mechanism = m
	if m.serverFirst && initial != nil {
		return x.end(SASL_BADPROT, "an initial response to a mechanism in which the server speaks first")
	}
	x.server, x.state = m.begin(x), running
	if !m.serverFirst && initial == nil {
		return []byte{}, SASL_CONTINUE, ""
	}
	return x.next(ctx, initial)
}

// Step goes on with the client's next message (sasl_server_step). See Start for what it returns. Without a start it is SASL_NOMECH, after
// the end SASL_FAIL.
func (x *Exchange) Step(ctx context.Context, in []byte) (out []byte, code Code, detail string) {
	switch x.state {
	case fresh:
		return x.end(SASL_NOMECH, "a step without a start")
	case running:
		if in == nil {
			in = []byte{}
		}
		return x.next(ctx, in)
	case proven:
		if len(in) > 0 {
			return x.end(SASL_BADPROT, "data where an empty message was due")
		}
		x.state = done
		return nil, SASL_OK, ""
	default:
		return x.end(SASL_FAIL, "a step after the end")
	}
}

// pick finds the mechanism and says whether it may be used here.
func (x *Exchange) pick(name string) (mechanism, Code, string) {
	for _, m := range table() {
		switch {
		case !strings.EqualFold(m.name, name):
		case !slices.Contains(x.config.Mechanisms, m.name) && m.weak:
			return m, SASL_TOOWEAK, m.name + " is not enabled"
		case !slices.Contains(x.config.Mechanisms, m.name):
			return m, SASL_NOMECH, m.name + " is not enabled"
		case m.plain && !x.config.Trusted:
			return m, SASL_ENCRYPT, m.name + " needs a line that is marked trusted"
		default:
			return m, SASL_OK, ""
		}
	}
	return mechanism{}, SASL_NOMECH, "no such mechanism"
}

// next lets the mechanism take a message, and keeps the rules that hold for all.
func (x *Exchange) next(ctx context.Context, in []byte) ([]byte, Code, string) {
	if len(in) > maxMessage {
		return x.end(SASL_BADPROT, "the message is too long")
	}
	out, code, detail := x.server.step(ctx, in)
	switch {
	case code == SASL_OK && out != nil: // success data: the client must have it before it is told the outcome
		x.state = proven
		return out, SASL_CONTINUE, ""
	case code == SASL_OK:
		x.state = done
		return nil, SASL_OK, ""
	case code == SASL_CONTINUE:
		return append([]byte{}, out...), SASL_CONTINUE, ""
	default:
		return x.end(code, detail)
	}
}

// end closes the exchange with an error. Who asked for an unknown user is not told so.
func (x *Exchange) end(code Code, detail string) ([]byte, Code, string) {
	x.Close()
	if code == SASL_NOUSER {
		code = SASL_BADAUTH
	}
	return nil, code, detail
}

// Identity returns the user, spelled as in the user file, once SASL_OK was returned; before and after an error it is false.
func (x *Exchange) Identity() (user string, ok bool) {
	if x.state != done {
		return "", false
	}
	return x.user, true
}

// Name is the name that the client claims, for the record; "" when it has claimed none yet. It proves nothing and may be any text.
func (x *Exchange) Name() string { return x.name }

// Close ends the exchange, as when the caller hangs up. After SASL_OK it does nothing to the identity.
func (x *Exchange) Close() {
	if c, ok := x.server.(io.Closer); ok {
		_ = c.Close() // it has nothing to report
	}
	x.server = nil
	if x.state != done {
		x.state, x.user = closed, ""
	}
}

// Bounds of messages, in bytes. A line of 12,288 bytes holds a message of 9216.
const (
	maxMessage = 9216
	maxField   = 255
)

// account finds who claims to be name. Disabled users are unknown. The code is SASL_OK, also when there is nobody, or why the answer is not
// known.
func (x *Exchange) account(ctx context.Context, name string) (a users.Account, known bool, code Code, detail string) {
	x.name = name
	a, known, err := x.config.Accounts.Lookup(ctx, name)
	switch {
	case err != nil && ctx.Err() != nil:
		return a, false, SASL_TRYAGAIN, "the time was over: " + err.Error()
	case err != nil:
		return a, false, SASL_UNAVAIL, err.Error()
	case !known || a.Disabled:
		return users.Account{}, false, SASL_OK, ""
	}
	return a, true, SASL_OK, ""
}

// outside says that an error is not the client's.
func outside(ctx context.Context, err error) (Code, string) {
	if ctx.Err() != nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return SASL_TRYAGAIN, err.Error()
	}
	return SASL_UNAVAIL, err.Error()
}

// refused is the end of who is unknown or did not prove anything. why is for the log.
func refused(known bool, why string) ([]byte, Code, string) {
	if !known {
		return nil, SASL_NOUSER, "no such user, or none for this mechanism"
	}
	return nil, SASL_BADAUTH, why
}

// fake makes n bytes that depend on what and name alone, so that an unknown name is told the same every time.
func (x *Exchange) fake(what, name string, n int) []byte {
	var out []byte
	for counter := byte(0); len(out) < n; counter++ {
		m := hmac.New(sha256.New, x.config.FakeKey)
		m.Write([]byte(what))
		m.Write([]byte{0, counter})
		m.Write([]byte(users.Fold(name)))
		out = m.Sum(out)
	}
	return out[:n]
}

// random returns n bytes.
func (x *Exchange) random(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(x.config.Rand, b)
	return b, err
}
