package port

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"rashost/port/modem"
)

// Handler is called on a goroutine of its own for every answered call. When it returns, the line is hung up.
//
// ctx ends when the call does; context.Cause then is one of ErrCarrierLost, ErrDeviceGone, ErrHangup, ErrReset, ErrRemoved,
// ErrEchoLoop and ErrShutdown. After ErrShutdown the Call works on for a short grace, so that the caller can be told; after any other cause Read
// and Write fail at once with that cause. ServeCall must return soon after (LineConfig.HandlerGrace); otherwise the line closes the
// device and goes on without it. A panic is recovered and ends the call with NASError.
type Handler interface {
	ServeCall(ctx context.Context, c *Call) Outcome
}

// Observer is told what happens on the lines, by each line's own goroutine: it must not block long.
type Observer interface {
	// Answering comes before ATA, and on a direct line before ServeCall. An error means: do not answer; its text is the reason.
	Answering(ctx context.Context, c *Call) error
	// NotAnswered comes once for each call that the line's policy leaves unanswered, with the reason in plain words. c has no more than
	// what was known of the ringing call: it has not been and will not be told to Answering.
	NotAnswered(c *Call, why string)
	// Ended comes exactly once for each Answering that returned nil, when the hang-up has been proven or given up.
	Ended(c *Call, e End)
	// StateChanged reports every change of state.
	StateChanged(line string, from, to State, reason string)
	// LineEvent reports what else happens on a line. Events that repeat are counted before they come here.
	LineEvent(e LineEvent)
}

// Why a call ends (context.Cause of ServeCall's ctx).
var (
	// ErrCarrierLost: the caller has gone.
	ErrCarrierLost = errors.New("carrier lost")
	// ErrDeviceGone: the device has gone or broken.
	ErrDeviceGone = errors.New("device gone")
	// ErrHangup: an operator hung up, or disabled the line.
	ErrHangup = errors.New("hung up by the operator")
	// ErrReset: an operator reset the line.
	ErrReset = errors.New("line reset by the operator")
	// ErrShutdown: the program ends.
	ErrShutdown = errors.New("service stops")
	// ErrRemoved: a reload removed or changed the line.
	ErrRemoved = errors.New("line removed or changed by a reload")
	// ErrEchoLoop: what the line sends comes back.
	ErrEchoLoop = errors.New("echo loop")
	// ErrOverdue: the call outlived the longest time its state may take.
	ErrOverdue = errors.New("call outlived its deadline")
)

// ErrClosed is what every method of a Call gives after ServeCall returned or was given up. It wraps os.ErrClosed.
var ErrClosed = fmt.Errorf("call is over: %w", os.ErrClosed)

// Outcome is what a handler says of a call that it served.
type Outcome struct {
	// Cause of the end; 0: the handler does not know, and the line's own reason counts.
	Cause TerminateCause
	// Reason in plain words; "" for none.
	Reason string
}

// End is what the line knows of a call that is over.
type End struct {
	// Cause is never 0. Reason is in plain words.
	Cause  TerminateCause
	Reason string
	// In and Out are the bytes received from and sent to the caller.
	In, Out uint64
	// At is when the hang-up began, IdleAt when the line was proven idle, or that was given up (the last of Steps then says so).
	At, IdleAt time.Time
	// Connected: the call got as far as CONNECT, or was a direct line's. ConnectedAt is when; zero without it.
	Connected   bool
	ConnectedAt time.Time
	// Steps is the whole chain of what happened on the line, in order.
	Steps []Step
}

// Step is one line of a call's chain of events: plain words, no caller bytes unescaped.
type Step struct {
	At   time.Time
	What string
}

// Call is one answered call. The exported fields are set before ServeCall and must not be changed. Read and Write go straight to
// the device; one goroutine may read while another one writes.
type Call struct {
	// ID is unique over restarts and sorts by time: ten characters.
	ID string
	// Line is the line's name, Device the tty's path, DeviceName the friendly name of the modem.
	Line, Device, DeviceName string
	// CallerID is what the network sent. It proves nothing.
	CallerID modem.CallerID
	// Connect is the modem's CONNECT message; zero before it came and on a direct line.
	Connect modem.Connect
	// Rings counted before the answer; 0 on a direct line.
	Rings int
	// Start is when the first RING came; on a direct line carrier, or the first byte.
	Start time.Time
	// ConnectedAt is when CONNECT came; on a direct line Start. Zero before.
	ConnectedAt time.Time

	ctx    context.Context
	cancel context.CancelCauseFunc
	dev    Device
	wake   chan struct{} // one token: look at letIn, fault and tail
	done   chan Outcome  // what ServeCall returned

	ended   atomic.Bool // over is set
	in, out atomic.Uint64
	letIn   atomic.Bool
	unread  atomic.Int32 // len(typed)
	fault   atomic.Pointer[error]
	tail    tailWatch
	echo    echoWatch
	guard   escapeGuard   // Write's
	breaks  atomic.Uint64 // escape sequences that the guard broke
	dropLF  bool          // the LF of CONNECT's line end may still come; the reader's own once served

	// io is held for reading during Read and Write, so that the line can wait until nobody touches the device.
	io sync.RWMutex

	mu        sync.Mutex
	typed     []byte        // read before the handler asked, or pushed back
	over      error         // not nil: why Read and Write fail now
	handed    func()        // handover.go: closes what a program was given; nil before
	writeBy   time.Time     // the write deadline
	changed   chan struct{} // closed when over or writeBy changes; nil when nobody waits
	sessionAs string
	steps     []Step

	// The line's own: the handler's goroutine does not touch it.
	observed  bool           // Answering was told
	broken    bool           // that an escape sequence was broken has been told
	connected bool           // CONNECT came, or it is a direct line
	endedAt   time.Time      // when the hang-up began
	lineCause TerminateCause // why the line ended the call, 0 if it did not
	lineWhy   string
	outcome   Outcome // what the handler said
	crash     string  // the stack of its panic
}

