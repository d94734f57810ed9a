package sspi

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"rashost/plugin/users"
)

// AcceptSecurityContext takes one step of a server (sspi.h, AcceptSecurityContext (Digest)).
//
// Without a TOKEN in in it challenges: h nil makes a new context; with h it repeats the challenge, or makes a new one when a response was
// refused or the nonce is too old, with stale=true when that was the only fault. out takes one challenge for each algorithm on offer,
// each in a TOKEN buffer of its own. The status is SEC_I_CONTINUE_NEEDED.
//
// With a response it looks for the context, by h or, with h nil, by the opaque value (HTTP) or the nonce (SASL). The first response to a
// challenge is judged here. SEC_E_OK puts the value of Authentication-Info, or rspauth, into out, where out has a TOKEN. An answer that
// is right but too late is SEC_I_CONTINUE_NEEDED with a new challenge. A later response is for CompleteAuthToken: SEC_I_COMPLETE_NEEDED, or
// SEC_I_COMPLETE_AND_CONTINUE when the nonce is too old.
//
// The errors: SEC_E_NO_CREDENTIALS (no credentials, or freed), SEC_E_SECURITY_QOS_FAILED (req asks for what cannot be given),
// SEC_E_INVALID_HANDLE (h deleted, refused before, or of other credentials), SEC_E_BAD_BINDINGS (another connection's context),
// SEC_E_INVALID_TOKEN, SEC_E_QOP_NOT_SUPPORTED, SEC_E_LOGON_DENIED, SEC_E_OUT_OF_SEQUENCE (first response, right, nc not 1),
// SEC_E_NO_AUTHENTICATING_AUTHORITY (the accounts cannot be read), SEC_E_BUFFER_TOO_SMALL (out: the same call
// with more room goes on), SEC_E_INTERNAL_ERROR. The handle that is returned must be deleted, whatever the status.
func AcceptSecurityContext(ctx context.Context, cred *CredHandle, h *CtxtHandle, in *SecBufferDesc, req ContextReq,
	out *SecBufferDesc) (handle *CtxtHandle, s Status) {
	if !cred.alive() {
		return h, SEC_E_NO_CREDENTIALS
	}
	if req&^reqKnown != 0 {
		return h, SEC_E_SECURITY_QOS_FAILED
	}
	token := in.bytes(SECBUFFER_TOKEN, 0)
	handle = h
	switch {
	case h == nil && len(token) == 0:
		handle = &CtxtHandle{cred: cred, state: failed, bindings: bindingsOf(in)}
	case h == nil:
		r, err := ParseResponse(cred.auth.Mode, token)
		if err != nil {
			return nil, SEC_E_INVALID_TOKEN
		}
		if handle = cred.find(r); handle == nil {
			return nil, SEC_E_INVALID_TOKEN
		}
	}
	s = handle.accept(ctx, cred, in, req, out)
	if h == nil && len(token) == 0 && s.Class() == ClassError {
		handle.drop()
		return nil, s
	}
	return handle, s
}

// drop forgets a context that nobody has got.
func (h *CtxtHandle) drop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forget()
	h.state = deleted
}

// accept is AcceptSecurityContext once the context is known.
func (h *CtxtHandle) accept(ctx context.Context, cred *CredHandle, in *SecBufferDesc, req ContextReq, out *SecBufferDesc) (s Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.recovered(&s)
	h.detail = ""
	h.allocate = req&ASC_REQ_ALLOCATE_MEMORY != 0
	token := in.bytes(SECBUFFER_TOKEN, 0)
	switch {
	case h.state == deleted || h.cred != cred:
		return SEC_E_INVALID_HANDLE
	case h.bindings != bindingsOf(in):
		return h.say(SEC_E_BAD_BINDINGS, "the context belongs to another connection")
	case len(token) == 0:
		return h.challenge(req, out)
	case h.state == failed:
		return h.say(SEC_E_INVALID_HANDLE, "the first response was refused, a second one has no challenge")
	case h.state == partial:
		return h.first(ctx, token, in, out)
	}
	h.due = completion
	s = SEC_I_COMPLETE_NEEDED
	if h.stale() {
		h.due, s = completionChallenge, SEC_I_COMPLETE_AND_CONTINUE
	}
	return h.say(s, "")
}

