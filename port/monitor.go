package port

import (
	"context"
	"time"

	"rashost/hardware"
	"rashost/port/modem"
)

// Heard is one line from a modem, and what it was taken for.
type Heard struct {
	At time.Time
	// Raw are the bytes as they came, without the line end, at most 256; Line is what is left of them, printable, "" for noise.
	Raw  []byte
	Line string
	// Result is what the line means.
	Result modem.Result
	// OfCaller: the line says something of the caller. CallerID is all that is known of the present call.
	OfCaller bool
	CallerID modem.CallerID
	// Rings counts the rings of the present call.
	Rings int
}

// maxHeard bounds Heard.Raw.
const maxHeard = 256

// Monitor sets a modem up as its profile says, caller id and distinctive ring included, and tells everything that the modem says then, until ctx
// ends. A command that the modem refuses although the set-up needs it ends it with the error; the optional ones that were refused go to ready.
func Monitor(ctx context.Context, dev Device, p *hardware.Profile, ready func(refused []*modem.StepError), heard func(Heard)) error {
	w := &asker{ctx: ctx, dev: dev}
	defer w.watch()()
	refused, err := w.run(initSteps(&LineConfig{Profile: p, DistinctiveRing: true}), nil)
	if err != nil {
		return err
	}
	ready(refused)
	m := &monitor{heard: heard, ids: &modem.CallerIDCollector{Digits: p.CallerID.Format == "digits"}}
	m.parse.Codes = p.ResultCodes
	buf := make([]byte, readSize)
	for {
		if err := dev.SetReadDeadline(time.Time{}); err != nil {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		n, err := dev.Read(buf)
		if err != nil && ctx.Err() == nil {
			return err
		}
		for _, c := range buf[:n] {
			m.put(c)
		}
	}
}

// monitor takes the bytes of a modem apart.
type monitor struct {
	heard func(Heard)
	split modem.Splitter
	parse modem.Parser
	ids   *modem.CallerIDCollector
	raw   []byte
	last  time.Time // when the present call was last heard of
	rings int
}

func (m *monitor) put(c byte) {
	line, _, ok := m.split.Next([]byte{c})
	end := c == '\r' || c == '\n'
	if !end && len(m.raw) < maxHeard {
		m.raw = append(m.raw, c)
	}
	switch {
	case ok:
		m.line(line)
		m.raw = nil
	case end:
		if len(m.raw) > 0 { // nothing but noise, or too long
			m.heard(Heard{At: time.Now(), Raw: m.raw, CallerID: m.ids.CallerID(), Rings: m.rings})
		}
		m.raw = nil
	}
}

// line takes a line; one of a new call begins a new count.
func (m *monitor) line(line string) {
	now := time.Now()
	r := m.parse.Parse(line)
	if now.Sub(m.last) >= ringGap {
		m.rings = 0
	}
	if now.Sub(m.last) >= idGap {
		m.ids.Reset()
	}
	if r.Kind == modem.Ring {
		m.rings++
	}
	of := (r.Kind == modem.None || r.Kind == modem.Ring) && m.ids.Line(line)
	if of || r.Kind == modem.Ring {
		m.last = now
	}
	m.heard(Heard{At: now, Raw: m.raw, Line: line, Result: r, OfCaller: of, CallerID: m.ids.CallerID(), Rings: m.rings})
}
