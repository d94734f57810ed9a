package native

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"rashost/plugin"
)

// The runs of a library in the manner of the first ones: prompts with their NUL, one byte at a time, LF left out. What the caller typed
// after the last CR belongs to the service.
func TestUsher(t *testing.T) {
	r := newRig(t, "usher.c", Options{})
	for _, tc := range []struct {
		typed, domain, unread string
		receives              int
		want                  result
	}{
		{"eric\r\r", "(none was given", "", 6, granted("eric")},
		{"scott\r\r", "(none was given", "", 7, refused("scott")},
		{"eric\r\n\r\n", "(none was given", "\n", 7, granted("eric")},
		{"eric\rACME\r", "ACME", "", 10, granted("eric")},
		{"ERIC\rA DOMAIN THAT IS FAR TOO LONG\r", "A DOMAIN THAT I", "", 35, granted("ERIC")},
		{"eric\r\r\x7e\xff\x7d\x23\x00", "(none was given", "\x7e\xff\x7d\x23\x00", 6, granted("eric")},
	} {
		t.Run(fmt.Sprintf("%q", tc.typed), func(t *testing.T) {
			r.seen.reset()
			c := r.call("line1")
			c.t = t
			c.send(tc.typed)
			o := c.want(tc.want)
			if o.Domain != tc.domain || string(o.Unread) != tc.unread {
				t.Errorf("domain %q, unread %q; want %q, %q", o.Domain, o.Unread, tc.domain, tc.unread)
			}
			if got, want := c.text(), "Username: \x00\r\nDomain: \x00"; got != want {
				t.Errorf("the caller got %q, want %q", got, want)
			}
			if want := []string{"Username: \x00", "\r\nDomain: \x00"}; !slices.Equal(r.seen.sends, want) {
				t.Errorf("Sends %q, want %q", r.seen.sends, want)
			}
			if want := slices.Repeat([]uint16{1}, tc.receives); !slices.Equal(r.seen.receives, want) {
				t.Errorf("Receives of %v bytes, want %d of 1 byte", r.seen.receives, tc.receives)
			}
			if want := []plugin.Code{plugin.ErrorPortDisconnected}; !slices.Equal(r.seen.ends, want) {
				t.Errorf("End returned %v, want %v once", r.seen.ends, want)
			}
		})
	}
}

// Two callers at once on a library whose state is in globals (contract 1.10): a process for each keeps them apart.
func TestUsherWithTwoCallers(t *testing.T) {
	r := newRig(t, "usher.c", Options{})
	one, two := r.call("line1"), r.call("line2")
	one.expect("Username: \x00")
	two.expect("Username: \x00")
	for i := range 5 {
		if i < len("eve") {
			one.send("eve"[i : i+1])
		}
		two.send("scott"[i : i+1])
	}
	one.send("\r")
	one.expect("Domain: \x00")
	two.send("\r")
	two.expect("Domain: \x00")
	two.send("TWO\r")
	one.send("ONE\r")
	if o := one.want(granted("eve")); o.Domain != "ONE" {
		t.Errorf("domain %q, want ONE", o.Domain)
	}
	if o := two.want(refused("scott")); o.Domain != "TWO" {
		t.Errorf("domain %q, want TWO", o.Domain)
	}
}

// A library whose worker waits for ever after the line has dropped: its process ends all the same, and the next caller is served.
func TestUsherAfterDrop(t *testing.T) {
	r := newRig(t, "usher.c", Options{})
	c := r.call("line1")
	c.expect("Username: \x00")
	c.send("er")
	c.hangUp()
	c.want(dropped())
	r.gone()
	next := r.call("line1")
	next.send("eric\r\r")
	next.want(granted("eric"))
}

// tokenAnswer is the structure that token.c expects, from a user and with a fault in one byte of the digits, if at is not negative.
func tokenAnswer(user string, at int) string {
	answer := make([]byte, 644)
	copy(answer, "TOK!")
	copy(answer[4:], user)
	for i := range answer[260:] {
		answer[260+i] = ^byte(i)
	}
	if at >= 0 {
		answer[260+at] ^= 0x01
	}
	return string(answer)
}

