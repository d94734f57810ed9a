package exchange

import (
	"bytes"
	"context"
	"unicode/utf8"

	"rashost/plugin/users"
)

// plain is PLAIN (RFC 4616): authorization identity, NUL, name, NUL, password.
type plain struct{ x *Exchange }

func newPlain(x *Exchange) server { return plain{x} }

func (p plain) step(ctx context.Context, in []byte) ([]byte, Code, string) {
	fields := bytes.Split(in, []byte{0})
	if len(fields) != 3 {
		return nil, SASL_BADPROT, "not three fields"
	}
	for i, f := range fields {
		switch {
		case len(f) > maxField:
			return nil, SASL_BADPROT, "a field is too long"
		case !utf8.Valid(f):
			return nil, SASL_BADPROT, "not UTF-8"
		case len(f) == 0 && i > 0:
			return nil, SASL_BADPROT, "an empty name or password"
		}
	}
	return p.x.password(ctx, string(fields[1]), fields[2], string(fields[0]))
}

// login is LOGIN, which no standard defines: the server asks for name and password with two fixed texts.
type login struct {
	x     *Exchange
	asked int
	name  string
}

func newLogin(x *Exchange) server { return &login{x: x} }

func (l *login) step(ctx context.Context, in []byte) ([]byte, Code, string) {
	l.asked++
	if l.asked == 1 {
		return []byte("Username:"), SASL_CONTINUE, ""
	}
	// Some clients end what they send with a NUL.
	in = bytes.TrimSuffix(in, []byte{0})
	if len(in) == 0 || len(in) > maxField || bytes.IndexByte(in, 0) >= 0 || !utf8.Valid(in) {
		return nil, SASL_BADPROT, "no name or password"
	}
	if l.asked == 2 {
		l.name, l.x.name = string(in), string(in)
		return []byte("Password:"), SASL_CONTINUE, ""
	}
	return l.x.password(ctx, l.name, in, "")
}

// password checks a password as it is. The work is done before anything is refused, so that it tells nothing.
func (x *Exchange) password(ctx context.Context, name string, secret []byte, authzid string) ([]byte, Code, string) {
	a, known, code, detail := x.account(ctx, name)
	if code != SASL_OK {
		return nil, code, detail
	}
	if known && a.Hash == "" {
		known = false
	}
	good, err := x.config.Passwords.Check(ctx, a.Hash, secret)
	switch {
	case err != nil:
		code, detail := outside(ctx, err)
		return nil, code, detail
	case !known || !good:
		return refused(known, "wrong password")
	case authzid != "" && users.Fold(authzid) != users.Fold(name):
		return nil, SASL_BADAUTH, "the right password, but to act as somebody else"
	}
	x.user = a.Name
	return nil, SASL_OK, ""
}
