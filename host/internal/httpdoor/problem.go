package httpdoor

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"

	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// statusCancelled is what proxies log for a client that went away; nobody is there to read it.
const statusCancelled = 499

// statusOf is the REST ladder: error kind -> HTTP status.
func statusOf(k tool.Kind) int {
	switch k {
	case tool.KindValidation:
		return http.StatusBadRequest
	case tool.KindUnauthenticated:
		return http.StatusUnauthorized
	case tool.KindOutOfScope, tool.KindIntrusiveDenied, tool.KindNeedsPrivilege, tool.KindForbidden,
		tool.KindDisabled:
		return http.StatusForbidden
	case tool.KindToolNotFound:
		return http.StatusNotFound
	case tool.KindRateLimited:
		return http.StatusTooManyRequests
	case tool.KindOverloaded, tool.KindBreakerOpen, tool.KindUnavailable:
		return http.StatusServiceUnavailable
	case tool.KindNotFound, tool.KindTimeout, tool.KindResourceExhausted, tool.KindExecution:
		return http.StatusOK
	case tool.KindCancelled:
		return statusCancelled
	default:
		return http.StatusInternalServerError
	}
}

// bareStatus is the ladder where there is no result for an error to stand in.
func bareStatus(k tool.Kind) int {
	if k.InResult() {
		return http.StatusBadGateway
	}
	return statusOf(k)
}

// problem is an error as RFC 9457 has it.
type problem struct {
	Type   string `json:"type" jsonschema:"urn:gatehouse:error: and the error_type"`
	Title  string `json:"title" jsonschema:"the words of the status"`
	Status int    `json:"status" jsonschema:"the HTTP status"`
	Detail string `json:"detail" jsonschema:"what went wrong, for people"`

	Kind          tool.Kind      `json:"error_type" jsonschema:"what went wrong, for programs"`
	Suggestion    string         `json:"recovery_suggestion,omitempty" jsonschema:"what to do next"`
	Time          time.Time      `json:"timestamp" jsonschema:"when it went wrong, UTC"`
	Tool          string         `json:"tool,omitempty" jsonschema:"the tool that was asked for"`
	Target        string         `json:"target,omitempty" jsonschema:"the target as it was written"`
	RetryAfter    float64        `json:"retry_after,omitempty" jsonschema:"seconds after which it is worth trying again"`
	Metadata      map[string]any `json:"metadata,omitempty" jsonschema:"facts about the error"`
	CorrelationID string         `json:"correlation_id,omitempty" jsonschema:"under which it stands in the log"`
	ExecutionID   string         `json:"execution_id,omitempty" jsonschema:"of the call"`
}

// refuse answers a request that never became a call, and logs it under an id that the answer carries too.
func (d *Door) refuse(w http.ResponseWriter, r *http.Request, status int, e *tool.Error) {
	if unread(r) {
		leave(w, r)
	}
	writeProblem(w, status, e, tool.Result{CorrelationID: d.refused(r, status, e)})
}

// refused tells log and trail of a request that never became a call, and returns the id under which it stands there.
func (d *Door) refused(r *http.Request, status int, e *tool.Error) string {
	id := uuid.Must(uuid.NewV7()).String()
	e.Message = clip(e.Message)
	attrs := []any{
		"correlation_id", id, "status", status, "error_type", string(e.Kind), "error", e.Message,
		"client", origin.From(r.Context()).Client, "remote", visitOf(r).remote,
	}
	if t := trace(r); t.ID != "" {
		attrs = append(attrs, "trace_id", t.ID)
	}
	d.cfg.Logger.InfoContext(r.Context(), "request refused", attrs...)
	if d.cfg.Refused != nil {
		d.cfg.Refused(refusalOf(r, id, status, e))
	}
	return id
}

// maxMessage is the most bytes of a refusal's message. Some repeat what the request said.
const maxMessage = 512

// clip shortens a message, at the border of a character.
func clip(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	return strings.ToValidUTF8(s[:maxMessage], "") + "..."
}

// Refusal is a request that never became a call.
type Refusal struct {
	CorrelationID string
	Origin        origin.Origin // its client is empty when nobody knows who it was
	Method, Route string        // the route as a template; "other" when there is none
	Tool          string        // of the path, if there is one
	Status        int
	Err           *tool.Error // read only
}

func refusalOf(r *http.Request, id string, status int, e *tool.Error) Refusal {
	from := origin.From(r.Context())
	v := visitOf(r)
	from.Door, from.Remote, from.Trace = origin.REST, v.remote, trace(r)
	route := v.endpoint
	if route == mcpPath {
		from.Door = origin.MCP
	}
	asked := ""
	if strings.HasPrefix(route, "/tools/") { // elsewhere the name is another's
		asked = mux.Vars(r)["name"]
	}
	return Refusal{
		CorrelationID: id, Origin: from, Method: r.Method, Route: route, Tool: asked, Status: status, Err: e,
	}
}

// writeProblem answers with an error; r gives it the ids of the call.
func writeProblem(w http.ResponseWriter, status int, e *tool.Error, r tool.Result) {
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	correlate(w, r.CorrelationID)
	write(w, status, "application/problem+json", problemOf(status, e, r))
}

func problemOf(status int, e *tool.Error, r tool.Result) problem {
	p := problem{
		Type: "urn:gatehouse:error:" + string(e.Kind), Title: http.StatusText(status), Status: status,
		Detail: e.Message, Kind: e.Kind, Suggestion: e.Suggestion, Time: e.Time,
		Tool: e.Tool, Target: e.Target, Metadata: e.Metadata,
		CorrelationID: r.CorrelationID, ExecutionID: r.ExecutionID,
	}
	if e.RetryAfter > 0 {
		p.RetryAfter = tool.RetrySeconds(e.RetryAfter)
	}
	return p
}

// correlate puts the id under which a call stands in logs and trail beside its answer.
func correlate(w http.ResponseWriter, id string) {
	if id != "" {
		w.Header().Set("X-Correlation-ID", id)
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) { write(w, status, "application/json", v) }

func write(w http.ResponseWriter, status int, mediaType string, v any) {
	body, err := encode(v)
	if err != nil { // a value of ours that JSON cannot carry is a bug
		e := tool.Errorf(tool.KindUnknown, "the answer cannot be written as JSON")
		status, mediaType = http.StatusInternalServerError, "application/problem+json"
		body, _ = encode(problem{ // texts and a time are always JSON
			Type: "urn:gatehouse:error:unknown", Title: http.StatusText(status), Status: status, Detail: e.Message,
			Kind: e.Kind, Time: e.Time,
		})
	}
	begin(w, status, mediaType)
	_, _ = w.Write(body) // a client that went away is no failure of ours
}

// begin writes the head of an answer.
func begin(w http.ResponseWriter, status int, mediaType string) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
}
