package external

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"log/slog"

	"rashost/plugin"
)

// Bounds of what a program may say on its standard error, in bytes.
const (
	errorLineMax  = 512
	errorLineCost = 128      // what a line counts beyond its text, because the log says more with each: the time, the line, the call
	errorsMax     = 64 << 10 // in one transaction; of a shared process: since the last Begin
)

// errorLog is what the log may still take of a program, and whom it speaks of.
type errorLog struct {
	left int
	call plugin.Call // of the transaction; of a shared process nothing
}

// begin makes room for the errors of a new transaction. A process that several lines share does not say which of them it speaks of.
func (e *errorLog) begin(call plugin.Call, sharing isolation) {
	e.left = errorsMax
	if sharing != shared {
		e.call = call
	}
}

// attrs are the line and the call, if known.
func (e *errorLog) attrs() []slog.Attr {
	if e.call.ID == "" && e.call.Line == "" {
		return nil
	}
	return []slog.Attr{slog.String("line", e.call.Line), slog.String("call", e.call.ID)}
}

// copyErrors is the goroutine that moves the program's standard error to the log. It reads on when there is no more room, so that the
// program never waits for it.
func (p *process) copyErrors() {
	r := bufio.NewReaderSize(p.child.stderr, errorLineMax)
	for rest := false; ; {
		part, err := r.ReadSlice('\n')
		if text := bytes.TrimRight(part, "\r\n"); !rest && len(text) > 0 {
			p.logError(text)
		}
		rest = errors.Is(err, bufio.ErrBufferFull) // the line goes on, and is cut
		if err != nil && !rest {
			return
		}
	}
}

// logError logs one line, as far as there is room.
func (p *process) logError(text []byte) {
	cost := len(text) + errorLineCost
	p.mu.Lock()
	left, attrs := p.errors.left, p.errors.attrs()
	p.errors.left -= cost
	p.mu.Unlock()
	if left <= 0 {
		return
	}
	ctx := context.Background()
	p.log.LogAttrs(ctx, slog.LevelInfo, "a plugin's program says", append(attrs, slog.String("text", quote(text, errorLineMax)))...)
	if left <= cost {
		p.log.LogAttrs(ctx, slog.LevelWarn, "a plugin's program says too much: more is dropped", append(attrs, slog.Int("limit", errorsMax))...)
	}
}
