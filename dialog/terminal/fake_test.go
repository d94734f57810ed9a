package terminal

import (
	"context"
	"sync"
	"testing"
	"time"

	"rashost/plugin"
)

// fakeHost is a security host whose line is two byte slices.
type fakeHost struct {
	mu      sync.Mutex
	in      []byte
	out     []byte
	code    plugin.Code // what Send and Receive answer instead of Pending
	full    int         // how many Sends meet a full queue
	sends   int
	largest int
	last    plugin.SecurityInfo
	recv    func(code plugin.Code)
	rcvBuf  []byte
}

func (h *fakeHost) DialogSend(_ plugin.HPORT, buf []byte) plugin.Code {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sends++
	switch {
	case h.code != 0:
		return h.code
	case h.full > 0:
		h.full--
		return plugin.ErrorOutOfBuffers
	}
	h.largest = max(h.largest, len(buf))
	h.out = append(h.out, buf...)
	return plugin.Pending
}

func (h *fakeHost) DialogReceive(_ plugin.HPORT, buf []byte, n *uint16, timeout uint32, event *plugin.Event) plugin.Code {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.code != 0 {
		return h.code
	}
	h.last = plugin.SecurityInfo{LastError: plugin.Pending}
	var timer *time.Timer
	done := func(code plugin.Code) { // h.mu is held
		if timer != nil {
			timer.Stop()
		}
		k := 0
		if code == plugin.NoError {
			k = copy(buf[:*n], h.in)
			h.in = h.in[k:]
		}
		h.recv, *n, h.last = nil, uint16(k), plugin.SecurityInfo{LastError: code, BytesReceived: uint32(k)}
		event.Set()
	}
	if len(h.in) > 0 {
		done(plugin.NoError)
		return plugin.Pending
	}
	h.recv = done
	if timeout > 0 {
		timer = time.AfterFunc(time.Duration(timeout)*time.Second, func() { h.finish(plugin.ErrorRequestTimeout) })
	}
	return plugin.Pending
}

// finish completes a pending receive.
func (h *fakeHost) finish(code plugin.Code) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.recv != nil {
		h.recv(code)
	}
}

// drop loses the line (rule R7).
func (h *fakeHost) drop() {
	h.finish(plugin.ErrorPortDisconnected)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.code = plugin.ErrorPortDisconnected
}

// keys types text.
func (h *fakeHost) keys(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.in = append(h.in, text...)
	if h.recv != nil && len(h.in) > 0 {
		h.recv(plugin.NoError)
	}
}

// output returns what was sent since the last call.
func (h *fakeHost) output() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := string(h.out)
	h.out = nil
	return out
}

func (h *fakeHost) DialogGetInfo(_ plugin.HPORT, info *plugin.SecurityInfo) plugin.Code {
	h.mu.Lock()
	defer h.mu.Unlock()
	*info = h.last
	return plugin.NoError
}

func (h *fakeHost) DialogComplete(*plugin.SecurityMessage) {}

func (h *fakeHost) Go(plugin.HPORT, func(context.Context)) bool { return false }

// newFake returns a terminal on a line where input was typed ahead.
func newFake(t testing.TB, input string) (*Terminal, *fakeHost) {
	h := &fakeHost{in: []byte(input), rcvBuf: make([]byte, plugin.BufferSize)}
	return New(t.Context(), plugin.Begin{
		HPort: 1, SendBuf: make([]byte, plugin.BufferSize), RecvBuf: h.rcvBuf, Complete: h.DialogComplete, Host: h,
	}), h
}
