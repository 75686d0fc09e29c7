package command_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

// wide is a tool with as many flags as a large program has, and fields, templates and defaults.
func wide(d *command.Definition) {
	d.Target, d.Joined = command.HostOrNetwork, []string{"-s"}
	for c := 'A'; c <= 'Z'; c++ {
		d.Flags = append(d.Flags,
			command.Flag{Name: "-s" + string(c), Group: "scan " + string(c), About: "a scan"})
	}
	for i := range 60 {
		d.Flags = append(d.Flags,
			command.Flag{Name: fmt.Sprintf("--refused-%d", i), Refused: "it is the host's"},
			command.Flag{Name: fmt.Sprintf("--number-%d", i), Value: command.Int(1, 100), About: "a number",
				Conflicts: []string{"-sZ", "-sY"}})
	}
	d.Flags = append(d.Flags,
		command.Flag{Name: "-p", Value: command.Ports(100, "T:", "U:"), Group: "ports", About: "ports"},
		command.Flag{Name: "--top", Value: command.Int(1, 65535), Group: "ports", About: "ports"},
		command.Flag{Name: "--exclude", Value: command.Addresses(32), About: "addresses"},
		command.Flag{Name: "--wait", Value: command.Duration(time.Millisecond, time.Hour), About: "a time"},
		command.Flag{Name: "-T", Value: command.Enum("0", "1", "2", "3", "4", "5"), Write: command.Attached},
	)
	d.Templates = []command.Template{{Name: "quick", Flags: "-T4 --top 100 --number-59 7"}}
	d.Fields = []command.Field{
		{Name: "ports", Flag: "-p", Schema: []byte(`{"type": "string"}`)},
		{Name: "a", Flag: "-sA", Schema: []byte(`{"type": "boolean"}`)},
		{Name: "wait", Flag: "--wait", Schema: []byte(`{"type": "string", "maxLength": 9}`)},
	}
	d.Defaults = func(j *command.Job) {
		j.Default("-T4")
		j.Default("--number-58", "10")
		if !j.Has("-p", "--top") {
			j.Default("--top", "1000")
		}
	}
	d.Fixed = []string{"-n", "--stats", "2s", "-o", "/dev/fd/3"}
}

// longest is as much of extra_args as is accepted.
func longest() string {
	var ports, except []string
	for i := range 100 {
		ports = append(ports, fmt.Sprintf("%d-%d", 10000+i*100, 10050+i*100))
	}
	for i := range 32 {
		except = append(except, fmt.Sprintf("10.100.100.%d", 100+i))
	}
	text := "-sABC -T4 -p " + strings.Join(ports, ",") + " --exclude " + strings.Join(except, ",")
	for i := 0; len(text)+16 <= 2048; i++ {
		text += fmt.Sprintf(" --number-%d %d", i, 90+i%10)
	}
	return text
}

func planner(b *testing.B, arguments map[string]any) func() sdk.Plan {
	b.Helper()
	h, err := sdk.NewHandler(shell("", wide))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = h.Close() })
	arguments["target"] = "10.0.3.0/24"
	raw, err := json.Marshal(arguments)
	if err != nil {
		b.Fatal(err)
	}
	r := sdk.Request{Tool: "Sh", Arguments: raw, Targets: []sdk.Target{
		{Argument: "target", Label: "10.0.3.0/24", Prefix: netip.MustParsePrefix("10.0.3.0/24")},
	}}
	return func() sdk.Plan {
		p, err := h.Plan(b.Context(), r)
		if err != nil {
			b.Fatal(err)
		}
		return p
	}
}

func BenchmarkPlan(b *testing.B) {
	for _, c := range []struct {
		name      string
		arguments map[string]any
	}{
		{"nothing but a target", map[string]any{}},
		{"short", map[string]any{"extra_args": "-sA -p 22,80"}},
		{"template and fields",
			map[string]any{"template": "quick", "ports": "22,80", "a": true, "wait": "5s"}},
		{"longest", map[string]any{"extra_args": longest()}},
	} {
		plan := planner(b, c.arguments)
		if p := plan(); p.Verdict != sdk.Accept {
			b.Fatalf("Plan(%s) = %s: %s", c.name, p.Verdict, p.Rule)
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				plan()
			}
		})
	}
}

// What is refused costs little, whatever somebody sends.
func BenchmarkRefusal(b *testing.B) {
	for _, c := range []struct{ name, extra string }{
		{"one flag", "-sA --nubmer-1 5"},
		{"many flags", strings.Repeat("-x ", 680)},
		{"many mistyped flags", strings.Repeat("--nubmer-1 ", 180)},
		{"a long flag", "--" + strings.Repeat("x", 2000)},
	} {
		plan := planner(b, map[string]any{"extra_args": c.extra})
		if p := plan(); p.Verdict != sdk.Reject {
			b.Fatalf("Plan(%s) = %s: %s", c.name, p.Verdict, p.Rule)
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				plan()
			}
		})
	}
}
