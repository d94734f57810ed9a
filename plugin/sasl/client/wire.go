package client

import "strings"

// wire is how one of the two protocols says things.
type wire struct {
	profile Profile
	// greetings are what the first line begins with, when the far end is ready and when it is not.
	greetings []string
	// ask is the command that lists the mechanisms, challenge what stands before one.
	ask, challenge string
	// command is the longest command, in bytes without its end.
	command int
	// dotted: an answer in several lines ends with a dot, and its first line does not show that more follow.
	dotted bool
	// status understands the first line of an answer; more says that it shows that others follow.
	status func(line string) (a answer, more, ok bool)
	// keyword stands before the list of mechanisms.
	keyword string
}

// wires are both protocols. No line is a status of both.
func wires() []*wire {
	return []*wire{
		{
			profile: POP3, greetings: []string{"+OK", "-ERR"}, ask: "CAPA", challenge: "+ ", command: 255 - len("\r\n"), // RFC 2449, section 4
			dotted: true, status: pop3Status, keyword: "SASL",
		},
		{
			profile: SMTP, greetings: []string{"220", "421", "554"}, ask: "EHLO " + hostname, challenge: "334 ", command: 512 - len("\r\n"), // RFC 5321, section 4.5.3.1.4
			status: smtpStatus, keyword: "AUTH",
		},
	}
}

// pop3Status understands +OK, -ERR and a challenge (RFC 1939, section 3; RFC 5034, section 4).
func pop3Status(line string) (a answer, more, ok bool) {
	word, text, _ := strings.Cut(line, " ")
	switch word {
	case "+OK":
		return answer{kind: success, text: text}, false, true
	case "-ERR":
		return answer{kind: failure, text: text}, false, true
	case "+":
		return answer{kind: challenge, text: text}, false, true
	default:
		return answer{}, false, false
	}
}

// smtpStatus understands a reply code (RFC 5321, section 4.2).
func smtpStatus(line string) (a answer, more, ok bool) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' || !digit(line[1]) || !digit(line[2]) {
		return answer{}, false, false
	}
	text := ""
	if len(line) > 3 {
		if line[3] != ' ' && line[3] != '-' {
			return answer{}, false, false
		}
		more = line[3] == '-'
		text = line[4:]
	}
	switch code := line[:3]; {
	case code == "334" && !more:
		return answer{kind: challenge, text: text}, false, true
	case line[0] == '2':
		return answer{kind: success, text: text}, more, true
	case line[0] == '3':
		return answer{}, false, false
	default:
		return answer{kind: failure, text: line}, more, true
	}
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// further understands a line behind first, and says whether it is the last one; ok is false for one that does not belong there.
func (w *wire) further(first, line string) (text string, last, ok bool) {
	if w.dotted {
		if line == "." {
			return "", true, true
		}
		return strings.TrimPrefix(line, "."), false, true
	}
	if len(line) < 3 || line[:3] != first[:3] || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
		return "", false, false
	}
	if len(line) == 3 {
		return "", true, true
	}
	return line[4:], line[3] == ' ', true
}

// mechanisms are those that a list of capabilities names. SMTP's older form has = in place of the space.
func (w *wire) mechanisms(list []string) []string {
	var all []string
	for _, line := range list {
		words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '=' && w.profile == SMTP })
		if len(words) > 1 && strings.EqualFold(words[0], w.keyword) {
			all = append(all, words[1:]...)
		}
	}
	return all
}