// recovered turns a panic of a consumer's code into SEC_E_INTERNAL_ERROR.
func (h *CtxtHandle) recovered(s *Status) {
	if p := recover(); p != nil {
		*s = h.say(SEC_E_INTERNAL_ERROR, fmt.Sprintf("panic: %v", p))
	}
}

// challenge repeats or renews the challenge. h.mu is held.
func (h *CtxtHandle) challenge(req ContextReq, out *SecBufferDesc) Status {
	if h.state == failed || h.refused || h.stale() {
		h.qop = qopAuth
		if req&reqIntegrity != 0 {
			h.qop = qopInt
		}
		if s := h.renew(h.refused && h.intact); s != SEC_E_OK {
			return s
		}
	}
	if s := out.put(0, h.allocate, h.challenges()...); s != SEC_E_OK {
		return h.say(s, "no room for the challenge")
	}
	return SEC_I_CONTINUE_NEEDED
}

// first judges the first response to a challenge. h.mu is held.
func (h *CtxtHandle) first(ctx context.Context, token []byte, in, out *SecBufferDesc) Status {
	auth := &h.cred.auth
	r, err := ParseResponse(auth.Mode, token)
	if err != nil {
		return h.refuse(SEC_E_INVALID_TOKEN, false, err.Error())
	}
	h.claimed = r.Username
	if s := h.fits(r); s != SEC_E_OK {
		return s
	}
	p, err := h.request(r, in)
	if err != nil {
		return h.refuse(SEC_E_INVALID_TOKEN, false, err.Error())
	}
	account, known, err := auth.Accounts.Lookup(ctx, r.Username)
	if err != nil {
		return h.refuse(SEC_E_NO_AUTHENTICATING_AUTHORITY, false, err.Error())
	}
	key, ok, why := h.match(account, known, r, p)
	switch {
	case !ok:
		return h.refuse(SEC_E_LOGON_DENIED, false, why)
	case r.AuthzID != "" && !strings.EqualFold(r.AuthzID, r.Username):
		return h.refuse(SEC_E_LOGON_DENIED, false, "the authorization identity is another user")
	case r.NC != 1: // not intact: stale=true would tell a guesser, to whom nothing was granted yet, that the password is right
		return h.refuse(SEC_E_OUT_OF_SEQUENCE, false, "the first response does not count from 1")
	case h.stale():
		return h.tooLate(out)
	}
	if s := h.answer(out, 0, key, r, p); s != SEC_E_OK {
		return h.say(s, "no room for the answer")
	}
	h.state, h.account, h.key, h.last = established, account.Name, key, 1
	h.layer = newLayer(r, key)
	return SEC_E_OK
}

// tooLate challenges anew after an answer that was right, but to an old nonce. h.mu is held.
func (h *CtxtHandle) tooLate(out *SecBufferDesc) Status {
	if s := h.renew(true); s != SEC_E_OK {
		return s
	}
	if s := out.put(0, h.allocate, h.challenges()...); s != SEC_E_OK {
		return h.say(s, "no room for the challenge")
	}
	return h.say(SEC_I_CONTINUE_NEEDED, "the nonce is too old")
}

// fits checks a first response against the challenge. h.mu is held.
func (h *CtxtHandle) fits(r *Response) Status {
	if why := h.foreign(r); why != "" {
		return h.refuse(SEC_E_INVALID_TOKEN, false, why)
	}
	if r.QOP != h.qop {
		return h.refuse(SEC_E_QOP_NOT_SUPPORTED, false, "the quality of protection was not on offer")
	}
	name := r.Algorithm
	if name == "" || h.cred.auth.Mode == SASL {
		name = MD5
	}
	i := slices.IndexFunc(h.cred.algorithms, func(a algorithm) bool { return strings.EqualFold(a.name, name) })
	if i < 0 || len(r.Digest) != 2*h.cred.algorithms[i].size {
		return h.refuse(SEC_E_INVALID_TOKEN, false, "the algorithm was not on offer, or the response has not its length")
	}
	h.algorithm = h.cred.algorithms[i]
	return SEC_E_OK
}

// foreign says what in a response does not belong to the context; "" when all does. h.mu is held.
func (h *CtxtHandle) foreign(r *Response) string {
	auth := &h.cred.auth
	switch {
	case !equal(r.Nonce, h.nonce):
		return "the nonce is not the one of the challenge"
	case auth.Mode == HTTP && !equal(r.Opaque, h.opaque):
		return "the opaque value is not the one of the challenge"
	case r.Realm != auth.Realm:
		return "the realm is not the one of the challenge"
	case auth.Mode == SASL:
		return h.foreignURI(r.URI)
	}
	return ""
}

