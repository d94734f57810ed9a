package port

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"
)

// Device is the opened end of a line: a tty, a pty, or a fake. Read, Write and the deadlines belong to whoever owns the data
// direction; everything else belongs to the line's state machine. All methods may be called at the same time, and after Close every
// one fails with an error that wraps fs.ErrClosed (os.ErrClosed).
type Device interface {
	// Read returns at least one byte or an error: io.EOF or EIO after a hang-up, os.ErrDeadlineExceeded, os.ErrClosed.
	Read(p []byte) (int, error)
	// Write returns when the device has taken all of p, or with what it took and an error: EIO after a hang-up,
	// os.ErrDeadlineExceeded, os.ErrClosed. Taken is not sent: see OutQueue.
	Write(p []byte) (int, error)
	// Close drops what is queued both ways and gives the device back, its locks included. It unblocks Read and Write and never
	// waits for the far end. A second Close returns an error.
	Close() error
	// SetReadDeadline and SetWriteDeadline work as in net.Conn; the zero time means no deadline.
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error

	// Apply changes the settings at once, without waiting for output to drain.
	Apply(s Settings) error
	// Signals reads the control signals; errors.ErrUnsupported where the device has none.
	Signals() (Signals, error)
	// SetDTR and SetRTS drive the outputs; errors.ErrUnsupported where the device has none.
	SetDTR(on bool) error
	SetRTS(on bool) error
	// Break sends a break of length d and returns after it, or earlier when ctx ends. A pty takes it and does nothing.
	Break(ctx context.Context, d time.Duration) error
	// Flush drops what is queued.
	Flush(q Queue) error
	// OutQueue returns how many bytes wait to be sent. Poll it instead of draining, which can't be interrupted.
	OutQueue() (int, error)
	// Path is the device's name as it was configured.
	Path() string
}

// Opener opens one device, any number of times, one at a time. Errors: fs.ErrNotExist when the device is absent, *LockedError
// when somebody else has it, fs.ErrPermission, fs.ErrInvalid for settings that no device has.
type Opener interface {
	Open(ctx context.Context) (Device, error)
}

// ErrAbsent is what an Open meets when there is no device (unplugged, not yet there). It is fs.ErrNotExist under the word that
// the line's state uses.
var ErrAbsent = fs.ErrNotExist

// Settings of a serial device. The zero value means 9600 bit/s 8N1 with no flow control, carrier obeyed by the kernel and DTR kept at close.
type Settings struct {
	// Baud is the speed in bit/s, 1 to 4000000; 0 means 9600.
	Baud int
	// Bits per character, 7 or 8; 0 means 8.
	Bits int
	// Parity of a character.
	Parity Parity
	// StopBits is 1 or 2; 0 means 1.
	StopBits int
	// RTSCTS turns hardware flow control on, XONXOFF software flow control in both directions.
	RTSCTS, XONXOFF bool
	// CLOCAL makes the kernel ignore the carrier. Without it the loss of DCD hangs the device up: Read gives io.EOF, all else EIO.
	CLOCAL bool
	// HUPCL makes the last close drop DTR and RTS.
	HUPCL bool
}

// Parity of a character.
type Parity int

// The parities. Mark and space send the parity bit always as 1 and 0.
const (
	ParityNone Parity = iota
	ParityEven
	ParityOdd
	ParityMark
	ParitySpace
)

// String returns the word for p as configuration spells it.
func (p Parity) String() string {
	switch p {
	case ParityNone:
		return "none"
	case ParityEven:
		return "even"
	case ParityOdd:
		return "odd"
	case ParityMark:
		return "mark"
	case ParitySpace:
		return "space"
	default:
		return "parity-" + strconv.Itoa(int(p))
	}
}

// MaxBaud is the highest speed that Linux drivers know by name.
const MaxBaud = 4000000

// withDefaults fills in the zeros.
func (s Settings) withDefaults() Settings {
	if s.Baud == 0 {
		s.Baud = 9600
	}
	if s.Bits == 0 {
		s.Bits = 8
	}
	if s.StopBits == 0 {
		s.StopBits = 1
	}
	return s
}

// Validate says what is wrong with s; the error wraps fs.ErrInvalid.
func (s Settings) Validate() error {
	s = s.withDefaults()
	switch {
	case s.Baud < 1 || s.Baud > MaxBaud:
		return fmt.Errorf("speed %d: must be 1 to %d bit/s: %w", s.Baud, MaxBaud, fs.ErrInvalid)
	case s.Bits != 7 && s.Bits != 8:
		return fmt.Errorf("%d data bits: must be 7 or 8: %w", s.Bits, fs.ErrInvalid)
	case s.StopBits != 1 && s.StopBits != 2:
		return fmt.Errorf("%d stop bits: must be 1 or 2: %w", s.StopBits, fs.ErrInvalid)
	case s.Parity < ParityNone || s.Parity > ParitySpace:
		return fmt.Errorf("%v: must be none, even, odd, mark or space: %w", s.Parity, fs.ErrInvalid)
	}
	return nil
}

// String returns s in the customary way: "115200 8N1 rtscts".
func (s Settings) String() string {
	s = s.withDefaults()
	letter := "?"
	if s.Parity >= ParityNone && s.Parity <= ParitySpace {
		letter = string("NEOMS"[s.Parity])
	}
	text := fmt.Sprintf("%d %d%s%d", s.Baud, s.Bits, letter, s.StopBits)
	if s.RTSCTS {
		text += " rtscts"
	}
	if s.XONXOFF {
		text += " xonxoff"
	}
	return text
}

// Signals are the control signals of a device, true when on. DTR and RTS are ours, the others the far end's.
type Signals struct {
	DTR, RTS, CTS, DSR, DCD, RI bool
}

// Queue names the direction that a Flush drops.
type Queue int

// The queues: bytes received and not read, bytes written and not sent, and both.
const (
	In Queue = iota + 1
	Out
	Both
)

// LockKind says which of the locks of a device was taken.
type LockKind string

// The locks, from the strongest to the most customary.
const (
	LockFlock LockKind = "flock"
	LockExcl  LockKind = "TIOCEXCL"
	LockUUCP  LockKind = "lock file"
)

// LockedError says that another program uses the device.
type LockedError struct {
	// Path is the device, or with LockUUCP the lock file.
	Path string
	// PID is the holder, 0 when it can't be known. Command is its name from /proc, "" when unknown.
	PID     int
	Command string
	Kind    LockKind
}

// Error names the holder where it is known.
func (e *LockedError) Error() string {
	who := "another program"
	switch {
	case e.PID > 0 && e.Command != "":
		who = fmt.Sprintf("process %d (%s)", e.PID, e.Command)
	case e.PID > 0:
		who = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("%s: in use by %s (%s): stop it, or take the line out of the configuration", e.Path, who, e.Kind)
}

// Unwrap makes errors.Is(err, ErrLocked) work.
func (e *LockedError) Unwrap() error { return ErrLocked }

// ErrLocked is what every LockedError wraps.
var ErrLocked = errors.New("device in use")
