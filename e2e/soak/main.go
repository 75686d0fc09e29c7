// Command soak holds the host to its word for a few minutes: callers at every door make calls of every
// outcome while its configuration, switches, breakers and plugins are meddled with, and afterwards the books
// must balance.
//
//	make build && go run ./e2e/soak -for 3m -concurrency 64
//
// A [site] is the host under test. The callers ([crowd]), the one who meddles ([meddler]) and the one who
// listens to the events ([listener]) each write a [ledger]; so do the metrics and the audit trail, when they
// are read at the end. trial.examine compares them: what was received must be what finished and what was
// refused, for every tool and in each of them. The seed that is printed repeats the choices, though not their
// moments. It exits with 1 when anything differs.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

func main() {
	if strings.HasPrefix(filepath.Base(os.Args[0]), pluginPrefix) {
		os.Exit(sdk.Main(plugin()))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// settings are what can be told to the soak.
type settings struct {
	root        string // of the repository
	length      time.Duration
	concurrency int
	seed        uint64
	keep        bool // the directory of the run stays
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var s settings
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.root, "root", ".", "the repository, after make build")
	flags.DurationVar(&s.length, "for", 3*time.Minute, "how long calls are made")
	flags.IntVar(&s.concurrency, "concurrency", 64, "callers")
	flags.Uint64Var(&s.seed, "seed", 0, "of all choices; 0: any")
	flags.BoolVar(&s.keep, "keep", false, "keep the directory with log, trail and configuration")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if s.concurrency < len(doors) || s.length < time.Second {
		fmt.Fprintf(stderr, "soak: -concurrency must be at least %d and -for at least 1s\n", len(doors))
		return 2
	}
	for s.seed == 0 {
		s.seed = rand.Uint64() >> 32
	}
	fmt.Fprintf(stdout, "gatehouse soak: %v at %d, -seed %d\n", s.length, s.concurrency, s.seed)
	faults, err := soak(ctx, s, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "soak: could not be done:", err)
		return 1
	}
	for _, f := range faults {
		fmt.Fprintln(stdout, "DIFFERS:", f)
	}
	if len(faults) > 0 {
		fmt.Fprintf(stdout, "%d things differ; -seed %d\n", len(faults), s.seed)
		return 1
	}
	fmt.Fprintln(stdout, "every call is accounted for")
	return 0
}

// warm is how long the first part is: after it, what the host uses is what the rest is held to.
func (s settings) warm() time.Duration { return min(s.length/3, 30*time.Second) }

// soak runs everything, and returns what is wrong with the host.
func soak(ctx context.Context, s settings, out io.Writer) ([]string, error) {
	if err := adoptOrphans(); err != nil {
		return nil, err
	}
	st, err := newSite(ctx, s)
	if err != nil {
		return nil, err
	}
	defer st.close()
	if err := st.start(ctx); err != nil {
		return nil, err
	}
	defer st.kill()
	t := &trial{site: st, out: out, listener: st.listen(ctx)}
	if err := t.work(ctx); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, st.lastWords())
	}
	return t.faults, nil
}
