package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/host/internal/fleet"
	"github.com/gatehouse-mcp/gatehouse/host/internal/httpdoor"
	"github.com/gatehouse-mcp/gatehouse/host/internal/pin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// pinAll writes down which bytes may run: those of the plugins that are there and start now. To know what they
// offer it starts each, beside those that may be running, whatever a lock file says of them until now.
func (h *host) pinAll(ctx context.Context) (httpdoor.PinReport, error) {
	all, problems, err := h.describeAll(ctx)
	if err != nil {
		return httpdoor.PinReport{}, tool.Errorf(tool.KindUnavailable, "the plugins could not be asked: %w", err).
			Suggest("try again; the log says more")
	}
	var report httpdoor.PinReport
	for _, p := range problems {
		if p.Tool == "" {
			report.Problems = append(report.Problems, pluginProblem(p))
		}
	}
	locks := make(map[string]*pin.Lock) // directory -> what to write there
	for _, dir := range discover.Scan(h.config().Plugins.Dirs).Dirs {
		locks[dir] = &pin.Lock{}
	}
	for _, s := range all {
		if locks[s.Dir] == nil { // it came just now
			locks[s.Dir] = &pin.Lock{}
		}
		if s.Error != "" || s.SHA256 == "" {
			report.Problems = append(report.Problems, httpdoor.PluginProblem{
				Path: s.Path, Reason: "it is not pinned, as it does not start: " + cmp.Or(s.Error, string(s.State)),
				Fix: s.Fix, Severity: httpdoor.SeverityError,
			})
			continue
		}
		entry, err := pinOf(s)
		if err != nil {
			return report, tool.Errorf(tool.KindUnknown, "pin %s: %w", s.Path, err)
		}
		locks[s.Dir].Pins = append(locks[s.Dir].Pins, entry)
		report.Pinned = append(report.Pinned, httpdoor.Pin{
			Dir: s.Dir, File: entry.File, SHA256: entry.SHA256, Name: entry.Name, Version: entry.Version,
			Tools: entry.Tools,
		})
	}
	report.Files, err = writeLocks(locks)
	return report, err
}

func pinOf(s fleet.Status) (pin.Pin, error) {
	rel, err := filepath.Rel(s.Dir, s.Path)
	if err != nil {
		return pin.Pin{}, err
	}
	return pin.Pin{File: rel, SHA256: s.SHA256, Name: s.Name, Version: s.Version, Tools: offeredBy(s)}, nil
}

// writeLocks writes a lock file into each directory. One in which there is nothing to pin gets none, so that a
// mistake does not lock everything out, unless it has one already.
func writeLocks(locks map[string]*pin.Lock) (files []string, err error) {
	var errs []error
	for dir, lock := range locks {
		path := filepath.Join(dir, pin.FileName)
		if _, missing := os.Lstat(path); len(lock.Pins) == 0 && errors.Is(missing, fs.ErrNotExist) {
			continue
		}
		if err := pin.Write(dir, *lock); err != nil {
			errs = append(errs, err)
			continue
		}
		files = append(files, path)
	}
	slices.Sort(files)
	if err := errors.Join(errs...); err != nil {
		return files, tool.Errorf(tool.KindUnavailable, "%w", err).
			Suggest("type gatehouse plugins pin as the owner of the directory")
	}
	return files, nil
}

// describeAll starts every plugin once, tells what each said, and ends them.
func (h *host) describeAll(ctx context.Context) ([]fleet.Status, []fleet.Problem, error) {
	cfg := h.fleetConfig(false)
	cfg.Trust, cfg.Launch, cfg.Wanted = fleet.TrustAll, fleet.Eager, nil
	cfg.BackoffMin, cfg.BackoffMax = time.Hour, time.Hour // one try each
	cfg.Logger = slog.New(slog.DiscardHandler)            // what is wrong stands in the report
	cfg.Changed, cfg.StateChanged, cfg.Manifests = nil, nil, nil
	f, err := fleet.New(cfg)
	if err != nil {
		return nil, nil, err
	}
	run, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1) // closed by nobody
	go func() { ended <- f.Run(run) }()
	select {
	case <-f.Ready():
	case <-ctx.Done():
	case err := <-ended:
		cancel()
		return nil, nil, err
	}
	all, problems := f.Status(), f.Problems()
	cancel()
	return all, problems, errors.Join(<-ended, context.Cause(ctx))
}

// verifyAll compares the bytes that lie in the directories with those that are pinned.
func verifyAll(dirs []string) httpdoor.VerifyReport {
	found := discover.Scan(dirs)
	report := httpdoor.VerifyReport{OK: true}
	seen := make(map[string]bool)
	for _, c := range found.Candidates {
		seen[c.Path] = true
		report.Findings = append(report.Findings, verifyOne(c))
	}
	for _, r := range slices.Concat(found.Refusals, found.Missing) {
		seen[r.Path] = true
		report.Findings = append(report.Findings, httpdoor.VerifyFinding{
			Path: r.Path, Status: httpdoor.FindingUnreadable, Fix: r.Reason + ": " + r.Fix,
		})
	}
	for _, dir := range found.Dirs {
		report.Findings = append(report.Findings, missingFrom(dir, seen)...)
	}
	slices.SortFunc(report.Findings, func(a, b httpdoor.VerifyFinding) int { return cmp.Compare(a.Path, b.Path) })
	for _, f := range report.Findings {
		report.OK = report.OK && f.Status == httpdoor.FindingOK
	}
	return report
}

func verifyOne(c discover.Candidate) httpdoor.VerifyFinding {
	f := httpdoor.VerifyFinding{Path: c.Path, Status: httpdoor.FindingOK}
	var err error
	f.Actual, err = discover.Sum(c.Path)
	switch {
	case err != nil:
		f.Status, f.Fix = httpdoor.FindingUnreadable, err.Error()
	case c.Pin == nil:
		f.Status = httpdoor.FindingNotPinned
		f.Fix = "look at where it comes from; when it is right: gatehouse plugins pin; else take it away"
	case c.Pin.SHA256 != f.Actual:
		f.Status, f.Expected = httpdoor.FindingChanged, c.Pin.SHA256
		f.Fix = "if you exchanged it: gatehouse plugins pin; if not, find out who did"
	default:
		f.Expected = c.Pin.SHA256
	}
	return f
}

// missingFrom are the pins of a directory whose files are not there.
func missingFrom(dir string, seen map[string]bool) (missing []httpdoor.VerifyFinding) {
	raw, err := os.ReadFile(filepath.Join(dir, pin.FileName))
	if err != nil {
		return nil // there is none, or a scan has told of it
	}
	lock, err := pin.Parse(raw)
	if err != nil {
		return nil // likewise
	}
	for _, p := range lock.Pins {
		if path := filepath.Join(dir, p.File); !seen[path] {
			missing = append(missing, httpdoor.VerifyFinding{
				Path: path, Status: httpdoor.FindingMissing, Expected: p.SHA256,
				Fix: fmt.Sprintf("put %s %s back, or: gatehouse plugins pin", p.Name, p.Version),
			})
		}
	}
	return missing
}
