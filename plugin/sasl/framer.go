package sasl

import "errors"

// The longest lines, in bytes without their end.
const (
	maxPOP3Command = 255 - len("\r\n") // RFC 2449, section 4; it includes an initial response (RFC 5034, section 4)
	maxSMTPCommand = 512 - len("\r\n") // RFC 5321, section 4.5.3.1.4
	maxResponse    = 12288             // RFC 4954, section 4: what a client's base64 line may have
)

// What can be wrong with a line that has come to its end.
var (
	errTooLong = errors.New("the line is too long")
	errGarbled = errors.New("the line holds characters that are not ASCII text")
)

// Characters with a meaning of their own.
const (
	bs  = 0x08
	lf  = 0x0a
	cr  = 0x0d
	del = 0x7f
)

// ending is how the caller ends lines. Both protocols ask for CR LF; a terminal sends CR alone.
type ending int

const (
	endingUnknown ending = iota // no CR yet: see whether an LF follows
	endingCRLF                  // an LF is due after a CR
	endingCR                    // a CR ends the line at once
)

// framer puts lines together from single bytes. CR LF, LF and CR end a line. It takes no byte beyond the line's end but one that shows
// a CR to have been the whole end, and keeps at most maxResponse bytes however long a line is.
type framer struct {
	parity  parity
	ending  ending
	started bool // there has been a line with something in it; before that, what no command begins with is noise

	text    []byte // the line so far
	limit   int    // how long it may get
	long    bool   // it got longer
	garbled bool   // it holds a control character
	afterCR bool   // an LF is due
	skipLF  bool   // the line before ended with a CR at once: an LF that follows belongs to it
}

// begin starts a line of at most limit bytes, and wipes the one before.
func (f *framer) begin(limit int) {
	if f.text == nil {
		f.text = make([]byte, 0, maxResponse)
	}
	f.wipe()
	f.limit, f.long, f.garbled, f.afterCR = limit, false, false, false
}

// wipe clears what was typed, which may be a secret.
func (f *framer) wipe() {
	clear(f.text)
	f.text = f.text[:0]
}

// fed is what one byte did.
type fed int

const (
	fedMore  fed = iota // the line goes on
	fedEnd              // the byte ended the line
	fedNext             // the byte before ended the line; this one belongs to the next
	fedErase            // the byte rubbed out another
)

// feed takes one byte. erase lets BS and DEL rub out, as a person at a terminal expects.
func (f *framer) feed(raw byte, erase bool) fed {
	c := f.parity.likely(raw)
	switch {
	case c == 0:
		return fedMore // padding
	case f.afterCR && c == lf:
		f.ending = endingCRLF
		return fedEnd
	case f.afterCR:
		f.ending = endingCR
		return fedNext
	case c == lf && f.skipLF:
		f.skipLF, f.ending = false, endingCRLF
		return fedMore
	}
	f.skipLF = false
	switch {
	case c == lf:
		return fedEnd
	case c == cr && f.ending == endingCR:
		f.skipLF = true
		return fedEnd
	case c == cr:
		f.afterCR = true
		return fedMore
	case erase && (c == bs || c == del):
		return f.erase()
	}
	f.add(raw, c)
	return fedMore
}

// silence says that nothing has come for a while after a CR: it was the whole end.
func (f *framer) silence() { f.ending, f.skipLF = endingCR, true }

// add takes a byte into the line.
func (f *framer) add(raw, c byte) {
	switch {
	case !f.started && len(f.text) == 0 && !isLetter(c): // noise
	case len(f.text) >= f.limit:
		f.long = true
	default:
		f.garbled = f.garbled || c < ' ' || c == del
		f.text = append(f.text, raw)
	}
}

// erase rubs out the last byte, if there is one.
func (f *framer) erase() fed {
	if len(f.text) == 0 {
		return fedMore
	}
	f.text[len(f.text)-1] = 0
	f.text = f.text[:len(f.text)-1]
	return fedErase
}

// line returns the line that has ended. It is valid until the next begin.
func (f *framer) line() ([]byte, error) {
	f.started = f.started || len(f.text) > 0
	f.parity.observe(f.text)
	if f.long {
		return nil, errTooLong
	}
	for _, c := range f.text {
		f.garbled = f.garbled || c >= 0x80
	}
	if f.garbled {
		return nil, errGarbled
	}
	return f.text, nil
}

// isLetter says whether c can begin a command.
func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
