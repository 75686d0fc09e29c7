package sdktest_test

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// asSuite makes the test binary run the conformance suite on tools that do not pass it.
const asSuite = "GATEHOUSE_TEST_BROKEN"

func TestMain(m *testing.M) {
	if os.Getenv(asSuite) == "" {
		os.Exit(m.Run())
	}
	sdktest.Lighten()
	var tests []testing.InternalTest
	for _, row := range broken {
		tests = append(tests, testing.InternalTest{Name: strings.ReplaceAll(row.name, " ", "_"), F: func(t *testing.T) {
			sdktest.Conformance(t, row.plugin, row.samples...)
		}})
	}
	testing.Main(func(string, string) (bool, error) { return true, nil }, tests, nil, nil) // and exits
}

var failed = regexp.MustCompile(`(?m)^ *--- FAIL: ([^/\s]+)/(\S+)`)

func TestEachCheckFailsOnTheToolThatBreaksIt(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), asSuite+"=1")
	out, err := cmd.CombinedOutput()
	if failure := (*exec.ExitError)(nil); !errors.As(err, &failure) || failure.ExitCode() != 1 {
		t.Fatalf("the suite = %v, want exit status 1\n%s", err, out)
	}
	failures := make(map[string][]string) // tool -> the checks that failed on it
	for _, m := range failed.FindAllStringSubmatch(string(out), -1) {
		failures[m[1]] = append(failures[m[1]], strings.ReplaceAll(strings.TrimPrefix(m[2], "Tool/"), "_", " "))
	}
	shown := make(map[string]bool) // checks that can fail
	for _, row := range broken {
		name := strings.ReplaceAll(row.name, " ", "_")
		got := innermost(failures[name])
		if slices.Sort(row.fails); !slices.Equal(got, row.fails) {
			t.Errorf("%s: the checks that fail are %q, want %q\n%s", row.name, got, row.fails, said(string(out), name))
		}
		for _, check := range row.fails {
			shown[check] = true
		}
	}
	for _, check := range sdktest.Checks() {
		if !shown[check] {
			t.Errorf("no broken tool shows that the check %q can fail; only %q", check, slices.Sorted(maps.Keys(shown)))
		}
	}
}

// innermost are the tests without those that failed because of a test in them, in order.
func innermost(names []string) (all []string) {
	for _, n := range names {
		if n != "Tool" && !slices.ContainsFunc(names, func(o string) bool { return strings.HasPrefix(o, n+"/") }) {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all
}

// said is what the suite printed about a tool.
func said(out, name string) string {
	_, after, _ := strings.Cut(out, "--- FAIL: "+name)
	before, _, _ := strings.Cut(after, "\n--- FAIL: ")
	return before[:min(len(before), 3000)]
}
