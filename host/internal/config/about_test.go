package config

import (
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/configuration.md anew where it is made from the code")

func TestEveryKeyIsDescribedAndNothingElse(t *testing.T) {
	known := make(map[string]bool)
	for _, k := range Keys() {
		known[k.Name] = true
		if k.About == "" {
			t.Errorf("about[%q] = nothing, want a line", k.Name)
		}
	}
	for key := range about {
		if !known[key] {
			t.Errorf("about[%q] describes no key", key)
		}
	}
	for key := range patterns {
		if !known[key] {
			t.Errorf("patterns[%q] is of no key", key)
		}
	}
}

func TestEveryNumberHasBoundsAndEveryDefaultLiesInThem(t *testing.T) {
	for _, f := range tree().leaves() {
		if (f.form == whole || f.form == number) && f.bounds == nil {
			t.Errorf("%s has no bounds", f.key)
		}
	}
	inRange(t, reflect.ValueOf(Default()), tree())
}

func TestNoVariableSetsTwoKeys(t *testing.T) {
	of := make(map[string]string)
	for _, k := range Keys() {
		for _, name := range k.Environment {
			if other := of[name]; other != "" {
				t.Errorf("%s sets %s and %s", name, other, k.Name)
			}
			of[name] = k.Name
		}
	}
	if of["MCP_HEALTH_CHECK_INTERVAL"] != "health.check_interval" || of["LOG_LEVEL"] != "logging.level" {
		t.Errorf("variables = %v, want those of the rule and the other names", of)
	}
}

func TestTheTableOfTheDocumentationIsTheCodes(t *testing.T) {
	const page, begin, end = "../../../docs/configuration.md", "<!-- keys -->\n", "<!-- /keys -->\n"
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(raw), begin)
	table, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place for the table between %q and %q", page, begin, end)
	}
	if *update {
		if err := os.WriteFile(page, []byte(before+begin+Table()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if table != Table() {
		t.Errorf("the table of %s is not the code's; run: go test ./internal/config -run Table -update", page)
	}
}
