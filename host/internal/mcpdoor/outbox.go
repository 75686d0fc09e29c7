package mcpdoor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// gap is the least time between the last notification of a request and its answer. A client that finds both in what it
// reads at once may look at the answer first, and drop a progress of what has ended: the official one in TypeScript
// puts notifications off by a turn of its loop, and answers not.
const gap = 2 * time.Millisecond

// Why something that belongs to a request is not sent. The request goes on.
var (
	errNoStream = errors.New("the client takes nothing before the answer")
	errAnswered = errors.New("the request has been answered")
	errGone     = errors.New("the client is gone")
)

// sink writes one message to where a request came from; when it has returned nil the message is written. It gives up
// when giveUp is closed, whether it waits for its turn or for the client to read.
type sink interface {
	send(giveUp <-chan struct{}, message []byte) error
}

// outbox is where what belongs to one request goes before its answer: progress, log messages, questions. What goes
// through it is sent in order, on the stream of this request and of no other, and never after the answer. A nil outbox
// takes nothing.
type outbox struct {
	giveUp <-chan struct{} // closed when the request ends
	to     sink            // nil: there is no stream
	unread func() int      // of what was written there, bytes that the client has not read; nil: nobody knows

	mu   sync.Mutex // held while a message is written, so that the answer waits for it
	last time.Time  // when the last message was written; zero: none was
	done bool
}

// notification is one of ours.
type notification struct {
	Version string         `json:"jsonrpc"`
	Method  string         `json:"method"`
	Params  map[string]any `json:"params,omitempty"`
}

// notify sends a notification; when it has returned nil, it is written.
func (o *outbox) notify(method string, params map[string]any) error {
	if !o.open() {
		return errNoStream
	}
	return o.send(o.giveUp, notification{mcp.JSONRPC_VERSION, method, params})
}

// parting is the longest that a request which has ended waits to say so.
const parting = time.Second

// part sends a notification of a request that has ended.
func (o *outbox) part(method string, params map[string]any) error {
	ctx, cancel := context.WithTimeout(context.Background(), parting)
	defer cancel()
	return o.send(ctx.Done(), notification{mcp.JSONRPC_VERSION, method, params})
}

func (o *outbox) send(giveUp <-chan struct{}, message any) error {
	if !o.open() {
		return errNoStream
	}
	raw, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("write a message: %w", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.done {
		return errAnswered
	}
	if err := o.to.send(giveUp, append(raw, '\n')); err != nil {
		return err
	}
	o.last = time.Now()
	return nil
}

// open reports whether something can be sent.
func (o *outbox) open() bool { return o != nil && o.to != nil }

// close takes nothing more, and waits until the answer may follow.
func (o *outbox) close() {
	o.mu.Lock()
	o.done = true
	last := o.last
	o.mu.Unlock()
	if last.IsZero() {
		return
	}
	if wait := gap - time.Since(last); wait > 0 {
		time.Sleep(wait)
	}
	o.letRead()
}

// How long an answer waits for a client to read what stands before it, and how often it looks: on a busy machine the
// gap passes before the client has its turn.
const (
	reading = 500 * time.Millisecond
	glance  = time.Millisecond
)

func (o *outbox) letRead() {
	if o.unread == nil {
		return
	}
	for end := time.Now().Add(reading); o.unread() > 0 && time.Now().Before(end); {
		time.Sleep(glance)
	}
}

type callKey struct{}

// callOf is the request that a context is of; nil: of none of ours.
func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// outboxOf is where what belongs to the request of a context goes; nil: nowhere.
func outboxOf(ctx context.Context) *outbox {
	if c := callOf(ctx); c != nil {
		return c.out
	}
	return nil
}

// logLevelOf is the least level of messages that the client of a request wants: what it has set for its session, or in
// the stateless revision what the request says. Empty: it wants none.
func logLevelOf(ctx context.Context) mcp.LoggingLevel {
	if info := server.RequestProtocolInfoFromContext(ctx); info != nil && info.Modern {
		return info.LogLevel
	}
	if c := callOf(ctx); c != nil {
		return c.session.GetLogLevel()
	}
	return ""
}

// canElicit reports whether the client of a request can put a form to a person: it says so, and of the older revisions
// it takes a question before the answer. An empty capability is one for forms.
//
// Source: https://modelcontextprotocol.io/specification/2025-11-25/client/elicitation#capabilities
func canElicit(ctx context.Context) bool {
	c := callOf(ctx)
	if c == nil {
		return false
	}
	can := c.session.GetClientCapabilities().Elicitation
	return can != nil && (can.Form != nil || can.URL == nil) && (server.IsModernRequest(ctx) || c.out.open())
}

// protocolError makes the request of a context be answered with an error of JSON-RPC, whatever mcp-go makes of the
// handler's error, which it returns: to mcp-go each of them is an internal error of the same code. data nil: none.
func protocolError(ctx context.Context, code int, message string, data any) error {
	f := &fault{Code: code, Message: message, Data: data}
	if c := callOf(ctx); c != nil {
		c.fault.Store(f)
	}
	return f
}

// missingCapability is the answer to a request that needs something of its client which it has not declared, such as
// "elicitation", in the stateless revision.
//
// Source: https://modelcontextprotocol.io/specification/2026-07-28/basic#error-codes
func missingCapability(ctx context.Context, name string) error {
	return protocolError(ctx, mcp.MISSING_REQUIRED_CLIENT_CAPABILITY,
		"the client must declare the capability "+name+" for this request",
		map[string]any{"requiredCapabilities": map[string]any{name: struct{}{}}})
}
