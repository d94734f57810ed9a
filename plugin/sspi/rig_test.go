package sspi

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"rashost/plugin/users"
)

// The arithmetic of a client, written without the package's.
func md5raw(s string) string { sum := md5.Sum([]byte(s)); return string(sum[:]) }
func md5hex(s string) string { return hex.EncodeToString([]byte(md5raw(s))) }
func sha256hex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// accounts is a user file in memory.
type accounts map[string]users.Account

func (a accounts) Lookup(_ context.Context, name string) (users.Account, bool, error) {
	account, ok := a[strings.ToLower(name)]
	return account, ok, nil
}

// add keeps the keys of a user for a realm. latin1 is the password in ISO 8859-1, "" when it is the same.
func (a accounts) add(name, realm, password, latin1 string) accounts {
	key := func(alg string) users.DigestKey {
		text, latin := name+":"+realm+":"+password, name+":"+realm+":"+latin1
		k := users.DigestKey{Realm: realm, Algorithm: alg}
		if alg == SHA256 {
			sum := sha256.Sum256([]byte(text))
			k.HA1 = sum[:]
		} else {
			k.HA1 = []byte(md5raw(text))
			if latin1 != "" {
				k.Latin1 = []byte(md5raw(latin))
			}
		}
		return k
	}
	a[strings.ToLower(name)] = users.Account{Name: name, Digest: []users.DigestKey{key(SHA256), key(MD5)}}
	return a
}

// broken is a user file that cannot be read; crazy is one that panics.
type broken struct{}

func (broken) Lookup(context.Context, string) (users.Account, bool, error) {
	return users.Account{}, false, errors.New("permission denied")
}

type crazy struct{}

func (crazy) Lookup(context.Context, string) (users.Account, bool, error) { panic("no such thing") }

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// server is the package in the hands of a server.
type server struct {
	t     testing.TB
	cred  *CredHandle
	h     *CtxtHandle
	clock *clock
	log   *bytes.Buffer
	req   ContextReq
	out   []string // TOKEN buffers of the last call
}

const (
	realm = "line.example"
	user  = "alice"
	pass  = "correct horse"
)

// serve opens the package; edit may change the settings.
func serve(t testing.TB, mode Mode, edit func(a *AuthData)) *server {
	t.Helper()
	s := &server{t: t, clock: &clock{now: time.Unix(1_000_000_000, 0)}, log: new(bytes.Buffer), req: ASC_REQ_ALLOCATE_MEMORY}
	a := &AuthData{
		Mode: mode, Realm: realm, Accounts: accounts{}.add(user, realm, pass, ""), Now: s.clock.Now,
		Log: slog.New(slog.NewTextHandler(s.log, nil)), FakeKey: []byte("fake"),
	}
	if mode == SASL {
		a.Service = "pop"
	} else {
		a.Algorithms = []string{SHA256, MD5, MD5Sess}
	}
	if edit != nil {
		edit(a)
	}
	var status Status
	if s.cred, status = AcquireCredentialsHandle("wdigest", SECPKG_CRED_INBOUND, a); status != SEC_E_OK {
		t.Fatalf("AcquireCredentialsHandle: %v", status)
	}
	return s
}

// buffers are the input of a call.
func buffers(token, method, uri, entity string) *SecBufferDesc {
	return &SecBufferDesc{Buffers: []SecBuffer{
		{SECBUFFER_TOKEN | SECBUFFER_READONLY, []byte(token)}, {SECBUFFER_PKG_PARAMS, []byte(method)}, {SECBUFFER_PKG_PARAMS, []byte(uri)},
		{SECBUFFER_PKG_PARAMS, []byte(entity)},
	}}
}

// accept is AcceptSecurityContext on the server's context.
func (s *server) accept(in *SecBufferDesc) Status {
	s.t.Helper()
	out := &SecBufferDesc{Buffers: []SecBuffer{{Type: SECBUFFER_TOKEN}, {Type: SECBUFFER_TOKEN}, {Type: SECBUFFER_TOKEN}}}
	var status Status
	s.h, status = AcceptSecurityContext(s.t.Context(), s.cred, s.h, in, s.req, out)
	s.out = nil
	for _, b := range out.Buffers {
		if b.Buffer != nil {
			s.out = append(s.out, string(b.Buffer))
		}
	}
	return status
}

// complete is CompleteAuthToken.
func (s *server) complete(in *SecBufferDesc) Status {
	s.t.Helper()
	in.Buffers = append(in.Buffers, SecBuffer{Type: SECBUFFER_TOKEN}, SecBuffer{Type: SECBUFFER_TOKEN}, SecBuffer{Type: SECBUFFER_TOKEN})
	status := CompleteAuthToken(s.h, in)
	s.out = nil
	for _, b := range in.Buffers[len(in.Buffers)-3:] {
		if b.Buffer != nil {
			s.out = append(s.out, string(b.Buffer))
		}
	}
	return status
}

// must fails the test unless a call returned what it should.
func (s *server) must(what string, got, want Status) {
	s.t.Helper()
	if got != want {
		s.t.Errorf("%s: %v (%s), want %v", what, got, s.h.Detail(), want)
	}
}

