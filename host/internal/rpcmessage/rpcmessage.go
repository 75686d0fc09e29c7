// Package rpcmessage reads one message of JSON-RPC as MCP has it, strictly: what two readers could take for two
// different messages is refused before either sees it. Both transports of MCP use it, so that both take the same.
//
//	m, err := rpcmessage.Read(line)     // a *rpcmessage.Error has JSON-RPC's code
//	kind, err := m.Kind()               // a request, a notification, an answer
//	ctx = rpcmessage.With(ctx, m)       // for who serves it, so that it is read once
package rpcmessage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/host/internal/strictjson"
)

// MaxSize is the most bytes of a message, on every transport.
const MaxSize = 1 << 20

// JSON-RPC's codes for what is no message, for one that says what it must not, and for one with params that are wrong.
//
// Source: https://www.jsonrpc.org/specification#error_object
const (
	ParseError     = -32700
	InvalidRequest = -32600
	InvalidParams  = -32602
)

// Methods that transports treat apart.
const (
	Initialize = "initialize"
	Ping       = "ping"
	Cancelled  = "notifications/cancelled"
	Listen     = "subscriptions/listen" // a request that stays open
)

// Error is why something is no message.
type Error struct {
	Code int // ParseError, InvalidRequest or InvalidParams
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap is for [errors.As]: it may be a *[strictjson.Error], which says where.
func (e *Error) Unwrap() error { return e.Err }

// Message is a message of a client, as far as transports look into it. Parts of it are as they were written; nil: they
// are not there.
type Message struct {
	Raw     json.RawMessage // all of it
	ID      json.RawMessage
	Method  string
	Params  json.RawMessage
	Name    string          // params.name
	Cancels json.RawMessage // params.requestId, of a Cancelled
	Version string          // params._meta."io.modelcontextprotocol/protocolVersion"
	Result  json.RawMessage // of an answer
	Error   json.RawMessage // of an answer

	// Progress is params._meta.progressToken, a string or a number of at most 256 bytes.
	Progress json.RawMessage

	object   bool
	method   bool // the member is there, whatever it is
	jsonrpc  string
	badToken error // what is wrong with the progress token
}

// Bounds of what a message may have. An initialize is kept as long as its session.
const (
	maxDepth      = 40      // the arguments of a tool stand in an envelope
	maxValues     = 8 << 10 // names and values: in memory each takes far more than its text
	maxOpening    = 64 << 10
	maxOpenValues = 256
)

// Read checks and reads a message of at most MaxSize bytes. What is well-formed and no message of JSON-RPC is an error
// of [Message.Kind] only. An error is an *Error.
func Read(raw []byte) (Message, error) {
	if len(raw) > MaxSize {
		return Message{}, invalid("", "it has more than %d bytes", MaxSize)
	}
	if err := strictjson.Check(raw, strictjson.Limits{Depth: maxDepth, Values: maxValues}); err != nil {
		return Message{}, &Error{Code: ParseError, Err: err}
	}
	m, err := readEnvelope(raw)
	if err != nil {
		return Message{}, &Error{Code: InvalidRequest, Err: err}
	}
	if m.Method != Initialize {
		return m, nil
	}
	if len(raw) > maxOpening {
		return Message{}, invalid("", "an initialize has at most %d bytes", maxOpening)
	}
	if err := strictjson.Check(raw, strictjson.Limits{Depth: maxDepth, Values: maxOpenValues}); err != nil {
		return Message{}, &Error{Code: InvalidRequest, Err: err}
	}
	return m, nil
}

func invalid(at, format string, args ...any) *Error {
	return &Error{Code: InvalidRequest, Err: &strictjson.Error{Pointer: at, Reason: fmt.Sprintf(format, args...)}}
}

// Kind is what a message wants.
type Kind int

// The kinds of messages.
const (
	None Kind = iota
	Request
	Notification
	Answer // to a request of ours
)

// Kind says what a message is. An error says why it is none that MCP has, and is an *Error.
//
// Source: https://modelcontextprotocol.io/specification/2025-11-25/basic#messages
// and /basic/utilities/progress#progress-flow
func (m Message) Kind() (Kind, error) {
	answers := m.Result != nil || m.Error != nil
	switch {
	case !m.object:
		return None, invalid("", "send one message, an object, at a time; lists of messages are not taken")
	case m.jsonrpc != "2.0":
		return None, invalid("/jsonrpc", `it must be "2.0"`)
	case answers && m.method:
		return None, invalid("", "it has a method and a result or an error; send a request or an answer")
	case m.Result != nil && m.Error != nil:
		return None, invalid("", "it has a result and an error; send one of them")
	case m.Method != "" && m.ID == nil:
		return Notification, nil
	case m.Method != "" && isNull(m.ID):
		return None, invalid("/id", "the id of a request must be a string or a number")
	case m.Method != "" && m.badToken != nil:
		return None, &Error{Code: InvalidParams, Err: m.badToken}
	case m.Method != "":
		return Request, nil
	case answers && m.ID != nil:
		return Answer, nil
	}
	return None, invalid("", "it is no request, no notification and no answer: send a method, or an id and a result")
}

// KnownID is the id that an error about this message may carry; nil: it has none that could be told apart.
func (m Message) KnownID() json.RawMessage {
	if isNull(m.ID) {
		return nil
	}
	return m.ID
}

func isNull(raw []byte) bool { return string(raw) == "null" }

// Key is equal for equal ids: a number is never equal to a string, and whole numbers keep all their digits. It is
// empty for what is no id.
func Key(id json.RawMessage) string {
	switch jsontext.Value(id).Kind() {
	case jsontext.KindString:
		text, err := jsontext.AppendUnquote([]byte{'"'}, id)
		if err != nil {
			return ""
		}
		return string(text)
	case jsontext.KindNumber:
		return numberKey(string(id))
	}
	return ""
}

// numberKey writes 8.0 and 8e0 as 8.
func numberKey(text string) string {
	if isInteger(text) {
		return text
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

func isInteger(text string) bool {
	for i, c := range []byte(text) {
		if (c < '0' || c > '9') && (c != '-' || i > 0) {
			return false
		}
	}
	return text != "-0"
}

// CodeOf is JSON-RPC's code for an error of this package.
func CodeOf(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return InvalidRequest
}

// ErrWithdrawn is why who has read a message ends the request that brought it, as its cause (see [context.Cause]): the
// credential that it came with is not valid any more.
var ErrWithdrawn = errors.New("the credential is not valid any more")

type contextKey struct{}

// With puts a message into the context of the request that brought it.
func With(ctx context.Context, m Message) context.Context {
	return context.WithValue(ctx, contextKey{}, m)
}

// From returns the message of a context; false: nobody has read one yet.
func From(ctx context.Context) (Message, bool) {
	m, ok := ctx.Value(contextKey{}).(Message)
	return m, ok
}
