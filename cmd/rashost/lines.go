package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"rashost/internal/admin"
)

func newLinesCommand(a *app) *cobra.Command {
	var asJSON, watch bool
	cmd := &cobra.Command{
		Use:   "lines [LINE]",
		Short: "the state of every line, or one in detail",
		Long: "Shows the state of every line; with LINE that of one in detail, with what happened there last. With --watch it goes on: on a terminal the table is drawn anew at each change, elsewhere each\n" +
			"change is a line of its own (with --json a JSON object).",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && !watch {
				return nil
			}
			return arguments()(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			client, err := a.dial(ctx)
			if err != nil {
				return err
			}
			defer client.Close()
			switch {
			case len(args) == 1:
				return a.showLine(ctx, client, args[0], asJSON)
			case watch && asJSON:
				return client.Watch(ctx, a.printEvent)
			case watch && a.terminal():
				return a.watchScreen(ctx, client)
			case watch:
				return a.watchChanges(ctx, client)
			}
			reply, err := client.Lines(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(reply)
			}
			writeLines(a.stdout, reply.Lines)
			writeHealth(a.stdout, reply.Health)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON (docs/json.md)")
	cmd.Flags().BoolVar(&watch, "watch", false, "go on and show changes as they happen")
	return cmd
}

func writeLines(w io.Writer, lines []admin.LineView) {
	if len(lines) == 0 {
		fmt.Fprintln(w, "no lines")
		return
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "LINE\tSTATE\tCONDITION\tSINCE\tCALLER\tUSER\tCALLS\tREMARK")
	for _, l := range lines {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", cell(l.Name, 64), cell(l.State, 20), cell(l.Condition, 20), clock(l.Since),
			cell(l.CallerID, 24), cell(l.User, 32), l.Calls, cell(remark(l), 200))
	}
	_ = t.Flush() // as with every print: who reads has gone
}

// remark says why a line is as it is, and when that may change.
func remark(l admin.LineView) string {
	var parts []string
	if l.Reason != "" {
		parts = append(parts, l.Reason)
	}
	if l.Pending != "" {
		parts = append(parts, l.Pending)
	}
	switch {
	case l.Armed != nil:
		parts = append(parts, armText(*l.Armed))
	case l.Answer == "armed":
		parts = append(parts, "not armed")
	}
	if !l.NextTry.IsZero() {
		parts = append(parts, "next try "+clock(l.NextTry))
	}
	return strings.Join(parts, "; ")
}

// clock is a time in the operator's zone, "-" for none.
func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// writeHealth says what is wrong with the daemon; nothing when all is well.
func writeHealth(w io.Writer, h admin.HealthView) {
	if r := h.Records; h.PID != 0 && !r.OK {
		fmt.Fprintf(w, "\nRECORDS ARE NOT SAVED since %s: %s (%d wait in memory, %d lost)\n", clock(r.Since), onScreen(r.Reason), r.Unsaved, r.Lost)
	}
	if n := h.Dialogs.WorkersStuck; n > 0 {
		fmt.Fprintf(w, "\n%d plugin workers do not end: see the log\n", n)
	}
}

func (a *app) printEvent(e admin.Event) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.stdout, safeJSON(b))
	return err
}

// watchChanges prints each change of a line's state as a line of text.
func (a *app) watchChanges(ctx context.Context, client *admin.Client) error {
	said := ""
	return client.Watch(ctx, func(e admin.Event) error {
		var err error
		if health := healthText(ctx, client); health != said {
			said = health
			_, err = io.WriteString(a.stdout, cmp.Or(strings.TrimPrefix(health, "\n"), "records are saved, no plugin is stuck\n"))
		}
		if err != nil {
			return err
		}
		switch {
		case e.Type == admin.EventLine && e.Line != nil:
			l := e.Line
			_, err = fmt.Fprintf(a.stdout, "%s %s %s caller=%s user=%s %s\n", clock(e.At), cell(l.Name, 64), cell(l.State, 20),
				cell(l.CallerID, 24), cell(l.User, 32), cell(remark(*l), 200))
		case e.Type == admin.EventRemoved:
			_, err = fmt.Fprintf(a.stdout, "%s %s removed\n", clock(e.At), cell(e.Name, 64))
		}
		return err
	})
}

// What a terminal understands: from the top left, clear to the end of the line, clear what is below.
const (
	home      = "\x1b[H"
	eraseLine = "\x1b[K\n"
	eraseRest = "\x1b[J"
)

// watchScreen draws the table anew whenever something has changed, once for changes that come together.
func (a *app) watchScreen(ctx context.Context, client *admin.Client) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events, ended := make(chan admin.Event), make(chan error, 1)
	go func() {
		ended <- client.Watch(ctx, func(e admin.Event) error {
			select {
			case events <- e:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	var lines []admin.LineView
	fmt.Fprint(a.stdout, home+eraseRest)
	for {
		select {
		case e := <-events:
			lines = applyEvent(lines, e)
		case err := <-ended:
			return err
		}
		for more := true; more; {
			select {
			case e := <-events:
				lines = applyEvent(lines, e)
			case <-time.After(20 * time.Millisecond): // far below what an eye sees
				more = false
			}
		}
		if _, err := io.WriteString(a.stdout, screen(lines, healthText(ctx, client))); err != nil {
			cancel()
			return errors.Join(err, <-ended)
		}
	}
}

// applyEvent keeps the table of lines up to date, in the order in which they came.
func applyEvent(lines []admin.LineView, e admin.Event) []admin.LineView {
	named := func(name string) int {
		return slices.IndexFunc(lines, func(l admin.LineView) bool { return l.Name == name })
	}
	switch {
	case e.Type == admin.EventLine && e.Line != nil:
		if i := named(e.Line.Name); i >= 0 {
			lines[i] = *e.Line
			return lines
		}
		return append(lines, *e.Line)
	case e.Type == admin.EventRemoved:
		if i := named(e.Name); i >= 0 {
			return slices.Delete(lines, i, i+1)
		}
	}
	return lines
}

// healthText is what writeHealth says now, "" when all is well. A daemon that does not answer ends the watch itself.
func healthText(ctx context.Context, client *admin.Client) string {
	var b strings.Builder
	if h, err := client.Health(ctx); err == nil {
		writeHealth(&b, h)
	}
	return b.String()
}

func screen(lines []admin.LineView, health string) string {
	var b strings.Builder
	writeLines(&b, lines)
	b.WriteString(health)
	return home + strings.ReplaceAll(b.String(), "\n", eraseLine) + eraseRest
}
