package tool

import (
	"encoding/json"
	"math"
	"time"
)

// Report is the JSON form of what a call came to, the same for REST, MCP and the command line. The fields of
// the result are always there; those of the error only when there is one (error and error_type are null
// without).
type Report struct {
	Stdout          string          `json:"stdout"`
	Stderr          string          `json:"stderr"`
	ReturnCode      int             `json:"returncode"`
	TruncatedStdout bool            `json:"truncated_stdout"`
	TruncatedStderr bool            `json:"truncated_stderr"`
	TimedOut        bool            `json:"timed_out"`
	Error           *string         `json:"error"`
	ErrorType       *Kind           `json:"error_type"`
	ExecutionTime   float64         `json:"execution_time"` // seconds
	CorrelationID   string          `json:"correlation_id"`
	ExecutionID     string          `json:"execution_id"`
	Metadata        map[string]any  `json:"metadata"`
	Data            json.RawMessage `json:"data,omitempty"`
	Content         []Content       `json:"content,omitempty"`

	Suggestion string     `json:"recovery_suggestion,omitempty"`
	Timestamp  *time.Time `json:"timestamp,omitempty"`
	Tool       string     `json:"tool,omitempty"`
	Target     string     `json:"target,omitempty"`
	RetryAfter *float64   `json:"retry_after,omitempty"` // seconds
}

// NewReport puts a result and the error that may have come with it into their common form.
func NewReport(r Result, err error) Report {
	rep := Report{
		Stdout: r.Stdout, Stderr: r.Stderr, ReturnCode: r.ReturnCode,
		TruncatedStdout: r.TruncatedStdout, TruncatedStderr: r.TruncatedStderr, TimedOut: r.TimedOut,
		ExecutionTime: math.Round(r.Elapsed.Seconds()*1e6) / 1e6,
		CorrelationID: r.CorrelationID, ExecutionID: r.ExecutionID,
		Metadata: make(map[string]any, len(r.Metadata)), Data: r.Data, Content: r.Content,
	}
	for k, v := range r.Metadata {
		rep.Metadata[k] = v
	}
	if e := AsError(err); e != nil {
		rep.setError(e)
	}
	return rep
}

func (rep *Report) setError(e *Error) {
	rep.Error, rep.ErrorType, rep.Timestamp = &e.Message, &e.Kind, &e.Time
	rep.Suggestion, rep.Tool, rep.Target = e.Suggestion, e.Tool, e.Target
	if e.RetryAfter > 0 {
		s := RetrySeconds(e.RetryAfter)
		rep.RetryAfter = &s
	}
	for k, v := range e.Metadata {
		rep.Metadata[k] = v
	}
}

// RetrySeconds is a wait as JSON carries it: seconds, rounded up to the millisecond, so that who waits that
// long has waited long enough.
func RetrySeconds(d time.Duration) float64 {
	return math.Ceil(float64(d)/float64(time.Millisecond)) / 1000
}
