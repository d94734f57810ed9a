package exchange

import (
	"encoding/base64"
	"testing"
	"time"

	"rashost/plugin/users"
)

// unbase64 decodes what an RFC prints.
func unbase64(t testing.TB, text string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pinned makes an exchange whose nonce is that of a published example.
func pinned(b *book, nonce string) *Exchange {
	x := New(config(b))
	x.work.nonce = func() (string, error) { return nonce, nil }
	return x
}

// The examples of RFC 5802, section 5, and RFC 7677, section 3, with keys as GNU SASL's `gsasl --mkpasswd` prints them. The RFCs have none
// for SHA-512: those numbers were computed with Python's hashlib.
func TestVectorsSCRAM(t *testing.T) {
	const (
		nonce256 = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
		first256 = "r=" + nonce256 + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	)
	for _, v := range []struct {
		mechanism, salt, stored, server, nonce string
		turns                                  []turn
	}{
		{"SCRAM-SHA-1", "QSXCR+Q6sek8bf92", "6dlGYMOdZcOPutkcNY8U2g7vK9Y=", "D+CSWLOshSulAsxiupA+qs2/fTE=", "3rfcNHYJY1ZVvWVs7j", []turn{
			{"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL", "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096", SASL_CONTINUE, ""},
			{"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", SASL_CONTINUE, ""},
			{"", "", SASL_OK, ""},
		}},
		{"SCRAM-SHA-256", "W22ZaJ0SNY7soEsUEjb6gQ==", "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=", "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
			"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", []turn{
				{"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", first256, SASL_CONTINUE, ""},
				{"c=biws,r=" + nonce256 + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", SASL_CONTINUE, ""},
				{"", "", SASL_OK, ""},
			}},
		{"SCRAM-SHA-512", "W22ZaJ0SNY7soEsUEjb6gQ==",
			"6AAub3065EYRmyFpM2RNwqK+eGnrkYuEWbXn19LsEmBqzu8QaCXNc1FwpnX9NhH2hK/60dzj9DoO5DvVkOHbvg==",
			"jZHbYjC1aHh0/hKbxyBuGFjDrgjgKTT1esA7awWiKcRZ0o/0b1yWEebBeSVkkCFewf91nLDfKF24mvD5nmE6rA==",
			"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", []turn{
				{"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", first256, SASL_CONTINUE, ""},
				{"c=biws,r=" + nonce256 + ",p=gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
					"v=ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==", SASL_CONTINUE, ""},
				{"", "", SASL_OK, ""},
			}},
	} {
		k := users.SCRAMKeys{Iterations: 4096, Salt: unbase64(t, v.salt), StoredKey: unbase64(t, v.stored), ServerKey: unbase64(t, v.server)}
		b := &book{people: map[string]users.Account{"user": {Name: "user", SCRAM: map[string]users.SCRAMKeys{v.mechanism: k}}}}
		x := pinned(b, v.nonce)
		play(t, x, v.mechanism, v.turns...)
		if user, ok := x.Identity(); !ok || user != "user" {
			t.Errorf("%s: %q, %v", v.mechanism, user, ok)
		}
		// The same without an initial response: an empty message first.
		play(t, pinned(b, v.nonce), v.mechanism, append([]turn{{none, "", SASL_CONTINUE, ""}}, v.turns...)...)
	}
}

// The examples of RFC 2195, section 2, and RFC 4954, section 4.1, whose password is 1234.
func TestVectorsCRAM(t *testing.T) {
	for _, v := range []struct {
		user, secret, nonce, host string
		time                      int64
		challenge, answer         string
	}{
		{"tim", "tanstaaftanstaaf", "1896", "postoffice.reston.mci.net", 697170952,
			"PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+", "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"},
		{"rjs3", "1234", "4192942341", "sourcefour.andrew.cmu.edu", 12828472,
			"PDQxOTI5NDIzNDEuMTI4Mjg0NzJAc291cmNlZm91ci5hbmRyZXcuY211LmVkdT4=", "cmpzMyBlYzNhNTlmZWQzOTVhYmExZWM2MzY3YzRmNGI0MWFjMA=="},
	} {
		b := &book{people: map[string]users.Account{v.user: {Name: v.user, Secret: v.secret}}}
		c := config(b)
		c.Realm, c.Now = v.host, func() time.Time { return time.Unix(v.time, 0) }
		x := New(c)
		x.work.nonce = func() (string, error) { return v.nonce, nil }
		play(t, x, "CRAM-MD5",
			turn{none, string(unbase64(t, v.challenge)), SASL_CONTINUE, ""},
			turn{string(unbase64(t, v.answer)), "", SASL_OK, ""})
		// The same answer to another challenge.
		x = New(c)
		begin(t, x, "CRAM-MD5", nil)
		if _, code, _ := x.Step(t.Context(), unbase64(t, v.answer)); code != SASL_BADAUTH {
			t.Errorf("%s: a replay gets %v", v.user, code)
		}
	}
}

// The examples of RFC 4616, section 4, RFC 5034, section 6, and RFC 4954, section 4.1; and RFC 4422's EXTERNAL with an empty initial
// response, as "AUTH EXTERNAL =" gives it.
func TestVectorsPLAINAndEXTERNAL(t *testing.T) {
	b := &book{people: map[string]users.Account{
		"tim": {Name: "tim", Hash: "tanstaaftanstaaf"}, "kurt": {Name: "Kurt", Hash: "xipj3plmq"},
	}}
	play(t, New(config(b)), "PLAIN", turn{"\x00tim\x00tanstaaftanstaaf", "", SASL_OK, ""})
	play(t, New(config(b)), "PLAIN", turn{"Ursel\x00Kurt\x00xipj3plmq", "", SASL_BADAUTH, "SASL_NOAUTHZ"})
	for _, v := range []struct{ wire, secret string }{{"dGVzdAB0ZXN0AHRlc3Q=", "test"}, {"dGVzdAB0ZXN0ADEyMzQ=", "1234"}} {
		b := &book{people: map[string]users.Account{"test": {Name: "test", Hash: v.secret}}}
		play(t, New(config(b)), "PLAIN", turn{string(unbase64(t, v.wire)), "", SASL_OK, ""})
	}
	b.people[number] = users.Account{Name: number}
	play(t, New(config(b)), "EXTERNAL", turn{"", "", SASL_OK, ""})
	play(t, New(config(b)), "EXTERNAL", turn{none, "", SASL_CONTINUE, ""}, turn{"", "", SASL_OK, ""})
}

// RFC 2444, section 5, over the wire of IMAP and in plain. Its example for SHA-1 folds in the wrong order: the right value is that of
// RFC 2289, appendix C, and of Cyrus SASL.
func TestVectorsOTP(t *testing.T) {
	account := func(algorithm, seed, phrase string, n int) *book {
		last, err := users.OTPStart(algorithm, seed, []byte(phrase), n)
		if err != nil {
			t.Fatal(err)
		}
		return &book{people: map[string]users.Account{"tim": {Name: "tim", OTP: &users.OTP{Algorithm: algorithm, Seed: seed, Sequence: n, Last: last}}}}
	}
	challenge := turn{"\x00tim", "otp-md5 499 ke1234 ext", SASL_CONTINUE, ""}
	for _, answer := range []string{
		"hex:5bf075d9959d036f", "word:BOND FOGY DRAB NE RISE MART", "init-hex:5bf075d9959d036f:md5 499 ke1235:3712dcb4aa5316c1",
	} {
		b := account("md5", "ke1234", passPhrase, 500)
		play(t, New(config(b)), "OTP", challenge, turn{answer, "", SASL_OK, ""})
		play(t, New(config(b)), "OTP", turn{"\x00tim", map[bool]string{
			true: "otp-md5 498 ke1235 ext", false: "otp-md5 498 ke1234 ext",
		}[answer[0] == 'i'], SASL_CONTINUE, ""})
	}
	play(t, New(config(account("md5", "ke1234", "this is a test", 124))), "OTP",
		turn{string(unbase64(t, "AHRpbQ==")), string(unbase64(t, "b3RwLW1kNSAxMjMga2UxMjM0IGV4dA==")), SASL_CONTINUE, ""},
		turn{string(unbase64(t, "aGV4OjExZDRjMTQ3ZTIyN2MxZjE=")), "", SASL_OK, ""})
	for answer, code := range map[string]Code{"hex:1ef48366d04873e0": SASL_OK, "hex:c90fc02cc488df5e": SASL_BADAUTH} {
		play(t, New(config(account("sha1", "ke1234", passPhrase, 500))), "OTP",
			turn{"\x00tim", "otp-sha1 499 ke1234 ext", SASL_CONTINUE, ""}, turn{answer, "", code, ""})
	}
}
