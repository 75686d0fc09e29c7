// Package catalog is the list of the tools that can be called right now. A [Catalog] is immutable: fleet
// makes a new one whenever the set of plugins changes, a call loads the current one once and keeps it to its
// end. An [Entry] is a tool whose manifest has been found good: names checked, schemas compiled, settings
// resolved.
//
//	entries, err := catalog.Compile(manifest, handler, settings)
//	c, clashes := catalog.New(entries...)
//	e, ok := c.Lookup("NmapTool")
package catalog

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// ErrNotRunning is in the chain of a handler's error when the call never reached the plugin, because it has
// no process at the moment. It says nothing about the tool.
var ErrNotRunning = errors.New("the plugin is not running")

// Settings are the numbers in force for one tool: the configuration's, else the tool's own, else the host's.
type Settings struct {
	Enabled        bool
	Concurrency    int           // calls at a time
	QueueLength    int           // calls that may wait for a slot
	DefaultTimeout time.Duration // when the caller asks for none
	MaxTimeout     time.Duration // the most that a caller may ask for
	Breaker        Breaker
	RateRequests   int // per RatePer, client and tool
	RatePer        time.Duration
}

// Breaker are the numbers of a tool's circuit breaker.
type Breaker struct {
	Threshold   int           // consecutive failures that open it
	Recovery    time.Duration // how long it rests after that
	Trials      int           // that must succeed in a row to close it
	Multiplier  float64       // by which the rest grows after each failed trial
	MaxRecovery time.Duration // what the rest grows to at most
	Jitter      float64       // part of each rest that is random, 0..0.5
}

// Entry is one tool that can be called. It is not changed after New.
type Entry struct {
	Spec     tool.Spec // as served: the schemas are the host's, see Compile
	Settings Settings
	Plugin   string        // name of the plugin that offers it
	Version  string        // of the plugin
	Layers   []tool.Layer  // of the plugin's sandbox, as it says
	Prompts  []tool.Prompt // of the plugin
	Handler  tool.Handler
	Input    *Schema // what arguments are checked against
}

// Catalog is an immutable set of entries.
type Catalog struct {
	byName map[string]*Entry // tool name -> entry
	sorted []*Entry
}

// Clash is a tool name that two plugins offer. The first keeps it.
type Clash struct {
	Tool, Kept, Refused string // plugin names
}

// New makes a catalog; of entries with one name the first is taken and the others are reported.
func New(entries ...*Entry) (*Catalog, []Clash) {
	c := &Catalog{byName: make(map[string]*Entry, len(entries))}
	var clashes []Clash
	for _, e := range entries {
		if first, taken := c.byName[e.Spec.Name]; taken {
			clashes = append(clashes, Clash{Tool: e.Spec.Name, Kept: first.Plugin, Refused: e.Plugin})
			continue
		}
		c.byName[e.Spec.Name] = e
	}
	c.sorted = slices.SortedFunc(maps.Values(c.byName), func(a, b *Entry) int {
		return strings.Compare(a.Spec.Name, b.Spec.Name)
	})
	return c, clashes
}

// Lookup finds a tool by its exact name.
func (c *Catalog) Lookup(name string) (*Entry, bool) {
	e, ok := c.byName[name]
	return e, ok
}

// Entries returns all tools by name. The slice is the caller's.
func (c *Catalog) Entries() []*Entry { return slices.Clone(c.sorted) }

// Prompt is a prompt of a plugin.
type Prompt struct {
	tool.Prompt
	Plugin string
	Tools  []string // of the plugin
}

// Prompts returns the prompts of the plugins that offer tools, by name. Of two with one name the first is taken, by
// the names of the plugins' tools.
func (c *Catalog) Prompts() []Prompt {
	tools := make(map[string][]string) // plugin -> its tools
	for _, e := range c.sorted {
		tools[e.Plugin] = append(tools[e.Plugin], e.Spec.Name)
	}
	var all []Prompt
	taken := make(map[string]bool)
	for _, e := range c.sorted {
		for _, p := range e.Prompts {
			if !taken[p.Name] {
				taken[p.Name] = true
				all = append(all, Prompt{Prompt: p, Plugin: e.Plugin, Tools: tools[e.Plugin]})
			}
		}
	}
	slices.SortFunc(all, func(a, b Prompt) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Names returns the names of all tools, sorted.
func (c *Catalog) Names() []string {
	names := make([]string, len(c.sorted))
	for i, e := range c.sorted {
		names[i] = e.Spec.Name
	}
	return names
}
