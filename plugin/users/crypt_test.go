package users

import (
	"fmt"
	"strings"
	"testing"
)

// The hashes of "correct horse" as libxcrypt makes them.
var glibcHashes = map[string]string{
	"yescrypt":        "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$zwtVrjrUCmXcyLTs6oxLTQlzifSUkF8RHJ./tK5KU79",
	"sha512crypt":     "$6$saltstring$.r0X7ub5wGR2v4Xz7svCIozfnlorFh19V89t8KC9Umd81uGhFgsyTRNyzQDXDIm17fFcR9z3z7oBNdsyYBbtm/",
	"sha512crypt 10k": "$6$rounds=10000$saltstring$RSYX800PBUlPFzt5jRv2um1cURoaxGG39HgaJQWZRCbrFkEiv0mjfWp5SP56VAr33R/Th91SsTRNAtZHhoQFt1",
	"sha256crypt":     "$5$saltstring$vc6YOOogU4kWVvwga8e9zTFgKcy4tb5LaPxIiPJzqEC",
	"sha256crypt 1k5": "$5$rounds=1500$abc$LTUJo9g9TcGjkxppJwl7VgBgn2hcOybCSwIyV3sw9KA",
	"bcrypt 2b":       "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
	"bcrypt 2a":       "$2a$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
	"bcrypt 2y":       "$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
}

func mustHasher(t testing.TB) *hasher {
	t.Helper()
	h, err := newHasher()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHashesOfOtherSystemsMatch(t *testing.T) {
	h := mustHasher(t)
	match := func(hash, secret string) bool {
		t.Helper()
		p, err := h.parse(hash)
		if err != nil {
			t.Fatalf("%s: %v", hash, err)
		}
		if p.current {
			t.Errorf("%s counts as the default hash", hash)
		}
		return p.digest.MatchBytes([]byte(secret))
	}
	for name, hash := range glibcHashes {
		if !match(hash, "correct horse") || match(hash, "correct horsf") || match(hash, "") {
			t.Errorf("%s: wrong result", name)
		}
	}
	// argon2's own test suite
	if !match("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password") {
		t.Error("argon2id: wrong result")
	}
	// libxcrypt, 80 times x: bcrypt uses 72 bytes
	if !match("$2b$05$abcdefghijklmnopqrstuujf8SX2ahXLwp9w/B.Y5XdysS6yR576q", strings.Repeat("x", 80)) {
		t.Error("bcrypt: a long password does not match")
	}
	if !match("$y$j75$saltsalt$hv0GJorACrJSsQi6r2hfHyDKk4kgbotqRG.SJaMuxB.", "p\xc3\xa4ss") {
		t.Error("yescrypt: a password beyond ASCII does not match")
	}
}

func TestDefaultHash(t *testing.T) {
	h := mustHasher(t)
	text, err := h.make([]byte("sesame"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(text, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("the default hash is %s", text)
	}
	p, err := h.parse(text)
	if err != nil || !p.current || p.kind != "argon2id" || !p.digest.MatchBytes([]byte("sesame")) || p.digest.MatchBytes([]byte("Sesame")) {
		t.Errorf("parse: %+v, %v", p, err)
	}
}

// What would cost too much, or anything that is not exactly one of the accepted forms, is refused before it is computed.
func TestHashRefused(t *testing.T) {
	const argon = "$argon2id$v=19$m=%s,t=%s,p=%s$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	key43, key86 := strings.Repeat("a", 43), strings.Repeat("a", 86)
	for hash, want := range map[string]string{
		fmt.Sprintf(argon, "4294967295", "1", "1"):                     "m is 4294967295",
		fmt.Sprintf(argon, "262145", "1", "1"):                         "m is 262145",
		fmt.Sprintf(argon, "8", "1", "1"):                              "m is 8",
		fmt.Sprintf(argon, "19456", "11", "1"):                         "t is 11",
		fmt.Sprintf(argon, "19456", "0", "1"):                          "t is 0",
		fmt.Sprintf(argon, "19456", "1", "5"):                          "p is 5",
		fmt.Sprintf(argon, "19456", "1", "0"):                          "p is 0",
		"$2b$15$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2": "cost is 15",
		"$2b$03$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2": "cost is 03",
		"$6$rounds=1000001$salt$" + key86:                              "rounds is 1000001",
		"$6$rounds=999999999$salt$" + key86:                            "rounds is 999999999",
		"$5$rounds=999$salt$" + key43:                                  "rounds is 999",
		"$y$jzT$salt$" + key43:                                         "N=2^64",
		"$y$jGz$salt$" + key43:                                         "MiB",
		"$y$k9T$salt$" + key43:                                         "not a hash",
		"$plaintext$sesame":                                            "not a hash",
		"sesame":                                                       "not a hash",
		"$1$salt$" + strings.Repeat("a", 22):                           "not a hash",
		"$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc": "not a hash",
		"$2x$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2":                          "not a hash",
		"$2b$05$short":                         "not a hash",
		"{CRYPT}" + glibcHashes["sha512crypt"]: "not a hash",
		glibcHashes["sha512crypt"] + "\n":      "not a hash",
	} {
		_, err := mustHasher(t).parse(hash)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", hash, err, want)
		} else if strings.Contains(err.Error(), key43) || strings.Contains(err.Error(), "NbAKRh") {
			t.Errorf("the error repeats the hash: %v", err)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	for _, hash := range glibcHashes {
		f.Add(hash)
	}
	f.Add("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	h := mustHasher(f)
	f.Fuzz(func(t *testing.T, hash string) {
		if p, err := h.parse(hash); err == nil && (p.digest == nil || p.kind == "") {
			t.Fatalf("%q: %+v", hash, p)
		}
	})
}
