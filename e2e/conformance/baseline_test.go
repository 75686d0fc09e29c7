package main

import (
	"os"
	"path/filepath"
	"testing"
)

// results are those of three scenarios: one is good, one fails one check of two, one warns.
func results() []scenario {
	return []scenario{
		{"ping", []check{{ID: "ping", Status: success}}},
		{"tools-list", []check{{ID: "name", Status: failure}, {ID: "order", Status: success}}},
		{"caching", []check{{ID: "ttl", Status: warning}, {ID: "scope", Status: "INFO"}}},
	}
}

func judged(t *testing.T, baseline string) verdict {
	t.Helper()
	expected, err := parseBaseline(baseline)
	if err != nil {
		t.Fatal(err)
	}
	return judge("0.1.16", results(), expected)
}

func TestTheResultsAreHeldToTheBaseline(t *testing.T) {
	for _, tt := range []struct {
		name, baseline                string
		expected, unexpected, stale   int
		good                          bool
		unexpectedScenario, staleName string
	}{
		{name: "nothing is expected", unexpected: 2, unexpectedScenario: "tools-list"},
		{
			name:     "whole scenarios are expected to fail",
			baseline: "0.1.16 tools-list has no names\n0.1.16 caching is not done",
			expected: 2, good: true,
		},
		{
			name:     "single checks are",
			baseline: "0.1.16 tools-list:name has no names\n0.1.16 caching:ttl is not done",
			expected: 2, good: true,
		},
		{
			name:     "another check of the scenario is, which is good",
			baseline: "0.1.16 tools-list:order none\n0.1.16 caching is not done",
			expected: 1, unexpected: 1, unexpectedScenario: "tools-list", stale: 1, staleName: "tools-list:order",
		},
		{
			name:     "another suite is",
			baseline: "2025-11-25 tools-list has no names\n0.1.16,2025-11-25 caching is not done",
			expected: 1, unexpected: 1, unexpectedScenario: "tools-list",
		},
		{
			name:     "a good scenario is, besides those that fail",
			baseline: "0.1.16 ping is no game\n0.1.16 tools-list has no names\n0.1.16 caching is not done",
			expected: 2, stale: 1, staleName: "ping",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := judged(t, tt.baseline)
			if len(v.expected) != tt.expected || len(v.unexpected) != tt.unexpected || len(v.stale) != tt.stale {
				t.Errorf("%d expected, %d unexpected, %d stale; want %d, %d, %d", len(v.expected), len(v.unexpected),
					len(v.stale), tt.expected, tt.unexpected, tt.stale)
			}
			if v.good() != tt.good {
				t.Errorf("good = %t, want %t", v.good(), tt.good)
			}
			if tt.unexpected > 0 && v.unexpected[0].scenario != tt.unexpectedScenario {
				t.Errorf("%q is unexpected, want %q", v.unexpected[0].scenario, tt.unexpectedScenario)
			}
			if tt.stale > 0 && v.stale[0].String() != tt.staleName {
				t.Errorf("%q is stale, want %q", v.stale[0], tt.staleName)
			}
		})
	}
}

func TestABaselineOfAnotherFormIsRefused(t *testing.T) {
	for _, line := range []string{"0.1.16", "0.1.16 ping", "0.1.16 ping ", "1999-01-01 ping x", "0.1.16,x ping y"} {
		if got, err := parseBaseline(line); err == nil {
			t.Errorf("parseBaseline(%q) = %v, want an error", line, got)
		}
	}
}

func TestTheBaselineHasTheFormThatItMust(t *testing.T) {
	if _, err := parseBaseline(baselineText); err != nil {
		t.Error(err)
	}
}

func TestOfChecksWithOneNameTheWorstCounts(t *testing.T) {
	got := worst([]check{
		{ID: "b", Status: success}, {ID: "a", Status: success}, {ID: "b", Status: failure}, {ID: "b", Status: warning},
	})
	if len(got) != 2 || got[0].ID != "a" || got[1].Status != failure {
		t.Errorf("worst = %v, want a with %s and b with %s", got, success, failure)
	}
}

func TestAScenarioWithoutResultsHasFailed(t *testing.T) {
	dir := t.TempDir()
	const at = "-2026-11-28T10-36-08-113Z"
	for name, checks := range map[string]string{
		"server-ping":       `[{"id":"ping","status":"SUCCESS"}]`,
		"server-tools-list": "",
	} {
		if err := os.Mkdir(filepath.Join(dir, name+at), 0o755); err != nil {
			t.Fatal(err)
		}
		if checks == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name+at, "checks.json"), []byte(checks), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := readResults(dir)
	if err != nil || len(got) != 2 {
		t.Fatalf("readResults = %v, %v; want two scenarios", got, err)
	}
	if got[0].name != "ping" || len(got[0].failed()) != 0 {
		t.Errorf("the first is %v, want a good ping", got[0])
	}
	if failed := got[1].failed(); got[1].name != "tools-list" || len(failed) != 1 || failed[0].ID != brokeOff {
		t.Errorf("the second is %v, want that tools-list broke off", got[1])
	}
}
