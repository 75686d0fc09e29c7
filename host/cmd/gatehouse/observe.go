package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/host/internal/call"
	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
	"github.com/gatehouse-mcp/gatehouse/host/internal/httpdoor"
	"github.com/gatehouse-mcp/gatehouse/host/internal/metrics"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// What is told of a call, and to whom:
//
//	received   metrics, events                 every call and plan
//	admit      audit (it must), metrics, events   every gate was passed; the tool runs next
//	executing  audit                           which program, exactly
//	progress   events
//	finished   metrics, audit, events, log     once for each received

func (h *host) received(r call.Record) {
	h.metrics.Received(r.Tool, r.Plan)
	if !r.Plan {
		h.hub.Publish("call.received", started(r))
	}
}

// admit writes a call down before it runs. What cannot be written down does not run, unless the operator
// wanted it so.
func (h *host) admit(r call.Record) error {
	if err := h.record(entry(audit.Accept, r)); err != nil {
		if h.config().Audit.OnFailure != config.AuditContinue {
			return err
		}
		h.log.Error("a call runs before it stands in the audit trail", "execution_id", r.ExecutionID,
			"correlation_id", r.CorrelationID, "waits_in_memory", errors.Is(err, audit.ErrKept), "error", err)
	}
	h.runs(r.ExecutionID)
	h.metrics.Started(r.Tool)
	h.hub.Publish("call.started", started(r))
	return nil
}

func (h *host) executing(r call.Record, x tool.Exec) {
	e := entry(audit.Exec, r)
	e.Program, e.Argv, e.Files = x.Program, x.Argv, x.Files
	h.write(e)
}

func (h *host) progress(r call.Record, p tool.Progress) {
	h.hub.Publish("call.progress", progressEvent{
		callEvent: started(r), Task: p.Task, Percent: p.Percent, Done: p.Done, Total: p.Total, Message: p.Message,
	})
}

func (h *host) finished(r call.Record) {
	h.metrics.Finished(metrics.Observation{
		Tool: r.Tool, Plan: r.Plan, Verdict: r.Verdict, Ran: r.Ran, Gate: r.Gate, Kind: r.Kind,
		Elapsed: r.Elapsed, Queued: r.Queued, Stdout: len(r.Stdout), Stderr: len(r.Stderr),
		TruncatedStdout: r.TruncatedStdout, TruncatedStderr: r.TruncatedStderr,
	})
	h.write(outcome(r))
	h.ended(r)
	switch {
	case r.Plan:
	case r.Ran:
		h.hub.Publish("call.finished", ended(r))
	default:
		h.hub.Publish("call.refused", ended(r))
	}
	h.logCall(r)
}

// refusedAtDoor is told of requests that never became a call: no credential, a bad body, the wrong role.
func (h *host) refusedAtDoor(r httpdoor.Refusal) {
	h.metrics.HTTPRefused(r.Err.Kind)
	h.write(audit.Entry{
		Event: audit.Refuse, CorrelationID: r.CorrelationID, Origin: r.Origin, Tool: r.Tool, Gate: "door",
		Verdict: tool.Reject, Rule: r.Err.Message, ErrorType: r.Err.Kind,
		Facts: map[string]string{"request": r.Method + " " + r.Route, "status": strconv.Itoa(r.Status)},
	})
	if r.Origin.Client != "" { // strangers cannot fill the stream
		h.hub.Publish("request.refused", map[string]any{
			"correlation_id": r.CorrelationID, "client": r.Origin.Client, "door": string(r.Origin.Door),
			"route": r.Route, "status": r.Status, "error_type": string(r.Err.Kind), "error": r.Err.Message,
		})
	}
}

// record appends to the trail, when one is kept.
func (h *host) record(e audit.Entry) error {
	if h.trail == nil {
		return nil
	}
	return h.trail.Append(e)
}

// write appends what the trail itself keeps or counts when it cannot be written at the moment.
func (h *host) write(e audit.Entry) {
	if err := h.record(e); err != nil {
		h.log.Debug("the audit trail cannot be written now", "event", string(e.Event),
			"execution_id", e.ExecutionID, "correlation_id", e.CorrelationID,
			"waits_in_memory", errors.Is(err, audit.ErrKept), "error", err)
	}
}

// outcome is the last line of a call or plan.
func outcome(r call.Record) audit.Entry {
	event := audit.Refuse
	switch {
	case r.Plan:
		event = audit.Plan
	case r.Ran:
		event = audit.Finish
	}
	e := entry(event, r)
	e.Verdict = verdict(r)
	e.Gate, e.Rule, e.ErrorType = r.Gate, r.Rule, r.Kind
	if r.Err != nil {
		e.Error = r.Err.Message
		if !r.Ran && e.Rule == "" {
			e.Rule = r.Err.Message
		}
	}
	e.Outcome = audit.Outcome{
		ReturnCode: r.ReturnCode, TimedOut: r.TimedOut, Duration: r.Elapsed, Queued: r.Queued,
		Stdout: r.Stdout, Stderr: r.Stderr, TruncatedStdout: r.TruncatedStdout, TruncatedStderr: r.TruncatedStderr,
	}
	if n := len(r.Exec); n > 0 {
		e.Program, e.Argv = r.Exec[n-1].Program, r.Exec[n-1].Argv
	}
	return e
}