// client is a client of Digest. Its fields may be set to anything.
type client struct {
	mode                        Mode
	name, password, realm       string
	alg, nonce, opaque, qop     string
	cnonce, first               string // first: the cnonce of the session key
	method, uri, body, authzid  string
	nc                          int
	key                         []byte                    // instead of what the password gives
	edit                        func(d map[string]string) // what is sent, by directive, as it stands on the wire
	extra                       string
	hashMethod, hashURI, hashNC string // what goes into the digest instead
}

// answering makes a client that answers a challenge with the right password.
func (s *server) answering(alg string) *client {
	s.t.Helper()
	s.must("challenge", s.accept(nil), SEC_I_CONTINUE_NEEDED)
	return s.reading(alg)
}

// reading makes a client of the challenge that the server has put out last.
func (s *server) reading(alg string) *client {
	s.t.Helper()
	c := &client{
		mode: s.cred.auth.Mode, name: user, password: pass, realm: realm, alg: alg, cnonce: "Y25vbmNl", nc: 1,
		method: "GET", uri: "/dir/index.html",
	}
	if c.mode == SASL {
		c.uri = "pop/line.example"
	}
	for _, text := range s.out {
		ds, err := ParseDirectives(text)
		if err != nil {
			s.t.Fatalf("challenge %q: %v", text, err)
		}
		got := map[string]string{}
		for _, d := range ds {
			got[d.Name] = d.Value
		}
		if c.mode == SASL || got["algorithm"] == alg {
			c.nonce, c.opaque, c.qop = got["nonce"], got["opaque"], got["qop"]
			return c
		}
	}
	s.t.Fatalf("no challenge for %s in %q", alg, s.out)
	return nil
}

func (c *client) hash(s string) string {
	if c.alg == SHA256 {
		return sha256hex(s)
	}
	return md5hex(s)
}

// ha1 is H(A1).
func (c *client) ha1() string {
	first := c.first
	if first == "" {
		first = c.cnonce
	}
	if c.key != nil {
		return hex.EncodeToString(c.key)
	}
	text := c.name + ":" + c.realm + ":" + c.password
	switch {
	case c.mode == SASL && c.authzid != "":
		return md5hex(md5raw(text) + ":" + c.nonce + ":" + first + ":" + c.authzid)
	case c.mode == SASL:
		return md5hex(md5raw(text) + ":" + c.nonce + ":" + first)
	case c.alg == MD5Sess:
		return md5hex(md5hex(text) + ":" + c.nonce + ":" + first)
	default:
		return c.hash(text)
	}
}

// digest is the response; method "" gives rspauth.
func (c *client) digest(method string) string {
	a2 := method + ":" + c.uri
	if c.hashURI != "" {
		a2 = method + ":" + c.hashURI
	}
	if c.qop == "auth-int" {
		entity := strings.Repeat("0", 32)
		if c.mode == HTTP {
			entity = c.hash(c.body)
			if method == "" {
				entity = c.hash("")
			}
		}
		a2 += ":" + entity
	}
	nc := fmt.Sprintf("%08x", c.nc)
	if c.hashNC != "" {
		nc = c.hashNC
	}
	return c.hash(strings.Join([]string{c.ha1(), c.nonce, nc, c.cnonce, c.qop, c.hash(a2)}, ":"))
}

// token is the response as it is sent.
func (c *client) token() string {
	quote := func(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }
	d := map[string]string{
		"username": quote(c.name), "realm": quote(c.realm), "nonce": quote(c.nonce), "nc": fmt.Sprintf("%08x", c.nc),
		"cnonce": quote(c.cnonce), "qop": c.qop,
	}
	if c.mode == SASL {
		method := "AUTHENTICATE"
		if c.hashMethod != "" {
			method = c.hashMethod
		}
		d["charset"], d["digest-uri"], d["response"] = "utf-8", quote(c.uri), c.digest(method)
		if c.authzid != "" {
			d["authzid"] = quote(c.authzid)
		}
	} else {
		method := c.method
		if c.hashMethod != "" {
			method = c.hashMethod
		}
		d["opaque"], d["uri"], d["response"], d["algorithm"] = quote(c.opaque), quote(c.uri), quote(c.digest(method)), c.alg
	}
	if c.edit != nil {
		c.edit(d)
	}
	var parts []string
	for name := range maps.Keys(d) {
		parts = append(parts, name+"="+d[name])
	}
	return strings.Join(parts, ", ") + c.extra
}

// request are the buffers that a server makes of the client's request.
func (c *client) request() *SecBufferDesc {
	return buffers(c.token(), c.method, c.uri, c.hash(c.body))
}

// next is the client's next response on the same nonce.
func (c *client) next() *client {
	n := *c
	n.nc++
	n.first = c.first
	if n.first == "" {
		n.first = c.cnonce
	}
	return &n
}

// loggedIn is a server whose first response was right, with its client.
func loggedIn(t testing.TB, mode Mode, alg string, edit func(a *AuthData)) (*server, *client) {
	t.Helper()
	s := serve(t, mode, edit)
	c := s.answering(alg)
	s.must("first response", s.accept(c.request()), SEC_E_OK)
	return s, c
}
