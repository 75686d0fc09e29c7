package call

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// How an unknown name is helped with: names at most this many edits away, and so many of them.
const (
	maxEdits  = 3
	maxNearby = 3
)

// lookup refuses what is not in the catalog, as observe found it, or switched off. Calls of unknown tools
// cost tokens of one bucket per client: a name that is guessed is not looked for among the others without
// end.
func (r *Router) lookup(inner next) next {
	return func(ctx context.Context, c *passage) error {
		e := c.entry
		if e == nil {
			if err := r.takeUnknown(c); err != nil {
				return err
			}
			return r.notFound(ctx, c)
		}
		if !e.Settings.Enabled {
			return switchedOff(e)
		}
		c.state = r.tools.of(e)
		return inner(ctx, c)
	}
}

func switchedOff(e *catalog.Entry) error {
	return tool.Errorf(tool.KindDisabled, "%s is switched off on this host", e.Spec.Name).
		Suggest("use another tool, or ask the operator to enable it").
		With("plugin", e.Plugin)
}

// takeUnknown takes a token for a tool that does not exist. Its name is no key: the caller has invented it.
func (r *Router) takeUnknown(c *passage) error {
	var l limit
	l.requests, l.per = r.cfg.Unknown()
	after, ok := r.take(bucketKey{client: c.req.Client}, l)
	if ok {
		return nil
	}
	return rateLimited(l, after, tool.Errorf(tool.KindRateLimited,
		"tools that do not exist were called more than %d times in %v by %s", l.requests, l.per, c.req.Client))
}

// again asks a second time, when the call has its slot, whether the tool is there and switched on: an
// operator who switches a tool off means those who wait as well.
func (r *Router) again(inner next) next {
	return func(ctx context.Context, c *passage) error {
		c.catalog = r.cfg.Catalog()
		e, ok := c.catalog.Lookup(c.req.Tool)
		switch {
		case !ok:
			return r.notFound(ctx, c)
		case !e.Settings.Enabled:
			return switchedOff(e)
		}
		return inner(ctx, c)
	}
}

func (r *Router) notFound(ctx context.Context, c *passage) error {
	err := tool.Errorf(tool.KindToolNotFound, "there is no tool %q", c.asked)
	var near []string
	for _, name := range nearest(c.asked, c.catalog.Names()) {
		// A name that the client may not call is none of its business.
		if r.cfg.Authorize(ctx, c.req.Client, name) == nil {
			near = append(near, name)
		}
	}
	if len(near) == 0 {
		return err.Suggest("list the tools to see what this host offers; names are exact")
	}
	return err.Suggest("did you mean %s?", strings.Join(near, " or ")).With("nearest", near)
}

// nearest returns the names that look most like the one asked for, best first. Case does not count, and a
// name that contains the other is near, since "nmap" is what people call NmapTool.
func nearest(asked string, names []string) []string {
	type candidate struct {
		name  string
		edits int
	}
	var found []candidate
	lower := strings.ToLower(asked)
	for _, name := range names {
		n := strings.ToLower(name)
		edits := maxEdits
		if len(lower) < 3 || !strings.Contains(n, lower) {
			edits = distance(lower, n)
		}
		if edits <= min(maxEdits, len(asked)) {
			found = append(found, candidate{name, edits})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(a.edits, b.edits) })
	var best []string
	for _, f := range found[:min(len(found), maxNearby)] {
		best = append(best, f.name)
	}
	return best
}

// distance is the Levenshtein distance of two strings, by bytes; maxEdits+1 stands for everything beyond
// maxEdits that the lengths alone give away.
func distance(a, b string) int {
	if d := len(a) - len(b); d > maxEdits || d < -maxEdits {
		return maxEdits + 1
	}
	row := make([]int, len(b)+1) // row[j]: from a[:i] to b[:j]
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
