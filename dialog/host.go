package dialog

import (
	"context"
	"log/slog"

	"rashost/plugin"
)

// Host is the security host. It implements plugin.Host and serves any number of lines and plugins at once.
type Host struct {
	registry
	log *slog.Logger
}

var _ plugin.Host = (*Host)(nil)

// New returns a Host that logs to log; nil discards.
func New(log *slog.Logger) *Host {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	h := &Host{log: log}
	h.open = make(map[plugin.HPORT]*transaction)
	h.overdue = make(map[string]int)
	return h
}

// Stats is a view of the host at one moment.
type Stats struct {
	// Open is the number of open transactions; Deferred is how many of them have lost their line and wait for their plugin (rule E7).
	Open, Deferred int
	// LateCalls counts the calls on HPORTs that were not open, since the start.
	LateCalls uint64
	// Workers is the number of worker goroutines; WorkersStuck is how many of them have outlived their transaction by EndGrace.
	Workers, WorkersStuck int
	// Unhealthy names the Go types of plugins with a Begin or End that is past its limit and has not returned (rule B3).
	Unhealthy []string
}

// Stats returns the present counters.
func (h *Host) Stats() Stats { return h.stats() }

// Shutdown waits until no transaction, worker or entry point of a plugin is left, or ctx ends; the error then says what is left. It
// ends nothing by itself: end the contexts of the Runs first.
func (h *Host) Shutdown(ctx context.Context) error { return h.wait(ctx) }

// Run holds one security dialog on line and blocks until its outcome. While it runs it alone reads and writes line; when it returns,
// no goroutine of it touches line any more and its deadlines are cleared. The end of ctx is a lost line, or a stop of the service when
// its cause is ErrStop.
//
// After an abort Run returns at once (rule E7); the transaction lives on in the host until its plugin has ended it or EndGrace is over.
func (h *Host) Run(ctx context.Context, line Line, p plugin.Plugin, o Options) Outcome {
	o, clamped := o.withDefaults()
	t := newTransaction(ctx, h, line, p, o)
	if clamped {
		t.say(slog.LevelWarn, "dialog timeout out of range, the nearest value is used", event(plugin.EventValueOutOfRange),
			slog.Duration("timeout", o.Timeout))
		t.chain.add("timeout out of range, %v is used", o.Timeout)
	}
	if !h.add(t) {
		t.endWork(errClosed)
		t.chain.add("no HPORT is left: the service must be restarted")
		return t.report(Outcome{
			Verdict: plugin.Error, Code: plugin.ErrorOutOfBuffers, Event: plugin.EventSecurityInternal, Ended: BeginRefused, Steps: t.chain.all(),
		})
	}
	h.enter()
	if t.begin() {
		t.loop()
	}
	out := t.report(t.finish())
	if t.state != stateClosed {
		go t.linger()
	} else {
		h.leave()
	}
	return out
}

// DialogSend implements plugin.Host (rasshost.h, RasSecurityDialogSend; rules T1 to T3).
func (h *Host) DialogSend(hport plugin.HPORT, buf []byte) plugin.Code {
	t := h.acquire(hport)
	if t == nil {
		return plugin.ErrorInvalidPortHandle
	}
	defer t.mu.Unlock()
	return t.send(buf)
}

// DialogReceive implements plugin.Host (rasshost.h, RasSecurityDialogReceive; rules R1 to R9).
func (h *Host) DialogReceive(hport plugin.HPORT, buf []byte, n *uint16, timeout uint32, ev *plugin.Event) plugin.Code {
	t := h.acquire(hport)
	if t == nil {
		return plugin.ErrorInvalidPortHandle
	}
	defer t.mu.Unlock()
	return t.receive(buf, n, timeout, ev)
}

// DialogGetInfo implements plugin.Host (rasshost.h, RasSecurityDialogGetInfo; rules G1 to G4).
func (h *Host) DialogGetInfo(hport plugin.HPORT, info *plugin.SecurityInfo) plugin.Code {
	t := h.acquire(hport)
	if t == nil {
		return plugin.ErrorInvalidPortHandle
	}
	defer t.mu.Unlock()
	if info == nil {
		return plugin.ErrorInvalidParameter
	}
	*info = plugin.SecurityInfo{LastError: t.lastError, BytesReceived: t.lastCount, DeviceName: t.o.DeviceName}
	return plugin.NoError
}

// DialogComplete implements plugin.Host (rasshost.h, RasSecurityDialogComplete). A message for an HPORT that is not open is counted
// and otherwise ignored (rule C1).
func (h *Host) DialogComplete(msg *plugin.SecurityMessage) {
	if msg == nil {
		h.count(func() { h.late++ })
		return
	}
	t := h.acquire(msg.HPort)
	if t == nil {
		h.log.Debug("a verdict for a closed transaction was ignored", slog.Uint64("hport", uint64(msg.HPort)))
		return
	}
	r := judge(msg)
	defer t.mu.Unlock()
	t.complete(r)
}

// Go implements plugin.Host.
func (h *Host) Go(hport plugin.HPORT, work func(ctx context.Context)) bool {
	t := h.acquire(hport)
	if t == nil {
		return false
	}
	defer t.mu.Unlock()
	t.startWorker(work)
	return true
}

// event is the log attribute of an event number.
func event(id plugin.EventID) slog.Attr { return slog.Uint64("event", uint64(id)) }

// code is the log attribute of a code.
func code(c plugin.Code) slog.Attr { return slog.Uint64("code", uint64(c)) }
