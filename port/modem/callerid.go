package modem

import (
	"fmt"
	"strconv"
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
	// Unreadable: something came in place of the number that is none.
	Unreadable
	// Contradictory: what came contradicts itself, as two different numbers do. Nothing of it is believed.
	Contradictory
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
	case Unreadable:
		return "unreadable"
	case Contradictory:
		return "contradictory"
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
	// Called is the number that was dialled, and Diverted the one that sent the call on; "" when unknown. Two different numbers dialled
	// are none.
	Called, Diverted string
	// Conflict is what contradicts itself, in plain words; "" for nothing.
	Conflict string
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

// Doubt says what came of the caller that is not believed, with the modem's lines; "" when all of it is.
func (id *CallerID) Doubt() string {
	why := id.Conflict
	switch {
	case why != "":
	case id.Status == Unreadable:
		why = "no number"
	default:
		return ""
	}
	lines := make([]string, len(id.Raw))
	for i, line := range id.Raw {
		lines[i] = strconv.Quote(line)
	}
	return fmt.Sprintf("caller id not believed (%s): the modem said %s", why, strings.Join(lines, ", "))
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

	id   gathered
	rang bool // since the last part of a cadence
}

// CallerID returns what was gathered so far.
func (k *CallerIDCollector) CallerID() CallerID {
	id := k.id.CallerID
	if id.Status == Absent {
		id.Status = k.id.nameless
	}
	return id
}

// Complete says that a number came, or the reason why none does: no need to wait for more.
func (k *CallerIDCollector) Complete() bool { return k.CallerID().Status != Absent }

// Reset forgets everything; at the end of each call.
func (k *CallerIDCollector) Reset() { *k = CallerIDCollector{Digits: k.Digits} }

// gathered is what the lines so far have said.
type gathered struct {
	CallerID
	nameless    CallerStatus // why no name comes: it is all that some modems send, and gives way to what is said of the number
	calledTwice bool         // two different numbers were dialled
}

// keys are the fields of lines of the form KEY = value, with blanks around the sign or none.
var keys = map[string]func(*gathered, string){
	"DATE": (*gathered).setDate, "TIME": (*gathered).setTime, "NAME": (*gathered).setName, "MESG": (*gathered).setFrame,
	"NMBR": (*gathered).setNumber, "NMRB": (*gathered).setNumber /* misspelt by some firmware */, "NBR": (*gathered).setNumber,
	"ANID": (*gathered).setNumber, "NDID": (*gathered).setCalled, "DDN_NMBR": (*gathered).setCalled,
	"REASON NO NUMBER": (*gathered).setReason, "REASON NO NAME": ignore, "QUAL": ignore, "REDIRECT": ignore, "CALLBACK NMBR": ignore,
	"DRON": (*gathered).setRingOn, "DROF": (*gathered).setRingOff,
}

// prefixes are the beginnings of the other lines, and what takes the rest.
var prefixes = []struct {
	prefix string
	set    func(*gathered, string)
}{
	{"CALLER NAME:", (*gathered).setName},
	{"CALLER NUMBER:", (*gathered).setNumber},
	{"CALLER'S NUMBER:", (*gathered).setNumber},
	{"CALLED NUMBER:", (*gathered).setCalled},
	{"REASON FOR NO CALLER NUMBER:", (*gathered).setReason},
	{"REASON FOR NO CALLER NAME:", ignore},
	{"CALLERID:", (*gathered).setNumber},
	{"TIME:", (*gathered).setDateTime}, // ZyXEL: TIME: 11-21 12:17
	{"DIVERTING NUMBER:", (*gathered).setDiverted},
	{"FM:", (*gathered).setFromTo},
	{"TO:", (*gathered).setCalled},
	{"+CLIP:", (*gathered).setCLIP},
	{"+CRING:", (*gathered).setRing},
	{"RING CID:", (*gathered).setDiva},
	{"RING;", (*gathered).setRingFields},
	{"RING:", (*gathered).setZoom},
	{"RING/", (*gathered).setCalled}, // isdn4linux with S23.0=1
	{"RING ", (*gathered).setRingWord},
}

func ignore(*gathered, string) {}

// Line takes one line and says whether it was caller id.
func (k *CallerIDCollector) Line(line string) bool {
	line = strings.TrimSpace(line)
	set, value := field(line)
	switch {
	case set == nil && k.Digits && len(line) >= 3 && len(line) <= 32 && strings.Trim(line, "0123456789") == "":
		set, value = (*gathered).setNumber, line
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
func field(line string) (set func(*gathered, string), value string) {
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
		return (*gathered).setFrame, line
	}
	return nil, ""
}

func (k *CallerIDCollector) keep(line string) {
	if len(k.id.Raw) < maxRaw {
		k.id.Raw = append(k.id.Raw, capText(line))
	}
}
