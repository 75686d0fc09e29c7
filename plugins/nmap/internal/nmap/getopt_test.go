package nmap

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/plugins/nmap/internal/options"
	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// planner plans requests, and holds each argv that comes of it to what nmap itself would read there.
type planner struct {
	handler *sdk.Handler
	getopt  *options.Getopt
	fixed   []string
	allowed map[string]bool // spelling of a flag in argv -> it may be there
}

func newPlanner(t testing.TB, p Privileges, o sdktest.Options) *planner {
	t.Helper()
	g, err := options.NewGetopt(options.Nmap, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	pl := &planner{
		handler: sdktest.New(t, plugin(p), o).Handler(), getopt: g, fixed: p.fixed(),
		allowed: make(map[string]bool),
	}
	for _, f := range table() {
		if f.Refused == "" && !f.Implied && f.Name != "-A" && f.Name != "-sC" {
			pl.allowed[f.Name] = true
		}
	}
	return pl
}

// plan plans a request for a target that is in scope, and checks what comes of it. It is for fuzz tests as
// well, where the bench of sdktest is not to be asked.
func (pl *planner) plan(t testing.TB, target string, args map[string]any) sdk.Plan {
	t.Helper()
	prefix, err := netip.ParsePrefix(target)
	if err != nil {
		prefix = single(target)
	}
	all := maps.Clone(args)
	all["target"] = target
	p, err := pl.handler.Plan(t.Context(), sdk.Request{
		ID: "1", Tool: "NmapTool", Arguments: object(t, all),
		Targets: []sdk.Target{{Argument: "target", Label: target, Prefix: prefix}},
	})
	if err != nil {
		t.Fatalf("Plan(%v) = %v", all, err)
	}
	pl.check(t, p, target)
	return p
}

// check holds what every plan must fulfil. Refused: no argv. Accepted: nmap reads exactly one target there,
// the pinned one; it reads what always comes first; and besides that only flags of the table that may be
// used, each once, in full.
func (pl *planner) check(t testing.TB, p sdk.Plan, literal string) {
	t.Helper()
	if p.Verdict != sdk.Accept {
		if p.Argv != nil {
			t.Fatalf("a plan that is refused has argv %q", p.Argv)
		}
		return
	}
	if n := len(p.Argv); n < 2 || p.Argv[n-2] != "--" || p.Argv[n-1] != literal {
		t.Fatalf("argv = %q, want -- %s at its end", p.Argv, literal)
	}
	l, err := pl.getopt.Read(p.Argv)
	if err != nil {
		t.Fatal(err)
	}
	if l.Wrong != 0 || !slices.Equal(l.Positionals, []string{literal}) {
		t.Fatalf("getopt reads %q as %+v, want %s for its only target", p.Argv, l, literal)
	}
	first, err := pl.getopt.Read(append([]string{"nmap"}, pl.fixed...))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(first.Options); !slices.Equal(l.Options[:n], first.Options) {
		t.Fatalf("getopt reads %q as %+v, want %+v first", p.Argv, l.Options, first.Options)
	}
	seen := make(map[string]bool)
	for _, o := range l.Options[len(first.Options):] {
		name := spelling(o)
		if !pl.allowed[name] || seen[name] {
			t.Fatalf("argv = %q has %s, which may not be there, or not twice", p.Argv, name)
		}
		seen[name] = true
		if strings.ContainsAny(o.Value, "\x00\n\t\"'\\") || strings.HasPrefix(o.Value, "-") {
			t.Fatalf("argv = %q: the value %q of %s is not of the policy's making", p.Argv, o.Value, name)
		}
	}
}

// spelling is an option as the table has it. nmap reads -sS as an option s with a value S.
func spelling(o options.Option) string {
	switch {
	case len(o.Name) > 1 && o.Name != "vv":
		return "--" + o.Name
	case o.Name == "s":
		return "-s" + o.Value
	case o.Name == "P":
		return "-P" + o.Value[:min(1, len(o.Value))]
	}
	return "-" + o.Name
}

// single is the network of one address.
func single(address string) netip.Prefix { return netip.PrefixFrom(netip.MustParseAddr(address), 32) }

// ask plans flags for one host.
func (pl *planner) ask(t testing.TB, extra string) sdk.Plan {
	t.Helper()
	return pl.plan(t, "10.0.0.1", map[string]any{"extra_args": extra})
}
