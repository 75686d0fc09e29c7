package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// benchmarkLine is a line of go test -bench; what stands for the number of processors may be left out.
var benchmarkLine = regexp.MustCompile(`(?m)^BenchmarkChecks/(bare|door)\S*\s+\d+\s+([0-9.]+) ns/op`)

// measureLocks takes from the Go benchmark what authentication and all other checks of the door cost a request.
func measureLocks(ctx context.Context, s *site) ([]row, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "BenchmarkChecks", "-benchtime", "1s",
		"-count", "5", "./internal/httpdoor")
	cmd.Dir = filepath.Join(s.root, "host")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("run the benchmark: %w\n%s", err, out)
	}
	took := make(map[string][]float64) // ns
	for _, m := range benchmarkLine.FindAllSubmatch(out, -1) {
		ns, err := strconv.ParseFloat(string(m[2]), 64)
		if err != nil {
			return nil, fmt.Errorf("read the benchmark: %w", err)
		}
		took[string(m[1])] = append(took[string(m[1])], ns)
	}
	if len(took["bare"]) == 0 || len(took["door"]) == 0 {
		return nil, fmt.Errorf("the benchmark says nothing of the checks:\n%s", out)
	}
	us := (median(took["door"]) - median(took["bare"])) / 1000
	return []row{{
		what: "authentication and checks of a request, 200 tokens", got: fmt.Sprintf("%.1f us", us),
		aim: "< 30 us", reached: atMost(30).verdict(us),
	}}, nil
}
