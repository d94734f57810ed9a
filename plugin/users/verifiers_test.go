package users

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// everything is what a user can have from a password.
var everything = Verifiers{
	Hash: true, SCRAM: []string{"SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"},
	Digest: []DigestKind{{"rashost", "MD5"}, {"rashost", "SHA-256"}}, Plain: true,
}

// readAccount reads one user of a file.
func readAccount(t testing.TB, path, name string) Account {
	t.Helper()
	s, err := OpenStore(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, ok, err := s.Lookup(t.Context(), name)
	if !ok || err != nil {
		t.Fatalf("%s: %v, %v", name, ok, err)
	}
	return a
}

// What is asked for is kept, and nothing else.
func TestExactlyTheNeededVerifiersAreKept(t *testing.T) {
	for name, c := range map[string]struct{ ask, want Verifiers }{
		"nothing": {Verifiers{}, Verifiers{Hash: true}},
		"hash":    {Verifiers{Hash: true}, Verifiers{Hash: true}},
		"scram":   {Verifiers{SCRAM: []string{"SCRAM-SHA-256"}}, Verifiers{SCRAM: []string{"SCRAM-SHA-256"}}},
		"digest":  {Verifiers{Digest: everything.Digest}, Verifiers{Digest: everything.Digest}},
		"plain":   {Verifiers{Plain: true}, Verifiers{Plain: true}},
		"all":     {everything, everything},
		"otp":     {Verifiers{OTP: true}, Verifiers{OTP: true}},
		"otp too": {Verifiers{OTP: true, Hash: true}, Verifiers{Hash: true}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "users.yaml")
			f := mustFile(t, path)
			if err := f.Add("Alice", []byte("correct horse"), c.ask); err != nil {
				t.Fatal(err)
			}
			a := readAccount(t, path, "alice")
			if got := a.Verifiers(); !reflect.DeepEqual(got, c.want) {
				t.Errorf("kept are %+v, want %+v", got, c.want)
			}
			text, err := os.ReadFile(path)
			if err != nil || strings.Contains(string(text), "correct horse") != c.want.Plain {
				t.Errorf("the password itself in the file: %v\n%s", err, text)
			}
			entries, err := f.List()
			if err != nil || !reflect.DeepEqual(entries[0].Has, c.want) {
				t.Errorf("List says %+v, %v", entries, err)
			}
		})
	}
}

// A Digest key is of the name as it was added, also when the password is changed under another spelling of it.
func TestDigestKeyIsOfTheNameAsAdded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yaml")
	f := mustFile(t, path)
	v := Verifiers{Digest: []DigestKind{{"rashost", "MD5"}}}
	if err := f.Add("Alice", []byte("old"), v); err != nil {
		t.Fatal(err)
	}
	if err := f.Passwd("aLICE", []byte("new"), v); err != nil {
		t.Fatal(err)
	}
	want, err := DigestKeyFor("rashost", "MD5", "Alice", []byte("new"))
	if a := readAccount(t, path, "alice"); err != nil || !reflect.DeepEqual(a.Digest, []DigestKey{want}) {
		t.Errorf("%+v, want %+v, %v", a.Digest, want, err)
	}
}

