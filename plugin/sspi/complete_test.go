package sspi

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// after makes the next response due and judges it.
func (s *server) after(c *client) Status {
	s.t.Helper()
	s.must("AcceptSecurityContext", s.accept(c.request()), SEC_I_COMPLETE_NEEDED)
	return s.complete(c.request())
}

func TestCompleteAuthToken(t *testing.T) {
	for _, c := range []struct {
		mode Mode
		alg  string
		req  ContextReq
	}{{HTTP, SHA256, 0}, {HTTP, MD5, 0}, {HTTP, MD5Sess, 0}, {HTTP, SHA256, ASC_REQ_INTEGRITY}, {HTTP, MD5Sess, ASC_REQ_INTEGRITY}, {SASL, MD5, 0},
		{SASL, MD5, ASC_REQ_INTEGRITY}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			s := serve(t, c.mode, nil)
			s.req |= c.req
			cl := s.answering(c.alg)
			s.must("first", s.accept(cl.request()), SEC_E_OK)
			for range 3 {
				cl = cl.next()
				cl.body += "more"
				s.must("later", s.after(cl), SEC_E_OK)
				want := "rspauth=" + cl.digest("")
				if c.mode == HTTP {
					want = fmt.Sprintf(`qop=%s, rspauth="%s", cnonce="Y25vbmNl", nc=%08x`, cl.qop, cl.digest(""), cl.nc)
				}
				if len(s.out) != 1 || s.out[0] != want {
					t.Errorf("answer %q, want %q", s.out, want)
				}
			}
			if name, status := QueryContextName(s.h); name != user || status != SEC_E_OK {
				t.Errorf("the user is %q, %v", name, status)
			}
		})
	}
}

// Some clients take a new cnonce for every request; the key of a -sess algorithm stays that of the first one.
func TestAnotherCNonce(t *testing.T) {
	for _, alg := range []string{MD5, MD5Sess, SHA256} {
		s, c := loggedIn(t, HTTP, alg, nil)
		c = c.next()
		c.cnonce = "another"
		s.must(alg, s.after(c), SEC_E_OK)
		c = c.next()
		c.cnonce = "a+++ATH0"
		s.must(alg+", an escape", s.after(c), SEC_E_INVALID_TOKEN)
		c.cnonce = "a++b"
		s.must(alg+", no escape", s.after(c), SEC_E_OK)
	}
}

func TestCompleteWithoutBeingDue(t *testing.T) {
	s := serve(t, HTTP, nil)
	if status := CompleteAuthToken(nil, nil); status != SEC_E_INVALID_HANDLE {
		t.Errorf("no handle: %v", status)
	}
	c := s.answering(SHA256)
	s.must("partial", s.complete(c.request()), SEC_E_INVALID_HANDLE)
	s.must("first", s.accept(c.request()), SEC_E_OK)
	c = c.next()
	s.must("nothing due", s.complete(c.request()), SEC_E_INVALID_HANDLE)
	s.must("later", s.after(c), SEC_E_OK)
	s.must("due once", s.complete(c.next().request()), SEC_E_INVALID_HANDLE)
	s.must("due", s.accept(c.next().request()), SEC_I_COMPLETE_NEEDED)
	s.must("delete", DeleteSecurityContext(s.h), SEC_E_OK)
	s.must("deleted", s.complete(c.next().request()), SEC_E_INVALID_HANDLE)
}

