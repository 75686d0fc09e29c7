package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/call"
	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
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

// warnOfUnknownNames names the sections of the configuration that no tool and no plugin reads: a slip of the
// pen, or a plugin that is not there.
func (h *host) warnOfUnknownNames() {
	var plugins []string
	for _, s := range h.fleet.Status() {
		plugins = append(plugins, s.Name)
	}
	for _, name := range h.config().UnknownPlugins(plugins) {
		h.log.Warn("the configuration has a section for a plugin that is not there", "key", "plugins.config."+name,
			"plugins", plugins)
	}
	for name := range h.config().Tools {
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
		Forced: s.Forced, Active: s.SlotsInUse, Queued: s.Queued, Calls: s.Calls, Errors: s.Errors,
	}
}

// health is the last report of the checks; it asks nobody.
func (h *host) health() health.Report { return h.checker.Report() }

// kick has the checks run soon: something has changed.
func (h *host) kick() {
	if h.checker != nil {
		h.checker.Kick()
	}
}

// newChecker makes the health checks; nothing runs yet.
func (h *host) newChecker(cfg *config.Config) (*health.Checker, error) {
	probes := health.SystemProbes(health.System{Thresholds: h.thresholds, StateDir: cfg.Server.StateDir})
	probes = append(probes,
		health.ProcessProbe(health.Process{}),
		health.DependenciesProbe(func() []string { return h.config().Health.Dependencies }),
		health.PluginsProbe(h.fleet.CheckHealth),
		health.Probe{Name: "gatehouse", Priority: health.Critical, Known: true, Run: h.knownChecks})
	return health.New(health.Config{
		Settings: healthSettings(cfg), Transport: cfg.Server.Transport, Changed: h.healthChanged,
	}, probes...)
}

func healthSettings(cfg *config.Config) health.Settings {
	return health.Settings{
		Interval: cfg.Health.CheckInterval.Duration(), Timeout: cfg.Health.Timeout.Duration(),
		Disabled: !cfg.Health.Enabled,
	}
}

func (h *host) thresholds() health.Thresholds {
	cfg := h.config().Health
	return health.Thresholds{CPU: cfg.CPUThreshold, Memory: cfg.MemoryThreshold, Disk: cfg.DiskThreshold}
}

func (h *host) reconfigureHealth(cfg *config.Config) error {
	if h.checker == nil {
		return nil
	}
	if err := h.checker.Reconfigure(healthSettings(cfg)); err != nil {
		return fmt.Errorf("health: %w", err)
	}
	h.kick() // thresholds and dependencies may be others
	return nil
}

// healthChanged tells of another status at once.
func (h *host) healthChanged(old, current health.Report) {
	h.hub.Publish("health", healthEvent(current))
	if old.Status == current.Status || old.Summary.TotalChecks == 0 { // the first report is no news
		return
	}
	level := slog.LevelWarn
	if current.Status == health.Healthy {
		level = slog.LevelInfo
	}
	h.log.Log(context.Background(), level, "health changed", "from", string(old.Status), "to", string(current.Status))
}

// knownChecks are of what the host knows already.
func (h *host) knownChecks(context.Context) map[string]health.Check {
	checks := map[string]health.Check{"catalog": h.catalogCheck()}
	for _, s := range h.fleet.Status() {
		name := "plugin:" + s.Name
		if _, taken := checks[name]; taken { // two files of one plugin
			name += ":" + s.Path
		}
		checks[name] = pluginCheck(s)
	}
	for i, p := range h.fleet.Problems() {
		c := health.Check{Status: health.Degraded, Priority: health.Important, Message: problemText(p), Fix: p.Fix}
		if p.Tool != "" { // a clash: nobody can tell which of the two was meant
			c.Status = health.Unhealthy
		}
		checks[fmt.Sprintf("problem:%d", i+1)] = c
	}
	for _, e := range h.fleet.Catalog().Entries() {
		checks["breaker:"+e.Spec.Name] = breakerCheck(h.router.State(e.Spec.Name))
		checks["tool:"+e.Spec.Name] = toolCheck(e, h.config().Security.AllowIntrusive)
	}
	if h.trail != nil {
		checks["audit"] = h.trailCheck()
	}
	if h.book != nil {
		checks["executions"] = h.executionsCheck()
	}
	if h.keeper != nil {
		checks["certificate"] = certificateCheck(h.keeper.NotAfter(), time.Now())
	}
	return checks
}

