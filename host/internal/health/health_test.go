package health

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTheWeightOfChecks(t *testing.T) {
	type checks = map[string]Check
	c := func(p Priority, s Status) Check { return Check{Priority: p, Status: s} }
	for _, row := range []struct {
		says   string
		checks checks
		want   Status
	}{
		{"nothing is checked", nil, Healthy},
		{"all is well", checks{"a": c(Critical, Healthy), "b": c(Important, Healthy),
			"c": c(Informational, Healthy)}, Healthy},
		{"a critical check fails", checks{"a": c(Critical, Unhealthy), "b": c(Important, Healthy)}, Unhealthy},
		{"a critical check is degraded", checks{"a": c(Critical, Degraded)}, Degraded},
		{"an important check fails", checks{"a": c(Important, Unhealthy), "b": c(Critical, Healthy)}, Degraded},
		{"an important check is degraded", checks{"a": c(Important, Degraded)}, Degraded},
		{"all important checks fail", checks{"a": c(Important, Unhealthy), "b": c(Important, Unhealthy)}, Degraded},
		{"critical beats important", checks{"a": c(Important, Degraded), "b": c(Critical, Unhealthy)}, Unhealthy},
		{"one of two informational checks fails",
			checks{"a": c(Informational, Unhealthy), "b": c(Informational, Healthy), "c": c(Critical, Healthy)},
			Healthy},
		{"all informational checks fail", checks{"a": c(Informational, Unhealthy), "b": c(Informational, Degraded)},
			Degraded},
		{"the only informational check fails", checks{"a": c(Informational, Unhealthy), "b": c(Critical, Healthy)},
			Degraded},
		{"all informational checks and a critical one fail",
			checks{"a": c(Informational, Unhealthy), "b": c(Critical, Unhealthy)}, Unhealthy},
		{"a check without a status is not healthy", checks{"a": c(Important, "")}, Degraded},
		{"a check without a priority weighs as an important one", checks{"a": c("", Unhealthy)}, Degraded},
	} {
		for range 8 { // the order of a map must not matter
			if got := Summarize(time.Time{}, "http", row.checks).Status; got != row.want {
				t.Errorf("%s: Summarize = %q, want %q", row.says, got, row.want)
			}
		}
	}
}

func TestTheSummaryCounts(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("somewhere", 3600))
	r := Summarize(now, "stdio", map[string]Check{
		"a": {Status: Healthy, Priority: Critical}, "b": {Status: Healthy}, "c": {Status: Degraded},
		"d": {Status: Unhealthy},
		"e": {Status: "odd"},
	})
	if want := (Summary{TotalChecks: 5, Healthy: 2, Degraded: 1, Unhealthy: 2}); r.Summary != want {
		t.Errorf("Summary = %+v, want %+v", r.Summary, want)
	}
	if r.Transport != "stdio" || r.Timestamp.Location() != time.UTC || !r.Timestamp.Equal(now) {
		t.Errorf("Summarize = %+v, want stdio and the time in UTC", r)
	}
}

func TestTheReportAsJSON(t *testing.T) {
	r := Summarize(time.Unix(0, 0), "http", map[string]Check{"plugins": {Status: Degraded, Priority: Critical,
		Message: "m"}})
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"status":"degraded","timestamp":"1970-01-01T00:00:00Z","transport":"http",` +
		`"checks":{"plugins":{"status":"degraded","priority":"critical","message":"m"}},` +
		`"summary":{"total_checks":1,"healthy":0,"degraded":1,"unhealthy":0}}`
	if string(raw) != want {
		t.Errorf("Marshal = %s, want %s", raw, want)
	}
	r.Checks = nil
	raw, err = json.Marshal(r)
	if err != nil || strings.Contains(string(raw), "checks\":{") {
		t.Errorf("Marshal = %s, %v, want no checks for who may not know them", raw, err)
	}
}

// A check that becomes worse never makes the whole better.
func FuzzWorseIsNeverBetter(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8}, byte(0))
	f.Add([]byte{8, 8}, byte(1))
	statuses := []Status{Healthy, Degraded, Unhealthy}
	priorities := []Priority{Critical, Important, Informational}
	f.Fuzz(func(t *testing.T, raw []byte, which byte) {
		checks := make(map[string]Check)
		for i, b := range raw[:min(len(raw), 20)] {
			checks[string(rune('a'+i))] = Check{Status: statuses[b%3], Priority: priorities[b/3%3]}
		}
		if len(checks) == 0 {
			return
		}
		name := slices.Sorted(maps.Keys(checks))[int(which)%len(checks)]
		rank := func() int { return slices.Index(statuses, Summarize(time.Time{}, "", checks).Status) }
		before := rank()
		c := checks[name]
		c.Status = Unhealthy
		checks[name] = c
		if after := rank(); after < before {
			t.Errorf("%v: with %s unhealthy the whole went from %s to %s", checks, name, statuses[before],
				statuses[after])
		}
	})
}

func TestWhichChecksAreAboutATool(t *testing.T) {
	for name, want := range map[string]bool{
		"plugin:nmap": true, "breaker:NmapTool": true, "tool:NmapTool": true, "check:nmap/sandbox": true,
		"check:nmap/NmapTool/script.db": true, "check:nmap/OtherTool/nmap": false, "check:nmap2/NmapTool/x": false,
		"plugin:ping": false, "breaker:PingTool": false, "cpu": false,
	} {
		if got := About(name, "nmap", "NmapTool"); got != want {
			t.Errorf("About(%q) = %t, want %t", name, got, want)
		}
	}
}
