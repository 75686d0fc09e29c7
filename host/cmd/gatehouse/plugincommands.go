package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/host/internal/httpdoor"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func (a *app) pluginsCommand() *cobra.Command {
	cmd := group("plugins", "List, show, restart, stop, start, pin and verify plugins")
	cmd.AddCommand(a.listPluginsCommand(), a.showPluginCommand(), a.pinCommand(), a.verifyCommand())
	for what, short := range map[httpdoor.PluginAction]string{
		httpdoor.PluginRestart: "Put another process in the place of a plugin's, without a failed call",
		httpdoor.PluginStop:    "Let a plugin finish its calls and end, until it is started or the host is",
		httpdoor.PluginStart:   "Start a plugin that was stopped, or try one again that is in quarantine",
	} {
		cmd.AddCommand(a.pluginActionCommand(what, short))
	}
	return cmd
}

func (a *app) listPluginsCommand() *cobra.Command {
	var o remote
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the plugins of the running host, or of one that would be started now",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := a.seePlugins(cmd.Context(), o)
			if err != nil {
				return err
			}
			if asJSON {
				return failure(writeJSON(a.stdout, list))
			}
			return failure(printPlugins(a.stdout, list))
		},
	}
	o.whereFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

func (a *app) showPluginCommand() *cobra.Command {
	var o remote
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show PLUGIN", Short: "Show all that is known of one plugin, named as itself or as its file",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := a.seePlugins(cmd.Context(), o)
			if err != nil {
				return err
			}
			v, err := httpdoor.Find(list, args[0])
			if e := tool.AsError(err); e != nil {
				return &exitError{code: exitRefused, err: fmt.Errorf("%s; %s", line(e.Message), line(e.Suggestion))}
			}
			if asJSON {
				return failure(writeJSON(a.stdout, v))
			}
			return failure(printPlugin(a.stdout, v))
		},
	}
	o.whereFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

// seePlugins asks the running host. Where none answers, it tells what a host would have that is started now.
func (a *app) seePlugins(ctx context.Context, o remote) (list httpdoor.PluginList, err error) {
	raw, err := a.ask(ctx, o, http.MethodGet, "/plugins")
	switch {
	case err == nil:
		if err := json.Unmarshal(raw, &list); err != nil {
			return list, failure(fmt.Errorf("read the answer: %w", err))
		}
		return list, nil
	case o.url != "" || !errors.Is(err, errNoHost):
		return list, err
	}
	fmt.Fprintf(a.stderr, "%s\nthis is what a host that is started now would have\n", line(err.Error()))
	err = a.withHost(ctx, "", func(h *host) error {
		list = pluginList(h.fleet)
		return nil
	})
	return list, err
}

func (a *app) pluginActionCommand(what httpdoor.PluginAction, short string) *cobra.Command {
	var o remote
	cmd := &cobra.Command{
		Use: string(what) + " PLUGIN", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := a.ask(cmd.Context(), o, http.MethodPost,
				"/plugins/"+url.PathEscape(args[0])+"/"+string(what))
			if err != nil {
				return err
			}
			var v httpdoor.PluginView
			if err := json.Unmarshal(raw, &v); err != nil {
				return failure(fmt.Errorf("read the answer: %w", err))
			}
			return a.printOutcome(v, what)
		},
	}
	o.flags(cmd)
	return cmd
}

// printOutcome says what a plugin is after somebody acted on it. One that is not what was wanted is a failure.
func (a *app) printOutcome(v httpdoor.PluginView, what httpdoor.PluginAction) error {
	fmt.Fprintf(a.stdout, "%s: %s\n", line(v.Name), v.State)
	if what == httpdoor.PluginStop {
		return nil
	}
	for _, wrong := range [][2]string{
		{v.Error, v.RecoverySuggestion}, {v.SuccessorError, v.SuccessorFix}, {notServing(v), "gatehouse plugins show " + v.Name},
	} {
		if wrong[0] != "" {
			return &exitError{code: exitUnable, err: errors.New(advised(wrong[0], wrong[1]))}
		}
	}
	return nil
}

// notServing is why a plugin that was started does not serve, when that is no error.
func notServing(v httpdoor.PluginView) string {
	if v.State == "stopped" {
		return v.Reason
	}
	return ""
}

// advised is what is wrong, and what to do about it.
func advised(wrong, fix string) string {
	if fix == "" {
		return line(wrong)
	}
	return line(wrong) + "; " + line(fix)
}

