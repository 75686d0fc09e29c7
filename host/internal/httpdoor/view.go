package httpdoor

import (
	"encoding/json"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/health"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// toolListView is what GET /tools answers.
type toolListView struct {
	Tools   []toolView `json:"tools" jsonschema:"by name"`
	Total   int        `json:"total" jsonschema:"how many there are"`
	Enabled int        `json:"enabled" jsonschema:"how many of them can be called"`
}

// toolView is a tool as GET /tools shows it: what is in force and true at this moment. The schemas stand only
// in GET /tools/{name}.
type toolView struct {
	Name           string          `json:"name" jsonschema:"under which it is called"`
	Title          string          `json:"title,omitempty" jsonschema:"for people"`
	Enabled        bool            `json:"enabled" jsonschema:"whether it can be called"`
	Plugin         string          `json:"plugin" jsonschema:"that offers it"`
	Version        string          `json:"plugin_version" jsonschema:"of the plugin"`
	Command        string          `json:"command,omitempty" jsonschema:"the program that it runs"`
	Description    string          `json:"description" jsonschema:"what it does"`
	Concurrency    concurrencyView `json:"concurrency" jsonschema:"calls at a time"`
	Queue          queueView       `json:"queue" jsonschema:"calls that wait for a slot"`
	DefaultTimeout float64         `json:"default_timeout_sec" jsonschema:"seconds of a call that asks for none"`
	MaxTimeout     float64         `json:"max_timeout_sec" jsonschema:"seconds that a call may ask for at most"`
	RateLimit      rateView        `json:"rate_limit" jsonschema:"calls of one client"`
	Breaker        breakerView     `json:"circuit_breaker" jsonschema:"what stops calls of a tool that keeps failing"`
	Metrics        metricsView     `json:"metrics" jsonschema:"counted since the host started"`
	Limits         Limits          `json:"limits" jsonschema:"of each run"`
	Needs          []needView      `json:"needs,omitempty" jsonschema:"what must be on the machine"`
	Policy         policyView      `json:"policy" jsonschema:"what its arguments may be"`
	Details        json.RawMessage `json:"details,omitempty" jsonschema:"more of its policy, in the tool's own words"`
	Sandbox        []layerView     `json:"sandbox,omitempty" jsonschema:"what protects the machine from its program"`
	Checks         checksView      `json:"checks,omitempty" jsonschema:"those of /health that are about it, by name"`
	InputSchema    json.RawMessage `json:"input_schema,omitempty" jsonschema:"JSON Schema of the arguments"`
	OutputSchema   json.RawMessage `json:"output_schema,omitempty" jsonschema:"JSON Schema of the result"`
}

type concurrencyView struct {
	Limit  int `json:"limit" jsonschema:"calls at a time"`
	Active int `json:"active" jsonschema:"calls that run now"`
	Queued int `json:"queued" jsonschema:"calls that wait now"`
}

type queueView struct {
	Length int `json:"length" jsonschema:"calls that may wait"`
	Queued int `json:"queued" jsonschema:"calls that wait now"`
}

type rateView struct {
	Requests int     `json:"requests" jsonschema:"calls of one client within the period; 0: no limit"`
	Per      float64 `json:"per_sec" jsonschema:"seconds of the period"`
}

type breakerView struct {
	ToolState
	Threshold   int     `json:"failure_threshold" jsonschema:"failures in a row that open it"`
	Recovery    float64 `json:"recovery_timeout_sec" jsonschema:"seconds that it rests before a trial"`
	Trials      int     `json:"half_open_success_threshold" jsonschema:"trials in a row that must succeed to close it"`
	Multiplier  float64 `json:"recovery_multiplier" jsonschema:"by how much the rest grows after a failed trial"`
	MaxRecovery float64 `json:"max_recovery_timeout_sec" jsonschema:"seconds that the rest grows to at most"`
	Jitter      float64 `json:"recovery_jitter" jsonschema:"part of the rest that is random"`
}

type metricsView struct {
	Calls  uint64 `json:"calls" jsonschema:"that ended, refused ones too"`
	Errors uint64 `json:"errors" jsonschema:"of them, those that ended with an error"`
}

type needView struct {
	Kind       tool.NeedKind `json:"kind" jsonschema:"command or capability"`
	Name       string        `json:"name" jsonschema:"of the program, or of the capability"`
	MinVersion string        `json:"min_version,omitempty" jsonschema:"of a program"`
	Install    string        `json:"install,omitempty" jsonschema:"what a person types to get it"`
	Optional   bool          `json:"optional" jsonschema:"whether the tool works without it, with less"`
}

type checksView map[string]health.Check // name -> check

type layerView struct {
	Name   string `json:"name" jsonschema:"of the layer"`
	Active bool   `json:"active" jsonschema:"whether it is in force on this machine"`
	Detail string `json:"detail" jsonschema:"what it does, or what is missing"`
}

type policyView struct {
	AllowedFlags []string          `json:"allowed_flags,omitempty" jsonschema:"flags that extra_args may have"`
	GatedFlags   []string          `json:"gated_flags,omitempty" jsonschema:"flags that need security.allow_intrusive"`
	Templates    map[string]string `json:"templates,omitempty" jsonschema:"name and arguments"`
	Intrusive    bool              `json:"can_be_intrusive" jsonschema:"whether some of it needs security.allow_intrusive"`
}

func (d *Door) view(e *catalog.Entry) toolView {
	state, s := d.cfg.State(e.Spec.Name), e.Settings
	return toolView{
		Name: e.Spec.Name, Title: e.Spec.Title, Enabled: s.Enabled, Plugin: e.Plugin, Version: e.Version,
		Command: e.Spec.Facts.Command, Description: e.Spec.Description,
		Concurrency:    concurrencyView{Limit: s.Concurrency, Active: state.Active, Queued: state.Queued},
		Queue:          queueView{Length: s.QueueLength, Queued: state.Queued},
		DefaultTimeout: s.DefaultTimeout.Seconds(), MaxTimeout: s.MaxTimeout.Seconds(),
		RateLimit: rateView{Requests: s.RateRequests, Per: s.RatePer.Seconds()},
		Breaker: breakerView{
			ToolState: state, Threshold: s.Breaker.Threshold, Recovery: s.Breaker.Recovery.Seconds(),
			Trials: s.Breaker.Trials, Multiplier: s.Breaker.Multiplier,
			MaxRecovery: s.Breaker.MaxRecovery.Seconds(), Jitter: s.Breaker.Jitter,
		},
		Metrics: metricsView{Calls: state.Calls, Errors: state.Errors},
		Limits:  d.cfg.Limits(), Needs: needs(e.Spec.Needs),
		Policy: policyView{
			AllowedFlags: e.Spec.Facts.AllowedFlags, GatedFlags: e.Spec.Facts.GatedFlags,
			Templates: e.Spec.Facts.Templates, Intrusive: e.Spec.Intrusive,
		},
	}
}

// fullView is a tool as GET /tools/{name} shows it.
func (d *Door) fullView(e *catalog.Entry) toolView {
	v := d.view(e)
	v.InputSchema, v.OutputSchema = e.Spec.InputSchema, e.Spec.OutputSchema
	v.Details = e.Spec.Facts.Details
	for _, l := range e.Layers {
		v.Sandbox = append(v.Sandbox, layerView(l))
	}
	v.Checks = make(checksView)
	for name, c := range d.cfg.Health().Checks {
		if health.About(name, e.Plugin, e.Spec.Name) {
			v.Checks[name] = c
		}
	}
	return v
}

func needs(list []tool.Need) []needView {
	var views []needView
	for _, n := range list {
		views = append(views, needView{
			Kind: n.Kind, Name: n.Name, MinVersion: n.MinVersion, Install: n.Install, Optional: n.Optional,
		})
	}
	return views
}
