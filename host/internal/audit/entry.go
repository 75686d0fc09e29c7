package audit

import (
	"encoding/json"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Event says what a line records.
type Event string

// The events that callers append.
const (
	Accept Event = "accept" // every gate was passed; written before the tool runs
	Exec   Event = "exec"   // a program is about to be executed
	Finish Event = "finish" // what an accepted call came to
	Refuse Event = "refuse" // a gate said no
	Plan   Event = "plan"   // the answer to a dry run
	Admin  Event = "admin"  // somebody changed something: a switch, a breaker, the configuration
	Start  Event = "start"  // the host starts
	Stop   Event = "stop"   // the host ends
)

// The events that the trail itself writes.
const (
	rotateEvent  Event = "rotate"  // first line of every file but the first
	recoverEvent Event = "recover" // after a torn line, or when the head told of other lines than there are
	gapEvent     Event = "gap"     // lines that could not be written, and how many
)

// class says what becomes of a line that cannot be written.
type class int

const (
	must    class = iota // Append fails, and the caller does not do what it wanted to record
	keep                 // it waits in memory, in order, until writing works again
	counted              // it is counted, and the count becomes a gap record
)

func (e Event) class() class {
	switch e {
	case Accept:
		return must
	case Refuse, Plan:
		return counted
	}
	return keep
}

// Entry is one line of the trail. Empty fields are left out, except those of Outcome.
type Entry struct {
	Event Event
	Time  time.Time // zero: now

	ExecutionID, CorrelationID string
	Origin                     origin.Origin
	Tool                       string // as the caller named it, when there is none of that name
	Plugin, PluginVersion      string
	Arguments                  json.RawMessage // as given; it may be no JSON at all
	Target                     string          // as the caller wrote it
	Targets                    []tool.Target   // as pinned
	Verdict                    tool.Verdict
	Gate, Rule                 string // the gate that refused, and why
	ErrorType                  tool.Kind
	Error                      string
	Program                    string      // absolute path
	Argv                       []string    // exactly as executed, argv[0] included
	Files                      []tool.File // Exec: the program and its data, as they were

	Outcome Outcome // Finish: all of it; Refuse and Plan: the durations

	Actor, Action string            // Admin: who did what
	Facts         map[string]string // anything else: version, pid, hash of the configuration
}

// Outcome is what a call came to.
type Outcome struct {
	ReturnCode int
	TimedOut   bool
	Duration   time.Duration // of the whole call
	Queued     time.Duration // of that, waiting for a slot

	// The output as kept. Only lengths and a digest are written: SHA-256 of Stdout, one NUL byte, Stderr.
	Stdout, Stderr                   string
	TruncatedStdout, TruncatedStderr bool
}
