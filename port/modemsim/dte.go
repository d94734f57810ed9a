package modemsim

import (
	"maps"
	"time"
)

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
	basic    map[string]int    // of basic commands, such as "&K"; only with a family
	family   *family           // nil: takes everything customary
	saved    *dte              // what &W stored; only with a family
	line     []byte            // what was typed, with its AT
	skip     bool              // the line is too long
	last     string            // the last command line, for A/
}

// reset returns to the settings of the power-on state: the factory's, then what was stored.
func (d *dte) reset(stored string) {
	d.factory(-1)
	if d.saved != nil {
		d.restore()
	}
	if stored != "" {
		_ = (&executor{d: d}).settings(stored)
	}
}

// factory makes the factory's settings of that number; -1 are those of the power-on state.
func (d *dte) factory(profile int) {
	*d = dte{echo: true, x: 4, dtr: 2, dcd: 1, line: d.line[:0], last: d.last, family: d.family, saved: d.saved}
	for r, v := range map[int]byte{2: '+', 3: '\r', 4: '\n', 5: '\b', 6: 2, 7: 50, 8: 2, 9: 6, 10: 14, 11: 95, 12: 50, 25: 5} {
		d.s[r] = v
	}
	f := d.family
	if f == nil {
		return
	}
	if profile < 0 {
		profile = f.PowerOn
	}
	d.basic, d.params = map[string]int{}, map[string]string{}
	for _, p := range f.Parameters {
		d.params[p.Name] = p.Default
	}
	for _, p := range f.Factory {
		if p.Profile == profile {
			_ = (&executor{d: d}).settings(p.Settings)
		}
	}
}

// store is &W: all settings but those that the family does not keep.
func (d *dte) store() {
	saved := *d
	saved.basic, saved.params, saved.saved, saved.line = maps.Clone(d.basic), maps.Clone(d.params), nil, nil
	d.saved = &saved
}

// restore takes back what was stored; the settings that were not kept have the factory's values.
func (d *dte) restore() {
	fresh, saved := *d, d.saved
	*d = *saved
	d.basic, d.params = maps.Clone(saved.basic), maps.Clone(saved.params)
	d.saved, d.line, d.last = saved, fresh.line, fresh.last
	for name := range d.family.keeps {
		if v, ok := fresh.params[name]; ok {
			d.params[name] = v
		} else if v, ok := fresh.basic[name]; ok {
			d.basic[name] = v
		}
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
	if !m.deafUntil.IsZero() && time.Now().Before(m.deafUntil) {
		return
	}
	if len(d.line) == 0 && upper(c) == 'A' {
		m.speedLost = false
	}
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
	case len(d.line) > d.family.maxLine()+1:
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
	if m.hasTIES() || m.opts.family != nil && m.opts.family.Escape.Kind == "none" {
		return
	}
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
