package httpline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rashost/plugin"
)

// errGone means that the transaction is over: the line dropped, a time limit struck or the service stops. The worker returns; a
// DialogComplete would come too late.
var errGone = errors.New("httpline: the transaction is over")

// Waits between two tries to send when the host's queue is full.
const (
	sendWaitMin = 10 * time.Millisecond
	sendWaitMax = 200 * time.Millisecond
)

// line is the caller's line. It takes not one byte more than it is asked for: what follows a request stays with the host and reaches
// the service. It belongs to one worker goroutine.
type line struct {
	ctx   context.Context
	begin plugin.Begin
	event *plugin.Event
}

// request reads one request and its body. An error is a *fault or of the host.
func (l *line) request() (request, []byte, error) {
	var p headParser
	for {
		chunk, err := l.receive(1)
		if err != nil {
			return request{}, nil, err
		}
		done, err := p.feed(chunk[0])
		clear(chunk)
		if err != nil {
			return request{}, nil, err
		}
		if done {
			break
		}
	}
	if p.req.expect && p.req.length > 0 {
		if err := l.send("HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return request{}, nil, err
		}
	}
	body, err := l.body(p.req.length)
	return p.req, body, err
}

// body reads exactly n bytes.
func (l *line) body(n int) ([]byte, error) {
	var body []byte
	for len(body) < n {
		chunk, err := l.receive(n - len(body))
		if err != nil {
			return nil, err
		}
		body = append(body, chunk...)
		clear(chunk)
	}
	return body, nil
}

// receive takes 1 to n bytes from the line. They lie in the host's buffer until the next receive.
func (l *line) receive(n int) ([]byte, error) {
	if l.ctx.Err() != nil {
		return nil, errGone
	}
	count := uint16(min(n, len(l.begin.RecvBuf)))
	if code := l.begin.Host.DialogReceive(l.begin.HPort, l.begin.RecvBuf, &count, 0, l.event); code != plugin.Pending {
		return nil, hostError("receive", code)
	}
	if l.event.Wait(l.ctx) != nil {
		return nil, errGone
	}
	var info plugin.SecurityInfo
	if code := l.begin.Host.DialogGetInfo(l.begin.HPort, &info); code != plugin.NoError {
		return nil, hostError("receive", code)
	}
	if info.LastError != plugin.NoError || count == 0 {
		return nil, hostError("receive", info.LastError)
	}
	return l.begin.RecvBuf[:count], nil
}

// send queues text and returns when the host has all of it. It waits while the host's queue is full.
func (l *line) send(text string) error {
	for wait := sendWaitMin; text != ""; {
		if l.ctx.Err() != nil {
			return errGone
		}
		n := copy(l.begin.SendBuf, text)
		switch code := l.begin.Host.DialogSend(l.begin.HPort, l.begin.SendBuf[:n]); code {
		case plugin.Pending, plugin.NoError:
			text, wait = text[n:], sendWaitMin
		case plugin.ErrorOutOfBuffers:
			if err := l.pause(wait); err != nil {
				return err
			}
			wait = min(2*wait, sendWaitMax)
		default:
			return hostError("send", code)
		}
	}
	return nil
}

// pause waits, unless the transaction ends.
func (l *line) pause(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-l.ctx.Done():
		return errGone
	}
}

// hostError wraps a code of the host; those that mean the end of the transaction become errGone.
func hostError(what string, code plugin.Code) error {
	switch code {
	case plugin.ErrorPortDisconnected, plugin.ErrorInvalidPortHandle:
		return fmt.Errorf("%w: %w", errGone, code)
	case plugin.NoError:
		return fmt.Errorf("httpline: %s: %w", what, plugin.ErrorUnknown)
	default:
		return fmt.Errorf("httpline: %s: %w", what, code)
	}
}
