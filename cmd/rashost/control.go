package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func newHangupCommand(a *app) *cobra.Command {
	return newControlCommand(a, "hangup", "end the call of a line", "hung up",
		"Ends the call of LINE, whether it is in its dialog or its session. The record says Admin-Reset.")
}

func newDisableCommand(a *app) *cobra.Command {
	cmd := newControlCommand(a, "disable", "take a line out of service", "disabled",
		"Takes LINE out of service: a call is ended, no other is answered, until `rashost enable LINE` or the next start.\n"+
			"With --when-idle a call in hand ends by itself first; `rashost enable LINE` takes that back meanwhile.")
	var whenIdle bool
	cmd.Flags().BoolVar(&whenIdle, "when-idle", false, "take no new calls, and wait for the end of the one in hand")
	now := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if whenIdle {
			return a.control(cmd.Context(), "drain", args[0], "disabled, at once or when its call is over")
		}
		return now(cmd, args)
	}
	return cmd
}

func newEnableCommand(a *app) *cobra.Command {
	return newControlCommand(a, "enable", "put a disabled line back into service", "enabled",
		"Puts LINE back into service after `rashost disable LINE`.")
}

func newResetCommand(a *app) *cobra.Command {
	return newControlCommand(a, "reset", "hang up a line and initialise it anew", "reset",
		"Ends the call of LINE, if there is one, and initialises it anew; also a quarantined one, at once.")
}

func newControlCommand(a *app, name, short, done, long string) *cobra.Command {
	return &cobra.Command{
		Use: name + " LINE", Short: short, Long: long, Args: arguments("LINE"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.control(cmd.Context(), name, args[0], done) },
	}
}

// control asks the daemon to do something to a line, and says that it was done.
func (a *app) control(ctx context.Context, action, line, done string) error {
	client, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Do(ctx, action, line); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "%s: %s\n", cell(line, 64), done)
	return nil
}
