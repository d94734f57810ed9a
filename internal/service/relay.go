package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"rashost/port"
)

// Sizes of a relay's buffers, one for each direction: a tty gives at most 4 KiB at once, so that they only grow on faster ends.
const (
	minBuffer = 4 << 10
	maxBuffer = 64 << 10
)

// linger is how long output may still flow to the caller after the way to the service has ended.
const linger = 10 * time.Second

// past stops a Read or Write that is under way.
var past = time.Unix(1, 0)

// party says who or what ended a relay.
type party int

const (
	byContext  party = iota // ctx ended
	byCaller                // the caller's connection ended or failed
	byPeer                  // the service's end ended or failed
	byIdle                  // Limits.Idle
	byAbsolute              // Limits.Absolute
)

// ending is how a relay ended. err is nil for a regular end.
type ending struct {
	by  party
	err error
}

// relay copies between a caller and a service, one goroutine for each direction, and watches the limits.
type relay struct {
	caller, peer Conn
	unread       []byte // goes to the peer first
	limits       Limits

	begin   time.Time
	last    atomic.Int64 // when a byte last came from either side, in ns since begin
	in, out atomic.Uint64
	writing atomic.Bool // the caller has not taken everything yet

	mu      sync.Mutex // orders stop and warn, which use the same deadline
	stopped bool
	warning string // what the way down shall tell the caller
}

// run relays until one end is at its end, a limit is reached or ctx ends. Then nothing of it uses the two ends any more.
func (r *relay) run(ctx context.Context) (end ending) {
	r.begin = time.Now()
	up, down := make(chan ending, 1), make(chan ending, 1)
	go func() { up <- r.copyUp() }()
	go func() { down <- r.copyDown() }()
	joined := 0
	defer func() {
		r.stop()
		for ; joined < 2; joined++ {
			select {
			case <-up:
			case <-down:
			}
		}
		r.clearDeadlines()
		if end.by == byCaller && ctx.Err() != nil {
			end.by = byContext // which knows better why
		}
	}()

	limit := r.newLimit()
	defer limit.stop()
	var late <-chan time.Time // ends the wait for the way down
	var first ending          // how the way up ended
	for {
		select {
		case first = <-up:
			joined++
			if first.by == byCaller && (first.err != nil || !r.closeWrite()) {
				return first
			}
			timer := time.NewTimer(linger)
			defer timer.Stop()
			late = timer.C
		case end = <-down:
			joined++
			if late != nil && first.by == byCaller {
				return first
			}
			return end
		case <-late:
			return first
		case <-limit.c:
			if by, over := limit.check(); over {
				return ending{by: by}
			}
		case <-ctx.Done():
			return ending{by: byContext}
		}
	}
}

// closeWrite tells the peer that no more will come, and says whether that is possible.
func (r *relay) closeWrite() bool {
	half, ok := r.peer.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}

// copyUp copies from the caller to the peer.
func (r *relay) copyUp() ending {
	if len(r.unread) > 0 {
		n, err := r.peer.Write(r.unread)
		r.in.Add(uint64(n))
		if err != nil {
			return ending{byPeer, err}
		}
	}
	buf := make([]byte, minBuffer)
	for {
		n, err := r.caller.Read(buf)
		if n > 0 {
			r.touch()
			written, writeErr := r.peer.Write(buf[:n])
			r.in.Add(uint64(written))
			if writeErr != nil {
				return ending{byPeer, writeErr}
			}
		}
		if err != nil {
			return ending{byCaller, regular(err)}
		}
		buf = grown(buf, n)
	}
}

// copyDown copies from the peer to the caller. It alone writes to the caller, so that a warning never lands inside a write.
func (r *relay) copyDown() ending {
	buf := make([]byte, minBuffer)
	for {
		n, err := r.peer.Read(buf)
		if n > 0 {
			r.touch()
			r.writing.Store(true)
			written, writeErr := r.caller.Write(buf[:n])
			r.writing.Store(false)
			r.out.Add(uint64(written))
			if writeErr != nil {
				return ending{byCaller, writeErr}
			}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			text, stopped := r.takeWarning()
			if stopped {
				return ending{byPeer, nil}
			}
			if _, err := r.caller.Write([]byte(text)); err != nil {
				return ending{byCaller, err}
			}
			continue
		}
		if err != nil {
			return ending{byPeer, regular(err)}
		}
		buf = grown(buf, n)
	}
}

