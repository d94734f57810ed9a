package port

import (
	"log/slog"

	"rashost/port/modem"
)

// unknown says that the line is to find out what modem it has.
func (l *line) unknown() bool { return len(l.cfg.Auto) > 0 && l.known == "" }

// forget has the line find out anew what modem it has.
func (l *line) forget() { l.asking, l.known = nil, "" }

// recognise begins to ask what modem it is, and says whether that is to be done before the set-up. While a caller waits nothing is asked.
func (l *line) recognise() bool {
	l.asking = nil
	if !l.unknown() || l.ringing() {
		l.useProfile()
		return false
	}
	limit := inquiryTime
	if !l.hang.began.IsZero() {
		limit = l.afterCall(limit) / 3 // the set-up needs the rest
	}
	l.asking = newInquiry(l.cfg.Auto, limit)
	l.startScript(append(l.backOnHook(), attention()...))
	return true
}

// recogniseLine takes a line that the modem says meanwhile, and says whether it is part of an answer.
func (l *line) recogniseLine(text string) bool {
	if l.asking == nil || l.script == nil || l.state != Initializing || tellsCaller(text) {
		return false
	}
	l.asking.line(text)
	return true
}

// recogniseNext goes on when the modem answered, or did not.
func (l *line) recogniseNext(script *modem.Script) {
	q := l.asking
	switch {
	case q.started:
		q.over(script.Refused())
	case !answered(len(script.Steps), script.Refused()):
		l.asking = nil
		l.post(evFailed, "the modem does not answer AT: it is switched off, at another speed or not connected (rashost modem probe tries others)")
		return
	}
	if l.ringing() {
		q.short = "a call came"
	}
	if steps := q.next(); steps != nil {
		l.startScript(steps)
		return
	}
	l.recognised(q.result())
}

// recognised takes the profile that fits. One that a call kept from being found is asked for again after that call.
func (l *line) recognised(id Identification) {
	interrupted := l.ringing() && id.Score < certain
	l.asking = nil
	profile := id.Profile
	if profile.Name != "" {
		c := *l.given
		c.Profile = &profile
		l.cfg = &c
	}
	if !interrupted {
		l.known = id.Why
		l.event(EventModem, "the modem is "+l.cfg.Profile.Name, id.Why)
	}
	l.logAt(slog.LevelInfo, "the modem was asked what it is", "profile", l.cfg.Profile.Name, "why", id.Why)
	l.dirty = true
	if err := l.tty.dev.Apply(l.settings()); err != nil { // the flow control is the profile's
		l.post(evGone, "device gone: "+err.Error())
		return
	}
	l.useProfile()
	l.startScript(l.setUpSteps())
}

// useProfile tells the parser what the profile says of the modem's numbers.
func (l *line) useProfile() { l.parse.Codes = l.cfg.Profile.ResultCodes }
