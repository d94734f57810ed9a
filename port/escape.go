package port

import (
	"os"
	"time"

	"rashost/port/modem"
)

// escapeGuard keeps what a call sends from being taken for an escape to command mode. Such a sequence is three escape characters, with
// silence around them (Hayes) or AT behind them (TIES); nearer than S12 to each other they count as one sequence. So that the third of
// three is not sent before it is known that something harmless follows it at once; otherwise silence longer than S12 comes first. No byte
// is lost, changed or added (docs/adr/0033-escapes-are-broken-in-time.md).
type escapeGuard struct {
	gap  time.Duration // the silence, longer than S12; 0: no guard
	char time.Duration // how long one character takes on the wire

	run  int       // escape characters that were sent last, without a gap between them; never exactly 3
	free time.Time // when everything that was sent has left
}

// escapeChar begins an escape sequence, with a parity bit or without.
const escapeChar = '+'

// adapterBuffer is how many characters a serial adapter holds that the kernel no longer counts.
const adapterBuffer = 640

// newEscapeGuard returns a guard against a modem whose guard time is s12, at a speed in bit/s.
func newEscapeGuard(s12 time.Duration, baud int) escapeGuard {
	if s12 <= 0 {
		s12 = time.Second
	}
	return escapeGuard{gap: s12 + s12/5, char: 11 * time.Second / time.Duration(max(baud, 1))}
}

// safe returns how many bytes of p may be sent at once when run escape characters stand before it. Where that is not all, silence must
// come before the next.
func safe(run int, p []byte) int {
	for i, b := range p {
		switch {
		case b&0x7f == escapeChar:
			// Of four in a row no modem takes three.
			if run++; run == 3 && mayCommand(p[i+1:]) {
				return i
			}
		case run >= 3 && letter(b) == 'A' && mayCommand(p[i:]):
			return i
		default:
			run = 0
		}
	}
	return len(p)
}

// mayCommand says whether what follows an escape could be the AT of a command; nothing at all could be anything. TIES passes over blanks
// and line ends in front of it.
func mayCommand(p []byte) bool {
	for i, b := range p {
		switch b & 0x7f {
		case ' ', '\r', '\n':
			continue
		}
		return letter(b) == 'A' && (i+1 == len(p) || letter(p[i+1]) == 'T')
	}
	return true
}

// letter is a letter without its parity bit, as a capital.
func letter(b byte) byte { return b &^ 0xa0 }

// sent takes note of what the device took.
func (g *escapeGuard) sent(p []byte, now time.Time) {
	run := 0
	for len(p)-run > 0 && p[len(p)-1-run]&0x7f == escapeChar {
		run++
	}
	if run == len(p) {
		run += g.run
	}
	g.run = run
	if now.After(g.free) {
		g.free = now
	}
	// What the kernel no longer counts can be no more than an adapter holds.
	if most := now.Add(adapterBuffer * g.char); g.free.Before(most) {
		g.free = g.free.Add(time.Duration(min(len(p), adapterBuffer)) * g.char)
		if g.free.After(most) {
			g.free = most
		}
	}
}

// writeGuarded writes p to the device, with silence where an escape sequence would otherwise be. It returns what the device took.
func (c *Call) writeGuarded(p []byte) (int, error) {
	g, done := &c.guard, 0
	if err := c.modemTurn(); err != nil {
		return 0, err
	}
	if g.run > 0 && len(p) > 0 && p[0]&0x7f == escapeChar {
		// Whether the modem takes these for neighbours must never be in doubt.
		if quiet := time.Since(g.free); quiet >= g.gap {
			g.run = 0
		} else if quiet > g.gap/3 {
			if err := c.keepSilence(); err != nil {
				return 0, err
			}
		}
	}
	for {
		part := p[done : done+safe(g.run, p[done:])]
		if len(part) > 0 {
			n, err := c.dev.Write(part)
			done += n
			g.sent(part[:n], time.Now())
			if err != nil {
				return done, err
			}
		}
		if done == len(p) {
			return done, nil
		}
		if c.breaks.Add(1) == 1 {
			c.wakeLine()
		}
		if err := c.keepSilence(); err != nil {
			return done, err
		}
	}
}

// keepSilence waits until nothing has left for the time of the gap.
func (c *Call) keepSilence() error {
	for {
		n, err := c.dev.OutQueue()
		if err != nil || n == 0 {
			break
		}
		if err := c.pause(time.Now().Add(drainPoll)); err != nil {
			return err
		}
		c.guard.free = time.Now().Add(min(time.Duration(n), adapterBuffer) * c.guard.char)
	}
	if err := c.pause(c.guard.free.Add(c.guard.gap)); err != nil {
		return err
	}
	c.guard.run = 0
	return nil
}

// pause waits until then, and less when the write deadline passes or the call ends, with the error that a Write then gives.
func (c *Call) pause(until time.Time) error {
	return c.await(until, func() bool { return false })
}

// modemTurn waits while the last thing that came is the modem's NO CARRIER, on a line without usable DCD: what a session sends now would
// be commands for the modem. Either something more comes, and it was the caller's own text, or the line ends the call.
func (c *Call) modemTurn() error {
	mine := func() bool { kind, _ := c.tail.stands(); return kind != modem.TailNoCarrier }
	if !c.letIn.Load() || mine() {
		return nil
	}
	return c.await(time.Now().Add(2*noCarrierSilence), mine)
}

// await is pause that ends early when done.
func (c *Call) await(until time.Time, done func() bool) error {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	for {
		c.mu.Lock()
		over, by := c.over, c.writeBy
		if c.changed == nil {
			c.changed = make(chan struct{})
		}
		changed := c.changed
		c.mu.Unlock()
		switch now := time.Now(); {
		case over != nil:
			return over
		case !by.IsZero() && !now.Before(by):
			return os.ErrDeadlineExceeded
		case !now.Before(until) || done():
			return nil
		case !by.IsZero() && by.Before(until):
			timer.Reset(by.Sub(now))
		default:
			timer.Reset(until.Sub(now))
		}
		select {
		case <-timer.C:
		case <-changed:
		}
	}
}

// nudge wakes who awaits; mu is held.
func (c *Call) nudge() {
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}
