// Package service is what a caller who was let in gets: a command or pppd on a pty of its own, or a relay to a TCP host or another
// serial line.
//
// All four end in one relay, which copies bytes both ways, watches the limits and counts. A service owns reading and writing of the
// caller's connection while Run runs, and no longer.
package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"rashost/plugin"
	"rashost/port"
)

// Conn is the caller's connection, or the other end of a relay. Deadlines work as in net.Conn.
type Conn interface {
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// Caller is who was let in, and what they typed ahead.
type Caller struct {
	User, Domain, Line, CallID string
	// CallerID and Connect come from the telephone network and the modem: any text.
	CallerID, Connect string
	// Unread goes to the service before anything that is read from the connection.
	Unread []byte
	// Note adds a step to the record of the call, in plain words, caller's bytes quoted. nil: nobody wants to know. Any goroutine may
	// call it while Run runs.
	Note func(what string)
}

// note is Note, or nothing.
func (w Caller) note(what string) {
	if w.Note != nil {
		w.Note(what)
	}
}

// Result is how a session ended.
type Result struct {
	// Cause is 0 when ctx ended: context.Cause says why.
	Cause port.TerminateCause
	// Reason is the same in plain words, for the record.
	Reason string
	// Exit is the exit status of the service's process: "0" to "255", "signal HUP", "" when there was none.
	Exit string
	// In and Out are the octets from the caller to the service and from the service to the caller, warnings not counted. pppd straight on
	// the line counts them itself; 0 when it could not say.
	In, Out uint64
	// Event is the RAS event of an end that has one beside the customary ones, 0 for none.
	Event plugin.EventID
	// Err is what went wrong, nil when nothing did. It is for the log.
	Err error
}

// Service gives a caller what they came for.
type Service interface {
	// Run blocks until the session is over: the service ended, a limit was reached, the connection failed or ctx ended. When it
	// returns, no goroutine or process of it uses c, and c has no deadlines.
	Run(ctx context.Context, c Conn, who Caller) Result
}

// DefaultWarning is how long before a limit a caller is customarily warned.
const DefaultWarning = 20 * time.Second

// Limits of a session. Zero fields mean no limit, and no warning.
type Limits struct {
	// Idle ends a session in which no byte went either way for so long.
	Idle time.Duration
	// Absolute ends a session so long after its beginning.
	Absolute time.Duration
	// WarningBefore is how long before either limit the caller gets a line of text. The text lies between the service's bytes: leave
	// it zero where the caller is a program.
	WarningBefore time.Duration
}

// Validate says what is wrong with l.
func (l Limits) Validate() error {
	switch {
	case l.Idle < 0 || l.Absolute < 0 || l.WarningBefore < 0:
		return Fault{"idle", errors.New("idle, absolute and warning can't be negative")}
	case l.Idle > 0 && l.Idle < time.Second || l.Absolute > 0 && l.Absolute < time.Second:
		return Fault{"idle", errors.New("idle and absolute must be at least 1s, or 0 for no limit")}
	}
	return nil
}

// Fault is what is wrong with one setting of a service, and what is allowed there.
type Fault struct {
	// Key is the setting as the configuration calls it, such as run_as.
	Key string
	Err error
}

// Error returns "key: what is wrong".
func (f Fault) Error() string { return f.Key + ": " + f.Err.Error() }

// Unwrap returns what is wrong, without the key.
func (f Fault) Unwrap() error { return f.Err }

// CheckUser says whether name may reach a service. The error wraps plugin.ErrorInvalidData, which is then also the call's code.
func CheckUser(name string) error {
	if plugin.ValidUserName(name) {
		return nil
	}
	return fmt.Errorf("user name %.80q: only letters, digits and ._@+- may be in it, 64 at most: %w", name, plugin.ErrorInvalidData.Err())
}

// refuse is the result of a caller whose name is no good.
func refuse(err error) Result {
	return Result{Cause: port.ServiceUnavailable, Reason: "the user name has characters that no service may see", Err: err}
}

// unavailable is the text that a caller gets when a service can't be given.
const unavailable = "\r\nThe service is not available. Please try again later.\r\n"

// logger never returns nil.
func logger(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}
