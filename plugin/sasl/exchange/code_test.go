package exchange

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"rashost/plugin/users"
)

// The table against the names and numbers of sasl.h.
func TestCodeTable(t *testing.T) {
	f, err := os.Open("testdata/sasl.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, row := range rows[1:] {
		want[row[0]] = row[1]
	}
	texts := map[string]bool{}
	for _, i := range codes {
		if want[i.name] != strconv.Itoa(int(i.code)) {
			t.Errorf("%s is %d, sasl.h says %s", i.name, i.code, want[i.name])
		}
		delete(want, i.name)
		if i.text == "" || texts[i.text] || i.code.Text() != i.text || i.code.String() != i.name {
			t.Errorf("%s: text %q", i.name, i.text)
		}
		texts[i.text] = true
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
	if got := fmt.Sprint(Code(-99), Code(-99).Text()); got != "SASL_-99" {
		t.Errorf("a number without a name is %q", got)
	}
}

// The table in docs/sasl-mechanisms.md: every code with its number, who sees it, and its text, in the order of the code.
func TestDocumentedCodes(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "sasl-mechanisms.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `(SASL_[A-Z_]+)` \\| (-?\\d+) \\| ([a-z ]+) \\| (.*) \\|$").FindAllStringSubmatch(string(text), -1)
	if len(rows) != len(codes) {
		t.Fatalf("%d rows, %d codes", len(rows), len(codes))
	}
	for n, i := range codes {
		use := map[use]string{unused: "table only", inside: "log only", returned: "returned"}[i.use]
		if got, want := strings.Join(rows[n][1:], "|"), fmt.Sprintf("%s|%d|%s|%s", i.name, i.code, use, i.text); got != want {
			t.Errorf("row %d is %s, want %s", n, got, want)
		}
	}
	for _, m := range Mechanisms() {
		if !strings.Contains(string(text), "\n| "+m+" |") {
			t.Errorf("%s has no row", m)
		}
	}
}

// first returns the end of an exchange of one message.
func first(t *testing.T, c Config, mechanism, initial string) (Code, string) {
	_, code, detail := New(c).Start(t.Context(), mechanism, []byte(initial))
	return code, detail
}

