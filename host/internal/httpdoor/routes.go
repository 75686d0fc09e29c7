package httpdoor

import (
	"net/http"

	"github.com/gorilla/mux"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/health"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func (d *Door) index(w http.ResponseWriter, _ *http.Request) {
	entries := d.cfg.Catalog().Entries()
	enabled := 0
	for _, e := range entries {
		if e.Settings.Enabled {
			enabled++
		}
	}
	endpoints := []string{
		"GET /livez", "GET /readyz", "GET /health", "GET /tools", "GET /tools/{name}",
		"POST /tools/{name}/execute", "POST /tools/{name}/plan",
	}
	if d.cfg.Metrics != nil {
		endpoints = append(endpoints, "GET /metrics")
	}
	if d.cfg.MCP != nil {
		endpoints = append(endpoints, "POST /mcp")
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"name": "gatehouse", "version": d.cfg.Version, "transport": d.cfg.Transport,
		"tools": len(entries), "enabled_tools": enabled, "endpoints": endpoints,
	})
}

func (d *Door) livez(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "alive"})
}

func (d *Door) readyz(w http.ResponseWriter, _ *http.Request) {
	if !d.cfg.Ready() {
		writeProblem(w, http.StatusServiceUnavailable, tool.Errorf(
			tool.KindUnavailable, "plugins are being started").Suggest("try again in a second"), tool.Result{})
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
}

// health tells details only to those who may know them.
func (d *Door) health(w http.ResponseWriter, r *http.Request) {
	report := d.cfg.Health()
	if auth.Client(r.Context()) == "" {
		report.Checks = nil
	}
	status := map[health.Status]int{
		health.Healthy: http.StatusOK, health.Degraded: http.StatusMultiStatus,
	}[report.Status]
	if status == 0 {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, report)
}

// toolView is a tool as GET /tools shows it. The schemas stand only in GET /tools/{name}.
type toolView struct {
	Name           string          `json:"name"`
	Title          string          `json:"title,omitempty"`
	Enabled        bool            `json:"enabled"`
	Plugin         string          `json:"plugin"`
	Version        string          `json:"plugin_version"`
	Command        string          `json:"command,omitempty"`
	Description    string          `json:"description"`
	Concurrency    concurrencyView `json:"concurrency"`
	DefaultTimeout float64         `json:"default_timeout_sec"`
	MaxTimeout     float64         `json:"max_timeout_sec"`
	RateLimit      rateView        `json:"rate_limit"`
	Breaker        breakerView     `json:"circuit_breaker"`
	Limits         Limits          `json:"limits"`
	Policy         policyView      `json:"policy"`
	InputSchema    any             `json:"input_schema,omitempty"`
	OutputSchema   any             `json:"output_schema,omitempty"`
}

type concurrencyView struct {
	Limit  int `json:"limit"`
	Active int `json:"active"`
	Queued int `json:"queued"`
}

type rateView struct {
	Requests int     `json:"requests"`
	Per      float64 `json:"per_sec"`
}

type breakerView struct {
	ToolState
	Threshold int     `json:"failure_threshold"`
	Recovery  float64 `json:"recovery_timeout_sec"`
}

type policyView struct {
	AllowedFlags []string          `json:"allowed_flags,omitempty"`
	GatedFlags   []string          `json:"gated_flags,omitempty"`
	Templates    map[string]string `json:"templates,omitempty"`
	Intrusive    bool              `json:"can_be_intrusive"`
}

func (d *Door) view(e *catalog.Entry) toolView {
	state := d.cfg.State(e.Spec.Name)
	return toolView{
		Name: e.Spec.Name, Title: e.Spec.Title, Enabled: e.Settings.Enabled, Plugin: e.Plugin, Version: e.Version,
		Command: e.Spec.Facts.Command, Description: e.Spec.Description,
		Concurrency:    concurrencyView{Limit: e.Settings.Concurrency, Active: state.Active, Queued: state.Queued},
		DefaultTimeout: e.Settings.DefaultTimeout.Seconds(), MaxTimeout: e.Settings.MaxTimeout.Seconds(),
		RateLimit: rateView{Requests: e.Settings.RateRequests, Per: e.Settings.RatePer.Seconds()},
		Breaker: breakerView{
			ToolState: state, Threshold: e.Settings.BreakerThreshold, Recovery: e.Settings.BreakerRecovery.Seconds(),
		},
		Limits: d.cfg.Limits,
		Policy: policyView{
			AllowedFlags: e.Spec.Facts.AllowedFlags, GatedFlags: e.Spec.Facts.GatedFlags,
			Templates: e.Spec.Facts.Templates, Intrusive: e.Spec.Intrusive,
		},
	}
}

func (d *Door) listTools(w http.ResponseWriter, _ *http.Request) {
	tools := []toolView{}
	enabled := 0
	for _, e := range d.cfg.Catalog().Entries() {
		tools = append(tools, d.view(e))
		if e.Settings.Enabled {
			enabled++
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"tools": tools, "total": len(tools), "enabled": enabled})
}

func (d *Door) getTool(w http.ResponseWriter, r *http.Request) {
	name := mux.Vars(r)["name"]
	e, ok := d.cfg.Catalog().Lookup(name)
	if !ok {
		d.refuse(w, r, http.StatusNotFound, tool.Errorf(tool.KindToolNotFound, "there is no tool %s", name).
			Suggest("GET /tools lists them"))
		return
	}
	v := d.view(e)
	v.InputSchema, v.OutputSchema = e.Spec.InputSchema, e.Spec.OutputSchema
	writeJSON(w, http.StatusOK, v)
}

func (d *Door) execute(w http.ResponseWriter, r *http.Request) {
	req, ok := d.request(w, r)
	if !ok {
		return
	}
	res, err := d.cfg.Caller.Call(r.Context(), req, nil)
	if e := tool.AsError(err); e != nil && !e.Kind.InResult() {
		writeProblem(w, statusOf(e.Kind), e, res)
		return
	}
	writeReport(w, tool.NewReport(res, err))
}

func (d *Door) plan(w http.ResponseWriter, r *http.Request) {
	req, ok := d.request(w, r)
	if !ok {
		return
	}
	p, err := d.cfg.Caller.Plan(r.Context(), req)
	if e := tool.AsError(err); e != nil {
		status := statusOf(e.Kind)
		if e.Kind.InResult() { // there is no result for it to stand in
			status = http.StatusBadGateway
		}
		writeProblem(w, status, e, tool.Result{ExecutionID: p.ExecutionID, CorrelationID: p.CorrelationID})
		return
	}
	writeJSON(w, http.StatusOK, p)
}

// request makes a request of the tool named in the path and the arguments in the body, or answers why not.
func (d *Door) request(w http.ResponseWriter, r *http.Request) (tool.Request, bool) {
	args, status, err := readObject(w, r)
	if err != nil {
		d.refuse(w, r, status, err)
		return tool.Request{}, false
	}
	return tool.Request{Tool: mux.Vars(r)["name"], Client: auth.Client(r.Context()), Arguments: args}, true
}
