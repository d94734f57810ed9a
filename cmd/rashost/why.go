package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"rashost/internal/admin"
	"rashost/internal/record"
)

func newWhyCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "why CALL|LINE",
		Short: "the decision chain of one call, or what happened on a line, in plain words",
		Long: "Says what was decided about a call, and why. CALL is its id from `rashost calls`, or the beginning of it. With the name of a\n" +
			"line it says what happened there besides calls: faults, and what was done about them. It also works while rashost is not running.",
		Args: arguments("CALL|LINE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			call, err := a.findCall(cmd.Context(), args[0])
			if errors.Is(err, admin.ErrNotFound) || errors.Is(err, record.ErrNotFound) {
				return a.whyLine(cmd.Context(), args[0], asJSON, err)
			}
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(call)
			}
			fmt.Fprintln(a.stdout, strings.TrimRight(onScreen(call.Why), "\n"))
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON (docs/json.md)")
	return cmd
}

// findCall asks the daemon; without one it reads the records.
func (a *app) findCall(ctx context.Context, id string) (admin.CallView, error) {
	client, err := a.dial(ctx)
	if err == nil {
		defer client.Close()
		return client.Call(ctx, id)
	}
	var call admin.CallView
	err = a.withRecords(err, func(r *record.Reader) error {
		row, err := r.Call(ctx, id)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("call %q: there are no records yet", id)
		}
		if err != nil {
			return err
		}
		call = callView(row)
		call.Why = record.Why(row)
		return nil
	})
	return call, err
}
