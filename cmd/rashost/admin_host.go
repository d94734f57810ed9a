package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"rashost/internal/admin"
	"rashost/internal/record"
	"rashost/port"
)

// adminHost is what the control socket shows and steers of a running daemon.
type adminHost struct {
	*admin.Hub
	daemon  *daemon
	started time.Time
}

// Lines implements admin.Host.
func (h *adminHost) Lines() []admin.LineView {
	snapshots := h.daemon.lines.Lines()
	views := make([]admin.LineView, 0, len(snapshots))
	for _, s := range snapshots {
		views = append(views, h.daemon.lineView(s))
	}
	return views
}

// shownEvents is how many events of a line are shown.
const shownEvents = 50

// Line implements admin.Host. The events of a line that a reload removed are shown as long as they are kept.
func (h *adminHost) Line(ctx context.Context, name string) (admin.LineReply, error) {
	events, err := h.daemon.store.Events(ctx, name, shownEvents)
	if err != nil {
		return admin.LineReply{}, err
	}
	s, ok := h.daemon.lines.Line(name)
	if !ok && len(events) == 0 {
		return admin.LineReply{}, admin.NotFound(fmt.Errorf("line %q: %w", name, port.ErrNoLine))
	}
	reply := admin.LineReply{Line: admin.LineView{Name: name}, Events: eventViews(events)}
	if ok {
		reply.Line = h.daemon.lineView(s)
	}
	return reply, nil
}

func eventViews(events []record.Event) []admin.LineEventView {
	views := make([]admin.LineEventView, 0, len(events))
	for _, e := range events {
		views = append(views, admin.LineEventView{At: e.At, Kind: e.Kind, Text: e.Text, Result: e.Result, Count: e.Count})
	}
	return views
}

func lineView(s port.Snapshot) admin.LineView {
	return admin.LineView{
		Name: s.Name, Device: s.Device, State: string(s.State), Condition: s.Condition, Since: s.Since, Reason: s.Reason,
		NextTry: s.NextTry, Pending: s.Pending, CallID: s.CallID, CallerID: s.CallerID, Connect: s.Connect, User: s.User, Calls: s.Calls,
		Modem: s.Modem, ModemWhy: s.ModemWhy, CallStart: s.CallStart, OctetsIn: s.In, OctetsOut: s.Out, Missed: s.Missed, Failures: s.Failures,
	}
}

// Calls implements admin.Host.
func (h *adminHost) Calls(ctx context.Context, q admin.CallQuery) ([]admin.CallView, error) {
	rows, err := h.daemon.store.Calls(ctx, record.Query{Since: q.Since, Line: q.Line, User: q.User, Open: q.Open, Limit: q.Limit})
	if err != nil {
		return nil, err
	}
	views := make([]admin.CallView, 0, len(rows))
	for _, r := range rows {
		views = append(views, callView(r))
	}
	return views, nil
}

// Call implements admin.Host.
func (h *adminHost) Call(ctx context.Context, id string) (admin.CallView, error) {
	row, err := h.daemon.store.Call(ctx, id)
	if errors.Is(err, record.ErrNotFound) {
		return admin.CallView{}, admin.NotFound(err)
	}
	if err != nil {
		return admin.CallView{}, err
	}
	view := callView(row)
	view.Why = record.Why(row)
	return view, nil
}

// Hangup implements admin.Host.
func (h *adminHost) Hangup(ctx context.Context, line string) error {
	return lineError(h.daemon.lines.Hangup(ctx, line))
}

// Disable implements admin.Host.
func (h *adminHost) Disable(ctx context.Context, line string) error {
	return lineError(h.daemon.lines.Disable(ctx, line))
}

// Drain implements admin.Host.
func (h *adminHost) Drain(ctx context.Context, line string) error {
	return lineError(h.daemon.lines.Drain(ctx, line))
}

// Enable implements admin.Host.
func (h *adminHost) Enable(ctx context.Context, line string) error {
	return lineError(h.daemon.lines.Enable(ctx, line))
}

// Reset implements admin.Host.
func (h *adminHost) Reset(ctx context.Context, line string) error {
	return lineError(h.daemon.lines.Reset(ctx, line))
}

// Lend implements admin.Host.
func (h *adminHost) Lend(ctx context.Context, line, to string) (admin.Loan, error) {
	loan, err := h.daemon.lines.Lend(ctx, line, to)
	if err != nil {
		return nil, lineError(err)
	}
	return loan, nil
}

// lineError gives the lines' errors the classes of the control socket.
func lineError(err error) error {
	switch {
	case errors.Is(err, port.ErrNoLine):
		return admin.NotFound(err)
	case errors.Is(err, port.ErrNotNow):
		return admin.Conflict(err)
	default:
		return err
	}
}

// Plugins implements admin.Host.
func (h *adminHost) Plugins() []admin.PluginView {
	return pluginViews(h.daemon.table, h.daemon.handler.house.Load())
}

// Health implements admin.Host.
func (h *adminHost) Health() admin.HealthView {
	records, dialogs := h.daemon.store.Health(), h.daemon.handler.dialog.Stats()
	return admin.HealthView{
		OK: records.OK, Started: h.started, PID: os.Getpid(), Config: h.daemon.handler.house.Load().config.File(),
		Records: admin.RecordsHealth{
			OK: records.OK, Reason: records.Reason, Since: records.Since, Unsaved: records.Unsaved, Lost: records.Lost,
		},
		Dialogs: admin.DialogsHealth{
			Open: dialogs.Open, Deferred: dialogs.Deferred, LateCalls: dialogs.LateCalls,
			Workers: dialogs.Workers, WorkersStuck: dialogs.WorkersStuck,
		},
	}
}
