package main

import (
	"github.com/spf13/cobra"

	"rashost/internal/config"
)

func newSchemaCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "a JSON schema of config.yaml, or of a modem profile, for editors",
		Args:  unknownCommand,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(config.Schema())
			return err
		},
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "profile",
		Short: "a JSON schema of a modem profile",
		Args:  arguments(),
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(config.ProfileSchema())
			return err
		},
	})
	return cmd
}
