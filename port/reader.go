package port

import (
	"errors"
	"os"
	"time"
)

// readSize is the buffer of who asks a modem something.
const readSize = 256

// chunk is one read.
type chunk struct {
	dev  Device
	data []byte // the reader's buffer, valid until the next read is started
	err  error
}

// lineRead is the buffer of a line, which waits with it for days: a RING, a caller id.
const lineRead = 128

// reader is the line's second goroutine. It reads once for each device it is given, so that at any other time nobody touches the
// data direction.
func (l *line) reader() {
	buf := make([]byte, lineRead)
	for dev := range l.tty.starts {
		n, err := dev.Read(buf)
		l.tty.reads <- chunk{dev, buf[:n], err}
		l.wake()
	}
}

// readOn keeps a read in progress while the data direction is the line's.
func (l *line) readOn() {
	t := &l.tty
	if t.reading || t.dev == nil || l.lent || l.state == Answering && l.call != nil && l.call.connected {
		return
	}
	if l.readLater() {
		return
	}
	if !t.reader {
		t.reader = true
		go l.reader()
	}
	t.reading = true
	t.starts <- t.dev
}

// park ends the read in progress and returns what it got.
func (l *line) park() []byte {
	t := &l.tty
	if !t.reading {
		return nil
	}
	_ = t.dev.SetReadDeadline(longAgo)
	r := <-t.reads
	t.reading = false
	_ = t.dev.SetReadDeadline(time.Time{})
	if r.dev != t.dev {
		return nil
	}
	return r.data
}

// received takes what was read.
func (l *line) received(r chunk) {
	l.tty.reading = false
	if r.dev != l.tty.dev {
		return // of a device that has been closed since
	}
	if len(r.data) > 0 {
		asked := l.script != nil
		l.input(r.data)
		if !asked {
			l.heardNoise(len(r.data))
		}
	}
	switch {
	case r.err == nil || r.dev != l.tty.dev:
	case isTimeout(r.err):
		_ = r.dev.SetReadDeadline(time.Time{})
	default:
		l.post(evGone, "device gone: "+r.err.Error())
	}
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
