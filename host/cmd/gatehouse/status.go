package main

import (
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/call"
	"github.com/gatehouse-mcp/gatehouse/host/internal/fleet"
	"github.com/gatehouse-mcp/gatehouse/host/internal/health"
	"github.com/gatehouse-mcp/gatehouse/host/internal/httpdoor"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// ready says whether every plugin has been tried once.
func (h *host) ready() bool {
	select {
	case <-h.fleet.Ready():
		return true
	default:
		return false
	}
}

// warnOfUnknownTools names the sections of the configuration that no tool reads: a slip of the pen, or a
// plugin that is not there.
func (h *host) warnOfUnknownTools() {
	for name := range h.cfg.Tools {
		if _, ok := h.fleet.Catalog().Lookup(name); !ok {
			h.log.Warn("the configuration has settings for a tool that is not there", "key", "tools."+name,
				"tools", h.fleet.Catalog().Names())
		}
	}
}

func (h *host) toolState(name string) httpdoor.ToolState {
	s := h.router.State(name)
	return httpdoor.ToolState{
		Breaker: string(s.Breaker), Failures: s.Failures, RetryAfterSeconds: tool.RetrySeconds(s.RetryAfter),
		Active: s.SlotsInUse, Queued: s.Queued,
	}
}

// health weighs what is known already; it asks nobody, so it cannot hang.
func (h *host) health() health.Report {
	checks := map[string]health.Check{"catalog": h.catalogCheck()}
	for _, s := range h.fleet.Status() {
		checks["plugin:"+s.Name] = pluginCheck(s)
	}
	for i, p := range h.fleet.Problems() {
		checks[fmt.Sprintf("problem:%d", i+1)] = health.Check{
			Status: health.Degraded, Priority: health.Important, Message: problemText(p),
		}
	}
	for _, name := range h.fleet.Catalog().Names() {
		checks["breaker:"+name] = breakerCheck(h.router.State(name))
	}
	return health.Summarize(time.Now(), h.cfg.Server.Transport, checks)
}

func (h *host) catalogCheck() health.Check {
	c := health.Check{Status: health.Healthy, Priority: health.Critical}
	n := len(h.fleet.Catalog().Names())
	c.Message = fmt.Sprintf("%d tools", n)
	if n == 0 {
		c.Status = health.Unhealthy
		c.Message = fmt.Sprintf("no tools; looked for plugins in %v", h.cfg.Plugins.Dirs)
	}
	return c
}

func pluginCheck(s fleet.Status) health.Check {
	c := health.Check{Status: health.Healthy, Priority: health.Important, Message: string(s.State)}
	if s.State != fleet.Ready {
		c.Status = health.Degraded
	}
	if s.State == fleet.Backoff || s.State == fleet.Quarantined {
		c.Status = health.Unhealthy
	}
	if s.Error != "" {
		c.Message += ": " + s.Error
	}
	return c
}

func breakerCheck(s call.ToolState) health.Check {
	c := health.Check{Status: health.Healthy, Priority: health.Informational, Message: string(s.Breaker)}
	if s.Breaker != call.Closed {
		c.Status = health.Degraded
		c.Message = fmt.Sprintf("%s after %d failures in a row", s.Breaker, s.Failures)
	}
	return c
}

func problemText(p fleet.Problem) string {
	text := p.Path
	if p.Tool != "" {
		text += ": tool " + p.Tool
	}
	text += ": " + p.Reason
	if p.Fix != "" {
		text += " (" + p.Fix + ")"
	}
	return text
}
