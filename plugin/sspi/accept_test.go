package sspi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"rashost/plugin/users"
)

func TestAcquireCredentials(t *testing.T) {
	good := func() *AuthData { return &AuthData{Mode: HTTP, Realm: realm, Accounts: accounts{}} }
	with := func(edit func(a *AuthData)) *AuthData { a := good(); edit(a); return a }
	sasl := func(edit func(a *AuthData)) *AuthData {
		a := &AuthData{Mode: SASL, Service: "pop", Accounts: accounts{}}
		edit(a)
		return a
	}
	for name, c := range map[string]struct {
		pkg  string
		use  CredentialUse
		auth *AuthData
		want Status
	}{
		"good":              {"WDigest", SECPKG_CRED_INBOUND, good(), SEC_E_OK},
		"another package":   {"Negotiate", SECPKG_CRED_INBOUND, good(), SEC_E_SECPKG_NOT_FOUND},
		"no package":        {"", SECPKG_CRED_INBOUND, good(), SEC_E_SECPKG_NOT_FOUND},
		"client":            {"WDigest", SECPKG_CRED_OUTBOUND, good(), SEC_E_UNSUPPORTED_FUNCTION},
		"both":              {"WDigest", SECPKG_CRED_BOTH, good(), SEC_E_UNSUPPORTED_FUNCTION},
		"no data":           {"WDigest", SECPKG_CRED_INBOUND, nil, SEC_E_NO_CREDENTIALS},
		"no accounts":       {"WDigest", SECPKG_CRED_INBOUND, &AuthData{Mode: HTTP, Realm: realm}, SEC_E_NO_CREDENTIALS},
		"no mode":           {"WDigest", SECPKG_CRED_INBOUND, with(func(a *AuthData) { a.Mode = 0 }), SEC_E_UNKNOWN_CREDENTIALS},
		"no realm":          {"WDigest", SECPKG_CRED_INBOUND, with(func(a *AuthData) { a.Realm = "" }), SEC_E_UNKNOWN_CREDENTIALS},
		"bad realm":         {"WDigest", SECPKG_CRED_INBOUND, with(func(a *AuthData) { a.Realm = "a\nb" }), SEC_E_UNKNOWN_CREDENTIALS},
		"long realm":        {"WDigest", SECPKG_CRED_INBOUND, with(func(a *AuthData) { a.Realm = strings.Repeat("a", 257) }), SEC_E_UNKNOWN_CREDENTIALS},
		"no algorithms":     {"WDigest", SECPKG_CRED_INBOUND, with(func(a *AuthData) { a.Algorithms = []string{} }), SEC_E_UNKNOWN_CREDENTIALS},
		"unknown algorithm": {"WDigest", SECPKG_CRED_INBOUND, with(func(a *AuthData) { a.Algorithms = []string{"SHA-1"} }), SEC_E_UNKNOWN_CREDENTIALS},
		"algorithm twice":   {"WDigest", SECPKG_CRED_INBOUND, with(func(a *AuthData) { a.Algorithms = []string{"MD5", "md5"} }), SEC_E_UNKNOWN_CREDENTIALS},
		"nonce too long":    {"WDigest", SECPKG_CRED_INBOUND, with(func(a *AuthData) { a.NonceLifetime = 5*time.Minute + 1 }), SEC_E_UNKNOWN_CREDENTIALS},
		"nonce negative":    {"WDigest", SECPKG_CRED_INBOUND, with(func(a *AuthData) { a.NonceLifetime = -1 }), SEC_E_UNKNOWN_CREDENTIALS},
		"no service":        {"WDigest", SECPKG_CRED_INBOUND, sasl(func(a *AuthData) { a.Service = "" }), SEC_E_UNKNOWN_CREDENTIALS},
		"SASL algorithm":    {"WDigest", SECPKG_CRED_INBOUND, sasl(func(a *AuthData) { a.Algorithms = []string{"MD5"} }), SEC_E_UNKNOWN_CREDENTIALS},
		"SASL, no realm":    {"WDigest", SECPKG_CRED_INBOUND, sasl(func(*AuthData) {}), SEC_E_OK},
		"no random numbers": {"WDigest", SECPKG_CRED_INBOUND, with(func(a *AuthData) { a.Rand = strings.NewReader("short") }), SEC_E_INTERNAL_ERROR},
	} {
		if cred, s := AcquireCredentialsHandle(c.pkg, c.use, c.auth); s != c.want || (cred == nil) != (s != SEC_E_OK) {
			t.Errorf("%s: %v, want %v", name, s, c.want)
		}
	}
}

