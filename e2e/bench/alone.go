package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

const truePath = "/usr/bin/true"

// measureAlone sets a program in the whole sandbox, with nothing else around it, against plain exec: what is
// added is the price of every layer together.
func measureAlone(ctx context.Context, s *site) ([]row, error) {
	pool := sandbox.New(sandbox.Config{})
	defer pool.Close()
	whole := func(ctx context.Context, _ string) error { return runSandboxed(ctx, pool) }
	bare := func(ctx context.Context, _ string) error { return exec.CommandContext(ctx, truePath).Run() }
	c := contest{"true(1) in the whole sandbox : plain exec", atMost(2.5), latency, whole, bare}
	var added, ours, baseline []float64
	for i := -1; i < s.settings.rounds; i++ { // the first warms up
		a, b, err := c.round(ctx, s.settings.slice, i%2 == 0)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		if i >= 0 {
			ours, baseline, added = append(ours, a), append(baseline, b), append(added, (a-b)*1e3)
		}
	}
	m := median(added)
	return []row{{
		what: c.name + ", added latency", ours: latency.format(median(ours)), baseline: latency.format(median(baseline)),
		got: fmt.Sprintf("%.2f ms", m), spread: fmt.Sprintf("%.2f..%.2f", slices.Min(added), slices.Max(added)),
		aim: c.aim.text + " ms", reached: c.aim.verdict(m),
	}}, nil
}

// runSandboxed runs true(1) with all that a tool of ours is run with.
func runSandboxed(ctx context.Context, pool *sandbox.Pool) error {
	files := sandbox.SystemFiles()
	c := sandbox.Command{
		Path: truePath, NoNewPrivileges: true, Capabilities: []string{"CAP_NET_RAW"}, Files: &files,
	}
	if os.Geteuid() == 0 {
		c.RunAs = &sandbox.User{UID: 65534, GID: 65534}
	}
	out, err := pool.Run(ctx, c)
	if err == nil && out.ExitCode != 0 {
		err = fmt.Errorf("it ended with %d", out.ExitCode)
	}
	return err
}
