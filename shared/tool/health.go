package tool

import (
	"context"
	"regexp"
)

// HealthStatus is how a check came out.
type HealthStatus string

// The outcomes of a check.
const (
	Healthy   HealthStatus = "healthy"
	Degraded  HealthStatus = "degraded"
	Unhealthy HealthStatus = "unhealthy"
)

// HealthPriority says how much a check weighs in the host's health.
type HealthPriority string

// The priorities. A plugin's checks weigh at most as important: what is critical to the host, the host knows.
const (
	Important     HealthPriority = "important"     // unhealthy or degraded: the host is degraded
	Informational HealthPriority = "informational" // counts only when all of this priority fail
)

// HealthCheck is one thing that a plugin looked at: a program that it needs, a right, a file, a service.
type HealthCheck struct {
	Name     string         `json:"name"` // [A-Za-z0-9_.:-], 1 to 64 characters, such as "nmap" or "signatures.age"
	Tool     string         `json:"tool,omitempty"`
	Status   HealthStatus   `json:"status"`
	Priority HealthPriority `json:"priority"`
	Message  string         `json:"message"`       // one line for people: what was found
	Fix      string         `json:"fix,omitempty"` // what a person does about it; empty: nothing is wrong
}

// HealthChecker is what a [Handler] may be besides: it looks at what its tools need. The host asks in the
// background, never on the way of a call.
type HealthChecker interface {
	// CheckHealth looks now, within the deadline of ctx. It executes no tool.
	CheckHealth(ctx context.Context) ([]HealthCheck, error)
}

// Limits of what a plugin may say about its health. A host drops what is beyond them.
const (
	MaxHealthChecks = 64
	MaxHealthText   = 512 // bytes of Message, and of Fix
)

var healthNameRE = regexp.MustCompile(`\A[A-Za-z0-9_.:-]{1,64}\z`)

// ValidHealthName reports whether s can be the name of a check. A plugin's checks are told apart by Tool and
// Name together.
func ValidHealthName(s string) bool { return healthNameRE.MatchString(s) }
