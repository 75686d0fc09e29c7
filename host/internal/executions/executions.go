// Package executions remembers calls that run or ran, so that a long scan can be followed, found again and
// read. A [Book] is told what becomes of each call, and keeps an [Execution] of it with all that it printed:
// in memory, and, when it has a directory, in an SQLite database there, which other hosts may share.
//
//	book, err := executions.Open(executions.Config{Dir: stateDir})
//	defer book.Close()
//	err = book.Begin(executions.Execution{ID: id, Tool: "NmapTool", Client: "alice", Detached: true}, cancel)
//	book.Start(id)
//	result, err := router.Call(ctx, request, func(ev tool.Event) { book.Event(id, ev) })
//	book.End(id, executions.Outcome{Result: result, Err: tool.AsError(err)})
//
//	mine := book.For(executions.Viewer{Client: "alice"}) // what a door hands out
//	for update, err := range mine.Follow(ctx, id, executions.Position{}) { ... }
//
// # Where an execution is
//
//	Begin ── live, in memory ── End ── ended, in memory ── flusher ── database ── retention
//	              │                            │
//	              └ older than a second:       └ pushed out by newer ones before
//	                row and output, too          its turn came: never written
//
// The caller's goroutine does no SQL, except that a detached execution is in the database when Begin
// returns. One goroutine writes the rest within about a second. A host that is killed leaves the output that
// it had captured until then; the next host that looks finds its lock free, and its executions become
// [Interrupted].
//
// A host that lives may be found dead all the same, when something takes the file of its lock away. It makes
// the file again within about a second. What others called Interrupted meanwhile stays that in the database,
// and for them, until the host that runs it says what it came to: an end may become another end, but what has
// ended does not run again. The host itself knows better all the time.
//
// Without a directory, or while the database cannot be written, memory is the store. It is bounded in the
// same way, so that calls go on whatever the disk does. [Book.Healthy] says which it is.
package executions

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// State is where an execution is on its way.
type State string

// The states. The last four are ends: nothing changes after them, but that a host which was taken for dead
// says in the end what its Interrupted ones came to.
const (
	Queued      State = "queued"      // it waits for a slot
	Running     State = "running"     // the plugin has it
	Completed   State = "completed"   // it ended without an error, whatever its program returned
	Failed      State = "failed"      // it ended with an error, a timeout too
	Cancelled   State = "cancelled"   // its caller, or another person, ended it
	Interrupted State = "interrupted" // its host ended before it
)

var states = []State{Queued, Running, Completed, Failed, Cancelled, Interrupted}

// States returns every state.
func States() []State { return slices.Clone(states) }

// Ended reports whether nothing changes any more.
func (s State) Ended() bool { return s != Queued && s != Running && s != "" }

// Execution is what is known of a call at one moment. What it points to is shared, and read only.
type Execution struct {
	ID            string // execution_id, a UUIDv7: its order is that of the beginnings
	CorrelationID string
	Tool          string
	Plugin        string // who offers the tool
	Version       string // of the plugin
	Client        string // whose it is
	Door          string // by which it came, such as "mcp" or "rest"
	Arguments     json.RawMessage
	Target        string        // the first, as the caller wrote it
	Targets       []tool.Target // all of them, pinned
	Detached      bool          // it goes on without the connection that began it

	State    State
	Created  time.Time // UTC, as all of them
	Started  time.Time // zero: it has not
	Finished time.Time // zero: it has not; of an interrupted one, the last sign of life
	Timeout  time.Duration
	Elapsed  time.Duration  // of the whole call; zero until it has ended
	Progress *tool.Progress // the latest; nil: none was told

	StdoutBytes, StderrBytes         int64 // captured so far
	TruncatedStdout, TruncatedStderr bool
	DataBytes                        int64 // of the parsed result; zero until it has ended

	ReturnCode int // of one that has ended; -1 when no program returned one
	TimedOut   bool
	ErrorType  tool.Kind // empty: no error
	Error      string
}

