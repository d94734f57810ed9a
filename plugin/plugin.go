// Package plugin is the security contract of rasshost.h in Go: what a plugin must offer, what it may ask of the host, and the
// messages between them. It knows nothing of lines, modems or configuration.
//
// The life of one transaction: the host calls SecurityDialogBegin; the plugin starts a worker with Host.Go and returns NoError at
// once; the worker talks to the caller with DialogSend and DialogReceive and reports with DialogComplete; the host calls
// SecurityDialogEnd, whose nonzero answer closes the transaction.
package plugin

import (
	"context"
	"log/slog"
)

// HPORT is the handle of one transaction (rasshost.h, HPORT; rule B1). The host never gives out 0 and never reuses a value while
// the process lives, so that a late call cannot reach the next caller.
type HPORT uint32

// Sizes of the contract, in bytes.
const (
	// BufferSize is the size of each of the two buffers that Begin lends (rasshost.h, SendBufSize and RecvBufSize; rule B2).
	BufferSize = 1500
	// UserNameSize is the size of SecurityMessage.UserName with its NUL (UNLEN + 1).
	UserNameSize = 257
	// DomainSize is the size of SecurityMessage.Domain with its NUL (DNLEN + 1).
	DomainSize = 16
	// DeviceNameMax is the longest device name that DialogGetInfo reports (MAX_DEVICE_NAME; rule G4).
	DeviceNameMax = 128
)

// Plugin decides who is calling. Both entry points may be called for many transactions at once, from any goroutine.
type Plugin interface {
	// SecurityDialogBegin opens a transaction (rasshost.h, RasSecurityDialogBegin). It must return fast: copy b, start a worker
	// with b.Host.Go, return NoError. NoError obliges the plugin to call b.Complete later; any other code, Pending included (rule
	// B4), ends the transaction at once, and End is not called (rule E2). After five seconds the host gives up (rule B3).
	SecurityDialogBegin(b Begin) Code
	// SecurityDialogEnd cleans up (rasshost.h, RasSecurityDialogEnd). The host calls it exactly once for every transaction whose
	// Begin returned NoError: after DialogComplete, or before it when the call must be aborted. Nonzero (customarily
	// ErrorPortDisconnected) ends the transaction now; NoError defers the end, and one more DialogComplete is owed.
	SecurityDialogEnd(hport HPORT) Code
}

// Begin is what the host hands to SecurityDialogBegin. The plugin may copy it.
type Begin struct {
	// HPort names the transaction in every later call.
	HPort HPORT
	// SendBuf and RecvBuf are BufferSize bytes each, fresh for this transaction (rule B2). The host owns them and lends them until
	// the transaction is closed. The plugin writes SendBuf before DialogSend; the host writes RecvBuf during DialogReceive.
	SendBuf, RecvBuf []byte
	// Complete reports the outcome; the same function for every transaction, identical to Host.DialogComplete.
	Complete func(msg *SecurityMessage)
	// Host takes the plugin's requests.
	Host Host
	// Call says what is known of the call before the dialog.
	Call Call
}

// Call is what the host knows of a call when the dialog begins. Everything in it came over a telephone line: it is no proof of
// who is calling, and it can hold any printable text.
type Call struct {
	// ID is the record's call id. Line is the line's name, Device the tty's path, DeviceName the friendly name of the modem.
	ID, Line, Device, DeviceName string
	// CallerID is the number the network sent; "" when none came, "P" when withheld, "O" when out of area.
	CallerID string
	// Called is the number that was dialled, "" when unknown. Connect is the modem's CONNECT text without the word CONNECT.
	Called, Connect string
	// Trusted is the line's `trusted: true`.
	Trusted bool
}

// Host is what a plugin may ask of the security host. Every method may be called from any goroutine; none blocks on the line.
type Host interface {
	// DialogSend queues buf for the line (rasshost.h, RasSecurityDialogSend). Success is Pending. The bytes are copied before it
	// returns (rule T1) and sent unchanged. Errors: ErrorBufferInvalid for a nil or too large buf (rule T2), ErrorPortDisconnected
	// after a drop, ErrorInvalidPortHandle for a closed transaction, ErrorOutOfBuffers over 16 KiB queued (rule T3).
	DialogSend(hport HPORT, buf []byte) Code
	// DialogReceive asks for at least one byte (rasshost.h, RasSecurityDialogReceive). On entry *n is the most that may be written
	// to buf; on completion it is what was written. timeout is in seconds, 0 means never. Success is Pending; then event is set
	// exactly once, after buf, *n and the state read by DialogGetInfo (rule R2). event may be nil: poll DialogGetInfo (rule R4).
	// Until then buf and *n belong to the host.
	DialogReceive(hport HPORT, buf []byte, n *uint16, timeout uint32, event *Event) Code
	// DialogGetInfo reports the state of the last receive (rasshost.h, RasSecurityDialogGetInfo; rules G1 to G4).
	DialogGetInfo(hport HPORT, info *SecurityInfo) Code
	// DialogComplete reports the outcome (rasshost.h, RasSecurityDialogComplete). The message is copied before it returns.
	DialogComplete(msg *SecurityMessage)
	// Go runs work as a worker goroutine of the transaction and returns false, without running it, when hport is closed. ctx ends
	// when the transaction closes or is aborted, and is then the sign to stop. A panic in work becomes the outcome Error with
	// ErrorProcessAborted. Plugins start goroutines in no other way.
	Go(hport HPORT, work func(ctx context.Context)) bool
}

