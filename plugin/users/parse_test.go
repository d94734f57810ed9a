package users

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

func TestUserFileFaults(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":            {"", "empty"},
		"no version":       {"users: []\n", "line 1: version: 1 is missing"},
		"future version":   {"version: 2\n", "line 1: version must be 1"},
		"unknown key":      {"version: 1\nuser: []\n", `line 2: the file: unknown key "user"`},
		"unknown user key": {oneUser("a", cheapHash) + "    shell: /bin/sh\n", `line 5: user: unknown key "shell"`},
		"key twice":        {oneUser("a", cheapHash) + "    name: b\n", `line 5: user: "name" stands twice`},
		"name twice":       {oneUser("a", cheapHash) + "  - {name: A, hash: " + cheapHash + "}\n", `line 5: name: "A" stands on line 3 already`},
		"bad name":         {oneUser("-a", cheapHash), `line 3: name: "-a" is not allowed`},
		"no name":          {"version: 1\nusers:\n  - hash: " + cheapHash + "\n", `line 3: name: "" is not allowed`},
		"no hash":          {"version: 1\nusers:\n  - name: a\n", "line 3: hash is missing"},
		"bad hash":         {oneUser("a", "plain"), "line 4: hash: not a hash that is accepted"},
		"dear hash":        {oneUser("a", strings.Replace(cheapHash, "$05$", "$31$", 1)), "line 4: hash: bcrypt: cost is 31"},
		"bad time":         {oneUser("a", cheapHash) + "    created: soon\n", "line 5: created: wrong kind of value"},
		"bad disabled":     {oneUser("a", cheapHash) + "    disabled: [yes]\n", "line 5: disabled: wrong kind of value"},
		"not a list":       {"version: 1\nusers: {a: b}\n", "line 2: users must be a list"},
		"not a mapping":    {"version: 1\nusers:\n  - alice\n", "line 3: user must be a mapping"},
		"scalar":           {"hello\n", "line 1: the file must be a mapping"},
		"second document":  {"version: 1\n---\nversion: 1\n", "more than one YAML document"},
		"alias":            {"version: 1\nusers:\n  - {name: &x a, hash: " + cheapHash + "}\n", "line 3: user: anchors and aliases are not allowed"},
		"syntax":           {"version: [1\n", "yaml: line"},
		"all at once":      {oneUser("-a", "plain") + "  - name: b\n", "line 5: hash is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeUsers(t, c.text)
			_, err := mustFile(t, path).List()
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want %q with the path", err, c.want)
			}
			if err := mustFile(t, path).Add("bob", []byte("x"), Verifiers{}); err == nil {
				t.Error("Add changed a broken file")
			}
			if got, _ := os.ReadFile(path); string(got) != c.text {
				t.Errorf("the broken file was changed to %q", got)
			}
		})
	}
}

// fullUser has everything that the file can keep of a user.
const fullUser = `version: 1
users:
  - name: alice
    scram:
      SCRAM-SHA-256:
        iterations: 15000
        salt: W22ZaJ0SNY7soEsUEjb6gQ==
        stored_key: WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=
        server_key: wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=
    digest:
      - {realm: rashost, algorithm: MD5, ha1: 939e7578ed9e3c518a452acee763bce9, latin1: 39aff3a2bab6126f332b942af96d3366}
      - {realm: rashost, algorithm: SHA-256, ha1: 753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1}
    secret: "sesame: #1"
    otp: {algorithm: md5, seed: ke1234, sequence: 499, last: 5bf075d9959d036f}
`

