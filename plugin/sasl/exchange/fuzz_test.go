package exchange

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"rashost/plugin/users"
)

// FuzzExchange gives any mechanism any messages: steps are separated by 0xFE. Nothing panics, nobody gets in without a secret that no
// fuzzer can know, and what Start and Step return keeps their rules.
func FuzzExchange(f *testing.F) {
	seeds := map[string][]string{
		"SCRAM-SHA-512": {"n,,n=alice,r=abc", "c=biws,r=abc3rfcNHYJY1ZVvWVs7j,p=" + base64Of(make([]byte, 64))},
		"SCRAM-SHA-256": {"y,a=alice,n=alice,r=abc,x=y", "c=eSxhPWFsaWNlLA==,r=abc3rfcNHYJY1ZVvWVs7j,p=" + base64Of(make([]byte, 32)), ""},
		"SCRAM-SHA-1":   {"n,,n=al=2Cice,r=abc", "c=biws,r=abc3rfcNHYJY1ZVvWVs7j,p=" + base64Of(make([]byte, 20))},
		"OTP":           {"\x00alice", "init-word:FOWL KID MASH DEAD DUAL OAF:md5 499 ke1235:INCH SEA ANNE LONG AHEM TOUR"},
		"DIGEST-MD5": {"", `charset=utf-8,username="alice",realm="line.example",nonce="x",nc=00000001,cnonce="y",digest-uri="pop/line.example",response=` +
			zeros + `,qop=auth`},
		"CRAM-MD5": {"", "alice " + zeros}, "PLAIN": {"\x00alice\x00wrong"}, "LOGIN": {"", "alice", "wrong"}, "EXTERNAL": {number},
	}
	for i, m := range Mechanisms() {
		f.Add(uint8(i), len(seeds[m][0]) > 0, []byte(strings.Join(seeds[m], "\xfe")))
	}
	b := newBook(f)
	hidden := unguessable()
	for name, a := range b.people {
		a.Hash, a.Secret, a.SCRAM, a.Digest = hidden, hidden, map[string]users.SCRAMKeys{}, nil
		for _, m := range Mechanisms() {
			if strings.HasPrefix(m, "SCRAM-") {
				a.SCRAM[m] = keys(f, m, hidden)
			}
		}
		d, err := users.DigestKeyFor("line.example", "MD5", a.Name, []byte(hidden))
		if err != nil {
			f.Fatal(err)
		}
		a.Digest = append(a.Digest, d)
		last, err := users.OTPStart("md5", "ke12345", []byte(hidden), 400)
		if err != nil {
			f.Fatal(err)
		}
		a.OTP = &users.OTP{Algorithm: "md5", Seed: "ke12345", Sequence: 400, Last: last}
		b.people[name] = a
	}
	f.Fuzz(func(t *testing.T, which uint8, initial bool, messages []byte) {
		mechanism := Mechanisms()[int(which)%len(Mechanisms())]
		x := pinned(b, "3rfcNHYJY1ZVvWVs7j")
		defer x.Close()
		steps := bytes.Split(messages, []byte{0xfe})
		var first []byte
		if initial {
			first = steps[0]
		}
		over := checked(t, x, hidden)
		over(x.Start(t.Context(), mechanism, first))
		for i, s := range steps {
			if initial && i == 0 {
				continue
			}
			over(x.Step(t.Context(), s))
		}
	})
}

// checked returns what looks at each result in turn.
func checked(t *testing.T, x *Exchange, hidden string) func(out []byte, code Code, detail string) {
	ended := false
	return func(out []byte, code Code, detail string) {
		switch i := code.info(); {
		case i.use != returned:
			t.Errorf("%v came out", code)
		case (out != nil) != (code == SASL_CONTINUE):
			t.Errorf("%q with %v", out, code)
		case ended && code != SASL_FAIL:
			t.Errorf("%v after the end", code)
		case code == SASL_OK && x.mechanism.name != "EXTERNAL":
			t.Errorf("%s let %q in", x.mechanism.name, x.Name())
		case strings.Contains(detail, hidden) || strings.Contains(string(out), hidden):
			t.Errorf("the secret is in %q, %q", out, detail)
		case len(x.Name()) > maxField:
			t.Errorf("a name of %d bytes", len(x.Name()))
		}
		if _, ok := x.Identity(); ok != (code == SASL_OK) {
			t.Errorf("identity with %v", code)
		}
		ended = ended || code != SASL_CONTINUE
	}
}

// FuzzOTPResponse parses, prints and parses again.
func FuzzOTPResponse(f *testing.F) {
	for _, s := range []string{
		"hex:5bf075d9959d036f", "word:BOND FOGY DRAB NE RISE MART", "init-hex:5bf075d9959d036f:md5 499 ke1235:3712dcb4aa5316c1",
		"init-word:BOND FOGY DRAB NE RISE MART:sha1 2 a:bond fogy drab ne rise mart", "word:FOWL KID MASH DEAD DUAL NUT", "HEX : 5b f0 75 d9 95 9d 03 6f",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseOTP(text)
		if err != nil {
			return
		}
		if len(r.value) != users.OTPSize || r.renew != nil && (len(r.renew.Last) != users.OTPSize || !users.ValidSeed(r.renew.Seed)) {
			t.Fatalf("%+v", r)
		}
		for _, form := range []string{"hex:" + hex.EncodeToString(r.value), "word:" + inWords(r.value)} {
			if again, err := parseOTP(form); err != nil || !bytes.Equal(again.value, r.value) {
				t.Errorf("%q is %x, then %x, %v", form, r.value, again.value, err)
			}
		}
	})
}

// FuzzOTPWords writes a one-time password in words, reads it, and finds each change of one word's parity.
func FuzzOTPWords(f *testing.F) {
	f.Add(uint64(0x9E876134D90499DD))
	f.Add(uint64(0))
	f.Add(^uint64(0))
	dictionary := strings.Fields(otpDictionary)
	f.Fuzz(func(t *testing.T, v uint64) {
		value, _ := hex.DecodeString(hexOf(v))
		words := inWords(value)
		if again, err := otpWords(words); err != nil || !bytes.Equal(again, value) {
			t.Fatalf("%x: %s: %x, %v", value, words, again, err)
		}
		right := strings.Fields(words)
		for parity := range uint64(4) {
			last := dictionary[v<<2&0x7ff|parity]
			if _, err := otpWords(strings.Join(append(right[:5:5], last), " ")); (err == nil) != (last == right[5]) {
				t.Errorf("%s with %s: %v", words, last, err)
			}
		}
	})
}
