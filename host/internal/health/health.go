// Package health runs checks in the background and turns them into one status. A [Checker] runs each [Probe]
// at start and at an interval, for itself and with a timeout, and keeps what it said; a [Report] is all of
// that, weighed. A check has a priority: a critical one that fails makes the whole unhealthy, an important
// one makes it degraded, informational ones degrade it only when all of them fail.
//
//	c, err := health.New(health.Config{Transport: "http"}, append(health.SystemProbes(health.System{
//		Thresholds: thresholds, StateDir: dir,
//	}), health.ProcessProbe(health.Process{}))...)
//	...
//	go func() { errc <- c.Run(ctx) }()
//	report := c.Report() // at once, whatever hangs
package health

import "time"

// Status is the state of a check or of the whole.
type Status string

// The states.
const (
	Healthy   Status = "healthy"
	Degraded  Status = "degraded"
	Unhealthy Status = "unhealthy"
)

// Priority says how much a check weighs.
type Priority string

// The priorities.
const (
	Critical      Priority = "critical"
	Important     Priority = "important"
	Informational Priority = "informational"
)

// Check is the last result of one check.
type Check struct {
	Status   Status   `json:"status"`
	Priority Priority `json:"priority"`
	Message  string   `json:"message"`
	Fix      string   `json:"fix,omitempty"` // what a person does about it
}

// Report is the health of the whole, as GET /health answers it.
type Report struct {
	Status    Status           `json:"status"`
	Timestamp time.Time        `json:"timestamp"`
	Transport string           `json:"transport"`
	Checks    map[string]Check `json:"checks,omitempty"`
	Summary   Summary          `json:"summary"`
}

// Summary counts the checks.
type Summary struct {
	TotalChecks int `json:"total_checks"`
	Healthy     int `json:"healthy"`
	Degraded    int `json:"degraded"`
	Unhealthy   int `json:"unhealthy"`
}

// Summarize weighs the checks, name -> result.
func Summarize(now time.Time, transport string, checks map[string]Check) Report {
	r := Report{Timestamp: now.UTC(), Transport: transport, Checks: checks, Status: overall(checks)}
	r.Summary.TotalChecks = len(checks)
	for _, c := range checks {
		switch c.Status {
		case Healthy:
			r.Summary.Healthy++
		case Degraded:
			r.Summary.Degraded++
		default:
			r.Summary.Unhealthy++
		}
	}
	return r
}

func overall(checks map[string]Check) Status {
	status, informational, failed := Healthy, 0, 0
	for _, c := range checks {
		switch {
		case c.Priority == Informational:
			informational++
			if c.Status != Healthy {
				failed++
			}
		case c.Priority == Critical && c.Status == Unhealthy:
			return Unhealthy
		case c.Status != Healthy:
			status = Degraded
		}
	}
	if informational > 0 && failed == informational {
		status = Degraded
	}
	return status
}
