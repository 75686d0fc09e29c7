package fleet

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// State is where a plugin is on its way.
type State string

// The states.
const (
	Starting    State = "starting"
	Ready       State = "ready"
	Unhealthy   State = "unhealthy" // missed a health probe; still serving
	Backoff     State = "backoff"   // failed; started again at Status.RetryAt
	Quarantined State = "quarantined"
	Stopped     State = "stopped"
)

// Status is what is known of one plugin.
type Status struct {
	Name     string // the plugin's own, once it has described itself; before that its file's
	Version  string
	Path     string
	SHA256   string
	State    State
	Since    time.Time // of the state
	Pid      int       // 0: no process
	Restarts int       // since the fleet began
	RetryAt  time.Time // of the next start; zero unless in backoff
	Error    string    // why it is not ready; "" when it is
	Fix      string    // what can be done about the error; "" when nothing is known
	Tools    []string  // that calls reach here, by name

	Layers []tool.Layer // of its sandbox, as it says; nil before it has described itself
}

// Problem is something that keeps a file or a tool from being used while everything else goes on.
type Problem struct {
	Path   string // of the file or directory
	Tool   string // "" when it is about all of it
	Reason string
	Fix    string
}

// Status tells about all plugins, by path. It is empty before Run.
func (f *Fleet) Status() []Status {
	c := f.Catalog()
	var all []Status
	for _, m := range f.all() {
		all = append(all, m.status(c))
	}
	return all
}

// Problems tells what was refused: files and directories that are not safe or not there, and tools whose
// names clash.
func (f *Fleet) Problems() []Problem {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []Problem
	for _, r := range slices.Concat(f.found.Refusals, f.found.Missing) {
		all = append(all, Problem{Path: r.Path, Reason: r.Reason, Fix: r.Fix})
	}
	return append(all, f.clashes...)
}

func (m *member) status(c *catalog.Catalog) Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Status{
		Name: m.name, Version: m.version, Path: m.candidate.Path,
		State: m.state, Since: m.since, Pid: m.pid, Restarts: m.restarts, RetryAt: m.retryAt,
		Layers: m.manifest.Layers,
	}
	for _, e := range m.entries {
		if served, _ := c.Lookup(e.Spec.Name); served == e {
			s.Tools = append(s.Tools, e.Spec.Name)
		}
	}
	slices.Sort(s.Tools)
	if m.err != nil {
		s.Error = m.err.Error()
		var e *tool.Error
		if errors.As(m.err, &e) {
			s.Fix = e.Suggestion
		}
	}
	return s
}

// become changes the state; to be in it already is no change.
func (m *member) become(s State, why error) { m.change(s, why, time.Time{}) }

func (m *member) backOff(wait time.Duration, why error) {
	m.change(Backoff, why, time.Now().Add(wait))
}

func (m *member) change(s State, why error, retryAt time.Time) {
	m.mu.Lock()
	same := m.state == s
	if !same {
		m.since = time.Now()
	}
	m.state, m.err, m.retryAt = s, why, retryAt
	m.mu.Unlock()
	if !same {
		m.tell()
	}
}

// tell logs the state, and shows it to who observes. Failures are warnings: the host goes on without the
// plugin.
func (m *member) tell() {
	s := m.status(m.fleet.Catalog())
	log := m.fleet.cfg.Logger.With("plugin", s.Name, "path", s.Path, "state", string(s.State))
	switch s.State {
	case Ready:
		log.Info("plugin is "+string(s.State), "pid", s.Pid, "tools", s.Tools, "sandbox", layers(s.Layers, true),
			"sandbox_lacks", layers(s.Layers, false))
	case Stopped:
		log.Info("plugin is "+string(s.State), "pid", s.Pid, "tools", s.Tools)
	case Starting:
		log.Debug("plugin is starting", "restarts", s.Restarts)
	default:
		log.Warn("plugin is "+string(s.State), "error", s.Error, "fix", s.Fix, "restarts", s.Restarts)
	}
	if m.fleet.cfg.StateChanged != nil {
		m.fleet.cfg.StateChanged(s)
	}
}

// layers names those that are in force, or those that are not.
func layers(list []tool.Layer, active bool) []string {
	var names []string
	for _, l := range list {
		if l.Active == active {
			names = append(names, l.Name)
		}
	}
	return names
}

// unavailableLocked says why there is no process to call, and when to come back.
func (m *member) unavailableLocked() *tool.Error {
	fail := func(what string) *tool.Error {
		if m.err != nil && m.state != Starting {
			what += " (" + m.err.Error() + ")"
		}
		return tool.Errorf(tool.KindUnavailable, "plugin %s %s: %w", m.name, what, catalog.ErrNotRunning).
			With("plugin", m.name).With("plugin_state", string(m.state))
	}
	switch m.state {
	case Backoff:
		e := fail("failed and is about to be restarted")
		e.RetryAfter = max(time.Until(m.retryAt), 0)
		return e.Suggest("try again in %s", seconds(e.RetryAfter))
	case Quarantined:
		return fail("failed and is not restarted").
			Suggest("tell the operator; the plugin's state and the host's log say what is wrong with it")
	case Stopped:
		return fail("has been stopped with the host").Suggest("try again when the host is up")
	}
	return fail("is being restarted").Suggest("try again in a few seconds")
}

// seconds writes a wait for people, never shorter than it is.
func seconds(d time.Duration) string {
	if n := int((d + time.Second - 1) / time.Second); n > 1 {
		return fmt.Sprintf("%d seconds", n)
	}
	return "a second"
}
