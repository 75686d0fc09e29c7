package sdk

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// Call is one run of a tool that is a Go function: who asked, for what, and where output goes.
type Call struct {
	env     Env
	request Request
	emit    func(Event)

	mu    sync.Mutex // guards shown
	shown []Content
}

// ID is the execution_id, the same in the host's logs and its answer.
func (c *Call) ID() string { return c.request.ID }

// CorrelationID is the caller's own id; empty: none.
func (c *Call) CorrelationID() string { return c.request.CorrelationID }

// Client says who calls: a token's name, an IP address, or "stdio".
func (c *Call) Client() string { return c.request.Client }

// Target returns what a target argument was pinned to. Connect to this address, or with [Call.DialContext], and
// never to the name by other means: the host has resolved it once, and holds only this answer to be in scope.
func (c *Call) Target(argument string) (Target, bool) { return c.request.Target(argument) }

// Pin holds a host that the tool has learned of to the scope, such as the one that a redirect names; see [Env.Pin].
func (c *Call) Pin(ctx context.Context, text string) (Target, error) { return c.env.Pin(ctx, text) }

// Targets returns all pinned targets.
func (c *Call) Targets() []Target { return c.request.Targets }

// Policy is what the host allows. The targets have been held to it already. AllowIntrusive is true as well for a
// call that a person has allowed.
func (c *Call) Policy() Policy { return c.env.Policy }

// Deadline is when the call must have ended; the context of the call carries it as well.
func (c *Call) Deadline() (time.Time, bool) { return c.request.Deadline, !c.request.Deadline.IsZero() }

// Progress tells how far the call is. Send a few a second at most.
func (c *Call) Progress(p Progress) { c.emit(Event{Progress: &p}) }

// Logf tells who called about the run: a client of MCP sees messages of the level that it asked for. A message is
// cut at 4 KiB; after 1000 of a call the rest is dropped. Secrets do not belong there.
func (c *Call) Logf(level LogLevel, format string, args ...any) {
	c.emit(Event{Log: &Log{Level: level, Message: fmt.Sprintf(format, args...)}})
}

// Show adds blocks to what the result shows besides its data: at most 32, of 2 MiB in all. They are kept when the
// function returns an error, too.
func (c *Call) Show(blocks ...Content) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shown = append(c.shown, blocks...)
}

func (c *Call) content() []Content {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.shown)
}

// Answer returns what the person did with a question that [Ask] asked; false: it has not been asked yet.
func (c *Call) Answer(id string) (Answer, bool) {
	a, ok := c.request.Answers[id]
	return Answer{ID: id, Action: a.Action, Content: a.Content}, ok
}

// State is what [Asking.Remember] was given; nil: nothing, or this is the first time.
func (c *Call) State() []byte { return c.request.State }

// Stdout returns a writer of text for the caller to read. It never fails; beyond the caller's cap text
// is dropped, and the result says so.
func (c *Call) Stdout() io.Writer { return stream{c.emit, Stdout} }

// Stderr is like Stdout, for complaints.
func (c *Call) Stderr() io.Writer { return stream{c.emit, Stderr} }

type stream struct {
	emit func(Event)
	to   Stream
}

func (s stream) Write(p []byte) (int, error) {
	s.emit(Event{Output: &Output{Stream: s.to, Data: p}})
	return len(p), nil
}
