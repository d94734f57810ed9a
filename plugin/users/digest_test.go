package users

import (
	"crypto/md5"
	"encoding/hex"
	"strings"
	"testing"
)

func TestDigestKey(t *testing.T) {
	// RFC 2617, section 3.5
	k, err := DigestKeyFor("testrealm@host.com", "MD5", "Mufasa", []byte("Circle Of Life"))
	if err != nil || hex.EncodeToString(k.HA1) != "939e7578ed9e3c518a452acee763bce9" || k.Latin1 != nil {
		t.Errorf("%+v, %v", k, err)
	}
	// RFC 7616, section 3.9.1: the key leads to the response that is printed there.
	k, err = DigestKeyFor("http-auth@example.org", "SHA-256", "Mufasa", []byte("Circle of Life"))
	if err != nil || len(k.HA1) != 32 || k.Latin1 != nil {
		t.Fatalf("%+v, %v", k, err)
	}
	const rest = ":7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v:00000001:f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ:auth:"
	hash := func(text string) string {
		h := digestHash("SHA-256")()
		h.Write([]byte(text))
		return hex.EncodeToString(h.Sum(nil))
	}
	got := hash(hex.EncodeToString(k.HA1) + rest + hash("GET:/dir/index.html"))
	if got != "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1" {
		t.Errorf("response %s", got)
	}
}

func TestDigestKeyInLatin1(t *testing.T) {
	sum := func(text string) string {
		s := md5.Sum([]byte(text))
		return string(s[:])
	}
	for _, c := range []struct{ realm, name, secret, latin1 string }{
		{"r", "joe", "p\u00e4ss\u00ff", "joe:r:p\xe4ss\xff"},
		{"r", "j\u00f6rg", "\u20ac", "j\xf6rg:r:\u20ac"}, // each for itself
		{"\u00e4", "joe", "p\u00e4ss", "joe:\u00e4:p\xe4ss"},
		{"r", "joe", "\u20ac", ""},
		{"r", "joe", "p\xe4ss", ""}, // what is not UTF-8 has no other form
		{"\u00e4", "joe", "pass", ""},
	} {
		k, err := DigestKeyFor(c.realm, "MD5", c.name, []byte(c.secret))
		want := ""
		if c.latin1 != "" {
			want = sum(c.latin1)
		}
		if err != nil || string(k.HA1) != sum(c.name+":"+c.realm+":"+c.secret) || string(k.Latin1) != want {
			t.Errorf("%+v: %+v, %v", c, k, err)
		}
	}
}

func TestDigestKeyRefused(t *testing.T) {
	for name, c := range map[string]struct{ realm, algorithm string }{
		"algorithm": {"r", "SHA-512-256"}, "control": {"a\r\nb", "MD5"}, "not UTF-8": {"\xff", "MD5"}, "C1 control": {"a\u0085b", "MD5"},
		"long": {strings.Repeat("x", maxRealm+1), "MD5"}, "case": {"r", "md5"},
	} {
		if k, err := DigestKeyFor(c.realm, c.algorithm, "joe", []byte("x")); err == nil {
			t.Errorf("%s: %+v", name, k)
		}
	}
}
