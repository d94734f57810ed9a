package main

import "github.com/spf13/cobra"

func newModemCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "modem", Short: "lint: is this init string, or this profile, right?", Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newModemLintCommand(a))
	return cmd
}
