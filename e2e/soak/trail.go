package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// trail is what the audit trail says.
type trail struct {
	lives map[string]*life
	plans int
	lines int

	// Floods of refusals and plans are summed up: those have no line of their own.
	summed      map[refusal]int
	summedPlans int

	applied, rejected int            // reloads
	actions           map[string]int // of operators -> how often
	files             int
}

// refusal is what the calls have in common that one line stands for.
type refusal struct{ tool, kind string }

// readTrail reads the audit trail of a state directory.
func readTrail(state string) (*trail, error) {
	files, err := filepath.Glob(filepath.Join(state, "audit", "*.jsonl"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("there is no audit trail below %s: %w", state, err)
	}
	slices.Sort(files)
	t := &trail{
		lives: make(map[string]*life), summed: make(map[refusal]int), actions: make(map[string]int),
		files: len(files),
	}
	for _, name := range files {
		if err := t.read(name); err != nil {
			return nil, fmt.Errorf("read the trail: %s: %w", name, err)
		}
	}
	return t, nil
}

func (t *trail) read(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	for lines := bufio.NewReaderSize(f, 1<<20); ; {
		raw, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(raw) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if err := t.line(raw); err != nil {
			return err
		}
	}
}

func (t *trail) line(raw []byte) error {
	var l struct {
		Event       string
		ExecutionID string `json:"execution_id"`
		Tool        string
		ErrorType   string `json:"error_type"`
		Action      string
		Gate        string
		Repeats     int
		Facts       map[string]string
	}
	if err := json.Unmarshal(raw, &l); err != nil {
		return fmt.Errorf("%s: %w", raw, err)
	}
	t.lines++
	switch {
	case l.Gate == "door":
		return nil // it never became a call
	case l.Repeats > 0 && l.Event == "plan":
		t.plans += l.Repeats
		t.summedPlans += l.Repeats
		return nil
	case l.Repeats > 0:
		t.summed[refusal{known(l.Tool), l.ErrorType}] += l.Repeats
		return nil
	}
	switch l.Event {
	case "accept", "exec", "finish", "refuse", "plan":
		lived(t.lives, l.ExecutionID).line(l.Event, l.Tool, l.ErrorType)
		if l.Event == "plan" {
			t.plans++
		}
	case "admin":
		switch {
		case l.Action != "reload":
			t.actions[l.Action]++
		case l.Facts["config_sha256"] == "":
			t.rejected++
		default: // also when a plugin did not take it
			t.applied++
		}
	}
	return nil
}
