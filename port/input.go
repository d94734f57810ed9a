package port

import (
	"slices"
	"time"

	"rashost/port/modem"
)

// input takes bytes from the device while no handler has it.
func (l *line) input(p []byte) {
	if l.cfg.direct() {
		l.directInput(p)
		return
	}
	if l.callersBytes() {
		return
	}
	if l.state == HangingUp && l.hang.phase == phaseQuiet {
		l.notQuiet()
	}
	for {
		text, rest, ok := l.split.Next(p)
		if !ok {
			return
		}
		l.heard(text)
		if l.connecting() { // before the event is handled: it may hand the call over at once
			l.typedAhead(rest)
			l.settle()
			return
		}
		l.settle()
		p = rest
	}
}

// connecting says whether CONNECT has been heard: what follows is the caller's.
func (l *line) connecting() bool {
	return slices.ContainsFunc(l.queue, func(o occurrence) bool { return o.ev == evConnect })
}

// heard takes one line from the modem.
func (l *line) heard(text string) {
	r := l.parse.Parse(text)
	if l.state == Answering {
		l.heardAnswer(r)
		return
	}
	if r.Kind == modem.Ring {
		l.heardRing(text)
		return
	}
	if l.hang.phase == phaseProbe && r.Kind == modem.None && text == "AT" {
		l.hang.unset = true // an echo: the modem was reset
	}
	if l.countersign.line(text) {
		return
	}
	if (r.Kind == modem.None || r.Kind == modem.Info) && (l.recogniseLine(text) || l.readBackLine(text)) {
		return
	}
	if l.hang.phase == phaseDiagnostics {
		l.heardDiagnostics(r, text)
	}
	if l.script != nil {
		l.act(l.script.OnResult(r))
	}
	if r.Kind == modem.None && (l.state != Initializing || l.rings > 0) && !l.ringsInCall() {
		l.heardCallerID(text)
	}
}

// heardRing counts a RING. In a state that cannot answer yet it is kept for later.
func (l *line) heardRing(text string) {
	if l.ringsInCall() {
		return
	}
	now := time.Now()
	if l.rings > 0 && now.Sub(l.ringAt) >= ringGap {
		l.rings, l.ids = 0, nil // that one gave up
	}
	l.forgetCaller(now)
	if l.rings == 0 {
		l.rangAt = now
	}
	l.rings++
	l.ringAt = now
	l.heardCallerID(text)
	l.post(evRing, "")
	if l.state == HangingUp && l.hang.phase == phaseQuiet {
		l.idle() // a modem that rings is on hook
	}
	if l.state == HangingUp && l.hang.phase == phaseDiagnostics && !l.hang.diag.before {
		l.diagnosticsOver() // the next caller does not wait for it
	}
}

// idGap is how long what was said of a caller counts without a RING: the slowest cadence known rings every 6 s.
const idGap = 8 * time.Second

// forgetCaller drops what is known of a caller who may have given up: that what follows is of the same one takes a RING, or before the
// first one another line, in time.
func (l *line) forgetCaller(now time.Time) {
	last := l.ringAt
	if l.rings == 0 {
		last = l.idAt
	}
	if now.Sub(last) >= idGap {
		l.ids = nil
	}
}

// heardCallerID keeps what a line says of the caller.
func (l *line) heardCallerID(text string) {
	if l.rings == 0 {
		l.forgetCaller(time.Now())
	}
	if l.ids == nil {
		l.ids = &modem.CallerIDCollector{Digits: l.cfg.Profile.CallerID.Format == "digits"}
	}
	if l.ids.Line(text) {
		l.idAt = time.Now()
	}
}

// heardAnswer takes one line between ATA and CONNECT.
func (l *line) heardAnswer(r modem.Result) {
	switch {
	case r.Kind == modem.Connected:
		if l.connect == nil {
			l.connect = new(modem.ConnectCollector)
		}
		l.call.Connect = l.connect.Connect(r.Connect)
		l.connect = nil
		l.post(evConnect, "")
	case r.Kind == modem.Info:
		if l.connect == nil {
			l.connect = new(modem.ConnectCollector)
		}
		l.connect.Line(r.Text)
	case r.Kind == modem.Error:
		l.queue = append(l.queue, occurrence{evNoConnect, "the modem refused to answer: " + r.Kind.String(), PortError})
	case r.Kind.Failed():
		l.queue = append(l.queue, occurrence{evNoConnect, "no connection: " + r.Kind.String(), LostCarrier})
	}
}