// maxSteps bounds a call's chain of events.
const maxSteps = 200

// longAgo is a deadline that makes everything in progress fail.
var longAgo = time.Unix(1, 0)

// Read reads what the caller sent, first of all what Unread pushed back.
func (c *Call) Read(p []byte) (int, error) {
	c.io.RLock()
	defer c.io.RUnlock()
	if c.ended.Load() {
		return 0, c.why()
	}
	if c.unread.Load() > 0 {
		if n := c.takeTyped(p); n > 0 || len(p) == 0 {
			return n, nil
		}
	}
	n, err := c.dev.Read(p)
	if c.dropLF && n > 0 {
		c.dropLF = false
		if p[0] == '\n' {
			if n = copy(p, p[1:n]); n == 0 && err == nil {
				n, err = c.dev.Read(p)
			}
		}
	}
	if n > 0 {
		c.in.Add(uint64(n))
		if c.tail.received(p[:n]) {
			c.wakeLine()
		} else if c.tail.on {
			c.mu.Lock()
			c.nudge() // modemTurn
			c.mu.Unlock()
		}
		if !c.letIn.Load() && c.echo.received(p[:n]) {
			c.wakeLine()
		}
	}
	if err != nil {
		err = c.failed(err)
	}
	return n, err
}

// Write sends p to the caller. A sequence in it that could lead a modem to command mode is broken in time (escape.go): Write then takes
// as long as the silence does.
func (c *Call) Write(p []byte) (int, error) {
	c.io.RLock()
	defer c.io.RUnlock()
	if c.ended.Load() {
		return 0, c.why()
	}
	n, err := c.writeGuarded(p)
	if n > 0 {
		c.out.Add(uint64(n))
		c.tail.sent()
		if !c.letIn.Load() {
			c.echo.sent(p[:n])
		}
	}
	if err != nil {
		err = c.failed(err)
	}
	return n, err
}

// SetReadDeadline works as in net.Conn. Once the call has ended it fails.
func (c *Call) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over != nil {
		return c.over
	}
	return c.dev.SetReadDeadline(t)
}

// SetWriteDeadline works as in net.Conn. Once the call has ended it fails.
func (c *Call) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over != nil {
		return c.over
	}
	c.writeBy = t
	c.nudge()
	return c.dev.SetWriteDeadline(t)
}

// Session marks the caller as let in: the line's state becomes session. who is shown beside it, usually the user's name.
func (c *Call) Session(who string) {
	c.mu.Lock()
	c.sessionAs = who
	c.mu.Unlock()
	c.letIn.Store(true)
	c.wakeLine()
}

// Octets returns the bytes received from and sent to the caller so far.
func (c *Call) Octets() (in, out uint64) { return c.in.Load(), c.out.Load() }

// Unread puts bytes back in front of what Read will give next. p is copied.
func (c *Call) Unread(p []byte) {
	if len(p) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.typed = append(append(make([]byte, 0, len(p)+len(c.typed)), p...), c.typed...)
	c.unread.Store(int32(len(c.typed)))
}

// takeTyped gives what was put back.
func (c *Call) takeTyped(p []byte) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over != nil {
		return 0
	}
	n := copy(p, c.typed)
	c.typed = c.typed[n:]
	if len(c.typed) == 0 {
		c.typed = nil
	}
	c.unread.Store(int32(len(c.typed)))
	return n
}

// step adds to the chain of events.
func (c *Call) step(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.steps) < maxSteps {
		c.steps = append(c.steps, Step{At: time.Now(), What: what})
	}
}

// end makes every Read and Write fail with why from now on.
func (c *Call) end(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over == nil || errors.Is(c.over, errHandedOver) || errors.Is(why, ErrClosed) {
		c.over = why
	}
	c.ended.Store(true)
	c.nudge()
	if c.dev != nil {
		_ = c.dev.SetReadDeadline(longAgo)
		_ = c.dev.SetWriteDeadline(longAgo)
	}
}

// why returns why Read and Write fail; nil while they do not.
func (c *Call) why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

// failed turns a device's error into what the handler sees, and tells the line about faults.
func (c *Call) failed(err error) error {
	if over := c.why(); over != nil {
		return over
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	c.fault.CompareAndSwap(nil, &err)
	c.wakeLine()
	return err
}

// wakeLine asks the line to look at the call. It never blocks.
func (c *Call) wakeLine() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// serve runs the handler and leaves the device alone when it returns.
func (c *Call) serve(h Handler) {
	out := c.run(h)
	c.end(ErrClosed)
	c.letGo()
	c.done <- out
}

// letGo waits until nobody reads or writes any more, and forgets the device.
func (c *Call) letGo() {
	c.io.Lock()
	defer c.io.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dev, c.typed = nil, nil
	if c.handed != nil {
		c.handed()
	}
}

// run calls the handler; a panic becomes an outcome.
func (c *Call) run(h Handler) (out Outcome) {
	defer func() {
		if p := recover(); p != nil {
			c.crash = stack()
			out = Outcome{Cause: NASError, Reason: fmt.Sprintf("the handler crashed: %v", p)}
		}
	}()
	return h.ServeCall(c.ctx, c)
}
