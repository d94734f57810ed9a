package sasl

import (
	"bytes"
	"slices"
	"strings"
)

// This file has the actions of the table for commands.

// say is an action's answer that leaves the next line a command.
func (s *session) say(what reply) (string, state) {
	s.heard = true
	return s.wire.text(what), atCommand
}

// mistake is say for a line that was an error; too many end the dialog.
func (s *session) mistake(what reply) (string, state) {
	if s.mistakes--; s.mistakes <= 0 {
		s.log.Warn("caller makes too many errors")
		return s.wire.text(replyTooMuch), over
	}
	return s.wire.text(what), atCommand
}

func (s *session) done([]byte) (string, state)       { return s.say(replyDone) }
func (s *session) loginFirst([]byte) (string, state) { return s.mistake(replyLoginFirst) }
func (s *session) tooLong([]byte) (string, state)    { return s.mistake(replyTooLong) }
func (s *session) garbled([]byte) (string, state)    { return s.mistake(replyGarbled) }
func (s *session) unknown([]byte) (string, state)    { return s.mistake(replyUnknown) }
func (s *session) quit([]byte) (string, state)       { return s.wire.text(replyBye), over }

// capabilities answers CAPA (RFC 2449; RFC 5034, section 3; RFC 3206).
func (s *session) capabilities([]byte) (string, state) {
	s.heard = true
	lines := []string{"Capability list follows"}
	if len(s.offered) > 0 {
		lines = append(lines, "SASL "+strings.Join(s.offered, " "))
	}
	if slices.Contains(s.offered, "PLAIN") {
		lines = append(lines, "USER")
	}
	return s.wire.list("", append(lines, "RESP-CODES", "AUTH-RESP-CODE")), atCommand
}

// extendedHello answers EHLO (RFC 5321, section 4.1.1.1; RFC 4954, section 3). As the first command under POP3's greeting it is a caller
// who speaks SMTP.
func (s *session) extendedHello([]byte) (string, state) {
	if s.wire == pop3 && s.heard {
		return s.mistake(replyUnknown)
	}
	s.heard, s.wire = true, smtp
	lines := []string{s.plugin.options.Hostname, "ENHANCEDSTATUSCODES"}
	if len(s.offered) > 0 {
		lines = append(lines, "AUTH "+strings.Join(s.offered, " "))
	}
	if slices.Contains(s.offered, "LOGIN") {
		lines = append(lines, "AUTH="+strings.Join(s.offered, " ")) // for clients older than the standard
	}
	return s.wire.list("250", append(lines, "HELP")), atCommand
}

// hello answers HELO.
func (s *session) hello([]byte) (string, state) {
	if s.wire == pop3 && s.heard {
		return s.mistake(replyUnknown)
	}
	s.heard, s.wire = true, smtp
	return s.wire.list("250", []string{s.plugin.options.Hostname}), atCommand
}

// help is for a person at a terminal.
func (s *session) help([]byte) (string, state) {
	s.heard = true
	list := "CAPA"
	if s.wire == smtp {
		list = "EHLO"
	}
	mechanisms := "none on this line"
	if len(s.offered) > 0 {
		mechanisms = strings.Join(s.offered, " ")
	}
	lines := []string{
		"Commands: AUTH, " + list + ", NOOP, QUIT, HELP.",
		"AUTH and a mechanism logs in. Answers to the challenges are base64; * cancels.",
		"Mechanisms: " + mechanisms,
	}
	if s.wire == pop3 && slices.Contains(s.offered, "PLAIN") {
		lines = append(lines, "Or type USER and your name, then PASS and your password.")
	}
	return s.wire.list("214", lines), atCommand
}

// user answers POP3's USER, where PLAIN, which says the same, is allowed.
func (s *session) user(arg []byte) (string, state) {
	switch {
	case !slices.Contains(s.offered, "PLAIN"):
		return s.mistake(replyEncrypt)
	case len(arg) == 0:
		return s.mistake(replySyntax)
	}
	s.pop3User = string(arg)
	return s.say(replyNextPassword)
}

// pass answers POP3's PASS by an exchange of PLAIN. The password is everything behind the first space.
func (s *session) pass(arg []byte) (string, state) {
	name := s.pop3User
	s.pop3User = ""
	switch {
	case !slices.Contains(s.offered, "PLAIN"):
		return s.mistake(replyEncrypt)
	case name == "":
		return s.mistake(replyUserFirst)
	}
	initial := slices.Concat([]byte("\x00"+name+"\x00"), arg)
	defer clear(initial)
	return s.begin("PLAIN", initial)
}

// auth answers AUTH (RFC 5034, section 4; RFC 4954, section 4). Without a mechanism POP3 lists them, as clients older than CAPA expect.
func (s *session) auth(arg []byte) (string, state) {
	word, text, given := bytes.Cut(arg, []byte(" "))
	mechanism := strings.ToUpper(string(word))
	switch {
	case mechanism == "" && s.wire == pop3:
		s.heard = true
		return s.wire.list("", append([]string{"Mechanisms follow"}, s.offered...)), atCommand
	case mechanism == "" || bytes.IndexByte(text, ' ') >= 0:
		return s.mistake(replySyntax)
	case needsTrust(mechanism) && !s.call.Trusted && slices.Contains(s.plugin.options.Mechanisms, mechanism):
		return s.mistake(replyEncrypt) // the exchange would say so too
	}
	var initial []byte
	if given {
		var ok bool
		if initial, ok = decodeInitial(text); !ok {
			return s.mistake(replyMalformed)
		}
		defer clear(initial)
	}
	return s.begin(mechanism, initial)
}