// Verdict is SecurityMessage's dwMsgId.
type Verdict uint32

// The verdicts (rasshost.h, SECURITYMSG_*). Zero is no verdict.
const (
	Success Verdict = 1
	Failure Verdict = 2
	Error   Verdict = 3
)

// String returns the word for v as it stands in records and logs; "none" for zero.
func (v Verdict) String() string {
	switch v {
	case 0:
		return "none"
	case Success:
		return "success"
	case Failure:
		return "failure"
	case Error:
		return "error"
	default:
		return "invalid"
	}
}

// SecurityMessage is what a plugin reports (rasshost.h, SECURITY_MESSAGE). The host copies it.
type SecurityMessage struct {
	// MsgID is Success, Failure or Error; any other value counts as Error with ErrorInvalidParameter (rule C4).
	MsgID Verdict
	// HPort is the transaction.
	HPort HPORT
	// Error is the reason, used only with verdict Error, where zero reads as ErrorUnknown (rule C4).
	Error Code
	// UserName and Domain are NUL-terminated bytes; without a NUL the message counts as Error with ErrorInvalidData (rule C5).
	UserName [UserNameSize]byte
	Domain   [DomainSize]byte
}

// NewMessage fills a SecurityMessage. A name longer than its field keeps no NUL, so that the host refuses it (rule C5).
func NewMessage(hport HPORT, verdict Verdict, code Code, user, domain string) *SecurityMessage {
	m := &SecurityMessage{MsgID: verdict, HPort: hport, Error: code}
	copy(m.UserName[:], user)
	copy(m.Domain[:], domain)
	return m
}

// SecurityInfo is what DialogGetInfo reports (rasshost.h, RAS_SECURITY_INFO).
type SecurityInfo struct {
	// LastError is NoError when the last receive is done, Pending while one is in progress, otherwise why it failed.
	LastError Code
	// BytesReceived is valid only with LastError NoError.
	BytesReceived uint32
	// DeviceName is the friendly name of the device, at most DeviceNameMax bytes (rule G4).
	DeviceName string
}

// Setup is what a plugin gets when it is made from configuration.
type Setup struct {
	// Dialog is the name of the dialog that uses the plugin.
	Dialog string
	// Decode fills into, a pointer to a struct with yaml tags, from the dialog's `options`. Unknown keys are errors with their
	// place. It leaves into unchanged when there are no options.
	Decode func(into any) error
	// Resolve makes a path from the configuration absolute, relative to the configuration file.
	Resolve func(path string) string
	// StateDir is the folder for what the plugin keeps over a restart.
	StateDir string
	// Attempts is the dialog's `attempts`; 0 means the plugin's default.
	Attempts int
	// Banner is the dialog's `banner`, "" for none.
	Banner string
	// LockoutDenials is the dialog's `lockout.denials`; 0 turns lock-out off. LockoutReset is `lockout.reset` in seconds.
	LockoutDenials, LockoutReset int
	// Timeout is the whole dialog's limit in seconds, so that a plugin can warn before it strikes.
	Timeout int
	// Isolation is the dialog's `isolation`: "call", "line" or "shared". It says how many calls share the process of a plugin that runs
	// in one of its own. User is the account that the process runs as, "" for that of the host. Limits bound the process.
	Isolation, User string
	Limits          Limits
	// Warn takes a remark about settings that work and are unwise, for `rashost check` and the log. Nil drops it.
	Warn func(text string)
	// Log takes the plugin's messages; caller text must be escaped before it goes there.
	Log *slog.Logger
}

// Limits bound the process of a plugin that runs in one of its own. Zero is no limit.
type Limits struct {
	// Memory and FileSize are in MiB, CPU is in seconds of processor time; Files counts open files, Processes counts processes and threads.
	Memory, FileSize, CPU, Files, Processes int
}

// Factory makes a plugin from its configuration. It must find every fault that can be found without a caller.
type Factory func(s Setup) (Plugin, error)
