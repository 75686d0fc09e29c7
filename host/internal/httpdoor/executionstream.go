package httpdoor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// executionEvents are what the stream of an execution tells, for the document.
var executionEvents = [][2]string{
	{"state", "at first, and when it changes: the execution"},
	{"output", "what it printed: stream (stdout or stderr), offset (of the first byte), text"},
	{"progress", "how far it is: task, percent, done, total, message"},
	{"end", "the last event: the execution as it ended; all output came before"},
	{"bye", "the last event: the host ends, the token was withdrawn, or the execution was forgotten; " +
		"reason, last_event_id"},
}

// executionEventsText is what the document says of it.
func executionEventsText() string {
	var b strings.Builder
	b.WriteString("All output from its beginning, also of an execution that has ended. Each event has an `id`, " +
		"its type as `event`, and as `data` one line of JSON. A comment comes every 15 s when nothing else does. " +
		"Send the last id with `Last-Event-ID` to get the output that was missed; close the stream at `end`.\n\n" +
		"| event | what |\n|---|---|\n")
	for _, t := range executionEvents {
		fmt.Fprintf(&b, "| `%s` | %s |\n", t[0], t[1])
	}
	return b.String()
}

// followExecution streams what an execution prints until it has ended, the client goes, or the door closes. It
// reads from what is kept: a reader that is slow costs nobody anything, and misses nothing.
func (d *Door) followExecution(w http.ResponseWriter, r *http.Request) {
	from, bad := positionOf(r)
	if bad != nil {
		d.refuse(w, r, http.StatusBadRequest, bad)
		return
	}
	all, id := d.cfg.Executions(r.Context()), mux.Vars(r)["id"]
	x, err := all.Get(id)
	if err != nil {
		d.refuseExecution(w, r, err)
		return
	}
	if from.Stdout > x.StdoutBytes || from.Stderr > x.StderrBytes {
		d.refuse(w, r, http.StatusBadRequest, badEventID())
		return
	}
	if beginStream(w); r.Method == http.MethodHead {
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer context.AfterFunc(closing(r.Context()), cancel)()
	told := follow(ctx, all, id, from)
	defer func() {
		cancel()
		for range told { // until follow has ended
		}
	}()
	l := &listener{w: w, rc: http.NewResponseController(w), last: idOf(from), known: d.valid(ctx)}
	l.send("retry: %d\nid: %s\n\n", reconnect.Milliseconds(), l.last)
	l.follow(ctx, told, d.cfg.Heartbeat)
}

// turn is what follow tells: an update, or the error that is the last.
type turn struct {
	executions.Update
	err error
}

// follow tells each update when the one before has been taken, and closes the channel when it has ended: behind
// the last one, or soon after ctx has.
func follow(ctx context.Context, all Executions, id string, from executions.Position) <-chan turn {
	told := make(chan turn)
	go func() {
		defer close(told)
		for u, err := range all.Follow(ctx, id, from) {
			select {
			case told <- turn{u, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return told
}

// follow passes on what it is told, with a heartbeat when that is nothing, and says why it ends.
func (l *listener) follow(ctx context.Context, told <-chan turn, heartbeat time.Duration) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for l.err == nil {
		select {
		case <-beat.C:
			if !l.known() {
				l.farewell("bye", "the credential is not valid any more")
				return
			}
			l.send(": alive\n\n")
		case t, more := <-told:
			if !l.pass(ctx, t, more) {
				return
			}
			beat.Reset(heartbeat)
		}
	}
}

// pass sends one update, and reports whether others may follow.
func (l *listener) pass(ctx context.Context, t turn, more bool) bool {
	switch {
	case !l.known():
		l.farewell("bye", "the credential is not valid any more")
	case ctx.Err() != nil:
		l.farewell("bye", "the host ends")
	case !more:
		l.farewell("bye", "nothing more is told")
	case t.err != nil:
		l.farewell("bye", clip(tool.AsError(t.err).Message))
	default:
		l.last = idOf(t.Position)
		kind, data := eventOf(t.Update)
		l.event(kind, data)
		return !t.End
	}
	return false
}

// event sends an event, whose data are of types that are always JSON.
func (l *listener) event(kind string, data any) {
	raw, err := encode(data)
	if err != nil {
		l.err = err
		return
	}
	l.send("id: %s\nevent: %s\ndata: %s\n", l.last, kind, raw) // raw is a line with its end
}

// outputView is the data of the event output.
type outputView struct {
	Stream string `json:"stream"`
	Offset int64  `json:"offset"`
	Text   string `json:"text"`
}

func eventOf(u executions.Update) (kind string, data any) {
	switch {
	case u.Output != nil:
		o := u.Output
		return "output", outputView{Stream: streamName(o.Stream), Offset: o.Offset, Text: string(o.Data)}
	case u.Progress != nil:
		return "progress", executions.NewProgressView(*u.Progress)
	case u.End:
		return "end", u.Execution.View()
	}
	return "state", u.Execution.View()
}

func streamName(s tool.Stream) string {
	if s == tool.Stderr {
		return string(executions.Stderr)
	}
	return string(executions.Stdout)
}

// idOf is the id of an event: how much of stdout and of stderr has come with it and before it.
func idOf(p executions.Position) string { return fmt.Sprintf("%d-%d", p.Stdout, p.Stderr) }

// positionOf is where a listener wants to go on.
func positionOf(r *http.Request) (executions.Position, *tool.Error) {
	if _, bad := readQuery(r, "last_event_id"); bad != nil {
		return executions.Position{}, bad
	}
	last, bad := lastEventID(r)
	if bad != nil || last == "" {
		return executions.Position{}, bad
	}
	stdout, stderr, _ := strings.Cut(last, "-")
	a, err1 := strconv.ParseUint(stdout, 10, 63)
	b, err2 := strconv.ParseUint(stderr, 10, 63)
	if errors.Join(err1, err2) != nil {
		return executions.Position{}, badEventID()
	}
	return executions.Position{Stdout: int64(a), Stderr: int64(b)}, nil
}

func badEventID() *tool.Error {
	return tool.Errorf(tool.KindValidation, "the last event id is none of this execution's").
		Suggest("send the id of the last event as it came, or none to begin at the beginning")
}
