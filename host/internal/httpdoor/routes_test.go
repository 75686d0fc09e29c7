package httpdoor

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/host/internal/health"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestHealthTellsDetailsOnlyToThoseWhoMayKnow(t *testing.T) {
	for _, row := range []struct {
		status health.Status
		code   int
	}{
		{health.Healthy, 200}, {health.Degraded, 207}, {health.Unhealthy, 503}, {"odd", 503},
	} {
		d := newDoor(t, withTokens, func(c *Config) {
			c.Health = func() health.Report {
				return health.Report{Status: row.status, Checks: map[string]health.Check{
					"plugins": {Status: health.Healthy, Priority: health.Critical},
				}}
			}
		})
		for header, details := range map[string]bool{"": false, "Bearer wrong": false, "Bearer secret": true} {
			r := request("GET", "/health", "")
			if header != "" {
				r.Header.Set("Authorization", header)
			}
			w := serve(d, r)
			want := string(row.status)
			if want == "odd" {
				want = "unhealthy"
			}
			got := parse(t, w, "application/json")
			if got["status"] != want {
				t.Errorf("GET /health (%s) = %v, want %s", row.status, got["status"], want)
			}
			if w.Code != row.code || (got["checks"] != nil) != details {
				t.Errorf("GET /health (%s) with %q = %d %s, want %d, details: %t", row.status, header, w.Code, w.Body,
					row.code, details)
			}
		}
	}
}

func TestReadyz(t *testing.T) {
	ready := false
	d := newDoor(t, withTokens, func(c *Config) { c.Ready = func() bool { return ready } })
	checkProblem(t, serve(d, request("GET", "/readyz", "")), 503, tool.KindUnavailable)
	ready = true
	if w := serve(d, request("GET", "/readyz", "")); w.Code != 200 {
		t.Errorf("GET /readyz = %d, want 200", w.Code)
	}
}

func TestToolsAreShown(t *testing.T) {
	d := newDoor(t, func(c *Config) {
		c.State = func(string) ToolState {
			return ToolState{
				Breaker: "OPEN", Failures: 4, RetryAfterSeconds: 12.5, Forced: true, Active: 1, Queued: 3,
				Calls: 7, Errors: 2,
			}
		}
		c.Limits = func() Limits { return Limits{MaxStdoutBytes: 1, MaxMemoryMB: 512} }
	})
	list := parse(t, serve(d, request("GET", "/tools", "")), "application/json")
	tools, _ := list["tools"].([]any)
	if list["total"] != 2.0 || list["enabled"] != 1.0 || len(tools) != 2 {
		t.Fatalf("GET /tools = %v, want two, one of them enabled", list)
	}
	first, _ := tools[0].(map[string]any)
	for member, want := range map[string]string{
		"name": "ATool", "enabled": "true", "plugin": "plugin", "plugin_version": "1.2.3", "command": "nmap",
		"default_timeout_sec": "30", "max_timeout_sec": "60", "input_schema": "<nil>",
		"concurrency": "map[active:1 limit:2 queued:3]", "rate_limit": "map[per_sec:60 requests:10]",
		"limits": "map[max_args_length:0 max_file_descriptors:0 max_memory_mb:512 max_network_size:0 " +
			"max_stderr_bytes:0 max_stdout_bytes:1]",
		"queue": "map[length:16 queued:3]", "metrics": "map[calls:7 errors:2]",
		"needs": "[map[install:apt install nmap kind:command min_version:7.80 name:nmap optional:false]]",
		"circuit_breaker": "map[consecutive_failures:4 failure_threshold:5 forced:true " +
			"half_open_success_threshold:1 max_recovery_timeout_sec:300 recovery_jitter:0.1 " +
			"recovery_multiplier:1.5 recovery_timeout_sec:60 " +
			"retry_after:12.5 state:OPEN]",
	} {
		if got := fmt.Sprint(first[member]); got != want {
			t.Errorf("GET /tools: %s = %s, want %s", member, got, want)
		}
	}
	one := parse(t, serve(d, request("GET", "/tools/BTool", "")), "application/json")
	if one["enabled"] != false || fmt.Sprint(one["input_schema"]) != "map[type:object]" ||
		fmt.Sprint(one["output_schema"]) != "map[title:report type:object]" {
		t.Errorf("GET /tools/BTool = %v, want its schemas", one)
	}
	checkProblem(t, serve(d, request("GET", "/tools/atool", "")), 404, tool.KindToolNotFound)
}