func TestCredentialsMustBeAlive(t *testing.T) {
	if _, s := AcceptSecurityContext(t.Context(), nil, nil, nil, 0, nil); s != SEC_E_NO_CREDENTIALS {
		t.Errorf("without credentials: %v", s)
	}
	s := serve(t, HTTP, nil)
	c := s.answering(MD5)
	if FreeCredentialsHandle(s.cred) != SEC_E_OK || FreeCredentialsHandle(nil) != SEC_E_INVALID_HANDLE {
		t.Error("FreeCredentialsHandle")
	}
	s.must("freed", s.accept(c.request()), SEC_E_NO_CREDENTIALS)
	other := serve(t, HTTP, nil)
	other.h = s.h
	other.must("another's context", other.accept(c.request()), SEC_E_INVALID_HANDLE)
}

func TestRequirements(t *testing.T) {
	for req, want := range map[ContextReq]string{
		0: qopAuth, ASC_REQ_CONNECTION | ASC_REQ_EXTENDED_ERROR | ASC_REQ_PROXY_BINDINGS: qopAuth,
		ASC_REQ_INTEGRITY: qopInt, ASC_REQ_REPLAY_DETECT: qopInt, ASC_REQ_SEQUENCE_DETECT: qopInt,
	} {
		for _, mode := range []Mode{HTTP, SASL} {
			s := serve(t, mode, nil)
			s.req |= req
			if c := s.answering(MD5); c.qop != want {
				t.Errorf("mode %d, req %#x: qop %s, want %s", mode, req, c.qop, want)
			}
			s.req = ASC_REQ_ALLOCATE_MEMORY | req | ASC_REQ_CONFIDENTIALITY
			s.must("confidentiality", s.accept(nil), SEC_E_SECURITY_QOS_FAILED)
			s.req = 0x10000000 // ASC_REQ_HTTP, as Microsoft prints it, which is another bit's number
			s.must("unknown bit", s.accept(nil), SEC_E_SECURITY_QOS_FAILED)
		}
	}
}

func TestChallenge(t *testing.T) {
	s := serve(t, HTTP, nil)
	s.must("challenge", s.accept(nil), SEC_I_CONTINUE_NEEDED)
	if len(s.out) != 3 {
		t.Fatalf("%d challenges for three algorithms", len(s.out))
	}
	for i, alg := range []string{SHA256, MD5, MD5Sess} {
		want := fmt.Sprintf(`realm="line.example", nonce="%s", opaque="%s", algorithm=%s, qop="auth", charset=UTF-8`, s.h.nonce, s.h.opaque, alg)
		if s.out[i] != want {
			t.Errorf("challenge %s, want %s", s.out[i], want)
		}
	}
	first := s.out[0]
	s.must("again", s.accept(nil), SEC_I_CONTINUE_NEEDED)
	if s.out[0] != first {
		t.Error("a challenge that nobody has answered is repeated as it was")
	}
	s.clock.add(MaxNonceLifetime)
	s.must("too old", s.accept(nil), SEC_I_CONTINUE_NEEDED)
	if s.out[0] == first || strings.Contains(s.out[0], "stale") {
		t.Errorf("an old challenge: %s", s.out[0])
	}
	if n := len(s.h.nonce); n != 32 || len(s.h.opaque) != 32 || s.h.nonce == s.h.opaque {
		t.Errorf("nonce %s, opaque %s: not 192 bits each", s.h.nonce, s.h.opaque)
	}
	if len(s.cred.contexts) != 1 {
		t.Errorf("%d contexts in the table", len(s.cred.contexts))
	}
}