// regular makes nil of the end of a stream.
func regular(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// grown returns a larger buffer when the last read filled it.
func grown(buf []byte, n int) []byte {
	if n < len(buf) || len(buf) >= maxBuffer {
		return buf
	}
	return make([]byte, 4*len(buf))
}

func (r *relay) touch() { r.last.Store(int64(time.Since(r.begin))) }

// stop ends every Read and Write of the relay.
func (r *relay) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	for _, c := range []Conn{r.caller, r.peer} {
		_ = c.SetReadDeadline(past) // fails only on what is closed, and then nothing waits there
		_ = c.SetWriteDeadline(past)
	}
}

// clearDeadlines leaves the caller's connection as it was.
func (r *relay) clearDeadlines() {
	_ = r.caller.SetReadDeadline(time.Time{})
	_ = r.caller.SetWriteDeadline(time.Time{})
}

// warn asks the way down to tell the caller text as soon as it is not in a write.
func (r *relay) warn(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stopped {
		r.warning = text
		_ = r.peer.SetReadDeadline(past)
	}
}

func (r *relay) takeWarning() (text string, stopped bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return "", true
	}
	text, r.warning = r.warning, ""
	_ = r.peer.SetReadDeadline(time.Time{})
	return text, false
}

// limit is the one timer of a relay. It is never reset by traffic: when it fires, it looks when traffic last was.
type limit struct {
	r              *relay
	timer          *time.Timer // nil without limits
	c              <-chan time.Time
	warnedAbsolute bool
	warnedIdle     int64 // the value of relay.last that was warned about, -1: none
}

func (r *relay) newLimit() *limit {
	l := &limit{r: r, warnedIdle: -1}
	if r.limits.Idle <= 0 && r.limits.Absolute <= 0 {
		return l
	}
	l.timer = time.NewTimer(0) // the first check finds out when the next is due
	l.c = l.timer.C
	return l
}

func (l *limit) stop() {
	if l.timer != nil {
		l.timer.Stop()
	}
}

// check says whether a limit is reached; if not, it warns when that is due and sets the timer for the next thing to do.
func (l *limit) check() (by party, over bool) {
	lim, last := l.r.limits, l.r.last.Load()
	now := time.Since(l.r.begin)
	next := time.Duration(1<<63 - 1)
	due := func(at time.Duration) bool { // now, or to be looked at again at that time
		if now >= at {
			return true
		}
		next = min(next, at)
		return false
	}
	warns := func(total time.Duration) bool { return lim.WarningBefore > 0 && lim.WarningBefore < total }
	if lim.Absolute > 0 {
		if due(lim.Absolute) {
			return byAbsolute, true
		}
		if warns(lim.Absolute) && !l.warnedAbsolute && due(lim.Absolute-lim.WarningBefore) {
			l.warnedAbsolute = true
			l.r.warn(fmt.Sprintf("\r\n*** This session ends in %s: its time is used up.\r\n", lim.WarningBefore))
		}
	}
	if lim.Idle > 0 {
		if due(time.Duration(last) + lim.Idle) {
			return byIdle, true
		}
		if warns(lim.Idle) && l.warnedIdle != last && due(time.Duration(last)+lim.Idle-lim.WarningBefore) {
			l.warnedIdle = last
			l.r.warn(fmt.Sprintf("\r\n*** This session ends in %s: nothing has happened for long.\r\n", lim.WarningBefore))
		}
	}
	l.timer.Reset(next - now)
	return 0, false
}

// result fills in what every service says alike. What an end of the peer means is the service's to say.
func (r *relay) result(end ending) Result {
	res := Result{In: r.in.Load(), Out: r.out.Load(), Err: end.err}
	switch end.by {
	case byContext:
		res.Reason = "the call ended"
	case byIdle:
		res.Cause, res.Reason = port.IdleTimeout, fmt.Sprintf("nothing was sent either way for %s", r.limits.Idle)
	case byAbsolute:
		res.Cause, res.Reason = port.SessionTimeout, fmt.Sprintf("the session lasted %s, as long as it may", r.limits.Absolute)
	case byCaller:
		switch {
		case end.err == nil:
			res.Cause, res.Reason = port.LostCarrier, "the caller's line was hung up"
		case errors.Is(end.err, os.ErrDeadlineExceeded), errors.Is(end.err, os.ErrClosed):
			res.Reason = "the call ended" // whoever set the deadline or closed the line knows why
		default:
			res.Cause, res.Reason = port.PortError, "the caller's line failed"
		}
	case byPeer:
	}
	return res
}
