// Package dialog is the security host of rasshost.h: it lets a plugin talk with a caller over the raw line before anything else sees
// a byte of it, and says in one Outcome how that ended. It knows plugins, but neither modems nor services nor configuration.
//
// Reading order: host.go (the calls of the contract), transaction.go (the life of one transaction: one table, one loop), then
// receive.go, send.go, verdict.go, worker.go for the rules of each call.
package dialog

import (
	"errors"
	"time"

	"rashost/plugin"
)

// Line is the caller's raw line. Its Read and Write must return with os.ErrDeadlineExceeded once their deadline has passed, also when
// they were already waiting; *os.File, net.Conn and port.Call do.
type Line interface {
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// EchoMode says whether the host echoes what the caller types (rule R8). Echo is sent when a Receive takes the bytes, so that what was
// typed ahead appears after the prompt that it answers. Echo that finds the send queue full is dropped.
type EchoMode int

const (
	// EchoOff is the contract: the host adds nothing of its own to the line.
	EchoOff EchoMode = iota
	// EchoOn echoes every byte; CR is echoed as CR LF.
	EchoOn
	// EchoMasked echoes '*' for every printable byte (0x20 to 0x7e and 0xa0 to 0xff) and CR LF for CR. Anything else shows nothing.
	EchoMasked
)

// The limits and defaults of Options.
const (
	DefaultTimeout    = 120 * time.Second // contract 1.9
	MinTimeout        = 20 * time.Second
	MaxTimeout        = 600 * time.Second
	DefaultEndGrace   = 30 * time.Second // rule E4
	DefaultBeginLimit = 5 * time.Second  // rule B3
	DefaultDrainLimit = 5 * time.Second  // rule C8
)

// Options are the settings of one transaction. The zero value is the contract's.
type Options struct {
	// Timeout is the limit of the whole dialog, from Run to Complete; 0 means DefaultTimeout. A value outside MinTimeout..MaxTimeout is
	// moved to the nearer end and said with event 20051.
	Timeout time.Duration
	// EndGrace is how long a plugin may take from the call of End until the transaction is closed, deferral included (rule E4), and how
	// long workers may go on after that before they are reported. 0 means DefaultEndGrace.
	EndGrace time.Duration
	// BeginLimit is how long Begin may take (rule B3); 0 means DefaultBeginLimit.
	BeginLimit time.Duration
	// DrainLimit is how long queued output may take to leave before the outcome is given (rule C8); 0 means DefaultDrainLimit.
	DrainLimit time.Duration
	// Echo is the echo mode (rule R8).
	Echo EchoMode
	// Call is passed on to the plugin.
	Call plugin.Call
	// DeviceName is what DialogGetInfo reports, cut to plugin.DeviceNameMax bytes (rule G4); "" means Call.DeviceName.
	DeviceName string
}

// withDefaults fills in what is zero; clamped says that Timeout was out of range.
func (o Options) withDefaults() (filled Options, clamped bool) {
	o.Timeout = orDefault(o.Timeout, DefaultTimeout)
	o.EndGrace = orDefault(o.EndGrace, DefaultEndGrace)
	o.BeginLimit = orDefault(o.BeginLimit, DefaultBeginLimit)
	o.DrainLimit = orDefault(o.DrainLimit, DefaultDrainLimit)
	given := o.Timeout
	o.Timeout = min(max(o.Timeout, MinTimeout), MaxTimeout)
	if o.DeviceName == "" {
		o.DeviceName = o.Call.DeviceName
	}
	o.DeviceName = o.DeviceName[:min(len(o.DeviceName), plugin.DeviceNameMax)]
	return o, given != o.Timeout
}

// orDefault returns d, or def where d is zero.
func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

// Ended says how a transaction ended. Zero is no end.
type Ended int

const (
	// Completed: the plugin reported a verdict and the transaction was closed in order.
	Completed Ended = iota + 1
	// BeginRefused: Begin returned nonzero or panicked, or the host could not open a transaction.
	BeginRefused
	// BeginTimedOut: Begin did not return within Options.BeginLimit (rule B3).
	BeginTimedOut
	// Dropped: the line was lost or its context ended.
	Dropped
	// LimitReached: Options.Timeout passed without a Complete (rule C9).
	LimitReached
	// Stopped: the context ended with ErrStop.
	Stopped
	// EndOverdue: the plugin deferred its end, or End did not return, for Options.EndGrace (rule E4).
	EndOverdue
)

// String returns the words for e as they stand in logs and records.
func (e Ended) String() string {
	switch e {
	case Completed:
		return "completed"
	case BeginRefused:
		return "begin refused"
	case BeginTimedOut:
		return "begin timed out"
	case Dropped:
		return "dropped"
	case LimitReached:
		return "limit reached"
	case Stopped:
		return "stopped"
	case EndOverdue:
		return "end overdue"
	default:
		return "not ended"
	}
}

// Step is one link of the decision chain, in plain words. It holds neither secrets nor anything that the caller typed.
type Step struct {
	At   time.Time
	What string
}

// Outcome is the one result of a transaction.
type Outcome struct {
	// HPort is the transaction; 0 when none could be opened.
	HPort plugin.HPORT
	// Verdict is the plugin's, or the host's Error; zero when the dialog was cut short before there was one.
	Verdict plugin.Verdict
	// Code is NoError with Success and Failure, otherwise why there is no such verdict.
	Code plugin.Code
	// User and Domain are those of the verdict. After Success, User has passed the host's check of names and Domain holds no control
	// characters; after Failure both may hold any bytes, a secret typed at the wrong prompt included, and either may be empty.
	User, Domain string
	// Event is the event of the RAS log that belongs to the outcome; 0 means none.
	Event plugin.EventID
	// Ended says how it ended.
	Ended Ended
	// Unread is what the caller typed ahead and no Receive took, for the service. It is nil unless Granted.
	Unread []byte
	// Steps is the decision chain.
	Steps []Step
}

// Granted says whether the caller is let in. Nothing else in an Outcome does.
func (o Outcome) Granted() bool {
	return o.Verdict == plugin.Success && o.Ended == Completed && o.Code == plugin.NoError && plugin.ValidUserName(o.User)
}

// ErrStop as the cause of Run's context means that the service stops; any other cause means that the line is lost.
var ErrStop = errors.New("dialog: the service stops")

// ErrCannotReceive, wrapped in an error of Line.Read or in the cause of Run's context, says that no dialog is possible with what is
// on the line, for instance PPP. The outcome is Dropped with event 20099.
var ErrCannotReceive = errors.New("dialog: cannot receive initial data")

// errLimit is what a transaction is cut with when its time is up.
var errLimit = errors.New("dialog: time limit reached")