func verdict(r call.Record) tool.Verdict {
	switch {
	case r.Verdict != "":
		return r.Verdict
	case r.Kind == tool.KindIntrusiveDenied:
		return tool.Gated
	case r.Kind == tool.KindValidation, r.Kind == tool.KindOutOfScope, r.Kind == tool.KindNeedsPrivilege:
		return tool.Reject
	case r.Ran:
		return tool.Accept
	}
	return tool.Reject
}

// entry says which call a line is about.
func entry(event audit.Event, r call.Record) audit.Entry {
	name := r.Tool
	if name == "" {
		name = r.Asked
	}
	e := audit.Entry{
		Event: event, ExecutionID: r.ExecutionID, CorrelationID: r.CorrelationID, Origin: r.Origin, Tool: name,
		Plugin: r.Plugin, PluginVersion: r.Version, Target: r.Target, Targets: r.Targets,
	}
	if event != audit.Exec && event != audit.Finish { // the accept line has them already
		e.Arguments = r.Arguments
	}
	if event == audit.Accept {
		e.Verdict = tool.Accept
	}
	if r.Consent != "" && event != audit.Exec && event != audit.Finish {
		e.Facts = map[string]string{"consent": r.Consent, "consent_command": shellLess(r.Question.Grant)}
	}
	return e
}

// shellLess shows a command so that it can be read in one way alone.
func shellLess(g tool.Grant) string { return fmt.Sprintf("%q", g.Argv) }

// callEvent is a call as GET /events tells of it. What there is no tool of has no name here.
type callEvent struct {
	ExecutionID   string `json:"execution_id"`
	CorrelationID string `json:"correlation_id"`
	Client        string `json:"client"`
	Door          string `json:"door"`
	Tool          string `json:"tool"`
	Target        string `json:"target,omitempty"`
	TraceID       string `json:"trace_id,omitempty"`
}

type progressEvent struct {
	callEvent
	Task    string  `json:"task,omitempty"`
	Percent float64 `json:"percent"` // negative: unknown
	Done    int64   `json:"done"`
	Total   int64   `json:"total"` // 0: unknown
	Message string  `json:"message,omitempty"`
}

type endEvent struct {
	callEvent
	Gate       string  `json:"gate,omitempty"`
	ErrorType  string  `json:"error_type,omitempty"`
	Error      string  `json:"error,omitempty"`
	ReturnCode int     `json:"returncode"`
	TimedOut   bool    `json:"timed_out"`
	Seconds    float64 `json:"execution_time"`
	Queued     float64 `json:"queued"`
}

func started(r call.Record) callEvent {
	return callEvent{
		ExecutionID: r.ExecutionID, CorrelationID: r.CorrelationID, Client: r.Origin.Client,
		Door: string(r.Origin.Door), Tool: r.Tool, Target: r.Target, TraceID: r.Origin.Trace.ID,
	}
}

func ended(r call.Record) endEvent {
	e := endEvent{
		callEvent: started(r), Gate: r.Gate, ErrorType: string(r.Kind), ReturnCode: r.ReturnCode,
		TimedOut: r.TimedOut, Seconds: r.Elapsed.Seconds(), Queued: r.Queued.Seconds(),
	}
	if r.Err != nil {
		e.Error = r.Err.Message
	}
	return e
}

// logCall writes the line of a call.
func (h *host) logCall(r call.Record) {
	level, message := slog.LevelInfo, "call"
	if r.Plan {
		message = "plan"
	}
	if r.Panic != "" {
		level = slog.LevelError
	}
	ctx := context.Background() // the caller may be gone
	if h.log.Enabled(ctx, level) {
		h.log.LogAttrs(ctx, level, message, attributes(r)...)
	}
}

func attributes(r call.Record) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("execution_id", r.ExecutionID), slog.String("correlation_id", r.CorrelationID),
		slog.String("client", r.Origin.Client), slog.String("door", string(r.Origin.Door)),
		slog.String("tool", r.Asked), slog.String("target", r.Target),
		slog.Float64("seconds", r.Elapsed.Seconds()), slog.Int("returncode", r.ReturnCode),
	}
	if r.Origin.Trace.ID != "" {
		attrs = append(attrs, slog.String("trace_id", r.Origin.Trace.ID), slog.String("parent_id", r.Origin.Trace.Parent))
	}
	for _, t := range r.Targets {
		attrs = append(attrs, slog.String("pinned_"+t.Argument, t.Prefix.String()))
	}
	if r.Queued > time.Millisecond {
		attrs = append(attrs, slog.Float64("queued", r.Queued.Seconds()))
	}
	if r.Err != nil {
		attrs = append(attrs, slog.String("error_type", string(r.Kind)), slog.String("error", r.Err.Message))
	}
	if r.Gate != "" {
		attrs = append(attrs, slog.String("gate", r.Gate))
	}
	if r.Panic != "" {
		attrs = append(attrs, slog.String("panic", r.Panic))
	}
	return attrs
}
