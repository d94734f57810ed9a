// Package terminal lets a plugin's worker talk with a caller's terminal: prompts out, edited lines in. It stands on DialogSend and
// DialogReceive alone, so it works with every security host. It takes one byte per receive: what the caller types ahead of the last
// line stays with the host and reaches the service.
package terminal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"rashost/plugin"
)

// How a ReadLine or Print can end other than well.
var (
	// ErrInterrupted means that the caller pressed ^C: start again at the first prompt.
	ErrInterrupted = errors.New("terminal: interrupted by ^C")
	// ErrTimeout means that the caller was silent for Line.Timeout.
	ErrTimeout = errors.New("terminal: no key in time")
	// ErrGone means that the transaction is over: the line dropped, a time limit struck or the service stops. The worker returns; a
	// DialogComplete would come too late.
	ErrGone = errors.New("terminal: the transaction is over")
	// ErrFlood means that the caller sent MaxInput bytes: no human, no login script.
	ErrFlood = errors.New("terminal: too much input")
)

// MaxInput is how many bytes a caller may send in one conversation before it counts as a flood.
const MaxInput = 16 << 10

// Waits between two tries to send when the host's queue is full.
const (
	sendWaitMin = 10 * time.Millisecond
	sendWaitMax = 200 * time.Millisecond
)

// Notice is a text that a caller sees at a set time if ReadLine waits then or as soon as it waits next, such as a warning before
// the time is up.
type Notice struct {
	At   time.Time
	Text string
}

// Terminal is one conversation. It belongs to one worker goroutine.
type Terminal struct {
	ctx     context.Context
	begin   plugin.Begin
	event   *plugin.Event
	notices []Notice
	parity  parity
	skipLF  bool // the last line ended with CR: an LF that follows belongs to it
	taken   int  // bytes received in all
}

// New makes the conversation of transaction b. ctx is the worker's and ends with the transaction.
func New(ctx context.Context, b plugin.Begin) *Terminal {
	return &Terminal{ctx: ctx, begin: b, event: plugin.NewEvent(false)}
}

// SetNotices replaces the notices that are still to come.
func (t *Terminal) SetNotices(notices ...Notice) {
	t.notices = slices.SortedFunc(slices.Values(notices), func(a, b Notice) int { return a.At.Compare(b.At) })
}

// Print sends text, a bare LF as CR LF, and returns when the host has queued all of it. It waits while the host's queue is full.
func (t *Terminal) Print(text string) error {
	rest := []byte(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n"))
	for len(rest) > 0 {
		n := copy(t.begin.SendBuf, rest)
		t.parity.add(t.begin.SendBuf[:n])
		if err := t.send(t.begin.SendBuf[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// send queues one chunk.
func (t *Terminal) send(chunk []byte) error {
	for wait := sendWaitMin; ; wait = min(2*wait, sendWaitMax) {
		if t.ctx.Err() != nil {
			return ErrGone
		}
		switch code := t.begin.Host.DialogSend(t.begin.HPort, chunk); code {
		case plugin.Pending, plugin.NoError:
			return nil
		case plugin.ErrorOutOfBuffers:
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-t.ctx.Done():
				timer.Stop()
				return ErrGone
			}
		default:
			return hostError("send", code)
		}
	}
}

// receive takes one byte from the line. timeout is in seconds, 0 means never; redraw is what stands on the line, for after a notice.
func (t *Terminal) receive(timeout uint32, redraw func() string) (byte, error) {
	if t.ctx.Err() != nil {
		return 0, ErrGone
	}
	if t.taken >= MaxInput {
		return 0, ErrFlood
	}
	n := uint16(1)
	if code := t.begin.Host.DialogReceive(t.begin.HPort, t.begin.RecvBuf, &n, timeout, t.event); code != plugin.Pending {
		return 0, hostError("receive", code)
	}
	if err := t.wait(redraw); err != nil {
		return 0, err
	}
	var info plugin.SecurityInfo
	if code := t.begin.Host.DialogGetInfo(t.begin.HPort, &info); code != plugin.NoError {
		return 0, hostError("receive", code)
	}
	if info.LastError == plugin.ErrorRequestTimeout {
		return 0, ErrTimeout
	}
	if info.LastError != plugin.NoError || n == 0 {
		return 0, hostError("receive", info.LastError)
	}
	b := t.begin.RecvBuf[0]
	t.begin.RecvBuf[0] = 0
	t.taken++
	return b, nil
}

// wait blocks until the receive in progress is done and prints the notices that fall due meanwhile.
func (t *Terminal) wait(redraw func() string) error {
	for {
		ctx, cancel := t.ctx, context.CancelFunc(func() {})
		if len(t.notices) > 0 {
			ctx, cancel = context.WithDeadline(t.ctx, t.notices[0].At)
		}
		err := t.event.Wait(ctx)
		cancel()
		switch {
		case err == nil:
			return nil
		case t.ctx.Err() != nil:
			return ErrGone
		}
		text := t.notices[0].Text
		t.notices = t.notices[1:]
		if err := t.Print("\n" + text + "\n" + redraw()); err != nil {
			return err
		}
	}
}

// hostError wraps a code of the host; those that mean the end of the transaction become ErrGone.
func hostError(what string, code plugin.Code) error {
	switch code {
	case plugin.ErrorPortDisconnected, plugin.ErrorInvalidPortHandle:
		return fmt.Errorf("%w: %w", ErrGone, code)
	case plugin.NoError:
		return fmt.Errorf("terminal: %s: %w", what, plugin.ErrorUnknown)
	default:
		return fmt.Errorf("terminal: %s: %w", what, code)
	}
}
