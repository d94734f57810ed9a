package modem

import (
	"fmt"
	"strings"
	"time"
)

// CallerStatus says what is known of the caller's number.
type CallerStatus int

// What can be known of a caller's number. Absent: the network or the modem said nothing.
const (
	Absent CallerStatus = iota
	Present
	Withheld
	OutOfArea
)

// String returns the word for s.
func (s CallerStatus) String() string {
	switch s {
	case Present:
		return "present"
	case Withheld:
		return "withheld"
	case OutOfArea:
		return "out of area"
	default:
		return "absent"
	}
}

// CallerID is what the network said of the caller. It proves nothing: anyone can send any number.
type CallerID struct {
	// Number is digits, +, *, # and A to D, at most 64; "" unless Status is Present.
	Number string
	// Name is printable ASCII, at most 64 bytes.
	Name   string
	Status CallerStatus
	// Called is the number that was dialled, and Diverted the one that sent the call on; "" when unknown.
	Called, Diverted string
	// Date is MMDD and Time HHMM as sent (there is no year); "" when unknown.
	Date, Time string
	// Ring is the mark of a distinctive ring, as sent; "" for a plain one.
	Ring string
	// Raw are the lines it was read from, printable, at most 64 bytes each and 16 in number.
	Raw []string
}

// When is the date and time that the network sent, in the zone of now. The network sends no year: it is the one that brings the moment
// closest to now, so that a call of 31 December is not one of the year to come. false when there is no date and time, or none that exists.
func (id *CallerID) When(now time.Time) (time.Time, bool) {
	stamp := onlyDigits(id.Date) + onlyDigits(id.Time)
	if len(stamp) != 8 || len(onlyDigits(id.Date)) != 4 {
		return time.Time{}, false
	}
	var best time.Time
	for year := now.Year() - 1; year <= now.Year()+1; year++ {
		at, err := time.ParseInLocation("200601021504", fmt.Sprintf("%04d%s", year, stamp), now.Location())
		if err == nil && (best.IsZero() || at.Sub(now).Abs() < best.Sub(now).Abs()) {
			best = at
		}
	}
	return best, !best.IsZero()
}

// onlyDigits drops the separators of a date or time.
func onlyDigits(v string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, v)
}

// maxRaw is how many lines of one call are kept.
const maxRaw = 16

// CallerIDCollector gathers caller id from lines that come in any order, before or between the rings. It takes hostile text and stays
// bounded, and the same lines a second time change nothing. The zero value is ready to use.
type CallerIDCollector struct {
	// Digits says that a line of digits alone is the caller's number, as some terminal adapters send it. With other modems it may be
	// the answer to a question, or a result.
	Digits bool

	id   CallerID
	rang bool // since the last part of a cadence
}

// CallerID returns what was gathered so far.
func (k *CallerIDCollector) CallerID() CallerID { return k.id }

// Complete says that a number came, or the reason why none does: no need to wait for more.
func (k *CallerIDCollector) Complete() bool { return k.id.Status != Absent }

// Reset forgets everything; at the end of each call.
func (k *CallerIDCollector) Reset() { *k = CallerIDCollector{Digits: k.Digits} }

// keys are the fields of lines of the form KEY = value, with blanks around the sign or none.
var keys = map[string]func(*CallerID, string){
	"DATE": (*CallerID).setDate, "TIME": (*CallerID).setTime, "NAME": (*CallerID).setName, "MESG": (*CallerID).setFrame,
	"NMBR": (*CallerID).setNumber, "NMRB": (*CallerID).setNumber /* misspelt by some firmware */, "NBR": (*CallerID).setNumber,
	"ANID": (*CallerID).setNumber, "NDID": (*CallerID).setCalled, "DDN_NMBR": (*CallerID).setCalled,
	"REASON NO NUMBER": (*CallerID).setReason, "REASON NO NAME": ignore, "QUAL": ignore, "REDIRECT": ignore, "CALLBACK NMBR": ignore,
	"DRON": (*CallerID).setRingOn, "DROF": (*CallerID).setRingOff,
}

