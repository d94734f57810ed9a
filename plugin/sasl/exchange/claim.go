package exchange

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"unicode/utf8"

	"github.com/xdg-go/stringprep"

	"rashost/plugin/users"
)

// claim is whom a client claims to be.
type claim struct {
	// account is the user's, and empty when doomed.
	account users.Account
	// doomed says why nothing can let the client in: SASL_NOUSER, SASL_DISABLED, SASL_NOVERIFY or SASL_EXPIRED. With SASL_OK a right
	// secret can. A mechanism does the same for both, with made-up verifiers for one that is doomed.
	doomed Code
}

// claim looks up who claims a name. The code is SASL_OK, also when there is nobody, unless the accounts can't be read.
func (x *Exchange) claim(ctx context.Context, name string) (claim, Code, string) {
	x.name = name
	account, known, err := x.config.Accounts.Lookup(ctx, name)
	switch {
	case err != nil:
		code, detail := unable(ctx, err)
		return claim{}, code, detail
	case !known:
		return claim{doomed: SASL_NOUSER}, SASL_OK, ""
	case account.Disabled:
		return claim{doomed: SASL_DISABLED}, SASL_OK, ""
	}
	return claim{account: account}, SASL_OK, ""
}

// doom makes it a claim that nothing can prove. The first reason counts.
func (c *claim) doom(why Code) {
	if c.doomed == SASL_OK {
		c.doomed = why
	}
	c.account = users.Account{}
}

// judge ends an exchange whose work is done: proof says that the client knows the secret. out is the server's last message, nil for none.
func (x *Exchange) judge(c claim, proof bool, out []byte) ([]byte, Code, string) {
	switch {
	case c.doomed != SASL_OK:
		return nil, c.doomed, ""
	case !proof:
		return nil, SASL_BADAUTH, "the secret is wrong"
	}
	x.user = c.account.Name
	return out, SASL_OK, ""
}

// unable is the code for accounts that can't be read or written.
func unable(ctx context.Context, err error) (Code, string) {
	if ctx.Err() != nil {
		return SASL_TRYAGAIN, err.Error()
	}
	return SASL_UNAVAIL, err.Error()
}

// prepare returns a name or an identity as SASLprep makes it comparable (RFC 4013); false when it is empty, too long, not UTF-8 or has
// characters that are not allowed.
func prepare(text []byte) (string, bool) {
	if len(text) == 0 || len(text) > maxField || !utf8.Valid(text) {
		return "", false
	}
	prepared, err := stringprep.SASLprep.Prepare(string(text))
	return prepared, err == nil && prepared != "" && len(prepared) <= maxField
}

// actsAs says whether a client that is name may act as authzid: as itself, which "" means too.
func actsAs(authzid, name string) bool {
	return authzid == "" || users.Fold(authzid) == users.Fold(name)
}

// fake returns n bytes that depend on what they are for and on the name, and on nothing else, so that a name that is nobody's is told the
// same every time.
func (x *Exchange) fake(what, name string, n int) []byte {
	var out []byte
	for block := byte(0); len(out) < n; block++ {
		m := hmac.New(x.work.hash("SHA-256"), x.config.FakeKey)
		m.Write([]byte{block})
		m.Write([]byte(what + "\x00" + users.Fold(name)))
		out = m.Sum(out)
	}
	return out[:n]
}

// newHash returns what makes a hash: "MD5", "SHA-1", "SHA-256" or "SHA-512".
func newHash(name string) func() hash.Hash {
	switch name {
	case "MD5":
		return md5.New
	case "SHA-1":
		return sha1.New
	case "SHA-512":
		return sha512.New
	default:
		return sha256.New
	}
}
