package modemsim

import (
	"context"
	"io"
	"os"
	"time"
)

// maxIn is how much of the host's data waits for the caller, in bytes; beyond it the host waits.
const maxIn = 64 << 10

// What the network sends in place of a number or a name.
const (
	Withheld  = "P" // the caller does not want it to be seen
	OutOfArea = "O" // the network does not know it
)

// DialOptions describe an incoming call. The zero value is a call without caller id.
type DialOptions struct {
	// Number and Name are the caller's, or Withheld or OutOfArea; "" sends none. Called is the number dialled. The personality says in
	// which form the modem reports them, and when.
	Number, Name, Called string
	// Ring is the mark of a distinctive ring, such as "B" or "2", which the modem says as RING B; "" is the plain one.
	Ring string
	// Cadence are the lengths of the distinctive ring's parts, on and off by turns, as DRON and DROF report them in units of 100 ms to
	// a host that asked with +VDR=1.
	Cadence []time.Duration
	// When is the caller id's date and time; zero is now.
	When time.Time
	// Lines replace the lines of the caller id, in whatever form.
	Lines []string
	// IDFirst sends the caller id before the first RING, as in the United Kingdom.
	IDFirst bool
	// RingText replaces RING, such as "RING;301;302".
	RingText string
	// Rings is after how many the caller gives up; 0 is never. With no Timing.Ring they come at once, 0 counts as 1, and the caller
	// waits until ctx ends.
	Rings int
	// Before are lines ahead of CONNECT, such as "CARRIER 28800". Connect is the text after it, "" for the modem's own, "-" for none.
	Before  []string
	Connect string
	// Modulation, Rate, Protocol, Compression are reported ahead of CONNECT where +MR, +ER and +DR ask for it; DTERate for +ILRR.
	Modulation, Rate, Protocol, Compression, DTERate string
	// Echo sends back all that the host sends, as a getty or a terminal at the far end would. Nothing is left for Read.
	Echo bool
}

type callState int

const (
	callRinging callState = iota
	callHandshake
	callConnected
	callOver
)

// FarCall is the far end of a call: what it writes the host reads, and the reverse. Close hangs up.
type FarCall struct {
	m    *Modem
	o    DialOptions
	done chan struct{}

	// guarded by m.mu
	state    callState
	reached  bool // it got to CONNECT
	in       []byte
	deadline time.Time
	timer    *time.Timer
}

// Dial calls the modem and rings until it answers; then it returns the caller's end. Errors: ErrOff, ErrBusy, ErrNoAnswer when the
// caller gave up after Rings or the modem did not get to CONNECT, and ctx's.
func (m *Modem) Dial(ctx context.Context, o DialOptions) (*FarCall, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rw == nil {
		return nil, ErrOff
	}
	if m.call != nil || m.ring != nil {
		return nil, ErrBusy
	}
	c := &FarCall{m: m, o: o, done: make(chan struct{})}
	if m.direct() {
		m.call = c
		m.connected(c)
		return c, nil
	}
	m.ring = c
	stop := context.AfterFunc(ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.cond.Broadcast()
	})
	defer stop()
	m.ringUntilAnswered(ctx, c)
	for c.state == callHandshake && ctx.Err() == nil {
		m.cond.Wait()
	}
	switch {
	case c.reached: // even if the host has hung up again since
		return c, nil
	case ctx.Err() != nil:
		m.far(c)
		return nil, context.Cause(ctx)
	case m.rw == nil:
		return nil, ErrOff
	}
	m.over(c)
	return nil, ErrNoAnswer
}

func (m *Modem) ringUntilAnswered(ctx context.Context, c *FarCall) {
	t := m.opts.Timing
	rings := c.o.Rings
	if t.Ring <= 0 {
		rings = max(1, rings)
	}
	ringing := func() bool { return c.state == callRinging && ctx.Err() == nil }
	where := m.idPosition(c)
	if where == "before" {
		m.sayCallerID(c)
		m.wait(min(t.CallerID, t.Ring), ringing)
	}
	for n := 1; ringing(); n++ {
		if where == "every" {
			m.sayCallerID(c)
		}
		m.ringOnce(c)
		if where == "with" && ringing() {
			m.sayCallerID(c)
		}
		m.wait(min(t.CallerID, t.Ring), ringing)
		if c.state == callRinging {
			m.ringing(false)
		}
		if n == 1 && where == "between" && ringing() {
			m.sayCallerID(c)
		}
		m.wait(t.Ring-min(t.CallerID, t.Ring), ringing)
		if n != rings {
			continue
		}
		for t.Ring <= 0 && ringing() {
			m.cond.Wait()
		}
		return
	}
}

