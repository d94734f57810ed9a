package sasl

import (
	"strings"

	"rashost/plugin/sasl/exchange"
)

// reply is one of the fixed answers; its text depends on the rendering.
type reply int

const (
	replyDone reply = iota
	replyGranted
	replyDenied
	replyTemporary
	replyMalformed
	replyCancelled
	replyNoMechanism
	replyTooWeak
	replyEncrypt
	replyTransition
	replyTooLong
	replyGarbled
	replyUnknown
	replySyntax
	replyUserFirst
	replyLoginFirst
	replyNextPassword
	replyTooMuch
	replyTimeUp
	replyBye
)

// rendering is how one of the two protocols says things.
type rendering struct {
	// service is the protocol's name for SASL, as in the digest-uri of DIGEST-MD5.
	service string
	// greeting stands before the banner, challenge before the base64 of a server's message.
	greeting, challenge string
	// command is how many bytes a command may have.
	command int
	// list renders an answer of several lines; code is SMTP's.
	list    func(code string, lines []string) string
	replies [replyBye + 1]string
}

// text is the whole line of a fixed answer.
func (r *rendering) text(what reply) string { return r.replies[what] + "\r\n" }

// pop3 is the rendering of RFC 1939 and RFC 5034, with the response codes of RFC 3206.
var pop3 = &rendering{
	service:   "pop",
	greeting:  "+OK ",
	challenge: "+ ",
	command:   maxPOP3Command,
	list: func(_ string, lines []string) string {
		return "+OK " + strings.Join(lines, "\r\n") + "\r\n.\r\n"
	},
	replies: [...]string{
		replyDone:         "+OK",
		replyGranted:      "+OK Logged in.",
		replyDenied:       "-ERR [AUTH] Access denied.",
		replyTemporary:    "-ERR [SYS/TEMP] Logging in does not work at present. Try again later.",
		replyMalformed:    "-ERR Authentication failed: the response is malformed.",
		replyCancelled:    "-ERR Authentication cancelled.",
		replyNoMechanism:  "-ERR Unknown authentication mechanism. Type CAPA for a list.",
		replyTooWeak:      "-ERR This mechanism is too weak. Type CAPA for others.",
		replyEncrypt:      "-ERR This mechanism is not allowed on this line. Type CAPA for others.",
		replyTransition:   "-ERR [AUTH] A new password is needed for this mechanism.",
		replyTooLong:      "-ERR Line too long.",
		replyGarbled:      "-ERR Unreadable line: only ASCII text is understood.",
		replyUnknown:      "-ERR Unknown command. Type HELP for a list.",
		replySyntax:       "-ERR Wrong arguments. Type HELP for a list.",
		replyUserFirst:    "-ERR USER first.",
		replyLoginFirst:   "-ERR Log in first.",
		replyNextPassword: "+OK Now the password with PASS.",
		replyTooMuch:      "-ERR Too many errors.",
		replyTimeUp:       "-ERR Time is up.",
		replyBye:          "+OK Bye.",
	},
}

// smtp is the rendering of RFC 5321 and RFC 4954.
var smtp = &rendering{
	service:   "smtp",
	greeting:  "220 ",
	challenge: "334 ",
	command:   maxSMTPCommand,
	list: func(code string, lines []string) string {
		last := len(lines) - 1
		var b strings.Builder
		for _, l := range lines[:last] {
			b.WriteString(code + "-" + l + "\r\n")
		}
		b.WriteString(code + " " + lines[last] + "\r\n")
		return b.String()
	},
	replies: [...]string{
		replyDone:         "250 2.0.0 OK",
		replyGranted:      "235 2.7.0 Logged in.",
		replyDenied:       "535 5.7.8 Access denied.",
		replyTemporary:    "454 4.7.0 Logging in does not work at present. Try again later.",
		replyMalformed:    "501 5.5.2 Authentication failed: the response is malformed.",
		replyCancelled:    "501 5.7.0 Authentication cancelled.",
		replyNoMechanism:  "504 5.5.4 Unknown authentication mechanism. Type EHLO for a list.",
		replyTooWeak:      "534 5.7.9 This mechanism is too weak. Type EHLO for others.",
		replyEncrypt:      "538 5.7.11 This mechanism is not allowed on this line. Type EHLO for others.",
		replyTransition:   "432 4.7.12 A new password is needed for this mechanism.",
		replyTooLong:      "500 5.5.6 Line too long.",
		replyGarbled:      "500 5.5.2 Unreadable line: only ASCII text is understood.",
		replyUnknown:      "500 5.5.1 Unknown command. Type HELP for a list.",
		replySyntax:       "501 5.5.4 Wrong arguments. Type HELP for a list.",
		replyUserFirst:    "503 5.5.1 USER first.",
		replyLoginFirst:   "530 5.7.0 Authentication required.",
		replyNextPassword: "250 2.0.0 Now the password with PASS.",
		replyTooMuch:      "421 4.7.0 Too many errors.",
		replyTimeUp:       "421 4.4.2 Time is up.",
		replyBye:          "221 2.0.0 Bye.",
	},
}

// replyTo is what the caller is told of an exchange that failed: what is wrong with the message or the mechanism, never with the name
// or the secret.
func replyTo(code exchange.Code) reply {
	switch code {
	case exchange.SASL_BADPROT, exchange.SASL_BADPARAM:
		return replyMalformed
	case exchange.SASL_NOMECH:
		return replyNoMechanism
	case exchange.SASL_TOOWEAK:
		return replyTooWeak
	case exchange.SASL_ENCRYPT:
		return replyEncrypt
	case exchange.SASL_TRANS:
		return replyTransition
	case exchange.SASL_TRYAGAIN, exchange.SASL_UNAVAIL, exchange.SASL_NOMEM, exchange.SASL_CONFIGERR:
		return replyTemporary
	default:
		return replyDenied
	}
}
