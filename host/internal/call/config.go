package call

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/scope"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// What a zero in [Config] means.
const (
	defaultMaxClients = 1000
	defaultMaxTimeout = time.Hour
	defaultGrace      = 5 * time.Second // SIGTERM, 2 s, SIGKILL, and time to say so
	defaultMaxStdout  = 1 << 20
	defaultMaxStderr  = 256 << 10
)

// Limits are what a reload can change of a router; a zero means the default.
type Limits struct {
	// MaxClients is how many token buckets are kept, one for each client and tool, and one for each client's
	// unknown tools; zero: 1000. The one that
	// was unused for longest gives way, and comes back full.
	MaxClients int
	// MaxStdout and MaxStderr are the bytes kept of each stream; zero: 1 MiB and 256 KiB.
	MaxStdout, MaxStderr int64
}

// Config is what a router is made of. The functions are called for each call and by many goroutines at a
// time; none of them is called under a lock.
type Config struct {
	// Catalog gives the tools of this moment. Required, never nil; a call asks once and keeps to the
	// answer.
	Catalog func() *catalog.Catalog
	// Authorize says whether a client may call a tool: nil, or a *tool.Error of kind forbidden. Required.
	Authorize func(ctx context.Context, client, tool string) error
	// Scope gives what may be touched at this moment. Required; a function, so that a reload changes it.
	Scope func() scope.Policy
	// Lookup resolves the names of targets. Required.
	Lookup scope.Lookup

	// Rate is the rate of the caller of a context, in the place of that of each tool: so many calls within a
	// time. Zero requests mean the tool's rate, and zero time the tool's time; nil: always the tool's. A client
	// has one rate at a time.
	Rate func(ctx context.Context) (requests int, per time.Duration)
	// Unknown bounds the calls of tools that do not exist, all names of one client together; zeros, or nil: no
	// bound.
	Unknown func() (requests int, per time.Duration)
	// MaxQueuedPerClient is how many calls of one client may wait for one tool; zero, or nil: no fixed number. A
	// full queue is shared out in any case.
	MaxQueuedPerClient func() int

	// AskIntrusive reports whether a person is asked before an intrusive call runs, as [consent.With] says how;
	// nil: nobody is, and what a plugin refuses as intrusive stays refused.
	AskIntrusive func() bool

	// Limits are in force until [Router.SetLimits].
	Limits Limits
	// MaxTimeout is the most time that any call gets; zero: one hour.
	MaxTimeout time.Duration
	// Grace is how long after a call's deadline the host waits for the plugin's own end of it; zero: 5 s.
	Grace time.Duration

	// What follows is told of each call as it goes its way, with the record as far as it is known; nil: nobody
	// is. Received comes first and Finished last, each exactly once for every call and plan, refused ones too.
	Received func(Record)
	// Enlist is told of a call that has a slot, or, when queued, a place in the queue: it will run, unless
	// something comes in between. The context that it returns, made of the one it gets, is that of the call from
	// then on.
	Enlist func(ctx context.Context, r Record, queued bool) context.Context
	// Event is told what a call that runs prints, and how far it is, in order. Output is valid during the call of
	// Event alone.
	Event func(executionID string, ev tool.Event)
	// Admit is asked when a call has passed every other gate and its handler is about to be: an error refuses
	// the call. It is where a call is written down before it runs.
	Admit func(Record) error
	// Executing is told which program the plugin is about to execute.
	Executing func(Record, tool.Exec)
	// Progress is told how far a call is, not more often than every 250 ms.
	Progress func(Record, tool.Progress)
	// Finished gets the whole record.
	Finished func(Record)
	// BreakerChanged is told each change of a tool's breaker, in order; nil: nobody is.
	BreakerChanged func(tool string, state BreakerState)
	// NewID makes execution ids; nil: UUIDs of version 7.
	NewID func() string
}

