package exchange

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"
)

// cram is CRAM-MD5 (RFC 2195): a challenge that is new each time, and HMAC-MD5 of it under the password itself.
type cram struct {
	x         *Exchange
	challenge []byte
}

func newCram(x *Exchange) server { return &cram{x: x} }

func (c *cram) step(ctx context.Context, in []byte) ([]byte, Code, string) {
	if c.challenge != nil {
		return c.response(ctx, string(in))
	}
	b, err := c.x.random(16)
	if err != nil {
		return nil, SASL_FAIL, err.Error()
	}
	host := c.x.config.Realm
	if host == "" {
		host = "rashost"
	}
	c.challenge = fmt.Appendf(nil, "<%d%d.%d@%s>", binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), c.x.config.Now().Unix(), host)
	return c.challenge, SASL_CONTINUE, ""
}

// response is the name, a space and 32 hex digits in lower case. Names may have spaces: the last one counts.
func (c *cram) response(ctx context.Context, in string) ([]byte, Code, string) {
	i := strings.LastIndexByte(in, ' ')
	switch {
	case i < 1 || i > maxField:
		return nil, SASL_BADPROT, "no name before a space"
	case len(in)-i-1 != hex.EncodedLen(md5.Size) || strings.Trim(in[i+1:], "0123456789abcdef") != "":
		return nil, SASL_BADPROT, "no digest of 32 hex digits in lower case"
	case !utf8.ValidString(in):
		return nil, SASL_BADPROT, "not UTF-8"
	}
	name, digest := in[:i], in[i+1:]
	a, known, code, detail := c.x.account(ctx, name)
	if code != SASL_OK {
		return nil, code, detail
	}
	secret := []byte(a.Secret)
	if a.Secret == "" {
		known, secret = false, c.x.fake("CRAM-MD5", name, 16)
	}
	m := hmac.New(md5.New, secret)
	m.Write(c.challenge)
	if good := hmac.Equal([]byte(hex.EncodeToString(m.Sum(nil))), []byte(digest)); !good || !known {
		return refused(known, "wrong digest")
	}
	c.x.user = a.Name
	return nil, SASL_OK, ""
}
