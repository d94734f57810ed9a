package sasl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rashost/dialog/terminal"
	"rashost/plugin"
)

// maxInput is how many bytes a caller may send in one dialog before it counts as a flood.
const maxInput = 64 << 10

// Waits between two tries to send when the host's queue is full.
const (
	sendWaitMin = 10 * time.Millisecond
	sendWaitMax = 200 * time.Millisecond
)

// endingWait is how long, in seconds, an LF may come after a CR. It is the shortest timeout that DialogReceive knows.
const endingWait = 1

// conn is the line of one transaction: whole lines in, text out. It takes one byte per receive, so that what comes after the last line
// stays with the host and reaches the service. It belongs to one worker goroutine. Its errors are errTooLong, errGarbled, and
// terminal's ErrGone, ErrTimeout and ErrFlood.
type conn struct {
	ctx    context.Context
	begin  plugin.Begin
	event  *plugin.Event
	framer framer
	taken  int  // bytes received in all
	asked  bool // a receive is in progress
	count  uint16
	next   []byte // a byte of the next line that was taken with this one
}

func newConn(ctx context.Context, b plugin.Begin) *conn {
	return &conn{ctx: ctx, begin: b, event: plugin.NewEvent(false)}
}

// discard drops what has come before the dialog had anything to say. When it returns, the line has been silent for a moment.
func (c *conn) discard() error {
	for {
		if err := c.ask(0); err != nil {
			return err
		}
		var info plugin.SecurityInfo
		if code := c.begin.Host.DialogGetInfo(c.begin.HPort, &info); code != plugin.NoError {
			return hostError("receive", code)
		}
		if info.LastError == plugin.Pending {
			return nil // this receive takes the first byte that counts
		}
		if _, err := c.answer(); err != nil {
			return err
		}
	}
}

// readLine returns the next line of at most limit bytes without its end, within that many seconds of silence. The slice is valid until
// the next call. show sees every byte of the line as it comes, and fedErase for one that was rubbed out; nil means that nobody watches
// and nothing can be rubbed out.
func (c *conn) readLine(limit int, timeout uint32, show func(line []byte, what fed) error) ([]byte, error) {
	f := &c.framer
	f.begin(limit)
	for {
		wait := timeout
		if f.afterCR {
			wait = min(endingWait, timeout)
		}
		b, err := c.receive(wait)
		what := fedEnd
		switch {
		case errors.Is(err, terminal.ErrTimeout) && f.afterCR:
			f.silence()
		case err != nil:
			return nil, err
		default:
			what = f.feed(b, show != nil)
		}
		if what == fedNext {
			c.next = append(c.next[:0], b)
		}
		if show != nil {
			if err := show(f.text, what); err != nil {
				return nil, err
			}
		}
		if what == fedEnd || what == fedNext {
			return f.line()
		}
	}
}

// receive takes one byte from the line.
func (c *conn) receive(timeout uint32) (byte, error) {
	if len(c.next) > 0 {
		b := c.next[0]
		c.next = c.next[:0]
		return b, nil
	}
	if !c.asked {
		if err := c.ask(timeout); err != nil {
			return 0, err
		}
		return c.answer()
	}
	// The receive that discard left behind has no timeout of its own.
	ctx, cancel := context.WithTimeout(c.ctx, time.Duration(timeout)*time.Second)
	defer cancel()
	if err := c.event.Wait(ctx); err != nil {
		if c.ctx.Err() != nil {
			return 0, terminal.ErrGone
		}
		return 0, terminal.ErrTimeout
	}
	return c.take()
}

// ask starts to receive one byte.
func (c *conn) ask(timeout uint32) error {
	if c.ctx.Err() != nil {
		return terminal.ErrGone
	}
	if c.taken >= maxInput {
		return terminal.ErrFlood
	}
	c.count = 1
	if code := c.begin.Host.DialogReceive(c.begin.HPort, c.begin.RecvBuf, &c.count, timeout, c.event); code != plugin.Pending {
		return hostError("receive", code)
	}
	c.asked = true
	return nil
}

// answer waits for what was asked for.
func (c *conn) answer() (byte, error) {
	if err := c.event.Wait(c.ctx); err != nil {
		return 0, terminal.ErrGone
	}
	return c.take()
}

// take returns what has come.
func (c *conn) take() (byte, error) {
	c.asked = false
	var info plugin.SecurityInfo
	if code := c.begin.Host.DialogGetInfo(c.begin.HPort, &info); code != plugin.NoError {
		return 0, hostError("receive", code)
	}
	switch {
	case info.LastError == plugin.ErrorRequestTimeout:
		return 0, terminal.ErrTimeout
	case info.LastError != plugin.NoError || c.count == 0:
		return 0, hostError("receive", info.LastError)
	}
	b := c.begin.RecvBuf[0]
	c.begin.RecvBuf[0] = 0
	c.taken++
	return b, nil
}

// print sends text, whose lines end with CR LF, and returns when the host has queued all of it. It waits while the host's queue is full.
func (c *conn) print(text string) error {
	for rest := text; rest != ""; {
		n := copy(c.begin.SendBuf, rest)
		chunk := c.begin.SendBuf[:n]
		c.framer.parity.add(chunk)
		if err := c.send(chunk); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// send queues one chunk.
func (c *conn) send(chunk []byte) error {
	for wait := sendWaitMin; ; wait = min(2*wait, sendWaitMax) {
		if c.ctx.Err() != nil {
			return terminal.ErrGone
		}
		switch code := c.begin.Host.DialogSend(c.begin.HPort, chunk); code {
		case plugin.Pending, plugin.NoError:
			return nil
		case plugin.ErrorOutOfBuffers:
			if err := c.pause(wait); err != nil {
				return err
			}
		default:
			return hostError("send", code)
		}
	}
}

// pause waits, at most until the transaction ends.
func (c *conn) pause(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.ctx.Done():
		return terminal.ErrGone
	}
}

// hostError wraps a code of the host; those that mean the end of the transaction become ErrGone.
func hostError(what string, code plugin.Code) error {
	switch code {
	case plugin.ErrorPortDisconnected, plugin.ErrorInvalidPortHandle:
		return fmt.Errorf("%w: %w", terminal.ErrGone, code)
	case plugin.NoError:
		return fmt.Errorf("sasl: %s: %w", what, plugin.ErrorUnknown)
	default:
		return fmt.Errorf("sasl: %s: %w", what, code)
	}
}
