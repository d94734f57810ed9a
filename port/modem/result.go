package modem

import "strings"

// ResultKind is what a line from the modem means.
type ResultKind int

// The kinds of result. None is a line that is no result: information, caller id, noise.
const (
	None ResultKind = iota
	OK
	Connected // CONNECT
	Ring
	NoCarrier
	Error
	NoDialtone
	Busy
	NoAnswer
	Ringing
	Voice
	Fax
	Data
	Delayed
	Blacklisted
	LineInUse
	NoBongtone
	Info // about the connection to come: CARRIER, +MCR: and their like; for the ConnectCollector
)

var kindNames = [...]string{
	"none", "OK", "CONNECT", "RING", "NO CARRIER", "ERROR", "NO DIALTONE", "BUSY", "NO ANSWER", "RINGING", "VOICE", "FAX", "DATA",
	"DELAYED", "BLACKLISTED", "LINE IN USE", "NO BONGTONE", "info",
}

// String returns the modem's word for k.
func (k ResultKind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return "invalid"
	}
	return kindNames[k]
}

// Failed says that k ends an attempt to connect, or a command, without success.
func (k ResultKind) Failed() bool {
	switch k {
	case NoCarrier, Error, NoDialtone, Busy, NoAnswer, Voice, Delayed, Blacklisted, LineInUse, NoBongtone:
		return true
	default:
		return false
	}
}

// Result is a line from the modem, understood.
type Result struct {
	Kind ResultKind
	// Connect is set with kind Connected.
	Connect Connect
	// Text is the line; for a numeric result, the words that it stands for.
	Text string
	// Numeric says that the modem sent a number (V0).
	Numeric bool
}

// words are the results that are a whole line.
var words = map[string]ResultKind{
	"OK": OK, "RING": Ring, "NO CARRIER": NoCarrier, "NOCARRIER": NoCarrier, "ERROR": Error, "COMMAND ERROR": Error, "HARDWARE FAILURE": Error, "+FCERROR": Error,
	"NO DIALTONE": NoDialtone, "NO DIAL TONE": NoDialtone, "NODIALTONE": NoDialtone, "BUSY": Busy, "NO ANSWER": NoAnswer,
	"RINGING": Ringing, "RINGBACK": Ringing, "RRING": Ringing, "VOICE": Voice, "FAX": Fax, "+FCO": Fax, "DATA": Data, "DELAYED": Delayed,
	"BLACKLISTED": Blacklisted, "BLACKLIST FULL": Blacklisted, "LINE IN USE": LineInUse, "NO BONGTONE": NoBongtone,
	"RUNG": NoCarrier, // isdn4linux: the caller gave up
}

// starts are the results that go on after these words.
var starts = []struct {
	prefix string
	kind   ResultKind
}{
	{"RING ", Ring}, {"RING;", Ring}, {"RING:", Ring}, {"RING/", Ring}, {"+CRING:", Ring},
	{"NO CARRIER ", NoCarrier}, {"NO CARRIER:", NoCarrier}, {"NO CARRIER/", NoCarrier}, {"NO CARRIER(", NoCarrier},
	{"NO ANSWER ", NoAnswer}, {"BUSY ", Busy}, {"DELAYED ", Delayed},
	{"ERROR ", Error}, {"ERROR:", Error}, {"+CME ERROR:", Error}, {"+CMS ERROR:", Error},
	{"CARRIER ", Info}, {"PROTOCOL:", Info}, {"COMPRESSION:", Info}, {"MODULATION:", Info},
	{"+MCR:", Info}, {"+MRR:", Info}, {"+ER:", Info}, {"+DR:", Info}, {"+ILRR:", Info}, {"+CR:", Info},
}

// codes are the numeric results that all makes share (V.250).
var codes = map[string]string{
	"0": "OK", "1": "CONNECT", "2": "RING", "3": "NO CARRIER", "4": "ERROR", "6": "NO DIALTONE", "7": "BUSY", "8": "NO ANSWER",
}

// ParseResult understands one line, in words or as one of the single digits that all makes share.
func ParseResult(line string) Result {
	line = strings.TrimSpace(line)
	if word, ok := codes[line]; ok {
		r := ParseResult(word)
		r.Numeric = true
		return r
	}
	upper := strings.ToUpper(line)
	if kind, ok := words[upper]; ok {
		return Result{Kind: kind, Text: line}
	}
	if rest, ok := strings.CutPrefix(upper, "CONNECT"); ok && (rest == "" || strings.ContainsRune(" /:", rune(rest[0])) || digit(rest[0])) {
		return Result{Kind: Connected, Connect: ParseConnect(line[len("CONNECT"):]), Text: line}
	}
	for _, s := range starts {
		if strings.HasPrefix(upper, s.prefix) {
			return Result{Kind: s.kind, Text: line}
		}
	}
	return Result{Kind: None, Text: line}
}

// Parser understands the lines of one modem. Until the modem has once answered in words, numbers count as results too, since a modem
// may be in V0 when it is first spoken to; afterwards they do not, because the answer to a query can be a number.
// The zero value is ready to use.
type Parser struct {
	// Codes are the numeric results of this make beyond the common ones, as words. May be nil.
	Codes   map[int]string
	verbose bool
}

// Parse understands one line.
func (p *Parser) Parse(line string) Result {
	if n, ok := number(strings.TrimSpace(line)); ok {
		return p.numeric(n, line)
	}
	r := ParseResult(line)
	if r.Kind == OK || r.Kind == Connected || r.Kind.Failed() {
		p.verbose = true
	}
	return r
}

func (p *Parser) numeric(n int, line string) Result {
	if p.verbose {
		return Result{Kind: None, Text: line}
	}
	if word, ok := p.Codes[n]; ok {
		r := ParseResult(word)
		r.Numeric = true
		return r
	}
	return ParseResult(line)
}

// Reset makes numbers count again, after the modem itself was reset.
func (p *Parser) Reset() { p.verbose = false }

func digit(c byte) bool { return c >= '0' && c <= '9' }

// number reads a decimal of at most three digits, the form of a numeric result.
func number(s string) (int, bool) {
	if s == "" || len(s) > 3 {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if !digit(s[i]) {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}
