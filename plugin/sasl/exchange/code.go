package exchange

import "strconv"

// Code is a result of a SASL server (the numbers of Cyrus SASL's sasl.h). Zero is success, 1 asks for another step, everything else
// ends the exchange.
type Code int

// The codes. Those that a server never returns from a step stand here so that logs and tests can name every number.
const (
	SASL_CONTINUE          Code = 1
	SASL_OK                Code = 0
	SASL_FAIL              Code = -1
	SASL_NOMEM             Code = -2
	SASL_BUFOVER           Code = -3
	SASL_NOMECH            Code = -4
	SASL_BADPROT           Code = -5
	SASL_NOTDONE           Code = -6
	SASL_BADPARAM          Code = -7
	SASL_TRYAGAIN          Code = -8
	SASL_BADMAC            Code = -9
	SASL_INTERACT          Code = 2
	SASL_BADSERV           Code = -10
	SASL_WRONGMECH         Code = -11
	SASL_NOTINIT           Code = -12
	SASL_BADAUTH           Code = -13
	SASL_NOAUTHZ           Code = -14
	SASL_TOOWEAK           Code = -15
	SASL_ENCRYPT           Code = -16
	SASL_TRANS             Code = -17
	SASL_EXPIRED           Code = -18
	SASL_DISABLED          Code = -19
	SASL_NOUSER            Code = -20
	SASL_PWLOCK            Code = -21
	SASL_NOCHANGE          Code = -22
	SASL_BADVERS           Code = -23
	SASL_UNAVAIL           Code = -24
	SASL_NOVERIFY          Code = -26
	SASL_WEAKPASS          Code = -27
	SASL_NOUSERPASS        Code = -28
	SASL_NEED_OLD_PASSWD   Code = -29
	SASL_CONSTRAINT_VIOLAT Code = -30
	SASL_BADBINDING        Code = -32
	SASL_CONFIGERR         Code = -100
)

// codeInfo is what is known of a code. A server returns only those that are marked.
type codeInfo struct {
	code   Code
	name   string
	server bool
	text   string
}

// codes is the table behind String and Text, and the one in docs/sasl-mechanisms.md.
func codes() []codeInfo {
	return []codeInfo{
		{SASL_OK, "SASL_OK", true, "the client is who it says"},
		{SASL_CONTINUE, "SASL_CONTINUE", true, "another message is needed"},
		{SASL_FAIL, "SASL_FAIL", true, "the exchange is over, or failed in a way that has no code of its own"},
		{SASL_NOMEM, "SASL_NOMEM", false, "no memory"},
		{SASL_BUFOVER, "SASL_BUFOVER", false, "a buffer is too small"},
		{SASL_NOMECH, "SASL_NOMECH", true, "there is no such mechanism, or no exchange was started"},
		{SASL_BADPROT, "SASL_BADPROT", true, "the client's message is malformed, too long or out of place"},
		{SASL_NOTDONE, "SASL_NOTDONE", false, "asked too early"},
		{SASL_BADPARAM, "SASL_BADPARAM", false, "a wrong parameter"},
		{SASL_TRYAGAIN, "SASL_TRYAGAIN", true, "the caller's time was over before the answer was known"},
		{SASL_BADMAC, "SASL_BADMAC", false, "the integrity layer failed"},
		{SASL_INTERACT, "SASL_INTERACT", false, "the user must be asked"},
		{SASL_BADSERV, "SASL_BADSERV", false, "the server did not prove itself"},
		{SASL_WRONGMECH, "SASL_WRONGMECH", false, "the mechanism lacks a feature that was asked for"},
		{SASL_NOTINIT, "SASL_NOTINIT", false, "nothing was set up"},
		{SASL_BADAUTH, "SASL_BADAUTH", true, "wrong secret, or no such user: nobody outside is told which"},
		{SASL_NOAUTHZ, "SASL_NOAUTHZ", true, "the client asks to act as somebody else"},
		{SASL_TOOWEAK, "SASL_TOOWEAK", true, "the mechanism is weaker than this dialog allows"},
		{SASL_ENCRYPT, "SASL_ENCRYPT", true, "the mechanism sends the password as it is, and the line is not trusted"},
		{SASL_TRANS, "SASL_TRANS", false, "one plain login would make the verifier of this mechanism"},
		{SASL_EXPIRED, "SASL_EXPIRED", false, "the pass phrase has expired"},
		{SASL_DISABLED, "SASL_DISABLED", false, "the account is disabled"},
		{SASL_NOUSER, "SASL_NOUSER", false, "no such user; inside only, outside it is SASL_BADAUTH"},
		{SASL_PWLOCK, "SASL_PWLOCK", false, "the password is locked"},
		{SASL_NOCHANGE, "SASL_NOCHANGE", false, "nothing was changed"},
		{SASL_BADVERS, "SASL_BADVERS", false, "versions do not fit"},
		{SASL_UNAVAIL, "SASL_UNAVAIL", true, "the users cannot be read or changed now"},
		{SASL_NOVERIFY, "SASL_NOVERIFY", false, "the user has no verifier for this"},
		{SASL_WEAKPASS, "SASL_WEAKPASS", false, "the new password is too weak"},
		{SASL_NOUSERPASS, "SASL_NOUSERPASS", false, "the user cannot set passwords"},
		{SASL_NEED_OLD_PASSWD, "SASL_NEED_OLD_PASSWD", false, "the old password is needed"},
		{SASL_CONSTRAINT_VIOLAT, "SASL_CONSTRAINT_VIOLAT", false, "a rule about passwords is broken"},
		{SASL_BADBINDING, "SASL_BADBINDING", true, "channel binding was asked for and there is none, or it does not fit"},
		{SASL_CONFIGERR, "SASL_CONFIGERR", false, "the configuration is wrong"},
	}
}

// String returns the code's name in C, or its number.
func (c Code) String() string {
	for _, i := range codes() {
		if i.code == c {
			return i.name
		}
	}
	return "SASL code " + strconv.Itoa(int(c))
}

// Text says in words what the code means, for logs; "" for a number that is no code.
func (c Code) Text() string {
	for _, i := range codes() {
		if i.code == c {
			return i.text
		}
	}
	return ""
}
