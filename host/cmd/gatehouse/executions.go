package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/call"
	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
	"github.com/gatehouse-mcp/gatehouse/host/internal/consent"
	"github.com/gatehouse-mcp/gatehouse/host/internal/detach"
	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/host/internal/health"
	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttools"
	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// openExecutions opens the record of what runs and ran, and what runs calls that nobody waits for.
func (h *host) openExecutions(cfg *config.Config) error {
	var err error
	h.book, err = executions.Open(executions.Config{
		Dir: cfg.Server.StateDir, Logger: h.log, Limits: executionLimits(cfg),
	})
	if err != nil {
		return fmt.Errorf("executions: %w", err)
	}
	return nil
}

func executionLimits(cfg *config.Config) executions.Limits {
	return executions.Limits{
		MaxAge: cfg.Executions.MaxAge.Duration(), MaxCount: cfg.Executions.MaxCount, MaxBytes: cfg.Executions.MaxSize,
		MaxStdout: cfg.Limits.MaxStdoutBytes, MaxStderr: cfg.Limits.MaxStderrBytes,
	}
}

// openRunner makes what runs calls that nobody waits for.
func (h *host) openRunner(cfg *config.Config) error {
	var err error
	h.runner, err = detach.New(detach.Config{
		Caller: h.router, Logger: h.log, MaxRunning: cfg.Executions.MaxRunning,
		MaxPerClient: cfg.Executions.MaxRunningPerClient,
	})
	if err != nil {
		return fmt.Errorf("detached calls: %w", err)
	}
	return nil
}

// detachedGrace is how long detached calls have to end when the host does.
const detachedGrace = 5 * time.Second

// closeExecutions ends what runs and nobody waits for. What the host itself ends has not been cancelled by anybody, it
// was interrupted: the book is told first, and written last, when nothing runs any more.
func (h *host) closeExecutions(ctx context.Context) error {
	if h.book == nil || h.booked.Swap(true) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), detachedGrace)
	defer cancel()
	h.book.Interrupt()
	return errors.Join(h.runner.Close(ctx), h.book.Close())
}

// enlist notes a call that will run, and gives it a context by which it can be cancelled from elsewhere.
func (h *host) enlist(ctx context.Context, r call.Record, queued bool) context.Context {
	if h.book == nil {
		return ctx
	}
	ctx, cancel := context.WithCancelCause(ctx)
	detached, isDetached := detach.From(ctx)
	err := h.book.Begin(executions.Execution{
		ID: r.ExecutionID, CorrelationID: r.CorrelationID, Tool: r.Tool, Plugin: r.Plugin, Version: r.Version,
		Client: r.Origin.Client, Door: string(r.Origin.Door), Arguments: r.Arguments, Target: r.Target, Targets: r.Targets,
		Detached: isDetached, Created: r.Begun, Timeout: r.Timeout,
	}, cancel)
	switch {
	case errors.Is(err, executions.ErrMemoryOnly):
		h.log.Warn("an execution is in memory only for now", "execution_id", r.ExecutionID, "error", err)
	case err != nil:
		h.log.Warn("an execution is not kept", "execution_id", r.ExecutionID, "error", err)
	}
	if !queued {
		h.book.Start(r.ExecutionID)
	}
	if isDetached {
		detached.Enlisted(r.ExecutionID)
		ctx = consent.With(ctx, nil) // nobody waits for a question any more
	}
	return ctx
}

// ended notes what an execution came to. One that was refused before it was enlisted is none.
func (h *host) ended(r call.Record) {
	if h.book != nil && !r.Plan {
		h.book.End(r.ExecutionID, executions.Outcome{Result: r.Result, Err: r.Err})
	}
}

// runs notes that an execution has passed all gates.
func (h *host) runs(id string) {
	if h.book != nil {
		h.book.Start(id)
	}
}

// told notes what an execution prints, and how far it is.
func (h *host) told(id string, ev tool.Event) {
	if h.book != nil {
		h.book.Event(id, ev)
	}
}

// viewer is the client of a context as the executions know it: each sees its own, administrators all.
func viewer(ctx context.Context) executions.Viewer {
	id, known := auth.From(ctx)
	client := origin.From(ctx).Client
	if client == "" {
		client = "stdio"
	}
	return executions.Viewer{Client: client, All: known && id.Role == auth.Admin}
}

// detachCall starts a call that goes on without its caller.
func (h *host) detachCall(ctx context.Context, r tool.Request) (executions.Execution, error) {
	id, err := h.runner.Start(ctx, r)
	if err != nil {
		return executions.Execution{ID: id}, err
	}
	return h.book.For(viewer(ctx)).Get(id)
}

// hostTools are the host's own tools for assistants.
func (h *host) hostTools() ([]hosttools.Tool, error) {
	tools, err := hosttools.New(hosttools.Config{
		Executions: func(v executions.Viewer) hosttools.Executions { return h.book.For(v) },
		Start:      h.detachCall,
		MaxText:    func() int { return h.config().MCP.MaxText },
	})
	if err != nil {
		return nil, fmt.Errorf("host tools: %w", err)
	}
	return tools, nil
}

// executionsCheck says whether what runs outlives a restart.
func (h *host) executionsCheck() health.Check {
	c := health.Check{Status: health.Healthy, Priority: health.Important}
	s := h.book.Stats()
	c.Message = fmt.Sprintf("%d running, %d queued", s.Running, s.Queued)
	if err := h.book.Healthy(); err != nil {
		c.Status, c.Message = health.Degraded, "executions are in memory only: "+err.Error()
		c.Fix = "mend what the message says; no restart is needed"
	}
	return c
}
