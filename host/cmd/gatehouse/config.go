package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
)

// configCommand looks at the configuration, and starts nothing.
func (a *app) configCommand() *cobra.Command {
	cmd := group("config", "Check, print or describe the configuration")
	show := &cobra.Command{
		Use: "print", Args: cobra.NoArgs,
		Short: "Print every key with its value in force and where that comes from; secrets are not shown",
	}
	asJSON := show.Flags().Bool("json", false, "print JSON")
	show.RunE = func(*cobra.Command, []string) error { return a.printConfig(*asJSON) }
	cmd.AddCommand(show,
		&cobra.Command{
			Use: "check", Short: "Say whether the configuration is fine, or all that is wrong with it",
			Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return a.checkConfig() },
		},
		&cobra.Command{
			Use: "schema", Short: "Print a JSON Schema of the configuration file, for editors", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return a.printSchema() },
		})
	return cmd
}

func (a *app) checkConfig() error {
	loaded, err := a.read()
	var problems config.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			fmt.Fprintln(a.stderr, p)
		}
		return &exitError{code: exitUsage}
	}
	if err != nil {
		return err
	}
	for _, w := range loaded.Warnings {
		fmt.Fprintln(a.stderr, "warning:", w)
	}
	for _, name := range config.UnknownVariables(a.environ) {
		fmt.Fprintln(a.stderr, "warning: environment", line(name)+": looks like a setting and is none")
	}
	what := "the configuration (no file)"
	if loaded.File != "" {
		what = line(loaded.File)
	}
	_, err = fmt.Fprintf(a.stdout, "%s: fine\n", what)
	return failure(err)
}

func (a *app) printConfig(asJSON bool) error {
	loaded, err := a.read()
	if err != nil {
		return err
	}
	if asJSON {
		return failure(writeJSON(a.stdout, map[string]any{
			"file": loaded.File, "config": loaded.Config.Redacted(), "origins": loaded.Origins,
			"warnings": loaded.Warnings,
		}))
	}
	return failure(loaded.Print(a.stdout))
}

func (a *app) printSchema() error {
	schema, err := config.Schema()
	if err != nil {
		return failure(err)
	}
	_, err = a.stdout.Write(schema)
	return failure(err)
}
