package modemsim

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// command executes one command line and says its result.
func (m *Modem) command(line string, tooLong bool) {
	if len(line) < 2 {
		return
	}
	if m.opts.OnCommand != nil {
		m.mu.Unlock()
		m.opts.OnCommand(line)
		m.mu.Lock()
	}
	if d := m.opts.Timing.Command + m.faults.Slow; d > 0 {
		m.wait(d, func() bool { return m.rw != nil && m.ctx.Err() == nil })
	}
	if m.stuck() { // in OnCommand, or meanwhile
		return
	}
	m.dte.last = line
	x := &executor{d: &m.dte, m: m, reject: m.faults.Reject}
	result := "ERROR"
	if !tooLong && len(line) <= m.opts.family.maxLine()+2 {
		result = x.run(line[2:])
		m.signal()
	}
	if result == "ERROR" {
		result = m.errorText()
	}
	if m.faults.RingInCommand > 0 {
		m.faults.RingInCommand--
		m.result("RING")
	}
	if result != "" {
		m.result(result)
	}
	if x.after != nil {
		x.after()
	}
	if m.faults.MuteAfter > 0 {
		if m.faults.MuteAfter--; m.faults.MuteAfter == 0 {
			m.faults.Mute = true
		}
	}
}

var errCommand = errors.New("no such command")

// executor runs the commands of one line. Without m only settings can be made.
type executor struct {
	d      *dte
	m      *Modem
	reject []string
	result string // of the action that ends the line, "" for none, when ended
	ended  bool
	after  func() // done behind the result
}

// run executes a line without its AT and returns the result to say, "" for one that comes later.
func (x *executor) run(line string) string {
	if err := x.settings(line); err != nil {
		return "ERROR"
	}
	if x.ended {
		return x.result
	}
	return "OK"
}

// settings executes commands until one ends the line.
func (x *executor) settings(line string) error {
	for line != "" && !x.ended {
		var cmd string
		var err error
		if cmd, line, err = x.cut(line); err != nil {
			return err
		}
		if slices.ContainsFunc(x.reject, func(r string) bool { return strings.EqualFold(r, cmd) }) {
			return errCommand
		}
		if err := x.one(cmd); err != nil {
			return err
		}
	}
	return nil
}

// cut takes the first command off a line.
func (x *executor) cut(line string) (cmd, rest string, err error) {
	f := x.d.family
	c := upper(line[0])
	if f == nil || c == ';' || c == ' ' || c == 'D' || c == 'S' && len(line) > 1 && digits(line[1:]) > 0 {
		cmd, rest = next(line)
		return cmd, rest, nil
	}
	cmd, rest, ok := f.next(line)
	if !ok {
		return "", "", errCommand
	}
	return cmd, rest, nil
}

// next cuts the first command off a line, by the customary rules.
func next(line string) (cmd, rest string) {
	switch c := upper(line[0]); {
	case c == ';' || c == ' ':
		return "", line[1:]
	case strings.IndexByte("+#-*", c) >= 0: // extended: up to the semicolon
		cmd, rest, _ = strings.Cut(line, ";")
		return cmd, rest
	case c == 'D': // dialling takes the rest
		return line, ""
	case c == 'S':
		i := 1 + digits(line[1:])
		if i < len(line) && line[i] == '.' {
			i++
			i += digits(line[i:])
		}
		if i < len(line) && line[i] == '=' {
			i++
			i += digits(line[i:])
		} else if i < len(line) && line[i] == '?' {
			i++
		}
		return line[:i], line[i:]
	case strings.IndexByte(`&\%`, c) >= 0 && len(line) > 1:
		i := 2 + digits(line[2:])
		return line[:i], line[i:]
	}
	i := 1 + digits(line[1:])
	return line[:i], line[i:]
}

func digits(s string) int {
	return len(s) - len(strings.TrimLeft(s, "0123456789"))
}

func (x *executor) one(cmd string) error {
	if cmd == "" {
		return nil
	}
	c := upper(cmd[0])
	switch f := x.d.family; {
	case c == 'D' && (f == nil || f.knows("D")):
		return x.action(func() { x.result = x.m.dial(cmd[1:]) })
	case c == 'S' && len(cmd) > 1 && digits(cmd[1:]) > 0:
		return x.register(cmd[1:])
	case f != nil:
		return x.ofFamily(strings.ToUpper(cmd))
	case strings.IndexByte("+#-*", c) >= 0:
		return x.extended(strings.ToUpper(cmd))
	case strings.IndexByte(`&\%`, c) >= 0:
		if len(cmd) < 2 {
			return errCommand
		}
		return x.prefixed(strings.ToUpper(cmd[:2]), argument(cmd[2:]))
	default:
		n := argument(cmd[1:])
		if top, ok := limits[c]; !ok || n < 0 || n > top {
			return errCommand
		}
		return x.perform(string(c), n)
	}
}

// argument reads a command's number; none is 0, one over 255 is -1.
func argument(s string) int {
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil || n > 255 {
		return -1
	}
	return n
}

// action is a command that only a running modem can do.
func (x *executor) action(do func()) error {
	if x.m != nil {
		x.ended = true
		do()
	}
	return nil
}

// limits are the highest numbers that the basic commands take.
var limits = map[byte]int{
	'A': 0, 'B': 99, 'E': 1, 'H': 1, 'I': 11, 'L': 3, 'M': 3, 'N': 1, 'O': 3, 'P': 0, 'Q': 2, 'T': 0, 'V': 1, 'W': 2, 'X': 7, 'Y': 1, 'Z': 9,
}

