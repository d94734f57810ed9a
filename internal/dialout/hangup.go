package dialout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"syscall"
	"time"

	"rashost/hardware"
	"rashost/port/modem"
)

const (
	// hangUpTime bounds a hang-up.
	hangUpTime = 15 * time.Second
	// drainStall is how long what was written may make no progress towards the far end before it is given up, drainPoll how often
	// one looks. There is no event for it.
	drainStall = 3 * time.Second
	drainPoll  = 10 * time.Millisecond
)

// ErrHungUp says that the far end, or the line on the way to it, is gone.
var ErrHungUp = errors.New("the line was hung up")

// lost turns what a Read meets after a hang-up into ErrHungUp. It is no io.EOF: the end of a line is not the end of what there was to read.
func lost(err error) error {
	for _, gone := range []error{io.EOF, syscall.EIO, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, gone) {
			return ErrHungUp
		}
	}
	return err
}

// interrupt makes the end of ctx end what the line does. The function that it returns takes that back.
func interrupt(ctx context.Context, line Line) (release func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		past := time.Unix(1, 0)
		_, _ = line.SetReadDeadline(past), line.SetWriteDeadline(past)
	})
	return func() {
		if !stop() {
			<-done
		}
		_, _ = line.SetReadDeadline(time.Time{}), line.SetWriteDeadline(time.Time{})
	}
}

// dropDTR takes DTR low for the profile's time, which hangs most modems up. errors.ErrUnsupported: there is no DTR.
func (t *talk) dropDTR(ctx context.Context, p *hardware.Profile) error {
	if p.DTR == hardware.DTRIgnored || p.Hangup.DTRTime <= 0 {
		return fmt.Errorf("the modem ignores DTR: %w", errors.ErrUnsupported)
	}
	if err := t.line.SetDTR(false); err != nil {
		return err
	}
	pause(ctx, p.Hangup.DTRTime.Std())
	return t.line.SetDTR(true)
}

// escape leads back to command mode and hangs up there.
func (t *talk) escape(ctx context.Context, p *hardware.Profile) error {
	guard := p.Hangup.Guard.Std()
	pause(ctx, guard)
	return t.script(ctx, []modem.Step{
		{Send: p.Hangup.Escape, Raw: true, NoReply: true, Delay: guard + guard/5},
		{Send: p.Hangup.Command, Timeout: commandTime},
	})
}

// escapeOff says whether the set-up has switched the escape off.
func escapeOff(p *hardware.Profile) bool {
	return p.EscapeOff != "" && slices.ContainsFunc(p.Init, func(s hardware.Step) bool { return s.Send == p.EscapeOff })
}

// hangUp brings a modem back on hook; the close of the tty that follows does the rest. ctx is not the call's, which may be over.
func (c *Call) hangUp(ctx context.Context, t *talk) {
	if t.phase == onHook {
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, hangUpTime, errors.New("hanging up takes too long"))
	defer cancel()
	defer interrupt(ctx, t.line)()
	p := &c.Modem.Profile
	if t.phase == dialling && t.abort(ctx) {
		c.Progress("dialling was stopped")
		return
	}
	switch err := t.dropDTR(ctx, p); {
	case err == nil:
		if t.script(ctx, []modem.Step{{Send: p.Hangup.Command, Timeout: commandTime}}) != nil {
			c.Progress("hung up by DTR; the modem did not confirm it")
			return
		}
	case !errors.Is(err, errors.ErrUnsupported):
		c.Progress("hanging up by DTR: " + err.Error())
		return
	case escapeOff(p):
		c.Progress("there is no DTR to drop, and the modem's escape is off: only closing the line can hang it up")
		return
	default:
		if err := t.escape(ctx, p); err != nil {
			c.Progress("the modem did not confirm that it has hung up: " + err.Error())
			return
		}
	}
	c.Progress("hung up")
}

// drain waits until what was written has been sent, as long as that makes progress.
func drain(ctx context.Context, line Line) {
	least := math.MaxInt
	for since := time.Now(); time.Since(since) < drainStall; {
		n, err := line.Unsent()
		if err != nil || n == 0 {
			return
		}
		if n < least {
			least, since = n, time.Now()
		}
		if !pause(ctx, drainPoll) {
			return
		}
	}
}

// pause waits, and says whether it did to the end.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// isTimeout tells a deadline from everything else.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