// trailCheck is critical when calls are refused for want of a trail.
func (h *host) trailCheck() health.Check {
	c := health.Check{Status: health.Healthy, Priority: health.Critical}
	if h.config().Audit.OnFailure == config.AuditContinue {
		c.Priority = health.Important
	}
	s := h.trail.Status()
	c.Message = fmt.Sprintf("%d lines", s.Seq)
	if s.Err != nil {
		c.Status, c.Message = health.Unhealthy, "the audit trail cannot be written: "+s.Err.Error()
		c.Fix = "mend what the message says; no restart is needed"
		if errors.Is(s.Err, syscall.ENOSPC) || errors.Is(s.Err, syscall.EDQUOT) {
			c.Fix = "make room on the disk of " + h.config().AuditDir()
		}
	}
	return c
}

// certificateWeek is how long before its end a certificate should have been renewed.
const certificateWeek = 7 * 24 * time.Hour

func certificateCheck(end, now time.Time) health.Check {
	c := health.Check{Status: health.Healthy, Priority: health.Important, Message: "ends " + end.UTC().Format(time.RFC3339)}
	switch left := end.Sub(now); {
	case left <= 0:
		c.Status = health.Unhealthy
	case left < certificateWeek:
		c.Status = health.Degraded
	default:
		return c
	}
	c.Fix = "put a new certificate and key at tls.cert_file and tls.key_file; no restart is needed"
	return c
}

func (h *host) catalogCheck() health.Check {
	c := health.Check{Status: health.Healthy, Priority: health.Critical}
	n := len(h.fleet.Catalog().Names())
	c.Message = fmt.Sprintf("%d tools", n)
	switch {
	case n == 0 && !h.ready():
		c.Status, c.Message = health.Unhealthy, "the plugins are being started"
	case n == 0:
		c.Status = health.Unhealthy
		c.Message = fmt.Sprintf("no tools; looked for plugins in %v", h.config().Plugins.Dirs)
	}
	return c
}

// pluginCheck weighs a plugin's state. One that is idle, or has nothing to offer, is as it should be.
func pluginCheck(s fleet.Status) health.Check {
	c := health.Check{Status: health.Degraded, Priority: health.Important, Message: string(s.State), Fix: s.Fix}
	switch s.State {
	case fleet.Ready, fleet.Idle:
		c.Status = health.Healthy
	case fleet.Stopped:
		c.Priority = health.Informational // somebody wanted it
	case fleet.Backoff, fleet.Quarantined:
		c.Status = health.Unhealthy
	}
	if s.Error != "" {
		c.Message += ": " + s.Error
	} else if s.Reason != "" {
		c.Message += ": " + s.Reason
	}
	if s.Follower != "" {
		c.Status, c.Message = health.Degraded, c.Message+"; what was to take its place does not start: "+s.Follower
	}
	return c
}

func breakerCheck(s call.ToolState) health.Check {
	c := health.Check{Status: health.Healthy, Priority: health.Informational, Message: string(s.Breaker)}
	if s.Breaker != call.Closed {
		c.Status = health.Degraded
		c.Message = fmt.Sprintf("%s after %d failures in a row", s.Breaker, s.Failures)
		if s.Forced {
			c.Message = string(s.Breaker) + " by hand"
		}
	}
	return c
}

// toolCheck is of settings that an operator may not have meant. They are facts, not failures.
func toolCheck(e *catalog.Entry, intrusive config.Intrusive) health.Check {
	c := health.Check{Status: health.Healthy, Priority: health.Informational}
	s := e.Settings
	c.Message = fmt.Sprintf("default timeout %v, at most %v", s.DefaultTimeout, s.MaxTimeout)
	var found, fixes []string
	if !s.Enabled {
		found = append(found, "it is switched off")
		fixes = append(fixes, "gatehouse tools enable "+e.Spec.Name)
	}
	if wish := e.Spec.DefaultTimeout; s.DefaultTimeout < wish/lowTimeout {
		found = append(found, fmt.Sprintf("its default timeout of %v is far below the %v that it asks for",
			s.DefaultTimeout, wish))
		fixes = append(fixes, "raise tools."+e.Spec.Name+".default_timeout")
	}
	if intrusive == config.IntrusiveYes && e.Spec.Intrusive {
		found = append(found, "security.allow_intrusive is on: what can disturb a target is allowed")
		fixes = append(fixes, "switch it off when it is no longer needed")
	}
	if len(found) > 0 {
		c.Status = health.Degraded
		c.Message, c.Fix = strings.Join(found, "; "), strings.Join(fixes, "; ")
	}
	return c
}

// lowTimeout is how many times shorter than a tool's own a default timeout is worth a word.
const lowTimeout = 5

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
