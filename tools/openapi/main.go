// Openapi lints OpenAPI documents with the public linter of github.com/speakeasy-api/openapi, by the rules of
// a ruleset file. It reads nothing but the files that it is given, and no network.
//
//	openapi -rules tools/openapi/rules.yaml openapi.json...
//
// It ends with 0 when nothing is found, with 1 when something is, warnings and hints included, and with 2 when a
// file cannot be read.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/speakeasy-api/openapi/linter"
	"github.com/speakeasy-api/openapi/openapi"
	rules "github.com/speakeasy-api/openapi/openapi/linter"
	"github.com/speakeasy-api/openapi/references"
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("openapi", flag.ContinueOnError)
	flags.SetOutput(stderr)
	ruleset := flags.String("rules", "rules.yaml", "the ruleset")
	if flags.Parse(args) != nil {
		return 2
	}
	if flags.NArg() == 0 {
		fmt.Fprintln(stderr, "openapi: name the documents to lint")
		return 2
	}
	found := 0
	for _, name := range flags.Args() {
		n, err := lint(ctx, *ruleset, name, stdout)
		if err != nil {
			fmt.Fprintf(stderr, "openapi: %s: %v\n", name, err)
			return 2
		}
		found += n
	}
	if found > 0 {
		return 1
	}
	return 0
}

// lint prints what is wrong with a document, and returns how much it is.
func lint(ctx context.Context, ruleset, name string, w io.Writer) (int, error) {
	cfg, err := linter.LoadConfigFromFile(ruleset)
	if err != nil {
		return 0, fmt.Errorf("ruleset: %w", err)
	}
	l, err := rules.NewLinter(cfg)
	if err != nil {
		return 0, fmt.Errorf("ruleset: %w", err)
	}
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close() // only read
	doc, invalid, err := openapi.Unmarshal(ctx, f)
	if err != nil {
		return 0, err
	}
	out, err := l.Lint(ctx, linter.NewDocumentInfo(doc, name), invalid, &linter.LintOptions{
		ResolveOptions: &references.ResolveOptions{DisableExternalRefs: true},
	})
	if err != nil {
		return 0, err
	}
	if len(out.Results) > 0 {
		fmt.Fprintln(w, out.FormatText())
	}
	return len(out.Results), nil
}