// ringOnce is one ring: RING, the ring counter, and auto-answer.
func (m *Modem) ringOnce(c *FarCall) {
	if m.stuck() {
		return
	}
	m.ringing(true)
	if m.dte.s[1] == 0 {
		m.sayCadence(c)
	}
	m.result(m.ringText(c))
	m.dte.s[1]++
	if m.dte.s[0] > 0 && m.dte.s[1] >= m.dte.s[0] && !m.dtrLow {
		m.answer()
	}
}

// wait keeps the lock's owner waiting for d, or until more is false.
func (m *Modem) wait(d time.Duration, more func() bool) {
	if d <= 0 {
		return
	}
	over := false
	t := time.AfterFunc(d, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		over = true
		m.cond.Broadcast()
	})
	defer t.Stop()
	for !over && more() {
		m.cond.Wait()
	}
}

// answer takes the ringing call off the hook.
func (m *Modem) answer() {
	c := m.ring
	m.ring, m.call = nil, c
	m.ringing(false)
	if f := m.opts.family; m.faults.OKBeforeConnect || f != nil && f.Answer.OKFirst {
		m.result("OK")
	}
	m.dead = m.dead || m.faults.DieAnswering
	m.handshake(c, func() { m.connected(c) })
}

// handshake runs done after the time that CONNECT takes, unless the call is over then.
func (m *Modem) handshake(c *FarCall, done func()) {
	c.state, m.mode = callHandshake, handshakeMode
	m.cond.Broadcast()
	if m.opts.Timing.Connect <= 0 {
		done()
		return
	}
	m.shake = time.AfterFunc(m.opts.Timing.Connect, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if c.state == callHandshake {
			done()
		}
	})
}

// far ends a call from the far end: the carrier is gone.
func (m *Modem) far(c *FarCall) {
	was := c.state
	if was == callConnected && m.call == c {
		m.lastCause = "carrier"
	}
	m.over(c)
	if (was == callConnected || was == callHandshake) && !m.faults.SilentHangup && !m.stuck() {
		m.result("NO CARRIER")
	}
}

// deliver gives the host's data to the far end; m.mu is held, and given up while the far end has enough.
func (c *FarCall) deliver(b []byte) {
	if c.o.Echo {
		c.m.out.echo(c.m, b)
		return
	}
	hung, canHang := c.m.rw.(interface{ HungUp() bool })
	for len(b) > 0 && c.state == callConnected {
		if room := maxIn - len(c.in); room > 0 {
			n := min(room, len(b))
			c.in = append(c.in, b[:n]...)
			b = b[n:]
			c.m.cond.Broadcast()
			continue
		}
		full := func() bool { return c.state == callConnected && len(c.in) >= maxIn }
		if !canHang {
			for full() {
				c.m.cond.Wait()
			}
			continue
		}
		// The one who reads the pty waits here, so that nobody would see it closed.
		if c.m.wait(100*time.Millisecond, full); hung.HungUp() {
			return
		}
	}
}

// Read returns what the host sent; io.EOF after all of it when the call is over, os.ErrDeadlineExceeded after the deadline.
func (c *FarCall) Read(p []byte) (int, error) {
	m := c.m
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(c.in) == 0 {
		if c.state == callOver {
			return 0, io.EOF
		}
		if !c.deadline.IsZero() && !time.Now().Before(c.deadline) {
			return 0, os.ErrDeadlineExceeded
		}
		m.cond.Wait()
	}
	n := copy(p, c.in)
	if c.in = c.in[n:]; len(c.in) == 0 {
		c.in = nil
	}
	m.cond.Broadcast()
	return n, nil
}

// SetReadDeadline works as in net.Conn; the zero time is none.
func (c *FarCall) SetReadDeadline(t time.Time) error {
	m := c.m
	m.mu.Lock()
	defer m.mu.Unlock()
	c.deadline = t
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	if d := time.Until(t); !t.IsZero() && d > 0 && c.state != callOver {
		c.timer = time.AfterFunc(d, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.cond.Broadcast()
		})
	}
	m.cond.Broadcast()
	return nil
}

// Write sends to the host. It waits while the host does not read, or has escaped to command mode; io.ErrClosedPipe when the call is
// over.
func (c *FarCall) Write(p []byte) (int, error) {
	m := c.m
	m.mu.Lock()
	defer m.mu.Unlock()
	for done := 0; ; {
		switch {
		case c.state == callOver:
			return done, io.ErrClosedPipe
		case done == len(p):
			return done, nil
		case m.mode != dataMode || len(m.out.buf) >= maxOut:
			m.cond.Wait()
		default:
			n := min(len(p)-done, maxOut-len(m.out.buf))
			if !m.closed && !m.stuck() {
				m.out.buf = append(m.out.buf, p[done:done+n]...)
				m.pump()
			}
			done += n
		}
	}
}

// Close hangs up: the modem loses its carrier. What was written before still reaches the host.
func (c *FarCall) Close() error {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.state != callOver {
		c.m.far(c)
	}
	return nil
}

// Done is closed when the call is over, whoever ended it.
func (c *FarCall) Done() <-chan struct{} { return c.done }
