package fleet

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
)

// publish makes a new catalog of what the plugins offer, in the order of their paths: where two offer a tool
// of one name, the first keeps it.
func (f *Fleet) publish() {
	defer f.tellProblems()
	f.mu.Lock()
	defer f.mu.Unlock()
	var entries []*catalog.Entry
	for _, m := range f.members {
		m.mu.Lock()
		entries = append(entries, m.entries...)
		m.mu.Unlock()
	}
	c, _ := catalog.New(entries...) // it tells clashes by plugin name; we tell them by path
	f.clashes = clashes(c, entries)
	f.catalog.Store(c)
	select {
	case f.dirty <- struct{}{}:
	default: // a call of Changed is owed already
	}
}

func clashes(c *catalog.Catalog, entries []*catalog.Entry) []Problem {
	var found []Problem
	for _, e := range entries {
		kept, _ := c.Lookup(e.Spec.Name)
		if kept == e {
			continue
		}
		loser, keeper := e.Handler.(*offering).member.path, kept.Handler.(*offering).member.path
		found = append(found, Problem{
			Path: loser, Tool: e.Spec.Name, Reason: "the name is taken by " + keeper,
			Fix: fmt.Sprintf("take %s or %s out of the plugin directories", loser, keeper),
		})
	}
	return found
}

// same reports whether two lists of entries offer the same, so that a plain restart is no change of the
// catalog.
func same(a, b []*catalog.Entry) bool {
	return slices.EqualFunc(a, b, func(a, b *catalog.Entry) bool {
		return a.Plugin == b.Plugin && a.Version == b.Version && a.Settings == b.Settings &&
			reflect.DeepEqual(a.Spec, b.Spec) && slices.Equal(a.Layers, b.Layers) &&
			reflect.DeepEqual(a.Prompts, b.Prompts)
	})
}

// chosen leaves out what the configuration does not want.
func (f *Fleet) chosen(entries []*catalog.Entry) []*catalog.Entry {
	return slices.DeleteFunc(entries, func(e *catalog.Entry) bool {
		return !f.cfg.Wanted(e.Spec.Name)
	})
}