// perform does what a basic command means in every family. What it does not know changes nothing.
func (x *executor) perform(name string, n int) error {
	d := x.d
	switch name {
	case "E":
		d.echo = n == 1
	case "V":
		d.numeric = n == 0
	case "Q":
		d.quiet = n == 1
	case "X":
		d.x = n
	case "&D":
		d.dtr = n
	case "&C":
		d.dcd = n
	case "&F":
		d.factory(n)
	case "&W":
		if d.family != nil && x.m != nil {
			d.store()
		}
	case "Z":
		return x.action(func() {
			x.m.drop()
			d.reset(x.m.opts.Stored)
			x.result, x.after = "OK", x.m.wasReset
		})
	case "H":
		if x.m != nil && n == 0 {
			x.m.drop()
		}
	case "A":
		return x.action(func() { x.result = x.m.offHook() })
	case "O":
		return x.action(func() { x.result = x.m.online() })
	case "I":
		if x.m != nil && d.family == nil {
			x.m.identify("I" + strconv.Itoa(n))
		}
	}
	return nil
}

// prefixed is a basic command with & or its like, of a modem that takes everything customary.
func (x *executor) prefixed(name string, n int) error {
	top, ok := map[string]int{"&D": 3, "&C": 1}[name]
	if n < 0 || ok && n > top {
		return errCommand
	}
	switch d := x.d; name {
	case "&V":
		if x.m != nil {
			x.m.info("E" + bit(d.echo) + " Q" + bit(d.quiet) + " V" + bit(!d.numeric) + " X" + strconv.Itoa(d.x) + " &C" + strconv.Itoa(d.dcd) + " &D" + strconv.Itoa(d.dtr))
		}
	case "&F":
		n = -1
	case "&D", "&C", "&G", "&K", "&Q", "&S", "&W", "&Y", "&P", "&R", "&T", "&X", `\N`, `\Q`, `\J`, `\V`, `\G`, `\K`, "%C", "%E", "%L", "%Q":
	default:
		return errCommand
	}
	return x.perform(name, n)
}

func bit(on bool) string {
	if on {
		return "1"
	}
	return "0"
}

// register is S n = v, S n ?, S n . b = v or S n.
func (x *executor) register(arg string) error {
	i := digits(arg)
	r := argument(arg[:i])
	if r < 0 || r >= registers {
		return errCommand
	}
	most, bits := 255, false
	if f := x.d.family; f != nil {
		fact := f.register(r)
		if fact == nil {
			return errCommand
		}
		bits = fact.Bits
		if fact.Most > 0 {
			most = fact.Most
		}
	}
	rest := arg[i:]
	if bit, ok := strings.CutPrefix(rest, "."); ok {
		if !bits {
			return errCommand
		}
		return x.registerBit(r, bit)
	}
	switch rest {
	case "":
	case "?":
		if x.m != nil {
			x.m.info(fmt.Sprintf("%03d", x.d.s[r]))
		}
	default:
		v := argument(rest[1:])
		if v < 0 || v > most || r == 1 {
			return errCommand
		}
		x.d.s[r] = byte(v)
	}
	return nil
}

// registerBit is b=0, b=1 or b? of a register.
func (x *executor) registerBit(r int, arg string) error {
	i := digits(arg)
	b := argument(arg[:i])
	if i == 0 || b < 0 || b > 7 {
		return errCommand
	}
	switch arg[i:] {
	case "=1":
		x.d.s[r] |= 1 << b
	case "=0":
		x.d.s[r] &^= 1 << b
	case "?":
		if x.m != nil {
			x.m.info(bit(x.d.s[r]>>b&1 == 1))
		}
	default:
		return errCommand
	}
	return nil
}

// reports are the extended parameters that are kept and can be asked for, with the value of the factory settings.
var reports = map[string]string{
	"+VCID": "0", "#CID": "0", "+MR": "0", "+ER": "0", "+DR": "0", "+ILRR": "0", "+IFC": "2,2", "+ICF": "3,3", "+IPR": "0", "+FCLASS": "0",
	"+MS": "V34", "+ES": "3,0,2", "+DS": "3,0", "+ETBM": "1,1,20", "+GCI": "B5", "+VDR": "0",
}

// extended is +NAME=value, +NAME?, +NAME=? or +NAME.
func (x *executor) extended(cmd string) error {
	name, value, assigned := strings.Cut(cmd, "=")
	name, asked := strings.CutSuffix(name, "?")
	switch name {
	case "+GMI", "+GMM", "+GMR", "+FMI", "+FMM", "+FMR":
		if x.m != nil {
			x.m.identify(name)
		}
		return nil
	}
	initial, ok := reports[name]
	if !ok {
		return errCommand
	}
	switch {
	case asked:
		if value = x.d.params[name]; value == "" {
			value = initial
		}
		if x.m != nil {
			x.m.info(name + ": " + value)
		}
	case value == "?" || !assigned:
	case len(value) > 32:
		return errCommand
	default:
		return x.assign(name, value)
	}
	return nil
}

func (x *executor) assign(name, value string) error {
	if name == "+VCID" || name == "#CID" {
		n := argument(value)
		if n < 0 || n > 2 {
			return errCommand
		}
		x.d.callerID = n
	}
	x.d.set(name, value)
	return nil
}
