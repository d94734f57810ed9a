package exchange

import (
	"bytes"
	"strings"
	"testing"
)

// What comes after an end is SASL_FAIL whatever it is, with the right secret too, and takes back what was there: an error closes the
// exchange, and after SASL_OK nothing more is due.
func TestAfterTheEnd(t *testing.T) {
	right := []byte("\x00alice\x00" + secret)
	for name, end := range map[string]func(x *Exchange){
		"refused":           func(x *Exchange) { _, _, _ = x.Start(t.Context(), "PLAIN", []byte("\x00alice\x00wrong")) },
		"malformed":         func(x *Exchange) { _, _, _ = x.Start(t.Context(), "PLAIN", []byte("x")) },
		"unknown mechanism": func(x *Exchange) { _, _, _ = x.Start(t.Context(), "NTLM", right) },
		"server first":      func(x *Exchange) { _, _, _ = x.Start(t.Context(), "LOGIN", right) },
		"accepted":          func(x *Exchange) { _, _, _ = x.Start(t.Context(), "PLAIN", right) },
		"step before start": func(x *Exchange) { _, _, _ = x.Step(t.Context(), right) },
		"closed":            func(x *Exchange) { x.Close() },
		"closed under way": func(x *Exchange) {
			_, _, _ = x.Start(t.Context(), "PLAIN", nil)
			x.Close()
			x.Close()
		},
	} {
		for what, next := range map[string]func(x *Exchange) ([]byte, Code, string){
			"step":       func(x *Exchange) ([]byte, Code, string) { return x.Step(t.Context(), right) },
			"empty step": func(x *Exchange) ([]byte, Code, string) { return x.Step(t.Context(), nil) },
			"start":      func(x *Exchange) ([]byte, Code, string) { return x.Start(t.Context(), "PLAIN", right) },
		} {
			x := New(config(newBook(t)))
			end(x)
			for range 2 {
				if out, code, detail := next(x); code != SASL_FAIL || out != nil || detail == "" {
					t.Errorf("%s, then %s: %q, %v, %q", name, what, out, code, detail)
				}
				if user, ok := x.Identity(); ok || user != "" {
					t.Errorf("%s, then %s: there is an identity", name, what)
				}
			}
		}
	}
}

// A step without a start is SASL_NOMECH, and closes.
func TestStepWithoutStart(t *testing.T) {
	x := New(config(newBook(t)))
	if out, code, _ := x.Step(t.Context(), []byte("x")); code != SASL_NOMECH || out != nil {
		t.Errorf("%q, %v", out, code)
	}
}

// No initial response, an empty one, and one with something in it are three things (RFC 4422, section 5; RFC 5034, section 4).
func TestInitialResponse(t *testing.T) {
	for mechanism, want := range map[string]struct{ none, empty Code }{
		"SCRAM-SHA-512": {SASL_CONTINUE, SASL_BADPROT}, "SCRAM-SHA-256": {SASL_CONTINUE, SASL_BADPROT},
		"SCRAM-SHA-1": {SASL_CONTINUE, SASL_BADPROT},
		"OTP":         {SASL_CONTINUE, SASL_BADPROT}, "PLAIN": {SASL_CONTINUE, SASL_BADPROT}, "EXTERNAL": {SASL_CONTINUE, SASL_OK},
		"DIGEST-MD5": {SASL_CONTINUE, SASL_BADPROT}, "CRAM-MD5": {SASL_CONTINUE, SASL_BADPROT}, "LOGIN": {SASL_CONTINUE, SASL_BADPROT},
	} {
		out, code, _ := New(config(newBook(t))).Start(t.Context(), mechanism, nil)
		serverFirst := mechanism == "DIGEST-MD5" || mechanism == "CRAM-MD5" || mechanism == "LOGIN"
		if code != want.none || out == nil || (len(out) > 0) != serverFirst {
			t.Errorf("%s without an initial response: %q, %v", mechanism, out, code)
		}
		b := newBook(t)
		if out, code, _ := New(config(b)).Start(t.Context(), mechanism, []byte{}); code != want.empty || out != nil {
			t.Errorf("%s with an empty one: %q, %v", mechanism, out, code)
		}
		if serverFirst && b.count.lookups > 0 {
			t.Errorf("%s looked somebody up", mechanism)
		}
	}
	for _, mechanism := range []string{"DIGEST-MD5", "CRAM-MD5", "LOGIN"} {
		if out, code, _ := New(config(newBook(t))).Start(t.Context(), mechanism, []byte("alice")); code != SASL_BADPROT || out != nil {
			t.Errorf("%s, where the server speaks first: %q, %v", mechanism, out, code)
		}
	}
	// An empty message after an empty challenge is what an empty initial response is.
	play(t, New(config(newBook(t))), "PLAIN", turn{none, "", SASL_CONTINUE, ""}, turn{"", "", SASL_BADPROT, ""})
}

