package clients

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// programs are the clients on node.
//
//go:embed *.mjs
var programs embed.FS

// unpack puts the programs where they find the packages.
func unpack(dir string) error {
	entries, err := programs.ReadDir(".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		raw, err := programs.ReadFile(e.Name())
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, e.Name()), raw, 0o600); err != nil {
			return fmt.Errorf("unpack the clients: %w", err)
		}
	}
	return nil
}

// node is a client that is a program of node; lib.mjs says what it is told and what it prints.
func node(program string) func(context.Context, seat) ([]step, error) {
	return func(ctx context.Context, s seat) ([]step, error) {
		told, err := json.Marshal(map[string]any{
			"url": s.url, "command": s.place.Program(), "args": s.place.Args(), "env": s.place.Env(),
			"log": s.place.Log(), "spare": s.place.Spare, "into": s.place.Into,
		})
		if err != nil {
			return nil, err
		}
		cmd := s.site.NodeCommand(ctx, filepath.Join(s.site.Dir, program), string(told))
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err = cmd.Run()
		if err != nil {
			err = fmt.Errorf("%w\n%s", errors.Join(err, context.Cause(ctx)), bytes.TrimSpace(stderr.Bytes()))
		}
		steps, readErr := readSteps(stdout.Bytes())
		return steps, errors.Join(err, readErr)
	}
}

func readSteps(out []byte) (steps []step, err error) {
	for line := range bytes.Lines(out) {
		var said struct {
			Check string `json:"check"`
			Error string `json:"error"`
			MS    int64  `json:"ms"`
		}
		if err := json.Unmarshal(line, &said); err != nil {
			return steps, fmt.Errorf("the client printed something else: %q", line)
		}
		s := step{check: said.Check, took: time.Duration(said.MS) * time.Millisecond}
		if said.Error != "" {
			s.err = errors.New(said.Error)
		}
		steps = append(steps, s)
	}
	return steps, nil
}
