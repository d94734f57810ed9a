package modemsim

import (
	"strconv"
	"strings"
	"time"
)

// ofFamily executes one command of a personality; cmd is in capitals.
func (x *executor) ofFamily(cmd string) error {
	f := x.d.family
	if a := f.answer(cmd); a != nil {
		if n, arg := f.split(cmd); f.known(n, arg) || extended(cmd) {
			x.reply(a)
			return nil
		}
	}
	name, value, assigned := strings.Cut(cmd, "=")
	name, asked := strings.CutSuffix(name, "?")
	if p := f.parameter(name); p != nil {
		return x.parameter(p, value, asked, assigned)
	}
	name, arg := f.split(cmd)
	if !f.known(name, arg) {
		return errCommand
	}
	n := argument(arg)
	if name == "&F" && arg == "" {
		n = -1
	}
	x.d.basic[name] = max(n, 0)
	return x.perform(name, n)
}

// known says whether the family takes a basic command with that number.
func (f *family) known(name, arg string) bool {
	n, ok := f.basic[name]
	return ok && n.takes(arg)
}

func (f *family) knows(name string) bool { _, ok := f.basic[name]; return ok }

func (f *family) maxLine() int {
	if f == nil || f.MaxLine.Characters == 0 {
		return maxCommand
	}
	return f.MaxLine.Characters
}

// parameter sets an extended parameter, or tells it.
func (x *executor) parameter(p *parameterFact, value string, asked, assigned bool) error {
	switch {
	case asked:
		if x.m != nil {
			show := p.Show
			if show == "" {
				show = p.Name + ": {value}"
			}
			if text, ok := say(show, map[string]string{"value": x.d.params[p.Name]}); ok {
				x.m.info(text)
			}
		}
	case value == "?":
		if x.m != nil {
			x.m.info(p.Name + ": (" + p.Values + ")")
		}
	case !assigned && p.Values == "":
	case !assigned || !p.re.match(value):
		return errCommand
	default:
		x.d.params[p.Name] = value
	}
	if p.Effect == "reenumerate" && assigned && x.m != nil {
		x.after = func() { x.m.replugLocked(reenumerateTime) }
	}
	return nil
}

// reenumerateTime is how long a modem is away that restarts by itself.
const reenumerateTime = 200 * time.Millisecond

// reply says the lines of an answer.
func (x *executor) reply(a *answerFact) {
	if x.m == nil {
		return
	}
	values := x.m.lastCall()
	if !x.d.holds(a.When, values) {
		return
	}
	for _, text := range a.Text {
		if line, ok := say(text, values); ok {
			x.m.info(line)
		}
	}
}

// lastCall are the placeholders for what became of the last call; without one they stand for nothing.
func (m *Modem) lastCall() map[string]string {
	f := m.opts.family
	if f == nil || m.lastCause == "" {
		return map[string]string{}
	}
	v := f.values(m.lastLink)
	if v["cause"] = f.cause[m.lastCause]; v["cause"] == "" {
		v["cause"] = m.lastCause
	}
	return v
}

// errorText is ERROR in the family's words.
func (m *Modem) errorText() string {
	if f := m.opts.family; f != nil {
		if text, ok := m.dte.phrase(f.Errors, nil); ok {
			return text
		}
	}
	return "ERROR"
}

// wasReset is what a family does behind a reset.
func (m *Modem) wasReset() {
	f := m.opts.family
	if f == nil {
		return
	}
	m.speedLost = f.Reset.Speed
	if f.Reset.Busy > 0 {
		m.deafUntil = time.Now().Add(f.Reset.Busy)
	}
	m.lastCause = ""
}

// code is a result's number; ok is false for one that the family has none for.
func (f *family) code(text string) (string, bool) {
	for t := text; f != nil; {
		if n, ok := f.codes[t]; ok {
			return strconv.Itoa(n), true
		}
		i := strings.LastIndexAny(t, "/ ")
		if i <= 0 || !strings.HasPrefix(text, "CONNECT") {
			break
		}
		t = t[:i]
	}
	return "", false
}
