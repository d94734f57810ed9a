package exchange

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"rashost/plugin/users"
)

// scripts are logins by every mechanism with a secret that is wrong, by messages that do not depend on the name's length.
func scripts(name string) map[string][]func(heard string) string {
	say := func(text string) func(string) string { return func(string) string { return text } }
	all := map[string][]func(string) string{
		"PLAIN":      {say("\x00" + name + "\x00wrong")},
		"LOGIN":      {nil, say(name), say("wrong")},
		"CRAM-MD5":   {nil, say(name + " " + zeros)},
		"DIGEST-MD5": {nil, func(challenge string) string { return digestAnswer(challenge, name, zeros) }},
		"OTP":        {say("\x00" + name), say("hex:0000000000000000")},
	}
	for mechanism, size := range map[string]int{"SCRAM-SHA-1": 20, "SCRAM-SHA-256": 32, "SCRAM-SHA-512": 64} {
		all[mechanism] = []func(string) string{say("n,,n=" + name + ",r=fyko+d2lbbFgONRv9qkxdawL"), func(first string) string {
			return "c=biws," + strings.Split(first, ",")[0] + ",p=" + base64Of(make([]byte, size))
		}}
	}
	return all
}

var (
	otpForm    = regexp.MustCompile(`^otp-md5 [1-9]\d{1,2} [a-z]{2}\d{5} ext$`)
	cramForm   = regexp.MustCompile(`^<[\w-]{24}\.1772366400@line\.example>$`)
	scramForm  = regexp.MustCompile(`^r=fyko\+d2lbbFgONRv9qkxdawL[\w-]{24},s=[A-Za-z0-9+/]{22}==,i=15000$`)
	digestForm = regexp.MustCompile(`^realm="line.example",nonce="[\w-]{32}",qop="auth",algorithm=md5-sess,charset=utf-8$`)
)

// shapeOf reduces a message of the server to what it has in common with every other one in its place; anything else stays as it is.
func shapeOf(message string) string {
	for name, form := range map[string]*regexp.Regexp{"otp": otpForm, "cram": cramForm, "scram": scramForm, "digest": digestForm} {
		if form.MatchString(message) {
			return name
		}
	}
	return message
}

// transcript is all that a caller can see of a login, and the work it took.
func transcript(t *testing.T, b *book, mechanism, name string) (seen string, work tally, detail string) {
	t.Helper()
	x := counting(b)
	b.count = tally{}
	heard, codes := []string{}, []string{}
	for i, say := range scripts(name)[mechanism] {
		var out []byte
		var code Code
		last := ""
		if len(heard) > 0 {
			last = heard[len(heard)-1]
		}
		switch {
		case say == nil:
			out, code, detail = x.Start(t.Context(), mechanism, nil)
		case i == 0:
			out, code, detail = x.Start(t.Context(), mechanism, []byte(say(last)))
		default:
			out, code, detail = x.Step(t.Context(), []byte(say(last)))
		}
		heard, codes = append(heard, string(out)), append(codes, code.String())
		if code != SASL_CONTINUE {
			break
		}
	}
	for i := range heard {
		heard[i] = shapeOf(heard[i])
	}
	if x.Name() != name {
		t.Errorf("%s: name %q", mechanism, x.Name())
	}
	return fmt.Sprint(strings.Join(heard, "|"), " ", codes), b.count, detail
}

// A name that is unknown, disabled, without a verifier or with none left can't be told from a wrong secret: the same messages, as many of
// them, the same codes, the same work. Only the log knows.
func TestNobodyCanTellWhoIsKnown(t *testing.T) {
	for mechanism := range scripts("") {
		t.Run(mechanism, func(t *testing.T) {
			seen, work, detail := transcript(t, newBook(t), mechanism, "Alice")
			if !strings.HasSuffix(seen, "SASL_BADAUTH]") || strings.Contains(detail, "SASL_") {
				t.Errorf("a wrong secret: %s, %s", seen, detail)
			}
			if work == (tally{lookups: 1}) && mechanism != "DIGEST-MD5" { // whose work package sspi does, and tests
				t.Error("the work was not counted")
			}
			for name, why := range map[string]string{
				"mallo": "SASL_NOUSER", "carol": "SASL_NOVERIFY", "dora": "SASL_DISABLED", "zoe": "SASL_EXPIRED",
			} {
				if name == "zoe" && mechanism != "OTP" {
					continue
				}
				s, w, detail := transcript(t, newBook(t), mechanism, name)
				// The length of the name is the caller's own.
				w.bytes += sizes[mechanism] * (len("Alice") - len(name))
				if s != seen || w != work {
					t.Errorf("%s: %s, work %+v\nwrong secret: %s, work %+v", name, s, w, seen, work)
				}
				if mechanism == "DIGEST-MD5" {
					why = "SEC_E_LOGON_DENIED: the user"
				}
				if !strings.HasPrefix(detail, why) {
					t.Errorf("%s: detail %q", name, detail)
				}
			}
		})
	}
}

// sizes is how often a name goes into what is hashed: twice into SCRAM's message, and once into each block of what is made up.
var sizes = map[string]int{"SCRAM-SHA-1": 2 + 2, "SCRAM-SHA-256": 2 + 3, "SCRAM-SHA-512": 2 + 5, "CRAM-MD5": 1, "OTP": 2}

