package main

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// series is one of /metrics.
type series struct {
	name   string
	labels map[string]string
	value  float64
}

// scrape is everything that /metrics said at one moment.
type scrape []series

var (
	seriesRE = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? ([^ ]+)$`)
	labelRE  = regexp.MustCompile(`([a-z_]+)="((?:[^"\\]|\\.)*)"`)
)

// scrape reads /metrics.
func (s *site) scrape(ctx context.Context) (scrape, error) {
	status, raw, err := s.do(ctx, http.MethodGet, "/metrics", "")
	if err != nil || status != http.StatusOK {
		return nil, fmt.Errorf("GET /metrics: status %d, %w", status, err)
	}
	var all scrape
	for line := range strings.Lines(string(raw)) {
		m := seriesRE.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			continue // a comment
		}
		value, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			return nil, fmt.Errorf("GET /metrics: %s: %w", line, err)
		}
		labels := make(map[string]string)
		for _, l := range labelRE.FindAllStringSubmatch(m[2], -1) {
			labels[l[1]] = l[2]
		}
		all = append(all, series{m[1], labels, value})
	}
	return all, nil
}

// sum adds up all series of a name that have these labels: pairs of a name and a value.
func (s scrape) sum(name string, labels ...string) (total float64) {
	for _, one := range s {
		if one.name == name && one.has(labels) {
			total += one.value
		}
	}
	return total
}

func (s series) has(labels []string) bool {
	for i := 0; i+1 < len(labels); i += 2 {
		if s.labels[labels[i]] != labels[i+1] {
			return false
		}
	}
	return true
}

// atRest says that no call and no plan is under way.
func (s scrape) atRest() bool {
	return s.sum("mcp_tool_calls_received_total") == s.sum("mcp_tool_execution_total") &&
		s.sum("mcp_tool_active_executions") == 0 && s.sum("mcp_tool_queue_depth") == 0
}

// ledger is what the metrics say of the calls. Those that run still have started.
func (s scrape) ledger() *ledger {
	book := newLedger("the metrics")
	for _, one := range s {
		tool, n := one.labels["tool"], int(one.value)
		switch one.name {
		case "mcp_tool_calls_received_total":
			book.of(tool).received += n
		case "mcp_tool_active_executions":
			book.of(tool).started += n
		case "mcp_tool_execution_duration_seconds_count":
			book.of(tool).started += n
			book.of(tool).finished += n
		case "mcp_tool_refusals_total":
			book.of(tool).refused += n
		case "mcp_tool_execution_total":
			book.of(tool).outcomes[one.labels["error_type"]] += n
		}
	}
	return book
}
