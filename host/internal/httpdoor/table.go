package httpdoor

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
)

// everybody is the role of routes that ask for no credential.
const everybody auth.Role = ""

// What names in a path look like.
const (
	namePattern       = "[A-Za-z0-9_-]{1,64}"     // of a tool
	pluginNamePattern = "[A-Za-z0-9._+@-]{1,255}" // of a plugin, or of its file

	// pluginSegment is the same as clients may write it: some escape marks that need no escape.
	pluginSegment = "(?:[A-Za-z0-9._+@-]|%2[BbDdEe]|%5[Ff]|%40){1,255}"
)

// route is a row of the table: how a route is served and what the OpenAPI document says of it.
type route struct {
	path    string    // as documents and metrics name it
	method  string    // "": any; such a route is not in the document
	role    auth.Role // the least that a client must be
	details bool      // open to everybody, and tells more to those who show a credential
	handler http.HandlerFunc
	off     bool   // nothing is behind it: it is not served
	stays   bool   // it is a stream that stays open
	also    *route // serves another method of the path; nil: nobody does

	id, tag, summary string
	text             string   // more than the summary, Markdown
	params           []string // names of components/parameters
	body             *body    // nil: none is looked at
	answers          []outcome
	problems         []int // statuses besides those that every route has
}

// body is what a request carries: JSON of a schema.
type body struct {
	schema   string // name in components/schemas
	required bool
}

// outcome is one way in which a request goes well.
type outcome struct {
	status  int
	text    string
	media   string   // "": application/json
	schema  string   // name in components/schemas
	headers []string // names of components/headers
}

// Routes that are asked for by name elsewhere.
const (
	eventsPath = "/events"
	mcpPath    = "/mcp"
)

// pattern is the path as the mux wants it.
func (r route) pattern() string {
	segment := namePattern
	if strings.HasPrefix(r.path, pluginsPath) {
		segment = pluginSegment
	}
	return strings.ReplaceAll(r.path, "{name}", "{name:"+segment+"}")
}

// Endpoints are the labels that Config.Request gets, besides "other".
func (d *Door) Endpoints() []string {
	var all []string
	for _, r := range d.table() {
		if !r.off && !r.stays {
			all = append(all, r.path)
		}
	}
	return all
}

// table is all that the door serves.
func (d *Door) table() []route {
	return slices.Concat(d.healthRows(), d.resourceRows(), d.toolRows(), d.pluginRows(), d.adminRows(),
		d.tokenRows(), d.executionRows(), d.watchRows())
}

func (d *Door) healthRows() []route {
	return []route{{
		path: "/", method: http.MethodGet, role: auth.Viewer, handler: d.index,
		id: "getIndex", tag: "health", summary: "What this is",
		answers: []outcome{{status: 200, text: "Name, version and routes.", schema: "Index"}},
	}, {
		path: "/livez", method: http.MethodGet, role: everybody, handler: d.livez,
		id: "getLivez", tag: "health", summary: "Whether the process serves",
		answers: []outcome{{status: 200, text: "It does.", schema: "Status"}},
	}, {
		path: "/readyz", method: http.MethodGet, role: everybody, handler: d.readyz,
		id: "getReadyz", tag: "health", summary: "Whether every plugin has been tried",
		answers:  []outcome{{status: 200, text: "All have.", schema: "Status"}},
		problems: []int{503},
	}, {
		path: "/health", method: http.MethodGet, role: everybody, details: true, handler: d.health,
		id: "getHealth", tag: "health", summary: "How the host and its tools are",
		text: "Answered from the last round of checks, which run in the background. Without a valid token the " +
			"member `checks` is left out.",
		answers: []outcome{
			{status: 200, text: "Healthy.", schema: "Health"},
			{status: 207, text: "Degraded: it serves, and something needs a look.", schema: "Health"},
			{status: 503, text: "Unhealthy.", schema: "Health"},
		},
	}}
}

