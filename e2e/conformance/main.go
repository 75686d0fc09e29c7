// Command conformance runs the official MCP conformance suites, and official clients of MCP, against the real host
// with a plugin that offers what they ask for.
//
//	make build && scripts/node.sh && go run ./e2e/conformance
//
// What cannot apply stands in baseline.txt with its reason; anything else that fails, and anything there that does
// not, is an error: it exits with 1. With -runs 20 each client must do well 20 times of 20.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/gatehouse-mcp/gatehouse/e2e/clients"
	"github.com/gatehouse-mcp/gatehouse/e2e/conformance/site"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// settings are what can be told to it.
type settings struct {
	site      site.Config
	suiteRuns int
	runs      int    // of each client
	only      string // part of the name of a suite or a client
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var s settings
	flags := flag.NewFlagSet("conformance", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.site.Root, "root", ".", "the repository, after make build and scripts/node.sh")
	flags.StringVar(&s.site.Host, "host", "", "the host to try; empty: bin/gatehouse of the repository")
	flags.BoolVar(&s.site.Keep, "keep", false, "keep the directory with logs and results")
	flags.IntVar(&s.suiteRuns, "suite-runs", 1, "runs of each suite")
	flags.IntVar(&s.runs, "runs", 1, "runs of each client")
	flags.StringVar(&s.only, "only", "", "run only suites and clients with this in their names")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	begun := time.Now()
	err := s.all(ctx, stdout)
	fmt.Fprintf(stdout, "\nin %v\n", time.Since(begun).Round(time.Second))
	if err != nil {
		fmt.Fprintln(stderr, "conformance:", err)
		return 1
	}
	return 0
}

// errWanting is the error when everything ran, and not everything is as it must be.
var errWanting = errors.New("not everything is as it must be; see above")

// all runs suites and clients, and prints what they came to.
func (s settings) all(ctx context.Context, out io.Writer) error {
	baseline, err := parseBaseline(baselineText)
	if err != nil {
		return err
	}
	at, err := site.New(ctx, s.site)
	if err != nil {
		return err
	}
	defer at.Close()
	good := true
	for _, st := range suites {
		for n := 1; n <= s.suiteRuns && strings.Contains(st.name, s.only); n++ {
			scenarios, err := st.run(ctx, at, n)
			if err != nil {
				return err
			}
			v := judge(st.name, scenarios, baseline)
			printVerdict(out, fmt.Sprintf("%s, run %d of %d", st.name, n, s.suiteRuns), v)
			good = good && v.good()
		}
	}
	outcomes, err := clients.Run(ctx, at, clients.Config{Runs: s.runs, Only: s.only})
	if err != nil {
		return err
	}
	if good = clients.Print(out, outcomes) && good; !good {
		return errWanting
	}
	return nil
}
