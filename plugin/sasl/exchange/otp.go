package exchange

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"rashost/plugin/users"
)

// otp is OTP (RFC 2444): one-time passwords of RFC 2289, which the client may renew with init-hex or init-word.
type otp struct {
	x       *Exchange
	state   users.OTP // what the user file has, or what is made up
	known   bool
	spent   bool // the last one-time password has been used
	user    string
	claimed string
}

func newOTP(x *Exchange) server { return &otp{x: x} }

// maxOTP bounds a response: two times six words, parameters and the words in between.
const maxOTP = 512

func (o *otp) step(ctx context.Context, in []byte) ([]byte, Code, string) {
	if !utf8.Valid(in) || len(in) > maxOTP {
		return nil, SASL_BADPROT, "too long, or not UTF-8"
	}
	if o.claimed == "" {
		return o.challenge(ctx, in)
	}
	return o.response(ctx, string(in))
}

// challenge takes "authzid NUL name" and says which one-time password is due.
func (o *otp) challenge(ctx context.Context, in []byte) ([]byte, Code, string) {
	fields := bytes.Split(in, []byte{0})
	if len(fields) != 2 || len(fields[1]) == 0 || len(fields[0]) > maxField || len(fields[1]) > maxField {
		return nil, SASL_BADPROT, "not two fields with a name"
	}
	o.claimed = string(fields[1])
	a, known, code, detail := o.x.account(ctx, o.claimed)
	switch {
	case code != SASL_OK:
		return nil, code, detail
	case len(fields[0]) > 0 && users.Fold(string(fields[0])) != users.Fold(o.claimed):
		return nil, SASL_NOAUTHZ, "asks to act as somebody else"
	}
	o.user, o.known = a.Name, known && a.OTP != nil
	if o.known {
		o.state = *a.OTP
		o.spent = o.state.Sequence <= 1
	}
	if !o.known || o.spent {
		o.state = o.madeUp()
	}
	return fmt.Appendf(nil, "otp-%s %d %s ext", o.state.Algorithm, o.state.Sequence-1, o.state.Seed), SASL_CONTINUE, ""
}

// madeUp is the state that an unknown user has: the same for a day, and one less the next day, as if somebody logged in daily.
func (o *otp) madeUp() users.OTP {
	b := o.x.fake("OTP", o.claimed, 16)
	day := int(o.x.config.Now().Unix() / int64(24*time.Hour/time.Second))
	number := int(b[0])<<8 | int(b[1])
	return users.OTP{
		Algorithm: "md5", Sequence: users.OTPSequence - (number+day)%(users.OTPSequence-100), Last: b[8:16],
		Seed: fmt.Sprintf("%c%c%05d", 'a'+b[2]%26, 'a'+b[3]%26, (int(b[4])<<16|int(b[5])<<8|int(b[6]))%100_000),
	}
}

// response takes the one-time password, and a new beginning where the client gives one.
func (o *otp) response(ctx context.Context, in string) ([]byte, Code, string) {
	value, next, err := parseOTP(in, o.state)
	if err != nil {
		return nil, SASL_BADPROT, err.Error()
	}
	hashed, err := users.OTPStep(o.state.Algorithm, value)
	if err != nil {
		return nil, SASL_UNAVAIL, err.Error()
	}
	good := bytes.Equal(hashed, o.state.Last) // both are known to whoever has seen the last login
	switch {
	case o.known && o.spent:
		return nil, SASL_BADAUTH, "SASL_EXPIRED: the one-time passwords are used up, `rashost user otp` makes new ones"
	case !good || !o.known:
		return refused(o.known, "wrong one-time password")
	}
	switch err := o.x.config.Accounts.UpdateOTP(ctx, o.user, o.state, next); {
	case errors.Is(err, users.ErrChanged):
		return nil, SASL_BADAUTH, "another login has used this one-time password"
	case err != nil:
		code, detail := outside(ctx, err)
		return nil, code, detail
	}
	o.x.user = o.user
	return nil, SASL_OK, ""
}

// parseOTP reads a response (RFC 2243, section 3) and says what the state is after it.
func parseOTP(in string, now users.OTP) (value []byte, next users.OTP, err error) {
	kind, rest, found := strings.Cut(in, ":")
	if !found {
		return nil, next, errors.New("no kind of response")
	}
	kind = strings.ToLower(kind)
	read := otpHex
	if strings.HasSuffix(kind, "word") {
		read = otpWords
	}
	switch kind {
	case "hex", "word":
		value, err = read(rest)
		return value, users.OTP{Algorithm: now.Algorithm, Seed: now.Seed, Sequence: now.Sequence - 1, Last: value}, err
	case "init-hex", "init-word":
		parts := strings.Split(rest, ":")
		if len(parts) != 3 {
			return nil, next, errors.New("not three parts")
		}
		if value, err = read(parts[0]); err != nil {
			return nil, next, err
		}
		if next, err = otpParameters(parts[1]); err != nil {
			return nil, next, err
		}
		if users.Fold(next.Seed) == users.Fold(now.Seed) {
			return nil, next, errors.New("the new seed is the old one")
		}
		next.Last, err = read(parts[2])
		return value, next, err
	default:
		return nil, next, errors.New("an unknown kind of response")
	}
}

// otpParameters reads "md5 499 ke1235".
func otpParameters(text string) (users.OTP, error) {
	f := strings.Fields(text)
	if len(f) != 3 {
		return users.OTP{}, errors.New("parameters are not algorithm, number and seed")
	}
	n, err := strconv.Atoi(f[1])
	algorithm := strings.ToLower(f[0])
	switch {
	case algorithm != "md5" && algorithm != "sha1":
		return users.OTP{}, errors.New("the new algorithm is neither md5 nor sha1")
	case err != nil || n < 2 || n > users.MaxOTPSequence || len(f[1]) > 4:
		return users.OTP{}, errors.New("the new number is out of range")
	case !users.ValidSeed(f[2]):
		return users.OTP{}, errors.New("the new seed is not 1 to 16 letters and digits")
	}
	return users.OTP{Algorithm: algorithm, Sequence: n, Seed: f[2]}, nil
}

// otpHex reads 16 hex digits; blanks between them are allowed (RFC 2289, section 6.0).
func otpHex(text string) ([]byte, error) {
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil || len(b) != users.OTPSize {
		return nil, errors.New("not 16 hex digits")
	}
	return b, nil
}