// What is wrong with a later response decides the status, and no wrong one advances the count: the right one is taken after it.
func TestCompleteRefuses(t *testing.T) {
	type wrong struct {
		want Status
		edit func(c *client)
	}
	sent := func(want Status, name, value string) wrong {
		return wrong{want, func(c *client) { c.edit = func(d map[string]string) { d[name] = value } }}
	}
	cases := map[string]wrong{
		"replay":               {SEC_E_OUT_OF_SEQUENCE, func(c *client) { c.nc-- }},
		"skip ahead":           {SEC_E_OUT_OF_SEQUENCE, func(c *client) { c.nc++ }},
		"far ahead":            {SEC_E_OUT_OF_SEQUENCE, func(c *client) { c.nc = math.MaxUint32 }},
		"nc edited":            sent(SEC_E_MESSAGE_ALTERED, "nc", "00000003"),
		"nc edited back":       sent(SEC_E_MESSAGE_ALTERED, "nc", "00000001"),
		"nc zero":              sent(SEC_E_INVALID_TOKEN, "nc", "00000000"),
		"nc short":             sent(SEC_E_INVALID_TOKEN, "nc", "2"),
		"method":               {SEC_E_MESSAGE_ALTERED, func(c *client) { c.hashMethod = "PUT" }},
		"uri":                  {SEC_E_MESSAGE_ALTERED, func(c *client) { c.hashURI = "/other" }},
		"password":             {SEC_E_MESSAGE_ALTERED, func(c *client) { c.password = "wrong" }},
		"cnonce edited":        sent(SEC_E_MESSAGE_ALTERED, "cnonce", `"Zm9v"`),
		"response edited":      sent(SEC_E_MESSAGE_ALTERED, "response", `"`+strings.Repeat("0", 64)+`"`),
		"response short":       sent(SEC_E_INVALID_TOKEN, "response", `"`+strings.Repeat("0", 63)+`"`),
		"response of MD5":      sent(SEC_E_MESSAGE_ALTERED, "response", `"`+strings.Repeat("0", 32)+`"`),
		"nonce":                sent(SEC_E_INVALID_TOKEN, "nonce", `"x"`),
		"opaque":               sent(SEC_E_INVALID_TOKEN, "opaque", `"x"`),
		"realm":                sent(SEC_E_INVALID_TOKEN, "realm", `"x"`),
		"user":                 sent(SEC_E_INVALID_TOKEN, "username", `"bob"`),
		"user's case":          sent(SEC_E_INVALID_TOKEN, "username", `"Alice"`),
		"qop":                  sent(SEC_E_INVALID_TOKEN, "qop", "auth-int"),
		"algorithm":            sent(SEC_E_INVALID_TOKEN, "algorithm", "MD5"),
		"algorithm left out":   {SEC_E_INVALID_TOKEN, func(c *client) { c.edit = func(d map[string]string) { delete(d, "algorithm") } }},
		"response left out":    {SEC_E_INVALID_TOKEN, func(c *client) { c.edit = func(d map[string]string) { delete(d, "response") } }},
		"nonce twice":          {SEC_E_INVALID_TOKEN, func(c *client) { c.extra = `, nonce="x"` }},
		"junk":                 {SEC_E_INVALID_TOKEN, func(c *client) { c.extra = `, "` }},
		"nc edited, nonce too": {SEC_E_INVALID_TOKEN, func(c *client) { c.nc, c.nonce = 9, "x" }},
		"altered and skipped":  {SEC_E_MESSAGE_ALTERED, func(c *client) { c.nc, c.password = 9, "x" }},
	}
	for name, w := range cases {
		t.Run(name, func(t *testing.T) {
			s, c := loggedIn(t, HTTP, SHA256, nil)
			c = c.next()
			evil := *c
			w.edit(&evil)
			s.must(name, s.after(&evil), w.want)
			if len(s.out) != 0 {
				t.Errorf("it was answered with %q", s.out)
			}
			if s.h.last != 1 {
				t.Errorf("the count is %d", s.h.last)
			}
			s.must("the right response", s.after(c), SEC_E_OK)
			s.must("its replay", s.after(c), SEC_E_OUT_OF_SEQUENCE)
		})
	}
	s, c := loggedIn(t, HTTP, SHA256, nil)
	c = c.next()
	s.must("no token", s.accept(c.request()), SEC_I_COMPLETE_NEEDED)
	s.must("no token", CompleteAuthToken(s.h, nil), SEC_E_INVALID_TOKEN)
	s.must("no parameters", s.accept(c.request()), SEC_I_COMPLETE_NEEDED)
	s.must("no parameters", CompleteAuthToken(s.h, buffers(c.token(), "", "", "")), SEC_E_INVALID_TOKEN)
	s.must("the right response", s.after(c), SEC_E_OK)
}

