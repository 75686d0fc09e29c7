package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// oneShot is what call and plan are told.
type oneShot struct {
	json    bool
	timeout float64
	args    []string // name=value

	running bool // call alone: the host that runs makes the call, which remote finds
	remote  remote
}

func (a *app) callCommand() *cobra.Command {
	var o oneShot
	cmd := &cobra.Command{
		Use:   "call TOOL [TARGET] [-- ARGS]",
		Short: "Run a tool once, through all the gates, and print its output as it comes",
		Long: `Call starts a host of its own for one call, with the plugins of the configuration, and ends it. A host
that runs knows nothing of that. With --running the host that runs makes the call, and the output comes at its
end: so are plugins called that are attached to it (gatehouse plugin debug), or exchanged in it (gatehouse
plugin dev).

Exit codes are the program's own, 124 when it ran out of time, 3 when a gate refused the call, 4 when it could
not be run, 1 when no host answers.`,
		Example: `  gatehouse call PingTool 127.0.0.1 -- -c 2
  gatehouse call NmapTool 127.0.0.1 --arg template=quick
  gatehouse call NmapTool 10.0.3.0/24 --json -- -sV -p 22,80
  gatehouse call --running PortCheckTool 127.0.0.1 --arg port=8080`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.call(cmd.Context(), o, args) },
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&o.running, "running", false, "have the host make the call that runs already")
	o.remote.whereFlags(cmd)
	cmd.Flags().Lookup("url").Usage = "address of the running host (default: server.host:server.port)"
	return cmd
}

func (a *app) planCommand() *cobra.Command {
	var o oneShot
	cmd := &cobra.Command{
		Use:     "plan TOOL [TARGET] [-- ARGS]",
		Short:   "Say what a call would run: verdict, rule, pinned addresses, exact argv; nothing is executed",
		Example: `  gatehouse plan NmapTool 127.0.0.1 -- -sV -p 22,80`,
		Args:    cobra.MinimumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.plan(cmd.Context(), o, args) },
	}
	o.flags(cmd)
	return cmd
}

func (o *oneShot) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.json, "json", false, "print the whole result as JSON")
	cmd.Flags().Float64Var(&o.timeout, "timeout", 0, "seconds until the run is ended")
	cmd.Flags().StringArrayVar(&o.args, "arg", nil, "another argument of the tool, name=value; may be repeated")
}

// request puts a command line into a request. The host is its own client here: who started the process.
func (o *oneShot) request(args []string) (tool.Request, error) {
	name, rest := args[0], args[1:]
	values := make(map[string]any)
	if len(rest) > 0 {
		values["target"], rest = rest[0], rest[1:]
	}
	if len(rest) > 0 {
		if i := slices.IndexFunc(rest, func(s string) bool { return strings.ContainsAny(s, " \t\r\n") }); i >= 0 {
			return tool.Request{}, fmt.Errorf(
				"the argument %q has a blank in it; arguments are words without blanks", rest[i])
		}
		values["extra_args"] = strings.Join(rest, " ")
	}
	if o.timeout != 0 {
		values["timeout_sec"] = o.timeout
	}
	for _, arg := range o.args {
		key, value, ok := strings.Cut(arg, "=")
		if !ok {
			return tool.Request{}, fmt.Errorf("--arg %s: write name=value", arg)
		}
		values[key] = value
	}
	raw, err := json.Marshal(values)
	if err != nil {
		return tool.Request{}, fmt.Errorf("arguments: %w", err)
	}
	return tool.Request{Tool: name, Client: "stdio", Arguments: raw}, nil
}

// typed turns the texts of --arg into what the tool's schema wants: 22 is a text where ports are one, and a
// number where seconds are. A list may be written as JSON, or with commas.
// The schema is empty of a tool that there is not; a gate tells of that.
func (o *oneShot) typed(inputSchema json.RawMessage, r *tool.Request) error {
	var schema struct {
		Properties map[string]struct {
			Type any `json:"type"`
		} `json:"properties"`
	}
	if len(inputSchema) > 0 {
		if err := json.Unmarshal(inputSchema, &schema); err != nil {
			return fmt.Errorf("arguments: %w", err)
		}
	}
	values := make(map[string]any)
	if err := json.Unmarshal(r.Arguments, &values); err != nil {
		return fmt.Errorf("arguments: %w", err)
	}
	for _, arg := range o.args {
		name, text, _ := strings.Cut(arg, "=")
		values[name] = valueOf(schema.Properties[name].Type, text)
	}
	raw, err := json.Marshal(values)
	if err != nil {
		return fmt.Errorf("arguments: %w", err)
	}
	r.Arguments = raw
	return nil
}

// schemaOf is the schema of a tool's arguments, empty when there is no such tool.
func schemaOf(c *catalog.Catalog, name string) json.RawMessage {
	e, ok := c.Lookup(name)
	if !ok {
		return nil
	}
	return e.Spec.InputSchema
}

// valueOf reads what a person wrote for an argument of a JSON type.
func valueOf(want any, text string) any {
	switch {
	case want == "string" && (text == "" || !strings.Contains(`"[{`, text[:1])):
		return text
	case json.Valid([]byte(text)):
		return json.RawMessage(text)
	case want == "array":
		return strings.Split(text, ",")
	}
	return text
}

