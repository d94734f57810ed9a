package exchange

import "strconv"

// Code is a result of a SASL server (Cyrus SASL, sasl.h, version 2). SASL_OK is success, SASL_CONTINUE asks for another step, everything
// else ends the exchange.
type Code int

// The codes, in the order of sasl.h. SASL_NOPATH is of version 1 only, where -12 had the name SASL_NEWSECRET.
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
	SASL_NOPATH            Code = -25
	SASL_NOVERIFY          Code = -26
	SASL_WEAKPASS          Code = -27
	SASL_NOUSERPASS        Code = -28
	SASL_NEED_OLD_PASSWD   Code = -29
	SASL_CONSTRAINT_VIOLAT Code = -30
	SASL_BADBINDING        Code = -32
	SASL_CONFIGERR         Code = -100
)

// use says who gets to see a code.
type use int

const (
	unused   use = iota // named, and never returned
	inside              // between a mechanism and the exchange; outside it is SASL_BADAUTH, and the detail names it
	returned            // by Start or Step
)

// codeInfo is one row of the table.
type codeInfo struct {
	code Code
	name string
	use  use
	text string
}

// codes is the table behind String and Text, and the one in docs/sasl-mechanisms.md.
var codes = [...]codeInfo{
	{SASL_OK, "SASL_OK", returned, "the client is who it says it is"},
	{SASL_CONTINUE, "SASL_CONTINUE", returned, "another message is due"},
	{SASL_INTERACT, "SASL_INTERACT", unused, "a client needs to ask its user"},
	{SASL_FAIL, "SASL_FAIL", returned, "the exchange is over already, or something inside it failed"},
	{SASL_NOMEM, "SASL_NOMEM", unused, "no memory is left"},
	{SASL_BUFOVER, "SASL_BUFOVER", unused, "a buffer is too small"},
	{SASL_NOMECH, "SASL_NOMECH", returned, "no such mechanism, or none was started"},
	{SASL_BADPROT, "SASL_BADPROT", returned, "the client's message is malformed, too long or out of place"},
	{SASL_NOTDONE, "SASL_NOTDONE", unused, "asked for a result before there is one; here Identity says false"},
	{SASL_BADPARAM, "SASL_BADPARAM", returned, "there is no exchange to step"},
	{SASL_TRYAGAIN, "SASL_TRYAGAIN", returned, "the call's time was over before the answer was known"},
	{SASL_BADMAC, "SASL_BADMAC", unused, "a message of a security layer was altered"},
	{SASL_BADSERV, "SASL_BADSERV", unused, "a client found that the server does not know the secret"},
	{SASL_WRONGMECH, "SASL_WRONGMECH", unused, "the mechanism lacks what a client asked for"},
	{SASL_NOTINIT, "SASL_NOTINIT", unused, "the library was not set up"},
	{SASL_BADAUTH, "SASL_BADAUTH", returned, "the client has not proven to be a user who may log in"},
	{SASL_NOAUTHZ, "SASL_NOAUTHZ", inside, "the client asks to act as another user"},
	{SASL_TOOWEAK, "SASL_TOOWEAK", returned, "the mechanism is a weak one, and is not enabled"},
	{SASL_ENCRYPT, "SASL_ENCRYPT", returned, "the mechanism sends the password as it is, and the line is not trusted"},
	{SASL_TRANS, "SASL_TRANS", unused, "a login with the password would make the verifier that is missing"},
	{SASL_EXPIRED, "SASL_EXPIRED", inside, "the one-time passwords are used up: set new ones with rashost user otp"},
	{SASL_DISABLED, "SASL_DISABLED", inside, "the user is disabled"},
	{SASL_NOUSER, "SASL_NOUSER", inside, "there is no such user"},
	{SASL_PWLOCK, "SASL_PWLOCK", unused, "the password can't be changed now"},
	{SASL_NOCHANGE, "SASL_NOCHANGE", unused, "the new password is the old one"},
	{SASL_BADVERS, "SASL_BADVERS", unused, "a mechanism was built for another version of the library"},
	{SASL_UNAVAIL, "SASL_UNAVAIL", returned, "the users can't be read, or their file can't be written"},
	{SASL_NOPATH, "SASL_NOPATH", unused, "no folder of mechanisms was found; version 1 only"},
	{SASL_NOVERIFY, "SASL_NOVERIFY", inside, "the user has no verifier for the mechanism: rashost user list says who lacks what"},
	{SASL_WEAKPASS, "SASL_WEAKPASS", unused, "the new password is too weak"},
	{SASL_NOUSERPASS, "SASL_NOUSERPASS", unused, "users can't set passwords of their own"},
	{SASL_NEED_OLD_PASSWD, "SASL_NEED_OLD_PASSWD", unused, "the old password is needed"},
	{SASL_CONSTRAINT_VIOLAT, "SASL_CONSTRAINT_VIOLAT", unused, "the new password breaks a rule"},
	{SASL_BADBINDING, "SASL_BADBINDING", returned, "the client binds itself to a channel, and this one has none"},
	{SASL_CONFIGERR, "SASL_CONFIGERR", returned, "the exchange was set up without what the mechanism needs"},
}

// info returns the row of a code.
func (c Code) info() codeInfo {
	for _, i := range codes {
		if i.code == c {
			return i
		}
	}
	return codeInfo{code: c, name: "SASL_" + strconv.Itoa(int(c))}
}

// String returns the name in sasl.h, or SASL_ and the number of one that has no name.
func (c Code) String() string { return c.info().name }

// Text says what the code means, in our own words, for a log; "" for a number without a name.
func (c Code) Text() string { return c.info().text }