// View is the JSON form of an [Execution]: times are RFC 3339 in UTC, durations seconds.
type View struct {
	ID            string          `json:"execution_id" jsonschema:"its id"`
	CorrelationID string          `json:"correlation_id,omitempty" jsonschema:"the caller's own id"`
	Tool          string          `json:"tool" jsonschema:"the tool that was called"`
	Plugin        string          `json:"plugin,omitempty" jsonschema:"the plugin that offers it"`
	Version       string          `json:"plugin_version,omitempty" jsonschema:"version of the plugin"`
	Client        string          `json:"client" jsonschema:"who called"`
	Door          string          `json:"door,omitempty" jsonschema:"by which way the call came"`
	Arguments     json.RawMessage `json:"arguments,omitempty" jsonschema:"as the caller gave them"`
	Target        string          `json:"target,omitempty" jsonschema:"the first target, as the caller wrote it"`
	Targets       []tool.Target   `json:"targets,omitempty" jsonschema:"all targets, with the addresses they stand for"`
	Detached      bool            `json:"detached" jsonschema:"whether it goes on when its caller goes away"`

	State    State         `json:"state" jsonschema:"queued, running, completed, failed, cancelled, or interrupted when the host ended before it"`
	Created  time.Time     `json:"created" jsonschema:"when the call came, RFC 3339, UTC"`
	Started  time.Time     `json:"started,omitzero" jsonschema:"when it got a slot; absent before"`
	Finished time.Time     `json:"finished,omitzero" jsonschema:"when it ended; absent before"`
	Timeout  float64       `json:"timeout_sec,omitempty" jsonschema:"seconds that it may take"`
	Elapsed  float64       `json:"execution_time,omitempty" jsonschema:"seconds that the whole call took; absent until it has ended"`
	Progress *ProgressView `json:"progress,omitempty" jsonschema:"how far it is, as last told"`

	StdoutBytes     int64 `json:"stdout_bytes" jsonschema:"bytes of stdout that were captured so far"`
	StderrBytes     int64 `json:"stderr_bytes" jsonschema:"bytes of stderr that were captured so far"`
	TruncatedStdout bool  `json:"truncated_stdout" jsonschema:"whether more was printed than is kept"`
	TruncatedStderr bool  `json:"truncated_stderr" jsonschema:"whether more was printed than is kept"`
	DataBytes       int64 `json:"data_bytes" jsonschema:"bytes of the parsed result, which is there at the end"`

	ReturnCode *int           `json:"returncode,omitempty" jsonschema:"what the program returned, -1 when none did; absent until it has ended"`
	TimedOut   bool           `json:"timed_out,omitempty" jsonschema:"whether it ran past its deadline"`
	ErrorType  tool.Kind      `json:"error_type,omitempty" jsonschema:"what kind of error ended it; absent without one"`
	Error      tool.Untrusted `json:"error,omitempty" jsonschema:"the error; absent without one"`
}

// ProgressView is the JSON form of how far a call is.
type ProgressView struct {
	Task    tool.Untrusted `json:"task,omitempty" jsonschema:"what is being done"`
	Percent *float64       `json:"percent,omitempty" jsonschema:"of the task, 0 to 100; absent when unknown"`
	Done    int64          `json:"done" jsonschema:"things finished, such as hosts or replies"`
	Total   int64          `json:"total,omitempty" jsonschema:"things in all; absent when unknown"`
	Message tool.Untrusted `json:"message,omitempty" jsonschema:"one line for people"`
}

// View returns the JSON form.
func (e Execution) View() View {
	v := View{
		ID: e.ID, CorrelationID: e.CorrelationID, Tool: e.Tool, Plugin: e.Plugin, Version: e.Version,
		Client: e.Client, Door: e.Door, Arguments: e.Arguments, Target: e.Target, Targets: e.Targets,
		Detached: e.Detached, State: e.State, Created: e.Created, Started: e.Started, Finished: e.Finished,
		Timeout: e.Timeout.Seconds(), Elapsed: e.Elapsed.Seconds(), StdoutBytes: e.StdoutBytes,
		StderrBytes: e.StderrBytes, TruncatedStdout: e.TruncatedStdout, TruncatedStderr: e.TruncatedStderr,
		DataBytes: e.DataBytes, TimedOut: e.TimedOut, ErrorType: e.ErrorType, Error: tool.Untrusted(e.Error),
	}
	if e.Progress != nil {
		v.Progress = NewProgressView(*e.Progress)
	}
	if e.State.Ended() {
		v.ReturnCode = &e.ReturnCode
	}
	return v
}

// NewProgressView is the JSON form of a progress.
func NewProgressView(p tool.Progress) *ProgressView {
	v := &ProgressView{
		Task: tool.Untrusted(p.Task), Done: p.Done, Total: p.Total, Message: tool.Untrusted(p.Message),
	}
	if p.Percent >= 0 {
		v.Percent = &p.Percent
	}
	return v
}

var _ json.Marshaler = Execution{}

// MarshalJSON writes the form of [View].
func (e Execution) MarshalJSON() ([]byte, error) { return json.Marshal(e.View()) }

// Outcome is what a call came to.
type Outcome struct {
	Result   tool.Result
	Err      *tool.Error // nil: none
	Finished time.Time   // zero: now
}

func (o Outcome) state() State {
	switch {
	case o.Err == nil:
		return Completed
	case o.Err.Kind == tool.KindCancelled:
		return Cancelled
	default:
		return Failed
	}
}
