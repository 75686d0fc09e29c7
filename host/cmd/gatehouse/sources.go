package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
	"github.com/gatehouse-mcp/gatehouse/host/internal/httpdoor"
	"github.com/gatehouse-mcp/gatehouse/host/internal/logs"
	"github.com/gatehouse-mcp/gatehouse/host/internal/metrics"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// newLogs opens the log that the configuration wants: a file, else w, which is never the stream of a
// protocol.
func newLogs(cfg config.Logging, w io.Writer) (*logs.Logs, error) {
	out, err := logs.New(logs.Config{
		Level: level(cfg.Level), Format: cfg.Format, Output: w,
		File: cfg.FilePath, MaxFileSize: cfg.MaxFileSize, Backups: cfg.BackupCount,
	})
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	return out, nil
}

func level(name string) slog.Level {
	return map[string]slog.Level{
		"DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo, "WARN": slog.LevelWarn, "WARNING": slog.LevelWarn,
		"ERROR": slog.LevelError,
	}[strings.ToUpper(name)]
}

// sources are what the metrics ask for when somebody reads them.
func (h *host) sources() metrics.Sources {
	return metrics.Sources{
		Plugins: h.pluginSamples,
		Queue:   h.queues,
		Buckets: func() int { return h.router.Buckets() },
		Health:  h.healthSample,
		Audit:   h.auditSample,
		Events: func() metrics.EventsSample {
			s := h.hub.Stats()
			return metrics.EventsSample{Published: s.Published, Streams: s.Streams, Dropped: s.Dropped}
		},
		HTTP: h.httpSample,
	}
}

func (h *host) httpSample() metrics.HTTPSample {
	s := metrics.HTTPSample{Connections: map[string]int{"pending": 0, "idle": 0, "active": 0}}
	for _, door := range h.doors() {
		c := door.Connections()
		s.Connections["pending"] += c.Pending
		s.Connections["idle"] += c.Idle
		s.Connections["active"] += c.Active
		s.Evicted, s.Over = s.Evicted+c.Evicted, s.Over+c.Over
	}
	if h.keeper != nil {
		s.Certificate = h.keeper.NotAfter()
	}
	return s
}

// doors are those that are open now.
func (h *host) doors() (all []*httpdoor.Door) {
	if open := h.open.Load(); open != nil {
		all = append(all, open.public)
		if open.admin != nil {
			all = append(all, open.admin)
		}
	}
	if port := h.scraped.Load(); port != nil {
		all = append(all, port)
	}
	return all
}

func (h *host) pluginSamples() []metrics.PluginSample {
	var all []metrics.PluginSample
	for _, s := range h.fleet.Status() {
		all = append(all, metrics.PluginSample{
			Name: s.Name, State: string(s.State), Pid: s.Pid, Restarts: s.Restarts,
			Draining: s.Draining,
		})
	}
	return all
}

func (h *host) queues() map[string]int {
	waiting := make(map[string]int)
	for _, name := range h.fleet.Catalog().Names() {
		waiting[name] = h.router.State(name).Queued
	}
	return waiting
}

func (h *host) healthSample() metrics.HealthSample {
	if h.checker == nil {
		return metrics.HealthSample{}
	}
	r := h.checker.Report()
	s := metrics.HealthSample{
		Status: tool.HealthStatus(r.Status), Checks: make(map[string]map[tool.HealthStatus]int),
	}
	for _, c := range r.Checks {
		p := string(c.Priority)
		if s.Checks[p] == nil {
			s.Checks[p] = make(map[tool.HealthStatus]int)
		}
		s.Checks[p][tool.HealthStatus(c.Status)]++
	}
	return s
}

func (h *host) auditSample() metrics.AuditSample {
	if h.trail == nil {
		return metrics.AuditSample{}
	}
	s := h.trail.Status()
	return metrics.AuditSample{
		Lines: s.Lines, Failures: s.Fails, Lost: s.Lost, Seq: s.Seq, Failing: s.Err != nil,
	}
}
