package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"rashost/internal/admin"
	"rashost/internal/config"
	"rashost/internal/record"
)

func newCallsCommand(a *app) *cobra.Command {
	var asJSON bool
	var since string
	var q admin.CallQuery
	cmd := &cobra.Command{
		Use:   "calls",
		Short: "live calls and the record of past ones",
		Long:  "Lists calls, newest first. It also works while rashost is not running: then it reads the records themselves.",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if q.Since, err = sinceTime(since, time.Now()); err != nil {
				return usageError(err)
			}
			if q.Limit < 1 {
				return usageError(fmt.Errorf("--limit %d: must be at least 1", q.Limit))
			}
			reply, err := a.findCalls(cmd.Context(), q)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(reply)
			}
			if reply.Health.PID == 0 {
				fmt.Fprintln(a.stderr, "rashost is not running: these are its records")
			}
			writeCalls(a.stdout, reply.Calls)
			if len(reply.Calls) == q.Limit {
				fmt.Fprintf(a.stderr, "only the newest %d calls are shown: more with --limit\n", q.Limit)
			}
			writeHealth(a.stdout, reply.Health)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON (docs/json.md)")
	cmd.Flags().StringVar(&since, "since", "", "only calls that began since then: 90m, 24h, 7d, 2006-01-02 or 2006-01-02T15:04:05Z")
	cmd.Flags().StringVar(&q.Line, "line", "", "only calls on this line")
	cmd.Flags().StringVar(&q.User, "user", "", "only calls of this user")
	cmd.Flags().BoolVar(&q.Open, "live", false, "only calls that have not ended")
	cmd.Flags().IntVar(&q.Limit, "limit", 100, "at most so many")
	return cmd
}

// sinceTime reads a time, or how long ago it was. "" is the zero time.
func sinceTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(form, text, now.Location()); err == nil {
			return t, nil
		}
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n < 100_000 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	d, err := config.ParseDuration(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("--since %q: give a time such as 90m, 24h or 7d, or a date such as 2006-01-02", text)
	}
	return now.Add(-time.Duration(d)), nil
}

// notRunning is the health of a daemon that is not there.
func notRunning() admin.HealthView {
	return admin.HealthView{Records: admin.RecordsHealth{Reason: "rashost is not running"}}
}

// findCalls asks the daemon, which knows the newest; without one it reads the records.
func (a *app) findCalls(ctx context.Context, q admin.CallQuery) (admin.CallsReply, error) {
	client, err := a.dial(ctx)
	if err == nil {
		defer client.Close()
		return client.Calls(ctx, q)
	}
	reply := admin.CallsReply{Calls: []admin.CallView{}, Health: notRunning()}
	err = a.withRecords(err, func(r *record.Reader) error {
		rows, err := r.Calls(ctx, record.Query{Since: q.Since, Line: q.Line, User: q.User, Open: q.Open, Limit: q.Limit})
		if errors.Is(err, fs.ErrNotExist) {
			return nil // never served: no calls
		}
		for _, row := range rows {
			reply.Calls = append(reply.Calls, callView(row))
		}
		return err
	})
	return reply, err
}

// withRecords lets use read the records themselves, when why says that the daemon can't be asked because it isn't running.
func (a *app) withRecords(why error, use func(*record.Reader) error) error {
	if !errors.Is(why, admin.ErrNotRunning) {
		return why
	}
	p, err := a.places()
	if err != nil {
		return err
	}
	r, err := record.OpenReader(p.StateDir)
	if err != nil {
		return err
	}
	return errors.Join(use(r), r.Close())
}

// callView is a record as the control socket shows it, without Why.
func callView(r record.Row) admin.CallView {
	v := admin.CallView{
		ID: r.ID, Line: r.Line, Device: r.Device, Open: r.Open(), Start: r.Start, Answered: r.Answered, Decided: r.Decided, End: r.End,
		CallerNumber: r.CallerNumber, CallerName: r.CallerName, CallerStatus: r.CallerStatus, Called: r.Called, Connect: r.Connect,
		Dialog: r.Dialog, Plugin: r.Plugin, User: r.User, Domain: r.Domain, Verdict: r.Verdict.String(), Code: uint32(r.Code),
		Service: r.Service, OctetsIn: r.In, OctetsOut: r.Out, Cause: int(r.Cause), CauseName: r.Cause.String(), Reason: r.Reason, Exit: r.Exit,
	}
	if r.Code != 0 {
		v.CodeName = r.Code.String()
	}
	for _, e := range r.Events {
		v.Events = append(v.Events, uint32(e))
	}
	for _, s := range r.Steps {
		v.Steps = append(v.Steps, admin.StepView{At: s.At, What: s.What})
	}
	return v
}

func writeCalls(w io.Writer, calls []admin.CallView) {
	if len(calls) == 0 {
		fmt.Fprintln(w, "no calls")
		return
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "CALL\tSTART\tLINE\tCALLER\tUSER\tVERDICT\tSERVICE\tLASTED\tEND")
	for _, c := range calls {
		end, lasted := "live", "-"
		if !c.Open {
			end, lasted = c.CauseName, c.End.Sub(c.Start).Round(time.Second).String()
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", cell(c.ID, 40), clock(c.Start), cell(c.Line, 64), cell(callerText(c), 24),
			cell(c.User, 32), cell(c.Verdict, 10), cell(c.Service, 32), lasted, cell(end, 30))
	}
	_ = t.Flush() // as with every print: who reads has gone
}

// callerText is the number, or why there is none.
func callerText(c admin.CallView) string {
	if c.CallerNumber != "" {
		return c.CallerNumber
	}
	return c.CallerStatus
}
