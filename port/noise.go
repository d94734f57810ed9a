package port

import (
	"fmt"
	"time"
)

// Bounds of what a line that waits for a call reads at full speed.
const (
	noiseSpan  = time.Second
	noiseReads = 50 // in one span: far above what RING and caller id need
	noisePause = 500 * time.Millisecond
	// noiseWorth is how many bytes that mean nothing are worth a word, with no more than noiseGap between two of them.
	noiseWorth = 256
	noiseGap   = time.Minute
)

// noise is what a line that waits for a call has read.
type noise struct {
	since time.Time // the beginning of the span
	reads int       // in it
	total int       // bytes since there was silence, or the last word about it
	last  time.Time // when the last of them came
	until time.Time // nothing is read before
}

// heardNoise counts what was read while the line waits for a call. A line that babbles is read in gulps: what comes in between waits in
// the kernel, which drops what is too much.
func (l *line) heardNoise(n int) {
	if l.state != Listening && l.state != Ringing {
		return
	}
	now, s := time.Now(), &l.noise
	if now.Sub(s.since) > noiseSpan {
		s.since, s.reads = now, 0
	}
	if now.Sub(s.last) > noiseGap {
		s.total = 0
	}
	s.last = now
	s.reads++
	s.total += n
	if s.reads >= noiseReads {
		s.until, s.since = now.Add(noisePause), time.Time{}
	}
	if l.rings > 0 || l.state == Ringing {
		s.total = 0 // a call announces itself
	}
	if s.total >= noiseWorth {
		l.event(EventNoise, "bytes that mean nothing came while the line listened", fmt.Sprintf("%d ignored", s.total))
		s.total = 0
	}
}

// readLater says whether the next read has to wait, and sets the timer for it.
func (l *line) readLater() bool {
	if l.state != Listening && l.state != Ringing {
		return false
	}
	d := time.Until(l.noise.until)
	if d > 0 {
		l.in(timeRead, d)
	}
	return d > 0
}

// Bounds of calls in vain.
const (
	vainCalls = 5
	stormRing = 100 // so many RINGs of one call are a storm
)

// countVain counts the calls in a row that began right after the one before and came to nothing: on a modem without CONNECT, on a direct
// line without anybody let in. It returns why the line should not go on like that, "" for nothing.
func (l *line) countVain() string {
	c := l.call
	if c == nil {
		return ""
	}
	if l.soon && !c.letIn.Load() && (l.cfg.direct() || !c.connected) {
		l.vain++
	} else {
		l.vain = 0
	}
	switch {
	case c.echo.looped.Load() && l.cfg.direct():
		return "echo loop: what the line sent came back"
	case l.vain < vainCalls:
		return ""
	case l.cfg.direct():
		text := "calls follow each other and let nobody in: noise, or a machine that babbles"
		l.event(EventNoise, text, fmt.Sprintf("%d in a row; the line waits before it listens again", l.vain))
		return text
	default:
		text := "RING again and again, and no call behind it"
		l.event(EventRingStorm, text, fmt.Sprintf("%d calls in vain in a row", l.vain))
		return text
	}
}
