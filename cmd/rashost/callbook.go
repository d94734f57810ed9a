package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"rashost/dialog"
	"rashost/internal/record"
	"rashost/internal/service"
	"rashost/plugin"
	"rashost/port"
	"rashost/port/modem"
)

// callBook writes the record of every call: it is the lines' observer, and the handler tells it what was decided.
type callBook struct {
	store   *record.Store
	policy  func() recordPolicy
	use     func(c *port.Call) lineUse
	changed func(line string) // the state of a line has changed
	armed   func(line string) string
	log     *slog.Logger

	mu   sync.Mutex
	open map[string]*openCall
}

// recordPolicy is the configuration's `records`.
type recordPolicy struct{ refuse, unknownNames bool }

// openCall is what the book keeps of a call until its end.
type openCall struct {
	start   *record.Ticket
	user    string // as recorded
	exit    string
	events  []plugin.EventID
	session bool
}

// bookOptions is what a callBook asks of the daemon.
type bookOptions struct {
	policy  func() recordPolicy
	use     func(c *port.Call) lineUse
	changed func(line string)
	armed   func(line string) string // who armed the line, "" for nobody; nil: no line can be armed
}

func newCallBook(store *record.Store, o bookOptions, log *slog.Logger) *callBook {
	return &callBook{store: store, policy: o.policy, use: o.use, changed: o.changed, armed: o.armed, log: log, open: map[string]*openCall{}}
}

// Answering queues the start row, before the phone is answered.
func (b *callBook) Answering(_ context.Context, c *port.Call) error {
	if b.policy().refuse && !b.store.Health().OK {
		return errRecordsDown
	}
	use := b.use(c)
	ticket := b.store.Start(record.Row{
		ID: c.ID, Line: c.Line, Device: c.Device, Start: c.Start, Dialog: use.dialogName, Plugin: use.pluginName(),
		CallerNumber: c.CallerID.Number, CallerName: c.CallerID.Name, CallerStatus: callerStatus(c), Called: c.CallerID.Called,
	})
	if b.armed != nil && b.armed(c.Line) != "" {
		b.step(c.ID, "the line is "+b.armed(c.Line))
	}
	if use.route != "" {
		b.step(c.ID, fmt.Sprintf("routed by %s: dialog %s, service %s", use.route, use.dialogName, use.serviceName))
	}
	b.mu.Lock()
	b.open[c.ID] = &openCall{start: ticket}
	b.mu.Unlock()
	return nil
}

// NotAnswered writes the whole record of a call that the line's policy left unanswered.
func (b *callBook) NotAnswered(c *port.Call, why string) {
	b.store.Start(record.Row{
		ID: c.ID, Line: c.Line, Device: c.Device, Start: c.Start,
		CallerNumber: c.CallerID.Number, CallerName: c.CallerID.Name, CallerStatus: callerStatus(c), Called: c.CallerID.Called,
	})
	reason := "not answered: " + why
	steps := []record.Step{{What: reason}}
	if c.Rings > 0 {
		steps[0].What += fmt.Sprintf(" (decided at ring %d)", c.Rings)
	}
	if doubt := c.CallerID.Doubt(); doubt != "" {
		steps = append(steps, record.Step{What: doubt})
	}
	b.store.End(c.ID, record.EndUpdate{Cause: port.NASRequest, Reason: reason, Steps: steps})
	b.changed(c.Line)
}

// awaitStart waits until the start row is on disk: no dialog begins before. When rows can't be written, the policy decides.
func (b *callBook) awaitStart(ctx context.Context, c *port.Call) error {
	call := b.call(c.ID)
	if call == nil {
		return nil
	}
	b.store.Answered(c.ID, record.AnswerUpdate{
		At: c.ConnectedAt, CallerNumber: c.CallerID.Number, CallerName: c.CallerID.Name, CallerStatus: callerStatus(c), Called: c.CallerID.Called,
		Connect: c.Connect.Text,
	})
	if err := call.start.Wait(ctx); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if b.policy().refuse {
			return errRecordsDown
		}
	}
	return nil
}

