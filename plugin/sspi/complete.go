package sspi

import "strings"

// CompleteAuthToken decides on a later response, after AcceptSecurityContext has returned SEC_I_COMPLETE_NEEDED or
// SEC_I_COMPLETE_AND_CONTINUE for it; one call for each (sspi.h, CompleteAuthToken). It asks no account: the session key of the first
// response is enough. token holds the buffers of the response; one more TOKEN buffer in HTTP and SASL takes the value of
// Authentication-Info, or rspauth, when all is well.
//
// It checks in this order, and returns exactly these statuses:
//
//	SEC_E_INVALID_HANDLE   no context, a deleted one, one that is not established, or nothing is due
//	SEC_E_INVALID_TOKEN    no response, a malformed one, or one of another nonce, opaque value, realm, user, qop or algorithm
//	SEC_E_MESSAGE_ALTERED  the digest is wrong for what was received
//	SEC_E_OUT_OF_SEQUENCE  the nonce count is not the last one plus one, or the nonce has become too old since
//	SEC_E_OK               the response is right; only now the count advances
//	SEC_E_INTERNAL_ERROR   anything else, such as no random numbers for a new challenge, or no room for it
//
// After SEC_I_COMPLETE_AND_CONTINUE the response is judged by the old nonce, and the TOKEN buffers after the first take a new challenge for
// each algorithm: with stale=true after SEC_E_OK, without it after anything else. The context is partial again: the next response is
// a first one, and SEC_E_OK has not let anybody in.
func CompleteAuthToken(h *CtxtHandle, token *SecBufferDesc) (s Status) {
	if h == nil {
		return SEC_E_INVALID_HANDLE
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.recovered(&s)
	h.detail = ""
	if h.state != established || h.due == nothing {
		return h.say(SEC_E_INVALID_HANDLE, "nothing is due for this context")
	}
	anew := h.due == completionChallenge
	h.due = nothing
	if !anew {
		return h.later(token, true, 1)
	}
	s = h.later(token, false, -1)
	detail := h.detail
	if renewed := h.renew(s == SEC_E_OK); renewed != SEC_E_OK {
		return renewed
	}
	if token.put(1, h.allocate, h.challenges()...) != SEC_E_OK {
		return h.say(SEC_E_INTERNAL_ERROR, "no room for the challenge")
	}
	return h.say(s, detail)
}

// later judges a response to an established context. With fresh, the nonce must not be too old. out is the TOKEN buffer for the answer,
// negative for none. h.mu is held.
func (h *CtxtHandle) later(token *SecBufferDesc, fresh bool, out int) Status {
	r, err := ParseResponse(h.cred.auth.Mode, token.bytes(SECBUFFER_TOKEN, 0))
	if err != nil {
		return h.refuse(SEC_E_INVALID_TOKEN, false, err.Error())
	}
	if why := h.other(r); why != "" {
		return h.refuse(SEC_E_INVALID_TOKEN, false, why)
	}
	p, err := h.request(r, token)
	if err != nil {
		return h.refuse(SEC_E_INVALID_TOKEN, false, err.Error())
	}
	if !equal(h.algorithm.digest(h.key, r, p.method, p.uri, p.entity), r.Digest) {
		return h.refuse(SEC_E_MESSAGE_ALTERED, false, "the response is wrong for what was received")
	}
	if uint64(r.NC) != uint64(h.last)+1 {
		return h.refuse(SEC_E_OUT_OF_SEQUENCE, true, "the nonce count is not the next one")
	}
	if fresh && h.stale() {
		return h.refuse(SEC_E_OUT_OF_SEQUENCE, true, "the nonce is too old")
	}
	if out >= 0 {
		if h.answer(token, out, h.key, r, p) != SEC_E_OK {
			return h.say(SEC_E_INTERNAL_ERROR, "no room for the answer")
		}
	}
	h.last = r.NC
	h.layer = newLayer(r, h.key)
	return SEC_E_OK
}

// other says what in a later response differs from what was agreed with the first one. h.mu is held.
func (h *CtxtHandle) other(r *Response) string {
	if why := h.foreign(r); why != "" {
		return why
	}
	switch name := r.Algorithm; {
	case r.Username != h.claimed:
		return "the user is another one"
	case r.QOP != h.qop:
		return "the quality of protection is another one"
	case h.cred.auth.Mode == SASL:
	case name == "" && h.algorithm.name != MD5, name != "" && !strings.EqualFold(name, h.algorithm.name):
		return "the algorithm is another one"
	}
	return ""
}
