package config

import (
	"cmp"
	"encoding/json"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// MaxTimeout is the longest that any call may run.
const MaxTimeout = 3600 * time.Second

// PluginPolicy is what a plugin is told with Configure, its own section of the configuration included.
func (c Config) PluginPolicy(name string) tool.Policy {
	p := c.ScopePolicy()
	policy := tool.Policy{
		AllowIntrusive: c.Security.AllowIntrusive, Networks: p.Networks, Suffixes: p.Suffixes,
		MaxNetworkSize: p.MaxAddresses,
		MaxPortRanges:  c.Security.MaxPortRanges, MaxArgsLength: c.Security.MaxArgsLength,
		MaxMemory: uint64(c.Limits.MaxMemoryMB) << 20, MaxOpenFiles: uint64(c.Limits.MaxFileDescriptors),
	}
	if own, ok := c.Plugins.Config[name]; ok {
		if raw, err := json.Marshal(own); err == nil { // Read let nothing in that JSON cannot hold
			policy.Config = raw
		}
	}
	return policy
}

// Settings resolves the numbers of one tool: its own section, else what it says of itself, else the defaults.
func (c Config) Settings(s tool.Spec) catalog.Settings {
	e := c.Tools[s.Name]
	set := catalog.Settings{
		Enabled:        pick(e.Enabled, true),
		Concurrency:    pick(e.Concurrency, cmp.Or(s.Concurrency, c.Tool.DefaultConcurrency)),
		QueueLength:    pick(e.QueueLength, c.Tool.QueueLength),
		DefaultTimeout: seconds(e.DefaultTimeout, cmp.Or(s.DefaultTimeout, c.Tool.DefaultTimeout.Duration())),
		MaxTimeout:     seconds(e.MaxTimeout, cmp.Or(s.MaxTimeout, MaxTimeout)),
		Breaker:        c.breaker(s, e),
		RateRequests:   pick(e.RateRequests, c.RateLimit.Requests),
		RatePer:        seconds(e.RatePer, c.RateLimit.Per.Duration()),
	}
	set.MaxTimeout = min(max(set.MaxTimeout, time.Second), MaxTimeout)
	set.DefaultTimeout = min(max(set.DefaultTimeout, time.Second), set.MaxTimeout)
	return set
}

// breaker takes a tool at its word about its own rest, which no range of the file binds; the rest never
// grows to less than it begins with.
func (c Config) breaker(s tool.Spec, e Each) catalog.Breaker {
	host := c.CircuitBreaker
	b := catalog.Breaker{
		Threshold:  pick(e.FailureThreshold, cmp.Or(s.Breaker.Threshold, host.FailureThreshold)),
		Recovery:   seconds(e.RecoveryTimeout, cmp.Or(s.Breaker.Recovery, host.RecoveryTimeout.Duration())),
		Trials:     host.HalfOpenSuccessThreshold,
		Multiplier: host.RecoveryMultiplier,
		Jitter:     host.RecoveryJitter,
	}
	b.MaxRecovery = max(b.Recovery, host.MaxRecoveryTimeout.Duration())
	return b
}

func pick[T any](set *T, otherwise T) T {
	if set != nil {
		return *set
	}
	return otherwise
}

func seconds(set *Seconds, otherwise time.Duration) time.Duration {
	if set != nil {
		return set.Duration()
	}
	return otherwise
}