func TestBodyIsPartOfAuthInt(t *testing.T) {
	s := serve(t, HTTP, nil)
	s.req |= ASC_REQ_INTEGRITY
	c := s.answering(SHA256)
	c.method, c.body = "POST", "pay 10"
	altered := func(c *client) *SecBufferDesc {
		return buffers(c.token(), "POST", c.uri, string(EntityHash(SHA256, []byte("pay 99"))))
	}
	s.must("first", s.accept(c.request()), SEC_E_OK)
	c = c.next()
	s.must("later", s.accept(altered(c)), SEC_I_COMPLETE_NEEDED)
	s.must("altered", s.complete(altered(c)), SEC_E_MESSAGE_ALTERED)
	s.must("as signed", s.after(c), SEC_E_OK)
	if got := string(EntityHash("unknown", []byte("x"))); got != md5hex("x") {
		t.Errorf("hash of an unknown algorithm: %s", got)
	}
}

// After a replay or a jump the client needs only a new nonce: its user knows the password.
func TestChallengeAfterOutOfSequence(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(c *client)
		want Status
	}{
		"replay":  {func(c *client) { c.nc-- }, SEC_E_OUT_OF_SEQUENCE},
		"jump":    {func(c *client) { c.nc += 2 }, SEC_E_OUT_OF_SEQUENCE},
		"altered": {func(c *client) { c.password = "x" }, SEC_E_MESSAGE_ALTERED},
		"invalid": {func(c *client) { c.nonce = "x" }, SEC_E_INVALID_TOKEN},
	} {
		s, cl := loggedIn(t, HTTP, MD5, nil)
		old := cl.nonce
		cl = cl.next()
		c.edit(cl)
		s.must(name, s.after(cl), c.want)
		s.must("challenge", s.accept(nil), SEC_I_CONTINUE_NEEDED)
		if strings.Contains(s.out[0], "stale=true") != (c.want == SEC_E_OUT_OF_SEQUENCE) || strings.Contains(s.out[0], old) {
			t.Errorf("%s: %s", name, s.out[0])
		}
		s.must(name, s.accept(s.reading(MD5).request()), SEC_E_OK)
	}
}

// A challenge that is asked for between two right responses is the one that they belong to: a client that is asked again goes on counting.
func TestChallengeIsRepeated(t *testing.T) {
	s, c := loggedIn(t, HTTP, MD5, nil)
	nonce := s.h.nonce
	s.req |= ASC_REQ_INTEGRITY // too late
	s.must("challenge", s.accept(nil), SEC_I_CONTINUE_NEEDED)
	if !strings.Contains(s.out[0], nonce) || !strings.Contains(s.out[0], `qop="auth"`) {
		t.Errorf("challenge %s", s.out[0])
	}
	s.must("later", s.after(c.next()), SEC_E_OK)
}

