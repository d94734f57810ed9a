package sasl

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"rashost/plugin"
	"rashost/plugin/sasl/exchange"
)

// This file has the actions of the table for responses, and the exchange that they belong to.

// begin starts an exchange. initial is nil when the client sent none.
func (s *session) begin(mechanism string, initial []byte) (string, state) {
	s.heard = true
	s.drop()
	s.mechanism, s.counted = mechanism, false
	var err error
	if s.exchange, err = s.plugin.newExchange(s.call, s.wire.service, s.unlocked); err != nil {
		return s.failed(exchange.SASL_UNAVAIL, replyTemporary, err.Error())
	}
	out, code, detail := s.exchange.Start(s.ctx, mechanism, initial)
	switch code {
	case exchange.SASL_NOMECH, exchange.SASL_TOOWEAK, exchange.SASL_ENCRYPT: // no attempt: the mechanism never began
		s.record(code, detail)
		s.drop()
		return s.mistake(replyTo(code))
	default:
		return s.stepped(out, code, detail)
	}
}

// response is the client's answer to a challenge.
func (s *session) response(line []byte) (string, state) {
	in, ok := decode(line)
	if !ok {
		return s.malformed(nil)
	}
	defer clear(in)
	return s.stepped(s.exchange.Step(s.ctx, in))
}

// cancel gives the exchange up (RFC 4422, section 3.5). It costs no attempt: nothing was judged, or the client did not like the proof.
func (s *session) cancel([]byte) (string, state) {
	s.drop()
	return s.mistake(replyCancelled)
}

func (s *session) malformed([]byte) (string, state) {
	return s.failed(exchange.SASL_BADPROT, replyMalformed, "not base64")
}

func (s *session) tooLongResponse([]byte) (string, state) {
	return s.failed(exchange.SASL_BADPROT, replyTooLong, "line too long")
}

// stepped goes on after a step of the exchange.
func (s *session) stepped(out []byte, code exchange.Code, detail string) (string, state) {
	if name := s.exchange.Name(); name != "" {
		s.name = ""
		if plugin.ValidUserName(name) {
			s.name = name
		}
		if err := s.slowDown(name); err != nil {
			return "", over
		}
	}
	switch {
	case s.ctx.Err() != nil:
		return "", over
	case code == exchange.SASL_OK || code == exchange.SASL_CONTINUE && s.proves(out):
		if !s.unlocked() {
			return s.refused(exchange.SASL_BADAUTH, replyDenied, "locked out")
		}
	}
	switch code {
	case exchange.SASL_OK:
		return s.grant()
	case exchange.SASL_CONTINUE:
		return s.wire.challenge + encode(out) + "\r\n", atResponse
	default:
		return s.failed(code, replyTo(code), detail)
	}
}

// slowDown lets the answer wait when the name has failed on this line before: as soon as the name is known, and thus before anything tells
// right from wrong.
func (s *session) slowDown(name string) error {
	return s.conn.pause(s.plugin.attemptLog.Delay(name, s.call.Line))
}

// proves says whether a message of the server is its last, which it has only for a client that has given its proof: from then on the
// client knows how it ended (RFC 5802, section 5; RFC 2831, section 2.1.3).
func (s *session) proves(out []byte) bool {
	return strings.HasPrefix(s.mechanism, "SCRAM-") && bytes.HasPrefix(out, []byte("v=")) ||
		s.mechanism == "DIGEST-MD5" && bytes.HasPrefix(out, []byte("rspauth="))
}

// unlocked lets lock-out judge a right answer. Where the server proves itself or a one-time password is used up, that is twice, and the
// same both times. When the account is locked out, that has counted the try, as a wrong answer is counted: it must not be judged again.
func (s *session) unlocked() bool {
	s.counted = s.plugin.lockout != nil && !s.plugin.lockout.Judge(s.exchange.Name(), s.call.Line, true)
	return !s.counted
}

// grant lets the caller in.
func (s *session) grant() (string, state) {
	user, ok := s.exchange.Identity()
	if !ok || !plugin.ValidUserName(user) {
		return s.failed(exchange.SASL_FAIL, replyDenied, "an identity that is no user name")
	}
	s.plugin.attemptLog.Succeeded(s.exchange.Name(), s.call.Line)
	s.exchange.Renew(s.ctx)
	s.identity, s.unreliable = user, false
	s.log.Info("sasl login", "mechanism", s.mechanism, "user", user)
	s.drop()
	return s.wire.text(replyGranted), over
}

// failed ends an exchange that came to nothing. Lock-out counts it, unless the fault is ours.
func (s *session) failed(code exchange.Code, what reply, detail string) (string, state) {
	if name := s.claimed(); name != "" && what != replyTemporary && s.plugin.lockout != nil && !s.counted {
		s.plugin.lockout.Judge(name, s.call.Line, false)
	}
	return s.refused(code, what, detail)
}

// claimed is the name that the client gave, "" for none.
func (s *session) claimed() string {
	if s.exchange == nil {
		return ""
	}
	return s.exchange.Name()
}

// refused ends an exchange that came to nothing and that lock-out has counted.
func (s *session) refused(code exchange.Code, what reply, detail string) (string, state) {
	s.unreliable = what == replyTemporary
	if name := s.claimed(); name != "" && !s.unreliable {
		s.plugin.attemptLog.Failed(name, s.call.Line)
	}
	s.record(code, detail)
	s.drop()
	if s.attempts--; s.attempts <= 0 {
		return s.wire.text(what), over
	}
	return s.wire.text(what), atCommand
}

// record writes to the log what the caller is not told. A name that is not a user's may have been a password.
func (s *session) record(code exchange.Code, detail string) {
	name := "(unknown)"
	if s.name != "" && s.plugin.KnownUser(s.name) {
		name = s.name
	}
	mechanism := "(unknown)" // so may what stands in a mechanism's place
	if slices.Contains(exchange.Mechanisms(), s.mechanism) {
		mechanism = s.mechanism
	}
	level := slog.LevelInfo
	if s.unreliable {
		level = slog.LevelError
	}
	s.log.Log(s.ctx, level, "sasl login failed", "mechanism", mechanism, "user", name,
		"code", fmt.Sprintf("%v (%d)", code, int(code)), "detail", detail[:min(len(detail), maxDetail)])
}

// drop closes the exchange, if one is going on.
func (s *session) drop() {
	if s.exchange != nil {
		s.exchange.Close()
		s.exchange = nil
	}
}
