// Package modem understands what a modem says: lines, result codes, CONNECT texts, caller id, PPP frames, and the tail of a data
// stream that shows a hang-up. It does no I/O and keeps no time; all of it takes hostile bytes and stays bounded.
package modem

import "strings"

// MaxLine is the longest line that a Splitter returns, in bytes. Longer ones are dropped whole: no modem sends them.
const MaxLine = 256

const dle = 0x10

// Splitter cuts a modem's output into lines. A line ends with CR, LF or CR LF; empty lines, NULs, other control characters and bytes
// over 0x7E are dropped. DLE R, the ring of a modem in voice mode, counts as the line RING. The zero value is ready to use.
type Splitter struct {
	buf     []byte // it grows with the lines: thousands of idle modems say OK
	long    bool   // the line is over MaxLine: drop it
	cr      bool   // the last byte was the CR that ended a line
	dle     bool   // the last byte was DLE
	echo    string // the command whose echo is dropped
	dropped uint64
}

// Next takes bytes from b up to the end of the first line in them, and returns that line and the bytes after it. ok is false when b
// ended before a line did; its bytes are kept for the next call. Data that follows a CONNECT is thus in rest.
func (s *Splitter) Next(b []byte) (line string, rest []byte, ok bool) {
	for i, c := range b {
		if line, ok = s.put(c); ok {
			rest = b[i+1:]
			if s.cr && len(rest) > 0 && rest[0] == '\n' {
				rest, s.cr = rest[1:], false
			}
			return line, rest, true
		}
	}
	return "", nil, false
}

func (s *Splitter) put(c byte) (line string, ok bool) {
	wasDLE := s.dle
	s.cr, s.dle = false, c == dle
	switch {
	case wasDLE && c == 'R':
		return "RING", true
	case c == '\r' || c == '\n':
		line, ok = s.end()
		s.cr = ok && c == '\r'
		return line, ok
	case c < ' ' || c > '~':
		return "", false
	case len(s.buf) == MaxLine:
		s.long = true
		return "", false
	}
	s.buf = append(s.buf, c)
	return "", false
}

func (s *Splitter) end() (string, bool) {
	line, long := strings.TrimSpace(string(s.buf)), s.long
	s.buf, s.long = s.buf[:0], false
	if long {
		s.dropped++
		return "", false
	}
	if line == "" {
		return "", false
	}
	if s.echo != "" && strings.EqualFold(line, s.echo) {
		s.echo = ""
		return "", false
	}
	return line, true
}

// Echo tells which command was just sent: its echo, once, is not a line. "" for none.
func (s *Splitter) Echo(command string) { s.echo = strings.TrimSpace(command) }

// AfterCR says that the last line ended with CR and that the LF which may belong to it has not come. Who leaves command mode at that
// line drops one LF from the data.
func (s *Splitter) AfterCR() bool { return s.cr }

// Pending is how many bytes of an unfinished line are kept.
func (s *Splitter) Pending() int { return len(s.buf) }

// Dropped counts the lines over MaxLine.
func (s *Splitter) Dropped() uint64 { return s.dropped }

// Reset forgets the unfinished line and the echo.
func (s *Splitter) Reset() { *s = Splitter{buf: s.buf[:0], dropped: s.dropped} }