func TestBuffersTooSmall(t *testing.T) {
	s := serve(t, HTTP, nil)
	try := func(sizes ...int) Status {
		out := new(SecBufferDesc)
		for _, n := range sizes {
			out.Buffers = append(out.Buffers, SecBuffer{SECBUFFER_TOKEN, make([]byte, n)})
		}
		h, status := AcceptSecurityContext(t.Context(), s.cred, nil, nil, 0, out)
		if (h == nil) != (status != SEC_I_CONTINUE_NEEDED) {
			t.Errorf("handle %v with %v", h, status)
		}
		if status == SEC_I_CONTINUE_NEEDED && !strings.HasSuffix(string(out.Buffers[0].Buffer), "charset=UTF-8") {
			t.Errorf("buffer %q", out.Buffers[0].Buffer)
		}
		return status
	}
	s.must("no buffer", try(), SEC_E_BUFFER_TOO_SMALL)
	s.must("two of three", try(300, 300), SEC_E_BUFFER_TOO_SMALL)
	s.must("one too small", try(300, 20, 300), SEC_E_BUFFER_TOO_SMALL)
	if len(s.cred.contexts) != 0 {
		t.Error("contexts that nobody has are in the table")
	}
	s.must("room", try(300, 300, 300), SEC_I_CONTINUE_NEEDED)
	// The answer to a right response: more room, and the same response is taken.
	c := s.answering(MD5)
	out := &SecBufferDesc{Buffers: []SecBuffer{{SECBUFFER_TOKEN, make([]byte, 10)}}}
	_, status := AcceptSecurityContext(t.Context(), s.cred, s.h, c.request(), 0, out)
	s.must("answer", status, SEC_E_BUFFER_TOO_SMALL)
	s.must("answer", s.accept(c.request()), SEC_E_OK)
}

func TestFirstResponse(t *testing.T) {
	for _, alg := range []string{SHA256, MD5, MD5Sess} {
		for _, qop := range []string{qopAuth, qopInt} {
			s := serve(t, HTTP, nil)
			if qop == qopInt {
				s.req |= ASC_REQ_INTEGRITY
			}
			c := s.answering(alg)
			c.method, c.body = "POST", "some body"
			if _, status := QueryContextName(s.h); status != SEC_E_INVALID_HANDLE {
				t.Errorf("a name before the response: %v", status)
			}
			s.must(alg+" "+qop, s.accept(c.request()), SEC_E_OK)
			want := fmt.Sprintf(`qop=%s, rspauth="%s", cnonce="Y25vbmNl", nc=00000001`, qop, c.digest(""))
			if len(s.out) != 1 || s.out[0] != want {
				t.Errorf("Authentication-Info %q, want %q", s.out, want)
			}
			if name, status := QueryContextName(s.h); name != user || status != SEC_E_OK || s.h.ClaimedName() != user {
				t.Errorf("the user is %q, %v", name, status)
			}
		}
	}
}

func TestSASLHosts(t *testing.T) {
	for host, want := range map[string]Status{
		"line.example": SEC_E_OK, "LINE.example": SEC_E_OK, "evil.example": SEC_E_INVALID_TOKEN, "": SEC_E_INVALID_TOKEN,
	} {
		s := serve(t, SASL, func(a *AuthData) { a.Hosts = []string{"127.0.0.1", "line.example"} })
		c := s.answering(MD5)
		c.uri = "pop/" + host
		s.must(host, s.accept(c.request()), want)
	}
}

func TestSASLWithoutRealm(t *testing.T) {
	s := serve(t, SASL, func(a *AuthData) { a.Realm, a.Accounts = "", accounts{}.add(user, "", pass, "") })
	c := s.answering(MD5)
	c.realm = ""
	if strings.Contains(s.out[0], "realm") {
		t.Errorf("challenge %s", s.out[0])
	}
	c.edit = func(d map[string]string) { delete(d, "realm") }
	s.must("realm absent", s.accept(c.request()), SEC_E_OK)
}

