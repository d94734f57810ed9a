package modem

import "strings"

// setNumber takes a number or the letter, or word, that stands for none.
func (id *gathered) setNumber(v string) {
	v = strings.Trim(v, `" `)
	n, ok := phone(v)
	switch n = dtmf(n); {
	case noNumber(v) != Absent:
		id.say(noNumber(v), "")
	case ok && onlyDigits(n) != "":
		id.say(Present, n)
	case strings.Trim(v, separators) != "":
		id.say(Unreadable, "")
	}
}

// say takes what a line says of the caller's number. What contradicts an earlier line is not believed, and neither is that line: a name
// with a line end in it can pass for any line, and the earlier one may be of a caller who gave up.
func (id *gathered) say(s CallerStatus, number string) {
	switch {
	case id.Status == Absent:
		id.Status, id.Number = s, number
	case id.Status == Contradictory || id.Status == s && onlyDigits(id.Number) == onlyDigits(number):
	default:
		id.contradicts(said(id.Status, id.Number), said(s, number))
		id.Status, id.Number = Contradictory, ""
	}
}

// contradicts notes that one line says something else than another.
func (id *gathered) contradicts(one, other string) {
	if id.Conflict != "" {
		id.Conflict += "; "
	}
	id.Conflict += one + " and " + other
}

// said is what a line has said of the number, in words.
func said(s CallerStatus, number string) string {
	if s == Present {
		return "number " + number
	}
	return "number " + s.String()
}

// dtmf takes the signs off that frame a number which the exchange sent as tones: A, B or D before it and C or # behind.
func dtmf(n string) string {
	if len(n) < 5 || strings.IndexByte("ABD", n[0]) < 0 || strings.IndexByte("C#", n[len(n)-1]) < 0 || strings.Trim(n[1:len(n)-1], "0123456789") != "" {
		return n
	}
	return n[1 : len(n)-1]
}

// setReason takes the reason why no number comes.
func (id *gathered) setReason(v string) {
	if s := noNumber(v); s != Absent {
		id.say(s, "")
	}
}

// noNumber reads the reason why no number comes; Absent when it is none.
func noNumber(v string) CallerStatus {
	switch strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(v), "_", " ")) {
	case "P", "PRIVATE", "PRIVAT", "ANONYMOUS", "WITHHELD", "RESTRICTED", "BLOCKED", "0": // 0: isdn4linux, when the network names nobody
		return Withheld
	case "O", "OUT OF AREA", "UNAVAILABLE", "UNKNOWN", "NOT AVAILABLE":
		return OutOfArea
	default:
		return Absent
	}
}

func (id *gathered) setName(v string) {
	v = strings.TrimSpace(capText(strings.Trim(v, `" `)))
	if s := noNumber(v); len(v) == 1 && s != Absent { // P or O: the reason why there is no name, often the only line that comes
		id.nameless = max(id.nameless, s)
		return
	}
	id.Name = v
}

func (id *gathered) setDate(v string) { id.Date = stamp(v) }
func (id *gathered) setTime(v string) { id.Time = stamp(v) }

// setDateTime takes MM-DD hh:mm, or the time alone.
func (id *gathered) setDateTime(v string) {
	if date, clock, both := strings.Cut(stamp(v), " "); both {
		id.Date, id.Time = date, strings.TrimSpace(clock)
	} else {
		id.Time = date
	}
}

// setCalled takes the number that was dialled; two that differ are none.
func (id *gathered) setCalled(v string) {
	n, ok := phone(v)
	switch {
	case !ok || id.calledTwice:
	case id.Called == "":
		id.Called = n
	case onlyDigits(id.Called) == onlyDigits(n):
	default:
		id.contradicts("called number "+id.Called, "called number "+n)
		id.calledTwice, id.Called = true, ""
	}
}

func (id *gathered) setDiverted(v string) {
	if n, ok := phone(v); ok {
		id.Diverted = n
	}
}

// setFromTo takes FM:<number> with TO:<number> behind it.
func (id *gathered) setFromTo(v string) {
	from, to, ok := strings.Cut(strings.ToUpper(v), "TO:")
	id.setNumber(strings.TrimSpace(from))
	if ok {
		id.setCalled(strings.TrimSpace(to))
	}
}

// setCLIP takes GSM's "number",type,subaddress,satype,"name",validity: validity 1 is withheld, 2 out of area.
func (id *gathered) setCLIP(v string) {
	parts := strings.Split(v, ",")
	if len(parts) > 5 {
		switch strings.TrimSpace(parts[5]) {
		case "1":
			id.say(Withheld, "")
		case "2":
			id.say(OutOfArea, "")
		}
	}
	if len(parts) > 4 {
		id.setName(parts[4])
	}
	id.setNumber(parts[0])
}

// setDiva takes n DAD: n.
func (id *gathered) setDiva(v string) {
	from, to, ok := strings.Cut(strings.ToUpper(v), "DAD:")
	id.setNumber(strings.TrimSpace(from))
	if ok {
		id.setCalled(strings.TrimSpace(to))
	}
}

// setRingFields takes from;to.
func (id *gathered) setRingFields(v string) {
	from, to, _ := strings.Cut(v, ";")
	id.setNumber(from)
	id.setCalled(to)
}

// setZoom takes "t DNx nnn": type, directory number, caller's number.
func (id *gathered) setZoom(v string) {
	for _, w := range strings.Fields(v) {
		switch {
		case strings.HasPrefix(strings.ToUpper(w), "DN"):
			id.setRing(w)
		case len(w) > 1:
			id.setWord(w)
		}
	}
}

// setRingWord takes what follows RING and a blank: one letter or digit marks a distinctive ring, more is a number.
func (id *gathered) setRingWord(v string) {
	if len(v) == 1 {
		id.setRing(v)
		return
	}
	id.setWord(v)
}

// setWord takes what is a number where it holds a digit, or the reason why there is none; a word can be anything else.
func (id *gathered) setWord(v string) {
	if onlyDigits(v) != "" || noNumber(v) != Absent {
		id.setNumber(v)
	}
}

func (id *gathered) setRing(v string) {
	if v = capText(v); len(v) <= 16 {
		id.Ring = v
	}
}

// setRingOn and setRingOff take the lengths of a distinctive ring, in units of 100 ms.
func (id *gathered) setRingOn(v string)  { id.addCadence("on " + v) }
func (id *gathered) setRingOff(v string) { id.addCadence("off " + v) }

func (id *gathered) addCadence(v string) {
	if s := strings.TrimSpace(id.Ring + " " + capText(v)); len(s) <= maxText {
		id.Ring = s
	}
}

// separators may stand in a number and mean nothing.
const separators = ` -.()/"`

// phone reads a number without the separators between its signs.
func phone(v string) (string, bool) {
	var b strings.Builder
	for _, c := range []byte(strings.TrimSpace(v)) {
		switch {
		case digit(c), c == '+', c == '*', c == '#', c >= 'A' && c <= 'D':
			b.WriteByte(c)
		case strings.IndexByte(separators, c) >= 0:
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
