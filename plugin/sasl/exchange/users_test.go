package exchange

import (
	"bytes"
	"encoding/hex"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"rashost/plugin/users"
)

// userFile is a user file as `rashost user` makes it, with what every mechanism needs, and the host's view of it.
func userFile(t *testing.T) (Config, *users.File, *bytes.Buffer) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users.yaml")
	file, err := users.NewFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v := users.Verifiers{
		Hash: true, Plain: true, SCRAM: []string{"SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"},
		Digest: []users.DigestKind{{Realm: "line.example", Algorithm: "MD5"}},
	}
	for _, name := range []string{"Alice", "dora", number} {
		if err := file.Add(name, []byte(secret), v); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.StartOTP("Alice", "md5", []byte(passPhrase)); err != nil {
		t.Fatal(err)
	}
	if err := file.SetDisabled("dora", true); err != nil {
		t.Fatal(err)
	}
	log := new(bytes.Buffer)
	store, err := users.OpenStore(path, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	hashes, err := users.NewHashes()
	if err != nil {
		t.Fatal(err)
	}
	c := config(nil)
	c.Accounts, c.Passwords, c.Log, c.Now = store, hashes, slog.New(slog.NewTextHandler(log, nil)), nil
	return c, file, log
}

// answers are the client's messages by mechanism; a function answers what it has heard.
func answers(t *testing.T, mechanism, name, secret string) func(x *Exchange) (Code, string) {
	return func(x *Exchange) (Code, string) {
		switch mechanism {
		case "DIGEST-MD5":
			challenge := begin(t, x, mechanism, nil)
			_, code, detail := x.Step(t.Context(), []byte(digestAnswer(challenge, name, digestOf(challenge, name, secret))))
			if code == SASL_CONTINUE {
				_, code, detail = x.Step(t.Context(), nil)
			}
			return code, detail
		case "OTP":
			f := strings.Fields(begin(t, x, mechanism, []byte("\x00"+name)))
			number := 0
			for _, digit := range f[1] {
				number = number*10 + int(digit-'0')
			}
			value, err := users.OTPStart(strings.TrimPrefix(f[0], "otp-"), f[2], []byte(secret), number)
			if err != nil {
				t.Fatal(err)
			}
			_, code, detail := x.Step(t.Context(), []byte("hex:"+hex.EncodeToString(value)))
			return code, detail
		case "LOGIN":
			begin(t, x, mechanism, nil)
			_, _, _ = x.Step(t.Context(), []byte(name))
			_, code, detail := x.Step(t.Context(), []byte(secret))
			return code, detail
		default:
			code, detail, err := logIn(t, x, mechanism, name, secret)
			if err != nil {
				t.Error(err)
			}
			return code, detail
		}
	}
}

// With the real user file, hashes and Digest: every mechanism lets Alice in by her secret, and nobody else, and the log holds no secret.
func TestRealUsers(t *testing.T) {
	c, _, log := userFile(t)
	for _, m := range []string{"SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "OTP", "DIGEST-MD5", "PLAIN", "LOGIN"} {
		right, wrong := secret, "wonderland 8"
		if m == "OTP" {
			right, wrong = passPhrase, "That is a test."
		}
		x := New(c)
		if code, detail := answers(t, m, "Alice", right)(x); code != SASL_OK {
			t.Errorf("%s: %v, %s", m, code, detail)
		}
		if user, ok := x.Identity(); !ok || user != "Alice" {
			t.Errorf("%s: %q, %v", m, user, ok)
		}
		for _, who := range [][2]string{{"Alice", wrong}, {"dora", right}, {"mallory", right}} {
			if code, detail := answers(t, m, who[0], who[1])(New(c)); code != SASL_BADAUTH || strings.Contains(detail, who[1]) {
				t.Errorf("%s: %s: %v, %s", m, who[0], code, detail)
			}
		}
	}
	if strings.Contains(log.String(), "wonderland") || strings.Contains(log.String(), "a test") {
		t.Errorf("log: %s", log)
	}
}

// Where passwords are stored as they are, for CRAM-MD5; and by number.
func TestRealUsersByTheRest(t *testing.T) {
	c, _, _ := userFile(t)
	x := pinned(nil, "3rfcNHYJY1ZVvWVs7j")
	now := x.config.Now
	x.config = c
	x.config.Now = now
	play(t, x, "CRAM-MD5", turn{none, "<3rfcNHYJY1ZVvWVs7j.1772366400@line.example>", SASL_CONTINUE, ""},
		turn{"alice 5dfee243a849e59fad1c79654c1a5642", "", SASL_OK, ""})
	play(t, New(c), "EXTERNAL", turn{"", "", SASL_OK, ""})
}

// The user file has the state of the last login: one-time passwords count down in it, and a renewal is kept.
func TestRealOneTimePasswords(t *testing.T) {
	c, file, _ := userFile(t)
	left := func() int {
		list, err := file.List()
		if err != nil {
			t.Fatal(err)
		}
		return list[0].OTPLeft
	}
	before := left()
	for i := range 3 {
		if code, detail := answers(t, "OTP", "alice", passPhrase)(New(c)); code != SASL_OK {
			t.Fatalf("%v, %s", code, detail)
		}
		if got := left(); got != before-1-i {
			t.Errorf("%d left, there were %d", got, before)
		}
	}
	// Two with one challenge.
	one, two := New(c), New(c)
	f := strings.Fields(begin(t, one, "OTP", []byte("\x00alice")))
	begin(t, two, "OTP", []byte("\x00alice"))
	value, err := users.OTPStart("md5", f[2], []byte(passPhrase), users.OTPSequence-4)
	if err != nil {
		t.Fatal(err)
	}
	renewal := "init-hex:" + hex.EncodeToString(value) + ":md5 499 ke1235:3712dcb4aa5316c1"
	if _, code, detail := one.Step(t.Context(), []byte(renewal)); code != SASL_OK {
		t.Errorf("%v, %s", code, detail)
	}
	if _, code, detail := two.Step(t.Context(), []byte("hex:"+hex.EncodeToString(value))); code != SASL_BADAUTH || !strings.Contains(detail, "first") {
		t.Errorf("%v, %s", code, detail)
	}
	if heard := begin(t, New(c), "OTP", []byte("\x00alice")); heard != "otp-md5 498 ke1235 ext" {
		t.Errorf("%q", heard)
	}
	if code, detail := answers(t, "OTP", "alice", passPhrase)(New(c)); code != SASL_OK {
		t.Errorf("%v, %s", code, detail)
	}
}
