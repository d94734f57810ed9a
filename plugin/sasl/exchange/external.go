package exchange

import (
	"context"
)

// external is EXTERNAL (RFC 4422, appendix A): the client is who the line says it is, by the caller's number. It may name that identity and
// no other. Anybody can send any number: whoever enables this trusts the network.
type external struct{ x *Exchange }

func newExternal(x *Exchange) server { return external{x} }

func (e external) step(ctx context.Context, in []byte) ([]byte, Code, string) {
	authzid := ""
	if len(in) > 0 {
		var ok bool
		if authzid, ok = prepare(in); !ok {
			return nil, SASL_BADPROT, "the identity is not acceptable"
		}
	}
	number := e.x.config.CallerID
	if number == "" || number == "P" || number == "O" {
		e.x.name = authzid
		return nil, SASL_BADAUTH, "the call has no caller id"
	}
	c, code, detail := e.x.claim(ctx, number)
	switch {
	case code != SASL_OK:
		return nil, code, detail
	case !actsAs(authzid, number):
		return nil, SASL_NOAUTHZ, ""
	}
	return e.x.judge(c, true, nil)
}