// Structures of 644 bytes with every byte value in them, there and back (contract 1.7).
func TestToken(t *testing.T) {
	r := newRig(t, "token.c", Options{})
	challenge := make([]byte, 644)
	copy(challenge, "TOK?")
	for i := range challenge[260:] {
		challenge[260+i] = byte(i)
	}
	for _, tc := range []struct {
		name   string
		pieces []string
		unread string
		want   result
	}{
		{"at once", []string{tokenAnswer("card17", -1)}, "", granted("card17")},
		{"in pieces", []string{tokenAnswer("card17", -1)[:1], tokenAnswer("card17", -1)[1:643], tokenAnswer("card17", -1)[643:]}, "", granted("card17")},
		{"with more behind it", []string{tokenAnswer("card17", -1) + "\x7e\x00\xff"}, "\x7e\x00\xff", granted("card17")},
		{"wrong in the last byte", []string{tokenAnswer("card17", 383)}, "", refused("card17")},
		{"name without a NUL", []string{tokenAnswer(strings.Repeat("n", 256), 0)}, "", refused(strings.Repeat("n", 255))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := r.call("line1")
			c.t = t
			c.expect(string(challenge))
			for _, piece := range tc.pieces {
				c.send(piece)
			}
			if o := c.want(tc.want); string(o.Unread) != tc.unread {
				t.Errorf("unread %q, want %q", o.Unread, tc.unread)
			}
			if got := c.text(); got != string(challenge) {
				t.Errorf("the caller got %d bytes %q, want the challenge", len(got), got)
			}
		})
	}
	if first := r.seen.receives[0]; first != 644 {
		t.Errorf("the first Receive asked for %d bytes, want 644", first)
	}
}

// The caller speaks first, and gets a full send buffer for it.
func TestHerald(t *testing.T) {
	r := newRig(t, "herald.cpp", Options{})
	c := r.call("line1")
	for len(processes(r.library)) == 0 {
		if t.Context().Err() != nil {
			t.FailNow()
		}
	}
	c.send("?")
	c.expect("Ticket: ")
	if got := c.text(); len(got) != plugin.BufferSize || !strings.HasPrefix(got, "No admittance without a ticket.\r\nNo admittance") {
		t.Errorf("the notice has %d bytes and is %q", len(got), got)
	}
	c.send("ticket\r")
	c.want(granted("ticket"))
	c = r.call("line1")
	c.send("?no\r")
	c.want(refused("no"))
	if !slices.Equal(r.seen.sends, []string{c.text(), c.text()}) {
		t.Error("the notice was not sent whole, or before the caller had spoken")
	}
}

// Every way to wait for a Receive (rules R2, R3, R4, R5, R6, G3, T2): bell.c names the one that failed.
func TestBell(t *testing.T) {
	r := newRig(t, "bell.c", Options{})
	r.o.DeviceName = "Test Bell 9600"
	c := r.call("line1")
	for i, key := range "abcd" {
		c.expect(fmt.Sprint(i + 1))
		c.send(string(key))
	}
	c.expect("5*")
	c.send("e")
	c.expect("6+")
	c.send("f")
	c.want(granted("abcdef"))
}

// What the configuration puts into the registry is there, in every spelling of its names, and nothing else is.
func TestRegistry(t *testing.T) {
	r := newRig(t, "ledger.c", Options{Registry: map[string]any{
		`HKLM\SOFTWARE\Example\Ledger\Greeting`:               "Good day, \"caller\"; 100 % \\ ",
		`hkey_local_machine\Software\EXAMPLE\ledger\USER`:     "bookkeeper",
		`HKLM\SOFTWARE\Example\Ledger\Compare`:                4,
		`HKLM\SOFTWARE\Example\Ledger\Deeper\NotThere`:        "not asked for",
		`HKEY_CURRENT_USER\SOFTWARE\Example\NotThere\Nothing`: "",
	}})
	c := r.call("line1")
	c.expect("Good day, \"caller\"; 100 % \\ (2, 2) ")
	c.send("Bookworm\r")
	c.want(granted("Bookworm"))
	c = r.call("line1")
	c.send("bokeh\r")
	c.want(refused("bokeh"))
	if strings.Contains(r.log.String(), "bookkeeper") {
		t.Error("a value of the registry is in the log")
	}
}

