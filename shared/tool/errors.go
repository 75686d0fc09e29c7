package tool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Kind says what went wrong; there is one for each failure, and it is the `error_type` that callers see.
type Kind string

// The kinds, in the order of the way of a call. docs/api.md has the table with REST and MCP forms.
const (
	KindValidation        Kind = "validation_error"     // bad arguments or target, flag not allowed, too large
	KindOutOfScope        Kind = "out_of_scope"         // a target outside the allowed networks
	KindIntrusiveDenied   Kind = "intrusive_denied"     // needs allow_intrusive
	KindNeedsPrivilege    Kind = "needs_privilege"      // needs a right that the tool has not on this machine
	KindUnauthenticated   Kind = "unauthenticated"      // no credential, or a bad one
	KindForbidden         Kind = "forbidden"            // not for this client
	KindToolNotFound      Kind = "tool_not_found"       // no such tool
	KindDisabled          Kind = "disabled"             // switched off
	KindRateLimited       Kind = "rate_limited"         // the client's bucket is empty
	KindOverloaded        Kind = "overloaded"           // the tool's queue is full
	KindBreakerOpen       Kind = "circuit_breaker_open" // the tool failed too often; fails fast
	KindUnavailable       Kind = "unavailable"          // the plugin is down or starting, or died in this call
	KindNotFound          Kind = "not_found"            // the program that the tool runs is not installed
	KindTimeout           Kind = "timeout"              // ran past its deadline; partial output kept
	KindResourceExhausted Kind = "resource_exhausted"   // killed by a limit
	KindExecution         Kind = "execution_error"      // could not be run, or broke
	KindCancelled         Kind = "cancelled"            // the caller went away
	KindUnknown           Kind = "unknown"              // a bug or a panic
)

var kinds = []Kind{
	KindValidation, KindOutOfScope, KindIntrusiveDenied, KindNeedsPrivilege, KindUnauthenticated, KindForbidden,
	KindToolNotFound, KindDisabled, KindRateLimited, KindOverloaded, KindBreakerOpen, KindUnavailable, KindNotFound, KindTimeout,
	KindResourceExhausted, KindExecution, KindCancelled, KindUnknown,
}

// Kinds returns every kind.
func Kinds() []Kind { return slices.Clone(kinds) }

// Known reports whether k is one of the kinds of this version; a newer peer may send others.
func (k Kind) Known() bool { return slices.Contains(kinds, k) }

// InResult reports whether a failure of this kind is an outcome of a run, and therefore reported inside of a
// result (REST: status 200) and not in its place.
func (k Kind) InResult() bool {
	switch k {
	case KindNotFound, KindTimeout, KindResourceExhausted, KindExecution:
		return true
	}
	return false
}

// Error is the one error type of Gatehouse. It changes its form at exactly two places, the wire and the door.
type Error struct {
	Kind       Kind           `json:"error_type"`
	Message    string         `json:"message"`
	Suggestion string         `json:"recovery_suggestion,omitempty"`
	Time       time.Time      `json:"timestamp"` // UTC
	Tool       string         `json:"tool,omitempty"`
	Target     string         `json:"target,omitempty"` // as the caller wrote it
	RetryAfter time.Duration  `json:"-"`                // true wait; zero: not known or of no use
	Metadata   map[string]any `json:"metadata,omitempty"`

	cause error
}

var _ error = (*Error)(nil)

// Errorf makes an error of a kind; %w keeps the cause for errors.Is and errors.As.
func Errorf(k Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: k, Message: err.Error(), Time: time.Now().UTC(), cause: errors.Unwrap(err)}
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.cause }

// Suggest sets what the reader can do next, and returns e.
func (e *Error) Suggest(format string, args ...any) *Error {
	e.Suggestion = fmt.Sprintf(format, args...)
	return e
}

// With adds a fact to the metadata, and returns e. The value must be a JSON value.
func (e *Error) With(key string, value any) *Error {
	if e.Metadata == nil {
		e.Metadata = make(map[string]any)
	}
	e.Metadata[key] = value
	return e
}

// About returns a copy of e that names the tool and the target where it named none: an error is shared by
// nobody who might still write to it.
func (e *Error) About(tool, target string) *Error {
	c := *e
	c.Metadata = maps.Clone(e.Metadata)
	if c.Tool == "" {
		c.Tool = tool
	}
	if c.Target == "" {
		c.Target = target
	}
	if c.Time.IsZero() {
		c.Time = time.Now().UTC()
	}
	return &c
}

// AsError turns any error into an [*Error]: one in its chain, or a new one whose kind follows from the
// cause. It returns nil for nil.
func AsError(err error) *Error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.Canceled):
		return Errorf(KindCancelled, "the call was cancelled: %w", err)
	case errors.Is(err, context.DeadlineExceeded):
		return Errorf(KindTimeout, "the call ran past its deadline: %w", err)
	default:
		return Errorf(KindUnknown, "internal error: %w", err)
	}
}

// KindOf returns the kind of an error, and "" for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	return AsError(err).Kind
}
