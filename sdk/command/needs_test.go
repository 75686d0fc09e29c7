package command

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// checksOf declares a tool of a script, lying in a directory of the test's own, and runs its
// probes.
func checksOf(t *testing.T, script string, change func(*Definition)) map[string]sdk.HealthCheck {
	t.Helper()
	dir, before := t.TempDir(), searchPath
	searchPath = []string{dir}
	t.Cleanup(func() { searchPath = before })
	if script != "" {
		if err := os.WriteFile(filepath.Join(dir, "frob"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	d := Definition{
		Definition: sdk.Definition{Name: "Frob", Description: "A tool of the tests."},
		Program:    Program{Name: "frob", MinVersion: "2.0", Install: "apt-get install frob"},
		Executes:   []string{"/bin/sh"},
	}
	if change != nil {
		change(&d)
	}
	h, err := sdk.NewHandler(sdk.Plugin{Name: "frob", Version: "1", Tools: []sdk.Tool{New(d)}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	policy := sdk.DefaultPolicy()
	policy.RunAs = "none" // nobody may not enter the test's directory
	if err := h.Configure(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	checks, err := h.CheckHealth(t.Context())
	if err != nil {
		t.Fatalf("CheckHealth() = %v", err)
	}
	named := make(map[string]sdk.HealthCheck)
	for _, c := range checks {
		named[c.Name] = c
	}
	return named
}

func TestAToolChecksItsProgram(t *testing.T) {
	for _, row := range []struct {
		says, script string
		status       tool.HealthStatus
		message, fix string
	}{
		{"there, and new enough", "#!/bin/sh\necho frob version 2.10", tool.Healthy, "/frob, version 2.10", ""},
		{"there, and silent", "#!/bin/sh\n", tool.Healthy, "/frob, version unknown", ""},
		{"too old", "#!/bin/sh\necho frob 1.9", tool.Unhealthy, "1.9 is too old; Frob needs 2.0", "apt-get install frob"},
		{"not installed", "", tool.Unhealthy, "frob is not installed; looked in ", "apt-get install frob"},
		{"broken", "#!/no/such/interpreter\n", tool.Unhealthy, "not installed", "apt-get install frob"},
	} {
		c := checksOf(t, row.script, nil)["frob"]
		if c.Status != row.status || c.Tool != "Frob" || c.Priority != sdk.Important ||
			!strings.Contains(c.Message, row.message) || !strings.HasSuffix(c.Fix, row.fix) || (c.Fix == "") != (row.fix == "") {
			t.Errorf("%s: check = %+v, want %s, %q, fix %q", row.says, c, row.status, row.message, row.fix)
		}
	}
}

func TestAToolChecksItsOtherNeeds(t *testing.T) {
	const capability = "CAP_NOT_OF_THIS_WORLD" // which nobody has
	hinder(t, "")
	script := "#!/bin/sh\necho 2.0"
	setcap := "sudo setcap cap_not_of_this_world+ep "
	if os.Geteuid() == 0 {
		setcap = "--ambient-caps=+not_of_this_world" // what root has lost no file gives back
	}
	needs := func(n ...sdk.Need) func(*Definition) { return func(d *Definition) { d.Needs = n } }
	for _, row := range []struct {
		says, name string
		change     func(*Definition)
		status     tool.HealthStatus
		priority   sdk.HealthPriority
		fix        string
	}{
		{"another program that is missing", "xyzzy",
			needs(sdk.Need{Kind: sdk.NeedCommand, Name: "xyzzy", Install: "make xyzzy"}),
			tool.Unhealthy, sdk.Important, "make xyzzy"},
		{"another program that may be missing", "xyzzy",
			needs(sdk.Need{Kind: sdk.NeedCommand, Name: "xyzzy", Install: "make xyzzy", Optional: true}),
			tool.Degraded, sdk.Informational, "make xyzzy"},
		{"a capability that only the host can hand down", capability,
			needs(sdk.Need{Kind: sdk.NeedCapability, Name: capability, Optional: true}),
			tool.Degraded, sdk.Informational, "--ambient-caps=+not_of_this_world"},
		{"a capability that the program's file may have", capability, func(d *Definition) {
			d.FileCapabilities = true
			d.Needs = []sdk.Need{{Kind: sdk.NeedCapability, Name: capability}}
		}, tool.Unhealthy, sdk.Important, setcap},
		{"a capability that the program does without", capability, func(d *Definition) {
			d.Without = func(string, []int) string { return "by a setting" }
			d.Needs = []sdk.Need{{Kind: sdk.NeedCapability, Name: capability}}
		}, tool.Healthy, sdk.Important, ""},
		{"a need whose probe the author has replaced", capability, func(d *Definition) {
			d.Needs = []sdk.Need{{Kind: sdk.NeedCapability, Name: capability}}
			d.Probes = []sdk.Probe{{Name: capability, Run: func(context.Context, sdk.Env) (string, error) {
				return "fine", nil
			}}}
		}, tool.Healthy, sdk.Important, ""},
		{"the sandbox", "sandbox", nil, tool.Healthy, sdk.Important, ""},
	} {
		c := checksOf(t, script, row.change)[row.name]
		if c.Status != row.status || c.Priority != row.priority || !strings.Contains(c.Fix, row.fix) ||
			c.Message == "" || (c.Fix == "") != (row.fix == "") {
			t.Errorf("%s: check = %+v, want %s, %s, fix with %q", row.says, c, row.status, row.priority, row.fix)
		}
	}
}

func TestTheVersionIsAskedOncePerFile(t *testing.T) {
	var rounds []string
	checksOf(t, "#!/bin/sh\necho 2.$$", func(d *Definition) { // another version in each process
		d.Probes = []sdk.Probe{{Name: "again", Run: func(ctx context.Context, env sdk.Env) (string, error) {
			again := New(*d)
			for range 3 {
				found, err := again.checkProgram(ctx, env)
				if err != nil {
					return "", err
				}
				rounds = append(rounds, found)
			}
			return "done", nil
		}}}
	})
	if len(rounds) != 3 || rounds[0] != rounds[1] || rounds[1] != rounds[2] {
		t.Errorf("three rounds found %q, want the version of one process", rounds)
	}
}