func TestCompleteAndContinue(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(c *client)
		want Status
	}{
		"right":        {func(*client) {}, SEC_E_OK},
		"altered":      {func(c *client) { c.password = "x" }, SEC_E_MESSAGE_ALTERED},
		"out of order": {func(c *client) { c.nc += 4 }, SEC_E_OUT_OF_SEQUENCE},
		"malformed":    {func(c *client) { c.extra = "," + `"` }, SEC_E_INVALID_TOKEN},
	} {
		t.Run(name, func(t *testing.T) {
			s, cl := loggedIn(t, HTTP, SHA256, nil)
			old := cl.nonce
			s.clock.add(MaxNonceLifetime)
			cl = cl.next()
			c.edit(cl)
			s.must("accept", s.accept(cl.request()), SEC_I_COMPLETE_AND_CONTINUE)
			if len(s.out) != 0 {
				t.Errorf("the challenge came too early: %q", s.out)
			}
			s.must("complete", s.complete(cl.request()), c.want)
			if len(s.out) != 3 {
				t.Fatalf("%d challenges", len(s.out))
			}
			if stale := strings.HasSuffix(s.out[0], "stale=true"); stale != (c.want == SEC_E_OK) || strings.Contains(s.out[0], old) {
				t.Errorf("challenge %s", s.out[0])
			}
			if _, status := QueryContextName(s.h); status != SEC_E_INVALID_HANDLE {
				t.Errorf("somebody is logged in: %v", status)
			}
			fresh := s.reading(SHA256)
			s.must("nothing is due", s.complete(fresh.request()), SEC_E_INVALID_HANDLE)
			s.must("a first response", s.accept(fresh.request()), SEC_E_OK)
			s.must("a later response", s.after(fresh.next()), SEC_E_OK)
		})
	}
}

// The nonce can grow too old between the two calls.
func TestStaleBetweenTheCalls(t *testing.T) {
	s, c := loggedIn(t, HTTP, SHA256, nil)
	c = c.next()
	s.must("accept", s.accept(c.request()), SEC_I_COMPLETE_NEEDED)
	s.clock.add(MaxNonceLifetime)
	s.must("complete", s.complete(c.request()), SEC_E_OUT_OF_SEQUENCE)
	s.must("challenge", s.accept(nil), SEC_I_CONTINUE_NEEDED)
	if !strings.HasSuffix(s.out[0], "stale=true") {
		t.Errorf("challenge %s", s.out[0])
	}
}

// After the last count there is none: the nonce is used up.
func TestCountDoesNotWrap(t *testing.T) {
	s, c := loggedIn(t, HTTP, SHA256, nil)
	s.h.last = math.MaxUint32 - 1
	c = c.next()
	c.nc = math.MaxUint32
	s.must("the last one", s.after(c), SEC_E_OK)
	c.nc = 1
	s.must("from the start", s.accept(c.request()), SEC_I_COMPLETE_AND_CONTINUE)
	s.must("from the start", s.complete(c.request()), SEC_E_OUT_OF_SEQUENCE)
}

func TestCompleteInternalErrors(t *testing.T) {
	s, c := loggedIn(t, HTTP, SHA256, nil)
	c = c.next()
	s.must("due", s.accept(c.request()), SEC_I_COMPLETE_NEEDED)
	in := c.request()
	s.h.allocate = false
	in.Buffers = append(in.Buffers, SecBuffer{SECBUFFER_TOKEN, make([]byte, 3)})
	s.must("no room for the answer", CompleteAuthToken(s.h, in), SEC_E_INTERNAL_ERROR)
	s.must("with room", s.after(c), SEC_E_OK)

	s.clock.add(time.Hour)
	s.must("due", s.accept(c.request()), SEC_I_COMPLETE_AND_CONTINUE)
	s.must("no room for the challenges", CompleteAuthToken(s.h, c.request()), SEC_E_INTERNAL_ERROR)

	s, c = loggedIn(t, HTTP, SHA256, nil)
	s.clock.add(time.Hour)
	c = c.next()
	s.cred.auth.Rand = &bad{0}
	s.must("due", s.accept(c.request()), SEC_I_COMPLETE_AND_CONTINUE)
	s.must("no random numbers", s.complete(c.request()), SEC_E_INTERNAL_ERROR)

	s, c = loggedIn(t, HTTP, SHA256, nil)
	s.must("due", s.accept(c.next().request()), SEC_I_COMPLETE_NEEDED)
	s.cred.auth.Now = func() time.Time { panic("no clock") }
	s.must("panic", s.complete(c.next().request()), SEC_E_INTERNAL_ERROR)
}