func (a *app) pinCommand() *cobra.Command {
	return &cobra.Command{
		Use: "pin", Args: cobra.NoArgs,
		Short: "Write down which bytes may run: plugins.lock, in each plugin directory",
		Long: `Pin starts each plugin once to learn what it offers, and writes plugins.lock into each plugin
directory: the sha256 of each file, its name, version and tools. From then on nothing else runs from there. A
host that is running takes a new lock file over by itself.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withoutPlugins(func(h *host) error {
				report, err := h.pinAll(cmd.Context())
				a.printPins(report)
				if e := tool.AsError(err); e != nil {
					return failure(fmt.Errorf("%s; %s", line(e.Message), line(e.Suggestion)))
				}
				if len(report.Problems) > 0 || len(report.Files) == 0 {
					return failure(fmt.Errorf("%d plugins pinned, %d not", len(report.Pinned), len(report.Problems)))
				}
				return nil
			})
		},
	}
}

func (a *app) printPins(r httpdoor.PinReport) {
	for _, p := range r.Pinned {
		fmt.Fprintf(a.stdout, "pinned %s %s  %s  %s\n", p.Name, plain(p.Version), p.SHA256, line(p.Dir+"/"+p.File))
	}
	for _, f := range r.Files {
		fmt.Fprintln(a.stdout, "wrote", line(f))
	}
	for _, p := range r.Problems {
		fmt.Fprintln(a.stderr, line(problemLine(p)))
	}
}

func (a *app) verifyCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "verify", Short: "Compare the plugins with their pins; 1 when anything differs", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			report := verifyAll(cfg.Plugins.Dirs)
			if asJSON {
				err = writeJSON(a.stdout, report)
			} else {
				err = printFindings(a.stdout, report)
			}
			if err == nil && !report.OK {
				return &exitError{code: exitFailure}
			}
			return failure(err)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

func printFindings(w io.Writer, r httpdoor.VerifyReport) error {
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%-10s  %s\n", f.Status, line(f.Path))
		if f.Status == httpdoor.FindingChanged {
			fmt.Fprintf(w, "            pinned %s\n            is     %s\n", f.Expected, f.Actual)
		}
		if f.Fix != "" {
			fmt.Fprintf(w, "            %s\n", line(f.Fix))
		}
	}
	_, err := fmt.Fprintf(w, "%d files, %s\n", len(r.Findings), map[bool]string{true: "all as pinned",
		false: "not all as pinned"}[r.OK])
	return err
}

func printPlugins(out io.Writer, l httpdoor.PluginList) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PLUGIN\tVERSION\tSTATE\tPID\tRESTARTS\tPINNED\tTOOLS")
	for _, p := range l.Plugins {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", line(p.Name), plain(p.Version), p.State, number(p.Pid), p.Restarts,
			map[bool]string{true: "yes", false: "no"}[p.Pinned], strings.Join(p.Tools, " "))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, p := range l.Plugins {
		for _, said := range [][2]string{
			{p.Error, p.RecoverySuggestion}, {p.SuccessorError, p.SuccessorFix}, {notServing(p), ""},
		} {
			if said[0] != "" {
				fmt.Fprintf(out, "\n%s: %s\n", line(p.Name), advised(said[0], said[1]))
			}
		}
		for _, c := range p.Clashes {
			fmt.Fprintf(out, "\n%s\n", line(problemLine(c)))
		}
	}
	for _, p := range l.Problems {
		fmt.Fprintf(out, "\n%s\n", line(problemLine(p)))
	}
	return nil
}

func number(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

func problemLine(p httpdoor.PluginProblem) string {
	text := p.Severity + ": " + p.Path
	if p.Tool != "" {
		text += ": tool " + p.Tool
	}
	return text + ": " + p.Reason + "; " + p.Fix
}

func printPlugin(out io.Writer, p httpdoor.PluginView) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, line(value))
		}
	}
	row("plugin", p.Name)
	row("version", p.Version)
	row("file", p.Path)
	row("sha256", p.SHA256)
	row("pinned", map[bool]string{true: "yes", false: "no"}[p.Pinned])
	row("state", p.State+" since "+p.Since.Local().Format(time.DateTime))
	row("reason", p.Reason)
	row("error", p.Error)
	row("what to do", p.RecoverySuggestion)
	row("successor", p.SuccessorError)
	row("what to do", p.SuccessorFix)
	if !p.RetryAt.IsZero() {
		row("tried again", p.RetryAt.Local().Format(time.DateTime))
	}
	row("process", number(p.Pid))
	if p.Pid != 0 {
		row("memory", fmt.Sprintf("%d MiB", p.ResidentMemoryBytes>>20))
	}
	row("restarts", fmt.Sprint(p.Restarts))
	row("launch", p.Launch)
	row("tools", strings.Join(p.Tools, " "))
	row("not offered", strings.Join(p.Filtered, " "))
	for _, c := range p.Clashes {
		row("clash", problemLine(c))
	}
	printLayers(row, "its process", p.Layers)
	printLayers(row, "what it runs", p.Sandbox)
	return w.Flush()
}

func printLayers(row func(name, value string), whose string, layers []tool.Layer) {
	for _, l := range layers {
		row(whose, map[bool]string{true: "has ", false: "lacks "}[l.Active]+l.Name+": "+l.Detail)
	}
}
