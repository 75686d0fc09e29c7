package httpdoor

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"regexp"
	"slices"

	"github.com/gorilla/mux"

	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/host/internal/strictjson"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Executions are those that one client may see, as [executions.Window] has them: whatever belongs to another
// is not there. Errors are *tool.Error.
type Executions interface {
	Get(id string) (executions.Execution, error)
	List(f executions.Filter) (list []executions.Execution, next string, err error)
	Report(id string) (tool.Report, error)
	Read(id string, p executions.Part, offset int64, limit int) (executions.Chunk, error)
	Follow(ctx context.Context, id string, from executions.Position) iter.Seq2[executions.Update, error]
	Cancel(id string, why error) error
	Delete(id string) error
}

var _ Executions = executions.Window{}

// executionView is an execution as it is sent.
type executionView struct {
	executions.View
	Result *tool.Report `json:"result,omitempty" jsonschema:"what it came to, or what there is so far; in GET /executions/{id} alone, and not of one that is queued"`
}

// executionListView is what GET /executions answers.
type executionListView struct {
	Executions []executionView `json:"executions" jsonschema:"the newest first"`
	Next       string          `json:"next_cursor,omitempty" jsonschema:"the cursor of the next page; left out on the last one"`
}

// newExecution is the body of POST /executions without the arguments.
type newExecution struct {
	Tool      string   `json:"tool"`
	Arguments struct{} `json:"arguments"`
}

// How many executions a page has.
const (
	defaultPage = 20
	maxPage     = 100
)

func (d *Door) startExecution(w http.ResponseWriter, r *http.Request) {
	wanted, status, bad := readNewExecution(w, r)
	if bad != nil {
		d.refuse(w, r, status, bad)
		return
	}
	wanted.Client = origin.From(r.Context()).Client
	x, err := d.cfg.Detach(r.Context(), wanted)
	if e := tool.AsError(err); e != nil {
		writeProblem(w, bareStatus(e.Kind), e, tool.Result{ExecutionID: x.ID, CorrelationID: x.CorrelationID})
		return
	}
	correlate(w, cmp.Or(x.CorrelationID, x.ID))
	w.Header().Set("Location", executionsPath+"/"+x.ID)
	writeJSON(w, http.StatusAccepted, executionView{View: x.View()})
}

var toolNameRE = regexp.MustCompile(`^` + namePattern + `$`)

// readNewExecution reads the body. The arguments are held to what those of the route of their tool are held to,
// which is less than [strictjson.Decode] asks for.
func readNewExecution(w http.ResponseWriter, r *http.Request) (tool.Request, int, *tool.Error) {
	raw, status, bad := readJSON(w, r, maxRESTBody)
	if bad != nil {
		return tool.Request{}, status, bad
	}
	refused := func(bad *tool.Error) (tool.Request, int, *tool.Error) {
		const example = `send {"tool": "PingTool", "arguments": {"target": "10.0.3.7"}}`
		return tool.Request{}, http.StatusBadRequest, bad.Suggest(example)
	}
	if err := strictjson.Object(raw, strictjson.Limits{Depth: maxRESTDepth + 1, Values: maxValues}); err != nil {
		return refused(badBody(err))
	}
	arguments, rest := takeArguments(raw)
	n, err := strictjson.Decode[newExecution](rest)
	switch {
	case err != nil:
		return refused(badBody(err))
	case !toolNameRE.MatchString(n.Tool):
		return refused(tool.Errorf(tool.KindValidation, "the body: /tool: wanted is the name of a tool, "+
			"1 to 64 characters of [A-Za-z0-9_-]").With("pointer", "/tool"))
	}
	return tool.Request{Tool: n.Tool, Arguments: arguments}, 0, nil
}

// takeArguments returns the arguments in a good document, and the document with none in their place, in which
// all else is where it was. Where the same text comes earlier, that is no name of a tool either.
func takeArguments(raw []byte) (arguments, rest []byte) {
	var members map[string]json.RawMessage
	arguments = []byte(`{}`)
	if json.Unmarshal(raw, &members) != nil || !bytes.HasPrefix(members["arguments"], []byte(`{`)) {
		return arguments, raw
	}
	arguments = members["arguments"]
	nothing := slices.Concat([]byte(`{`), bytes.Repeat([]byte(` `), len(arguments)-2), []byte(`}`))
	return arguments, bytes.Replace(raw, arguments, nothing, 1)
}

