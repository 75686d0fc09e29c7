package config

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// ladder is one number, with a value of each who may say it.
type ladder struct {
	key, own, variable string // dotted, in the tool's section, of the environment
	of                 func(catalog.Settings) any
	values             map[Kind]any // as Settings has it, by who says it for all tools
	wish, section      any          // by the tool of itself, in the tool's section
}

func ladders() []ladder {
	sec := func(n int) any { return time.Duration(n) * time.Second }
	return []ladder{
		{keyTimeout, "default_timeout", "MCP_DEFAULT_TIMEOUT_SEC",
			func(s catalog.Settings) any { return s.DefaultTimeout },
			map[Kind]any{FromDefault: sec(300), FromFile: sec(31), FromEnvironment: sec(32), FromFlag: sec(33)},
			sec(34), sec(35)},
		{keyConcurrency, "concurrency", "MCP_TOOL_DEFAULT_CONCURRENCY",
			func(s catalog.Settings) any { return s.Concurrency },
			map[Kind]any{FromDefault: 2, FromFile: 31, FromEnvironment: 32, FromFlag: 33}, 1, 35},
		{keyThreshold, "failure_threshold", "MCP_CIRCUIT_BREAKER_FAILURE_THRESHOLD",
			func(s catalog.Settings) any { return s.Breaker.Threshold },
			map[Kind]any{FromDefault: 5, FromFile: 6, FromEnvironment: 7, FromFlag: 8}, 1, 9},
		{keyRecovery, "recovery_timeout", "MCP_CIRCUIT_BREAKER_RECOVERY_TIMEOUT",
			func(s catalog.Settings) any { return s.Breaker.Recovery },
			map[Kind]any{FromDefault: sec(60), FromFile: sec(31), FromEnvironment: sec(32), FromFlag: sec(33)},
			sec(34), sec(35)},
	}
}

// written is a value as a source has it.
func written(v any) any {
	if d, ok := v.(time.Duration); ok {
		return d.Seconds()
	}
	return v
}

// source is one in which everybody up to the strongest says the number.
func (l ladder) source(t *testing.T, strongest Kind, section bool) Source {
	t.Helper()
	var s Source
	text := ""
	all, name, _ := cutLast(l.key)
	if strongest != FromDefault {
		text = fmt.Sprintf("%s: {%s: %v}\n", all, name, written(l.values[FromFile]))
	}
	if section {
		text += fmt.Sprintf("tools: {T: {%s: %v}}\n", l.own, written(l.section))
	}
	if strongest == FromEnvironment || strongest == FromFlag {
		s.Environ = []string{fmt.Sprintf("%s=%v", l.variable, written(l.values[FromEnvironment]))}
	}
	if strongest == FromFlag {
		s.Flags = map[string]any{l.key: written(l.values[FromFlag])}
	}
	s.File = write(t, "c.yaml", text)
	return s
}

func (l ladder) spec(wishes bool) tool.Spec {
	if !wishes {
		return tool.Spec{Name: "T"}
	}
	return tool.Spec{
		Name: "T", Concurrency: 1, DefaultTimeout: 34 * time.Second,
		Breaker: tool.Breaker{Threshold: 1, Recovery: 34 * time.Second},
	}
}

func TestWhoeverSpeaksOfAToolMoreCloselyWins(t *testing.T) {
	for _, l := range ladders() {
		for _, strongest := range []Kind{FromDefault, FromFile, FromEnvironment, FromFlag} {
			for _, row := range []struct{ wishes, section bool }{
				{false, false}, {true, false}, {false, true}, {true, true},
			} {
				want := l.values[strongest]
				switch {
				case row.section:
					want = l.section
				case row.wishes && strongest == FromDefault:
					want = l.wish
				}
				got := l.of(read(t, l.source(t, strongest, row.section)).Settings(l.spec(row.wishes)))
				if got != want {
					t.Errorf("%s from the %s, tool wishes %t, own section %t: Settings = %v, want %v", l.key, strongest,
						row.wishes, row.section, got, want)
				}
			}
		}
	}
}

func TestADefaultThatSomebodySaidIsNoDefault(t *testing.T) {
	for _, l := range ladders() {
		l.values[FromFile] = l.values[FromDefault]
		said := read(t, l.source(t, FromFile, false))
		if got := l.of(said.Settings(l.spec(true))); got != l.values[FromDefault] {
			t.Errorf("%s said as %v: Settings = %v, want that", l.key, l.values[FromDefault], got)
		}
		silent := read(t, Source{})
		if said.Same(silent) || !said.Same(said) {
			t.Errorf("%s said as its default: Same as without = %t, as itself = %t, want false and true", l.key,
				said.Same(silent), said.Same(said))
		}
	}
}

func TestOtherValuesAreNotTheSame(t *testing.T) {
	a, b := read(t, Source{}), read(t, Source{Environ: []string{"MCP_SERVER_PORT=1"}})
	if a.Same(b) {
		t.Error("Same = true of two ports, want false")
	}
	if c := read(t, Source{Environ: []string{"MCP_SERVER_PORT=8080"}}); !a.Same(c) {
		t.Error("Same = false where only the origin of a port differs, want true")
	}
}

// What is printed and read again means the same, also for a tool with wishes.
func TestWhatIsPrintedDoesNotOverruleTools(t *testing.T) {
	for _, s := range []Source{{}, {File: full}} {
		l := read(t, s)
		l.Config.Auth.Tokens = nil // their hashes are not printed
		again := read(t, Source{File: write(t, "printed.yaml", printOf(t, l))})
		spec := ladder{}.spec(true)
		if got, want := again.Settings(spec), l.Settings(spec); got != want {
			t.Errorf("Settings after printing = %+v, want %+v", got, want)
		}
	}
}
