package hosttools

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/host/internal/compare"
	"github.com/gatehouse-mcp/gatehouse/host/internal/excerpt"
	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

type diffArgs struct {
	Before string `json:"before"`
	After  string `json:"after"`
}

// difference is what two executions differ in.
type difference struct {
	Notice string          `json:"notice"`
	Tool   string          `json:"tool"`
	Before side            `json:"before"`
	After  side            `json:"after"`
	Notes  []string        `json:"notes,omitempty"`
	Text   string          `json:"text"`
	Diff   json.RawMessage `json:"diff,omitempty"`
}

// side is one of the two.
type side struct {
	ID      string    `json:"execution_id"`
	Target  string    `json:"target,omitempty"`
	Created time.Time `json:"created"`
}

func sideOf(x executions.Execution) side {
	return side{ID: x.ID, Target: target(x), Created: x.Created.Truncate(time.Millisecond)}
}

func (h *host) diff(_ context.Context, t turn, a diffArgs) (any, error) {
	before, err := ended(t, "/before", a.Before)
	if err != nil {
		return nil, err
	}
	after, err := ended(t, "/after", a.After)
	if err != nil {
		return nil, err
	}
	switch {
	case before.ID == after.ID:
		return nil, refuse("/after", "is the execution that before is; give two of them")
	case before.Tool != after.Tool:
		return nil, refuse("/after", "is an execution of %s, but before is one of %s; give two of one tool",
			excerpt.Clean(after.Tool), excerpt.Clean(before.Tool))
	}
	d, err := scans(t, before, after)
	if err != nil {
		return nil, err
	}
	out := difference{
		Notice: textNotice, Tool: excerpt.Clean(after.Tool), Before: sideOf(before), After: sideOf(after),
		Notes: notes(before, after),
	}
	return out.fit(d, h.maxText()-aroundText)
}

// ended is an execution that has ended.
func ended(t turn, pointer, id string) (executions.Execution, error) {
	x, err := t.book.Get(id)
	if err == nil && !x.State.Ended() {
		return x, refuse(pointer, "is an execution that is %s; compared is what has ended", x.State).
			Suggest(`call execution_wait {"execution_id":%q} first`, x.ID)
	}
	return x, err
}

func scans(t turn, before, after executions.Execution) (compare.Diff, error) {
	var data [2]json.RawMessage
	for i, x := range []executions.Execution{before, after} {
		rep, err := t.book.Report(x.ID)
		if err != nil {
			return compare.Diff{}, err
		}
		data[i] = rep.Data
	}
	return compare.Scans(data[0], data[1])
}

// notes say what of two executions makes a comparison doubtful.
func notes(before, after executions.Execution) (notes []string) {
	if !sameTargets(before, after) {
		notes = append(notes, fmt.Sprintf("the targets differ, %s before and %s after: "+
			"what came or went may be no change", target(before), target(after)))
	}
	if after.Created.Before(before.Created) {
		notes = append(notes, "before began later than after: give them the other way round to see what is new")
	}
	return notes
}

// sameTargets goes by the addresses that names stood for, where they are known.
func sameTargets(a, b executions.Execution) bool {
	if len(a.Targets) == 0 || len(b.Targets) == 0 {
		return a.Target == b.Target
	}
	return slices.EqualFunc(a.Targets, b.Targets, func(a, b tool.Target) bool { return a.Prefix == b.Prefix })
}

// fit makes the difference fit: its list is there if it takes six tenths of the room at most, and the text
// takes the rest.
func (d difference) fit(diff compare.Diff, room int) (any, error) {
	raw, err := json.Marshal(diff)
	if err != nil {
		return nil, fmt.Errorf("write the difference: %w", err)
	}
	if n := utf8.RuneCount(raw); n <= room*6/10 {
		d.Diff, room = raw, room-n
	} else {
		d.Notes = append(d.Notes, "there are too many differences to list them as data here; text has them in short")
	}
	var cut bool
	if d.Text, cut = excerpt.TextJSON(diff.Text(), room); cut {
		d.Notes = append(d.Notes, "text is cut too: compare scans of fewer hosts or ports")
	}
	return d, nil
}
