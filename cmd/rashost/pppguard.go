package main

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"rashost/dialog"
	"rashost/port/modem"
)

// pppHold is how long bytes that could be the start of a PPP frame wait for the next one (docs/adr/0002).
const pppHold = 250 * time.Millisecond

// pppFlag begins every PPP frame (RFC 1662).
const pppFlag = 0x7e

// errPPP ends the dialog of a caller whose PPP has started too early.
var errPPP = fmt.Errorf("the caller sent a PPP frame: %w", dialog.ErrCannotReceive)

// pppGuard stands between a line and its dialog. It passes everything on, except what could be the start of a PPP frame: that is
// held back until the next byte decides. A complete start makes Read fail for ever. Read belongs to one goroutine.
type pppGuard struct {
	dialog.Line
	detector modem.PPPDetector
	held     []byte // read from the line, not yet passed on
	ready    []byte // decided: to be passed on
	dropLF   bool   // quiet.go: the LF of an Enter key may still come
	seen     atomic.Bool

	mu       sync.Mutex
	deadline time.Time // the dialog's own read deadline
}

func newPPPGuard(line dialog.Line) *pppGuard { return &pppGuard{Line: line} }

// found reports whether a PPP frame ended the dialog.
func (g *pppGuard) found() bool { return g.seen.Load() }

// unread returns what was held back behind typed, in the order of the line. Call it only when the dialog is over.
func (g *pppGuard) unread(typed []byte) []byte {
	return append(append(typed, g.ready...), g.held...)
}

// SetReadDeadline keeps the dialog's deadline apart from the guard's own.
func (g *pppGuard) SetReadDeadline(t time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deadline = t
	return g.Line.SetReadDeadline(t)
}

// Read passes on what the caller sent once it is known not to be PPP.
func (g *pppGuard) Read(p []byte) (int, error) {
	for {
		if g.seen.Load() {
			return 0, errPPP
		}
		if len(g.ready) > 0 {
			n := copy(p, g.ready)
			g.ready = g.ready[n:]
			return n, nil
		}
		n, err := g.readMore(p)
		if err != nil {
			return 0, err
		}
		got := p[:n]
		if g.dropLF && n > 0 {
			got, g.dropLF = withoutLF(got), false
		}
		g.sort(got)
	}
}

// readMore reads from the line, and after pppHold without a byte gives up what it held.
func (g *pppGuard) readMore(p []byte) (int, error) {
	if len(g.held) == 0 {
		return g.Line.Read(p)
	}
	limit := time.Now().Add(pppHold)
	g.setHold(limit)
	n, err := g.Line.Read(p)
	own := g.endHold()
	if errors.Is(err, os.ErrDeadlineExceeded) && own {
		g.ready, g.held = append(g.ready, g.held...), nil
		g.detector = modem.PPPDetector{}
		return 0, nil
	}
	return n, err
}

func (g *pppGuard) setHold(limit time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.deadline.IsZero() || limit.Before(g.deadline) {
		_ = g.Line.SetReadDeadline(limit)
	}
}

// endHold puts the dialog's deadline back and reports whether that one has not passed.
func (g *pppGuard) endHold() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_ = g.Line.SetReadDeadline(g.deadline)
	return g.deadline.IsZero() || time.Now().Before(g.deadline)
}

// sort moves each byte to ready or held.
func (g *pppGuard) sort(p []byte) {
	for i := range p {
		if p[i] == pppFlag { // a flag begins anew, so that a flood of them is not held
			g.ready, g.held = append(g.ready, g.held...), g.held[:0]
		}
		g.held = append(g.held, p[i])
		if found, _ := g.detector.Feed(p[i : i+1]); found {
			g.seen.Store(true)
			return
		}
		if !g.detector.Partial() {
			g.ready, g.held = append(g.ready, g.held...), g.held[:0]
		}
	}
}
