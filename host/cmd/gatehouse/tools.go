package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func (a *app) toolsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "tools", Short: "List the tools, and what keeps others from being there", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withHost(cmd.Context(), "", func(h *host) error { return a.listTools(h, asJSON) })
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON, schemas included")
	cmd.AddCommand(
		a.switchCommand("enable", "Let a tool be called again, in every host of this state directory"),
		a.switchCommand("disable", "Refuse all calls of a tool, in every host of this state directory and after restarts"))
	return cmd
}

// listed is a tool as tools --json prints it.
type listed struct {
	Name         string          `json:"name"`
	Enabled      bool            `json:"enabled"`
	Plugin       string          `json:"plugin"`
	Version      string          `json:"plugin_version"`
	Description  string          `json:"description"`
	InputSchema  json.RawMessage `json:"input_schema"`
	OutputSchema json.RawMessage `json:"output_schema"`
}

func (a *app) listTools(h *host, asJSON bool) error {
	var all []listed
	for _, e := range h.fleet.Catalog().Entries() {
		all = append(all, listed{
			Name: e.Spec.Name, Enabled: e.Settings.Enabled, Plugin: e.Plugin, Version: e.Version,
			Description: e.Spec.Description, InputSchema: e.Spec.InputSchema, OutputSchema: e.Spec.OutputSchema,
		})
	}
	h.printProblems(a.stderr)
	if asJSON {
		return failure(writeJSON(a.stdout, map[string]any{"tools": all, "total": len(all)}))
	}
	if len(all) == 0 {
		return failure(fmt.Errorf("no tools; drop a compiled plugin into %s",
			strings.Join(h.config().Plugins.Dirs, " or ")))
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TOOL\tPLUGIN\tVERSION\tSTATE\tDESCRIPTION")
	for _, t := range all {
		state := map[bool]string{true: "enabled", false: "disabled"}[t.Enabled]
		first, _, _ := strings.Cut(t.Description, ". ")
		first, _, _ = strings.Cut(first, "\n")
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", t.Name, t.Plugin, plain(t.Version), state, plain(first))
	}
	return failure(w.Flush())
}
