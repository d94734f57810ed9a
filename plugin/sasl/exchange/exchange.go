// Package exchange is the server's half of a SASL login (RFC 4422), after the functions sasl_server_start and sasl_server_step of Cyrus
// SASL: their codes, their order of calls, their difference between no initial response and an empty one. It takes and gives messages;
// base64, commands and replies around them are package sasl's.
//
// Stricter than there: an error closes the exchange for good and comes without data; the identity exists with SASL_OK alone; and a name
// that is unknown, disabled or without a verifier meets the same messages, the same number of steps, the same work and the same code as
// a wrong secret. What really happened is in the detail, which is for a log.
//
// Reading order: exchange.go (the life of an exchange), claim.go (whom a client claims to be), then one file for each mechanism.
package exchange

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"rashost/plugin/users"
)

// Accounts is where mechanisms find users; *users.Store is one.
type Accounts interface {
	// Lookup returns the account of a name, compared without ASCII case, and false when there is none. An error means that the accounts
	// can't be read, or ctx's end.
	Lookup(ctx context.Context, name string) (users.Account, bool, error)
	// UpdateOTP replaces the state of a user's one-time passwords if it still is old; users.ErrChanged when another login was first.
	UpdateOTP(ctx context.Context, name string, old, next users.OTP) error
}

// Passwords compares a password with a hash; *users.Hashes is one.
type Passwords interface {
	// Check says whether secret belongs to hash. With hash "" it says no after the work of a default hash.
	Check(ctx context.Context, hash string, secret []byte) (bool, error)
}

// Config is what an exchange needs. What is missing for a mechanism makes its start SASL_CONFIGERR.
type Config struct {
	// Accounts knows the users. Required.
	Accounts Accounts
	// Passwords is required for PLAIN and LOGIN.
	Passwords Passwords
	// Rehash is told of a user whose password was right, by Renew; nil for nobody.
	Rehash func(ctx context.Context, a users.Account, secret []byte)
	// Allowed is asked about a client whose one-time password was right before that is used up, and says whether it may get in, such as for
	// lock-out; SASL_BADAUTH if not. Nil lets it. The other mechanisms use nothing up: whoever runs the exchange asks after them.
	Allowed func() bool
	// FakeKey makes what a name that is nobody's is told, the same every time (users.FakeKey). Required, at least 16 bytes.
	FakeKey []byte
	// Mechanisms are those that are enabled; none when empty.
	Mechanisms []string
	// Realm is DIGEST-MD5's, and the host in CRAM-MD5's challenge: printable ASCII without blanks and brackets; "" means "rashost".
	// Service is the service name in DIGEST-MD5's digest-uri, such as "pop"; DIGEST-MD5 requires it.
	Realm, Service string
	// Hosts are the names that digest-uri may have behind the service; any when empty.
	Hosts []string
	// CallerID is the number that the network sent, for EXTERNAL; "", "P" (withheld) and "O" (out of area) are none.
	CallerID string
	// Trusted says that nobody listens on the line, so that PLAIN and LOGIN may send the password as it is.
	Trusted bool
	// Rand gives challenges and nonces; nil is crypto/rand. Now is the clock; nil is time.Now.
	Rand io.Reader
	Now  func() time.Time
	// Log gets DIGEST-MD5's audit messages; nil discards them.
	Log *slog.Logger
}

// mechanism is one row of the table.
type mechanism struct {
	name string
	// serverFirst: the server speaks first, and there is no initial response.
	serverFirst bool
	// plain: the password is sent as it is. weak: not being enabled is SASL_TOOWEAK.
	plain, weak bool
	begin       func(x *Exchange) server
}

// server is the server's half of one mechanism. in is the client's message, and nil in the first step of one that is serverFirst.
//
// SASL_CONTINUE sends out. SASL_OK says that the client is x.user; with an out that is not nil, that is the last message, and the client
// owes an empty answer to it. Anything else is an error, of which no code marked inside leaves the exchange.
type server interface {
	step(ctx context.Context, in []byte) (out []byte, code Code, detail string)
}

