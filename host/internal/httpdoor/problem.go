package httpdoor

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
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
	case tool.KindOutOfScope, tool.KindIntrusiveDenied, tool.KindForbidden, tool.KindDisabled:
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

// problem is an error as RFC 9457 has it.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`

	Kind          tool.Kind      `json:"error_type"`
	Suggestion    string         `json:"recovery_suggestion,omitempty"`
	Time          time.Time      `json:"timestamp"`
	Tool          string         `json:"tool,omitempty"`
	Target        string         `json:"target,omitempty"`
	RetryAfter    float64        `json:"retry_after,omitempty"` // seconds
	Metadata      map[string]any `json:"metadata,omitempty"`
	CorrelationID string         `json:"correlation_id,omitempty"`
	ExecutionID   string         `json:"execution_id,omitempty"`
}

// refuse answers a request that never became a call, and logs it under an id that the answer carries too.
func (d *Door) refuse(w http.ResponseWriter, r *http.Request, status int, e *tool.Error) {
	id := uuid.Must(uuid.NewV7()).String()
	d.cfg.Logger.InfoContext(r.Context(), "request refused", "correlation_id", id, "status", status,
		"error_type", string(e.Kind), "error", e.Message, "client", auth.Client(r.Context()), "remote", r.RemoteAddr)
	writeProblem(w, status, e, tool.Result{CorrelationID: id})
}

// writeProblem answers with an error; r gives it the ids of the call.
func writeProblem(w http.ResponseWriter, status int, e *tool.Error, r tool.Result) {
	p := problem{
		Type: "urn:gatehouse:error:" + string(e.Kind), Title: http.StatusText(status), Status: status, Detail: e.Message,
		Kind: e.Kind, Suggestion: e.Suggestion, Time: e.Time, Tool: e.Tool, Target: e.Target, Metadata: e.Metadata,
		CorrelationID: r.CorrelationID, ExecutionID: r.ExecutionID,
	}
	if e.RetryAfter > 0 {
		p.RetryAfter = tool.RetrySeconds(e.RetryAfter)
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	write(w, status, "application/problem+json", p)
}

func writeJSON(w http.ResponseWriter, status int, v any) { write(w, status, "application/json", v) }

func write(w http.ResponseWriter, status int, mediaType string, v any) {
	body, err := encode(v)
	if err != nil { // a value of ours that JSON cannot carry is a bug
		status, mediaType = http.StatusInternalServerError, "application/problem+json"
		body = []byte(`{"type":"urn:gatehouse:error:unknown","title":"Internal Server Error","status":500,` +
			`"detail":"the answer cannot be written as JSON","error_type":"unknown"}`)
	}
	begin(w, status, mediaType)
	_, _ = w.Write(body) // a client that went away is no failure of ours
}

// begin writes the head of an answer.
func begin(w http.ResponseWriter, status int, mediaType string) {
	deadline(w)
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
}

// writeTimeout is how long a client may take to read an answer that is complete.
const writeTimeout = 30 * time.Second

// deadline bounds the writing of an answer, not the call before it.
func deadline(w http.ResponseWriter) {
	// A writer without deadlines, as in a test, is not reached over a network.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
}

// quick bounds the writing of a handler that answers at once.
func quick(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		deadline(w)
		h.ServeHTTP(w, r)
	})
}
