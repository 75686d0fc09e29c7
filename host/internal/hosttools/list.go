package hosttools

import (
	"context"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/host/internal/excerpt"
	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

const (
	defaultList = 20
	maxError    = 160 // characters of an error in the list
)

type listArgs struct {
	Tool   string           `json:"tool"`
	Target string           `json:"target"`
	State  executions.State `json:"state"`
	Limit  float64          `json:"limit"`
	Cursor string           `json:"cursor"`
}

type list struct {
	Notice     string `json:"notice,omitempty"`
	Executions []row  `json:"executions"`
	NextCursor string `json:"next_cursor,omitempty"`
}

// row is an execution in the list.
type row struct {
	ID         string           `json:"execution_id"`
	Tool       string           `json:"tool"`
	Target     string           `json:"target,omitempty"`
	Client     string           `json:"client,omitempty"` // for who sees those of others
	State      executions.State `json:"state"`
	Created    time.Time        `json:"created"`
	Elapsed    float64          `json:"elapsed_sec"`
	Percent    *float64         `json:"percent,omitempty"`
	ReturnCode *int             `json:"returncode,omitempty"`
	ErrorType  tool.Kind        `json:"error_type,omitempty"`
	Error      string           `json:"error,omitempty"`
	Stdout     int64            `json:"stdout_bytes"`
	Stderr     int64            `json:"stderr_bytes"`
	Data       int64            `json:"data_bytes"`
}

func newRow(x executions.Execution, all bool) row {
	r := row{
		ID: x.ID, Tool: excerpt.Clean(x.Tool), Target: target(x), State: x.State,
		Created: x.Created.Truncate(time.Millisecond), Elapsed: elapsed(x), ErrorType: x.ErrorType,
		Stdout: x.StdoutBytes, Stderr: x.StderrBytes, Data: x.DataBytes,
	}
	r.Error, _ = excerpt.Text(x.Error, maxError)
	if all {
		r.Client, _ = excerpt.Text(x.Client, maxTarget)
	}
	switch {
	case x.State.Ended():
		r.ReturnCode = &x.ReturnCode
	case x.Progress != nil && x.Progress.Percent >= 0:
		r.Percent = &x.Progress.Percent
	}
	return r
}

func (h *host) list(_ context.Context, t turn, a listArgs) (any, error) {
	f := executions.Filter{Tool: a.Tool, Target: a.Target, State: a.State, Before: a.Cursor, Limit: int(a.Limit)}
	if f.Limit == 0 {
		f.Limit = defaultList
	}
	found, next, err := t.book.List(f)
	if err != nil {
		return nil, err
	}
	out := list{Executions: []row{}, NextCursor: next}
	room := h.maxText() - aroundText
	for _, x := range found {
		r := newRow(x, t.Viewer.All)
		if room -= size(r); room < 0 && len(out.Executions) > 0 {
			out.NextCursor = out.Executions[len(out.Executions)-1].ID // the rest is for the next page
			break
		}
		if out.Executions = append(out.Executions, r); r.Error != "" {
			out.Notice = foreign
		}
	}
	return out, nil
}

// size is how many characters a value takes as JSON, at least.
func size(v any) int {
	raw, err := json.Marshal(v)
	if err != nil {
		return 0 // it cannot be: the values are our own
	}
	return utf8.RuneCount(raw) + len(",")
}
