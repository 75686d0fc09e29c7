package httpdoor

import (
	"net/http"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
)

// Where the executions are.
const (
	executionsPath      = "/executions"
	executionPath       = executionsPath + "/{id}"
	executionEventsPath = executionPath + "/events"
)

// executionRows are the routes of calls that are followed, found again and read.
func (d *Door) executionRows() []route {
	list, one := d.executionListRow(), d.executionRow()
	start, end := d.startRow(), d.endRow()
	start.also, end.also = &list, &one
	return []route{
		start, list, end, one, d.followRow(),
		d.partRow(executions.Stdout, "getExecutionStdout", "What an execution printed"),
		d.partRow(executions.Stderr, "getExecutionStderr", "What an execution printed as errors"),
		d.partRow(executions.Data, "getExecutionData", "The parsed result of an execution"),
	}
}

func (d *Door) noExecutions() bool { return d.cfg.Executions == nil }

func (d *Door) startRow() route {
	return route{
		path: executionsPath, method: http.MethodPost, role: auth.Caller, handler: d.startExecution,
		off: d.noExecutions() || d.cfg.Detach == nil,
		id:  "startExecution", tag: "executions", summary: "Run a tool that goes on without its caller",
		text: "Answers when the call has passed all gates and runs, or waits for a slot. It is refused as " +
			"`POST /tools/{name}/execute` is.",
		body: &body{schema: "NewExecution", required: true},
		answers: []outcome{{
			status: 202, text: "The execution, which has begun.", schema: "Execution",
			headers: []string{"CorrelationID", "Location"},
		}},
		problems: []int{400, 404, 413, 415, statusCancelled, 502},
	}
}

func (d *Door) executionListRow() route {
	return route{
		path: executionsPath, method: http.MethodGet, role: auth.Viewer, handler: d.listExecutions,
		off: d.noExecutions(),
		id:  "listExecutions", tag: "executions", summary: "The executions of the client, the newest first",
		text:    "Administrators see those of everybody.",
		params:  []string{"ByTool", "ByTarget", "ByState", "PageLimit", "Cursor"},
		answers: []outcome{{status: 200, text: "A page of them.", schema: "ExecutionList"}}, problems: []int{400},
	}
}

func (d *Door) executionRow() route {
	return route{
		path: executionPath, method: http.MethodGet, role: auth.Viewer, handler: d.getExecution,
		off: d.noExecutions(),
		id:  "getExecution", tag: "executions", summary: "One execution, with its result",
		text:     "Of one that runs the result is what there is so far.",
		params:   []string{"ExecutionID"},
		answers:  []outcome{{status: 200, text: "The execution.", schema: "Execution"}},
		problems: []int{400, 404},
	}
}

func (d *Door) endRow() route {
	return route{
		path: executionPath, method: http.MethodDelete, role: auth.Caller,
		handler: d.needs(auth.Caller, d.endExecution), off: d.noExecutions(),
		id: "endExecution", tag: "executions",
		summary: "Cancel an execution that runs, or forget one that has ended",
		text:    "What ends just when it is to be cancelled is not forgotten.",
		params:  []string{"ExecutionID"},
		answers: []outcome{
			{status: 202, text: "It is being cancelled: how it was then.", schema: "Execution"},
			{status: 200, text: "It is forgotten.", schema: "Status"},
		},
		problems: []int{400, 404, 409},
	}
}

func (d *Door) followRow() route {
	return route{
		path: executionEventsPath, method: http.MethodGet, role: auth.Viewer, handler: d.stream(d.followExecution),
		off: d.noExecutions(), stays: true,
		id: "followExecution", tag: "executions", summary: "What an execution prints, as server-sent events",
		text:   executionEventsText(),
		params: []string{"ExecutionID", "LastEventID", "LastEventIDQuery"},
		answers: []outcome{{
			status: 200, text: "A stream that ends with the execution.", media: eventStream, schema: "Text",
		}},
		problems: []int{400, 404},
	}
}

func (d *Door) partRow(p executions.Part, id, summary string) route {
	headers := []string{"Offset", "NextOffset", "TotalBytes", "Complete", "NextPage"}
	row := route{
		path: executionPath + "/" + string(p), method: http.MethodGet, role: auth.Viewer, handler: d.readPart(p),
		off: d.noExecutions(),
		id:  id, tag: "executions", summary: summary,
		text: "All of it, or with `offset` and `limit` a range, which begins and ends between characters: it may " +
			"begin up to 3 bytes earlier than was asked for.",
		params: []string{"ExecutionID", "Offset", "RangeLimit"}, problems: []int{400, 404},
	}
	if p == executions.Data {
		row.text += " All of it is JSON, a range is text. Of one that has no data it is 404."
		row.answers = append(row.answers, outcome{
			status: 200, text: "The data.", schema: "Anything", headers: headers,
		})
	}
	row.answers = append(row.answers, outcome{
		status: 200, text: "The text.", media: "text/plain", schema: "Text", headers: headers,
	})
	return row
}
