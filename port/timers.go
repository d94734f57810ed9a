package port

import "time"

// deadline is how long a state may last.
type deadline struct {
	state State
	rule  string                      // in plain words, for the documentation
	limit func(l *line) time.Duration // 0 means none
}

// The limits of the states.
const (
	openLimit      = 10 * time.Second
	initLimit      = time.Minute
	ringGap        = 10 * time.Second
	dialogLimit    = 25 * time.Minute
	hangupLimit    = 15 * time.Second
	quarantineTime = 5 * time.Minute
)

// deadlines is every state's limit. What happens then is the row for evDeadline.
func deadlines() []deadline {
	fixed := func(d time.Duration) func(*line) time.Duration { return func(*line) time.Duration { return d } }
	afterCall := func(d time.Duration) func(*line) time.Duration {
		return func(l *line) time.Duration { return l.afterCall(d) }
	}
	return []deadline{
		{Absent, "when the kernel tells of a device; a look at 100 ms, doubled up to 1 min, and up to 5 s where it tells nothing", (*line).absentTime},
		{Opening, "10 s; after a call what is left of the 15 s since the hang-up began", afterCall(openLimit)},
		{Initializing, "60 s; after a call what is left of the 15 s since the hang-up began", afterCall(initLimit)},
		{Listening, "idle_probe; none without it and on a direct line", (*line).probeEvery},
		{Ringing, "10 s after the last RING", fixed(ringGap)},
		{Answering, "the profile's answer time-out; then 5 s for carrier, and settle", (*line).answerTime},
		{Dialog, "25 min, a backstop: dialogs have limits of their own; at shutdown the grace", fixed(dialogLimit)},
		{Session, "none: the service's limits, the carrier and the operator end it; at shutdown the grace", fixed(0)},
		{HangingUp, "15 s", fixed(hangupLimit)},
		{Recovering, "next try: 1 s, doubled up to 3 s; then 15 s for each step of the ladder", func(l *line) time.Duration { return backoff(l.failures, recoverFirst, recoverMost) }},
		{Quarantined, "next try: 5 min", fixed(quarantineTime)},
		{Disabled, "none: the operator ends it; in a maintenance window its end, the clock looked at every hour", fixed(0)},
	}
}

// The timers of a line: its one time.Timer is set to the earliest.
const (
	timeState  = iota // the state's deadline
	timeStep          // the next step of what the state does
	timePoll          // the next look at DCD
	timeWindow        // the next look at the clock for the maintenance window
	timeRead          // the next read from a line that babbles
	timeTail          // silence after the modem's own words
	timeKinds
)

// in sets a timer; 0 clears it.
func (l *line) in(kind int, d time.Duration) {
	l.due[kind] = time.Time{}
	if d > 0 {
		l.due[kind] = time.Now().Add(d)
	}
	l.dirty = l.dirty || kind == timeState
}

// earliest returns the timer that is due first.
func (l *line) earliest() (kind int, at time.Time) {
	for k, t := range l.due {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			kind, at = k, t
		}
	}
	return kind, at
}

// setTimer sets the one timer to the earliest of all. A line that waits for no time has none.
func (l *line) setTimer() {
	_, at := l.earliest()
	switch {
	case at.IsZero() && l.timer != nil:
		l.timer.Stop()
		l.timer = nil
	case at.IsZero():
	case l.timer == nil:
		l.timer = time.NewTimer(time.Until(at))
	default:
		l.timer.Reset(time.Until(at))
	}
}

// expired handles the timer that was due first. The others have their turn after what follows from it.
func (l *line) expired() {
	kind, at := l.earliest()
	if at.IsZero() || time.Now().Before(at) {
		return
	}
	l.due[kind] = time.Time{}
	switch kind {
	case timeState:
		l.post(evDeadline, l.overdueText())
	case timeStep:
		l.stepDue()
	case timePoll:
		l.pollCarrier()
	case timeTail:
		l.tailDue()
	case timeWindow:
		l.windowDue()
	case timeRead: // readOn reads
	}
}

// stepDue goes on with what the state does step by step.
func (l *line) stepDue() {
	switch {
	case l.script != nil:
		if l.script.Waiting() { // what the modem has not taken by now it must not get later, with others behind it
			_ = l.tty.dev.Flush(Out)
		}
		l.act(l.script.OnTimeout())
	case l.state == Answering:
		l.settled()
	case l.state == HangingUp:
		l.hangupStep()
	case l.state == Recovering:
		l.climbStep()
	}
}

// overdueText says what took too long.
func (l *line) overdueText() string {
	switch l.state {
	case Opening:
		return "the device did not open within " + openLimit.String()
	case Initializing:
		return "the modem was not set up in time"
	case Ringing:
		return "the ringing stopped"
	case Answering:
		return "no CONNECT within the answer time-out"
	case Dialog, Session:
		return "the call outlived its deadline"
	case HangingUp:
		return "the hang-up was not proven within " + hangupLimit.String()
	default:
		return l.reason
	}
}