// table lists the mechanisms, strongest first.
var table = [...]mechanism{
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

// Mechanisms lists the mechanisms that exist, strongest first.
func Mechanisms() []string {
	names := make([]string, 0, len(table))
	for _, m := range table {
		names = append(names, m.name)
	}
	return names
}

// state is where an exchange stands.
type state int

const (
	fresh   state = iota // nothing was started
	running              // the mechanism waits for a message
	proven               // the server's last message is out, and the client's empty answer is due
	done                 // SASL_OK was returned
	closed               // an error was, or Close was called
)

// Exchange is one try to log in: one Start, then Step until the code is not SASL_CONTINUE, then Close. It belongs to one goroutine.
type Exchange struct {
	config    Config
	work      work
	mechanism mechanism
	server    server
	state     state
	name      string // as the client claims
	user      string // as the accounts spell it; counts with done alone

	secret  []byte        // a password that was right, until Close
	account users.Account // whose it is
}

// work is what costs time and what is random. Tests count the one and fix the other.
type work struct {
	hash  func(name string) func() hash.Hash
	otp   func(algorithm string, value []byte) ([]byte, error)
	nonce func() (string, error)
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
	if c.Realm == "" {
		c.Realm = "rashost"
	}
	x := &Exchange{config: c}
	x.work = work{hash: newHash, otp: users.OTPStep, nonce: x.token}
	return x
}

// Start begins with a mechanism (sasl_server_start). initial is the client's initial response, and nil when it sent none, which is not the
// same as an empty one. With SASL_CONTINUE, out is the server's message, not nil and perhaps empty; with any other code out is nil. detail
// says more than the code, for a log alone.
func (x *Exchange) Start(ctx context.Context, mechanism string, initial []byte) (out []byte, code Code, detail string) {
	switch {
	case x == nil:
		return nil, SASL_BADPARAM, SASL_BADPARAM.Text()
	case x.state != fresh:
		return x.fail(SASL_FAIL, "a second start")
	}
	m, code, detail := x.pick(mechanism)
	switch {
	case code != SASL_OK:
		return x.fail(code, detail)
	case m.serverFirst && initial != nil:
		return x.fail(SASL_BADPROT, "an initial response where the server speaks first")
	}
	x.mechanism, x.state = m, running
	x.server = m.begin(x)
	if !m.serverFirst && initial == nil {
		return []byte{}, SASL_CONTINUE, ""
	}
	return x.next(ctx, initial)
}

// Step takes the client's next message (sasl_server_step), of which nil is an empty one. It returns what Start does. Before a start it is
// SASL_NOMECH, after SASL_OK or an error SASL_FAIL. Messages stay the caller's, to wipe.
func (x *Exchange) Step(ctx context.Context, in []byte) (out []byte, code Code, detail string) {
	switch {
	case x == nil:
		return nil, SASL_BADPARAM, SASL_BADPARAM.Text()
	case x.state == fresh:
		return x.fail(SASL_NOMECH, "a step without a start")
	case x.state == running:
		if in == nil {
			in = []byte{}
		}
		return x.next(ctx, in)
	case x.state == proven && len(in) == 0:
		x.state = done
		return nil, SASL_OK, ""
	case x.state == proven:
		return x.fail(SASL_BADPROT, "data where an empty answer is due")
	default:
		return x.fail(SASL_FAIL, "a step after the end")
	}
}

// pick finds a mechanism, in any case, and says whether it may be used.
func (x *Exchange) pick(name string) (mechanism, Code, string) {
	i := slices.IndexFunc(table[:], func(m mechanism) bool { return strings.EqualFold(m.name, name) })
	if i < 0 {
		return mechanism{}, SASL_NOMECH, "no such mechanism"
	}
	c, m := &x.config, table[i]
	switch enabled := slices.Contains(c.Mechanisms, m.name); {
	case !enabled && m.weak:
		return m, SASL_TOOWEAK, m.name + " is not enabled"
	case !enabled:
		return m, SASL_NOMECH, m.name + " is not enabled"
	case m.plain && !c.Trusted:
		return m, SASL_ENCRYPT, m.name + " needs a line that is marked trusted"
	case c.Accounts == nil || len(c.FakeKey) < minFakeKey || m.plain && c.Passwords == nil:
		return m, SASL_CONFIGERR, "accounts, the key for unknown users or the hashes are missing"
	}
	return m, SASL_OK, ""
}

// next lets the mechanism take a message, and keeps the rules that hold for all of them.
func (x *Exchange) next(ctx context.Context, in []byte) ([]byte, Code, string) {
	if len(in) > maxMessage {
		return x.fail(SASL_BADPROT, "the message is too long")
	}
	out, code, detail := x.server.step(ctx, in)
	switch {
	case code == SASL_OK && out != nil:
		x.state = proven
		return out, SASL_CONTINUE, ""
	case code == SASL_OK:
		x.state = done
		return nil, SASL_OK, ""
	case code == SASL_CONTINUE:
		return out, SASL_CONTINUE, ""
	default:
		return x.fail(code, detail)
	}
}

// fail closes the exchange. Of a code that is not for outside, only the detail tells.
func (x *Exchange) fail(code Code, detail string) ([]byte, Code, string) {
	x.state = closed
	x.Close()
	if detail == "" {
		detail = code.Text()
	}
	if code.info().use == inside {
		return nil, SASL_BADAUTH, code.String() + ": " + detail
	}
	return nil, code, detail
}

// Identity returns the user as the accounts spell the name; false unless SASL_OK was the last that was returned.
func (x *Exchange) Identity() (user string, ok bool) {
	if x == nil || x.state != done {
		return "", false
	}
	return x.user, true
}

// Name returns whom the client claims to be, for a record; "" when it has not said. It proves nothing, and may be any text of up to 255
// bytes: a caller at the wrong prompt may have typed a password.
func (x *Exchange) Name() string {
	if x == nil {
		return ""
	}
	return x.name
}

// Close ends the exchange, as at the end of a call. After SASL_OK the identity stays. Calling it again does nothing.
func (x *Exchange) Close() {
	if x == nil {
		return
	}
	if c, ok := x.server.(interface{ close() }); ok {
		c.close()
	}
	x.server = nil
	clear(x.secret)
	x.secret, x.account = nil, users.Account{}
	if x.state != done {
		x.state = closed
	}
}

// Bounds, in bytes. A line of 12,288 characters of base64 carries a message of 9216; every mechanism takes less.
const (
	maxMessage = 9216
	maxField   = 255 // of a name, an identity, a password (RFC 4616, section 2)
	minFakeKey = 16
	tokenSize  = 18 // random, 24 in base64
)

// token returns a nonce: printable, without commas.
func (x *Exchange) token() (string, error) {
	var b [tokenSize]byte
	if _, err := io.ReadFull(x.config.Rand, b[:]); err != nil {
		return "", fmt.Errorf("no random numbers: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}
