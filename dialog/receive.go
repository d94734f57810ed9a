package dialog

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"rashost/plugin"
)

const (
	inputLimit = 64 << 10 // bytes kept for Receives to come; more are dropped and counted
	readSize   = 512      // bytes of one Read
	emptyReads = 100      // Reads in a row without bytes or error until the line counts as broken
)

// pending is a Receive in progress.
type pending struct {
	buf   []byte // as much of the plugin's buffer as may be written
	n     *uint16
	event *plugin.Event
	timer *time.Timer // nil: never times out
}

// receive starts a Receive. t.mu is held.
func (t *transaction) receive(buf []byte, n *uint16, timeout uint32, ev *plugin.Event) plugin.Code {
	switch {
	case t.down():
		t.lastError = plugin.ErrorPortDisconnected // no event (rule R7)
		return plugin.ErrorPortDisconnected
	case n == nil || *n == 0 || len(buf) == 0:
		return plugin.ErrorBufferInvalid // rule R4
	case t.recv != nil:
		return plugin.ErrorAsyncRequestPending // rule R5
	}
	r := &pending{buf: buf[:min(int(*n), len(buf), plugin.BufferSize)], n: n, event: ev}
	t.recv = r
	t.lastError, t.lastCount = plugin.Pending, 0
	if t.in.size() > 0 {
		t.deliver()
	} else if timeout > 0 {
		r.timer = time.AfterFunc(time.Duration(timeout)*time.Second, func() { t.receiveTimedOut(r) })
	}
	return plugin.Pending
}

// deliver completes the pending Receive from the queue (rules R1 and R9). t.mu is held.
func (t *transaction) deliver() {
	k := t.in.pop(t.recv.buf)
	t.echo(t.recv.buf[:k])
	t.endReceive(plugin.NoError, k)
}

// endReceive finishes the pending Receive in the order of rule R2: the buffer is written, then *n, the state, the event. t.mu is held.
func (t *transaction) endReceive(code plugin.Code, k int) {
	r := t.recv
	t.recv = nil
	if r.timer != nil {
		r.timer.Stop()
	}
	*r.n = uint16(k)
	t.lastError, t.lastCount = code, uint32(k)
	if r.event != nil {
		r.event.Set()
	}
}

// receiveTimedOut ends r, if it is still pending (rule R6).
func (t *transaction) receiveTimedOut(r *pending) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.recv == r {
		t.endReceive(plugin.ErrorRequestTimeout, 0)
	}
}

// cancelReceive forgets a pending Receive: from now on the host touches neither its buffer nor its event (rule C7). GetInfo says
// ErrorPortDisconnected, because Pending would be waited for. t.mu is held.
func (t *transaction) cancelReceive() {
	if t.recv == nil {
		return
	}
	if t.recv.timer != nil {
		t.recv.timer.Stop()
	}
	t.recv = nil
	t.lastError = plugin.ErrorPortDisconnected
}

// read is the reader goroutine: it moves bytes from the line to the queue until the line is lost or Run takes it away.
func (t *transaction) read() {
	buf := make([]byte, readSize)
	got, empty := false, 0
	for {
		n, err := t.line.Read(buf)
		if n > 0 {
			t.arrived(buf[:n])
			got, empty = true, 0
		} else if err == nil {
			if empty++; empty < emptyReads {
				continue
			}
			err = io.ErrNoProgress
		}
		if err == nil {
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.awaitEnd()
		}
		t.drop(err, !got && !hangup(err))
		return
	}
}

// awaitEnd is for a deadline in the past: it came from Run, which wants the line back, or from the owner of the line, who also ends the
// context. The second then tells the cause; should it not come, the line is lost all the same.
func (t *transaction) awaitEnd() {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-t.letGo:
	case <-t.ctx.Done():
	case <-timer.C:
	}
}

// hangup says whether err is what a line reads after the caller has gone, or after its owner took it away.
func hangup(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.EIO) || errors.Is(err, os.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded)
}

// arrived takes bytes of the line.
func (t *transaction) arrived(p []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.received += uint64(len(p))
	k := t.in.push(p, inputLimit)
	t.overrun += uint64(len(p) - k)
	clear(p)
	if t.recv != nil && t.in.size() > 0 {
		t.deliver()
	}
}
