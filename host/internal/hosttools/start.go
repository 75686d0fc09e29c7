package hosttools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/excerpt"
	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

type startArgs struct {
	Tool      string          `json:"tool"`
	Arguments json.RawMessage `json:"arguments"`
}

// begun is where an execution is, for who began or ended it.
type begun struct {
	ID      string           `json:"execution_id"`
	Tool    string           `json:"tool"`
	Target  string           `json:"target,omitempty"`
	State   executions.State `json:"state"`
	Timeout float64          `json:"timeout_sec,omitempty"`
	Next    string           `json:"next"`
}

func newBegun(x executions.Execution, next string) begun {
	return begun{
		ID: x.ID, Tool: excerpt.Clean(x.Tool), Target: target(x), State: x.State,
		Timeout: x.Timeout.Seconds(), Next: next,
	}
}

// maxTarget is the most characters of a target.
const maxTarget = 200

func target(x executions.Execution) string {
	text, _ := excerpt.Text(x.Target, maxTarget)
	return text
}

func (h *host) start(ctx context.Context, t turn, a startArgs) (any, error) {
	if len(a.Arguments) == 0 {
		a.Arguments = json.RawMessage("{}")
	}
	x, err := h.cfg.Start(ctx, tool.Request{Tool: a.Tool, Client: t.Viewer.Client, Arguments: a.Arguments})
	if err != nil {
		return nil, err
	}
	return newBegun(x, advice(x)), nil
}

// advice says what to do next about an execution.
func advice(x executions.Execution) string {
	id := fmt.Sprintf(`{"execution_id":%q}`, x.ID)
	switch x.State {
	case executions.Queued:
		return "it waits for a free slot of its tool: call execution_wait " + id
	case executions.Running:
		return fmt.Sprintf("call execution_wait %s until it has ended, execution_read to read its output "+
			"meanwhile, or execution_cancel to end it", id)
	case executions.Interrupted:
		return "the host ended before it did: start it again if its result is still wanted"
	}
	return "it has ended: call execution_result " + id
}

type idArgs struct {
	ID string `json:"execution_id"`
}

// cancelPatience is how long a cancelled execution is waited for.
const cancelPatience = 3 * time.Second

func (h *host) cancel(ctx context.Context, t turn, a idArgs) (any, error) {
	why := tool.Errorf(tool.KindCancelled, "cancelled by %s with execution_cancel", t.Viewer.Client)
	if err := t.book.Cancel(a.ID, why); err != nil {
		return h.endedBefore(t, a.ID, err)
	}
	patience, stop := context.WithTimeout(ctx, cancelPatience)
	defer stop()
	x, err := t.book.Wait(patience, a.ID)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, context.DeadlineExceeded):
		return newBegun(x, fmt.Sprintf(`it is being ended: call execution_wait {"execution_id":%q}`, x.ID)), nil
	case err != nil:
		return nil, err
	}
	return newBegun(x, fmt.Sprintf(`what it printed is kept: call execution_result {"execution_id":%q}`, x.ID)), nil
}

// endedBefore is the answer of an execution that could not be cancelled: that it had ended is no error.
func (h *host) endedBefore(t turn, id string, err error) (any, error) {
	if tool.AsError(err).Metadata["reason"] != executions.ReasonEnded {
		return nil, err
	}
	x, err := t.book.Get(id)
	if err != nil {
		return nil, err
	}
	return newBegun(x, fmt.Sprintf(`it had ended already: call execution_result {"execution_id":%q}`, x.ID)), nil
}
