package metrics

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const deploy = root + "/deploy/"

func TestTheAlertsAreWhatTheirTestsSay(t *testing.T) {
	dir := deploy + "prometheus/"
	promtool(t, "", "check", "rules", dir+"rules.yaml")
	promtool(t, "", "test", "rules", dir+"rules_test.yaml")
	promtool(t, "", "check", "config", "--syntax-only", dir+"prometheus.yaml")
}

// dashboard is what matters of Grafana's format.
type dashboard struct {
	ID, UID    any
	Panels     []panel
	Templating struct{ List []variable }
}

type panel struct {
	ID         int
	Title      string
	Type       string
	Datasource source
	Targets    []struct {
		Expr       string
		Datasource source
	}
	GridPos struct{ H, W, X, Y int }
}

type variable struct {
	Name, Type, Definition string
	Datasource             source
}

type source struct{ UID string }

func theDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	b, err := os.ReadFile(deploy + "grafana/gatehouse.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatalf("the dashboard is no JSON: %v", err)
	}
	return d
}

func TestTheDashboardCanBeImportedAnywhere(t *testing.T) {
	d := theDashboard(t)
	if d.ID != nil || d.UID != nil {
		t.Errorf("id = %v, uid = %v, want none: they are Grafana's to give", d.ID, d.UID)
	}
	variables := make(map[string]string)
	for _, v := range d.Templating.List {
		variables[v.Name] = v.Type
		if v.Type == "query" && v.Datasource.UID != "${datasource}" {
			t.Errorf("the variable %s asks %q, want ${datasource}", v.Name, v.Datasource.UID)
		}
	}
	if variables["datasource"] != "datasource" {
		t.Errorf("variables = %v, want datasource among them", variables)
	}
	seen := make(map[int]bool)
	taken := make(map[[2]int]string)
	for _, p := range d.Panels {
		if p.ID == 0 || seen[p.ID] {
			t.Errorf("%s has the id %d, want one of its own", p.Title, p.ID)
		}
		seen[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s lies over %q at %d,%d", p.Title, other, x, y)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type != "row" && (p.Datasource.UID != "${datasource}" || len(p.Targets) == 0) {
			t.Errorf("%s asks %q, want ${datasource}", p.Title, p.Datasource.UID)
		}
		for _, target := range p.Targets {
			if target.Datasource.UID != "${datasource}" {
				t.Errorf("%s asks %q, want ${datasource}", p.Title, target.Datasource.UID)
			}
		}
	}
}

// Prometheus itself reads the expressions, as if they were rules.
func TestPrometheusUnderstandsTheDashboard(t *testing.T) {
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for i, expr := range expressions(t) {
		expr = strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*", "$tool", ".*").Replace(expr)
		fmt.Fprintf(&rules, "  - {record: 'x:%d', expr: %q}\n", i, expr)
	}
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "", "check", "rules", path)
}

func expressions(t *testing.T) (all []string) {
	for _, p := range theDashboard(t).Panels {
		for _, target := range p.Targets {
			all = append(all, target.Expr)
		}
	}
	return all
}

// What is renamed here would otherwise be missed there without a word.
func TestAlertsAndDashboardAskForWhatThereIs(t *testing.T) {
	labels := make(map[string]map[string]bool) // name of a series -> its labels
	text := scrape(t, everything())
	for _, m := range regexp.MustCompile(`(?m)^(\w+)(?:\{(.*)\})? `).FindAllStringSubmatch(text, -1) {
		if labels[m[1]] == nil {
			labels[m[1]] = map[string]bool{"job": true, "instance": true}
		}
		for _, l := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(m[2], -1) {
			labels[m[1]][l[1]] = true
		}
	}
	asked := expressions(t)
	for _, v := range theDashboard(t).Templating.List {
		asked = append(asked, v.Definition)
	}
	for _, name := range []string{"rules.yaml", "rules_test.yaml"} {
		b, err := os.ReadFile(deploy + "prometheus/" + name)
		if err != nil {
			t.Fatal(err)
		}
		asked = append(asked, string(b))
	}
	selector := regexp.MustCompile(`\b((?:mcp|go|process)_\w+)(?:\{([^}]*)\})?`)
	found := make(map[string]bool)
	for _, m := range selector.FindAllStringSubmatch(strings.Join(asked, "\n"), -1) {
		found[m[1]] = true
		if labels[m[1]] == nil {
			t.Errorf("%s is asked for, and there is none", m[1])
			continue
		}
		for _, l := range regexp.MustCompile(`(\w+)\s*(?:=~|!=|!~|=)\s*"`).FindAllStringSubmatch(m[2], -1) {
			if !labels[m[1]][l[1]] {
				t.Errorf("%s is asked for its label %s, and has none", m[1], l[1])
			}
		}
	}
	for name := range labels {
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if strings.HasPrefix(name, "mcp_") && !found[name] && !found[base+"_bucket"] {
			t.Errorf("%s is on no panel and in no alert", name)
		}
	}
}
