package modemsim

import (
	"strings"
	"time"
)

// ties is the time-independent escape as the manuals of Epson and Intel describe it: three escape characters, not four, with AT,
// commands and CR right behind them are obeyed wherever they stand in the data; all of it goes to the far end as well. Three escape
// characters with nothing behind them for the time of S12 are answered by OK: from then on the first byte that is no A leads back to
// data. The manuals name no pause between the characters that would break the sequence, so there is none: only S2 over 127 does.
type ties struct {
	plus    int // escape characters in a row
	state   tiesState
	line    []byte
	prompt  *time.Timer
	waiting bool // OK was said
}

type tiesState int

const (
	tiesData  tiesState = iota
	tiesPlus            // three escape characters, nothing behind them yet
	tiesTyped           // an A and what followed it
)

// tiesLine is the longest command line in data, in characters.
const tiesLine = 39

func (m *Modem) hasTIES() bool {
	f := m.opts.family
	return m.faults.TIES || f != nil && f.Escape.Kind == "ties"
}

// watchTIES looks at data from the host for the time-independent escape.
func (m *Modem) watchTIES(b []byte) {
	if !m.hasTIES() {
		return
	}
	for _, c := range b {
		if m.mode != dataMode {
			return
		}
		m.tiesByte(c)
	}
}

func (m *Modem) tiesByte(c byte) {
	t, char := &m.ties, m.dte.s[2]
	if char > 127 {
		t.stop()
		return
	}
	switch t.state {
	case tiesPlus:
		switch {
		case upper(c) == 'A':
			t.stop()
			t.state, t.line = tiesTyped, append(t.line[:0], c)
			return
		case c == char: // a fourth one
			t.stop()
			t.plus = 4
			return
		case c <= ' ':
			return
		case t.waiting:
			t.stop()
			m.result(m.connectText(m.call.o.Connect))
		default:
			t.stop()
		}
	case tiesTyped:
		if c == m.dte.s[3] {
			m.tiesCommand()
			return
		}
		if t.line = append(t.line, c); len(t.line) > tiesLine {
			t.stop()
		}
	case tiesData:
	}
	if t.state != tiesData {
		return
	}
	if c != char {
		t.plus = 0
		return
	}
	if t.plus++; t.plus == 3 {
		m.tiesPrompt()
	}
}

// tiesPrompt waits for what follows the three escape characters.
func (m *Modem) tiesPrompt() {
	t, call := &m.ties, m.call
	t.state = tiesPlus
	var timer *time.Timer
	timer = time.AfterFunc(time.Duration(m.dte.s[12])*time.Second/50, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if t.prompt == timer && m.call == call && m.mode == dataMode {
			t.prompt, t.waiting = nil, true
			m.result("OK")
		}
	})
	t.prompt = timer
}

// tiesCommand obeys a line that was found in the data.
func (m *Modem) tiesCommand() {
	line := string(m.ties.line)
	m.ties.stop()
	if len(line) < 2 || upper(line[1]) != 'T' {
		return
	}
	if !m.validInTIES(line[2:]) {
		return // it was data
	}
	m.mode = commandMode
	m.command(line, false)
}

// inTIES begins the commands that are obeyed in data, besides those with an ampersand (Epson ActionNote 880C, Intel MD566X).
const inTIES = "EHMOQSVXZ&"

// validInTIES says whether all commands of a line are known, and of those that are obeyed in data.
func (m *Modem) validInTIES(line string) bool {
	x := &executor{d: &dte{family: m.dte.family, basic: map[string]int{}, params: map[string]string{}}}
	for line != "" {
		cmd, rest, err := x.cut(line)
		if err != nil || cmd != "" && strings.IndexByte(inTIES, upper(cmd[0])) < 0 || x.one(cmd) != nil {
			return false
		}
		line = rest
	}
	return true
}

func (t *ties) stop() {
	if t.prompt != nil {
		t.prompt.Stop()
	}
	*t = ties{line: t.line[:0]}
}