// prefixes are the beginnings of the other lines, and what takes the rest.
var prefixes = []struct {
	prefix string
	set    func(*CallerID, string)
}{
	{"CALLER NAME:", (*CallerID).setName},
	{"CALLER NUMBER:", (*CallerID).setNumber},
	{"CALLER'S NUMBER:", (*CallerID).setNumber},
	{"CALLED NUMBER:", (*CallerID).setCalled},
	{"REASON FOR NO CALLER NUMBER:", (*CallerID).setReason},
	{"REASON FOR NO CALLER NAME:", ignore},
	{"CALLERID:", (*CallerID).setNumber},
	{"DIVERTING NUMBER:", (*CallerID).setDiverted},
	{"FM:", (*CallerID).setFromTo},
	{"TO:", (*CallerID).setCalled},
	{"+CLIP:", (*CallerID).setCLIP},
	{"+CRING:", (*CallerID).setRing},
	{"RING CID:", (*CallerID).setDiva},
	{"RING;", (*CallerID).setRingFields},
	{"RING:", (*CallerID).setZoom},
	{"RING/", (*CallerID).setCalled}, // isdn4linux with S23.0=1
	{"RING ", (*CallerID).setRingWord},
}

func ignore(*CallerID, string) {}

// Line takes one line and says whether it was caller id.
func (k *CallerIDCollector) Line(line string) bool {
	line = strings.TrimSpace(line)
	set, value := field(line)
	switch {
	case set == nil && k.Digits && len(line) >= 3 && len(line) <= 32 && strings.Trim(line, "0123456789") == "":
		set, value = (*CallerID).setNumber, line
	case set == nil:
		k.rang = k.rang || strings.EqualFold(line, "RING")
		return false
	}
	if upper := strings.ToUpper(line); strings.HasPrefix(upper, "DRON") || strings.HasPrefix(upper, "DROF") {
		if k.rang || !strings.HasPrefix(k.id.Ring, "on ") && !strings.HasPrefix(k.id.Ring, "off ") {
			k.id.Ring = "" // the cadence is reported anew at each ring
		}
		k.rang = false
	}
	set(&k.id, value)
	k.keep(line)
	return true
}

// field finds what takes a line, and the value in it.
func field(line string) (set func(*CallerID, string), value string) {
	if key, value, ok := strings.Cut(line, "="); ok {
		if set = keys[strings.ToUpper(strings.TrimSpace(key))]; set != nil {
			return set, strings.TrimSpace(value)
		}
	}
	for _, p := range prefixes {
		if len(line) >= len(p.prefix) && strings.EqualFold(line[:len(p.prefix)], p.prefix) {
			return p.set, strings.TrimSpace(line[len(p.prefix):])
		}
	}
	if bareFrame(line) {
		return (*CallerID).setFrame, line
	}
	return nil, ""
}

func (k *CallerIDCollector) keep(line string) {
	if len(k.id.Raw) < maxRaw {
		k.id.Raw = append(k.id.Raw, capText(line))
	}
}

// setNumber takes a number or the letter, or word, that stands for none. A number that holds anything else is not believed at all.
func (id *CallerID) setNumber(v string) {
	v = strings.Trim(v, `" `)
	if id.noNumber(v) {
		return
	}
	if n, ok := phone(v); ok {
		id.Number, id.Status = dtmf(n), Present
	}
}

// dtmf takes the signs off that frame a number which the exchange sent as tones: A, B or D before it and C or # behind.
func dtmf(n string) string {
	if len(n) < 5 || strings.IndexByte("ABD", n[0]) < 0 || strings.IndexByte("C#", n[len(n)-1]) < 0 || strings.Trim(n[1:len(n)-1], "0123456789") != "" {
		return n
	}
	return n[1 : len(n)-1]
}

// setReason takes the reason why no number comes.
func (id *CallerID) setReason(v string) { id.noNumber(v) }

func (id *CallerID) noNumber(v string) bool {
	var s CallerStatus
	switch strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(v), "_", " ")) {
	case "P", "PRIVATE", "PRIVAT", "ANONYMOUS", "WITHHELD", "RESTRICTED", "BLOCKED", "0": // 0: isdn4linux, when the network names nobody
		s = Withheld
	case "O", "OUT OF AREA", "UNAVAILABLE", "UNKNOWN", "NOT AVAILABLE":
		s = OutOfArea
	default:
		return false
	}
	if id.Status != Present {
		id.Status = s
	}
	return true
}

