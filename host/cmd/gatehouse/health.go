package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/host/internal/health"
)

func (a *app) healthCommand() *cobra.Command {
	var o remote
	var asJSON bool
	cmd := &cobra.Command{
		Use: "health", Args: cobra.NoArgs,
		Short: "Ask a running host how it is; for health checks of containers",
		Long: `Health asks a running host. With a token that it finds (as the other commands do) it tells which checks are
not well; without one, the status alone.

Exit codes: 0 healthy or degraded, which both serve; 1 unhealthy, or no answer.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			raw, report, err := a.askHealth(cmd, o)
			if err != nil {
				return err
			}
			if asJSON {
				_, err = fmt.Fprintf(a.stdout, "%s\n", raw)
			} else {
				err = printHealth(a.stdout, report)
			}
			if err != nil {
				return failure(err)
			}
			if report.Status == health.Unhealthy {
				return &exitError{code: exitFailure}
			}
			return nil
		},
	}
	o.whereFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the answer as it came")
	return cmd
}

// healthTimeout is how long a host that is well may take to say so.
const healthTimeout = 5 * time.Second

// askHealth asks, with a token only if there is one.
func (a *app) askHealth(cmd *cobra.Command, o remote) (json.RawMessage, health.Report, error) {
	var report health.Report
	cfg, err := a.load()
	if err != nil {
		return nil, report, err
	}
	at, err := o.place(cfg)
	if err != nil {
		return nil, report, &exitError{code: exitUsage, err: err}
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), healthTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.base+"/health", http.NoBody)
	if err != nil {
		return nil, report, &exitError{code: exitUsage, err: err}
	}
	token, err := a.clientToken(o, cfg, at)
	switch {
	case err == nil && token != "":
		req.Header.Set("Authorization", "Bearer "+token)
	case err != nil && o.tokenFile != "":
		return nil, report, failure(err)
	}
	raw, err := at.answer(req, http.StatusMultiStatus, http.StatusServiceUnavailable)
	if errors.Is(err, errStranger) { // the status alone is for everybody
		at.transport.DialContext = nil
		req.Header.Del("Authorization")
		raw, err = at.answer(req, http.StatusMultiStatus, http.StatusServiceUnavailable)
	}
	if err != nil {
		return nil, report, err
	}
	if json.Unmarshal(raw, &report) != nil || report.Status == "" {
		return nil, report, failure(errors.New("the answer is no report of a host's health"))
	}
	return raw, report, nil
}

func printHealth(w io.Writer, r health.Report) error {
	s := r.Summary
	if _, err := fmt.Fprintf(w, "%s: %d checks\n", r.Status, s.TotalChecks); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(r.Checks)) {
		c := r.Checks[name]
		if c.Status == health.Healthy {
			continue
		}
		_, err := fmt.Fprintf(w, "%-9s %s: %s; %s\n", c.Status, line(name), line(c.Message), line(cmp.Or(c.Fix, "-")))
		if err != nil {
			return err
		}
	}
	return nil
}