// Names and passwords beyond ASCII: clients hash them as UTF-8 or as ISO 8859-1, and send the name as either.
func TestLatin1(t *testing.T) {
	const utf8Name, latin1Name = "j\u00e4s\u00f8n", "j\xe4s\xf8n"
	account := accounts{}
	account.add(utf8Name, realm, "p\u00e4ss", "p\xe4ss")
	acc := account[utf8Name]
	for i := range acc.Digest {
		if acc.Digest[i].Algorithm == MD5 {
			acc.Digest[i].Latin1 = []byte(md5raw(latin1Name + ":" + realm + ":p\xe4ss"))
		}
	}
	account[utf8Name] = acc
	for name, c := range map[string]struct {
		sent, hashed, password string
		want                   Status
	}{
		"both UTF-8":                 {utf8Name, utf8Name, "p\u00e4ss", SEC_E_OK},
		"sent UTF-8, hashed Latin 1": {utf8Name, latin1Name, "p\xe4ss", SEC_E_OK},
		"both Latin 1":               {latin1Name, latin1Name, "p\xe4ss", SEC_E_OK},
		"mixed in one hash":          {utf8Name, utf8Name, "p\xe4ss", SEC_E_LOGON_DENIED},
	} {
		for _, mode := range []Mode{HTTP, SASL} {
			s := serve(t, mode, func(a *AuthData) { a.Accounts = account })
			cl := s.answering(MD5)
			cl.name, cl.password = c.hashed, c.password
			cl.edit = func(d map[string]string) { d["username"] = `"` + c.sent + `"` }
			s.must(name, s.accept(cl.request()), c.want)
			if got := s.h.ClaimedName(); got != utf8Name {
				t.Errorf("%s: the name reads as %q", name, got)
			}
		}
	}
}

func TestWhoIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(a *users.Account)
		want string
	}{
		"disabled":          {func(a *users.Account) { a.Disabled = true }, "the user is disabled"},
		"no key":            {func(a *users.Account) { a.Digest = nil }, "the user has no key for this realm and algorithm"},
		"another realm":     {func(a *users.Account) { a.Digest[1].Realm = "other" }, "the user has no key for this realm and algorithm"},
		"another algorithm": {func(a *users.Account) { a.Digest = a.Digest[:1] }, "the user has no key for this realm and algorithm"},
		"damaged key":       {func(a *users.Account) { a.Digest[1].HA1 = nil }, "the user has no key for this realm and algorithm"},
	} {
		s := serve(t, HTTP, nil)
		account := s.cred.auth.Accounts.(accounts)[user]
		c.edit(&account)
		s.cred.auth.Accounts.(accounts)[user] = account
		s.must(name, s.accept(s.answering(MD5).request()), SEC_E_LOGON_DENIED)
		if s.h.Detail() != c.want {
			t.Errorf("%s: detail %q", name, s.h.Detail())
		}
	}
}

// The key that stands in for an unknown user's is none that can be guessed, and the same every time.
func TestFakeKey(t *testing.T) {
	a, _ := algorithmNamed(SHA256)
	m, _ := algorithmNamed(MD5)
	key := string(fakeKey([]byte("k"), "r", a, "mallory"))
	for name, other := range map[string][]byte{
		"another secret": fakeKey([]byte("l"), "r", a, "mallory"), "another realm": fakeKey([]byte("k"), "s", a, "mallory"),
		"another name": fakeKey([]byte("k"), "r", a, "malloryy"), "another algorithm": fakeKey([]byte("k"), "r", m, "mallory"),
	} {
		if strings.HasPrefix(key, string(other)) {
			t.Errorf("%s gives the same key", name)
		}
	}
	if len(key) != 32 || len(fakeKey(nil, "", m, "")) != 16 || string(fakeKey([]byte("k"), "r", a, "MALLORY")) != key {
		t.Error("not one key of the right length for each name without case")
	}
	s := serve(t, HTTP, nil)
	c := s.answering(MD5)
	c.name, c.password = "mallory", ""
	s.must("unknown user", s.accept(c.request()), SEC_E_LOGON_DENIED)
	if s.h.Detail() != "the user is unknown" {
		t.Error(s.h.Detail())
	}
	c = s.answering(MD5)
	c.name, c.key = "mallory", fakeKey([]byte("fake"), realm, m, "mallory")
	s.must("whoever knows the key", s.accept(c.request()), SEC_E_LOGON_DENIED)
}

