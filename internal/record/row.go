// Package record keeps one row per call in a SQLite database: what was decided, why, and how the call ended.
//
// A row is written when the call starts, at the verdict and at the end. A row that is still open when the database is opened again
// belongs to a host that was killed, and is closed with NAS-Reboot. One goroutine writes, everything that waits in one transaction.
// What can't be written is kept in memory and tried again.
package record

import (
	"encoding/json"
	"slices"
	"time"

	"rashost/plugin"
	"rashost/port"
)

// Row is the record of one call. Texts may come from the caller: the store escapes and bounds them (see Printable) when they enter.
type Row struct {
	// ID is unique for ever. Line is the line's name, Device the tty's path.
	ID     string `json:"id"`
	Line   string `json:"line"`
	Device string `json:"device"`
	// Start is the first RING or carrier; Answered is CONNECT; Decided is the verdict; End is when the hang-up began. The zero time: not (yet).
	Start    time.Time `json:"start"`
	Answered time.Time `json:"answered,omitzero"`
	Decided  time.Time `json:"decided,omitzero"`
	End      time.Time `json:"end,omitzero"`
	// What the network said of the caller. CallerStatus is "" (nothing came), "present", "withheld", "out of area",
	// "unreadable" or "contradictory" (modem.CallerStatus).
	CallerNumber string `json:"caller_number"`
	CallerName   string `json:"caller_name"`
	CallerStatus string `json:"caller_status"`
	Called       string `json:"called"`
	// Connect is the modem's text after CONNECT.
	Connect string `json:"connect"`
	Dialog  string `json:"dialog"`
	Plugin  string `json:"plugin"`
	// User and Domain are as the plugin reported them, or masked by whoever wrote the row (see MaskName).
	User    string         `json:"user"`
	Domain  string         `json:"domain"`
	Verdict plugin.Verdict `json:"-"`
	// Code is the reason of a verdict Error, otherwise 0.
	Code   plugin.Code      `json:"code"`
	Events []plugin.EventID `json:"events"`
	// Service is the name of the service that the caller got, "" for none.
	Service string `json:"service"`
	// In and Out are the octets from and to the caller.
	In  uint64 `json:"octets_in"`
	Out uint64 `json:"octets_out"`
	// Cause is why the call ended, 0 while it is open. Reason is the same in plain words.
	Cause  port.TerminateCause `json:"cause"`
	Reason string              `json:"reason"`
	// Exit is the exit status of the service's process, "" for none.
	Exit string `json:"exit"`
	// Steps is the decision chain in the order in which it happened.
	Steps []Step `json:"steps"`
}

// MarshalJSON adds the words beside the numbers; lists are never null.
func (r Row) MarshalJSON() ([]byte, error) {
	type plain Row
	if r.Events == nil {
		r.Events = []plugin.EventID{}
	}
	if r.Steps == nil {
		r.Steps = []Step{}
	}
	return json.Marshal(struct {
		plain
		Verdict   string `json:"verdict"`
		CodeName  string `json:"code_name"`
		CauseName string `json:"cause_name"`
	}{plain(r), r.Verdict.String(), r.Code.String(), r.Cause.String()})
}

// Open says whether the call has not ended.
func (r Row) Open() bool { return r.End.IsZero() }

// progress orders the states of one row in time: a row only ever gets further.
func (r Row) progress() int {
	n := len(r.Steps) + len(r.Events)
	for i, t := range []time.Time{r.Answered, r.Decided, r.End} {
		if !t.IsZero() {
			n += 1000 << i
		}
	}
	return n
}

// Step is one line of the decision chain.
type Step struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
}

// AnswerUpdate is what is known when the modem has connected. Empty fields leave the row as it is.
type AnswerUpdate struct {
	At                                             time.Time // zero: now
	CallerNumber, CallerName, CallerStatus, Called string
	Connect                                        string
}

