// Package admin is the control socket: HTTP and JSON over a unix socket, by which the other commands see and steer a running
// daemon. docs/json.md documents what it answers; its structs are that document in Go.
package admin

import (
	"context"
	"errors"
	"time"
)

// Host is what the server shows and steers. All methods may be called from any goroutine. An error that wraps ErrNotFound or
// ErrConflict becomes status 404 or 409, ErrInvalid 400, any other 500; its text is shown to the operator.
type Host interface {
	// Lines returns every line, in the order of the configuration.
	Lines() []LineView
	// Line returns one line with its newest events, oldest first.
	Line(ctx context.Context, name string) (LineReply, error)
	// Calls returns the calls that q chooses, newest first, live ones included.
	Calls(ctx context.Context, q CallQuery) ([]CallView, error)
	// Call returns one call, with Why filled in. id may be the beginning of an id, if only one call's id begins so.
	Call(ctx context.Context, id string) (CallView, error)
	// Hangup ends the call of a line. Disable takes a line out of service at once, Drain when its call is over, Enable back. Reset hangs up and
	// initialises anew.
	Hangup(ctx context.Context, line string) error
	Disable(ctx context.Context, line string) error
	Drain(ctx context.Context, line string) error
	Enable(ctx context.Context, line string) error
	Reset(ctx context.Context, line string) error
	// Lend takes a line out of service for the program that to names, as soon as it has no call. It does not wait for that.
	Lend(ctx context.Context, line, to string) (Loan, error)
	// Arm lets a line answer for a while, if it answers only while armed; Disarm ends that. peer is who asks.
	Arm(ctx context.Context, line string, peer Peer, r ArmRequest) (ArmView, error)
	Disarm(ctx context.Context, line string, peer Peer) error
	// PPPPreUp says whether a PPP link may come up: nil lets it. peer is the process that reports. With an error pppd has been ended.
	PPPPreUp(ctx context.Context, peer Peer, r PPPReport) error
	// Plugins returns the known plugins.
	Plugins() []PluginView
	// Health says whether the daemon works as it should.
	Health() HealthView
	// Watch returns a channel of changes from now on. It is closed when ctx ends, or earlier when the receiver is too slow. Hub
	// implements it.
	Watch(ctx context.Context) <-chan Event
}

// Errors that a Host wraps.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("not possible now")
	ErrInvalid  = errors.New("invalid request")
)

// LineView is the state of a line.
type LineView struct {
	Name      string    `json:"name"`
	Device    string    `json:"device"`
	State     string    `json:"state"`
	Condition string    `json:"condition"`
	Since     time.Time `json:"since"`
	Reason    string    `json:"reason,omitempty"`
	NextTry   time.Time `json:"next_try,omitzero"`
	Pending   string    `json:"pending,omitempty"`
	CallID    string    `json:"call_id,omitempty"`
	CallerID  string    `json:"caller_id,omitempty"`
	Connect   string    `json:"connect,omitempty"`
	User      string    `json:"user,omitempty"`
	Calls     uint64    `json:"calls"`
	Missed    uint64    `json:"missed"`
	Modem     string    `json:"modem"`
	ModemWhy  string    `json:"modem_why,omitempty"` // why a modem that was asked got that profile
	CallStart time.Time `json:"call_start,omitzero"`
	OctetsIn  uint64    `json:"octets_in"`
	OctetsOut uint64    `json:"octets_out"`
	Failures  int       `json:"failures"`
	// Answer is "armed" for a line that answers only while armed, and Armed the arming in force; nil for none.
	Answer string   `json:"answer,omitempty"`
	Armed  *ArmView `json:"armed,omitempty"`
}

// StepView is one step of the decision chain of a call.
type StepView struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
}

