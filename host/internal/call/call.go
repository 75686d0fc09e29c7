// Package call is the way of a call through the host: a [Router] takes what a door was asked for, leads it
// through the gates that keep a network safe from a tool and a tool safe from its callers, and hands it to
// the plugin that offers the tool. There is one file per gate, and [Router.gates] is the one place where
// their order stands. Every call that entered comes out as exactly one [Record], whether a gate refused it
// or a plugin ran it.
//
//	r, err := call.New(call.Config{Catalog: catalog, Authorize: mayCall, Scope: scope, Lookup: dns})
//	res, err := r.Call(ctx, tool.Request{Tool: "PingTool", Client: "stdio", Arguments: args}, emit)
//	plan, err := r.Plan(ctx, tool.Request{Tool: "NmapTool", Client: "alice", Arguments: args})
//	state := r.State("PingTool") // breaker, slots and queue, for GET /tools and the health checks
package call

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/consent"
	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Router leads calls through the gates. Its methods may be called concurrently; it has no goroutine of its
// own and needs no Close.
type Router struct {
	cfg        Config
	limits     atomic.Pointer[Limits]
	buckets    *lru.Cache[bucketKey, *rate.Limiter]
	tools      *tools
	properties properties // that the tools' schemas name
	call       next       // the whole way to Handler.Call
	plan       next       // the part of it that a dry run takes, to Handler.Plan
}

// New makes a router.
func New(cfg Config) (*Router, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	buckets, err := lru.New[bucketKey, *rate.Limiter](cfg.Limits.MaxClients)
	if err != nil {
		return nil, err
	}
	r := &Router{cfg: cfg, buckets: buckets, tools: newTools(cfg)}
	r.limits.Store(&cfg.Limits)
	r.call = chain(r.gates(), false, r.runCall)
	r.plan = chain(r.gates(), true, r.runPlan)
	return r, nil
}

// SetLimits puts other limits into force, for calls that come from now on.
func (r *Router) SetLimits(l Limits) error {
	if err := l.validate(); err != nil {
		return err
	}
	l = l.complete()
	r.limits.Store(&l)
	r.buckets.Resize(l.MaxClients)
	return nil
}

// Buckets is how many token buckets are kept at this moment.
func (r *Router) Buckets() int { return r.buckets.Len() }

// Call runs a tool. Of the request it takes Tool, Client, Arguments, CorrelationID, and the Answers and State of
// questions; the rest is the router's. emit, which may be nil, gets the events in order; it is not called after Call has returned.
//
// The result has ExecutionID, CorrelationID and Elapsed set in every case, and the output that was
// collected even next to an error. Every error is a [*tool.Error] that says what to do next.
//
// The handler must end when its context does: that is what bounds a call whose plugin hangs.
//
//	Call
//	└─ observe             ids; panics recovered; one Record per call     unknown
//	   └─ lookup           the tool, in the catalog of this moment        tool_not_found, disabled, rate_limited
//	      └─ authorize     may this client call it                        forbidden
//	         └─ rate       a token of client and tool                     rate_limited
//	            └─ check   arguments by schema; the host's own taken out  validation_error
//	               └─ scope  targets parsed, resolved once, pinned        out_of_scope, validation_error
//	                  └─ consent  a person is asked what is intrusive     intrusive_denied
//	                     └─ deadline  its end, and the end of the waiting  timeout, cancelled
//	                        └─ failFast  no queueing for an open breaker  circuit_breaker_open
//	                           └─ capacity  a slot, or a bounded wait     overloaded, cancelled
//	                              └─ breaker  counts what the tool does   circuit_breaker_open
//	                                 └─ trail    written down before it runs  unavailable
//	                                    └─ runCall ── Handler.Call ── events ── collector ── emit
func (r *Router) Call(ctx context.Context, req tool.Request, emit func(tool.Event)) (tool.Result, error) {
	c := newPassage(req, emit)
	err := r.call(ctx, c)
	return c.result, err
}

// Plan says what a call would do, without a slot and past the breaker: nothing is executed. What policy
// refuses, here or in the plugin, is an answer ([tool.RefusedPlan]); everything else that goes wrong is an
// error like that of [Router.Call].
func (r *Router) Plan(ctx context.Context, req tool.Request) (tool.Plan, error) {
	c := newPassage(req, nil)
	c.dry = true
	err := r.plan(ctx, c)
	switch tool.KindOf(err) {
	case tool.KindValidation, tool.KindOutOfScope, tool.KindIntrusiveDenied, tool.KindNeedsPrivilege:
		c.planned, err = tool.RefusedPlan(err), nil
	}
	c.planned.Tool, c.planned.Targets, c.planned.TimeoutSec = c.tool(), c.req.Targets, c.timeout.Seconds()
	c.planned.ExecutionID, c.planned.CorrelationID = c.req.ID, c.req.CorrelationID
	return c.planned, err
}

// passage is one call on its way. Each gate fills in what the gates below it need; only one goroutine uses
// it at a time.
type passage struct {
	asked  string // the tool's name as the caller gave it, clipped; for a known tool it is req.Tool
	given  json.RawMessage
	req    tool.Request // what the plugin will get
	origin origin.Origin
	emit   func(tool.Event)
	dry    bool // a plan, not a call

	begun time.Time
	args  arguments           // taken apart by observe
	bad   []catalog.Violation // what observe found wrong with them; check refuses it

	catalog *catalog.Catalog
	entry   *catalog.Entry // of the tool; nil: there is no such tool
	state   *toolState     // set by lookup

	timeout time.Duration  // granted by deadline
	short   bool           // too short to blame the tool for not being finished: see breaker
	queued  time.Duration  // waited by capacity
	gate    string         // the last one that was entered
	ran     bool           // every gate was passed and the handler asked
	broken  *tool.Error    // why the host broke the run off
	exec    []tool.Exec    // what the plugin said that it executes
	told    time.Time      // of the last progress that was passed on
	held    *tool.Progress // the latest one, when it came too soon after that
	crash   string         // of a panic: value and stack

	result  tool.Result
	planned tool.Plan

	consent  string                  // what a person who was asked said; see Record.Consent
	question *consent.Question       // that was put to the person
	breakOff context.CancelCauseFunc // ends the run
	useGrant func()                  // tells that the grant is being used
}

// newPassage takes from a request what a door may say, and nothing else.
func newPassage(req tool.Request, emit func(tool.Event)) *passage {
	return &passage{
		asked: clip(req.Tool, tool.MaxNameLength),
		given: req.Arguments,
		req: tool.Request{
			Tool: req.Tool, Client: req.Client, CorrelationID: req.CorrelationID,
			Answers: req.Answers, State: req.State,
		},
		emit: emit,
	}
}

// tool is the name under which the call may be counted: "" unless it is a tool of the catalog.
func (c *passage) tool() string {
	if c.entry == nil {
		return ""
	}
	return c.entry.Spec.Name
}

// target is the first target as the caller wrote it, also when the call was refused before the scope gate.
func (c *passage) target() string {
	if c.entry == nil {
		return ""
	}
	for _, t := range c.entry.Spec.Targets {
		if text, _ := c.args.text(t.Argument); text != "" {
			return clip(text, maxTargetText)
		}
	}
	return ""
}
