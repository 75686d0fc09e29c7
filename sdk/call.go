package sdk

import (
	"io"
	"time"
)

// Call is one run of a tool that is a Go function: who asked, for what, and where output goes.
type Call struct {
	env     Env
	request Request
	emit    func(Event)
}

// ID is the execution_id, the same in the host's logs and its answer.
func (c *Call) ID() string { return c.request.ID }

// CorrelationID is the caller's own id; empty: none.
func (c *Call) CorrelationID() string { return c.request.CorrelationID }

// Client says who calls: a token's name, an IP address, or "stdio".
func (c *Call) Client() string { return c.request.Client }

// Target returns what a target argument was pinned to. Connect to this address and never to the name:
// the host has resolved it once, and holds only this answer to be in scope.
func (c *Call) Target(argument string) (Target, bool) { return c.request.Target(argument) }

// Targets returns all pinned targets.
func (c *Call) Targets() []Target { return c.request.Targets }

// Policy is what the host allows. The targets have been held to it already.
func (c *Call) Policy() Policy { return c.env.Policy }

// Deadline is when the call must have ended; the context of the call carries it as well.
func (c *Call) Deadline() (time.Time, bool) { return c.request.Deadline, !c.request.Deadline.IsZero() }

// Progress tells how far the call is. Send a few a second at most.
func (c *Call) Progress(p Progress) { c.emit(Event{Progress: &p}) }

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