// Names of mechanisms compare without case, as commands do; the list is from strong to weak and has no default.
func TestMechanisms(t *testing.T) {
	if got, want := strings.Join(Mechanisms(), " "), "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 OTP DIGEST-MD5 CRAM-MD5 PLAIN LOGIN EXTERNAL"; got != want {
		t.Errorf("%s", got)
	}
	Mechanisms()[0] = "x"
	if Mechanisms()[0] == "x" {
		t.Error("a caller can change the list")
	}
	play(t, New(config(newBook(t))), "plain", turn{"\x00alice\x00" + secret, "", SASL_OK, ""})
	for _, m := range Mechanisms() {
		c := config(newBook(t))
		c.Mechanisms = nil
		if out, code, _ := New(c).Start(t.Context(), m, nil); code != SASL_NOMECH && code != SASL_TOOWEAK || out != nil {
			t.Errorf("%s is on by default: %v", m, code)
		}
		c.Mechanisms, c.Trusted = []string{m}, false
		_, code, _ := New(c).Start(t.Context(), m, nil)
		if plain := m == "PLAIN" || m == "LOGIN"; (code == SASL_ENCRYPT) != plain {
			t.Errorf("%s on a line that is not trusted: %v", m, code)
		}
	}
}

// The identity is spelled as the accounts spell it; the name is as the client spells it.
func TestIdentity(t *testing.T) {
	x := New(config(newBook(t)))
	if x.Name() != "" {
		t.Errorf("name %q before the start", x.Name())
	}
	play(t, x, "PLAIN", turn{"aLICE\x00aLiCe\x00" + secret, "", SASL_OK, ""})
	if user, ok := x.Identity(); user != "Alice" || !ok || x.Name() != "aLiCe" {
		t.Errorf("%q, %v, name %q", user, ok, x.Name())
	}
	x.Close()
	if user, ok := x.Identity(); user != "Alice" || !ok {
		t.Errorf("%q, %v after the end", user, ok)
	}
	// Of a claim alone, the name is known, and nobody is let in.
	x = New(config(newBook(t)))
	begin(t, x, "SCRAM-SHA-256", []byte("n,,n=alice,r=abc"))
	if _, ok := x.Identity(); ok || x.Name() != "alice" {
		t.Errorf("name %q", x.Name())
	}
	x.Close()
	if _, ok := x.Identity(); ok || x.Name() != "alice" {
		t.Errorf("name %q after a drop", x.Name())
	}
}

// Messages stay the caller's, who wipes them: the exchange neither changes nor keeps them. They are bounded.
func TestMessagesStayTheCallers(t *testing.T) {
	for _, l := range []struct {
		mechanism string
		messages  []string
	}{{"PLAIN", []string{"\x00alice\x00" + secret}}, {"LOGIN", []string{none, "alice", secret}}} {
		x := New(config(newBook(t)))
		var code Code
		for i, text := range l.messages {
			in := []byte(text)
			switch {
			case i > 0:
				_, code, _ = x.Step(t.Context(), in)
			case text == none:
				_, code, _ = x.Start(t.Context(), l.mechanism, nil)
			default:
				_, code, _ = x.Start(t.Context(), l.mechanism, in)
			}
			if string(in) != text {
				t.Errorf("%s: %q became %q", l.mechanism, text, in)
			}
			clear(in)
		}
		if code != SASL_OK {
			t.Errorf("%s: %v", l.mechanism, code)
		}
	}
	if _, code, _ := New(config(newBook(t))).Start(t.Context(), "PLAIN", make([]byte, maxMessage+1)); code != SASL_BADPROT {
		t.Errorf("a message over the limit: %v", code)
	}
}

// The last message of the server comes with SASL_CONTINUE; the client answers it with nothing, and only then is it SASL_OK (there is no
// success data in POP3 and SMTP).
func TestFinalMessageOfTheServer(t *testing.T) {
	for answer, want := range map[string]Code{"": SASL_OK, "x": SASL_BADPROT, "\x00": SASL_BADPROT} {
		x, turns := rightSCRAM(t)
		play(t, x, "SCRAM-SHA-256", append(turns, turn{answer, "", want, ""})...)
		x = New(config(newBook(t)))
		challenge := begin(t, x, "DIGEST-MD5", nil)
		out, code, _ := x.Step(t.Context(), []byte(digestAnswer(challenge, "Alice", digestOf(challenge, "Alice", secret))))
		if _, ok := x.Identity(); ok || code != SASL_CONTINUE || !bytes.HasPrefix(out, []byte("rspauth=")) {
			t.Fatalf("%q, %v", out, code)
		}
		if out, code, _ := x.Step(t.Context(), []byte(answer)); code != want || out != nil {
			t.Errorf("DIGEST-MD5: %q answered with %q: %v", out, answer, code)
		}
		if user, ok := x.Identity(); ok != (want == SASL_OK) || ok && user != "Alice" {
			t.Errorf("DIGEST-MD5: %q, %v", user, ok)
		}
	}
}
