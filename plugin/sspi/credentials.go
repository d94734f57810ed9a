package sspi

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"rashost/plugin/users"
)

// PackageName is the one security package there is.
const PackageName = "WDigest"

// MaxNonceLifetime is the longest that a nonce may be used, and the default.
const MaxNonceLifetime = 5 * time.Minute

// Accounts knows the users. *users.Store is one.
type Accounts interface {
	// Lookup returns the account of a name, compared without ASCII case, and false when there is none. An error means that the
	// accounts cannot be read now.
	Lookup(ctx context.Context, name string) (users.Account, bool, error)
}

// AuthData is what the package needs to judge callers (AcquireCredentialsHandle, pAuthData).
type AuthData struct {
	// Mode is HTTP or SASL.
	Mode Mode
	// Accounts knows the users. Required. Their keys for Realm are used, and for the algorithm (MD5 with SASL).
	Accounts Accounts
	// Realm is sent with the challenge and is a part of every key. Printable, at most 255 bytes; "" only with SASL, and then not sent.
	Realm string
	// Algorithms are those on offer in HTTP mode, the preferred one first: MD5, MD5Sess, SHA256. Nil means SHA256.
	Algorithms []string
	// Service is the name that digest-uri must begin with in SASL mode, for instance "pop". Hosts are the names that may follow it; nil
	// allows any.
	Service string
	Hosts   []string
	// NonceLifetime is how long a nonce may be used, at most MaxNonceLifetime; 0 means that.
	NonceLifetime time.Duration
	// FakeKey makes the work for an unknown user the same as for a known one; nil means a random key.
	FakeKey []byte
	// Rand makes nonces; nil means crypto/rand. Now is the clock; nil means time.Now.
	Rand io.Reader
	Now  func() time.Time
	// Log gets the audit messages; nil discards them.
	Log *slog.Logger
}

// CredHandle is a server's credentials, and the table of the contexts that were made with them. Any number of goroutines may use it.
type CredHandle struct {
	auth       AuthData
	algorithms []algorithm

	mu       sync.Mutex
	freed    bool
	contexts map[[sha256.Size]byte]*CtxtHandle // by the hash of the opaque value (HTTP) or the nonce (SASL)
}

// AcquireCredentialsHandle opens the package for a server (sspi.h, AcquireCredentialsHandle). The statuses besides SEC_E_OK:
// SEC_E_SECPKG_NOT_FOUND for any package but PackageName, SEC_E_UNSUPPORTED_FUNCTION for any use but SECPKG_CRED_INBOUND,
// SEC_E_NO_CREDENTIALS without accounts, SEC_E_UNKNOWN_CREDENTIALS for settings that make no sense, SEC_E_INTERNAL_ERROR when there
// are no random numbers.
func AcquireCredentialsHandle(packageName string, use CredentialUse, auth *AuthData) (*CredHandle, Status) {
	switch {
	case !strings.EqualFold(packageName, PackageName):
		return nil, SEC_E_SECPKG_NOT_FOUND
	case use != SECPKG_CRED_INBOUND:
		return nil, SEC_E_UNSUPPORTED_FUNCTION
	case auth == nil || auth.Accounts == nil:
		return nil, SEC_E_NO_CREDENTIALS
	}
	c := &CredHandle{auth: *auth, contexts: make(map[[sha256.Size]byte]*CtxtHandle)}
	if !c.settings() {
		return nil, SEC_E_UNKNOWN_CREDENTIALS
	}
	if c.auth.FakeKey == nil {
		c.auth.FakeKey = make([]byte, 32)
		if _, err := io.ReadFull(c.auth.Rand, c.auth.FakeKey); err != nil {
			return nil, SEC_E_INTERNAL_ERROR
		}
	}
	return c, SEC_E_OK
}

// FreeCredentialsHandle ends the use of credentials (sspi.h, FreeCredentialsHandle). AcceptSecurityContext takes them no more; the contexts
// that were made with them still must be deleted.
func FreeCredentialsHandle(c *CredHandle) Status {
	if c == nil {
		return SEC_E_INVALID_HANDLE
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.freed = true
	clear(c.contexts)
	return SEC_E_OK
}

// settings checks the data and fills in the defaults.
func (c *CredHandle) settings() bool {
	a := &c.auth
	names := a.Algorithms
	switch a.Mode {
	case HTTP:
		if names == nil {
			names = []string{SHA256}
		}
		if a.Realm == "" || len(names) == 0 {
			return false
		}
	case SASL:
		if names = []string{MD5}; a.Algorithms != nil || a.Service == "" {
			return false
		}
	default:
		return false
	}
	for i, name := range names {
		alg, ok := algorithmNamed(name)
		if !ok || slices.ContainsFunc(names[:i], func(n string) bool { return strings.EqualFold(n, name) }) {
			return false
		}
		c.algorithms = append(c.algorithms, alg)
	}
	if a.NonceLifetime == 0 {
		a.NonceLifetime = MaxNonceLifetime
	}
	if a.Rand == nil {
		a.Rand = rand.Reader
	}
	if a.Now == nil {
		a.Now = time.Now
	}
	if a.Log == nil {
		a.Log = slog.New(slog.DiscardHandler)
	}
	return a.NonceLifetime > 0 && a.NonceLifetime <= MaxNonceLifetime && ValidRealm(a.Realm)
}

// ValidRealm says whether a realm can be sent: UTF-8 without control characters, at most 255 bytes.
func ValidRealm(realm string) bool {
	return len(realm) <= 255 && utf8.ValidString(realm) &&
		!strings.ContainsFunc(realm, func(c rune) bool { return c < ' ' || c >= 0x7f && c < 0xa0 })
}

// random returns 192 bits as text that needs no quoting and holds no modem's escape.
func (c *CredHandle) random() (string, bool) {
	var b [24]byte
	if _, err := io.ReadFull(c.auth.Rand, b[:]); err != nil {
		return "", false
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), true
}

// key is what a context goes by.
func (c *CredHandle) key(opaque, nonce string) [sha256.Size]byte {
	if c.auth.Mode == SASL {
		return sha256.Sum256([]byte(nonce))
	}
	return sha256.Sum256([]byte(opaque))
}

// find returns the context that a response belongs to.
func (c *CredHandle) find(r *Response) *CtxtHandle {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.contexts[c.key(r.Opaque, r.Nonce)]
}

// alive says whether the credentials can be used.
func (c *CredHandle) alive() bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.freed
}