func TestFullUser(t *testing.T) {
	users, err := parseUsers([]byte(fullUser), mustHasher(t))
	if err != nil || len(users) != 1 {
		t.Fatal(users, err)
	}
	u := users[0]
	k := u.SCRAM["SCRAM-SHA-256"]
	want, err := SCRAMKeysFor("SCRAM-SHA-256", []byte("pencil"), k.Salt, 4096)
	if err != nil || !bytes.Equal(k.StoredKey, want.StoredKey) || !bytes.Equal(k.ServerKey, want.ServerKey) || k.Iterations != 15000 {
		t.Errorf("scram: %+v, %v", k, err)
	}
	if len(u.Digest) != 2 || u.Digest[0].HA1[0] != 0x93 || u.Digest[0].Latin1[0] != 0x39 || u.Digest[1].Algorithm != "SHA-256" || u.Digest[1].Latin1 != nil {
		t.Errorf("digest: %+v", u.Digest)
	}
	if o := u.OTP; o.Algorithm != "md5" || o.Seed != "ke1234" || o.Sequence != 499 || len(o.Last) != 8 || u.Secret != "sesame: #1" || u.Hash != "" {
		t.Errorf("%+v, %+v", u, o)
	}
}

// Every fault has its place, and none repeats what is secret.
func TestVerifierFaults(t *testing.T) {
	for name, c := range map[string]struct{ old, put, want string }{
		"mechanism":         {"SCRAM-SHA-256:", "SCRAM-MD5:", `line 5: scram: unknown key "SCRAM-MD5"`},
		"scram key":         {"salt:", "sault:", `line 7: SCRAM-SHA-256: unknown key "sault"`},
		"scram key missing": {"        iterations: 15000\n", "", "line 6: SCRAM-SHA-256: iterations is missing"},
		"scram key twice":   {"        salt:", "        iterations: 15000\n        salt:", `line 7: SCRAM-SHA-256: "iterations" stands twice`},
		"few iterations":    {"15000", "4095", "line 6: iterations is 4095, allowed is 4096 to 1000000"},
		"many iterations":   {"15000", "1000001", "line 6: iterations is 1000001"},
		"not a number":      {"15000", "many", "line 6: iterations: wrong kind of value"},
		"base64":            {"W22ZaJ0SNY7soEsUEjb6gQ==", "W22ZaJ0SNY7soEsUEjb6gQ=", "line 7: salt: not base64"},
		"base64 with bits":  {"W22ZaJ0SNY7soEsUEjb6gQ==", "W22ZaJ0SNY7soEsUEjb6gR==", "line 7: salt: not base64"},
		"base64 in lines":   {"W22ZaJ0SNY7soEsUEjb6gQ==", `"W22ZaJ0SNY7soEsU\nEjb6gQ=="`, "line 7: salt: not base64"},
		"short salt":        {"W22ZaJ0SNY7soEsUEjb6gQ==", "W22ZaA==", "line 7: salt has 4 bytes, allowed are 8 to 64"},
		"short key":         {"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=", "W22ZaJ0SNY7soEsUEjb6gQ==", "line 8: stored_key has 16 bytes, it must have 32"},
		"key as a list":     {"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=", "[]", "line 9: server_key: wrong kind of value"},
		"keys as a list":    {"scram:", "scram: []\n    scrum:", "line 4: scram must be a mapping"},
		"digest twice":      {"SHA-256, ha1: 753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1", "MD5, ha1: 939e7578ed9e3c518a452acee763bce9", `line 12: digest: MD5 of realm "rashost" stands twice`},
		"digest algorithm":  {"algorithm: MD5", "algorithm: SHA-1", "line 11: digest: algorithm must be MD5 or SHA-256"},
		"digest key":        {"algorithm: MD5", "algo: MD5", `line 11: digest: unknown key "algo"`},
		"digest no realm":   {"{realm: rashost, algorithm: MD5", "{algorithm: MD5", "line 11: digest: realm is missing"},
		"digest no ha1":     {"ha1: 939e7578ed9e3c518a452acee763bce9, ", "", "line 11: digest: ha1 is missing"},
		"digest realm":      {"{realm: rashost, algorithm: MD5", `{realm: "a\nb", algorithm: MD5`, "line 11: realm: the realm is not UTF-8 or contains a control character"},
		"hex":               {"939e7578ed9e3c518a452acee763bce9", "939e7578ed9e3c518a452acee763bcex", "line 11: ha1: not hexadecimal"},
		"short hex":         {"939e7578ed9e3c518a452acee763bce9", "939e7578ed9e3c518a452acee763bc", "line 11: ha1 has 15 bytes, it must have 16"},
		"short latin1":      {"39aff3a2bab6126f332b942af96d3366", "39aff3", "line 11: latin1 has 3 bytes, it must have 16"},
		"digest no list":    {"digest:", "digest: {}\n    digust:", "line 10: digest must be a list"},
		"empty secret":      {`"sesame: #1"`, `""`, "line 13: secret: the password is empty"},
		"long secret":       {`"sesame: #1"`, strings.Repeat("sesame: #1", 20), "line 13:"},
		"otp algorithm":     {"algorithm: md5", "algorithm: md6", "line 14: otp: the algorithm of one-time passwords"},
		"otp seed":          {"ke1234", "ke-1234", "line 14: otp: the seed must be 1 to 16 letters and digits"},
		"otp sequence":      {"499", "10000", "line 14: sequence is 10000, allowed is 0 to 9999"},
		"otp short":         {"5bf075d9959d036f", "5bf0", "line 14: last has 2 bytes, it must have 8"},
		"otp key":           {"seed:", "sead:", `line 14: otp: unknown key "sead"`},
		"otp missing":       {"sequence: 499, ", "", "line 14: otp: sequence is missing"},
		"otp scalar":        {"{algorithm: md5, seed: ke1234, sequence: 499, last: 5bf075d9959d036f}", "yes", "line 14: otp must be a mapping"},
	} {
		text := strings.Replace(fullUser, c.old, c.put, 1)
		if text == fullUser {
			t.Fatalf("%s: nothing was replaced", name)
		}
		_, err := parseUsers([]byte(text), mustHasher(t))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
			continue
		}
		for _, secret := range []string{"W22Z", "WG5d", "939e", "sesame", "5bf0"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error repeats what is secret: %v", name, err)
			}
		}
	}
	many := fullUser[:strings.Index(fullUser, "      - {realm")]
	for i := range maxDigests + 1 {
		many += fmt.Sprintf("      - {realm: r%d, algorithm: MD5, ha1: 939e7578ed9e3c518a452acee763bce9}\n", i)
	}
	if _, err := parseUsers([]byte(many), mustHasher(t)); err == nil || !strings.Contains(err.Error(), "digest: more than 64") {
		t.Errorf("many digests: %v", err)
	}
}

func FuzzParseUsers(f *testing.F) {
	f.Add([]byte(fullUser))
	f.Add([]byte(oneUser("alice", cheapHash)))
	f.Add([]byte("version: 1\nusers: []\n"))
	f.Add([]byte("version: 1\nusers:\n  - {name: a, hash: " + glibcHashes["yescrypt"] + ", disabled: true, created: 2026-01-02T03:04:05Z}\n"))
	f.Add([]byte("a: &a [*a, *a]\n---\n"))
	h := mustHasher(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		users, err := parseUsers(data, h)
		if err != nil {
			return
		}
		text, err := formatUsers(users)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseUsers(text, h)
		if err != nil || len(again) != len(users) {
			t.Fatalf("written as %q, which reads as %v, %v", text, again, err)
		}
		for i, u := range users {
			a := again[i]
			if !a.Created.Equal(u.Created) || !a.Changed.Equal(u.Changed) {
				t.Fatalf("%+v became %+v", u, a)
			}
			a.Created, a.Changed = u.Created, u.Changed
			if !reflect.DeepEqual(a, u) || u.Verifiers().Empty() {
				t.Fatalf("%+v became %+v", u, a)
			}
		}
	})
}