func TestTheIndexListsWhatIsThere(t *testing.T) {
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for _, row := range []struct {
		change func(*Config)
		want   int
	}{
		{func(*Config) {}, 8},
		{func(c *Config) { c.MCP = nothing }, 9},
		{func(c *Config) { c.MCP, c.Metrics = nothing, nothing }, 10},
		{withEverything, 37},
	} {
		got := parse(t, serve(newDoor(t, row.change), request("GET", "/", "")), "application/json")
		if endpoints, _ := got["endpoints"].([]any); len(endpoints) != row.want || got["tools"] != 2.0 ||
			got["enabled_tools"] != 1.0 {
			t.Errorf("GET / = %v, want %d endpoints", got, row.want)
		}
	}
}

func TestRequestsAreCountedByTemplate(t *testing.T) {
	var seen []string
	d := newDoor(t, func(c *Config) {
		c.MCP = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		c.Plugins = &fakePlugins{}
		withExecutions(c, &fakeExecutions{x: executions.Execution{ID: exampleID, State: executions.Completed}})
		c.Request = func(endpoint string, _ time.Duration) { seen = append(seen, endpoint) }
	})
	for _, row := range []struct{ path, want string }{
		{"/", "/"}, {"/tools/ATool", "/tools/{name}"}, {"/tools/None", "/tools/{name}"},
		{"/tools/ATool/execute", "/tools/{name}/execute"}, {"/invented", "other"},
		{"/tools/a/b/c", "other"}, {"//tools", "other"},
		{"/plugins/a.b", "/plugins/{name}"}, {"/plugins/pin", "/plugins/pin"},
		{"/executions", "/executions"}, {"/executions/" + exampleID, "/executions/{id}"}, {"/executions/x", "/executions/{id}"},
		{"/executions/" + exampleID + "/stdout", "/executions/{id}/stdout"}, {"/executions/x/y", "other"},
		{"/plugins/a/restart", "/plugins/{name}/restart"}, {"/plugins/a%2Fb", "other"},
		{"/plugins/" + strings.Repeat("a", 256), "other"},
	} {
		seen = nil
		serve(d, request("GET", row.path, ""))
		if !slices.Equal(seen, []string{row.want}) {
			t.Errorf("GET %s is counted as %q, want %q", row.path, seen, row.want)
		}
	}
	seen = nil
	serve(d, request("GET", "/executions/"+exampleID+"/events", ""))
	if len(seen) > 0 {
		t.Errorf("a stream is counted as %q, want it not counted", seen)
	}
	serve(d, request("GET", "/mcp", ""))
	serve(d, request("POST", "/mcp", "{}"))
	if !slices.Equal(seen, []string{"/mcp"}) {
		t.Errorf("GET and POST /mcp are counted as %q, want the one that is no listening", seen)
	}
	seen = nil
	r := request("GET", "/livez", "")
	r.Host = "evil.example"
	serve(d, r)
	if len(seen) != 1 {
		t.Errorf("a refused request is counted as %q, want once", seen)
	}
}

func TestADoorWithoutItsPartsIsRefused(t *testing.T) {
	for name, drop := range map[string]func(*Config){
		"Caller": func(c *Config) { c.Caller = nil }, "Catalog": func(c *Config) { c.Catalog = nil },
		"State": func(c *Config) { c.State = nil }, "Health": func(c *Config) { c.Health = nil },
		"Ready": func(c *Config) { c.Ready = nil }, "Logger": func(c *Config) { c.Logger = nil },
	} {
		cfg := newDoor(t).cfg
		drop(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("New without %s = %v, want an error that names it", name, err)
		}
	}
}

// never is a body that nobody may read.
type never struct{ t testing.TB }

func (n never) Read([]byte) (int, error) {
	n.t.Error("the body was read")
	return 0, io.EOF
}

func TestAToolTellsWhatIsKnownOfIt(t *testing.T) {
	entries := testCatalog().Entries()
	entries[0].Spec.Facts.Details = []byte(`{"scripts":604}`)
	entries[0].Layers = []tool.Layer{{Name: "landlock", Active: true, Detail: "ABI 7"}}
	c, _ := catalog.New(entries...)
	d := newDoor(t, func(cfg *Config) {
		cfg.Catalog = func() *catalog.Catalog { return c }
		cfg.Health = func() health.Report {
			return health.Summarize(time.Time{}, "http", map[string]health.Check{
				"check:plugin/ATool/nmap": {Status: health.Healthy, Priority: health.Important, Message: "7.93"},
				"cpu":                     {Status: health.Healthy, Priority: health.Important},
			})
		}
	})
	one := parse(t, serve(d, request("GET", "/tools/ATool", "")), "application/json")
	for member, want := range map[string]string{
		"details": "map[scripts:604]",
		"sandbox": "[map[active:true detail:ABI 7 name:landlock]]",
		"checks":  "map[check:plugin/ATool/nmap:map[message:7.93 priority:important status:healthy]]",
	} {
		if got := fmt.Sprint(one[member]); got != want {
			t.Errorf("GET /tools/ATool: %s = %s, want %s", member, got, want)
		}
	}
}