// withTrail is withHost for what leaves a trace.
func (a *app) withTrail(ctx context.Context, name string, f func(*host) error) error {
	return a.withHost(ctx, name, func(h *host) error {
		if err := h.openTrail(); err != nil {
			return failure(err)
		}
		err := f(h)
		if closed := h.closeTrail(); err == nil {
			err = failure(closed)
		}
		return err
	})
}

// withHost runs f against a host that is started for it and ended after it.
// It waits for the tool of a name, or with an empty one for all.
func (a *app) withHost(ctx context.Context, name string, f func(*host) error) error {
	return a.withoutPlugins(func(h *host) error {
		stop := h.start(ctx, h.config().Plugins.StartTimeout.Duration()+time.Second, func() bool {
			_, there := h.fleet.Catalog().Lookup(name)
			return there
		})
		err := f(h)
		if stopped := stop(); err == nil {
			err = failure(stopped)
		}
		return err
	})
}

// withoutPlugins runs f with a host of which nothing was started.
func (a *app) withoutPlugins(f func(*host) error) error {
	if _, said := a.flags["logging.format"]; !said {
		a.flags["logging.format"] = "simple"
	}
	l, err := a.read()
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler) // a person asked for the answer, and for a log only by its level
	if _, said := a.flags["logging.level"]; said || a.getenv("LOG_LEVEL")+a.getenv("MCP_LOGGING_LEVEL") != "" {
		out, err := newLogs(l.Config.Logging, a.stderr)
		if err != nil {
			return &exitError{code: exitUsage, err: err}
		}
		defer out.Close()
		log = out.Logger()
	}
	h, err := a.newHost(l, log, false, nil)
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	return f(h)
}

func (a *app) call(ctx context.Context, o oneShot, args []string) error {
	req, err := o.request(args)
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	if o.running {
		return a.callRunning(ctx, o, req)
	}
	if o.remote != (remote{}) {
		return &exitError{code: exitUsage, err: errors.New(
			"--url, --token-file, --cert-file and --key-file are for the host that runs; add --running")}
	}
	ctx = origin.With(ctx, origin.Origin{Client: req.Client, Door: origin.CLI})
	return a.withTrail(ctx, req.Tool, func(h *host) error {
		if err := o.typed(schemaOf(h.fleet.Catalog(), req.Tool), &req); err != nil {
			return &exitError{code: exitUsage, err: err}
		}
		live := &live{stdout: a.stdout, stderr: a.stderr, progress: isTerminalWriter(a.stderr)}
		emit := live.event
		if o.json {
			emit = nil
		}
		res, err := h.router.Call(ctx, req, emit)
		live.end()
		return a.tell(h, o, res, err)
	})
}

// tell prints what became of a call whose output has been printed, unless all of it is wanted as JSON. The host
// is nil when it is another process.
func (a *app) tell(h *host, o oneShot, res tool.Result, err error) error {
	switch {
	case o.json:
		if err := writeJSON(a.stdout, tool.NewReport(res, err)); err != nil {
			return failure(err)
		}
		return exitOf(res, err)
	case res.Stdout == "" && len(res.Data) > 0: // a tool in Go has no text, only its result
		if err := writeJSON(a.stdout, res.Data); err != nil {
			return failure(err)
		}
	}
	a.explain(h, err)
	return exitOf(res, err)
}

// exitOf is the exit code of a call: the program's own, or what became of the call.
func exitOf(res tool.Result, err error) error {
	e := tool.AsError(err)
	switch {
	case e == nil && res.ReturnCode == 0:
		return nil
	case e == nil:
		return &exitError{code: res.ReturnCode}
	case e.Kind == tool.KindTimeout:
		return &exitError{code: tool.ReturnCodeTimeout}
	case e.Kind.InResult():
		return &exitError{code: exitUnable}
	}
	switch e.Kind {
	case tool.KindUnknown, tool.KindUnavailable, tool.KindCancelled:
		return &exitError{code: exitUnable}
	}
	return &exitError{code: exitRefused}
}

// explain prints an error for a person: what was wrong, and what to do next. The host may be nil, see tell.
func (a *app) explain(h *host, err error) {
	e := tool.AsError(err)
	if e == nil {
		return
	}
	fmt.Fprintf(a.stderr, "%s: %s\n", e.Kind, line(e.Message))
	if e.Suggestion != "" {
		fmt.Fprintf(a.stderr, "  %s\n", line(e.Suggestion))
	}
	if e.Kind == tool.KindToolNotFound && h != nil {
		if len(h.fleet.Catalog().Names()) == 0 {
			fmt.Fprintf(a.stderr, "  there are no plugins in %s\n", strings.Join(h.config().Plugins.Dirs, " or "))
		}
		h.printProblems(a.stderr)
	}
}

func (a *app) plan(ctx context.Context, o oneShot, args []string) error {
	req, err := o.request(args)
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	ctx = origin.With(ctx, origin.Origin{Client: req.Client, Door: origin.CLI})
	return a.withTrail(ctx, req.Tool, func(h *host) error {
		if err := o.typed(schemaOf(h.fleet.Catalog(), req.Tool), &req); err != nil {
			return &exitError{code: exitUsage, err: err}
		}
		p, err := h.router.Plan(ctx, req)
		if err != nil {
			a.explain(h, err)
			return exitOf(tool.Result{}, err)
		}
		if o.json {
			err = writeJSON(a.stdout, p)
		} else {
			err = printPlan(a.stdout, p)
		}
		if err == nil && p.Verdict != tool.Accept {
			return &exitError{code: exitRefused}
		}
		return failure(err)
	})
}
