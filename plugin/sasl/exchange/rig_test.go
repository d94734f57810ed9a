package exchange

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"hash"
	"maps"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rashost/plugin/users"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	secret     = "wonderland 7"
	passPhrase = "This is a test."
	number     = "5550100" // whom the network says is calling
	none       = "(none)"  // no initial response
)

// fakeKey is the key for unknown users in all tests.
var fakeKey = []byte("0123456789abcdef0123456789abcdef")

// epoch is the time in all tests that don't say another.
var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var errBroken = errors.New("the disk is broken")

// book is the accounts, in memory, and the hashes, where a hash is the secret itself.
type book struct {
	mu     sync.Mutex
	people map[string]users.Account
	broken error // what the accounts answer
	write  error // what UpdateOTP answers
	hashes error // what Check answers
	count  tally
}

// tally is the work that was done.
type tally struct {
	lookups, updates, checks int
	sums, bytes, otp         int // hashes that were finished, what went into them, one-time passwords
	secrets                  int // bytes of the secrets that were checked
}

func (b *book) Lookup(ctx context.Context, name string) (users.Account, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count.lookups++
	if err := errors.Join(b.broken, ctx.Err()); err != nil {
		return users.Account{}, false, err
	}
	a, ok := b.people[users.Fold(name)]
	return a, ok, nil
}

func (b *book) UpdateOTP(ctx context.Context, name string, old, next users.OTP) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count.updates++
	a, ok := b.people[users.Fold(name)]
	switch {
	case b.write != nil:
		return b.write
	case ctx.Err() != nil:
		return ctx.Err()
	case !ok:
		return users.ErrNoUser
	case a.OTP == nil || a.OTP.Seed != old.Seed || a.OTP.Sequence != old.Sequence || !bytes.Equal(a.OTP.Last, old.Last):
		return users.ErrChanged
	}
	a.OTP = &next
	b.people[users.Fold(name)] = a
	return nil
}

func (b *book) Check(ctx context.Context, hash string, secret []byte) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count.checks++
	b.count.secrets += len(secret)
	return hash != "" && hash == string(secret), errors.Join(b.hashes, ctx.Err())
}

// keys makes SCRAM keys as `rashost user add` does.
func keys(t testing.TB, mechanism, secret string) users.SCRAMKeys {
	t.Helper()
	k, err := users.SCRAMKeysFor(mechanism, []byte(secret), []byte("0123456789abcdef"), users.SCRAMIterations)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// oneTime is a state whose last one-time password had the number n.
func oneTime(t testing.TB, n int) *users.OTP {
	t.Helper()
	last, err := users.OTPStart("md5", "ke12345", []byte(passPhrase), n)
	if err != nil {
		t.Fatal(err)
	}
	return &users.OTP{Algorithm: "md5", Seed: "ke12345", Sequence: n, Last: last}
}

// everything is made once: it costs three PBKDF2.
var everything = sync.OnceValues(func() (users.Account, error) {
	a := users.Account{Hash: secret, Secret: secret, SCRAM: map[string]users.SCRAMKeys{}}
	for _, m := range Mechanisms() {
		if strings.HasPrefix(m, "SCRAM-") {
			k, err := users.SCRAMKeysFor(m, []byte(secret), []byte("0123456789abcdef"), users.SCRAMIterations)
			if err != nil {
				return a, err
			}
			a.SCRAM[m] = k
		}
	}
	return a, nil
})

// newBook knows Alice, who has every verifier; dora, who has too and is disabled; carol, who has none; zoe, whose one-time passwords are
// used up; and the caller's number.
func newBook(t testing.TB) *book {
	t.Helper()
	all, err := everything()
	if err != nil {
		t.Fatal(err)
	}
	all.SCRAM = maps.Clone(all.SCRAM)
	all.OTP = oneTime(t, 400)
	b := &book{people: map[string]users.Account{}}
	for _, name := range []string{"Alice", "dora", "zoe", number} {
		a := all
		a.Name, a.Disabled = name, name == "dora"
		d, err := users.DigestKeyFor("line.example", "MD5", name, []byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		a.Digest = []users.DigestKey{d}
		if name == "zoe" {
			a.OTP = oneTime(t, 1)
		}
		b.people[users.Fold(name)] = a
	}
	b.people["carol"] = users.Account{Name: "carol"}
	return b
}

// config enables everything.
func config(b *book) Config {
	return Config{
		Accounts: b, Passwords: b, FakeKey: fakeKey, Mechanisms: Mechanisms(), Realm: "line.example", Service: "pop",
		CallerID: number, Trusted: true, Now: func() time.Time { return epoch },
	}
}

// counting makes an exchange whose work is counted in b.
func counting(b *book) *Exchange {
	x := New(config(b))
	usual := x.work
	x.work.hash = func(name string) func() hash.Hash {
		h := usual.hash(name)
		return func() hash.Hash { return &counted{h(), &b.count} }
	}
	x.work.otp = func(algorithm string, value []byte) ([]byte, error) {
		b.count.otp++
		return usual.otp(algorithm, value)
	}
	return x
}

// counted is a hash that counts.
type counted struct {
	hash.Hash
	count *tally
}

func (c *counted) Write(p []byte) (int, error) {
	c.count.bytes += len(p)
	return c.Hash.Write(p)
}

func (c *counted) Sum(b []byte) []byte {
	c.count.sums++
	return c.Hash.Sum(b)
}

// turn is one message of the client and what comes of it. hear is not looked at with an error, where nothing may come.
type turn struct {
	say  string
	hear string
	code Code
	why  string // is in the detail
}

// play runs an exchange turn by turn; the first is Start, with none for no initial response.
func play(t testing.TB, x *Exchange, mechanism string, turns ...turn) {
	t.Helper()
	for i, turn := range turns {
		var out []byte
		var code Code
		var detail string
		switch {
		case i > 0:
			out, code, detail = x.Step(t.Context(), []byte(turn.say))
		case turn.say == none:
			out, code, detail = x.Start(t.Context(), mechanism, nil)
		default:
			out, code, detail = x.Start(t.Context(), mechanism, []byte(turn.say))
		}
		if code != turn.code || code == SASL_CONTINUE && string(out) != turn.hear || (out != nil) != (code == SASL_CONTINUE) {
			t.Fatalf("%s, turn %d: %q gets %q, %v (%s); want %q, %v", mechanism, i, turn.say, out, code, detail, turn.hear, turn.code)
		}
		if !strings.Contains(detail, turn.why) || code != SASL_OK && code != SASL_CONTINUE && detail == "" {
			t.Errorf("%s, turn %d: detail %q, want %q", mechanism, i, detail, turn.why)
		}
		if _, ok := x.Identity(); ok != (code == SASL_OK) {
			t.Errorf("%s, turn %d: identity with %v", mechanism, i, code)
		}
	}
}

// begin starts an exchange that must go on, and returns what the server says.
func begin(t testing.TB, x *Exchange, mechanism string, initial []byte) string {
	t.Helper()
	out, code, detail := x.Start(t.Context(), mechanism, initial)
	if code != SASL_CONTINUE {
		t.Fatalf("%s: %v: %s", mechanism, code, detail)
	}
	return string(out)
}

// unguessable is a secret that no fuzzer finds.
func unguessable() string { return rand.Text() }

// need skips a test without a program, unless everything must run.
func need(t *testing.T, program, debian string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("NOT RUN: needs Debian package %s", debian)
	}
	t.Skipf("NOT RUN: needs Debian package %s", debian)
}