// Without a registry, every key is missing and the library has its defaults.
func TestNoRegistry(t *testing.T) {
	r := newRig(t, "ledger.c", Options{})
	c := r.call("line1")
	c.expect("Hello. (0, 2) ")
	c.send("bookkeeper\r")
	c.want(refused("bookkeeper"))
}

// A library is told of its load and of its unload (DllMain), and may complete before its Begin has returned (rule B5).
func TestVisitor(t *testing.T) {
	r := newRig(t, "visitor.c", Options{})
	for range 2 {
		r.call("line1").want(granted("visitor"))
	}
	r.gone()
	log := r.log.String()
	// Once to see that it loads, once to say hello, once for each caller; the first is not logged.
	for _, text := range []string{"visitor: process attach", "visitor: process detach"} {
		if n := strings.Count(log, text); n != 3 {
			t.Errorf("%q is in the log %d times, want 3", text, n)
		}
	}
	if strings.Index(log, "attach") > strings.Index(log, "detach") {
		t.Error("detached before it was attached")
	}
}

// Libraries with a DWORD for HPORT (contract 1.2): one that says so, and one that leaves it to the configuration.
func TestDWORDPort(t *testing.T) {
	r := newRig(t, "usher.c -DRASSHOST_HPORT_DWORD", Options{})
	c := r.call("line1")
	c.send("eric\rACME\r")
	if o := c.want(granted("eric")); o.Domain != "ACME" {
		t.Errorf("domain %q, want ACME", o.Domain)
	}
	old := newRig(t, "oldtimer.c", Options{HPort: "dword"})
	if o := old.call("line1").want(granted("oldtimer")); o.Domain != "OLD" {
		t.Errorf("domain %q, want OLD", o.Domain)
	}
}

// A C++ library that is safe for it serves all lines in one process, or each line in one.
func TestIsolation(t *testing.T) {
	for isolation, processesWanted := range map[string]int{"line": 2, "shared": 1} {
		t.Run(isolation, func(t *testing.T) {
			r := newRig(t, "clerk.cpp", Options{Safe: "shared"}, func(s *plugin.Setup) { s.Isolation = isolation })
			for range 2 {
				one, two := r.call("line1"), r.call("line2")
				one.expect("Name: ")
				two.expect("Name: ")
				if got := processes(r.library); len(got) != processesWanted {
					t.Errorf("%d processes, want %d", len(got), processesWanted)
				}
				one.send("caller1\rsecret-1\r")
				two.send("caller2\rsecret-2\r")
				one.want(granted("caller1"))
				two.want(granted("caller2"))
			}
		})
	}
}

// Passwords that callers type are in no log.
func TestNoSecretIsLogged(t *testing.T) {
	r := newRig(t, "guard.c", Options{})
	c := r.call("line1")
	c.send("caller1\rhush-hush-secret\rcaller1\rsecret-1\r")
	c.want(granted("caller1"))
	for _, secret := range []string{"hush", "secret-1"} {
		if strings.Contains(r.log.String(), secret) || bytes.Contains([]byte(c.text()), []byte(secret)) {
			t.Errorf("%q is in the log or on the line", secret)
		}
	}
}

// Limits that leave room for the work do not disturb it: neither in the first look at the library nor in calls.
func TestUnderLimits(t *testing.T) {
	r := newRig(t, "clerk.cpp", Options{}, func(s *plugin.Setup) {
		s.Limits = plugin.Limits{Memory: 512, FileSize: 1, CPU: 10, Files: 256, Processes: 64}
	})
	c := r.call("line1")
	c.send("caller1\rsecret-1\r")
	c.want(granted("caller1"))
}

// A limit that a library does not bear is found at load.
func TestLimitsAreThoseOfCalls(t *testing.T) {
	s := setup(new(logText), Options{Library: privateCopy(t, "clerk.cpp"), Rasdll: rasdll(t)})
	s.Limits.Memory = 1
	if p, err := New(s); err == nil || p != nil {
		t.Errorf("got %v, %v; want an error: nothing runs in 1 MiB", p, err)
	}
}
