package call

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/scope"
)

// What a zero in [Config] means.
const (
	defaultMaxClients  = 1000
	defaultQueueLength = 16
	defaultMaxTimeout  = time.Hour
	defaultGrace       = 5 * time.Second // SIGTERM, 2 s, SIGKILL, and time to say so
	defaultMaxStdout   = 1 << 20
	defaultMaxStderr   = 256 << 10
)

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

	// MaxClients is how many token buckets are kept, one for each client and tool; zero: 1000. The one that
	// was unused for longest gives way, and comes back full.
	MaxClients int
	// QueueLength is how many calls may wait for a slot of one tool; zero: 16.
	QueueLength int
	// MaxTimeout is the most time that any call gets; zero: one hour.
	MaxTimeout time.Duration
	// Grace is how long after a call's deadline the host waits for the plugin's own end of it; zero: 5 s.
	Grace time.Duration
	// MaxStdout and MaxStderr are the bytes kept of each stream; zero: 1 MiB and 256 KiB.
	MaxStdout, MaxStderr int64

	// Started is told when a call has passed every gate and its handler is about to be asked; nil: nobody is.
	// The call's Record says so too (Ran), so that who counts up here can count down there.
	Started func(tool string)
	// Finished gets the record of each call and plan, exactly once, refused ones too; nil: nobody does.
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
	setDefault(&cfg.MaxClients, defaultMaxClients)
	setDefault(&cfg.QueueLength, defaultQueueLength)
	setDefault(&cfg.MaxTimeout, defaultMaxTimeout)
	setDefault(&cfg.Grace, defaultGrace)
	setDefault(&cfg.MaxStdout, defaultMaxStdout)
	setDefault(&cfg.MaxStderr, defaultMaxStderr)
	if cfg.Started == nil {
		cfg.Started = func(string) {}
	}
	if cfg.Finished == nil {
		cfg.Finished = func(Record) {}
	}
	if cfg.BreakerChanged == nil {
		cfg.BreakerChanged = func(string, BreakerState) {}
	}
	if cfg.NewID == nil {
		cfg.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	return cfg, nil
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
	refuse(cfg.MaxClients < 0, "MaxClients is %d; it must not be negative", cfg.MaxClients)
	refuse(cfg.QueueLength < 0, "QueueLength is %d; it must not be negative", cfg.QueueLength)
	refuse(cfg.MaxTimeout < 0, "MaxTimeout is %v; it must not be negative", cfg.MaxTimeout)
	refuse(cfg.Grace < 0, "Grace is %v; it must not be negative", cfg.Grace)
	refuse(cfg.MaxStdout < 0, "MaxStdout is %d; it must not be negative", cfg.MaxStdout)
	refuse(cfg.MaxStderr < 0, "MaxStderr is %d; it must not be negative", cfg.MaxStderr)
	return errors.Join(errs...)
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
	s.Concurrency = max(s.Concurrency, 1)
	s.BreakerThreshold = max(s.BreakerThreshold, 1)
	if s.BreakerRecovery <= 0 {
		s.BreakerRecovery = time.Minute
	}
	if s.DefaultTimeout <= 0 {
		s.DefaultTimeout = 300 * time.Second
	}
	if s.MaxTimeout <= 0 {
		s.MaxTimeout = s.DefaultTimeout
	}
	return s
}
