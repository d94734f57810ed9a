package exchange

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"rashost/plugin/users"
)

// otp is OTP (RFC 2444): the one-time passwords of RFC 2289 with the responses of RFC 2243, by which a client may also begin anew.
type otp struct {
	x      *Exchange
	asked  bool
	who    claim
	name   string
	before users.OTP // what the user file has, made up when who is doomed
}

// maxOTP bounds a response, in bytes: two one-time passwords in words with blanks, and the parameters between them.
const maxOTP = 512

func newOTP(x *Exchange) server { return &otp{x: x} }

func (o *otp) step(ctx context.Context, in []byte) ([]byte, Code, string) {
	if !o.asked {
		o.asked = true
		return o.challenge(ctx, in)
	}
	return o.response(ctx, in)
}

// challenge takes an identity to act as, NUL and the name, and says which one-time password is due.
func (o *otp) challenge(ctx context.Context, in []byte) ([]byte, Code, string) {
	actAs, name, ok := bytes.Cut(in, []byte{0})
	if o.name, ok = prepareIf(ok, name); !ok {
		return nil, SASL_BADPROT, "not an identity to act as, a NUL and an acceptable name"
	}
	authzid := ""
	if len(actAs) > 0 {
		if authzid, ok = prepare(actAs); !ok {
			return nil, SASL_BADPROT, "the identity to act as is not acceptable"
		}
	}
	if !actsAs(authzid, o.name) {
		o.x.name = o.name
		return nil, SASL_NOAUTHZ, ""
	}
	var code Code
	var detail string
	if o.who, code, detail = o.x.claim(ctx, o.name); code != SASL_OK {
		return nil, code, detail
	}
	switch state := o.who.account.OTP; {
	case state == nil:
		o.who.doom(SASL_NOVERIFY)
	case state.Sequence <= 1: // number 0 is the pass phrase's own hash and is not used (RFC 2243, section 4.2)
		o.who.doom(SASL_EXPIRED)
	default:
		o.before = *state
	}
	made := o.madeUp()
	if o.who.doomed != SASL_OK {
		o.before = made
	}
	return fmt.Appendf(nil, "otp-%s %d %s ext", o.before.Algorithm, o.before.Sequence-1, o.before.Seed), SASL_CONTINUE, ""
}

// lowestFake is the number at which the one-time passwords of nobody begin anew, with another seed.
const lowestFake = 20

// madeUp returns a state for a name that is nobody's: one that goes down by one every one to four days, at an hour of its own, and begins
// anew before it is used up, as it does for somebody who logs in.
func (o *otp) madeUp() users.OTP {
	r := o.x.fake("OTP", o.name, 16)
	every := 24*time.Hour + time.Duration(binary.BigEndian.Uint32(r))%(72*time.Hour/time.Second)*time.Second
	logins := (o.x.config.Now().Unix() + int64(binary.BigEndian.Uint32(r[4:]))) / int64(every/time.Second)
	round, used := logins/(users.OTPSequence-lowestFake), logins%(users.OTPSequence-lowestFake)
	seed := o.x.fake(fmt.Sprintf("OTP seed %d", round), o.name, 8)
	return users.OTP{
		Algorithm: "md5", Sequence: users.OTPSequence - int(used), Last: r[8:16],
		Seed: fmt.Sprintf("%c%c%05d", 'a'+seed[0]%26, 'a'+seed[1]%26, binary.BigEndian.Uint32(seed[4:])%100_000),
	}
}

// response takes the one-time password that is due. It counts when the user file has taken it over, so that of two logins with it one gets in.
func (o *otp) response(ctx context.Context, in []byte) ([]byte, Code, string) {
	if len(in) > maxOTP {
		return nil, SASL_BADPROT, "the response is too long"
	}
	r, err := parseOTP(string(in))
	if err != nil {
		return nil, SASL_BADPROT, err.Error()
	}
	next := users.OTP{Algorithm: o.before.Algorithm, Seed: o.before.Seed, Sequence: o.before.Sequence - 1, Last: r.value}
	if r.renew != nil {
		next = *r.renew
		if users.Fold(next.Seed) == users.Fold(o.before.Seed) {
			return nil, SASL_BADPROT, "the new seed is the old one"
		}
	}
	hashed, err := o.x.work.otp(o.before.Algorithm, r.value)
	if err != nil {
		return nil, SASL_BADAUTH, err.Error()
	}
	out, code, detail := o.x.judge(o.who, subtle.ConstantTimeCompare(hashed, o.before.Last) == 1, nil)
	if code != SASL_OK {
		return nil, code, detail
	}
	if allowed := o.x.config.Allowed; allowed != nil && !allowed() {
		return nil, SASL_BADAUTH, "not allowed"
	}
	switch err := o.x.config.Accounts.UpdateOTP(ctx, o.who.account.Name, o.before, next); {
	case errors.Is(err, users.ErrChanged) || errors.Is(err, users.ErrNoUser):
		return nil, SASL_BADAUTH, "another login or command was first: " + err.Error()
	case err != nil:
		code, detail := unable(ctx, err)
		return nil, code, detail
	}
	return out, SASL_OK, ""
}

// prepareIf is prepare, and false when ok is.
func prepareIf(ok bool, text []byte) (string, bool) {
	if !ok {
		return "", false
	}
	return prepare(text)
}
