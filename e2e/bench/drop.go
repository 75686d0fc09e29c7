package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// drops is how many plugins are dropped into a running host, one after the other; the median counts.
const drops = 9

// measureDrop times how long it takes from the rename of a file into the plugin directory until a call of its
// tool succeeds.
func measureDrop(ctx context.Context, s *site) ([]row, error) {
	crowd, err := s.buildCrowd(ctx, drops)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(crowd)
	dir, err := os.MkdirTemp(s.dir, "drop-")
	if err != nil {
		return nil, err
	}
	h, err := s.startHTTP(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer h.close()
	var took []float64
	for i := range drops {
		name := crowdName(i)
		if err := os.Rename(filepath.Join(crowd, name), filepath.Join(dir, name)); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := h.served(ctx, name+"Tool"); err != nil {
			return nil, err
		}
		took = append(took, float64(time.Since(began).Microseconds())/1e3)
	}
	m := median(took)
	return []row{{
		what: "a file dropped into a running host, rename to first answer", got: fmt.Sprintf("%.0f ms", m),
		spread: fmt.Sprintf("%.0f..%.0f", slices.Min(took), slices.Max(took)),
		aim:    "< 1000 ms", reached: atMost(1000).verdict(m),
	}}, nil
}

// served waits until a tool answers.
func (h *httpHost) served(ctx context.Context, tool string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		body, err := h.execute(ctx, tool, "{}")
		if err == nil {
			return expect(body, `"error":null`)
		}
		if !strings.Contains(err.Error(), "tool_not_found") {
			return err
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return errors.Join(err, fmt.Errorf("%s is not served", tool))
		}
	}
}