// complete validates a configuration and puts the defaults in the place of zeros.
func (cfg Config) complete() (Config, error) {
	if err := cfg.validate(); err != nil {
		return Config{}, err
	}
	cfg.Limits = cfg.Limits.complete()
	setDefault(&cfg.MaxTimeout, defaultMaxTimeout)
	setDefault(&cfg.Grace, defaultGrace)
	cfg.unbind()
	cfg.deafen()
	if cfg.BreakerChanged == nil {
		cfg.BreakerChanged = func(string, BreakerState) {}
	}
	if cfg.NewID == nil {
		cfg.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	return cfg, nil
}

// unbind puts a bound that binds nobody in the place of each that there is not.
func (cfg *Config) unbind() {
	if cfg.Rate == nil {
		cfg.Rate = func(context.Context) (int, time.Duration) { return 0, 0 }
	}
	if cfg.Unknown == nil {
		cfg.Unknown = func() (int, time.Duration) { return 0, 0 }
	}
	if cfg.MaxQueuedPerClient == nil {
		cfg.MaxQueuedPerClient = func() int { return 0 }
	}
}

// deafen puts a listener that does nothing in the place of each that there is not.
func (cfg *Config) deafen() {
	for _, f := range []*func(Record){&cfg.Received, &cfg.Finished} {
		if *f == nil {
			*f = func(Record) {}
		}
	}
	if cfg.Admit == nil {
		cfg.Admit = func(Record) error { return nil }
	}
	if cfg.AskIntrusive == nil {
		cfg.AskIntrusive = func() bool { return false }
	}
	if cfg.Enlist == nil {
		cfg.Enlist = func(ctx context.Context, _ Record, _ bool) context.Context { return ctx }
	}
	if cfg.Event == nil {
		cfg.Event = func(string, tool.Event) {}
	}
	if cfg.Executing == nil {
		cfg.Executing = func(Record, tool.Exec) {}
	}
	if cfg.Progress == nil {
		cfg.Progress = func(Record, tool.Progress) {}
	}
}

func (l Limits) complete() Limits {
	setDefault(&l.MaxClients, defaultMaxClients)
	setDefault(&l.MaxStdout, defaultMaxStdout)
	setDefault(&l.MaxStderr, defaultMaxStderr)
	return l
}

func (l Limits) validate() error {
	if l.MaxClients < 0 || l.MaxStdout < 0 || l.MaxStderr < 0 {
		return fmt.Errorf("router: Limits are %+v; none must be negative", l)
	}
	return nil
}

// validate reports everything that is wrong at once.
func (cfg Config) validate() error {
	var errs []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("router: "+format, args...))
		}
	}
	refuse(cfg.Catalog == nil, "Catalog is required")
	refuse(cfg.Authorize == nil, "Authorize is required")
	refuse(cfg.Scope == nil, "Scope is required")
	refuse(cfg.Lookup == nil, "Lookup is required")
	refuse(cfg.MaxTimeout < 0, "MaxTimeout is %v; it must not be negative", cfg.MaxTimeout)
	refuse(cfg.Grace < 0, "Grace is %v; it must not be negative", cfg.Grace)
	return errors.Join(append(errs, cfg.Limits.validate())...)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// inForce are the settings of a tool with a floor under each number: a catalog that was put together by
// hand, with zeros, gets the narrowest working tool and not an unbounded one. The exception is a rate of
// zero, which means no limit.
func inForce(s catalog.Settings) catalog.Settings {
	s.Concurrency, s.QueueLength = max(s.Concurrency, 1), max(s.QueueLength, 0)
	s.Breaker.Threshold, s.Breaker.Trials = max(s.Breaker.Threshold, 1), max(s.Breaker.Trials, 1)
	if s.Breaker.Recovery <= 0 {
		s.Breaker.Recovery = time.Minute
	}
	s.Breaker.Multiplier = max(s.Breaker.Multiplier, 1)
	s.Breaker.Jitter = min(max(s.Breaker.Jitter, 0), 1)
	if s.DefaultTimeout <= 0 {
		s.DefaultTimeout = 300 * time.Second
	}
	if s.MaxTimeout <= 0 {
		s.MaxTimeout = s.DefaultTimeout
	}
	return s
}
