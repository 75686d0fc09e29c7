// Command bench measures what Gatehouse costs, as ratios: each against the simplest thing that does the
// same work on the same machine in the same minute, and each beside its aim. Times alone would say more
// about the machine.
//
//	make build && go run ./e2e/bench
//
// A [contest] compares two [subject] values in alternating rounds, so that what drifts hits both; a [row]
// is one line of the table. The baselines are this program, started again as a server; see
// [serveBaseline]. An aim that is missed is no failure of the bench: it exits with 1 only when it could
// not measure, and a call with a wrong answer is such a case.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// settings are what can be told to the bench.
type settings struct {
	root   string        // of the repository
	rounds int           // of each contest
	slice  time.Duration // of one side of a round
	only   string        // name of a part; empty: all
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 2 && args[0] == baselineCommand {
		return report(stderr, serveBaseline(ctx, args[1], stdin, stdout))
	}
	var s settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.root, "root", ".", "the repository, after make build")
	flags.IntVar(&s.rounds, "rounds", 9, "rounds of each comparison")
	flags.DurationVar(&s.slice, "slice", 400*time.Millisecond, "time of one side of a round")
	flags.StringVar(&s.only, "only", "", "measure only this part: "+partNames())
	if err := flags.Parse(args); err != nil {
		return 2
	}
	return report(stderr, bench(ctx, s, stdout))
}

func report(stderr io.Writer, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "bench: could not measure:", err)
	return 1
}

// limit is how long all of it may take; it takes about five minutes.
const limit = 10 * time.Minute

// bench measures everything and prints one table.
func bench(ctx context.Context, s settings, out io.Writer) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it took longer than %v", limit))
	defer cancel()
	st, err := newSite(ctx, s)
	if err != nil {
		return err
	}
	defer st.close()
	fmt.Fprintf(out, "gatehouse bench: %s, %d CPUs, load %s, %d rounds of 2 x %v\n",
		runtime.Version(), runtime.NumCPU(), loadAverage(), s.rounds, s.slice)
	begun := time.Now()
	rows, err := st.measure(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "measured in %v; load now %s\n\n", time.Since(begun).Round(time.Second), loadAverage())
	return printTable(out, rows)
}

// parts are what is measured, in the order of the table.
var parts = []struct {
	name    string
	measure func(context.Context, *site) ([]row, error)
}{
	{"noop", measureNoop},
	{"cost", measureCost},
	{"mcp-stdio", measureMCPStdio},
	{"mcp-http", measureMCPHTTP},
	{"alone", measureAlone},
	{"sandbox", measureSandbox},
	{"start", measureStart},
	{"memory", measureMemory},
	{"plugin", measurePlugin},
	{"crowd", measureCrowd},
	{"drop", measureDrop},
	{"swap", measureSwap},
	{"crash-loop", measureCrashLoop},
	{"locks", measureLocks},
	{"door", measureDoor},
	{"slow", measureSlow},
}

func partNames() string {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	return strings.Join(names, ", ")
}

func (s *site) measure(ctx context.Context) ([]row, error) {
	var rows []row
	for _, p := range parts {
		if s.only != "" && s.only != p.name {
			continue
		}
		more, err := p.measure(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		rows = append(rows, more...)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("there is no part %q; there are %s", s.only, partNames())
	}
	return rows, nil
}

// loadAverage is that of the last minute; on a busy machine the ratios are worth less.
func loadAverage() string {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	minute, _, _ := strings.Cut(string(raw), " ")
	return minute
}

// site is where the bench works: the programs under test, and a directory of its own for everything else.
type site struct {
	settings
	dir     string   // removed by close
	host    string   // bin/gatehouse
	plugins string   // bin/plugins
	lab     string   // the directory with the plugin of the bench
	environ []string // more settings for the hosts that are started
	port    int      // of the next host; 0: any, and its log tells
}

func newSite(ctx context.Context, s settings) (*site, error) {
	root, err := filepath.Abs(s.root)
	if err != nil {
		return nil, fmt.Errorf("find the repository: %w", err)
	}
	s.root = root
	st := &site{
		settings: s, host: filepath.Join(root, "bin/gatehouse"), plugins: filepath.Join(root, "bin/plugins"),
	}
	if _, err := os.Stat(st.host); err != nil {
		return nil, fmt.Errorf("find the host: %w; type: make build", err)
	}
	if st.dir, err = os.MkdirTemp("", "gatehouse-bench-"); err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	st.lab = filepath.Join(st.dir, "plugins")
	if err := st.buildLab(ctx); err != nil {
		st.close()
		return nil, err
	}
	return st, nil
}

func (s *site) close() { _ = os.RemoveAll(s.dir) } // in the system's directory for temporary files

// labPlugin is the program with the tools that are measured.
func (s *site) labPlugin() string { return filepath.Join(s.lab, "lab") }

func (s *site) buildLab(ctx context.Context) error {
	if err := os.Mkdir(s.lab, 0o755); err != nil {
		return fmt.Errorf("make the plugin's directory: %w", err)
	}
	return runTool(ctx, s.root,
		"go", "build", "-trimpath", "-ldflags", "-s -w", "-o", s.labPlugin(), "./e2e/labplugin")
}
