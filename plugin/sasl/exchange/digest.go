package exchange

import (
	"context"

	"rashost/plugin/sspi"
)

// digest is DIGEST-MD5 (RFC 2831) with qop auth, by the Digest package of SSPI.
type digest struct {
	x          *Exchange
	server     *sspi.DigestServer
	challenged bool
}

func newDigest(x *Exchange) server {
	realm := x.config.Realm
	if realm == "" {
		realm = "rashost"
	}
	return &digest{x: x, server: sspi.NewDigestServer(sspi.DigestConfig{
		Accounts: x.config.Accounts, Realm: realm, Service: x.config.Service, FakeKey: x.config.FakeKey,
		Rand: x.config.Rand, Now: x.config.Now, Log: x.config.Log,
	})}
}

func (d *digest) step(ctx context.Context, in []byte) ([]byte, Code, string) {
	if !d.challenged {
		d.challenged = true
		out, s := d.server.Challenge()
		if s != sspi.SEC_I_CONTINUE_NEEDED {
			return nil, SASL_FAIL, s.String() + ": " + d.server.Detail()
		}
		return out, SASL_CONTINUE, ""
	}
	out, s := d.server.Response(ctx, in)
	d.x.name = d.server.User()
	if s == sspi.SEC_E_OK {
		d.x.user, _ = d.server.Account()
		return out, SASL_OK, ""
	}
	code := SASL_FAIL
	switch s {
	case sspi.SEC_E_LOGON_DENIED, sspi.SEC_I_CONTINUE_NEEDED, sspi.SEC_E_MESSAGE_ALTERED, sspi.SEC_E_OUT_OF_SEQUENCE:
		code = SASL_BADAUTH
	case sspi.SEC_E_INVALID_TOKEN, sspi.SEC_E_QOP_NOT_SUPPORTED, sspi.SEC_E_BUFFER_TOO_SMALL:
		code = SASL_BADPROT
	case sspi.SEC_E_NO_AUTHENTICATING_AUTHORITY:
		code = SASL_UNAVAIL
		if ctx.Err() != nil {
			code = SASL_TRYAGAIN
		}
	}
	return nil, code, s.String() + ": " + d.server.Detail()
}

// Close ends the context, so that nothing of it can be used by the next caller.
func (d *digest) Close() error {
	d.server.Close()
	return nil
}
