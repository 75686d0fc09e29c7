package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/host/internal/audit"
)

func (a *app) auditCommand() *cobra.Command {
	cmd := group("audit", "The trail of every decision")
	cmd.AddCommand(a.auditVerifyCommand())
	return cmd
}

func (a *app) auditVerifyCommand() *cobra.Command {
	var asJSON bool
	var expect string
	cmd := &cobra.Command{
		Use:   "verify [DIR]",
		Short: "Check that nobody changed, cut, moved or added a line of the audit trail",
		Long: `Verify reads the whole trail of DIR (default: that of the configuration) and names every line
that is not as the host wrote it: changed, missing, moved, doubled or added. Torn lines that a killed host left,
and that the next one closed off, are notes. It can be run while a host writes.

The chain has no key. Who can write the files can write all of them anew, and then this finds nothing. Note the
head that is printed at a place where the host cannot write, and give it to --expect later: a trail that was
written anew does not have that line.

Exit codes: 0 unbroken (notes are allowed), 1 broken or not readable, 2 usage.`,
		Example: `  gatehouse audit verify
  gatehouse audit verify /var/lib/gatehouse/audit --json
  gatehouse audit verify --expect 4711:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var opts audit.Options
			if expect != "" {
				var err error
				if opts.Expect, err = audit.ParsePoint(expect); err != nil {
					return &exitError{code: exitUsage, err: fmt.Errorf("--expect: %w", err)}
				}
			}
			dir, err := a.auditDir(args)
			if err != nil {
				return err
			}
			return a.verifyAudit(cmd.Context(), dir, opts, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	cmd.Flags().StringVar(&expect, "expect", "", "a head noted earlier, SEQ:HASH, that must be in the trail")
	return cmd
}

// auditDir is where the trail is: as said on the command line, else in the configuration.
func (a *app) auditDir(args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	cfg, err := a.load()
	if err != nil {
		return "", err
	}
	return cfg.AuditDir(), nil
}

// verified is what verify --json prints.
type verified struct {
	Dir      string          `json:"dir"`
	Unbroken bool            `json:"unbroken"`
	Head     string          `json:"head"` // for --expect
	Result   audit.Result    `json:"result"`
	Findings []audit.Finding `json:"findings"`
}

func (a *app) verifyAudit(ctx context.Context, dir string, opts audit.Options, asJSON bool) error {
	result, findings, err := audit.Verify(ctx, dir, opts)
	if err != nil {
		return failure(err)
	}
	if asJSON {
		err = writeJSON(a.stdout, verified{
			Dir: dir, Unbroken: result.Broken == 0, Head: result.Last.String(), Result: result,
			Findings: append([]audit.Finding{}, findings...), // never null
		})
	} else {
		err = printVerified(a.stdout, result, findings)
	}
	switch {
	case err != nil:
		return failure(err)
	case result.Broken > 0 && asJSON:
		return &exitError{code: exitFailure}
	case result.Broken > 0:
		return failure(errors.New("the audit trail is broken"))
	}
	return nil
}

func printVerified(w io.Writer, r audit.Result, findings []audit.Finding) error {
	for _, f := range findings {
		kind := "broken"
		if f.Note {
			kind = "note"
		}
		fmt.Fprintf(w, "%s: %s\n", kind, line(f.String()))
	}
	if more := r.Broken + r.Notes - len(findings); more > 0 {
		fmt.Fprintf(w, "and %d more\n", more)
	}
	state := "unbroken"
	if r.Broken > 0 {
		state = fmt.Sprintf("broken (%d findings)", r.Broken)
	}
	fmt.Fprintf(w, "%s: %d files, %d lines, seq %d to %d, %s to %s\n", state, r.Files, r.Lines, r.First,
		r.Last.Seq, r.From.Format(time.RFC3339), r.To.Format(time.RFC3339))
	_, err := fmt.Fprintf(w, "head: %s\n", r.Last)
	return err
}
