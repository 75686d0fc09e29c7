package fleet

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/manifests"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Launch says when a plugin gets a process.
type Launch string

// The ways to launch.
const (
	Eager Launch = "eager" // at once, and it is kept
	Lazy  Launch = "lazy"  // when one of its tools is called; it ends when it has been idle for a while
)

// Trust says which files may run.
type Trust string

// The kinds of trust.
const (
	TrustDirectory Trust = "directory" // all, except where a lock file says which bytes
	TrustPinned    Trust = "pinned"    // those that a lock file pins
	TrustAll       Trust = "all"       // all, whatever a lock file says: for who is about to write one
)

// Config says which plugins there are and how they are kept.
type Config struct {
	Dirs []string // where to look for plugins; at least one, unless there is Attach

	// Attach is the socket of one plugin that a person has started, in place of those in directories; absolute.
	// Its process is never probed and never ended. Empty: there is none.
	Attach string

	// Policy is what a plugin is configured with; it gets the plugin's name. Settings resolves the numbers of
	// a tool. Both are called by several goroutines.
	Policy   func(plugin string) tool.Policy
	Settings func(tool.Spec) catalog.Settings

	// Wanted chooses among the tools by name; nil: all are offered. What it and the other two say may change:
	// Resettle and Reconfigure ask again.
	Wanted func(tool string) bool

	Launch      Launch           // zero: Eager
	IdleTimeout time.Duration    // of a lazy plugin without calls; zero: 5 min
	Manifests   *manifests.Cache // what plugins said of themselves before; nil: nothing is known or kept
	Trust       Trust            // zero: TrustDirectory
	MaxRSS      func() int64     // bytes that a process may hold before it is replaced; nil, or 0: any

	// Rescan is how often the directories are looked through even when nothing is heard of them; zero: 10 s,
	// negative: they are looked through once and not watched.
	Rescan time.Duration

	Confine      proc.Confinement // what every plugin's process gives up; see NoNewPrivs
	NoNewPrivs   NoNewPrivs       // zero: Auto; decides Confine.NoNewPrivs
	Cgroup       *proc.Cgroup     // nil: plugins get no cgroup of their own
	AdoptOrphans bool             // whether what escapes from a plugin is looked for and ended
	Guard        bool             // whether a process is kept that does so when this one is killed

	RuntimeDir string   // absolute; for sockets, made if need be; empty: a temporary one, removed at the end
	Env        []string // environment of the plugins; nil: the system's PATH and a UTF-8 locale

	StartTimeout time.Duration // for the handshake, and again until the plugin is configured; zero: 10 s
	Grace        time.Duration // between asking a process to end and killing it; zero: 2 s
	Drain        time.Duration // for calls in flight when the fleet ends; zero: 5 s

	// A plugin that failed is restarted after BackoffMin, doubled with each failure in a row up to
	// BackoffMax; half of each wait is random. After RestartBudget restarts within RestartWindow it is
	// quarantined. A process that stays for StableAfter clears its record.
	BackoffMin    time.Duration // zero: 0.5 s
	BackoffMax    time.Duration // zero: 60 s
	RestartBudget int           // zero: 5
	RestartWindow time.Duration // zero: 10 min
	StableAfter   time.Duration // zero: 1 min

	// Each process is asked for its health at this interval, sooner after it has missed a probe, and at once
	// when a call of it was given up. The second miss in a row ends it.
	ProbeInterval time.Duration // zero: 10 s
	ProbeTimeout  time.Duration // zero: 2 s; of a probe after a call was given up: half of it

	Logger *slog.Logger // nil: nobody

	// Changed is called after the catalog has become another, outside of any lock and never twice at a time;
	// changes in quick succession may share a call. It must return before Run can. Nil: nobody.
	Changed func()

	// Settle is how long a change of the catalog waits for others before Changed is called, so that files which
	// are dropped in together are one change to clients; zero: not at all.
	Settle time.Duration

	// StateChanged is told each change of a plugin's state, by the plugin's own goroutine; nil: nobody.
	StateChanged func(Status)
}

func (c Config) withDefaults() (Config, error) {
	if err := c.validate(); err != nil {
		return c, err
	}
	for d, zero := range map[*time.Duration]time.Duration{
		&c.StartTimeout: 10 * time.Second, &c.Grace: 2 * time.Second, &c.Drain: 5 * time.Second,
		&c.BackoffMin: 500 * time.Millisecond, &c.BackoffMax: time.Minute,
		&c.RestartWindow: 10 * time.Minute, &c.StableAfter: time.Minute,
		&c.ProbeInterval: 10 * time.Second, &c.ProbeTimeout: 2 * time.Second,
		&c.IdleTimeout: 5 * time.Minute,
	} {
		if *d < 0 {
			return c, fmt.Errorf("a duration is negative: %s", *d)
		}
		if *d == 0 {
			*d = zero
		}
	}
	if c.RestartBudget == 0 {
		c.RestartBudget = 5
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Changed == nil {
		c.Changed = func() {}
	}
	if c.Wanted == nil {
		c.Wanted = func(string) bool { return true }
	}
	return c.withChoices(), nil
}

// withChoices fills in what is chosen among names.
func (c Config) withChoices() Config {
	if c.Launch == "" {
		c.Launch = Eager
	}
	if c.Trust == "" {
		c.Trust = TrustDirectory
	}
	if c.NoNewPrivs == "" {
		c.NoNewPrivs = Auto
	}
	if c.MaxRSS == nil {
		c.MaxRSS = func() int64 { return 0 }
	}
	if c.Rescan == 0 {
		c.Rescan = 10 * time.Second
	}
	return c
}

func (c Config) validate() error {
	switch {
	case len(c.Dirs) == 0 && c.Attach == "":
		return errors.New("no plugin directory")
	case c.Attach != "" && !filepath.IsAbs(c.Attach):
		return fmt.Errorf("the socket %q is not an absolute path", c.Attach)
	case c.Policy == nil || c.Settings == nil:
		return errors.New("the functions Policy and Settings are needed")
	case c.RuntimeDir != "" && !filepath.IsAbs(c.RuntimeDir):
		return fmt.Errorf("runtime directory %q is not an absolute path", c.RuntimeDir)
	case c.RestartBudget < 0:
		return fmt.Errorf("restart budget %d is negative", c.RestartBudget)
	}
	return nil
}
