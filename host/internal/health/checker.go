package health

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Config is how a Checker works.
type Config struct {
	Settings
	Transport string           // for the report
	Now       func() time.Time // nil: time.Now

	// Changed is called after the status of the whole or of a check has become another, or a check has come or
	// gone; a message that changes is no change. It is called outside of any lock and never twice at a time;
	// changes in quick succession may share a call. It must return before Run can. nil: nobody.
	Changed func(old, current Report)
}

// Settings are what can be changed while a Checker runs.
type Settings struct {
	Interval time.Duration // between two rounds; zero: 30 s
	Timeout  time.Duration // that a probe has; zero: 10 s

	// Disabled leaves only those probes running that ask nobody, see [Probe.Known].
	Disabled bool
}

func (s Settings) withDefaults() (Settings, error) {
	if s.Interval < 0 || s.Timeout < 0 {
		return s, errors.New("health: the interval or the timeout is negative")
	}
	if s.Interval == 0 {
		s.Interval = 30 * time.Second
	}
	if s.Timeout == 0 {
		s.Timeout = 10 * time.Second
	}
	return s, nil
}

// Probe looks at something, and may find several things.
type Probe struct {
	Name     string   // of the check that is reported when the probe itself fails
	Priority Priority // of that check; zero: Important

	// Known says that Run only puts together what is known already: it runs even when checks are disabled.
	Known bool

	// Run looks, now, and returns check name -> result. It should return when ctx ends, which is a little before
	// its timeout; one that does not is reported, and not started again until it has come back.
	Run func(ctx context.Context) map[string]Check
}

// Checker runs probes and keeps what they said. Its methods may be called concurrently.
type Checker struct {
	now     func() time.Time
	changed func(old, current Report)
	report  atomic.Pointer[Report]
	ran     atomic.Bool
	kick    chan struct{} // holds one token while an early round is owed
	set     chan struct{} // holds one token while Run is owed the news of other settings
	dirty   chan struct{} // holds one token while Changed is owed a look

	transport string

	mu       sync.Mutex // guards what follows
	settings Settings
	probes   []*probe
}

// New makes a checker and starts nothing.
func New(cfg Config, probes ...Probe) (*Checker, error) {
	settings, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Checker{
		now: cfg.Now, changed: cfg.Changed, transport: cfg.Transport, settings: settings,
		kick: make(chan struct{}, 1), set: make(chan struct{}, 1), dirty: make(chan struct{}, 1),
	}
	if c.now == nil {
		c.now = time.Now
	}
	names := make(map[string]bool)
	for _, p := range probes {
		if p.Name == "" || p.Run == nil || names[p.Name] {
			return nil, fmt.Errorf("health: probe %q: a name of its own and the function Run are needed", p.Name)
		}
		names[p.Name] = true
		c.probes = append(c.probes, newProbe(p))
	}
	c.summarizeLocked()
	return c, nil
}

// Report is what is known now. It never waits. Its map must not be changed.
func (c *Checker) Report() Report { return *c.report.Load() }

// Kick asks for a round soon, for one who knows that something has changed. Many kicks make one round.
func (c *Checker) Kick() { poke(c.kick) }

// Reconfigure changes the settings. Probes that run keep the timeout that they started with.
func (c *Checker) Reconfigure(s Settings) error {
	s, err := s.withDefaults()
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.settings = s
	c.summarizeLocked()
	c.mu.Unlock()
	poke(c.set)
	poke(c.dirty)
	return nil
}

func (c *Checker) current() Settings {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.settings
}

// store takes what a probe said.
func (c *Checker) store(p *probe, checks map[string]Check) {
	c.mu.Lock()
	p.checks = checks
	c.summarizeLocked()
	c.mu.Unlock()
	poke(c.dirty)
}

// summarizeLocked makes the report anew. Where two probes tell of one check, the worse counts.
func (c *Checker) summarizeLocked() {
	all := make(map[string]Check)
	for _, p := range c.probes {
		if c.settings.Disabled && !p.Known {
			continue
		}
		for name, check := range p.checks {
			if other, ok := all[name]; !ok || rank(check.Status) > rank(other.Status) {
				all[name] = check
			}
		}
	}
	if c.settings.Disabled {
		all["checks"] = Check{
			Status: Healthy, Priority: Informational,
			Message: "the checks are switched off (health.enabled); only what is known without them is told",
		}
	}
	r := Summarize(c.now(), c.transport, all)
	c.report.Store(&r)
}

func rank(s Status) int {
	switch s {
	case Healthy:
		return 0
	case Degraded:
		return 1
	}
	return 2
}

// announce tells of changes since an old report, until told to stop.
func (c *Checker) announce(old Report, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-c.dirty:
		}
		current := c.Report()
		if c.changed != nil && !same(old, current) {
			c.changed(old, current)
			old = current
		}
	}
}

// same says whether two reports differ in messages at most.
func same(a, b Report) bool {
	return a.Status == b.Status && maps.EqualFunc(a.Checks, b.Checks, func(a, b Check) bool {
		return a.Status == b.Status && a.Priority == b.Priority
	})
}

func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is owed already
	}
}