// After a new password nothing lets the old one in.
func TestPasswdReplacesAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yaml")
	f := mustFile(t, path)
	if err := f.Add("alice", []byte("old secret"), everything); err != nil {
		t.Fatal(err)
	}
	if err := f.StartOTP("alice", "sha1", []byte("another pass phrase")); err != nil {
		t.Fatal(err)
	}
	if err := f.SetDisabled("alice", true); err != nil {
		t.Fatal(err)
	}
	old := readAccount(t, path, "alice")
	if old.OTP == nil || old.OTP.Sequence != OTPSequence || old.OTP.Algorithm != "sha1" {
		t.Fatalf("one-time passwords: %+v", old.OTP)
	}

	if err := f.Passwd("alice", []byte("new secret"), Verifiers{}); err != nil { // as before
		t.Fatal(err)
	}
	a := readAccount(t, path, "alice")
	if !reflect.DeepEqual(a.Verifiers(), old.Verifiers()) || !reflect.DeepEqual(a.OTP, old.OTP) || !a.Disabled || !a.Created.Equal(old.Created) {
		t.Errorf("%+v", a)
	}
	if a.Hash == old.Hash || a.Secret != "new secret" {
		t.Error("hash or secret are the old ones")
	}
	for mechanism, k := range a.SCRAM {
		if reflect.DeepEqual(k, old.SCRAM[mechanism]) {
			t.Errorf("%s is the old one", mechanism)
		}
	}
	for i, k := range a.Digest {
		if reflect.DeepEqual(k, old.Digest[i]) {
			t.Errorf("digest %s is the old one", k.Algorithm)
		}
	}

	if err := f.Passwd("alice", []byte("third secret"), Verifiers{SCRAM: []string{"SCRAM-SHA-256"}}); err != nil {
		t.Fatal(err)
	}
	want := Verifiers{SCRAM: []string{"SCRAM-SHA-256"}, OTP: true}
	if got := readAccount(t, path, "alice").Verifiers(); !reflect.DeepEqual(got, want) {
		t.Errorf("kept are %+v, want %+v", got, want)
	}
	if err := f.Passwd("alice", []byte("only one-time"), Verifiers{OTP: true}); err != nil {
		t.Fatal(err)
	}
	if a = readAccount(t, path, "alice"); a.SCRAM != nil || reflect.DeepEqual(a.OTP, old.OTP) || a.OTP.Algorithm != "md5" {
		t.Errorf("one-time passwords alone: %+v", a)
	}
}

func TestStartOTP(t *testing.T) {
	path := writeUsers(t, oneUser("alice", cheapHash))
	f := mustFile(t, path)
	phrase := []byte("This is a test.")
	if err := f.StartOTP("ALICE", "", phrase); err != nil {
		t.Fatal(err)
	}
	o := readAccount(t, path, "alice").OTP
	if want, err := OTPStart(o.Algorithm, o.Seed, phrase, 499); err != nil || o.Algorithm != "md5" || o.Sequence != 499 || string(o.Last) != string(want) {
		t.Errorf("%+v, %v", o, err)
	}
	if entries, err := f.List(); err != nil || entries[0].OTPLeft != 499 {
		t.Errorf("%+v, %v", entries, err)
	}
	for what, c := range map[string]struct {
		err, want error
	}{
		"unknown user": {f.StartOTP("bob", "", phrase), ErrNoUser}, "short": {f.StartOTP("alice", "", []byte("short")), ErrPassPhrase},
		"md4": {f.StartOTP("alice", "md4", phrase), errAlgorithm},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v", what, c.err)
		}
	}
	if text, err := os.ReadFile(path); err != nil || strings.Contains(string(text), string(phrase)) {
		t.Errorf("the pass phrase is in the file: %v", err)
	}
}

