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
	Unhealthy   State = "unhealthy" // missed a health probe, or holds too much memory; still serving
	Idle        State = "idle"      // described, and started by the next call
	Backoff     State = "backoff"   // failed; started again at Status.RetryAt
	Quarantined State = "quarantined"
	Stopped     State = "stopped"
)

// Status is what is known of one plugin.
type Status struct {
	Name        string // the plugin's own, once it has described itself; before that its file's
	Version     string
	Path        string
	Dir         string // the plugin directory that it lies in
	SHA256      string // of the bytes that run, or ran last; "": none did
	Pinned      bool   // whether a lock file has the file
	Launch      Launch
	State       State
	Reason      string    // why it is in the state, when that is no error
	Since       time.Time // of the state
	Pid         int       // 0: no process
	RSS         int64     // bytes that the process holds; 0: none, or not known
	Draining    int       // older processes that finish their calls
	Restarts    int       // since the fleet began, replacements included
	RetryAt     time.Time // of the next start; zero unless in backoff
	Error       string    // why it is not ready; "" when it is
	Fix         string    // what can be done about the error; "" when nothing is known
	Follower    string    // why a newer file, or a restart, does not come to serve; "": nothing is wrong
	FollowerFix string    // what can be done about that
	Tools       []string  // that calls reach here, by name
	Filtered    []string  // that it has and that are not offered: hidden, or not wanted
	Clashes     []Problem // tools whose names another plugin has

	Layers  []tool.Layer // of the process; nil: it has none
	Sandbox []tool.Layer // of the programs that it runs, as it says; nil before it has described itself
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
	s := Status{
		Name: m.name, Version: m.version, Path: m.path, Dir: m.orders.candidate.Dir, Pinned: m.orders.candidate.Pin != nil,
		Launch: m.fleet.cfg.Launch, State: m.state, Reason: m.reason, Since: m.since, Pid: m.pid,
		Draining: len(m.draining), Restarts: m.restarts,
	}
	if m.state == Backoff {
		s.RetryAt = m.pause.until
	}
	s.Error, s.Fix = explained(m.err)
	s.Follower, s.FollowerFix = explained(m.heirErr)
	if m.current != nil {
		s.Layers = m.current.layers
	}
	m.toolsLocked(c, &s)
	m.mu.Unlock()
	if s.Pid != 0 {
		s.RSS, _ = m.fleet.rss(s.Pid) // it may have ended just now
	}
	s.Clashes = m.fleet.clashesOf(m.path)
	return s
}

// toolsLocked tells which tools calls reach, and which not.
func (m *member) toolsLocked(c *catalog.Catalog, s *Status) {
	if m.offered == nil {
		return
	}
	s.SHA256, s.Sandbox = m.offered.sha256, m.offered.manifest.Layers
	offered := make(map[string]bool)
	for _, e := range m.entries {
		offered[e.Spec.Name] = true
		if served, _ := c.Lookup(e.Spec.Name); served == e {
			s.Tools = append(s.Tools, e.Spec.Name)
		}
	}
	for _, t := range m.offered.manifest.Tools {
		if !offered[t.Name] {
			s.Filtered = append(s.Filtered, t.Name)
		}
	}
	slices.Sort(s.Tools)
	slices.Sort(s.Filtered)
}

// explained splits an error into what is wrong and what can be done.
func explained(err error) (text, fix string) {
	if err == nil {
		return "", ""
	}
	var e *tool.Error
	if errors.As(err, &e) {
		fix = e.Suggestion
	}
	return err.Error(), fix
}

// clashesOf are the tools that the plugin of a path has in vain.
func (f *Fleet) clashesOf(path string) []Problem {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.clashes), func(p Problem) bool { return p.Path != path })
}

// become changes the state. To be in it already is no news.
func (m *member) become(s State, why error, reason string) { m.change(s, why, reason, false) }

// change changes the state, and tells of it when it is another one or news.
func (m *member) change(s State, why error, reason string, news bool) {
	m.mu.Lock()
	if news = news || m.state != s; news {
		m.since, m.reason = time.Now(), reason
		m.broadcastLocked()
	}
	m.state, m.err = s, why
	m.mu.Unlock()
	if news {
		m.tell()
	}
}

// tell logs the state, and shows it to who observes. Failures are warnings: the host goes on without the
// plugin.
func (m *member) tell() {
	s := m.status(m.fleet.Catalog())
	log := m.fleet.cfg.Logger.With("plugin", s.Name, "path", s.Path, "state", string(s.State))
	if s.Reason != "" {
		log = log.With("reason", s.Reason)
	}
	switch s.State {
	case Ready:
		log.Info("plugin is "+string(s.State), "version", s.Version, "sha256", s.SHA256, "pid", s.Pid,
			"tools", s.Tools, "confined", layers(s.Layers, true), "sandbox", layers(s.Sandbox, true),
			"sandbox_lacks", layers(s.Sandbox, false))
	case Stopped, Idle:
		log.Info("plugin is "+string(s.State), "tools", s.Tools)
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
		e.RetryAfter = max(time.Until(m.pause.until), 0)
		return e.Suggest("try again in %s", seconds(e.RetryAfter))
	case Quarantined:
		return fail("failed and is not restarted").
			Suggest("tell the operator; the plugin's state and the host's log say what is wrong with it")
	case Stopped:
		if m.orders.halted {
			return fail("has been stopped by an operator").
				Suggest("ask the operator; gatehouse plugins start %s lets it serve again", m.name)
		}
		return fail("has been stopped: its file is gone, or the host ends").
			Suggest("list the tools again")
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
