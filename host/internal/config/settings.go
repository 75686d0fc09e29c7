package config

import (
	"cmp"
	"encoding/json"
	"reflect"
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
		AllowIntrusive: c.Security.AllowIntrusive == IntrusiveYes, Networks: p.Networks, Suffixes: p.Suffixes,
		Hosts:          c.Hosts(),
		MaxNetworkSize: p.MaxAddresses,
		MaxPortRanges:  c.Security.MaxPortRanges, MaxArgsLength: c.Security.MaxArgsLength,
		RunAs: c.Sandbox.RunAs, Require: c.Sandbox.Require,
		MaxMemory: uint64(c.Limits.MaxMemoryMB) << 20, MaxOpenFiles: uint64(c.Limits.MaxFileDescriptors),
	}
	if own, ok := c.Plugins.Config[name]; ok {
		if raw, err := json.Marshal(own); err == nil { // Read let nothing in that JSON cannot hold
			policy.Config = raw
		}
	}
	return policy
}

// The keys that hold for every tool, and of which a tool may bring a number of its own. They beat it when
// somebody set them, and yield to it as defaults, so that it matters who said them.
const (
	keyTimeout     = "tool.default_timeout"
	keyConcurrency = "tool.default_concurrency"
	keyThreshold   = "circuit_breaker.failure_threshold"
	keyRecovery    = "circuit_breaker.recovery_timeout"
	keyMaxRecovery = "circuit_breaker.max_recovery_timeout" // bounds a rest that a tool brings
)

var yielding = []string{keyTimeout, keyConcurrency, keyThreshold, keyRecovery, keyMaxRecovery}

// said reports whether somebody set a key, be it to its default.
func (l Loaded) said(key string) bool {
	kind := l.Origins[key].Kind
	return kind != "" && kind != FromDefault
}

// Same reports whether two configurations mean the same: all values are equal, and what yields to a tool's
// own number in one does so in the other.
func (l Loaded) Same(other Loaded) bool {
	for _, key := range yielding {
		if l.said(key) != other.said(key) {
			return false
		}
	}
	return reflect.DeepEqual(l.Config, other.Config)
}

// Settings resolves the numbers of one tool. Of each number the first holds that was said: in the tool's own
// section, for all tools, by the tool of itself; else the default.
func (l Loaded) Settings(s tool.Spec) catalog.Settings {
	c, e := l.Config, l.Config.Tools[s.Name]
	timeout := l.duration(keyTimeout, c.Tool.DefaultTimeout, s.DefaultTimeout)
	set := catalog.Settings{
		Enabled:        pick(e.Enabled, true),
		Concurrency:    pick(e.Concurrency, closer(l, keyConcurrency, c.Tool.DefaultConcurrency, s.Concurrency)),
		QueueLength:    pick(e.QueueLength, c.Tool.QueueLength),
		DefaultTimeout: seconds(e.DefaultTimeout, timeout),
		MaxTimeout:     seconds(e.MaxTimeout, cmp.Or(s.MaxTimeout, MaxTimeout)),
		Breaker:        l.breaker(s, e),
		RateRequests:   pick(e.RateRequests, c.RateLimit.Requests),
		RatePer:        seconds(e.RatePer, c.RateLimit.Per.Duration()),
	}
	set.MaxTimeout = min(max(set.MaxTimeout, time.Second), MaxTimeout)
	set.DefaultTimeout = min(max(set.DefaultTimeout, time.Second), set.MaxTimeout)
	return set
}

// breaker takes a tool at its word about its own rest, which no range of the file binds, up to a maximum
// that somebody set. Where nobody did, a longer one stays as it is, and does not grow.
func (l Loaded) breaker(s tool.Spec, e Each) catalog.Breaker {
	all := l.Config.CircuitBreaker
	b := catalog.Breaker{
		Threshold: pick(e.FailureThreshold,
			closer(l, keyThreshold, all.FailureThreshold, s.Breaker.Threshold)),
		Recovery:    seconds(e.RecoveryTimeout, l.duration(keyRecovery, all.RecoveryTimeout, s.Breaker.Recovery)),
		Trials:      pick(e.HalfOpenSuccessThreshold, all.HalfOpenSuccessThreshold),
		Multiplier:  pick(e.RecoveryMultiplier, all.RecoveryMultiplier),
		MaxRecovery: seconds(e.MaxRecoveryTimeout, all.MaxRecoveryTimeout.Duration()),
		Jitter:      pick(e.RecoveryJitter, all.RecoveryJitter),
	}
	if e.MaxRecoveryTimeout != nil || l.said(keyMaxRecovery) {
		b.Recovery = min(b.Recovery, b.MaxRecovery)
	}
	b.MaxRecovery = max(b.MaxRecovery, b.Recovery)
	return b
}

// closer is the value of a key when somebody set it, else what the tool says, else the default.
func closer[T comparable](l Loaded, key string, all, own T) T {
	if l.said(key) {
		return all
	}
	return cmp.Or(own, all)
}

func (l Loaded) duration(key string, all Seconds, own time.Duration) time.Duration {
	return closer(l, key, all.Duration(), own)
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
