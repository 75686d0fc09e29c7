package sdk

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Times of a round of probes.
const (
	probePatience = 10 * time.Second       // for a round whose asker names no deadline
	probeMargin   = 250 * time.Millisecond // before the asker's deadline, for the answer to arrive in time
)

// probe is a Probe of a handler. Who asks while it runs shares in the answer.
type probe struct {
	Probe

	mu      sync.Mutex // guards what follows
	running *attempt   // nil: it does not run
}

// attempt is one run of a probe.
type attempt struct {
	late bool          // somebody has waited in vain; guarded by the probe's mutex
	done chan struct{} // closed when what follows is there

	found string
	err   error
}

var _ tool.HealthChecker = (*Handler)(nil)

// CheckHealth runs all probes at once, and reports those that do not come back in time as they are: hanging.
func (h *Handler) CheckHealth(ctx context.Context) ([]HealthCheck, error) {
	if !h.begin() {
		return nil, Errorf(KindCancelled, "plugin %s is ending", h.manifest.Name)
	}
	defer h.calls.Done()
	ctx, cancel := context.WithTimeout(ctx, patience(ctx))
	defer cancel()
	defer context.AfterFunc(h.ending, cancel)()

	checks := make([]HealthCheck, len(h.probes))
	var wg sync.WaitGroup
	for i, p := range h.probes {
		wg.Go(func() { checks[i] = p.check(ctx, h.env(ctx)) })
	}
	wg.Wait()
	if len(checks) > tool.MaxHealthChecks { // then those that matter
		slices.SortStableFunc(checks, func(a, b HealthCheck) int { return cmp.Compare(rank(a), rank(b)) })
		checks = checks[:tool.MaxHealthChecks]
	}
	return checks, nil
}

func rank(c HealthCheck) int {
	return slices.Index([]tool.HealthStatus{tool.Unhealthy, tool.Degraded, tool.Healthy}, c.Status)
}

// patience is how long the probes have: a little less than the asker, who would otherwise be gone when the
// answer comes.
func patience(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return probePatience
	}
	left := time.Until(deadline)
	return left - min(probeMargin, left/4)
}

// check asks the probe, for as long as ctx lasts and no longer.
func (p *probe) check(ctx context.Context, env Env) HealthCheck {
	a, late := p.attempt(ctx, env)
	if late {
		return p.outcome("", errors.New("it still hangs since an earlier check"))
	}
	select {
	case <-a.done:
		return p.outcome(a.found, a.err)
	case <-ctx.Done():
	}
	p.mu.Lock()
	a.late = true
	p.mu.Unlock()
	return p.outcome("", errors.New("it did not answer in time"))
}

// attempt is the run that is under way, or a new one.
func (p *probe) attempt(ctx context.Context, env Env) (a *attempt, late bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil {
		return p.running, p.running.late
	}
	a = &attempt{done: make(chan struct{})}
	p.running = a
	go func() { // ends when the probe does; one that hangs ends with the process
		a.found, a.err = p.run(ctx, env)
		p.mu.Lock()
		p.running = nil
		p.mu.Unlock()
		close(a.done)
	}()
	return a, false
}

func (p *probe) run(ctx context.Context, env Env) (found string, err error) {
	defer func() { // one check's bug is not the end of the plugin
		if r := recover(); r != nil {
			err = Errorf(KindUnknown, "the check panicked: %v", r).Suggest("report this to the plugin's author")
		}
	}()
	return p.Run(ctx, env)
}

func (p *probe) outcome(found string, err error) HealthCheck {
	c := HealthCheck{
		Name: p.Name, Tool: p.Tool, Priority: p.Priority, Status: tool.Healthy, Message: found,
	}
	if err == nil {
		return c
	}
	c.Status, c.Message = tool.Unhealthy, err.Error()
	if errors.As(err, new(degraded)) {
		c.Status = tool.Degraded
	}
	if errors.As(err, new(informational)) {
		c.Priority = Informational
	}
	if own := (*Error)(nil); errors.As(err, &own) {
		c.Fix = own.Suggestion
	}
	return c
}
