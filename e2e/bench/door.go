package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// doorLine is a line of go test -bench of the door's benchmarks.
var doorLine = regexp.MustCompile(`(?m)^Benchmark(Stdio|HTTP)Call/(door|mcpgo)\S*\s+\d+\s+([0-9.]+) ns/op`)

// doorAim is the part of mcp-go's calls per second that the door is to reach with the same no-op behind it.
const doorAim = 0.6

// measureDoor takes from the Go benchmarks how many calls per second the MCP door makes of a no-op in its process,
// beside mcp-go's own transports with the same no-op: what the door costs, without gates and plugin.
func measureDoor(ctx context.Context, s *site) ([]row, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "Benchmark(Stdio|HTTP)Call/(door|mcpgo)",
		"-benchtime", "1s", "-count", "3", "./internal/mcpdoor")
	cmd.Dir = filepath.Join(s.root, "host")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("run the benchmark: %w\n%s", err, out)
	}
	took := make(map[string][]float64) // ns
	for _, m := range doorLine.FindAllSubmatch(out, -1) {
		ns, err := strconv.ParseFloat(string(m[3]), 64)
		if err != nil {
			return nil, fmt.Errorf("read the benchmark: %w", err)
		}
		took[string(m[1])+string(m[2])] = append(took[string(m[1])+string(m[2])], ns)
	}
	var rows []row
	for _, transport := range []string{"Stdio", "HTTP"} {
		door, plain := took[transport+"door"], took[transport+"mcpgo"]
		if len(door) == 0 || len(plain) == 0 {
			return nil, fmt.Errorf("the benchmark says nothing of %s:\n%s", transport, out)
		}
		ratio := median(plain) / median(door)
		rows = append(rows, row{
			what: "MCP door alone : mcp-go, calls/s of a no-op in-process, " + transport, got: fmt.Sprintf("%.2fx", ratio),
			aim: fmt.Sprintf(">= %gx", doorAim), reached: atLeast(doorAim).verdict(ratio),
		})
	}
	return rows, nil
}