func (d *Door) listExecutions(w http.ResponseWriter, r *http.Request) {
	f, bad := readFilter(r)
	if bad != nil {
		d.refuse(w, r, http.StatusBadRequest, bad)
		return
	}
	found, next, err := d.cfg.Executions(r.Context()).List(f)
	if err != nil {
		d.refuseExecution(w, r, err)
		return
	}
	v := executionListView{Executions: []executionView{}, Next: next}
	for _, x := range found {
		v.Executions = append(v.Executions, executionView{View: x.View()})
	}
	writeJSON(w, http.StatusOK, v)
}

func readFilter(r *http.Request) (executions.Filter, *tool.Error) {
	q, bad := readQuery(r, "tool", "target", "state", "limit", "cursor")
	if bad != nil {
		return executions.Filter{}, bad
	}
	limit, bad := q.number("limit", defaultPage, 1, maxPage)
	f := executions.Filter{
		Tool: q["tool"], Target: q["target"], State: executions.State(q["state"]), Limit: int(limit),
		Before: q["cursor"],
	}
	if states := executions.States(); bad == nil && f.State != "" && !slices.Contains(states, f.State) {
		bad = tool.Errorf(tool.KindValidation, "there is no state %q", brief(string(f.State))).
			Suggest("the states are %v", states)
	}
	return f, bad
}

func (d *Door) getExecution(w http.ResponseWriter, r *http.Request) {
	v, err := wholeExecution(d.cfg.Executions(r.Context()), mux.Vars(r)["id"])
	if err != nil {
		d.refuseExecution(w, r, err)
		return
	}
	writeExecution(w, v)
}

// wholeExecution is an execution with its result. Both are of one state, of which there are three at most.
func wholeExecution(all Executions, id string) (executionView, error) {
	for {
		x, err := all.Get(id)
		if err != nil || x.State == executions.Queued {
			return executionView{View: x.View()}, err
		}
		rep, err := all.Report(id)
		if err != nil {
			return executionView{}, err
		}
		after, err := all.Get(id)
		if err != nil || after.State == x.State {
			return executionView{View: after.View(), Result: &rep}, err
		}
	}
}

// endExecution ends what runs, and forgets what has ended. What ends just now is not forgotten: nobody has asked
// for that.
func (d *Door) endExecution(w http.ResponseWriter, r *http.Request) {
	all, id := d.cfg.Executions(r.Context()), mux.Vars(r)["id"]
	x, err := all.Get(id)
	switch {
	case err != nil:
	case x.State.Ended():
		if err = all.Delete(id); err == nil {
			writeJSON(w, http.StatusOK, statusView{"forgotten"})
			return
		}
	default:
		err = all.Cancel(id, fmt.Errorf("the client %s cancelled it", origin.From(r.Context()).Client))
		if reasonOf(err) == executions.ReasonEnded {
			err = nil
		}
		if err == nil {
			x, err = all.Get(id)
		}
	}
	if err != nil {
		d.refuseExecution(w, r, err)
		return
	}
	writeJSON(w, http.StatusAccepted, executionView{View: x.View()})
}

// refuseExecution answers what cannot be told or done.
func (d *Door) refuseExecution(w http.ResponseWriter, r *http.Request, err error) {
	e := tool.AsError(err)
	d.refuse(w, r, executionStatus(e), e.About("", "")) // a copy: others may hold the error too
}

// executionStatus is the ladder for what goes wrong with executions.
func executionStatus(e *tool.Error) int {
	switch reasonOf(e) {
	case executions.ReasonNoSuch, reasonNoData:
		return http.StatusNotFound
	case executions.ReasonEnded, executions.ReasonNotEnded, executions.ReasonOtherHost:
		return http.StatusConflict
	}
	return bareStatus(e.Kind)
}

// reasonOf is what the metadata of an error give as the reason.
func reasonOf(err error) string {
	var e *tool.Error
	if !errors.As(err, &e) || e == nil {
		return ""
	}
	reason, _ := e.Metadata["reason"].(string)
	return reason
}
