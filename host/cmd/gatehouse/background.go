package main

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/health"
	"github.com/gatehouse-mcp/gatehouse/host/internal/httpdoor"
)

// summaryPause is how long apart the summaries are that GET /events tells, whatever happens.
const summaryPause = 5 * time.Second

// background runs what a door needs beside it, until end is called.
func (h *host) background(ctx context.Context, hangups <-chan os.Signal, metricsPort net.Listener) (end func() error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // they end after the door
	var wg sync.WaitGroup
	var served error
	h.follow(ctx, hangups, wg.Go)
	wg.Go(func() { _ = h.checker.Run(ctx) }) // it ends with ctx
	wg.Go(func() { h.summarize(ctx) })
	if metricsPort != nil {
		wg.Go(func() {
			if served = h.serveMetrics(ctx, metricsPort); served != nil {
				h.log.Error("the port of the metrics is closed", "error", served)
			}
		})
	}
	return func() error {
		cancel()
		wg.Wait()
		return served
	}
}

// summarize tells health and metrics every few seconds.
func (h *host) summarize(ctx context.Context) {
	tick := time.NewTicker(summaryPause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			h.hub.Publish("health", healthEvent(h.health()))
			h.hub.Publish("metrics", h.metrics.Summary())
		}
	}
}

// healthEvent is a report without the checks that are well.
func healthEvent(r health.Report) map[string]any {
	failing := make(map[string]health.Check)
	for name, c := range r.Checks {
		if c.Status != health.Healthy {
			failing[name] = c
		}
	}
	return map[string]any{
		"status": r.Status, "timestamp": r.Timestamp, "summary": r.Summary, "failing": failing,
	}
}

// listenMetrics opens the port that metrics have of their own, when they have one.
func (h *host) listenMetrics(ctx context.Context) (net.Listener, error) {
	m := h.config().Metrics
	if m.PrometheusPort == 0 {
		return nil, nil
	}
	if !m.Enabled {
		h.log.Warn("metrics.prometheus_port is set and metrics.enabled is false: the port stays closed")
		return nil, nil
	}
	l, err := listen(ctx, m.PrometheusHost, m.PrometheusPort, "metrics.prometheus_port")
	if err != nil {
		return nil, err
	}
	h.log.Info("serving metrics", "address", h.scheme()+l.Addr().String()+"/metrics")
	return l, nil
}

// serveMetrics serves /metrics on a port of its own, to the same clients as the door.
func (h *host) serveMetrics(ctx context.Context, l net.Listener) error {
	cfg := h.httpConfig(nil)
	door, err := httpdoor.New(cfg)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	hosts := httpdoor.HostsOf(h.config().Metrics.PrometheusHost, h.config().Server.AllowedHosts...)
	side := httpdoor.Side{Hosts: hosts, TLS: h.tls}
	port := door.MetricsOnly(side)
	h.scraped.Store(port)
	return port.Serve(ctx, l, time.Second)
}
