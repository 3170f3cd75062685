package main

import (
	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/internal/config"
)

func (a *app) configCommand() *cobra.Command {
	c := group("config", "Print an example of the file of settings")
	c.AddCommand(&cobra.Command{
		Use: "example", Short: "Print a file of all settings, with what they mean and their defaults in comments", Args: exactly(),
		Example: "  tidemark config example > tidemark.yaml\n  tidemark serve --config tidemark.yaml",
		RunE:    func(*cobra.Command, []string) error { return config.Example(a.stdout) },
	})
	return c
}