// CallView is one call, live or past. Texts that came from the caller are escaped already.
type CallView struct {
	ID           string     `json:"id"`
	Line         string     `json:"line"`
	Device       string     `json:"device"`
	Open         bool       `json:"open"`
	Start        time.Time  `json:"start"`
	Answered     time.Time  `json:"answered,omitzero"`
	Decided      time.Time  `json:"decided,omitzero"`
	End          time.Time  `json:"end,omitzero"`
	CallerNumber string     `json:"caller_number,omitempty"`
	CallerName   string     `json:"caller_name,omitempty"`
	CallerStatus string     `json:"caller_status,omitempty"`
	Called       string     `json:"called,omitempty"`
	Connect      string     `json:"connect,omitempty"`
	Dialog       string     `json:"dialog,omitempty"`
	Plugin       string     `json:"plugin,omitempty"`
	User         string     `json:"user,omitempty"`
	Domain       string     `json:"domain,omitempty"`
	Verdict      string     `json:"verdict"`
	Code         uint32     `json:"code"`
	CodeName     string     `json:"code_name,omitempty"`
	Events       []uint32   `json:"events,omitempty"`
	Service      string     `json:"service,omitempty"`
	OctetsIn     uint64     `json:"octets_in"`
	OctetsOut    uint64     `json:"octets_out"`
	Cause        int        `json:"cause"`
	CauseName    string     `json:"cause_name,omitempty"`
	Reason       string     `json:"reason,omitempty"`
	Exit         string     `json:"exit,omitempty"`
	Steps        []StepView `json:"steps,omitempty"`
	Why          string     `json:"why,omitempty"`
}

// CallQuery chooses calls. Zero fields choose everything; Limit 0 is the server's own limit.
type CallQuery struct {
	Since      time.Time
	Line, User string
	Open       bool
	Limit      int
}

// PluginView is one plugin.
type PluginView struct {
	Name    string   `json:"name"`
	Kind    string   `json:"kind"` // built-in, external or native
	From    string   `json:"from"` // where it came from: rashost, or a program's path
	Dialogs []string `json:"dialogs"`
	Error   string   `json:"error,omitempty"`
	Remark  string   `json:"remark,omitempty"` // what an operator should know of it
}

// HealthView says whether the daemon works as it should.
type HealthView struct {
	OK      bool          `json:"ok"`
	Started time.Time     `json:"started,omitzero"`
	PID     int           `json:"pid,omitempty"`
	Config  string        `json:"config,omitempty"`
	Records RecordsHealth `json:"records"`
	Dialogs DialogsHealth `json:"dialogs"`
}

// RecordsHealth says whether records reach the disk.
type RecordsHealth struct {
	OK      bool      `json:"ok"`
	Reason  string    `json:"reason,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Unsaved int       `json:"unsaved"`
	Lost    uint64    `json:"lost"`
}

// DialogsHealth counts what the security host has in hand.
type DialogsHealth struct {
	Open         int    `json:"open"`
	Deferred     int    `json:"deferred"`
	LateCalls    uint64 `json:"late_calls"`
	Workers      int    `json:"workers"`
	WorkersStuck int    `json:"workers_stuck"`
}

// The types of Event.
const (
	EventLine    = "line"    // Line is new or has changed
	EventRemoved = "removed" // the line named Name is gone
	EventCall    = "call"    // Call has begun, changed or ended
)

// Event is one change.
type Event struct {
	Type string    `json:"type"`
	At   time.Time `json:"at"`
	Line *LineView `json:"line,omitempty"`
	Name string    `json:"name,omitempty"`
	Call *CallView `json:"call,omitempty"`
}

// LinesReply answers GET /v1/lines.
type LinesReply struct {
	Lines  []LineView `json:"lines"`
	Health HealthView `json:"health"`
}

// LineReply answers GET /v1/lines/LINE. Without a running daemon Line has only its name.
type LineReply struct {
	Line   LineView        `json:"line"`
	Events []LineEventView `json:"events"`
	Health HealthView      `json:"health"`
}

// LineEventView is something that happened on a line and is no call.
type LineEventView struct {
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"`
	Text   string    `json:"text"`
	Result string    `json:"result,omitempty"`
	Count  int       `json:"count"`
}

// CallsReply answers GET /v1/calls.
type CallsReply struct {
	Calls  []CallView `json:"calls"`
	Health HealthView `json:"health"`
}

// PluginsReply answers GET /v1/plugins.
type PluginsReply struct {
	Plugins []PluginView `json:"plugins"`
}

type errorReply struct {
	Error string `json:"error"`
}

// classed gives an error a class without changing its text.
type classed struct {
	error
	class error
}

func (e classed) Unwrap() []error { return []error{e.error, e.class} }

// NotFound makes err one that wraps ErrNotFound, and keeps its text. nil stays nil.
func NotFound(err error) error { return inClass(err, ErrNotFound) }

// Conflict makes err one that wraps ErrConflict, and keeps its text. nil stays nil.
func Conflict(err error) error { return inClass(err, ErrConflict) }

// Invalid makes err one that wraps ErrInvalid, and keeps its text. nil stays nil.
func Invalid(err error) error { return inClass(err, ErrInvalid) }

func inClass(err, class error) error {
	if err == nil {
		return nil
	}
	return classed{err, class}
}
