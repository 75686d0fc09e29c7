package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// inspected is what the command line of the Inspector can do: it makes one request and ends, shows no progress, and
// cannot cancel or listen.
var inspected = []string{checkList, checkCall}

// inspector is the official Inspector, at its command line, in both eras of the protocol.
func inspector(ctx context.Context, s seat) (steps []step, err error) {
	for _, c := range []struct {
		check string
		args  []string
		want  []string // in what it prints
	}{
		{checkList, []string{"--method", "tools/list", "--strict"}, []string{`"test_simple_text"`, `"test_slow"`}},
		{checkCall, []string{"--method", "tools/call", "--tool-name", "test_steps", "--tool-arg", "steps=2"},
			[]string{`"taken":2`}},
	} {
		begun := time.Now()
		var failed []error
		for _, era := range []string{"legacy", "modern"} {
			if err := inspect(ctx, s, append(c.args, "--protocol-era", era), c.want); err != nil {
				failed = append(failed, fmt.Errorf("%s: %w", era, err))
			}
		}
		steps = append(steps, step{check: c.check, took: time.Since(begun), err: errors.Join(failed...)})
	}
	return steps, nil
}

// inspect runs the Inspector once, and looks into the JSON that it prints.
func inspect(ctx context.Context, s seat, args, want []string) error {
	inspector := filepath.Join(s.site.Packages(), "@modelcontextprotocol/inspector/clients/launcher/build/index.js")
	all := append([]string{inspector, "--cli"}, args...)
	all = append(all, "--format", "json", "--quiet")
	if s.url != "" {
		all = append(all, "--server-url", s.url, "--transport", "http")
	} else {
		for name, value := range s.place.Env() {
			all = append(all, "-e", name+"="+value)
		}
		all = append(append(all, "--", s.place.Program()), s.place.Args()...)
	}
	cmd := s.site.NodeCommand(ctx, all...)
	cmd.Env = append(cmd.Env, "MCP_CATALOG_PATH="+filepath.Join(s.site.Dir, "inspector.json"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", errors.Join(err, context.Cause(ctx)), bytes.TrimSpace(stderr.Bytes()))
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, bytes.TrimSpace(stdout.Bytes())); err != nil {
		return fmt.Errorf("it printed no JSON: %w", err)
	}
	for _, w := range want {
		if !strings.Contains(compact.String(), w) {
			return fmt.Errorf("%s is not in what it printed: %s", w, compact.String())
		}
	}
	return nil
}
