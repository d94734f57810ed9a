package port

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"rashost/port/modem"
)

// Policy says which calls a line answers. The zero value answers every call. It decides once per call, when the phone has rung
// LineConfig.Rings times; what the network says of the caller after that counts no more.
type Policy struct {
	// Armed makes the line answer only while it is armed (ManagerOptions.Armed).
	Armed bool
	// RequireCallerID leaves a call unanswered of whose caller the network said nothing at all, or nothing that can be believed. A number
	// that is withheld or out of area is something.
	RequireCallerID bool
	// Rules are looked at in order: the first that fits decides, and a call that none fits is not answered. None at all answers everybody.
	Rules []CallerRule
}

// CallerRule lets callers in to the dialog, or keeps them out. It judges what the network says, which anyone can forge: it keeps
// strangers away and proves nothing.
type CallerRule struct {
	// Allow: the call is answered; otherwise it is not.
	Allow bool
	// Caller is a number pattern (see MatchNumber) or one of the words AnyCaller, WithheldCaller, AbsentCaller, OutOfAreaCaller
	// and UnclearCaller.
	Caller string
}

// The words of a CallerRule. Each means what it says and nothing else: a withheld number is not absent.
const (
	AnyCaller       = "any"         // every call but those that are unclear
	WithheldCaller  = "withheld"    // the caller does not want the number shown
	AbsentCaller    = "absent"      // the network said nothing
	OutOfAreaCaller = "out-of-area" // the network does not know the number
	UnclearCaller   = "unclear"     // what came is no number, or contradicts itself: it could be of anybody whom another rule denies
)

// String returns the rule as the configuration writes it.
func (r CallerRule) String() string {
	if r.Allow {
		return "allow " + r.Caller
	}
	return "deny " + r.Caller
}

// fits says whether the rule speaks of this caller.
func (r CallerRule) fits(id modem.CallerID) bool {
	switch r.Caller {
	case AnyCaller:
		return !unclear(id)
	case WithheldCaller:
		return id.Status == modem.Withheld
	case AbsentCaller:
		return callerStatus(id) == modem.Absent
	case OutOfAreaCaller:
		return id.Status == modem.OutOfArea
	case UnclearCaller:
		return unclear(id)
	default:
		return id.Status == modem.Present && MatchNumber(r.Caller, id.Number)
	}
}

// callerStatus is what is known of the caller's number: one without a digit is none.
func callerStatus(id modem.CallerID) modem.CallerStatus {
	if id.Status == modem.Present && digits(id.Number) == "" {
		return modem.Unreadable
	}
	return id.Status
}

// unclear says that something came of the caller's number which cannot be believed.
func unclear(id modem.CallerID) bool {
	s := callerStatus(id)
	return s == modem.Unreadable || s == modem.Contradictory
}

// NeedsCallerID says whether an answer depends on what the network says of the caller.
func (p *Policy) NeedsCallerID() bool {
	return p.RequireCallerID || len(p.Rules) > 0 && p.Rules[0].Caller != AnyCaller
}

// Judge says why a call is not to be answered, "" when it is.
func (p *Policy) Judge(id modem.CallerID) string {
	switch {
	case !p.RequireCallerID:
	case callerStatus(id) == modem.Absent:
		return "no caller id came, and caller_id.require is set"
	case unclear(id):
		return fmt.Sprintf("the caller's number is %s, and caller_id.require is set", callerStatus(id))
	}
	if len(p.Rules) == 0 {
		return ""
	}
	i := slices.IndexFunc(p.Rules, func(r CallerRule) bool { return r.fits(id) })
	switch {
	case i < 0:
		return fmt.Sprintf("no caller id rule allows it (the number is %s)", callerStatus(id))
	case p.Rules[i].Allow:
		return ""
	default:
		return fmt.Sprintf("caller id rule %d: %s", i+1, p.Rules[i])
	}
}

// check finds what is wrong with a policy.
func (p *Policy) check() error {
	for i, r := range p.Rules {
		switch r.Caller {
		case AnyCaller, WithheldCaller, AbsentCaller, OutOfAreaCaller, UnclearCaller:
			continue
		}
		if !numberPattern(r.Caller) {
			return fmt.Errorf("caller id rule %d: %.64q is no number pattern: digits, * and ?: %w", i+1, r.Caller, fs.ErrInvalid)
		}
	}
	return nil
}

// maxPattern bounds a pattern; numbers and ring marks have 64 bytes at most.
const maxPattern = 64

// punctuation may stand in a number and its pattern, and means nothing.
const punctuation = "+ -.()/"

// numberPattern says whether MatchNumber understands pattern.
func numberPattern(pattern string) bool {
	return len(pattern) <= maxPattern && strings.Trim(pattern, "0123456789*?"+punctuation) == "" && strings.ContainsAny(pattern, "0123456789*?")
}

// MatchNumber says whether a telephone number fits pattern, in which * stands for any digits, none too, and ? for one digit. Only digits
// are compared: the signs of punctuation fool nobody, and +49 is 49. A number without a digit fits nothing.
func MatchNumber(pattern, number string) bool {
	number = digits(number)
	return number != "" && glob(strings.Map(func(r rune) rune {
		if strings.ContainsRune(punctuation, r) {
			return -1
		}
		return r
	}, pattern), number)
}

// digits are the digits of a number.
func digits(number string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, number)
}

// MatchRing says whether the mark of a distinctive ring fits pattern: "B" and "RING B" are the same, case and the number of blanks do not
// count. * and ? stand for any text and for one sign, since a cadence such as "on 20 off 40" is measured; it fits, too, when more of it
// follows, since modems report it with each ring. A plain ring fits nothing.
func MatchRing(pattern, ring string) bool {
	pattern, ring = ringMark(pattern), ringMark(ring)
	cadence := strings.HasPrefix(ring, "ON ") || strings.HasPrefix(ring, "OFF ")
	return ring != "" && (glob(pattern, ring) || cadence && glob(pattern+" *", ring))
}

// ringMark is a ring's mark in one way of writing.
func ringMark(ring string) string {
	words := strings.Fields(strings.ToUpper(ring))
	if len(words) > 0 && words[0] == "RING" {
		words = words[1:]
	}
	return strings.Join(words, " ")
}

// glob says whether text fits pattern, with * for any bytes and ? for one. It goes back only to the last *, so that its time is bounded
// by the product of the lengths.
func glob(pattern, text string) bool {
	star, from := -1, 0 // the last * seen, and where its text may end next
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			from++
			p, t = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
