package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
	"github.com/gatehouse-mcp/gatehouse/host/internal/develop"
	"github.com/gatehouse-mcp/gatehouse/host/internal/plugintest"
)

// pluginTest is what plugin test is told.
type pluginTest struct {
	samples    string
	only       []string
	requireAll bool
	json       bool
	list       bool
}

// testPluginCommand holds a program to what a host expects of a plugin.
func (a *app) testPluginCommand() *cobra.Command {
	var o pluginTest
	cmd := &cobra.Command{
		Use:   "test BINARY",
		Short: "Hold a plugin, in whatever language, to the contract",
		Long: `Test starts a plugin as a host does, and as no host would, and reports what it sees: how it starts,
what it says of itself, how it takes bad requests, and what is left of a call that is cancelled, runs out of
time, or whose plugin is killed.

Calls are made with the samples of a file, or with those examples of the tools' input schemas that name a
declared target; without them what needs a call is not tested. Their targets must lie in 127.0.0.0/8: the test
sends nothing elsewhere, and an argument that is not declared as a target is for you to look after.

  [{"tool": "PortTool",
    "quick": {"target": "127.0.0.1", "port": "{{http_port}}"},
    "slow":  {"target": "127.0.0.1", "port": "{{silent_port}}"},
    "flood": {"target": "127.0.0.1", "port": "{{flood_port}}"}}]

quick succeeds within seconds, slow runs for half a minute unless it is ended, flood prints without end, and
"flood": false says of a tool that it prints little; each may be left out. {{silent_port}}, {{flood_port}},
{{http_port}}, {{https_port}} and {{dns_port}} are servers that the test opens.

Exit codes: 0 when nothing fails, 1 when something does (with --require-all: or was not tested), 2 for wrong
flags and samples.`,
		Example: `  gatehouse plugin test ./port
  gatehouse plugin test ./port --samples samples.json --require-all
  gatehouse plugin test ./port --only cancel --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if o.list {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.list {
				return plugintest.PrintChecks(a.stdout)
			}
			return a.testPlugin(cmd.Context(), o, args[0])
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.samples, "samples", "", "file with the calls to be made, JSON")
	f.StringSliceVar(&o.only, "only", nil, "make this check alone; may be repeated")
	f.BoolVar(&o.requireAll, "require-all", false, "fail when something was not tested")
	f.BoolVar(&o.json, "json", false, "print the report as JSON")
	f.BoolVar(&o.list, "list", false, "print what is checked, and end")
	return cmd
}

func (a *app) testPlugin(ctx context.Context, o pluginTest, file string) error {
	path, err := filepath.Abs(file)
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	cfg := plugintest.Config{Path: path, Only: o.only, Policy: config.Default().PluginPolicy}
	peers, err := plugintest.OpenPeers(ctx)
	if err != nil {
		return failure(err)
	}
	defer peers.Close()
	if o.samples != "" {
		if cfg.Samples, err = readSamples(o.samples, peers); err != nil {
			return &exitError{code: exitUsage, err: err}
		}
	}
	var printing error
	if !o.json {
		cfg.Progress = func(f plugintest.Finding) { printing = errors.Join(printing, f.Print(a.stdout)) }
	}
	report, err := plugintest.Run(ctx, cfg)
	switch {
	case ctx.Err() != nil:
		return failure(context.Cause(ctx))
	case err != nil:
		return &exitError{code: exitUsage, err: err}
	case o.json:
		printing = writeJSON(a.stdout, report)
	default:
		_, err := fmt.Fprintf(a.stdout, "\n%s\n", report.Summary())
		printing = errors.Join(printing, err)
	}
	if printing != nil {
		return failure(printing)
	}
	if !report.OK(o.requireAll) {
		return &exitError{code: exitFailure}
	}
	return nil
}

func readSamples(file string, peers *plugintest.Peers) ([]plugintest.Sample, error) {
	f, err := develop.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	samples, err := plugintest.ReadSamples(f, peers)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return samples, nil
}