// VerdictUpdate is the outcome of the dialog. Empty fields leave the row as it is.
type VerdictUpdate struct {
	At             time.Time // zero: now
	Dialog, Plugin string
	User, Domain   string
	Verdict        plugin.Verdict
	Code           plugin.Code
	Events         []plugin.EventID // added to what the row has
	Service        string           // what the caller gets next, "" for nothing
	Steps          []Step           // added to what the row has
}

// EndUpdate closes the row.
type EndUpdate struct {
	At      time.Time           // zero: now
	Cause   port.TerminateCause // 0 becomes NASError: every call ends with one cause
	Reason  string
	In, Out uint64
	Exit    string
	Events  []plugin.EventID // added to what the row has
	Steps   []Step           // added to what the row has
}

// maxSteps bounds the decision chain of one row, maxEvents its event numbers.
const (
	maxSteps  = 200
	maxEvents = 20
)

// clean makes a row that came from outside fit to keep.
func (r *Row) clean() {
	for _, field := range []*string{
		&r.Line, &r.Device, &r.CallerNumber, &r.CallerName, &r.CallerStatus, &r.Called, &r.Connect,
		&r.Dialog, &r.Plugin, &r.User, &r.Domain, &r.Service, &r.Exit,
	} {
		*field = Printable(*field, maxName)
	}
	r.Reason = Printable(r.Reason, maxText)
	if r.Start.IsZero() {
		r.Start = time.Now()
	}
	steps, events := r.Steps, r.Events
	r.Steps, r.Events = nil, nil
	r.addSteps(steps)
	r.addEvents(events)
}

func (r *Row) addEvents(events []plugin.EventID) {
	for _, e := range events {
		if e != 0 && len(r.Events) < maxEvents {
			r.Events = append(r.Events, e)
		}
	}
}

// addSteps appends, never changes what is there: copies of the row share the array.
func (r *Row) addSteps(steps []Step) {
	for _, s := range steps {
		if len(r.Steps) > maxSteps {
			return
		}
		if s.At.IsZero() {
			s.At = time.Now()
		}
		s.What = Printable(s.What, maxText)
		if len(r.Steps) == maxSteps {
			s.What = "(the steps after this one were not kept)"
		}
		r.Steps = append(r.Steps, s)
	}
}

func (r *Row) answer(u AnswerUpdate) {
	r.Answered = orNow(u.At)
	set(&r.CallerNumber, u.CallerNumber)
	set(&r.CallerName, u.CallerName)
	set(&r.CallerStatus, u.CallerStatus)
	set(&r.Called, u.Called)
	set(&r.Connect, u.Connect)
}

func (r *Row) decide(u VerdictUpdate) {
	r.Decided = orNow(u.At)
	set(&r.Dialog, u.Dialog)
	set(&r.Plugin, u.Plugin)
	set(&r.User, u.User)
	set(&r.Domain, u.Domain)
	set(&r.Service, u.Service)
	r.Verdict, r.Code = u.Verdict, u.Code
	r.addEvents(u.Events)
	r.addSteps(u.Steps)
}

func (r *Row) end(u EndUpdate) {
	r.End = orNow(u.At)
	r.Cause = u.Cause
	if r.Cause == 0 {
		r.Cause = port.NASError
	}
	r.Reason = Printable(u.Reason, maxText)
	r.In, r.Out = u.In, u.Out
	set(&r.Exit, u.Exit)
	r.addEvents(u.Events)
	r.addSteps(u.Steps)
	// Line, dialog and service tell their steps one after the other; the chain is one of time. Copies of the row share the array.
	r.Steps = slices.Clone(r.Steps)
	slices.SortStableFunc(r.Steps, func(a, b Step) int { return a.At.Compare(b.At) })
}

func orNow(t time.Time) time.Time {
	if t.IsZero() {
		return time.Now()
	}
	return t
}

func set(field *string, value string) {
	if value != "" {
		*field = Printable(value, maxName)
	}
}
