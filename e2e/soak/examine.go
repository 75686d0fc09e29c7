package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

// The lives that are whole: of events, and of lines of the trail.
var (
	wholeEvents = []string{"rx", "rsf"}
	wholeLines  = []string{"x", "af", "aef"}
)

// examine compares all that was written down.
func (t *trial) examine(ctx context.Context, took time.Duration) error {
	trail, err := readTrail(t.state())
	if err != nil {
		return err
	}
	t.faults = slices.Concat(t.faults, t.crowd.faults, t.meddler.faults, t.listener.faults)
	events, odd := sum("the events", t.listener.lives, wholeEvents...)
	t.faults = append(t.faults, odd...)
	lines, odd := sum("the trail", trail.lives, wholeLines...)
	t.faults = append(t.faults, odd...)
	lines.add(trail.summed)
	metrics := t.after.ledger()
	for _, book := range []*ledger{metrics, events, lines} {
		t.faults = append(t.faults, book.imbalance()...)
	}
	t.faults = append(t.faults, metrics.differences(lines)...)
	t.faults = append(t.faults, metrics.differences(events)...)
	t.lives(trail)
	t.replies(trail)
	t.callers(lines)
	t.deeds(trail)
	t.use()
	if said, err := t.verify(ctx); err != nil || !strings.Contains(said, "unbroken") {
		t.fault("gatehouse audit verify: %v: %s", err, said)
	}
	return t.print(trail, metrics, took)
}

// lives compares events and trail call by call. Of the refused ones those have no line that were summed up: as
// many of each kind as the sums say.
func (t *trial) lives(trail *trail) {
	without := make(map[refusal]int)
	for id, e := range t.listener.lives {
		l := trail.lives[id]
		if l == nil && e.refused == 1 {
			without[refusal{known(e.tool), e.kind}]++
		} else if l == nil {
			t.fault("the trail does not have %s of %q", id, e.tool)
		} else if l.kind != e.kind || l.refused != e.refused {
			t.fault("%s ended with %q in the trail and %q in the events", id, l.kind, e.kind)
		}
	}
	if !maps.Equal(without, trail.summed) {
		t.fault("refused calls without a line: %v; summed up in the trail: %v", without, trail.summed)
	}
	for id, l := range trail.lives {
		if t.listener.lives[id] == nil && !l.plan {
			t.fault("the events do not have %s of %s", id, l.tool)
		}
	}
}

// replies looks for each answer in the trail. One that is in no line was refused, by what the events say, or
// it is a plan, of which there are as many as were summed up.
func (t *trial) replies(trail *trail) {
	plans := 0
	for _, r := range t.crowd.got {
		if r.CorrelationID != r.correlation {
			t.fault("the answer to %s says correlation_id %q", r.correlation, r.CorrelationID)
		}
		if r.ExecutionID == "" {
			continue // a JSON-RPC error has none
		}
		l, told := trail.lives[r.ExecutionID], t.listener.lives[r.ExecutionID]
		switch {
		case l == nil && told != nil && told.refused == 1 && told.kind == r.kind():
		case l == nil && told == nil && plans < trail.summedPlans:
			plans++
		case l == nil:
			t.fault("the trail does not have the answer %s to %s of %s", r.ExecutionID, r.correlation, r.tool)
		case l.tool != r.tool || l.kind != r.kind() && !l.plan:
			t.fault("%s was answered with %q of %s; in the trail it is %q of %s",
				r.ExecutionID, r.kind(), r.tool, l.kind, l.tool)
		}
	}
}

// callers compares what was called with what was received: who left at once may not have been heard.
func (t *trial) callers(lines *ledger) {
	for _, name := range tools {
		told, heard := t.crowd.told.of(name), lines.of(name).received
		if heard < told.started || heard > told.received {
			t.fault("%s: %d calls were made and %d answered, but the trail has %d",
				name, told.received, told.started, heard)
		}
	}
}

// deeds compares what was done to the host.
func (t *trial) deeds(trail *trail) {
	for deed, action := range map[string]string{
		"enable": "enable", "disable": "disable", "breaker/open": "breaker.open", "breaker/close": "breaker.close",
	} {
		if did, written := t.meddler.done[deed], trail.actions[action]; did != written {
			t.fault("%s was done %d times, and the trail has it %d times", deed, did, written)
		}
	}
	for _, c := range []struct {
		outcome, event string
		lines          int
	}{{"applied", "config.reloaded", trail.applied}, {"rejected", "config.rejected", trail.rejected}} {
		counted := int(t.after.sum("mcp_config_reloads_total", "outcome", c.outcome))
		if c.outcome == "applied" {
			counted += int(t.after.sum("mcp_config_reloads_total", "outcome", "partial"))
		}
		if told := t.listener.others[c.event]; counted != told || counted != c.lines {
			t.fault("reloads %s: %d in the metrics, %d in the events, %d in the trail",
				c.outcome, counted, told, c.lines)
		}
	}
	if plans := int(t.after.sum("mcp_tool_plans_total")); plans != trail.plans {
		t.fault("plans: %d in the metrics, %d in the trail", plans, trail.plans)
	}
	if lost := t.after.sum("mcp_audit_lost_lines_total"); lost != 0 {
		t.fault("the trail has lost %v lines", lost)
	}
}

// uses are what must not grow.
var uses = []struct {
	name, metric, unit string
	scale, more        float64
}{
	{"memory", "process_resident_memory_bytes", " MiB", 1 << 20, someMemory},
	{"goroutines", "go_goroutines", "", 1, someGoroutines},
	{"open files", "process_open_fds", "", 1, someFiles},
}

// use holds what the host uses to what it used after the first part.
func (t *trial) use() {
	for _, u := range uses {
		before, after := t.before.sum(u.metric), t.after.sum(u.metric)
		if after > before+u.more {
			t.fault("%s rose from %.1f to %.1f%s, want at most %.1f more",
				u.name, before/u.scale, after/u.scale, u.unit, u.more/u.scale)
		}
	}
}

// sorted are the keys of a map in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