func (id *CallerID) setName(v string) {
	v = strings.TrimSpace(capText(strings.Trim(v, `" `)))
	if len(v) == 1 && id.noNumber(v) { // P or O: the reason why there is no name, often the only line that comes
		return
	}
	id.Name = v
}

func (id *CallerID) setDate(v string) { id.Date = stamp(v) }
func (id *CallerID) setTime(v string) { id.Time = stamp(v) }

func (id *CallerID) setCalled(v string) {
	if n, ok := phone(v); ok {
		id.Called = n
	}
}

func (id *CallerID) setDiverted(v string) {
	if n, ok := phone(v); ok {
		id.Diverted = n
	}
}

// setFromTo takes FM:<number> with TO:<number> behind it.
func (id *CallerID) setFromTo(v string) {
	from, to, ok := strings.Cut(strings.ToUpper(v), "TO:")
	id.setNumber(strings.TrimSpace(from))
	if ok {
		id.setCalled(strings.TrimSpace(to))
	}
}

// setCLIP takes GSM's "number",type,subaddress,satype,"name",validity: validity 1 is withheld, 2 out of area.
func (id *CallerID) setCLIP(v string) {
	parts := strings.Split(v, ",")
	if len(parts) > 5 {
		switch strings.TrimSpace(parts[5]) {
		case "1":
			id.noNumber("P")
		case "2":
			id.noNumber("O")
		}
	}
	if len(parts) > 4 {
		id.setName(parts[4])
	}
	id.setNumber(parts[0])
}

// setDiva takes n DAD: n.
func (id *CallerID) setDiva(v string) {
	from, to, ok := strings.Cut(strings.ToUpper(v), "DAD:")
	id.setNumber(strings.TrimSpace(from))
	if ok {
		id.setCalled(strings.TrimSpace(to))
	}
}

// setRingFields takes from;to.
func (id *CallerID) setRingFields(v string) {
	from, to, _ := strings.Cut(v, ";")
	id.setNumber(from)
	id.setCalled(to)
}

// setZoom takes "t DNx nnn": type, directory number, caller's number.
func (id *CallerID) setZoom(v string) {
	for _, w := range strings.Fields(v) {
		switch {
		case strings.HasPrefix(strings.ToUpper(w), "DN"):
			id.setRing(w)
		case len(w) > 1:
			id.setNumber(w)
		}
	}
}

// setRingWord takes what follows RING and a blank: one letter or digit marks a distinctive ring, more is a number.
func (id *CallerID) setRingWord(v string) {
	if len(v) == 1 {
		id.setRing(v)
		return
	}
	id.setNumber(v)
}

func (id *CallerID) setRing(v string) {
	if v = capText(v); len(v) <= 16 {
		id.Ring = v
	}
}

// setRingOn and setRingOff take the lengths of a distinctive ring, in units of 100 ms.
func (id *CallerID) setRingOn(v string)  { id.addCadence("on " + v) }
func (id *CallerID) setRingOff(v string) { id.addCadence("off " + v) }

func (id *CallerID) addCadence(v string) {
	if s := strings.TrimSpace(id.Ring + " " + capText(v)); len(s) <= maxText {
		id.Ring = s
	}
}

// phone reads a number; blanks, dashes, dots and brackets between its signs are dropped.
func phone(v string) (string, bool) {
	var b strings.Builder
	for _, c := range []byte(strings.TrimSpace(v)) {
		switch {
		case digit(c), c == '+', c == '*', c == '#', c >= 'A' && c <= 'D':
			b.WriteByte(c)
		case strings.IndexByte(` -.()/"`, c) >= 0:
		default:
			return "", false
		}
	}
	return b.String(), b.Len() > 0 && b.Len() <= maxText
}

// stamp reads a date or time: digits with separators, at most 16 bytes.
func stamp(v string) string {
	v = strings.TrimSpace(v)
	if len(v) > 16 || strings.Trim(v, "0123456789/:-. ") != "" {
		return ""
	}
	return v
}
