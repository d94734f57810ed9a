package main

import "github.com/spf13/cobra"

func newModemCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "modem", Short: "what modem is this, what does it say of callers, is its init string right?", Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newModemProbeCommand(a), newModemCallerIDCommand(a), newModemLintCommand(a))
	return cmd
}