func TestAccountsThatFail(t *testing.T) {
	s := serve(t, HTTP, func(a *AuthData) { a.Accounts = broken{} })
	s.must("unreadable", s.accept(s.answering(MD5).request()), SEC_E_NO_AUTHENTICATING_AUTHORITY)
	if s.h.Detail() != "permission denied" {
		t.Error(s.h.Detail())
	}
	s = serve(t, HTTP, func(a *AuthData) { a.Accounts = crazy{} })
	s.must("panic", s.accept(s.answering(MD5).request()), SEC_E_INTERNAL_ERROR)
}

// bad fails after n good reads.
type bad struct{ n int }

func (b *bad) Read(p []byte) (int, error) {
	if b.n--; b.n < 0 {
		return 0, errors.New("no entropy")
	}
	clear(p)
	return len(p), nil
}

func TestNoRandomNumbers(t *testing.T) {
	for n := range 2 {
		s := serve(t, HTTP, func(a *AuthData) { a.Rand = &bad{n} })
		s.must("challenge", s.accept(nil), SEC_E_INTERNAL_ERROR)
	}
}

// A context belongs to the connection that its challenge went to.
func TestBindings(t *testing.T) {
	s := serve(t, HTTP, nil)
	bind := func(d *SecBufferDesc, line string) *SecBufferDesc {
		d.Buffers = append(d.Buffers, SecBuffer{SECBUFFER_CHANNEL_BINDINGS, []byte(line)})
		return d
	}
	s.must("challenge", s.accept(bind(&SecBufferDesc{}, "modem1 call 1")), SEC_I_CONTINUE_NEEDED)
	c := s.reading(SHA256)
	s.must("another line", s.accept(bind(c.request(), "modem2 call 2")), SEC_E_BAD_BINDINGS)
	s.must("no line", s.accept(c.request()), SEC_E_BAD_BINDINGS)
	s.must("the line", s.accept(bind(c.request(), "modem1 call 1")), SEC_E_OK)
	h := s.h
	s.h = nil
	s.must("found from another line", s.accept(bind(c.next().request(), "modem2 call 2")), SEC_E_BAD_BINDINGS)
	s.h = nil
	s.must("found from the line", s.accept(bind(c.next().request(), "modem1 call 1")), SEC_I_COMPLETE_NEEDED)
	if s.h != h {
		t.Error("another context was found")
	}
}

func TestMissingParameters(t *testing.T) {
	s := serve(t, HTTP, nil)
	s.req |= ASC_REQ_INTEGRITY
	for name, in := range map[string]func(c *client) *SecBufferDesc{
		"no method": func(c *client) *SecBufferDesc { return buffers(c.token(), "", c.uri, "x") },
		"no URI":    func(c *client) *SecBufferDesc { return buffers(c.token(), "GET", "", "x") },
		"no body":   func(c *client) *SecBufferDesc { return buffers(c.token(), "GET", c.uri, "") },
		"only token": func(c *client) *SecBufferDesc {
			return &SecBufferDesc{Buffers: []SecBuffer{{SECBUFFER_TOKEN, []byte(c.token())}}}
		},
	} {
		s.must(name, s.accept(in(s.answering(MD5))), SEC_E_INVALID_TOKEN)
	}
}

