package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"text/tabwriter"

	"rashost/internal/admin"
	"rashost/internal/record"
)

// showLine prints one line in detail.
func (a *app) showLine(ctx context.Context, client *admin.Client, name string, asJSON bool) error {
	reply, err := client.Line(ctx, name)
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(reply)
	}
	writeLine(a.stdout, reply.Line)
	writeEvents(a.stdout, reply)
	writeHealth(a.stdout, reply.Health)
	return nil
}

// whyLine prints what happened on a line. No such line: noCall says that there is no such call either.
func (a *app) whyLine(ctx context.Context, name string, asJSON bool, noCall error) error {
	reply, err := a.findLine(ctx, name)
	switch {
	case errors.Is(err, admin.ErrNotFound):
		return fmt.Errorf("%w, and no line has that name", noCall)
	case err != nil:
		return err
	case asJSON:
		return a.printJSON(reply)
	}
	if reply.Line.State != "" {
		fmt.Fprintf(a.stdout, "Line %s is %s since %s", onScreen(name), cell(reply.Line.State, 20), clock(reply.Line.Since))
		if text := remark(reply.Line); text != "" {
			fmt.Fprintf(a.stdout, ": %s", onScreen(text))
		}
		fmt.Fprintln(a.stdout, ".")
	}
	writeEvents(a.stdout, reply)
	return nil
}

// findLine asks the daemon; without one it reads the records.
func (a *app) findLine(ctx context.Context, name string) (admin.LineReply, error) {
	client, err := a.dial(ctx)
	if err == nil {
		defer client.Close()
		return client.Line(ctx, name)
	}
	reply := admin.LineReply{Line: admin.LineView{Name: name}, Health: notRunning()}
	err = a.withRecords(err, func(r *record.Reader) error {
		events, err := r.Events(ctx, name, shownEvents)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if len(events) == 0 {
			return admin.NotFound(fmt.Errorf("line %q: nothing is kept of it", name))
		}
		reply.Events = eventViews(events)
		return nil
	})
	return reply, err
}

// writeLine prints what is known of a line, one fact a row.
func writeLine(w io.Writer, l admin.LineView) {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, fact := range []struct{ name, value string }{
		{"line", l.Name},
		{"device", l.Device},
		{"modem", modemText(l)},
		{"state", l.State},
		{"condition", l.Condition},
		{"since", clock(l.Since)},
		{"remark", remark(l)},
		{"call", l.CallID},
		{"caller", l.CallerID},
		{"user", l.User},
		{"calls", fmt.Sprintf("%d answered, %d missed", l.Calls, l.Missed)},
		{"failures", failuresText(l)},
	} {
		if fact.value != "" {
			fmt.Fprintf(t, "%s\t%s\n", fact.name, cell(fact.value, 300))
		}
	}
	_ = t.Flush() // as with every print: who reads has gone
}

// modemText is the line's modem profile, and why, where the modem was asked.
func modemText(l admin.LineView) string {
	if l.ModemWhy == "" {
		return l.Modem
	}
	return l.Modem + " (" + l.ModemWhy + ")"
}

func failuresText(l admin.LineView) string {
	if l.Failures == 0 {
		return ""
	}
	return fmt.Sprintf("%d in a row", l.Failures)
}

// writeEvents prints the last events of a line.
func writeEvents(w io.Writer, reply admin.LineReply) {
	if len(reply.Events) == 0 {
		fmt.Fprintln(w, "\nnothing has happened on it besides calls")
		return
	}
	fmt.Fprintf(w, "\nWhat happened besides calls, oldest first:\n")
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, e := range reply.Events {
		text := e.Text
		if e.Result != "" {
			text += ": " + e.Result
		}
		if e.Count > 1 {
			text += fmt.Sprintf(" (%d times)", e.Count)
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", clock(e.At), cell(e.Kind, 20), cell(text, 600))
	}
	_ = t.Flush()
}