// A verifier that can't be made keeps the file as it was.
func TestVerifiersThatCanNotBeMade(t *testing.T) {
	path := writeUsers(t, oneUser("alice", cheapHash))
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := mustFile(t, path)
	for name, c := range map[string]struct {
		secret string
		v      Verifiers
	}{
		"not UTF-8 for SCRAM":    {"p\xe4ss", Verifiers{SCRAM: []string{"SCRAM-SHA-256"}}},
		"not UTF-8 for CRAM-MD5": {"p\xe4ss", Verifiers{Plain: true}},
		"prohibited":             {"p\x07ss", Verifiers{SCRAM: []string{"SCRAM-SHA-256"}}},
		"mechanism":              {"sesame", Verifiers{SCRAM: []string{"SCRAM-MD5"}}},
		"realm":                  {"sesame", Verifiers{Digest: []DigestKind{{"a\nb", "MD5"}}}},
		"algorithm":              {"sesame", Verifiers{Digest: []DigestKind{{"a", "SHA-1"}}}},
		"pass phrase":            {"sesame", Verifiers{OTP: true}},
	} {
		for what, err := range map[string]error{
			"Add": f.Add("bob", []byte(c.secret), c.v), "Passwd": f.Passwd("alice", []byte(c.secret), c.v),
		} {
			if err == nil || strings.Contains(err.Error(), c.secret) {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the file was changed to %s, %v", after, err)
	}
}

func TestVerifiersAsSets(t *testing.T) {
	md5, sha := DigestKind{"r", "MD5"}, DigestKind{"r", "SHA-256"}
	a := Verifiers{SCRAM: []string{"SCRAM-SHA-512", "SCRAM-SHA-256"}, Digest: []DigestKind{sha}, OTP: true}
	b := Verifiers{Hash: true, SCRAM: []string{"SCRAM-SHA-256"}, Digest: []DigestKind{md5, sha}, Plain: true}
	union := Verifiers{Hash: true, SCRAM: []string{"SCRAM-SHA-256", "SCRAM-SHA-512"}, Digest: []DigestKind{md5, sha}, Plain: true, OTP: true}
	if got := a.Union(b); !reflect.DeepEqual(got, union) || !reflect.DeepEqual(b.Union(a), union) {
		t.Errorf("union %+v", got)
	}
	if got := a.Without(b); !got.OTP || got.Hash || got.Plain || !slices.Equal(got.SCRAM, []string{"SCRAM-SHA-512"}) || len(got.Digest) != 0 {
		t.Errorf("a without b %+v", got)
	}
	if got := b.Without(a); !got.Hash || !got.Plain || got.OTP || len(got.SCRAM) != 0 || !slices.Equal(got.Digest, []DigestKind{md5}) {
		t.Errorf("b without a %+v", got)
	}
	if !a.Without(union).Empty() || a.Empty() || !(Verifiers{}).Empty() || (Verifiers{OTP: true}).Empty() {
		t.Error("wrong about emptiness")
	}
	if a.OnlyOTP() || !(Verifiers{OTP: true}).OnlyOTP() || (Verifiers{}).OnlyOTP() {
		t.Error("wrong about one-time passwords alone")
	}
	want := []string{"password", "SCRAM-SHA-256", "SCRAM-SHA-512", `digest MD5 "r"`, `digest SHA-256 "r"`, "CRAM-MD5", "OTP"}
	if got := union.Names(); !slices.Equal(got, want) {
		t.Errorf("names %q", got)
	}
}

func TestListMarksOtherIterations(t *testing.T) {
	k, err := SCRAMKeysFor("SCRAM-SHA-256", []byte("pencil"), []byte("12345678"), 4096)
	if err != nil {
		t.Fatal(err)
	}
	text, err := formatUsers([]Account{{Name: "alice", SCRAM: map[string]SCRAMKeys{"SCRAM-SHA-256": k}}})
	if err != nil {
		t.Fatal(err)
	}
	f := mustFile(t, writeUsers(t, string(text)))
	entries, err := f.List()
	if err != nil || !strings.Contains(entries[0].Mark, "SCRAM-SHA-256 has 4096 iterations, not 15000") || entries[0].Kind != "" {
		t.Errorf("%+v, %v", entries, err)
	}
	if err := f.Passwd("alice", []byte("pencil"), Verifiers{}); err != nil {
		t.Fatal(err)
	}
	if entries, err = f.List(); err != nil || entries[0].Mark != "" {
		t.Errorf("after passwd: %+v, %v", entries, err)
	}
}

// The time that `rashost user add` spends on a password.
func BenchmarkAdd(b *testing.B) {
	for name, v := range map[string]Verifiers{"hash": {Hash: true}, "SCRAM-SHA-256": {SCRAM: []string{"SCRAM-SHA-256"}}, "everything": everything} {
		b.Run(name, func(b *testing.B) {
			f := mustFile(b, filepath.Join(b.TempDir(), "users.yaml"))
			for b.Loop() {
				if err := f.make(&Account{Name: "alice"}, []byte("correct horse"), v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
