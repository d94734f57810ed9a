package main

import (
	"github.com/spf13/cobra"

	"rashost/internal/config"
)

func newSchemaCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "a JSON schema of config.yaml, for editors",
		Args:  arguments(),
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(config.Schema())
			return err
		},
	}
}
