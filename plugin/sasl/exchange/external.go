package exchange

import (
	"context"

	"rashost/plugin/users"
)

// external is EXTERNAL (RFC 4422, appendix A): the identity is what the line knows already, the caller's number. The client may name it,
// and nothing else. Numbers can be forged; whoever enables this trusts the network.
type external struct{ x *Exchange }

func newExternal(x *Exchange) server { return external{x} }

func (e external) step(ctx context.Context, in []byte) ([]byte, Code, string) {
	number := e.x.config.CallerID
	switch {
	case len(in) > maxField:
		return nil, SASL_BADPROT, "the identity is too long"
	case number == "" || number == "P" || number == "O": // absent, withheld, out of area
		e.x.name = string(in)
		return nil, SASL_BADAUTH, "the call has no caller id"
	}
	a, known, code, detail := e.x.account(ctx, number)
	switch {
	case code != SASL_OK:
		return nil, code, detail
	case len(in) > 0 && users.Fold(string(in)) != users.Fold(number):
		return nil, SASL_BADAUTH, "not the caller's number"
	case !known:
		return refused(false, "")
	}
	e.x.user = a.Name
	return nil, SASL_OK, ""
}
