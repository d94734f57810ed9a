package sasl

import (
	"bytes"
	"errors"
	"strings"
)

// state is what the next line is.
type state int

const (
	atCommand  state = iota // a command
	atResponse              // the base64 that answers a challenge
	over                    // not ours: the dialog has its verdict
)

// protocol says in which rendering a row of the table holds.
type protocol int

const (
	inPOP3 protocol = 1 << iota
	inSMTP
	inBoth = inPOP3 | inSMTP
)

// What is not the first word of a line. Words are in capitals, so that nobody can type these.
const (
	onAny     = "(any)"     // every line that no other row takes
	onLong    = "(long)"    // a line over its limit, given up at its end
	onGarbled = "(garbled)" // a line with control characters or bit 7
)

// row is one transition: where, in which protocol and on what, and what is done. The action's answer goes to the caller, and the state
// that it returns is the next.
type row struct {
	in   state
	as   protocol
	on   string
	then func(s *session, arg []byte) (answer string, next state)
}

// table is the state machine of both protocols; the first row that fits counts. From every state, silence, a flood and the end of the
// dialog's time lead to over (session.broken), and so does the last attempt that fails (session.failed).
var table = [...]row{
	{atCommand, inPOP3, "CAPA", (*session).capabilities},
	{atCommand, inPOP3, "USER", (*session).user},
	{atCommand, inPOP3, "PASS", (*session).pass},
	{atCommand, inBoth, "EHLO", (*session).extendedHello},
	{atCommand, inBoth, "HELO", (*session).hello},
	{atCommand, inBoth, "AUTH", (*session).auth},
	{atCommand, inBoth, "NOOP", (*session).done},
	{atCommand, inSMTP, "RSET", (*session).done},
	{atCommand, inBoth, "HELP", (*session).help},
	{atCommand, inBoth, "QUIT", (*session).quit},

	{atCommand, inPOP3, "STAT", (*session).loginFirst},
	{atCommand, inPOP3, "LIST", (*session).loginFirst},
	{atCommand, inPOP3, "RETR", (*session).loginFirst},
	{atCommand, inPOP3, "DELE", (*session).loginFirst},
	{atCommand, inPOP3, "RSET", (*session).loginFirst},
	{atCommand, inPOP3, "TOP", (*session).loginFirst},
	{atCommand, inPOP3, "UIDL", (*session).loginFirst},
	{atCommand, inSMTP, "MAIL", (*session).loginFirst},
	{atCommand, inSMTP, "RCPT", (*session).loginFirst},
	{atCommand, inSMTP, "DATA", (*session).loginFirst},
	{atCommand, inSMTP, "BDAT", (*session).loginFirst},
	{atCommand, inSMTP, "VRFY", (*session).loginFirst},
	{atCommand, inSMTP, "EXPN", (*session).loginFirst},
	{atCommand, inSMTP, "ETRN", (*session).loginFirst},

	{atCommand, inBoth, onLong, (*session).tooLong},
	{atCommand, inBoth, onGarbled, (*session).garbled},
	{atCommand, inBoth, onAny, (*session).unknown},

	{atResponse, inBoth, "*", (*session).cancel},
	{atResponse, inBoth, onLong, (*session).tooLongResponse},
	{atResponse, inBoth, onGarbled, (*session).malformed},
	{atResponse, inBoth, onAny, (*session).response},
}

// find returns the row for what was read, and the argument of its action.
func find(in state, as protocol, line []byte, fault error) (row, []byte) {
	word, arg := onAny, line
	switch {
	case errors.Is(fault, errTooLong):
		word = onLong
	case fault != nil:
		word = onGarbled
	case in == atCommand:
		word, arg = command(line)
	case string(line) == "*":
		word = "*"
	}
	for _, r := range table {
		if r.in == in && r.as&as != 0 && (r.on == word || r.on == onAny) {
			return r, arg
		}
	}
	panic("unreachable: every state has a row for any line")
}

// command splits a line into its first word, in capitals, and the rest. Blanks at its end are no part of it, but of a password.
func command(line []byte) (word string, arg []byte) {
	first, arg, _ := bytes.Cut(line, []byte(" "))
	if word = strings.ToUpper(string(first[:min(len(first), longestWord)])); word != "PASS" {
		arg = bytes.TrimRight(arg, " ")
	}
	return word, arg
}

// longestWord is longer than any command; what a longer word ends with does not matter.
const longestWord = 8
