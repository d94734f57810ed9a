package sspi

import (
	"crypto/sha256"
	"log/slog"
	"math"
	"sync"
	"time"
)

// contextState is where a context is in its life.
type contextState int

const (
	partial     contextState = iota // challenged; the first response decides
	established                     // the first response was right; later ones are for CompleteAuthToken
	failed                          // the first response was refused: a new challenge or deletion
	deleted                         // for ever
)

// due is what AcceptSecurityContext has left for CompleteAuthToken.
type due int

const (
	nothing             due = iota
	completion              // SEC_I_COMPLETE_NEEDED was returned
	completionChallenge     // SEC_I_COMPLETE_AND_CONTINUE was returned
)

// CtxtHandle is the handle of one context: one caller on one connection. It lives until DeleteSecurityContext, at the latest when the
// carrier drops. Any number of goroutines may use it; calls on it wait for each other.
type CtxtHandle struct {
	cred *CredHandle

	mu       sync.Mutex
	state    contextState
	due      due
	bindings string // of the connection that the first challenge went to
	allocate bool   // the last ASC_REQ_ALLOCATE_MEMORY
	qop      string // the one on offer

	opaque, nonce string
	issued        time.Time // when the nonce was
	refused       bool      // a response to this nonce was refused,
	intact        bool      // but only for its count or age: the client may try again without asking its user
	after         bool      // the nonce replaces one that was too old for a response that was right: stale=true

	algorithm algorithm
	claimed   string // the name in the last response
	account   string // as stored, "" until established
	key       session
	last      uint32 // nonce count of the last response that was right
	layer     layer  // of SASL with auth-int
	detail    string
}

// ClaimedName returns the name in the last response, in UTF-8; "" before there was one. It is no proof of anything.
func (h *CtxtHandle) ClaimedName() string {
	if h == nil {
		return ""
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.claimed
}

// QueryContextName returns the name of the user, as the accounts spell it (sspi.h, QueryContextAttributes with SECPKG_ATTR_NAMES). It is
// SEC_E_INVALID_HANDLE unless the context is established.
func QueryContextName(h *CtxtHandle) (string, Status) {
	if h == nil {
		return "", SEC_E_INVALID_HANDLE
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state != established {
		return "", SEC_E_INVALID_HANDLE
	}
	return h.account, SEC_E_OK
}

// Detail says why the last call on the context did not return SEC_E_OK. It is for a log, never for the client, and holds nothing that
// the client sent.
func (h *CtxtHandle) Detail() string {
	if h == nil {
		return ""
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.detail
}

// DeleteSecurityContext ends a context and forgets its key (sspi.h, DeleteSecurityContext). Deleting it again is SEC_E_OK; without a
// handle it is SEC_E_INVALID_HANDLE. A context that was not established, or that waits for CompleteAuthToken, leaves an audit message
// with SEC_E_UNFINISHED_CONTEXT_DELETED in the log.
func DeleteSecurityContext(h *CtxtHandle) Status {
	if h == nil {
		return SEC_E_INVALID_HANDLE
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == deleted {
		return SEC_E_OK
	}
	if h.state != established || h.due != nothing {
		h.cred.auth.Log.Warn("digest: context deleted before it was finished", slog.String("status", SEC_E_UNFINISHED_CONTEXT_DELETED.String()))
	}
	h.forget()
	h.state = deleted
	return SEC_E_OK
}

// forget takes the context out of the table and drops the key. h.mu is held.
func (h *CtxtHandle) forget() {
	key := h.cred.key(h.opaque, h.nonce)
	h.cred.mu.Lock()
	if h.cred.contexts[key] == h {
		delete(h.cred.contexts, key)
	}
	h.cred.mu.Unlock()
	clear(h.key.raw)
	h.key, h.account, h.last, h.due, h.layer = session{}, "", 0, nothing, layer{}
}

// renew makes the context partial with a new nonce; stale says that the last response was right but for its age. h.mu is held.
func (h *CtxtHandle) renew(stale bool) Status {
	nonce, ok := h.cred.random()
	if !ok {
		return h.say(SEC_E_INTERNAL_ERROR, "no random numbers")
	}
	opaque, ok := h.cred.random()
	if !ok {
		return h.say(SEC_E_INTERNAL_ERROR, "no random numbers")
	}
	h.forget()
	h.state, h.opaque, h.nonce, h.issued = partial, opaque, nonce, h.cred.auth.Now()
	h.refused, h.intact, h.after = false, false, stale
	h.cred.mu.Lock()
	defer h.cred.mu.Unlock()
	h.cred.contexts[h.cred.key(opaque, nonce)] = h
	return SEC_E_OK
}

// refuse notes that a response was refused; intact says that only its count or age was wrong. A first response has one try. h.mu is
// held.
func (h *CtxtHandle) refuse(s Status, intact bool, detail string) Status {
	h.refused, h.intact = true, intact
	if h.state == partial {
		h.forget()
		h.state = failed
	}
	return h.say(s, detail)
}

// say keeps the reason for s. h.mu is held.
func (h *CtxtHandle) say(s Status, detail string) Status {
	h.detail = detail
	return s
}

// stale says whether the nonce is too old, or its count used up. h.mu is held.
func (h *CtxtHandle) stale() bool {
	age := h.cred.auth.Now().Sub(h.issued)
	return age < 0 || age >= h.cred.auth.NonceLifetime || h.last == math.MaxUint32
}

// challenges returns one challenge for each algorithm on offer. h.mu is held.
func (h *CtxtHandle) challenges() []string {
	c := h.cred
	quoted := func(name, value string) Directive { return Directive{name, value, true} }
	bare := func(name, value string) Directive { return Directive{name, value, false} }
	if c.auth.Mode == SASL {
		var ds Directives
		if c.auth.Realm != "" {
			ds = append(ds, quoted("realm", c.auth.Realm))
		}
		ds = append(ds, quoted("nonce", h.nonce), quoted("qop", h.qop), bare("algorithm", "md5-sess"), bare("charset", "utf-8"))
		return []string{ds.String()}
	}
	var all []string
	for _, a := range c.algorithms {
		ds := Directives{
			quoted("realm", c.auth.Realm), quoted("nonce", h.nonce), quoted("opaque", h.opaque), bare("algorithm", a.name),
			quoted("qop", h.qop), bare("charset", "UTF-8"),
		}
		if h.after {
			ds = append(ds, bare("stale", "true"))
		}
		all = append(all, ds.join(", "))
	}
	return all
}

// bindingsOf names a connection by the buffer that the caller gave.
func bindingsOf(in *SecBufferDesc) string {
	b := in.bytes(SECBUFFER_CHANNEL_BINDINGS, 0)
	if b == nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return string(sum[:])
}
