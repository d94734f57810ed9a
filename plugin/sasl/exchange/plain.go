package exchange

import (
	"bytes"
	"context"
)

// plain is PLAIN (RFC 4616): an identity to act as, NUL, name, NUL, password.
type plain struct{ x *Exchange }

func newPlain(x *Exchange) server { return plain{x} }

func (p plain) step(ctx context.Context, in []byte) ([]byte, Code, string) {
	fields := bytes.Split(in, []byte{0})
	if len(fields) != 3 {
		return nil, SASL_BADPROT, "not three fields"
	}
	authzid := ""
	if len(fields[0]) > 0 {
		var ok bool
		if authzid, ok = prepare(fields[0]); !ok {
			return nil, SASL_BADPROT, "the identity to act as is not acceptable"
		}
	}
	name, ok := prepare(fields[1])
	if !ok {
		return nil, SASL_BADPROT, "the name is not acceptable"
	}
	return p.x.password(ctx, authzid, name, fields[2])
}

// login is LOGIN, which no standard defines: the server asks for the name and for the password.
type login struct {
	x     *Exchange
	asked int
	name  string
}

// LOGIN's two questions. Clients count them, and some read the words.
const (
	askName     = "Username:"
	askPassword = "Password:"
)

func newLogin(x *Exchange) server { return &login{x: x} }

func (l *login) step(ctx context.Context, in []byte) ([]byte, Code, string) {
	l.asked++
	in = bytes.TrimSuffix(in, []byte{0}) // some clients end what they send with a NUL
	switch l.asked {
	case 1:
		return []byte(askName), SASL_CONTINUE, ""
	case 2:
		var ok bool
		if l.name, ok = prepare(in); !ok {
			return nil, SASL_BADPROT, "the name is not acceptable"
		}
		l.x.name = l.name
		return []byte(askPassword), SASL_CONTINUE, ""
	default:
		return l.x.password(ctx, "", l.name, in)
	}
}

// password checks a password that came as it is. SASLprep only decides whether it is acceptable: what is compared are its bytes, as the
// user file's hashes are made of them. The hash is computed before anything is refused.
func (x *Exchange) password(ctx context.Context, authzid, name string, secret []byte) ([]byte, Code, string) {
	if _, ok := prepare(secret); !ok {
		return nil, SASL_BADPROT, "the password is not acceptable"
	}
	c, code, detail := x.claim(ctx, name)
	if code != SASL_OK {
		return nil, code, detail
	}
	if c.account.Hash == "" {
		c.doom(SASL_NOVERIFY)
	}
	good, err := x.config.Passwords.Check(ctx, c.account.Hash, secret)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, SASL_TRYAGAIN, err.Error()
	case err != nil: // a hash that is damaged: nobody shall see that there is one
		return nil, SASL_BADAUTH, err.Error()
	case good && !actsAs(authzid, name):
		return nil, SASL_NOAUTHZ, ""
	}
	out, code, detail := x.judge(c, good, nil)
	if code == SASL_OK {
		x.account, x.secret = c.account, bytes.Clone(secret)
	}
	return out, code, detail
}

// Renew hands a password that was right to Config.Rehash. It belongs behind everything that may still refuse the login, because its work
// would tell a right password from a wrong one.
func (x *Exchange) Renew(ctx context.Context) {
	if x.state == done && x.secret != nil && x.config.Rehash != nil {
		x.config.Rehash(ctx, x.account, x.secret)
	}
}
