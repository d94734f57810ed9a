package exchange

import (
	"context"

	"rashost/plugin/sspi"
)

// digest is DIGEST-MD5 (RFC 2831) with qop auth, which package sspi computes. There is no subsequent authentication: a challenge is answered
// once.
type digest struct {
	x          *Exchange
	server     *sspi.DigestServer
	challenged bool
}

func newDigest(x *Exchange) server {
	c := x.config
	return &digest{x: x, server: sspi.NewDigestServer(sspi.DigestConfig{
		Accounts: c.Accounts, Realm: c.Realm, Service: c.Service, Hosts: c.Hosts, FakeKey: c.FakeKey, Rand: c.Rand, Now: c.Now, Log: c.Log,
	})}
}

func (d *digest) step(ctx context.Context, in []byte) ([]byte, Code, string) {
	if !d.challenged {
		d.challenged = true
		out, s := d.server.Challenge()
		if s == sspi.SEC_I_CONTINUE_NEEDED {
			return out, SASL_CONTINUE, ""
		}
		return nil, digestCode(ctx, s), d.detail(s)
	}
	out, s := d.server.Response(ctx, in)
	d.x.name = d.server.User()
	if s != sspi.SEC_E_OK {
		return nil, digestCode(ctx, s), d.detail(s)
	}
	d.x.user, _ = d.server.Account() // it is known with SEC_E_OK
	return out, SASL_OK, ""
}

// digestCode is the code for a status that is an error. A count that is wrong and an answer that comes too late are only told apart
// once the digest was right, so that they are no different from a wrong one.
func digestCode(ctx context.Context, s sspi.Status) Code {
	switch s {
	case sspi.SEC_E_LOGON_DENIED, sspi.SEC_E_OUT_OF_SEQUENCE, sspi.SEC_I_CONTINUE_NEEDED:
		return SASL_BADAUTH
	case sspi.SEC_E_INVALID_TOKEN, sspi.SEC_E_QOP_NOT_SUPPORTED, sspi.SEC_E_BUFFER_TOO_SMALL:
		return SASL_BADPROT
	case sspi.SEC_E_NO_AUTHENTICATING_AUTHORITY:
		if ctx.Err() != nil {
			return SASL_TRYAGAIN
		}
		return SASL_UNAVAIL
	case sspi.SEC_E_UNKNOWN_CREDENTIALS, sspi.SEC_E_NO_CREDENTIALS:
		return SASL_CONFIGERR
	default:
		return SASL_FAIL
	}
}

// detail names the status and what the package says of it.
func (d *digest) detail(s sspi.Status) string {
	if why := d.server.Detail(); why != "" {
		return s.String() + ": " + why
	}
	return s.String()
}

func (d *digest) close() { d.server.Close() }
