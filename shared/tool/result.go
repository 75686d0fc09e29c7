package tool

import (
	"encoding/json"
	"fmt"
	"time"
)

// ReturnCodeTimeout is the returncode of a run that was ended at its deadline, as timeout(1) has it.
const ReturnCodeTimeout = 124

// Result is what a call came to. A program that ran and exited non-zero is an ordinary result.
type Result struct {
	ReturnCode int
	TimedOut   bool
	// Whether output was cut at the request's caps.
	TruncatedStdout, TruncatedStderr bool

	Data     json.RawMessage // the parsed result, valid against the tool's output schema; empty: none
	Metadata map[string]any  // JSON values
	Content  []Content       // what the tool shows besides, at most MaxContents blocks

	// Questions make this a result that is none yet: the tool is called again with the answers and with State,
	// which it may set to know where it was. State is kept from callers' hands by the host.
	Questions []Question
	State     []byte

	// Output, filled in by a [Collector] at the receiving end; it travels in events, not here. Valid UTF-8.
	Stdout, Stderr string

	ExecutionID   string        // set by the host
	CorrelationID string        // set by the host
	Elapsed       time.Duration // of the whole call, set by the host
}

// Validate says what is wrong with what a result shows and asks: its content, its questions and its state.
func (r Result) Validate() error {
	if err := validContents(r.Content); err != nil {
		return err
	}
	if len(r.Questions) > MaxQuestions {
		return fmt.Errorf("%d questions; allowed are %d", len(r.Questions), MaxQuestions)
	}
	if len(r.State) > MaxState {
		return fmt.Errorf("a state of %d bytes; allowed are %d", len(r.State), MaxState)
	}
	seen := make(map[string]bool, len(r.Questions))
	for _, q := range r.Questions {
		if err := q.Validate(); err != nil {
			return err
		}
		if seen[q.ID] {
			return fmt.Errorf("the question %s is asked twice", q.ID)
		}
		seen[q.ID] = true
	}
	return nil
}

// Verdict is what policy says of a request.
type Verdict string

// The verdicts.
const (
	Accept Verdict = "accept"
	Gated  Verdict = "gated" // allowed only with allow_intrusive, which is off
	Reject Verdict = "reject"
)

// Plan is what a call would do.
type Plan struct {
	Verdict Verdict  `json:"verdict"`
	Rule    string   `json:"rule"`              // the rule that decided, in one sentence
	Tool    string   `json:"tool"`              // set by the host
	Program string   `json:"program,omitempty"` // absolute path
	Argv    []string `json:"argv,omitempty"`    // exactly what would be executed, argv[0] included
	Targets []Target `json:"targets,omitempty"` // label and pinned address of each target argument
	Tokens  []Token  `json:"tokens,omitempty"`  // the verdict on each piece of the arguments
	Notes   []string `json:"notes,omitempty"`   // defaults that were added, and the like

	TimeoutSec    float64 `json:"timeout_sec,omitempty"` // seconds; set by the host
	CorrelationID string  `json:"correlation_id,omitempty"`
	ExecutionID   string  `json:"execution_id,omitempty"` // of the plan itself; set by the host
	Error         *Error  `json:"error,omitempty"`        // why it would be refused; nil when the verdict is accept
}

// Token is one piece of the arguments and what policy says of it.
type Token struct {
	Text    string  `json:"text"`
	Verdict Verdict `json:"verdict"`
	Why     string  `json:"why"`
}

// RefusedPlan is the plan of a request that err refuses.
func RefusedPlan(err error) Plan {
	e := AsError(err)
	v := Reject
	if e.Kind == KindIntrusiveDenied {
		v = Gated
	}
	return Plan{Verdict: v, Rule: e.Message, Error: e}
}