// knower is a plugin that can say whether a name is one of its own; others' names are masked in the record.
type knower interface{ KnownUser(name string) bool }

// verdict records how the dialog ended.
func (b *callBook) verdict(id string, out dialog.Outcome, use lineUse) {
	u := record.VerdictUpdate{
		Dialog: use.dialogName, Plugin: use.dialog.pluginName, Verdict: out.Verdict, Code: out.Code,
		User: out.User, Domain: out.Domain,
	}
	if out.Event != 0 {
		u.Events = append(u.Events, out.Event)
	}
	if out.Granted() {
		u.Events = append(u.Events, plugin.EventAuthSuccess)
		u.Service = use.serviceName
	} else if !b.policy().unknownNames {
		k, ok := use.dialog.plugin.(knower)
		if u.User != "" && (!ok || !k.KnownUser(u.User)) {
			u.User = record.MaskName(u.User)
			u.Domain = ""
		}
	}
	for _, s := range out.Steps {
		u.Steps = append(u.Steps, record.Step{At: s.At, What: s.What})
	}
	b.store.Verdict(id, u)
	if call := b.call(id); call != nil {
		b.mu.Lock()
		call.user, call.session = u.User, out.Granted()
		b.mu.Unlock()
	}
}

// step adds one line to the decision chain.
func (b *callBook) step(id, what string) { b.store.Step(id, record.Step{What: what}) }

// session records how the service ended.
func (b *callBook) session(id string, res service.Result) {
	what := "the session ended"
	if res.Reason != "" {
		what += ": " + res.Reason
	}
	b.step(id, what)
	call := b.call(id)
	if call == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	call.exit = res.Exit
	call.events = append(call.events, plugin.EventUserActiveTime)
	if res.Event != 0 {
		call.events = append(call.events, res.Event)
	}
	if res.Cause == port.UserRequest {
		call.events = append(call.events, plugin.EventUserDisconnected)
	}
}

// Ended closes the row.
func (b *callBook) Ended(c *port.Call, e port.End) {
	b.mu.Lock()
	call := b.open[c.ID]
	delete(b.open, c.ID)
	b.mu.Unlock()
	if call == nil {
		return
	}
	update := record.EndUpdate{
		At: e.At, Cause: e.Cause, Reason: e.Reason, In: e.In, Out: e.Out, Exit: call.exit, Events: call.events,
	}
	if e.Cause == port.PortError {
		update.Events = append(update.Events, plugin.EventDeviceNotFunctioning)
	}
	if call.session && e.Cause == port.LostCarrier {
		update.Events = append(update.Events, plugin.EventUserDisconnected)
	}
	for _, event := range update.Events {
		if event == plugin.EventUserDisconnected || event == plugin.EventDeviceNotFunctioning {
			b.log.Info("event of a call", "event", event.String(), "line", c.Line, "call", c.ID, "cause", e.Cause.String())
		}
	}
	for _, s := range e.Steps {
		update.Steps = append(update.Steps, record.Step{At: s.At, What: s.What})
	}
	b.store.End(c.ID, update)
	b.changed(c.Line)
}

// StateChanged wakes the watchers. What an operator must know of a line, the line has logged itself.
func (b *callBook) StateChanged(line string, _, _ port.State, _ string) { b.changed(line) }

// LineEvent keeps what happens on a line besides calls.
func (b *callBook) LineEvent(e port.LineEvent) { b.store.LineEvent(e) }

func (b *callBook) call(id string) *openCall {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open[id]
}

// callerStatus is the record's word for what the network said of the caller; "" when it said nothing.
func callerStatus(c *port.Call) string {
	if c.CallerID.Status == modem.Absent {
		return ""
	}
	return c.CallerID.Status.String()
}
