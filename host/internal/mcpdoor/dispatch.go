package mcpdoor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/gatehouse-mcp/gatehouse/host/internal/rpcmessage"
)

// call is one request of a client, from its arrival to its answer.
type call struct {
	message rpcmessage.Message
	session *session
	out     *outbox
	inbox   *inbox  // of a subscription; nil: it is none
	teller  *teller // of what it says before its answer; nil: it has not begun
	cancel  context.CancelCauseFunc
	fault   atomic.Pointer[fault] // what a handler wants it answered with; nil: what mcp-go says

	withdrawn atomic.Bool // the client has cancelled it, and is owed no answer
}

// Why a call is cancelled.
var (
	errWithdrawn = errors.New("the client has cancelled the request")
	errEnding    = errors.New("the host ends")
)

// withdraw is the client's word that it wants no answer any more.
func (c *call) withdraw() {
	c.withdrawn.Store(true)
	if c.inbox != nil {
		c.inbox.shut()
	}
	c.cancel(errWithdrawn)
}

// fault is an error of JSON-RPC.
type fault struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

func (f *fault) Error() string { return f.Message }

func faultf(code int, format string, args ...any) *fault {
	return &fault{Code: code, Message: fmt.Sprintf(format, args...)}
}

// faultOf is what is wrong with a message that is none.
func faultOf(err error) *fault { return &fault{Code: rpcmessage.CodeOf(err), Message: err.Error()} }

// response is the text of an answer, a line with its end.
type response struct {
	line []byte
	code int // of its error; 0: there is none
}

// respond runs a request through mcp-go. A panic is the end of this request alone, and what it says is for the log.
func (d *Door) respond(ctx context.Context, c *call) (r response) {
	defer func() {
		if p := recover(); p != nil {
			d.cfg.Logger.ErrorContext(ctx, "panic in a request of MCP", "method", c.message.Method, "panic", fmt.Sprint(p))
			r = failure(c.message.ID, faultf(mcp.INTERNAL_ERROR, "internal error"))
		}
	}()
	ctx = context.WithValue(d.server.WithContext(ctx, c.session), callKey{}, c)
	answer := d.server.HandleMessage(ctx, c.message.Raw)
	if f := c.fault.Load(); f != nil {
		return failure(c.message.ID, f)
	}
	r, err := encode(c.message.ID, answer)
	if err != nil {
		d.cfg.Logger.ErrorContext(ctx, "an answer of MCP cannot be written", "method", c.message.Method, "error", err)
		return failure(c.message.ID, faultf(mcp.INTERNAL_ERROR, "internal error"))
	}
	return r
}

// notice runs a notification through mcp-go.
func (d *Door) notice(ctx context.Context, s *session, m rpcmessage.Message) {
	defer func() {
		if p := recover(); p != nil {
			d.cfg.Logger.ErrorContext(ctx, "panic in a notification of MCP", "method", m.Method, "panic", fmt.Sprint(p))
		}
	}()
	d.server.HandleMessage(d.server.WithContext(ctx, s), m.Raw)
}

// encode writes an answer of mcp-go with the id as the client wrote it: mcp-go has numbers as float64, which have
// fewer digits.
func encode(id json.RawMessage, answer mcp.JSONRPCMessage) (response, error) {
	switch a := answer.(type) {
	case mcp.JSONRPCResponse:
		if l, ok := a.Result.(mcp.SubscriptionsListenResult); ok { // it names the request again
			l.EnsureResultMeta().SetSubscriptionID(id)
			a.Result = l
		}
		line, err := envelope(id, "result", a.Result)
		return response{line: line}, err
	case mcp.JSONRPCError:
		return failure(id, &fault{Code: a.Error.Code, Message: a.Error.Message, Data: a.Error.Data}), nil
	}
	return response{}, fmt.Errorf("%T is no answer", answer)
}

// failure is an answer that says what is wrong. id nil: nobody knows of which request.
func failure(id json.RawMessage, f *fault) response {
	line, err := envelope(id, "error", f)
	if err != nil { // of its data, which is somebody else's
		line, _ = envelope(id, "error", fault{Code: f.Code, Message: f.Message})
	}
	return response{line: line, code: f.Code}
}

// notificationLine writes a notification of mcp-go's.
func notificationLine(n mcp.JSONRPCNotification) ([]byte, error) {
	raw, err := json.Marshal(n)
	if err != nil {
		return nil, fmt.Errorf("write a notification: %w", err)
	}
	return append(raw, '\n'), nil
}

func envelope(id json.RawMessage, member string, value any) ([]byte, error) {
	if id == nil {
		id = json.RawMessage("null")
	}
	b := bytes.NewBuffer(make([]byte, 0, 512))
	b.WriteString(`{"jsonrpc":"2.0","id":`)
	b.Write(id)
	b.WriteString(`,"` + member + `":`)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return nil, err
	}
	b.Truncate(b.Len() - 1) // Encode ends its line
	b.WriteString("}\n")
	return b.Bytes(), nil
}