func (d *Door) toolRows() []route {
	tools := http.MethodGet
	return []route{{
		path: "/tools", method: tools, role: auth.Viewer, handler: d.listTools,
		id: "listTools", tag: "tools", summary: "All tools, with what is in force for each",
		answers: []outcome{{status: 200, text: "The tools, without their schemas.", schema: "ToolList"}},
	}, {
		path: "/tools/{name}", method: tools, role: auth.Viewer, handler: d.getTool,
		id: "getTool", tag: "tools", summary: "One tool, with its schemas", params: []string{"ToolName"},
		answers:  []outcome{{status: 200, text: "The tool.", schema: "Tool"}},
		problems: []int{404},
	}, {
		path: "/tools/{name}/execute", method: http.MethodPost, role: auth.Caller, handler: d.execute,
		id: "executeTool", tag: "calls", summary: "Run a tool", params: []string{"ToolName"},
		text: "The body is the arguments, by the `input_schema` of the tool. A program that ran and ended with " +
			"another code than 0 is an ordinary answer; so is one that was not there, ran too long, or was ended " +
			"by a limit: `error_type` tells.",
		body: &body{schema: "Arguments", required: true},
		answers: []outcome{{
			status: 200, text: "What the call came to.", schema: "Report", headers: []string{"CorrelationID"},
		}},
		problems: []int{400, 404, 413, 415, 429, statusCancelled, 503},
	}, {
		path: "/tools/{name}/plan", method: http.MethodPost, role: auth.Caller, handler: d.plan,
		id: "planTool", tag: "calls", summary: "Say what a call would do; nothing is executed",
		params: []string{"ToolName"}, body: &body{schema: "Arguments", required: true},
		text: "A refusal by policy is an answer with its `verdict`, not a problem.",
		answers: []outcome{{
			status: 200, text: "The plan.", schema: "Plan", headers: []string{"CorrelationID"},
		}},
		problems: []int{400, 404, 413, 415, 429, statusCancelled, 502, 503},
	}}
}

func (d *Door) adminRows() []route {
	row := func(path, id, summary string, h http.HandlerFunc, off bool) route {
		return route{
			path: "/tools/{name}" + path, method: http.MethodPost, role: auth.Admin, handler: h, off: off,
			id: id, tag: "operation", summary: summary, params: []string{"ToolName"}, body: &body{schema: "Reason"},
			answers:  []outcome{{status: 200, text: "The tool as it is now.", schema: "Tool"}},
			problems: []int{400, 404, 413, 415, 502, 503},
		}
	}
	noSwitch, noBreaker := d.cfg.SetEnabled == nil, d.cfg.SetBreaker == nil
	return []route{
		row("/enable", "enableTool", "Let a tool be called", d.switching(d.cfg.SetEnabled, true), noSwitch),
		row("/disable", "disableTool", "Let a tool not be called", d.switching(d.cfg.SetEnabled, false), noSwitch),
		row("/breaker/open", "openBreaker", "Open the circuit breaker of a tool until it is closed by hand",
			d.switching(d.cfg.SetBreaker, true), noBreaker),
		row("/breaker/close", "closeBreaker", "Close the circuit breaker of a tool",
			d.switching(d.cfg.SetBreaker, false), noBreaker),
		{
			path: "/config", method: http.MethodGet, role: auth.Admin, handler: d.config,
			off: d.cfg.Configuration == nil,
			id:  "getConfig", tag: "operation", summary: "The configuration in force, secrets redacted",
			answers: []outcome{{status: 200, text: "Values, and where each came from.", schema: "Configuration"}},
		},
	}
}

func (d *Door) watchRows() []route {
	return []route{{
		path: "/metrics", method: http.MethodGet, role: auth.Viewer, handler: d.metrics,
		off: d.cfg.Metrics == nil && d.cfg.MetricsJSON == nil,
		id:  "getMetrics", tag: "operation", summary: "The numbers of the host",
		text: "Prometheus text, unless the header Accept prefers application/json, or `metrics.enabled` is false.",
		answers: []outcome{
			{status: 200, text: "The numbers.", media: "text/plain", schema: "Text"},
			{status: 200, text: "The numbers.", schema: "Metrics"},
		},
		problems: []int{406},
	}, {
		path: eventsPath, method: http.MethodGet, role: auth.Viewer, handler: d.stream(d.events),
		off: d.cfg.Events == nil, stays: true,
		id: "getEvents", tag: "events", summary: "What happens, as server-sent events", text: eventsText(),
		params:   []string{"LastEventID", "LastEventIDQuery"},
		answers:  []outcome{{status: 200, text: "A stream without an end.", media: eventStream, schema: "Text"}},
		problems: []int{400, 429, 503},
	}, {
		path: "/openapi.json", method: http.MethodGet, role: auth.Viewer, handler: d.openapi,
		id: "getOpenAPI", tag: "operation", summary: "This document",
		answers: []outcome{{status: 200, text: "OpenAPI 3.1.", schema: "OpenAPI"}},
	}, {
		path: mcpPath, role: auth.Viewer, off: d.cfg.MCP == nil, handler: d.stream(d.mcp),
	}}
}
