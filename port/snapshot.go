package port

import "time"

// Snapshot is what a line was doing when it was taken.
type Snapshot struct {
	Name   string `json:"name"`
	Device string `json:"device"`
	// Modem is the profile's name, "none" for a direct line, "auto" while the modem has not said what it is. ModemWhy says why a modem that
	// was asked got that profile; "" where the configuration names it.
	Modem    string `json:"modem"`
	ModemWhy string `json:"modem_why,omitempty"`
	State    State  `json:"state"`
	// Condition is the RAS_PORT_CONDITION word for State.
	Condition string `json:"condition"`
	// Since is when the line came into State, Reason why it is there ("" for the ordinary), NextTry when it will try to leave it;
	// zero when it waits for something else.
	Since   time.Time `json:"since"`
	Reason  string    `json:"reason,omitempty"`
	NextTry time.Time `json:"next_try,omitzero"`
	// Pending is what follows when the present call is over, "" for the ordinary: the line is drained, lent, or its maintenance window is open. Of a
	// lent line it is what follows when it is given back.
	Pending string `json:"pending,omitempty"`
	// CallID, CallerID, Connect and User describe the present call, "" without one. User is known once the caller was let in.
	CallID   string `json:"call_id,omitempty"`
	CallerID string `json:"caller_id,omitempty"`
	Connect  string `json:"connect,omitempty"`
	User     string `json:"user,omitempty"`
	// CallStart is when the present call began; In and Out are its bytes so far.
	CallStart time.Time `json:"call_start,omitzero"`
	In        uint64    `json:"in"`
	Out       uint64    `json:"out"`
	// Calls counts the calls served since the line was made, Missed those that stopped ringing unanswered.
	Calls  uint64 `json:"calls"`
	Missed uint64 `json:"missed"`
	// Failures counts recoveries in a row that did not help.
	Failures int `json:"failures,omitempty"`

	call *Call
}

// conditions are the words of RAS_PORT_CONDITION (rassapi.h) for the states.
func condition(s State) string {
	switch s {
	case Absent, Recovering, Quarantined, Disabled:
		return "NON_OPERATIONAL"
	case Opening, Initializing:
		return "INITIALIZING"
	case Listening, Ringing, Answering:
		return "LISTENING"
	case Dialog:
		return "AUTHENTICATING"
	case Session:
		return "AUTHENTICATED"
	case HangingUp:
		return "DISCONNECTED"
	default:
		return "NON_OPERATIONAL"
	}
}

// publish makes a new snapshot for others to read, when something changed.
func (l *line) publish() {
	if !l.dirty {
		return
	}
	l.dirty = false
	s := &Snapshot{
		Name: l.cfg.Name, Device: l.cfg.Device, Modem: "none", State: l.state, Condition: condition(l.state), Since: l.since,
		Reason: l.reason, Calls: l.calls, Missed: l.missed, Pending: l.pendingText(), call: l.call,
	}
	if !l.cfg.direct() {
		s.Modem, s.ModemWhy = l.cfg.Profile.Name, l.known
		if l.unknown() {
			s.Modem = "auto"
		}
	}
	if l.state == Absent || l.state == Recovering || l.state == Quarantined {
		s.NextTry, s.Failures = l.due[timeState], l.failures
	}
	if l.maintained {
		s.NextTry, _ = l.windowOpen()
	}
	if c := l.call; c != nil {
		s.CallID, s.CallerID, s.Connect, s.CallStart = c.ID, c.CallerID.Number, c.Connect.Text, c.Start
		c.mu.Lock()
		s.User = c.sessionAs
		c.mu.Unlock()
	}
	l.snap.Store(s)
}

// snapshot returns the line's snapshot with the call's present counters.
func (l *line) snapshot() Snapshot {
	s := *l.snap.Load()
	if s.call != nil {
		s.In, s.Out = s.call.Octets()
		s.call = nil
	}
	return s
}
