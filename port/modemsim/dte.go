package modemsim

import "time"

// maxCommand is the longest command line, in bytes, without its AT.
const maxCommand = 255

// registers is how many S-registers there are.
const registers = 256

// dte is the modem's settings and the command line being typed.
type dte struct {
	s        [registers]byte
	echo     bool
	quiet    bool
	numeric  bool
	x        int
	dtr, dcd int // &D, &C
	callerID int
	params   map[string]string // of extended commands, such as "+MR"
	line     []byte            // what was typed, with its AT
	skip     bool              // the line is too long
	last     string            // the last command line, for A/
}

// reset returns to the settings of the power-on state: the factory's, then what was stored.
func (d *dte) reset(stored string) {
	d.factory()
	if stored != "" {
		_ = (&executor{d: d}).settings(stored)
	}
}

func (d *dte) factory() {
	*d = dte{echo: true, x: 4, dtr: 2, dcd: 1, line: d.line[:0], last: d.last}
	for r, v := range map[int]byte{2: '+', 3: '\r', 4: '\n', 5: '\b', 6: 2, 7: 50, 8: 2, 9: 6, 10: 14, 11: 95, 12: 50, 25: 5} {
		d.s[r] = v
	}
}

// on says that a report such as +MR is switched on.
func (d *dte) on(name string) bool { v := d.params[name]; return v != "" && v != "0" }

func (d *dte) set(name, value string) {
	if d.params == nil {
		d.params = map[string]string{}
	}
	d.params[name] = value
}

// key takes one byte in command mode.
func (m *Modem) key(c byte) {
	d := &m.dte
	if d.echo && !m.faults.Mute {
		m.say(string([]byte{c}))
	}
	switch {
	case c == d.s[3]:
		line := string(d.line)
		tooLong := d.skip
		d.line, d.skip = d.line[:0], false
		m.command(line, tooLong)
	case c == d.s[5]:
		if len(d.line) > 2 {
			d.line = d.line[:len(d.line)-1]
		}
	case len(d.line) == 0:
		if upper(c) == 'A' {
			d.line = append(d.line, c)
		}
	case len(d.line) == 1:
		m.second(c)
	case len(d.line) > maxCommand+1:
		d.skip = true
	case c > ' ' && c < 0x7f:
		d.line = append(d.line, c)
	}
}

// second takes the byte after an A: T makes it a command, / repeats the last one at once.
func (m *Modem) second(c byte) {
	d := &m.dte
	switch upper(c) {
	case 'T':
		d.line = append(d.line, c)
	case '/':
		d.line = d.line[:0]
		if d.last != "" {
			m.command(d.last, false)
		}
	case 'A':
	default:
		d.line = d.line[:0]
	}
}

func upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}

// escape watches the data for the escape sequence.
type escape struct {
	last  time.Time // of the last byte
	count int
	timer *time.Timer
}

func (e *escape) begin() { *e = escape{last: time.Now()} }

func (e *escape) stop() {
	if e.timer != nil {
		e.timer.Stop()
		e.timer = nil
	}
	e.count = 0
}

// watchEscape looks at data from the host: silence, three escape characters, silence. A host that sends them along with anything
// else has not escaped, nor has one while S2 is over 127.
func (m *Modem) watchEscape(b []byte) {
	e, char := &m.esc, m.dte.s[2]
	now := time.Now()
	guard := time.Duration(m.dte.s[12]) * time.Second / 50
	quiet := now.Sub(e.last)
	e.last = now
	n := e.count
	e.stop()
	if n > 0 && guard > 0 && quiet >= guard { // too late to belong to the others: it is a first one
		n = 0
	}
	if char > 127 || n == 0 && quiet < guard {
		return
	}
	for _, c := range b[:min(len(b), 4)] {
		n++
		if c != char || n > 3 {
			return
		}
	}
	if e.count = n; n < 3 {
		return
	}
	call := m.call
	e.timer = time.AfterFunc(guard, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.esc.count == 3 && m.call == call && m.mode == dataMode {
			m.esc.count = 0
			m.mode = commandMode
			m.result("OK")
		}
	})
}
