package dialog

import (
	"errors"
	"io"
	"os"

	"rashost/plugin"
)

// outputLimit is how many bytes may wait for the line (rule T3).
const outputLimit = 16 << 10

// send queues a copy of buf (rule T1). t.mu is held.
func (t *transaction) send(buf []byte) plugin.Code {
	switch {
	case buf == nil || len(buf) > plugin.BufferSize:
		return plugin.ErrorBufferInvalid // rule T2
	case t.down():
		return plugin.ErrorPortDisconnected
	case t.queued+len(buf) > outputLimit:
		return plugin.ErrorOutOfBuffers // rule T3
	}
	t.enqueue(buf)
	return plugin.Pending
}

// enqueue queues p and sees to it that a writer goroutine runs; it ends when the queue is empty. t.mu is held.
func (t *transaction) enqueue(p []byte) {
	if len(p) == 0 {
		return
	}
	t.out = append(t.out, p...)
	t.queued += len(p)
	if !t.writing {
		t.writing = true
		t.io.Go(t.write)
	}
}

// write is the writer goroutine.
func (t *transaction) write() {
	var spare []byte
	for {
		t.mu.Lock()
		if len(t.out) == 0 {
			t.writing = false
			draining := t.draining
			t.mu.Unlock()
			if draining {
				t.signal()
			}
			return
		}
		chunk := t.out
		t.out = spare[:0]
		t.mu.Unlock()

		n, err := t.line.Write(chunk)
		if err == nil && n < len(chunk) {
			err = io.ErrShortWrite
		}
		spare = chunk
		t.mu.Lock()
		t.queued -= len(chunk)
		t.sent += uint64(n)
		if err != nil {
			t.unsent += uint64(len(chunk) - n + len(t.out))
			t.out, t.queued = nil, 0
		}
		t.mu.Unlock()
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.drop(err, false)
		}
	}
}

// echo answers what a Receive has taken, as the echo mode says (rule R8). t.mu is held.
func (t *transaction) echo(p []byte) {
	if t.o.Echo == EchoOff || t.down() {
		return
	}
	echo := make([]byte, 0, len(p)+8)
	for _, c := range p {
		switch {
		case c == '\r':
			echo = append(echo, '\r', '\n')
		case t.o.Echo == EchoOn:
			echo = append(echo, c)
		case ' ' <= c && c <= '~' || c >= 0xa0:
			echo = append(echo, '*')
		}
	}
	if t.queued+len(echo) <= outputLimit {
		t.enqueue(echo)
	}
}
