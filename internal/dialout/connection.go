package dialout

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"rashost/port/modem"
)

const (
	// carrierPoll is how often DCD is read in a call: the kernel's own wait for it can't be interrupted.
	carrierPoll = 250 * time.Millisecond
	// noCarrierSilence is how long nothing may follow the modem's NO CARRIER before it is believed, where DCD tells nothing.
	noCarrierSilence = 3 * time.Second
)

// connection is a line to the far end. Whoever reads from it never gets what belongs to the modem: the LF of its CONNECT.
type connection struct {
	Line
	modem bool // there is one, whose NO CARRIER means something

	skipLF bool   // an LF may be left of CONNECT
	unread []byte // was read already

	mu   sync.Mutex // guards what follows
	tail modem.Tail
	last time.Time // of the last byte
}

// Read implements Line.
func (c *connection) Read(p []byte) (int, error) {
	if len(c.unread) > 0 && len(p) > 0 {
		n := copy(p, c.unread)
		c.unread = c.unread[n:]
		return n, nil
	}
	for {
		n, err := c.Line.Read(p)
		if err != nil {
			return n, lost(err)
		}
		c.received(p[:n])
		if c.skipLF && n > 0 {
			c.skipLF = false
			if p[0] == '\n' {
				copy(p, p[1:n])
				n--
			}
		}
		if n > 0 || len(p) == 0 {
			return n, nil
		}
	}
}

// received notes what came.
func (c *connection) received(p []byte) {
	if !c.modem || len(p) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tail.Feed(p)
	c.last = time.Now()
}

// saidNoCarrier says that the modem's last words were NO CARRIER, and nothing followed.
func (c *connection) saidNoCarrier() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tail.Kind() == modem.TailNoCarrier && time.Since(c.last) >= noCarrierSilence
}

// watch returns a context that ends with ErrHungUp as its cause when the carrier is lost. Where DCD is low although there is a
// connection it is not wired, or not obeyed by the modem; then the modem's words must do.
func (c *connection) watch(ctx context.Context) (watched context.Context, stop func()) {
	watched, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	s, err := c.Signals()
	dcd := err == nil && s.DCD
	go func() {
		defer close(done)
		for pause(watched, carrierPoll) {
			switch s, err := c.Signals(); {
			case dcd && err == nil && !s.DCD:
				cancel(fmt.Errorf("%w: the carrier is lost", ErrHungUp))
			case err != nil && !errors.Is(err, errors.ErrUnsupported):
				cancel(fmt.Errorf("%w: %w", ErrHungUp, err))
			case !dcd && c.saidNoCarrier():
				cancel(fmt.Errorf("%w: the modem said NO CARRIER", ErrHungUp))
			}
		}
	}()
	return watched, func() {
		cancel(nil)
		<-done
	}
}

// Wake: how long a direct line may be silent before Enter is pressed, and then again.
const (
	wakeFirst = time.Second
	wakeAgain = 5 * time.Second
)

// wake waits for the first byte on a direct line. A far end may wait for the first byte itself, so Enter is pressed when nothing
// comes. The byte is kept for the next Read. woken says whether Enter was pressed.
func (c *connection) wake(ctx context.Context) (woken bool, err error) {
	defer interrupt(ctx, c)()
	one := make([]byte, 1)
	for wait := wakeFirst; ; wait = wakeAgain {
		if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return woken, err
		}
		if ctx.Err() != nil {
			return woken, context.Cause(ctx)
		}
		n, err := c.Read(one)
		switch {
		case n > 0:
			c.unread = one
			return woken, nil
		case ctx.Err() != nil:
			return woken, context.Cause(ctx)
		case !isTimeout(err):
			return woken, err
		}
		woken = true
		if _, err := c.Write([]byte{'\r'}); err != nil {
			return woken, err
		}
	}
}