// EXTERNAL has no secret; a number that is nobody's, a disabled user's and another identity are refused alike.
func TestNobodyCanTellWhoIsKnownByExternal(t *testing.T) {
	for number, said := range map[string]string{"5550199": "", "dora": "", number: "5550199"} {
		b := newBook(t)
		c := config(b)
		c.CallerID = number
		play(t, New(c), "EXTERNAL", turn{said, "", SASL_BADAUTH, "SASL_"})
		if b.count.lookups != 1 {
			t.Errorf("%s: %d look-ups", number, b.count.lookups)
		}
	}
}

// The right secret of a disabled user, or for a mechanism without a verifier, gets nobody in; nor does the proof for made-up keys.
func TestDoomedClaimsNeverSucceed(t *testing.T) {
	for _, name := range []string{"mallo", "carol", "dora"} {
		x := New(config(newBook(t)))
		first := begin(t, x, "OTP", []byte("\x00"+name))
		if first == "otp-md5 399 ke12345 ext" {
			t.Errorf("%s: the challenge is the real one", name)
		}
		s, _ := x.server.(*otp)
		s.x.work.otp = func(string, []byte) ([]byte, error) { return s.before.Last, nil } // as if the preimage were known
		if _, code, _ := x.Step(t.Context(), []byte("hex:0000000000000000")); code != SASL_BADAUTH {
			t.Errorf("%s: %v", name, code)
		}
		if code, _, _ := logIn(t, New(config(newBook(t))), "SCRAM-SHA-256", name, secret); code != SASL_BADAUTH {
			t.Errorf("%s: %v", name, code)
		}
	}
}

// challengeOf returns what a server says first to who claims a name, without its nonces.
func challengeOf(t *testing.T, mechanism, name string, at time.Time, key []byte) string {
	t.Helper()
	c := config(newBook(t))
	c.Now, c.FakeKey = func() time.Time { return at }, key
	if mechanism == "OTP" {
		return begin(t, New(c), mechanism, []byte("\x00"+name))
	}
	_, text, _ := strings.Cut(begin(t, New(c), mechanism, []byte("n,,n="+name+",r=abc")), ",")
	return text
}

// What is made up for a name depends on the name, in any case, and on the key: it is the same at the next try, and differs between names,
// between mechanisms and between hosts.
func TestMadeUpIsSteady(t *testing.T) {
	otherKey := slices.Repeat([]byte("k"), 32)
	salts := map[string]string{}
	for _, m := range []string{"SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512", "OTP"} {
		is := challengeOf(t, m, "mallory", epoch, fakeKey)
		if again := challengeOf(t, m, "MALLORY", epoch.Add(time.Minute), fakeKey); again != is {
			t.Errorf("%s: %q, then %q", m, is, again)
		}
		if other := challengeOf(t, m, "mallet", epoch, fakeKey); other == is {
			t.Errorf("%s: two names get %q", m, is)
		}
		if other := challengeOf(t, m, "mallory", epoch, otherKey); other == is {
			t.Errorf("%s: two hosts say %q", m, is)
		}
		if who, twice := salts[is]; twice {
			t.Errorf("%s and %s: %q", m, who, is)
		}
		salts[is] = m
	}
}

// The made-up one-time passwords go down by one every one to four days, at times that differ between names, and begin anew with another
// seed before they are used up, as those of somebody who logs in do.
func TestMadeUpOneTimePasswordsMoveOn(t *testing.T) {
	changed := map[int]int{} // by hour
	for n := range 8 {
		name, rounds, seeds := "mallory"+strconv.Itoa(n), 0, map[string]bool{}
		last, lastSeed, since := 0, "", 0
		for hour := range 24 * 365 * 2 {
			f := strings.Fields(madeUpAt(t, name, epoch.Add(time.Duration(hour)*time.Hour)))
			number, err := strconv.Atoi(f[1])
			if err != nil || number < lowestFake || number >= users.OTPSequence {
				t.Fatalf("%s: %q", name, f)
			}
			switch {
			case last == 0 || number == last && f[2] == lastSeed:
			case number == last-1 && f[2] == lastSeed:
				if hours := hour - since; since > 0 && (hours < 23 || hours > 97) {
					t.Fatalf("%s: the next after %d hours", name, hours)
				}
				changed[hour%24]++
				since = hour
			case number == users.OTPSequence-1 && f[2] != lastSeed && !seeds[f[2]]:
				rounds++
				since = hour
			default:
				t.Fatalf("%s: %d %s, then %q", name, last, lastSeed, f)
			}
			last, lastSeed = number, f[2]
			seeds[lastSeed] = true
		}
		if len(seeds) != rounds+1 {
			t.Errorf("%s: %d seeds in %d rounds", name, len(seeds), rounds)
		}
	}
	if len(changed) < 6 {
		t.Errorf("all change at the same hours: %v", slices.Collect(maps.Keys(changed)))
	}
}

// madeUpAt is the made-up challenge alone, which is faster.
func madeUpAt(t *testing.T, name string, at time.Time) string {
	t.Helper()
	x := New(Config{FakeKey: fakeKey, Now: func() time.Time { return at }})
	state := (&otp{x: x, name: name}).madeUp()
	return fmt.Sprintf("otp-md5 %d %s ext", state.Sequence-1, state.Seed)
}
