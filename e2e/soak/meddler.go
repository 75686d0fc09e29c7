package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"syscall"
	"time"
)

// restartBudget is how often a plugin may fail in ten minutes before the host gives it up.
const restartBudget = 5

// meddler does to the host what operators, deployments and accidents do.
type meddler struct {
	site *site
	rand *rand.Rand

	done   map[string]int // what -> how often
	killed map[string]int // plugin -> how often
	ready  time.Time      // for the next kill
	faults []string
}

func newMeddler(s *site) *meddler {
	return &meddler{
		site: s, rand: rand.New(rand.NewPCG(s.seed, 0)),
		done: make(map[string]int), killed: make(map[string]int), ready: time.Now(),
	}
}

// run meddles until stop is closed, and then puts everything in order.
func (m *meddler) run(ctx context.Context, stop <-chan struct{}) error {
	deeds := []func(context.Context) error{
		m.reconfigure, m.reconfigure, m.spoil, m.hangUp, m.toggle, m.toggle, m.breaker, m.breaker,
		m.kill, m.freeze, m.look, m.look,
	}
	for {
		select {
		case <-stop:
			return m.restore(ctx)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(m.rand.Int64N(int64(400 * time.Millisecond)))):
		}
		if err := pick(m.rand, deeds...)(ctx); err != nil {
			return errors.Join(err, m.restore(ctx))
		}
	}
}

func (m *meddler) reconfigure(context.Context) error {
	m.done["configuration changed"]++
	return m.site.configure(anotherConfig(m.rand))
}

func (m *meddler) spoil(context.Context) error {
	m.done["configuration spoiled"]++
	return m.site.configure(badConfig(m.rand))
}

func (m *meddler) hangUp(context.Context) error {
	m.done["SIGHUP"]++
	return m.site.cmd.Process.Signal(syscall.SIGHUP)
}

// toggle switches a tool off, or on again.
func (m *meddler) toggle(ctx context.Context) error {
	return m.post(ctx, pick(m.rand, offered...), pick(m.rand, "disable", "enable", "enable", "enable"))
}

func (m *meddler) breaker(ctx context.Context) error {
	return m.post(ctx, pick(m.rand, offered...), pick(m.rand, "breaker/open", "breaker/close", "breaker/close"))
}

// post does what an operator does.
func (m *meddler) post(ctx context.Context, tool, deed string) error {
	status, raw, err := m.site.do(ctx, http.MethodPost, "/tools/"+tool+"/"+deed, `{"reason":"soak"}`)
	if err != nil {
		return err
	}
	m.done[deed]++
	if status != http.StatusOK {
		m.faults = append(m.faults, fmt.Sprintf("%s of %s = %d %s", deed, tool, status, raw))
	}
	return nil
}

// kill ends a plugin, as often as the host puts up with.
func (m *meddler) kill(context.Context) error {
	name, pid := m.plugin()
	if pid == 0 || m.killed[name] >= restartBudget || time.Now().Before(m.ready) {
		return nil
	}
	m.killed[name]++
	m.done["SIGKILL of a plugin"]++
	m.ready = time.Now().Add(m.site.length / 20) // spread over the run
	return send(pid, syscall.SIGKILL)
}

// freeze stops a plugin, but not for so long that the host takes it for dead.
func (m *meddler) freeze(ctx context.Context) error {
	_, pid := m.plugin()
	if pid == 0 {
		return nil
	}
	m.done["SIGSTOP of a plugin"]++
	if err := send(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-time.After(100*time.Millisecond + time.Duration(m.rand.Int64N(int64(time.Second)))):
	}
	return send(pid, syscall.SIGCONT)
}

// plugin chooses a plugin that runs; pid 0: none does.
func (m *meddler) plugin() (name string, pid int) {
	running := m.site.plugins()
	var names []string
	for name := range running {
		names = append(names, name)
	}
	if len(names) == 0 {
		return "", 0
	}
	slices.Sort(names) // for the seed
	name = pick(m.rand, names...)
	return name, running[name]
}

// send sends a signal; that the process has ended meanwhile is no error.
func send(pid int, s syscall.Signal) error {
	if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %v to a plugin: %w", s, err)
	}
	return nil
}

// look asks for what operators look at.
func (m *meddler) look(ctx context.Context) error {
	path := pick(m.rand, "/health", "/metrics", "/tools", "/config", "/openapi.json", "/readyz")
	status, raw, err := m.site.do(ctx, http.MethodGet, path, "")
	if err != nil {
		return err
	}
	m.done["look"]++
	if status >= http.StatusInternalServerError && path != "/health" || status < http.StatusOK {
		m.faults = append(m.faults, fmt.Sprintf("GET %s = %d %.300s", path, status, raw))
	}
	return nil
}

// restore puts everything in order.
func (m *meddler) restore(ctx context.Context) error {
	errs := []error{m.site.configure(plainConfig)}
	for _, pid := range m.site.plugins() {
		errs = append(errs, send(pid, syscall.SIGCONT))
	}
	for _, tool := range offered {
		errs = append(errs, m.post(ctx, tool, "enable"), m.post(ctx, tool, "breaker/close"))
	}
	errs = append(errs, m.site.cmd.Process.Signal(syscall.SIGHUP))
	m.done["SIGHUP"]++
	return errors.Join(errs...)
}
