package dialog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"time"

	"rashost/plugin"
)

// errClosed ends the workers of a transaction that is closed in order.
var errClosed = errors.New("dialog: the transaction is closed")

// maxPanicText bounds what a log line shows of a panic value.
const maxPanicText = 200

// startWorker runs work as a worker of the transaction. t.mu is held.
func (t *transaction) startWorker(work func(ctx context.Context)) {
	t.workers++
	t.host.count(func() { t.host.workers++; t.host.busy++ })
	labels := pprof.Labels("hport", strconv.FormatUint(uint64(t.hport), 10), "line", t.o.Call.Line)
	go func() {
		defer t.workerEnded()
		pprof.Do(t.workCtx, labels, func(ctx context.Context) {
			t.guard("worker", func() { work(ctx) }, t.crash)
		})
	}()
}

// guard runs f; when f panics, or leaves by runtime.Goexit, it logs that and calls crashed.
func (t *transaction) guard(what string, f, crashed func()) {
	done := false
	defer func() {
		if done {
			return
		}
		text := strconv.Quote(fmt.Sprint(recover()))
		t.say(slog.LevelError, "the plugin panicked", event(plugin.EventSecurityInternal), code(plugin.ErrorProcessAborted),
			slog.String("where", what), slog.String("panic", text[:min(len(text), maxPanicText)]), slog.String("stack", string(debug.Stack())))
		t.chain.add("the plugin panicked in %s", what)
		crashed()
	}()
	f()
	done = true
}

// workerEnded counts a worker out.
func (t *transaction) workerEnded() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.workers--
	if t.workers == 0 && t.stuckTimer != nil {
		t.stuckTimer.Stop()
	}
	t.host.count(func() {
		t.host.workers--
		t.host.busy--
		if t.stuck > 0 {
			t.host.stuck--
		}
	})
	if t.stuck > 0 {
		t.stuck--
	}
}

// watchWorkers reports the workers of a closed transaction that are still there after the grace. t.mu is held.
func (t *transaction) watchWorkers() {
	if t.workers == 0 {
		return
	}
	t.stuckTimer = time.AfterFunc(t.o.EndGrace, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.workers == 0 {
			return
		}
		t.stuck = t.workers
		t.host.count(func() { t.host.stuck += t.stuck })
		t.say(slog.LevelError, "workers of a closed transaction have not ended: the plugin is at fault, only a restart ends them",
			slog.Int("workers", t.workers))
	})
}