// A first response that is right but late costs no try: the client answers the new challenge without asking its user.
func TestFirstResponseTooLate(t *testing.T) {
	for _, mode := range []Mode{HTTP, SASL} {
		s := serve(t, mode, func(a *AuthData) { a.NonceLifetime = time.Minute })
		c := s.answering(MD5)
		s.clock.add(time.Minute)
		s.must("late", s.accept(c.request()), SEC_I_CONTINUE_NEEDED)
		if mode == HTTP && !strings.HasSuffix(s.out[0], "stale=true") {
			t.Errorf("challenge %s", s.out[0])
		}
		s.must("the old nonce again", s.accept(c.request()), SEC_E_INVALID_TOKEN)
		s.must("challenge", s.accept(nil), SEC_I_CONTINUE_NEEDED)
		s.must("the new nonce", s.accept(s.reading(MD5).request()), SEC_E_OK)

		s = serve(t, mode, nil)
		c = s.answering(MD5)
		c.password = "wrong"
		s.clock.add(MaxNonceLifetime)
		s.must("late and wrong", s.accept(c.request()), SEC_E_LOGON_DENIED)
		s.must("challenge", s.accept(nil), SEC_I_CONTINUE_NEEDED)
		if strings.Contains(s.out[0], "stale") {
			t.Errorf("challenge %s", s.out[0])
		}
		s = serve(t, mode, nil)
		c = s.answering(MD5)
		s.clock.add(-time.Second)
		s.must("a clock set back", s.accept(c.request()), SEC_I_CONTINUE_NEEDED)
	}
}

func TestDeleteSecurityContext(t *testing.T) {
	const audit = "SEC_E_UNFINISHED_CONTEXT_DELETED"
	s := serve(t, HTTP, nil)
	s.must("no handle", DeleteSecurityContext(nil), SEC_E_INVALID_HANDLE)
	first := func(s *server) *client {
		c := s.answering(MD5)
		s.must("first", s.accept(c.request()), SEC_E_OK)
		return c
	}
	for name, c := range map[string]struct {
		prepare func(s *server)
		audited bool
	}{
		"partial": {func(s *server) { s.answering(MD5) }, true},
		"failed": {func(s *server) {
			c := s.answering(MD5)
			c.password = "x"
			s.must("failed", s.accept(c.request()), SEC_E_LOGON_DENIED)
		}, true},
		"established": {func(s *server) { first(s) }, false},
		"due":         {func(s *server) { s.must("due", s.accept(first(s).next().request()), SEC_I_COMPLETE_NEEDED) }, true},
		"complete":    {func(s *server) { s.must("complete", s.after(first(s).next()), SEC_E_OK) }, false},
	} {
		s := serve(t, HTTP, nil)
		c.prepare(s)
		s.must(name, DeleteSecurityContext(s.h), SEC_E_OK)
		s.must(name+" again", DeleteSecurityContext(s.h), SEC_E_OK)
		if n := strings.Count(s.log.String(), audit); n > 1 || (n == 1) != c.audited {
			t.Errorf("%s: %d audit messages: %s", name, n, s.log)
		}
		if len(s.cred.contexts) != 0 {
			t.Errorf("%s: the context can still be found", name)
		}
		s.must("after that", s.accept(nil), SEC_E_INVALID_HANDLE)
		if _, status := QueryContextName(s.h); status != SEC_E_INVALID_HANDLE {
			t.Errorf("%s: the name: %v", name, status)
		}
	}
}

func TestAcceptWithoutHandle(t *testing.T) {
	s := serve(t, HTTP, nil)
	c := s.answering(SHA256)
	accept := func(in *SecBufferDesc) (*CtxtHandle, Status) {
		return AcceptSecurityContext(context.Background(), s.cred, nil, in, 0, nil)
	}
	h, status := accept(c.request())
	if h != s.h || status != SEC_E_OK {
		t.Errorf("the first response: %v", status)
	}
	stranger := *c
	stranger.opaque = "unknown"
	if h, status = accept(stranger.request()); h != nil || status != SEC_E_INVALID_TOKEN {
		t.Errorf("an unknown opaque value: %v", status)
	}
	if h, status = accept(buffers("junk", "GET", "/", "")); h != nil || status != SEC_E_INVALID_TOKEN {
		t.Errorf("junk: %v", status)
	}
	s.must("delete", DeleteSecurityContext(s.h), SEC_E_OK)
	if h, status = accept(c.next().request()); h != nil || status != SEC_E_INVALID_TOKEN {
		t.Errorf("a deleted context: %v", status)
	}
}
