package executions

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// record is an execution as the database has it: exactly, which its view for people is not.
type record struct {
	View
	Timeout  time.Duration  `json:"timeout,omitempty"` // in the place of the view's
	Elapsed  time.Duration  `json:"elapsed,omitempty"`
	Progress *tool.Progress `json:"progress,omitempty"`
	Error    string         `json:"error,omitempty"`
}

func encodeDoc(x Execution) ([]byte, error) {
	raw, err := json.Marshal(record{
		View: x.View(), Timeout: x.Timeout, Elapsed: x.Elapsed, Progress: x.Progress, Error: x.Error,
	})
	if err != nil {
		return nil, fmt.Errorf("execution %s as JSON: %w", x.ID, err)
	}
	return raw, nil
}

func decodeDoc(raw []byte) (Execution, error) {
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		return Execution{}, fmt.Errorf("read a stored execution: %w", err)
	}
	x := Execution{
		ID: r.ID, CorrelationID: r.CorrelationID, Tool: r.Tool, Plugin: r.Plugin, Version: r.Version,
		Client: r.Client, Door: r.Door, Arguments: r.Arguments, Target: r.Target, Targets: r.Targets,
		Detached: r.Detached, State: r.State, Created: r.Created, Started: r.Started, Finished: r.Finished,
		Timeout: r.Timeout, Elapsed: r.Elapsed, Progress: r.Progress, StdoutBytes: r.StdoutBytes,
		StderrBytes: r.StderrBytes, TruncatedStdout: r.TruncatedStdout, TruncatedStderr: r.TruncatedStderr,
		DataBytes: r.DataBytes, TimedOut: r.TimedOut, ErrorType: r.ErrorType, Error: r.Error,
	}
	if r.ReturnCode != nil {
		x.ReturnCode = *r.ReturnCode
	}
	return x, nil
}

// storedReport is a report without its texts and its data, which are chunks. Content is there as it was: its
// own JSON is for readers.
type storedReport struct {
	tool.Report
	Blocks []block `json:"blocks,omitempty"`
}

type block tool.Content

// encodeReport is nil when nothing is known but what the execution itself says.
func encodeReport(e *entry) ([]byte, error) {
	if e.x.State == Interrupted {
		return nil, nil
	}
	rep := storedReport{Report: tool.NewReport(e.result, asError(e.err))}
	rep.Data, rep.Content = nil, nil
	for _, c := range e.result.Content {
		rep.Blocks = append(rep.Blocks, block(c))
	}
	raw, err := json.Marshal(rep)
	if err != nil { // the values of the metadata are no JSON; the rest is worth keeping
		rep.Metadata = map[string]any{"metadata_lost": err.Error()}
		raw, err = json.Marshal(rep)
	}
	if err != nil {
		return nil, fmt.Errorf("the report of %s as JSON: %w", e.x.ID, err)
	}
	return raw, nil
}

func decodeReport(raw []byte) (tool.Report, error) {
	var rep storedReport
	if err := json.Unmarshal(raw, &rep); err != nil {
		return tool.Report{}, fmt.Errorf("read a stored report: %w", err)
	}
	for _, b := range rep.Blocks {
		rep.Content = append(rep.Content, tool.Content(b))
	}
	return rep.Report, nil
}

// asError keeps a nil pointer from being an error.
func asError(e *tool.Error) error {
	if e == nil {
		return nil
	}
	return e
}

// partial is the report of what has no result: it runs, or was interrupted.
func partial(x Execution) tool.Report {
	var err error
	if x.ErrorType != "" {
		e := tool.Errorf(x.ErrorType, "%s", x.Error).
			Suggest("start it again; what was captured is in stdout and stderr")
		e.Time = x.Finished
		err = e.About(x.Tool, x.Target)
	}
	return tool.NewReport(tool.Result{
		ReturnCode: noReturnCode, TruncatedStdout: x.TruncatedStdout, TruncatedStderr: x.TruncatedStderr,
		Metadata: map[string]any{"state": string(x.State)}, ExecutionID: x.ID, CorrelationID: x.CorrelationID,
		Elapsed: x.Elapsed,
	}, err)
}

// targetList is every name by which the targets of an execution can be found, each between line feeds.
func targetList(x *Execution) string {
	var b strings.Builder
	b.WriteByte('\n')
	for name := range targetNames(x) {
		b.WriteString(name)
		b.WriteByte('\n')
	}
	return b.String()
}

// targetNames yields the targets as the caller wrote them, and as they were pinned.
func targetNames(x *Execution) func(func(string) bool) {
	return func(yield func(string) bool) {
		if x.Target != "" && !yield(x.Target) {
			return
		}
		for _, t := range x.Targets {
			if t.Label != x.Target && !yield(t.Label) {
				return
			}
			if l := t.Literal(); l != t.Label && !yield(l) {
				return
			}
		}
	}
}
