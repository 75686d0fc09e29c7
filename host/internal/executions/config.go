package executions

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"
)

// What a zero in [Limits] means.
const (
	DefaultMaxAge    = 7 * 24 * time.Hour
	DefaultMaxCount  = 1000
	DefaultMaxBytes  = 256 << 20
	defaultMaxStdout = 1 << 20
	defaultMaxStderr = 256 << 10
)

// Limits bound what is kept of executions that have ended, and what is captured of each. The oldest ends go
// first; where there are too many, or too many bytes, it is of the kind that takes more room, detached or
// not: a thousand pings do not push out last night's scan. Of a database that is shared, the last host to
// look applies its own.
type Limits struct {
	MaxAge   time.Duration // since the end; zero: 7 days
	MaxCount int           // zero: 1000
	MaxBytes int64         // of all of them together, as stored; zero: 256 MiB

	// MaxStdout and MaxStderr are the bytes captured of each stream of one execution; zero: 1 MiB and 256
	// KiB.
	MaxStdout, MaxStderr int64
}

// Config is what a book is made of.
type Config struct {
	// Dir is the state directory, an absolute path, made with mode 0700 when it is not there; empty: memory
	// only. What is in it: executions.db (and what SQLite puts beside it), executions.lock,
	// executions.hosts/.
	Dir string
	// Limits are in force until [Book.SetLimits].
	Limits
	// Logger is told when the database ceases to work and when it works again; nil: nobody is.
	Logger *slog.Logger
}

func (cfg Config) complete() (Config, error) {
	if cfg.Dir != "" && !filepath.IsAbs(cfg.Dir) {
		return Config{}, fmt.Errorf("executions: the directory %q is no absolute path", cfg.Dir)
	}
	if err := cfg.Limits.validate(); err != nil {
		return Config{}, err
	}
	cfg.Limits = cfg.Limits.complete()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return cfg, nil
}

func (l Limits) validate() error {
	var errs []error
	refuse := func(bad bool, name string, value any) {
		if bad {
			errs = append(errs, fmt.Errorf("executions: %s is %v; it must not be negative", name, value))
		}
	}
	refuse(l.MaxAge < 0, "MaxAge", l.MaxAge)
	refuse(l.MaxCount < 0, "MaxCount", l.MaxCount)
	refuse(l.MaxBytes < 0, "MaxBytes", l.MaxBytes)
	refuse(l.MaxStdout < 0, "MaxStdout", l.MaxStdout)
	refuse(l.MaxStderr < 0, "MaxStderr", l.MaxStderr)
	return errors.Join(errs...)
}

func (l Limits) complete() Limits {
	setDefault(&l.MaxAge, DefaultMaxAge)
	setDefault(&l.MaxCount, DefaultMaxCount)
	setDefault(&l.MaxBytes, DefaultMaxBytes)
	setDefault(&l.MaxStdout, defaultMaxStdout)
	setDefault(&l.MaxStderr, defaultMaxStderr)
	return l
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// room is what executions that have ended take, those that are not detached first.
type room struct {
	count [2]int
	bytes [2]int64
}

func (r *room) add(class int, n int, bytes int64) {
	r.count[class] += n
	r.bytes[class] += bytes
}

// victim is the class of which the oldest must go, if one must. It is the one that takes more, so that either
// has half of the room whatever the other does.
func (l Limits) victim(r room) (class int, over bool) {
	switch {
	case r.count[0]+r.count[1] > l.MaxCount:
		return larger(int64(r.count[0]), int64(r.count[1])), true
	case r.bytes[0]+r.bytes[1] > l.MaxBytes:
		return larger(r.bytes[0], r.bytes[1]), true
	}
	return 0, false
}

func larger(attached, detached int64) int {
	if detached > attached {
		return 1
	}
	return 0
}

// class is the place of an execution in a room.
func (e *Execution) class() int {
	if e.Detached {
		return 1
	}
	return 0
}
