package httpdoor

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestMetricsComeInTheFormThatIsAskedFor(t *testing.T) {
	const text, json = "text/plain; version=0.0.4", "application/json"
	both := func(c *Config) { c.Metrics, c.MetricsJSON = says(text, "up 1\n"), says(json, `{"up":1}`) }
	onlyText := func(c *Config) { c.Metrics = says(text, "up 1\n") }
	onlyJSON := func(c *Config) { c.MetricsJSON = says(json, `{"up":1}`) }
	for _, row := range []struct {
		says   string
		door   func(*Config)
		accept []string
		want   string // media type; empty: 406
	}{
		{"nothing is asked for", both, nil, text},
		{"anything", both, []string{"*/*"}, text},
		{"JSON", both, []string{"application/json"}, json},
		{"JSON, in capitals", both, []string{"Application/JSON"}, json},
		{"JSON, else anything", both, []string{"application/json, */*"}, json},
		{"JSON a little, anything more", both, []string{"application/json;q=0.1, */*"}, text},
		{"JSON before text", both, []string{"application/json, text/plain;q=0.9"}, json},
		{"text before JSON", both, []string{"text/plain, application/json;q=0.9"}, text},
		{"both alike", both, []string{"application/json, text/plain"}, text},
		{"on two lines", both, []string{"text/plain;q=0.2", "application/json"}, json},
		{"no JSON", both, []string{"application/json;q=0"}, text},
		{"what Prometheus sends", both, []string{
			"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6," +
				"text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		}, text},
		{"what a browser sends", both, []string{"text/html,application/xhtml+xml,*/*;q=0.8"}, text},
		{"what is not there", both, []string{"image/png"}, text},
		{"what cannot be read", both, []string{"application/json;q=;;,"}, text},
		{"metrics are off", onlyJSON, nil, json},
		{"metrics are off, and text is asked for", onlyJSON, []string{"text/plain"}, json},
		{"there is no JSON", onlyText, []string{"application/json"}, ""},
		{"there is no JSON, nor is it wanted", onlyText, nil, text},
	} {
		r := request("GET", "/metrics", "")
		r.Header["Accept"] = row.accept
		w := serve(newDoor(t, row.door), r)
		if row.want == "" {
			checkProblem(t, w, http.StatusNotAcceptable, tool.KindValidation)
			continue
		}
		got := w.Header().Get("Content-Type")
		if w.Code != 200 || got != row.want || w.Header().Get("Vary") != "Accept" {
			t.Errorf("%s: GET /metrics, Accept %q = %d %s, want %s", row.says, row.accept, w.Code, got, row.want)
		}
	}
	checkProblem(t, serve(newDoor(t), request("GET", "/metrics", "")), 404, tool.KindValidation)
}

func TestAPortForMetricsServesNothingElse(t *testing.T) {
	whole := newDoor(t, withEverything, withRoles, func(c *Config) {
		c.Closing = func() {}
	})
	d := whole.MetricsOnly(Side{Hosts: HostsOf("10.0.0.9")})
	for _, row := range []struct {
		host, path, token string
		status            int
	}{
		{"10.0.0.9:9090", "/metrics", "viewer", 200}, {"10.0.0.9:9090", "/livez", "", 200},
		{"10.0.0.9:9090", "/metrics", "", 401}, {"127.0.0.1:9090", "/metrics", "viewer", 403},
		{"evil.example", "/livez", "", 403}, {"10.0.0.9", "/", "admin", 404}, {"10.0.0.9", "/tools", "admin", 404},
		{"10.0.0.9", "/config", "admin", 404}, {"10.0.0.9", "/mcp", "admin", 404},
		{"10.0.0.9", "/events", "admin", 404}, {"10.0.0.9", "/openapi.json", "admin", 404},
		{"10.0.0.9", "/health", "", 401},
	} {
		r := request("GET", row.path, "")
		r.Host = row.host
		if row.token != "" {
			r.Header.Set("Authorization", "Bearer "+row.token)
		}
		if w := serve(d, r); w.Code != row.status {
			t.Errorf("GET %s on %s with the token %q = %d %s, want %d", row.path, row.host, row.token, w.Code, w.Body,
				row.status)
		}
	}
	r := request("GET", "/livez", "", "Origin", "http://evil.example")
	r.Host = "10.0.0.9"
	checkProblem(t, serve(d, r), 403, tool.KindForbidden)
	if d.cfg.Closing != nil {
		t.Error("the port for metrics ends the streams of the door too, want it left to the door")
	}
}

// Whatever stands in the header, the answer is one of the two.
func FuzzPrefersJSON(f *testing.F) {
	for _, seed := range []string{"", "application/json", "*/*;q=NaN", "application/json;q=-1", ",,;,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		if prefersJSON([]string{accept}) && !strings.Contains(strings.ToLower(accept), "application/json") {
			t.Errorf("prefersJSON(%q) = true, want it only where JSON is named", accept)
		}
	})
}
