package exchange

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"fmt"
	"strings"
)

// cram is CRAM-MD5 (RFC 2195): a challenge that is new each time, and its HMAC-MD5 under the password.
type cram struct {
	x         *Exchange
	challenge string
}

// cramDigest is how many hex digits an answer ends with.
const cramDigest = 32

func newCram(x *Exchange) server { return &cram{x: x} }

func (c *cram) step(ctx context.Context, in []byte) ([]byte, Code, string) {
	if c.challenge != "" {
		return c.answer(ctx, string(in))
	}
	nonce, err := c.x.work.nonce()
	if err != nil {
		return nil, SASL_FAIL, err.Error()
	}
	c.challenge = fmt.Sprintf("<%s.%d@%s>", nonce, c.x.config.Now().Unix(), c.x.config.Realm)
	return []byte(c.challenge), SASL_CONTINUE, ""
}

// answer takes the name, a space and 32 hex digits in lower case. A name may contain spaces.
func (c *cram) answer(ctx context.Context, in string) ([]byte, Code, string) {
	i := strings.LastIndexByte(in, ' ')
	if i < 0 || len(in)-i-1 != cramDigest || strings.Trim(in[i+1:], "0123456789abcdef") != "" {
		return nil, SASL_BADPROT, "not a name, a space and 32 hex digits in lower case"
	}
	name, ok := prepare([]byte(in[:i]))
	if !ok {
		return nil, SASL_BADPROT, "the name is not acceptable"
	}
	who, code, detail := c.x.claim(ctx, name)
	if code != SASL_OK {
		return nil, code, detail
	}
	secret := c.x.fake("CRAM-MD5", name, fakeSecret) // also where it is not needed: the work is the same
	if known := who.account.Secret; known != "" {
		secret = []byte(known)
	} else {
		who.doom(SASL_NOVERIFY)
	}
	defer clear(secret)
	m := hmac.New(c.x.work.hash("MD5"), secret)
	m.Write([]byte(c.challenge))
	return c.x.judge(who, hmac.Equal([]byte(hex.EncodeToString(m.Sum(nil))), []byte(in[i+1:])), nil)
}

// fakeSecret is the length of the made-up password of a name that is nobody's, in bytes. HMAC costs the same for any up to 64.
const fakeSecret = 16
