package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"rashost/dialog"
	"rashost/internal/service"
	"rashost/plugin"
	"rashost/port"
	"rashost/port/modem"
)

// handler takes an answered call through the security dialog and the service. It is the only place that knows both.
type handler struct {
	house  atomic.Pointer[house]
	dialog *dialog.Host
	calls  *callBook
	log    *slog.Logger
}

// ServeCall implements port.Handler. When it returns, the line is hung up.
func (h *handler) ServeCall(ctx context.Context, c *port.Call) port.Outcome {
	use := h.hold(c)
	defer use.release()
	log := h.log.With("line", c.Line, "call", c.ID)
	if use.dialog == nil || use.dialog.plugin == nil || use.service == nil {
		return port.Outcome{Cause: port.NASError, Reason: "the line has no usable dialog and service"}
	}
	if err := h.calls.awaitStart(ctx, c); err != nil {
		log.Warn("call not served", "reason", err.Error())
		return port.Outcome{Cause: port.NASError, Reason: err.Error()}
	}
	outcome, refused := h.runDialog(ctx, c, use, log)
	if refused != nil {
		return *refused
	}
	return h.runService(ctx, c, use, outcome, log)
}

// use is what the configuration in force says of a call.
func (h *handler) use(c *port.Call) lineUse { return h.house.Load().lines[c.Line].of(c.CallerID) }

// hold is use for a call that runs a dialog on the plugin: until release, a reload does not close it.
func (h *handler) hold(c *port.Call) lineUse {
	for {
		if u := h.use(c); u.dialog == nil || u.dialog.hold() {
			return u
		}
	}
}

// runDialog runs the security dialog and records its verdict. It returns the reason to hang up, or nil when the caller is let in.
func (h *handler) runDialog(ctx context.Context, c *port.Call, use lineUse, log *slog.Logger) (dialog.Outcome, *port.Outcome) {
	guard := newPPPGuard(c)
	options := use.dialog.options
	options.DeviceName = c.DeviceName
	options.Call = plugin.Call{
		ID: c.ID, Line: c.Line, Device: c.Device, DeviceName: c.DeviceName,
		CallerID: callerNumber(c), Called: c.CallerID.Called, Connect: c.Connect.Text, Trusted: use.trusted,
	}
	if use.quiet {
		if over := h.quietly(ctx, c, guard, &options); over != nil {
			return dialog.Outcome{}, over
		}
	}
	ctx, cancel := dialogContext(ctx)
	defer cancel(nil)
	out := h.dialog.Run(ctx, guard, use.dialog.plugin, options)
	h.calls.verdict(c.ID, out, use)
	switch {
	case guard.found():
		return out, &port.Outcome{Cause: port.UserError, Reason: "the caller started PPP before the dialog was over"}
	case !out.Granted():
		return out, refusal(out)
	}
	log.Info("let in", "event", plugin.EventAuthSuccess.String(), "user", out.User, "service", use.serviceName)
	c.Unread(typedAhead(guard.unread(out.Unread), use.raw))
	return out, nil
}

// dialogContext tells the dialog's word for the end of the service apart from that of a lost line.
func dialogContext(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	inner, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		cause := context.Cause(ctx)
		if errors.Is(cause, port.ErrShutdown) {
			cause = dialog.ErrStop
		}
		cancel(cause)
	})
	return inner, func(cause error) { stop(); cancel(cause) }
}

// typedAhead is what the service gets first. A caller whose Enter key sends CR LF has left the LF of the last answer: only PPP, which
// looks for its frames anyway, gets it.
func typedAhead(unread []byte, raw bool) []byte {
	if !raw && len(unread) > 0 && (unread[0] == '\n' || unread[0] == 0) {
		return unread[1:]
	}
	return unread
}

// runService gives the line to the service and records how the session ended.
func (h *handler) runService(ctx context.Context, c *port.Call, use lineUse, out dialog.Outcome, log *slog.Logger) port.Outcome {
	c.Session(out.User)
	h.calls.step(c.ID, fmt.Sprintf("service %s began for %s", use.serviceName, out.User))
	res := use.service.Run(ctx, c, service.Caller{
		User: out.User, Domain: out.Domain, Line: c.Line, CallID: c.ID, CallerID: callerNumber(c), Connect: c.Connect.Text,
		Note: func(what string) { h.calls.step(c.ID, what) },
	})
	h.calls.session(c.ID, res)
	attrs := []any{"event", plugin.EventUserActiveTime.String(), "user", out.User, "service", use.serviceName, "in", res.In, "out", res.Out}
	if res.Exit != "" {
		attrs = append(attrs, "exit", res.Exit)
	}
	if res.Event != 0 {
		log.Error("the service ended the call", "event", res.Event.String(), "user", out.User, "why", res.Reason)
	}
	if res.Err != nil {
		attrs = append(attrs, "error", res.Err.Error())
	}
	log.Info("session ended", attrs...)
	return port.Outcome{Cause: res.Cause, Reason: res.Reason}
}

// refusal says how the record of a call reads that the dialog did not let in (docs/adr/0004).
func refusal(out dialog.Outcome) *port.Outcome {
	o := port.Outcome{Cause: port.NASError}
	switch out.Ended {
	case dialog.Completed:
		if out.Verdict == plugin.Failure {
			o.Cause = port.ServiceUnavailable
			o.Reason = "refused by the dialog"
			return &o
		}
		o.Reason = "the dialog could not decide: " + out.Code.Error()
	case dialog.LimitReached:
		o.Cause, o.Reason = port.SessionTimeout, "the dialog's time limit was reached"
	case dialog.Dropped, dialog.Stopped:
		o.Cause, o.Reason = 0, "the call ended during the dialog"
	default:
		o.Reason = "the plugin failed: " + out.Code.Error()
	}
	return &o
}

// callerNumber is the caller id as plugins and services see it: the number, "P" when withheld, "O" out of area, "" when absent.
func callerNumber(c *port.Call) string {
	switch c.CallerID.Status {
	case modem.Withheld:
		return "P"
	case modem.OutOfArea:
		return "O"
	default:
		return c.CallerID.Number
	}
}

// errRecordsDown is why new calls are refused while records can't be written and records.on_failure says `refuse`.
var errRecordsDown = errors.New("records can't be written, and records.on_failure is refuse")