// Two callers at once do not mix, whoever comes first.
func TestContextsInterleaved(t *testing.T) {
	one, a := loggedIn(t, HTTP, SHA256, nil)
	two := *one
	two.h = nil
	b := two.answering(MD5)
	two.must("first", two.accept(b.request()), SEC_E_OK)
	for range 2 {
		a, b = a.next(), b.next()
		one.must("accept", one.accept(a.request()), SEC_I_COMPLETE_NEEDED)
		two.must("accept", two.accept(b.request()), SEC_I_COMPLETE_NEEDED)
		one.must("the other's response", one.complete(b.request()), SEC_E_INVALID_TOKEN)
		two.must("complete", two.complete(b.request()), SEC_E_OK)
		one.must("complete", one.after(a), SEC_E_OK)
	}
}

// Of many tries with one response at once, one is right.
func TestContextIsSerialised(t *testing.T) {
	s, c := loggedIn(t, HTTP, SHA256, nil)
	c = c.next()
	const tries = 16
	token := c.token()
	results := make([]Status, tries)
	var wg sync.WaitGroup
	for i := range tries {
		wg.Go(func() {
			in := buffers(token, c.method, c.uri, "")
			h, status := AcceptSecurityContext(t.Context(), s.cred, nil, in, ASC_REQ_ALLOCATE_MEMORY, nil)
			if status == SEC_I_COMPLETE_NEEDED {
				status = CompleteAuthToken(h, in)
			}
			results[i] = status
		})
	}
	wg.Wait()
	count := map[Status]int{}
	for _, status := range results {
		count[status]++
	}
	// A call that finds that another one has taken its turn sees SEC_E_INVALID_HANDLE.
	if count[SEC_E_OK] != 1 || count[SEC_E_OK]+count[SEC_E_OUT_OF_SEQUENCE]+count[SEC_E_INVALID_HANDLE] != tries {
		t.Errorf("%v", count)
	}
}

// Subsequent authentication of RFC 2831, section 2.2: an initial response with the old nonce and the next count.
func TestSASLSubsequent(t *testing.T) {
	s, c := loggedIn(t, SASL, MD5, nil)
	h := s.h
	s.h = nil
	c = c.next()
	s.must("accept", s.accept(c.request()), SEC_I_COMPLETE_NEEDED)
	if s.h != h {
		t.Fatal("another context")
	}
	s.must("complete", s.complete(c.request()), SEC_E_OK)
	if len(s.out) != 1 || s.out[0] != "rspauth="+c.digest("") {
		t.Errorf("answer %q", s.out)
	}
	s.must("replay", s.after(c), SEC_E_OUT_OF_SEQUENCE)
	evil := c.next()
	evil.edit = func(d map[string]string) { d["digest-uri"] = `"smtp/line.example"` }
	s.must("another service", s.after(evil), SEC_E_INVALID_TOKEN)
	s.clock.add(time.Hour)
	c = c.next()
	s.must("accept", s.accept(c.request()), SEC_I_COMPLETE_AND_CONTINUE)
	s.must("complete", s.complete(c.request()), SEC_E_OK)
	s.must("first", s.accept(s.reading(MD5).request()), SEC_E_OK)
}

// processorTime is what the process has used, so that a busy machine does not change the figure per core.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// The figure is for one core.
func BenchmarkCompleteAuthToken(b *testing.B) {
	for _, alg := range []string{MD5, SHA256} {
		b.Run(alg, func(b *testing.B) {
			s, c := loggedIn(b, HTTP, alg, nil)
			c = c.next()
			in := c.request()
			in.Buffers = append(in.Buffers, SecBuffer{Type: SECBUFFER_TOKEN})
			b.ReportAllocs()
			before := processorTime(b)
			for b.Loop() {
				s.h.last, s.h.due = 1, completion // as AcceptSecurityContext leaves it before this response
				if status := CompleteAuthToken(s.h, in); status != SEC_E_OK {
					b.Fatal(status)
				}
			}
			b.ReportMetric(float64(b.N)/(processorTime(b)-before).Seconds(), "tokens/cpu-s")
		})
	}
}
