package httpdoor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/events"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

const (
	eventStream = "text/event-stream"

	// reconnect is when a listener whose stream ended should come back, and when one for whom there was no
	// place.
	reconnect = 2 * time.Second
	fullRetry = 10 * time.Second
	maxLastID = 128
)

// eventTypes are what the host publishes, for the document.
var eventTypes = [][2]string{
	{"call.received", "a call came in; plans are not told of"},
	{"call.started", "it passed all gates"},
	{"call.progress", "how far it is"},
	{"call.finished", "it ended, well or not"},
	{"call.refused", "a gate refused it"},
	{"request.refused", "a request of a known client never became a call: route, status, error_type, error"},
	{"breaker", "the circuit breaker of a tool changed: tool, state, forced"},
	{"plugin", "a plugin changed: name, state, error"},
	{"catalog", "the set of tools changed: tools, enabled"},
	{"tool.enabled", "an operator switched a tool on"},
	{"tool.disabled", "an operator switched a tool off"},
	{"config.reloaded", "a changed configuration is in force"},
	{"config.rejected", "a changed configuration is wrong, and nothing of it is in force"},
	{"health", "every 5 s and when the status changes: the summary, and the checks that fail"},
	{"metrics", "every 5 s: a summary of the numbers"},
	{"gap", "events that came after the last id are not kept any more: reason, missed (null: nobody knows)"},
	{"dropped", "the last event: the reader was too slow; reason, last_event_id to come back with"},
	{"bye", "the last event: the host ends, or the token was withdrawn; reason, last_event_id"},
}

// eventsText is what the document says of the stream.
func eventsText() string {
	var b strings.Builder
	b.WriteString("Each event has an `id`, its type as `event`, and as `data` one line of JSON: an object with " +
		"`time` (RFC 3339) and the members of its type. A comment comes every 15 s when nothing else does. Send the " +
		"last id with `Last-Event-ID` to get what was missed.\n\n| event | when |\n|---|---|\n")
	for _, t := range eventTypes {
		fmt.Fprintf(&b, "| `%s` | %s |\n", t[0], t[1])
	}
	return b.String()
}

// events streams until the client goes, is too slow, or the door closes.
func (d *Door) events(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		beginStream(w)
		return
	}
	last, bad := lastEventID(r)
	if bad != nil {
		d.refuse(w, r, http.StatusBadRequest, bad)
		return
	}
	stream, err := d.cfg.Events.Subscribe(last)
	switch {
	case errors.Is(err, events.ErrFull):
		e := tool.Errorf(tool.KindOverloaded, "%w", err).Suggest("end another stream, or raise events.max_streams")
		e.RetryAfter = fullRetry
		d.refuse(w, r, http.StatusServiceUnavailable, e)
		return
	case err != nil:
		e := tool.Errorf(tool.KindUnavailable, "%w", err).Suggest("the host is ending; try again when it is back")
		e.RetryAfter = fullRetry
		d.refuse(w, r, http.StatusServiceUnavailable, e)
		return
	}
	defer stream.Close()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(closing(r.Context()), cancel)()
	beginStream(w)
	l := &listener{w: w, rc: http.NewResponseController(w), last: stream.Start(), known: d.valid(ctx)}
	l.send("retry: %d\nid: %s\n\n", reconnect.Milliseconds(), l.last)
	l.listen(ctx, stream, d.cfg.Heartbeat)
}

// lastEventID is the id from which a listener wants to go on: the header is a browser's, the query is for
// programs that cannot set it.
func lastEventID(r *http.Request) (string, *tool.Error) {
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		last = r.URL.Query().Get("last_event_id")
	}
	if len(last) > maxLastID {
		return "", tool.Errorf(tool.KindValidation, "the last event id has %d bytes; allowed are %d",
			len(last), maxLastID).Suggest("send the id of the last event as it came, or none")
	}
	return last, nil
}

func beginStream(w http.ResponseWriter) {
	w.Header().Set("X-Accel-Buffering", "no") // or nginx collects events before it passes them on
	begin(w, http.StatusOK, eventStream)
}

// maxBatch is how many bytes of events are written together; one more event may come on top.
const maxBatch = 32 << 10

// listener writes events until it fails once.
type listener struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	last  string       // id of the last event written
	batch bytes.Buffer // events that came together, and are written together
	err   error

	known func() bool // whether the client may still listen
}

// listen passes events on, with a heartbeat when there are none, and says why it ends.
func (l *listener) listen(ctx context.Context, stream *events.Stream, heartbeat time.Duration) {
	for l.err == nil {
		wait, cancel := context.WithTimeout(ctx, heartbeat)
		e, err := stream.Next(wait)
		cancel()
		switch {
		case !l.known():
			l.farewell("bye", "the credential is not valid any more")
			return
		case err == nil:
			l.last = e.ID
			fmt.Fprintf(&l.batch, "id: %s\nevent: %s\ndata: %s\n\n", e.ID, e.Type, e.Data)
			if !stream.Waiting() || l.batch.Len() >= maxBatch {
				l.send("")
			}
		case errors.Is(err, events.ErrSlow):
			l.farewell("dropped", "the reader was too slow; come back with the last id")
			return
		case errors.Is(err, events.ErrClosed) || ctx.Err() != nil:
			l.farewell("bye", "the host ends")
			return
		default:
			l.send(": alive\n\n")
		}
	}
}

// farewell is an event without an id: the last one stays what it is, to come back with.
func (l *listener) farewell(kind, reason string) {
	data, err := json.Marshal(map[string]any{
		"time": time.Now().UTC(), "reason": reason, "last_event_id": l.last,
	})
	if err == nil { // texts and a time are always JSON
		l.send("event: %s\ndata: %s\n\n", kind, data)
	}
}

// send writes what is in the batch, and a text behind it.
func (l *listener) send(format string, args ...any) {
	if l.err != nil {
		return
	}
	fmt.Fprintf(&l.batch, format, args...)
	if _, l.err = l.w.Write(l.batch.Bytes()); l.err == nil {
		l.err = l.rc.Flush()
	}
	l.batch.Reset()
}

type closingKey struct{}

// closing is a context that ends when the server of a request is about to end; never without one.
func closing(ctx context.Context) context.Context {
	if c, ok := ctx.Value(closingKey{}).(context.Context); ok {
		return c
	}
	return context.WithoutCancel(ctx)
}