// Every code that can occur, and how. Those that stay inside show as SASL_BADAUTH and are named in the detail.
func TestHowEveryCodeOccurs(t *testing.T) {
	with := func(edit func(c *Config, b *book)) Config {
		b := newBook(t)
		c := config(b)
		edit(&c, b)
		return c
	}
	plain := func(edit func(c *Config, b *book)) (Code, string) {
		return first(t, with(edit), "PLAIN", "\x00alice\x00"+secret)
	}
	nothing := func(*Config, *book) {}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	how := map[Code]map[string]func() (Code, string){
		SASL_OK: {"the right password": func() (Code, string) { return plain(nothing) }},
		SASL_CONTINUE: {"the first message of SCRAM": func() (Code, string) {
			return first(t, with(nothing), "SCRAM-SHA-256", "n,,n=alice,r=abc")
		}},
		SASL_FAIL: {
			"no random numbers": func() (Code, string) {
				return first(t, with(func(c *Config, _ *book) { c.Rand = iotest.ErrReader(errBroken) }), "SCRAM-SHA-256", "n,,n=alice,r=abc")
			},
			"no random numbers for CRAM-MD5": func() (Code, string) {
				_, code, detail := New(with(func(c *Config, _ *book) { c.Rand = iotest.ErrReader(errBroken) })).Start(t.Context(), "CRAM-MD5", nil)
				return code, detail
			},
			"no random numbers for DIGEST-MD5": func() (Code, string) {
				_, code, detail := New(with(func(c *Config, _ *book) { c.Rand = iotest.ErrReader(errBroken) })).Start(t.Context(), "DIGEST-MD5", nil)
				return code, detail
			},
		},
		SASL_NOMECH: {
			"unknown mechanism": func() (Code, string) { return first(t, with(nothing), "GSSAPI", "") },
			"a mechanism that is not enabled": func() (Code, string) {
				return first(t, with(func(c *Config, _ *book) { c.Mechanisms = nil }), "SCRAM-SHA-256", "")
			},
			"a name that is longer than allowed": func() (Code, string) { return first(t, with(nothing), "SCRAM-SHA-256-AND-MORE", "") },
		},
		SASL_BADPROT: {"a malformed message": func() (Code, string) { return first(t, with(nothing), "PLAIN", "alice") }},
		SASL_BADPARAM: {"no exchange": func() (Code, string) {
			var x *Exchange
			_, code, detail := x.Start(t.Context(), "PLAIN", nil)
			if _, again, _ := x.Step(t.Context(), nil); again != code || x.Name() != "" {
				t.Errorf("a step without an exchange: %v", again)
			}
			x.Close()
			return code, detail
		}},
		SASL_TRYAGAIN: {
			"the caller hung up before the look-up": func() (Code, string) {
				_, code, detail := New(with(nothing)).Start(cancelled, "SCRAM-SHA-256", []byte("n,,n=alice,r=abc"))
				return code, detail
			},
			"while the hash waited for its turn": func() (Code, string) {
				ctx, cancel := context.WithCancel(t.Context())
				_, code, detail := New(with(func(c *Config, b *book) { c.Accounts = hangUp{b, cancel} })).Start(ctx, "PLAIN", []byte("\x00alice\x00"+secret))
				return code, detail
			},
			"in the look-up of DIGEST-MD5": func() (Code, string) {
				ctx, cancel := context.WithCancel(t.Context())
				x := New(with(nothing))
				answer := digestAnswer(begin(t, x, "DIGEST-MD5", nil), "Alice", zeros)
				cancel()
				_, code, detail := x.Step(ctx, []byte(answer))
				return code, detail
			},
		},
		SASL_BADAUTH: {
			"a wrong password": func() (Code, string) { return first(t, with(nothing), "PLAIN", "\x00alice\x00wrong") },
			"an algorithm in the user file that is none": func() (Code, string) {
				x := New(with(func(_ *Config, b *book) {
					a := b.people["alice"]
					a.OTP = &users.OTP{Algorithm: "md9", Seed: "a", Sequence: 9, Last: make([]byte, 8)}
					b.people["alice"] = a
				}))
				begin(t, x, "OTP", []byte("\x00alice"))
				_, code, detail := x.Step(t.Context(), []byte("hex:0000000000000000"))
				return code, detail
			},
			"a damaged hash": func() (Code, string) { return plain(func(_ *Config, b *book) { b.hashes = errBroken }) },
			"no caller id": func() (Code, string) {
				return first(t, with(func(c *Config, _ *book) { c.CallerID = "P" }), "EXTERNAL", "")
			},
		},
		SASL_TOOWEAK: {"a weak mechanism that is not enabled": func() (Code, string) {
			return plain(func(c *Config, _ *book) { c.Mechanisms = []string{"SCRAM-SHA-256"} })
		}},
		SASL_ENCRYPT: {
			"PLAIN on a line that is not trusted": func() (Code, string) { return plain(func(c *Config, _ *book) { c.Trusted = false }) },
			"LOGIN on a line that is not trusted": func() (Code, string) {
				_, code, detail := New(with(func(c *Config, _ *book) { c.Trusted = false })).Start(t.Context(), "LOGIN", nil)
				return code, detail
			},
		},
		SASL_UNAVAIL: {
			"the accounts can't be read": func() (Code, string) { return plain(func(_ *Config, b *book) { b.broken = errBroken }) },
			"the user file can't be written": func() (Code, string) {
				x := New(with(func(_ *Config, b *book) { b.write = errBroken }))
				begin(t, x, "OTP", []byte("\x00alice"))
				_, code, detail := x.Step(t.Context(), []byte("hex:"+oneTimeHex(t, 399)))
				return code, detail
			},
			"the accounts can't be read for DIGEST-MD5": func() (Code, string) {
				x := New(with(func(_ *Config, b *book) { b.broken = errBroken }))
				_, code, detail := x.Step(t.Context(), []byte(digestAnswer(begin(t, x, "DIGEST-MD5", nil), "Alice", zeros)))
				return code, detail
			},
		},
		SASL_BADBINDING: {"channel binding": func() (Code, string) {
			return first(t, with(nothing), "SCRAM-SHA-256", "p=tls-unique,,n=alice,r=abc")
		}},
		SASL_CONFIGERR: {
			"no accounts":       func() (Code, string) { return plain(func(c *Config, _ *book) { c.Accounts = nil }) },
			"no hashes":         func() (Code, string) { return plain(func(c *Config, _ *book) { c.Passwords = nil }) },
			"no key for nobody": func() (Code, string) { return plain(func(c *Config, _ *book) { c.FakeKey = nil }) },
			"no service for DIGEST": func() (Code, string) {
				_, code, detail := New(with(func(c *Config, _ *book) { c.Service = "" })).Start(t.Context(), "DIGEST-MD5", nil)
				return code, detail
			},
		},

		SASL_NOAUTHZ: {"another identity": func() (Code, string) { return first(t, with(nothing), "PLAIN", "dora\x00alice\x00"+secret) }},
		SASL_EXPIRED: {"the one-time passwords are used up": func() (Code, string) {
			x := New(with(nothing))
			begin(t, x, "OTP", []byte("\x00zoe"))
			_, code, detail := x.Step(t.Context(), []byte("hex:"+oneTimeHex(t, 0)))
			return code, detail
		}},
		SASL_DISABLED: {"a disabled user": func() (Code, string) { return first(t, with(nothing), "PLAIN", "\x00dora\x00"+secret) }},
		SASL_NOUSER:   {"an unknown user": func() (Code, string) { return first(t, with(nothing), "PLAIN", "\x00mallory\x00"+secret) }},
		SASL_NOVERIFY: {"a user without a hash": func() (Code, string) { return first(t, with(nothing), "PLAIN", "\x00carol\x00"+secret) }},
	}
	for _, i := range codes {
		if (len(how[i.code]) > 0) != (i.use != unused) {
			t.Errorf("%s: %d ways to it", i.name, len(how[i.code]))
		}
		for name, way := range how[i.code] {
			code, detail := way()
			want, why := i.code, ""
			if i.use == inside {
				want, why = SASL_BADAUTH, i.name
			}
			if code != want || !strings.HasPrefix(detail, why) || i.use != inside && strings.HasPrefix(detail, "SASL_") {
				t.Errorf("%s, %s: %v, %q", i.name, name, code, detail)
			}
		}
	}
}

// hangUp ends the call once the account is known.
type hangUp struct {
	*book
	cancel func()
}

func (h hangUp) Lookup(ctx context.Context, name string) (users.Account, bool, error) {
	defer h.cancel()
	return h.book.Lookup(ctx, name)
}

// What another login or command did to the one-time passwords is a refusal, not a fault of ours.
func TestOneTimePasswordTakenMeanwhile(t *testing.T) {
	for _, err := range []error{users.ErrChanged, fmt.Errorf("user: %w", users.ErrNoUser)} {
		b := newBook(t)
		b.write = err
		play(t, New(config(b)), "OTP", turn{"\x00alice", "otp-md5 399 ke12345 ext", SASL_CONTINUE, ""},
			turn{"hex:" + oneTimeHex(t, 399), "", SASL_BADAUTH, "first"})
	}
	if errors.Is(users.ErrChanged, users.ErrNoUser) {
		t.Error("the two are one")
	}
}
