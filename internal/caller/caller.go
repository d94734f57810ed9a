// Package caller is a robot caller: it waits for texts and answers them, over any connection, and keeps a transcript. The demo, the
// doctor and the tests call with it.
package caller

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The bounds of what a Caller keeps, in bytes.
const (
	// MaxUnseen is how much may come without the text that Expect waits for; older bytes are forgotten.
	MaxUnseen = 64 << 10
	// MaxTranscript is how much of what came is kept, from its start.
	MaxTranscript = 256 << 10
	// tailShown is how much of what came instead an error shows.
	tailShown = 200
)

// Caller talks on one connection. Its methods are called from one goroutine at a time; Transcript from any.
type Caller struct {
	rw      io.ReadWriter
	buf     []byte    // came, and was not yet taken by Expect
	reading chan read // a Read in progress in a goroutine; nil: none
	ended   error     // the connection gives no more

	mu         sync.Mutex
	transcript []byte
	full       bool
}

type read struct {
	b   []byte
	err error
}

// deadliner is what lets a Caller read without a goroutine of its own.
type deadliner interface{ SetReadDeadline(t time.Time) error }

// New returns a caller on rw, which stays the owner's to close. Where rw has no SetReadDeadline, a goroutine reads it, and lives until
// a Read returns after the last Expect: close rw when done.
func New(rw io.ReadWriter) *Caller { return &Caller{rw: rw} }

// ExpectError says that a text did not come.
type ExpectError struct {
	// Want is the text, quoted; of several, all with "or" between them. Got is the end of what came instead, at most 200 bytes, unescaped.
	Want, Got string
	// Err says why the wait ended: io.EOF, or the cause of the context.
	Err error
}

// Error shows what came instead, escaped.
func (e *ExpectError) Error() string {
	return fmt.Sprintf("caller: %s did not come (%v); last came %s", e.Want, e.Err, strconv.QuoteToASCII(e.Got))
}

// Unwrap returns Err.
func (e *ExpectError) Unwrap() error { return e.Err }

// Expect reads until text has come and returns everything up to its end. What comes after it is kept for the next Expect. The error is
// an *ExpectError.
func (c *Caller) Expect(ctx context.Context, text string) (string, error) {
	_, before, err := c.ExpectAny(ctx, text)
	return before, err
}

// ExpectAny reads until one of texts has come, and returns its index and everything up to its end. Of several the one that ends first
// counts.
func (c *Caller) ExpectAny(ctx context.Context, texts ...string) (int, string, error) {
	for {
		if i, end := first(c.buf, texts); i >= 0 {
			got := string(c.buf[:end])
			c.buf = append([]byte(nil), c.buf[end:]...)
			return i, got, nil
		}
		if over := len(c.buf) - MaxUnseen; over > 0 {
			c.buf = append([]byte(nil), c.buf[over:]...)
		}
		if err := c.more(ctx); err != nil {
			got := string(c.buf[max(0, len(c.buf)-tailShown):])
			return -1, string(c.buf), &ExpectError{Want: alternatives(texts), Got: got, Err: err}
		}
	}
}

// alternatives are texts in quotes.
func alternatives(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = strconv.QuoteToASCII(t)
	}
	return strings.Join(quoted, " or ")
}

func first(buf []byte, texts []string) (index, end int) {
	index = -1
	for i, t := range texts {
		if at := bytes.Index(buf, []byte(t)); at >= 0 && (index < 0 || at+len(t) < end) {
			index, end = i, at+len(t)
		}
	}
	return index, end
}

// ExpectEnd reads until the connection ends and returns what came.
func (c *Caller) ExpectEnd(ctx context.Context) (string, error) {
	for {
		if err := c.more(ctx); errors.Is(err, io.EOF) {
			got := string(c.buf)
			c.buf = nil
			return got, nil
		} else if err != nil {
			return string(c.buf), err
		}
		if over := len(c.buf) - MaxUnseen; over > 0 {
			c.buf = append([]byte(nil), c.buf[over:]...)
		}
	}
}

// more reads once into buf.
func (c *Caller) more(ctx context.Context) error {
	if c.ended != nil {
		return c.ended
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var r read
	if d, ok := c.rw.(deadliner); ok {
		r = c.readUntil(ctx, d)
	} else {
		r = c.readBeside(ctx)
	}
	c.buf = append(c.buf, r.b...)
	c.note(r.b)
	c.ended = r.err // told by the next call, so that what came with it is looked at first
	return nil
}

// readUntil reads with a deadline in the past as the sign that ctx ended.
func (c *Caller) readUntil(ctx context.Context, d deadliner) read {
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		_ = d.SetReadDeadline(time.Unix(1, 0))
	})
	b := make([]byte, 4096)
	n, err := c.rw.Read(b)
	if !stop() {
		<-stopped
		_ = d.SetReadDeadline(time.Time{})
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = nil
		}
	}
	return read{b[:n], err}
}

// readBeside reads in a goroutine. A Read that ctx did not wait for is taken up by the next call.
func (c *Caller) readBeside(ctx context.Context) read {
	if c.reading == nil {
		c.reading = make(chan read, 1)
		go func(to chan<- read) {
			b := make([]byte, 4096)
			n, err := c.rw.Read(b)
			to <- read{b[:n], err}
		}(c.reading)
	}
	select {
	case r := <-c.reading:
		c.reading = nil
		return r
	case <-ctx.Done():
		return read{}
	}
}

// Send sends text and CR, as a person presses Enter.
func (c *Caller) Send(text string) error { return c.SendRaw([]byte(text + "\r")) }

// SendRaw sends b as it is.
func (c *Caller) SendRaw(b []byte) error {
	if _, err := c.rw.Write(b); err != nil {
		return fmt.Errorf("caller: send: %w", err)
	}
	return nil
}

// Transcript returns what came so far, from the start, as a terminal would show it: control characters but CR, LF, TAB and BS escaped.
func (c *Caller) Transcript() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for _, ch := range c.transcript {
		switch {
		case ch == '\n', ch == '\t', ch == '\b', ch >= ' ' && ch < 0x7f:
			b.WriteByte(ch)
		case ch == '\r':
		default:
			fmt.Fprintf(&b, `\x%02x`, ch)
		}
	}
	if c.full {
		b.WriteString("\n[transcript cut here]\n")
	}
	return b.String()
}

func (c *Caller) note(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	room := MaxTranscript - len(c.transcript)
	if len(b) > room {
		b, c.full = b[:room], true
	}
	c.transcript = append(c.transcript, b...)
}
