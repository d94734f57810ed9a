package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"rashost/dialog"
	"rashost/port"
)

// awaitCaller keeps a line that answers quietly silent until the caller has sent something readable, and returns how much of the dialog's
// time limit is left then, at least the shortest that a dialog can have. Before that no plugin is asked, and nothing is sent. The error
// is why the call is over.
func awaitCaller(ctx context.Context, g *pppGuard, limit time.Duration) (time.Duration, error) {
	if limit <= 0 {
		limit = dialog.DefaultTimeout
	}
	until := time.Now().Add(limit)
	if err := g.SetReadDeadline(until); err != nil {
		return 0, err
	}
	stop := context.AfterFunc(ctx, func() { _ = g.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buf := make([]byte, 256)
	for {
		n, err := g.Read(buf)
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		if err != nil {
			return 0, err
		}
		if said := readable(buf[:n]); len(said) > 0 {
			g.putBack(said)
			if !stop() {
				return 0, context.Cause(ctx)
			}
			return max(time.Until(until), dialog.MinTimeout), g.SetReadDeadline(time.Time{})
		}
	}
}

// readable returns p from its first printable byte, CR or LF on, with a parity bit or without; nil when there is none. Noise, breaks and
// what modems utter is none.
func readable(p []byte) []byte {
	for i, b := range p {
		if b &= 0x7f; b >= ' ' && b < 0x7f || b == '\r' || b == '\n' {
			return p[i:]
		}
	}
	return nil
}

// putBack gives p back. The Enter key that only asks whether somebody is there is no answer to the first prompt: it is dropped, and with
// it the LF that it may send as well. Call it only when nothing is held back.
func (g *pppGuard) putBack(p []byte) {
	switch p[0] & 0x7f {
	case '\r':
		g.dropLF = true
		p = p[1:]
	case '\n':
		p = p[1:]
	}
	if g.dropLF && len(p) > 0 {
		p, g.dropLF = withoutLF(p), false
	}
	g.ready = append(append([]byte(nil), p...), g.ready...)
}

// withoutLF is p without an LF, or the NUL that some terminals send instead, at its beginning.
func withoutLF(p []byte) []byte {
	if p[0]&0x7f == '\n' || p[0]&0x7f == 0 {
		return p[1:]
	}
	return p
}

// quietly waits for the caller of a line that answers quietly. It changes the options' time limit to what is left of it, and returns the
// reason to hang up, or nil when the dialog may begin.
func (h *handler) quietly(ctx context.Context, c *port.Call, g *pppGuard, o *dialog.Options) *port.Outcome {
	began := time.Now()
	left, err := awaitCaller(ctx, g, o.Timeout)
	waited := time.Since(began).Round(time.Millisecond)
	switch {
	case err == nil:
		o.Timeout = left
		h.calls.step(c.ID, fmt.Sprintf("quiet: the caller sent something readable after %s", waited))
		return nil
	case g.found():
		return &port.Outcome{Cause: port.UserError, Reason: "the caller started PPP before the dialog was over"}
	case ctx.Err() == nil && errors.Is(err, os.ErrDeadlineExceeded):
		return &port.Outcome{Cause: port.SessionTimeout, Reason: fmt.Sprintf("quiet: the caller sent nothing readable within %s", waited)}
	default:
		return &port.Outcome{Reason: "the call ended while the line kept quiet"}
	}
}
