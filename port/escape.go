package port

import (
	"bytes"
	"os"
	"slices"
	"strings"
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

	free time.Time // when everything that was sent has left
	escapeRun
}

// escapeRun is what stands at the end of what was sent.
type escapeRun struct {
	run  int  // escape characters without a gap between them; exactly 3 only where something harmless follows
	flow bool // with XON or XOFF behind them
}

// take takes note of one character.
func (r *escapeRun) take(b byte) {
	switch {
	case b&0x7f != escapeChar && !xonXOFF(b):
		*r = escapeRun{}
	case b&0x7f != escapeChar:
		r.flow = r.run > 0
	default:
		r.run++
	}
}

// takeAll takes note of all of p: of characters behind the last one that ends a run.
func (r *escapeRun) takeAll(p []byte) {
	for i, b := range slices.Backward(p) {
		if b&0x7f != escapeChar && !xonXOFF(b) {
			*r, p = escapeRun{}, p[i+1:]
			break
		}
	}
	for _, b := range p {
		r.take(b)
	}
}

// xonXOFF says that a modem may take the character for flow control, with a parity bit or without, so that what stands on both sides of it
// becomes neighbours.
func xonXOFF(b byte) bool { return b&0x7f == 0x11 || b&0x7f == 0x13 }

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

// safe returns how many bytes of p may be sent at once behind what r says. Where that is not all, silence must come before the next.
func (r escapeRun) safe(p []byte) int {
	for i := 0; i < len(p); i++ {
		if r.run == 0 {
			n := indexEscape(p[i:])
			if n < 0 {
				break
			}
			i += n
		}
		b := p[i]
		plus := b&0x7f == escapeChar
		switch {
		case plus && r.flow: // neighbours for one modem, and not for another
			return i
		case plus && r.run == 2 && (mayCommand(p[i+1:]) || mayPause(p[i+1:])): // of four in a row no modem takes three
			return i
		case r.run >= 3 && letter(b) == 'A' && mayCommand(p[i:]):
			return i
		}
		r.take(b)
	}
	return len(p)
}

// indexEscape returns where the first escape character stands in p, -1 where there is none.
func indexEscape(p []byte) int {
	const window = 128 // so that a text full of the one is not searched for the other again and again
	for at := 0; at < len(p); at += window {
		w := p[at:min(at+window, len(p))]
		n := bytes.IndexByte(w, escapeChar)
		if n >= 0 {
			w = w[:n]
		}
		if high := bytes.IndexByte(w, escapeChar|0x80); high >= 0 {
			n = high
		}
		if n >= 0 {
			return at + n
		}
	}
	return -1
}

// mayCommand says whether what follows an escape could be the AT of a command; nothing at all could be anything. TIES passes over blanks
// and line ends in front of it.
func mayCommand(p []byte) bool {
	want := "AT"
	for _, b := range p {
		switch {
		case xonXOFF(b) || strings.IndexByte(" \r\n", b&0x7f) >= 0:
		case letter(b) != want[0]:
			return false
		case want == "T":
			return true
		default:
			want = want[1:]
		}
	}
	return true
}

// mayPause says whether XON or XOFF and an escape character follow, between which silence comes: behind three that silence would itself be
// what Hayes waits for.
func mayPause(p []byte) bool {
	n := slices.IndexFunc(p, func(b byte) bool { return !xonXOFF(b) })
	return n > 0 && p[n]&0x7f == escapeChar
}

// letter is a letter without its parity bit, as a capital.
func letter(b byte) byte { return b &^ 0xa0 }

// sent takes note of what the device took.
func (g *escapeGuard) sent(p []byte, now time.Time) {
	g.takeAll(p)
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
			g.escapeRun = escapeRun{}
		} else if quiet > g.gap/3 {
			if err := c.keepSilence(); err != nil {
				return 0, err
			}
		}
	}
	for {
		part := p[done : done+g.safe(p[done:])]
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
	c.guard.escapeRun = escapeRun{}
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
