package port

import (
	"context"
	"io/fs"
	"os"
	"sync"
	"time"

	"rashost/port/modemsim"
)

// simHeld is how much the driver of a virtual modem keeps while CTS is low, in bytes, as a kernel's does.
const simHeld = 4 << 10

// heldOutput is the transmit queue of a virtual modem's port: what CTS holds back with RTS/CTS. A pty has no such thing.
type heldOutput struct {
	ctx    context.Context
	out    func([]byte) (int, error)
	modem  *modemsim.Modem
	sendMu sync.Mutex // keeps what was held ahead of what is written next; taken before mu by drain, and by write only while nothing drains

	mu       sync.Mutex
	changed  chan struct{}
	flow     bool
	queue    []byte
	draining bool
	stop     context.CancelFunc // ends the wait for CTS
	closed   bool
	deadline time.Time
}

func (h *heldOutput) start(ctx context.Context, out func([]byte) (int, error), m *modemsim.Modem, s Settings) {
	h.ctx, h.out, h.modem, h.flow, h.changed = ctx, out, m, s.RTSCTS, make(chan struct{})
}

// change tells every waiter; the caller holds mu.
func (h *heldOutput) change() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// write passes p on, or keeps it while CTS is low.
func (h *heldOutput) write(p []byte) (done int, err error) {
	for {
		h.mu.Lock()
		if h.closed {
			h.mu.Unlock()
			return done, fs.ErrClosed
		}
		if !h.draining && (!h.flow || h.modem.Signals().CTS) {
			h.sendMu.Lock()
			defer h.sendMu.Unlock()
			h.mu.Unlock()
			n, err := h.out(p[done:])
			return done + n, err
		}
		n := min(len(p)-done, simHeld-len(h.queue))
		h.queue = append(h.queue, p[done:done+n]...)
		done += n
		if !h.draining {
			h.draining = true
			var ctx context.Context
			ctx, h.stop = context.WithCancel(h.ctx)
			go h.drain(ctx)
		}
		changed, limit := h.changed, h.deadline
		h.mu.Unlock()
		if done == len(p) {
			return done, nil
		}
		if past(limit) {
			return done, os.ErrDeadlineExceeded
		}
		awaitChange(changed, limit)
	}
}

// drain sends what is held once CTS is on, or nobody asks for it any more.
func (h *heldOutput) drain(ctx context.Context) {
	_ = h.modem.WaitCTS(ctx)
	h.sendMu.Lock()
	defer h.sendMu.Unlock()
	h.mu.Lock()
	b := h.queue
	h.queue, h.draining = nil, false
	h.stop()
	h.change()
	h.mu.Unlock()
	if len(b) > 0 {
		_, _ = h.out(b)
	}
}

func (h *heldOutput) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.queue)
}

func (h *heldOutput) drop() { h.with(func() { h.queue = nil }) }

func (h *heldOutput) close() {
	h.with(func() {
		h.queue, h.closed = nil, true
		h.release()
	})
}

func (h *heldOutput) setFlow(on bool) {
	h.with(func() {
		if h.flow = on; !on {
			h.release()
		}
	})
}

// release ends the wait for CTS; the caller holds mu.
func (h *heldOutput) release() {
	if h.draining {
		h.stop()
	}
}

func (h *heldOutput) setDeadline(t time.Time) { h.with(func() { h.deadline = t }) }

func (h *heldOutput) with(set func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	set()
	h.change()
}
