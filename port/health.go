package port

import (
	"errors"
	"log/slog"
	"time"

	"rashost/port/modem"
)

// LineEvent is something that an operator should know of a line and that is no change of its state: a fault, and what was done about
// it. The texts are plain words and safe to show; what a modem or a caller sent is in them only quoted and bounded.
type LineEvent struct {
	// Line is the line's name. At is when it happened.
	Line string
	At   time.Time
	// Kind is one word out of the list of kinds.
	Kind string
	// Text says what happened, Result what came of it; "" for nothing.
	Text, Result string
	// Count is how many events with this kind and text it stands for: those since the last one that was told. Never 0 when it comes
	// from a line; 0 means 1.
	Count int
}

// The kinds of line events.
const (
	EventLadder      = "ladder"      // a step of the recovery
	EventStuckDCD    = "stuck-dcd"   // DCD stays high without a call
	EventCTSLow      = "cts-low"     // the modem takes no bytes
	EventDTRIgnored  = "dtr-ignored" // the modem does not hang up when DTR drops
	EventEchoLoop    = "echo-loop"   // our own words come back
	EventNoise       = "noise"       // bytes that mean nothing
	EventRingStorm   = "ring-storm"  // RING without end
	EventDSRLow      = "dsr-low"     // the modem is switched off or unplugged
	EventProbe       = "probe"       // the idle probe failed
	EventEscape      = "escape"      // an escape sequence, or what was done against one
	EventModem       = "modem"       // what modem a line has, where it found out itself
	EventUnproven    = "unproven"    // a hang-up that nothing but the modem's OK shows
	EventReadBack    = "read-back"   // the modem does not say that it took what the set-up told it
	EventQuarantine  = "quarantine"  // the line is taken out of service, or comes back
	EventDevice      = "device"      // the device went, came or moved
	EventArmed       = "armed"       // the line was armed or disarmed
	EventMaintenance = "maintenance" // a maintenance window begins or ends
	EventDrain       = "drain"       // the line is to be disabled when its call is over
	EventOffHook     = "off-hook"    // a modem out of service was taken off hook, or put back
	EventDiagnostics = "diagnostics" // what the modem says of the last call
)

// Bounds of the telling of events. A kind and text that was told is counted for eventGap before it is told again, and for twice as long
// each time that it goes on, up to eventMost.
const (
	eventGap  = time.Minute
	eventMost = time.Hour
	eventKeep = 64 // how many kinds and texts are remembered
)

// eventKey is what makes two events the same.
type eventKey struct{ kind, as string }

// eventCount is what is remembered of an event that was told.
type eventCount struct {
	told time.Time     // when it was last told
	gap  time.Duration // how long it is counted after that
	held LineEvent     // what has not been told since; Count 0 for nothing
}

// event makes an event known: to the log, to the observer and in the chain of the present call. The same kind and text is not told again
// for a while, and counted in between; what varies belongs into result.
func (l *line) event(kind, text, result string) { l.eventAs(text, kind, text, result) }

// eventAs is event for what is another event although it has the same text: it is counted by as.
func (l *line) eventAs(as, kind, text, result string) {
	now := time.Now()
	if l.call != nil {
		l.call.step(eventText(kind, text, result))
	}
	if l.events == nil {
		l.events = make(map[eventKey]*eventCount)
	}
	key := eventKey{kind, as}
	c := l.events[key]
	if c == nil {
		l.tellHeld(now, len(l.events) >= eventKeep)
		c = new(eventCount)
		l.events[key] = c
	}
	c.held = LineEvent{Line: l.cfg.Name, At: now, Kind: kind, Text: text, Result: result, Count: c.held.Count + 1}
	if now.Sub(c.told) >= c.gap {
		if c.held.Count == 1 { // it has not gone on meanwhile
			c.gap = 0
		}
		l.tellEvent(c, now)
	}
}

// tellHeld tells what has been counted long enough, or all that has been counted, and forgets it.
func (l *line) tellHeld(now time.Time, all bool) {
	for key, c := range l.events {
		if !all && now.Sub(c.told) < c.gap {
			continue
		}
		if c.held.Count > 0 {
			l.tellEvent(c, now)
		}
		delete(l.events, key)
	}
}

// tellEvent tells one event.
func (l *line) tellEvent(c *eventCount, now time.Time) {
	e := c.held
	c.told, c.held, c.gap = now, LineEvent{}, min(eventMost, max(eventGap, 2*c.gap))
	l.logAt(slog.LevelInfo, "line event", "kind", e.Kind, "what", e.Text, "result", e.Result, "count", e.Count)
	l.mgr.observer.LineEvent(e)
}

// eventText is an event in one sentence.
func eventText(kind, text, result string) string {
	if result != "" {
		text += ": " + result
	}
	return kind + ": " + text
}

// obeyed says that a script failed although the modem answered.
func obeyed(err error) bool {
	var step *modem.StepError
	return errors.As(err, &step) && step.Answer.Kind != modem.None
}

// unlessItRings is err, unless the modem rings: then it is alive, and too busy to answer. Where DTR is ignored, a caller may have typed
// the RING.
func (l *line) unlessItRings(err error) error {
	if l.ringing() && !l.dtrIgnored() {
		return nil
	}
	return err
}

// testIdle asks a modem that comes from quarantine twice, with a silence in between, before the line listens.
func (l *line) testIdle() {
	l.testing = true
	l.startScript([]modem.Step{{Send: "AT", Timeout: probeTime, Delay: quietTime}, {Send: "AT", Timeout: probeTime}})
}

// backFromQuarantine notes that the line listens again. When it fails soon after, it is quarantined at once.
func (l *line) backFromQuarantine() {
	if !l.retest {
		return
	}
	l.retest, l.probation = false, true
	l.event(EventQuarantine, "tested: the line listens again", "")
}