// foreignURI says why a digest-uri of SASL, service/host[/name], is not for this server.
func (h *CtxtHandle) foreignURI(uri string) string {
	service, host, ok := strings.Cut(uri, "/")
	if !ok || !strings.EqualFold(service, h.cred.auth.Service) {
		return "digest-uri names another service"
	}
	host, _, _ = strings.Cut(host, "/")
	hosts := h.cred.auth.Hosts
	if hosts != nil && !slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, host) }) {
		return "digest-uri names another host"
	}
	return ""
}

// request is the part of the digest that the client does not say: what the server has received.
type request struct{ method, uri, entity string }

// request takes it from the buffers. h.mu is held.
func (h *CtxtHandle) request(r *Response, in *SecBufferDesc) (request, error) {
	if h.cred.auth.Mode == SASL {
		return request{method: "AUTHENTICATE", uri: r.URI, entity: zeroEntity}, nil
	}
	method, uri := in.bytes(SECBUFFER_PKG_PARAMS, 0), in.bytes(SECBUFFER_PKG_PARAMS, 1)
	if len(method) == 0 || len(uri) == 0 {
		return request{}, fmt.Errorf("the buffers hold no method or no URI")
	}
	entity := in.bytes(SECBUFFER_PKG_PARAMS, 2)
	if r.QOP == qopInt && len(entity) == 0 {
		return request{}, fmt.Errorf("the buffers hold no hash of the body")
	}
	return request{string(method), string(uri), string(entity)}, nil
}

// match compares a first response with the keys of the account, over UTF-8 and over ISO 8859-1, and returns the session key. For an
// account that is unknown, disabled or without a key the work is the same. h.mu is held.
func (h *CtxtHandle) match(account users.Account, known bool, r *Response, p request) (key session, ok bool, why string) {
	auth := &h.cred.auth
	fake := fakeKey(auth.FakeKey, auth.Realm, h.algorithm, r.Username)
	keys, why := [2][]byte{fake, fake}, "the response is wrong"
	switch i := slices.IndexFunc(account.Digest, func(k users.DigestKey) bool { return h.fitsKey(k) }); {
	case !known:
		why = "the user is unknown"
	case account.Disabled:
		why = "the user is disabled"
	case i < 0:
		why = "the user has no key for this realm and algorithm"
	default:
		keys = [2][]byte{account.Digest[i].HA1, account.Digest[i].Latin1}
		if len(keys[1]) != h.algorithm.size {
			keys[1] = keys[0]
		}
		ok = true
	}
	matched := false
	for _, k := range keys {
		s := newSession(auth.Mode, h.algorithm, k, r)
		if equal(h.algorithm.digest(s, r, p.method, p.uri, p.entity), r.Digest) {
			key, matched = s, true
		}
	}
	return key, ok && matched, why
}

// fitsKey says whether a stored key is for the realm and the algorithm.
func (h *CtxtHandle) fitsKey(k users.DigestKey) bool {
	return k.Realm == h.cred.auth.Realm && strings.EqualFold(k.Algorithm, h.algorithm.key) && len(k.HA1) == h.algorithm.size
}

// answer puts the server's own proof into the TOKEN buffer numbered n, where there is one: rspauth (SASL), or the value of
// Authentication-Info (RFC 7616, section 3.5) for a reply without a body. h.mu is held.
func (h *CtxtHandle) answer(out *SecBufferDesc, n int, key session, r *Response, p request) Status {
	if out.find(SECBUFFER_TOKEN, n) == nil {
		return SEC_E_OK
	}
	if h.cred.auth.Mode == SASL {
		return out.put(n, h.allocate, "rspauth="+h.algorithm.digest(key, r, "", p.uri, zeroEntity))
	}
	proof := h.algorithm.digest(key, r, "", p.uri, h.algorithm.hex(""))
	return out.put(n, h.allocate, Directives{
		{"qop", r.QOP, false}, {"rspauth", proof, true}, {"cnonce", r.CNonce, true}, {"nc", r.nc, false},
	}.join(", "))
}
