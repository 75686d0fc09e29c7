package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/scope"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// MaxTimeout is the longest that any call may run.
const MaxTimeout = 3600 * time.Second

// validate reports everything that is impossible, at once.
func (c Config) validate() error {
	v := &problems{}
	v.oneOf("server.transport", c.Server.Transport, "stdio", "http")
	v.number("server.port", float64(c.Server.Port), 0, 65535)
	v.number("server.max_connections", float64(c.Server.MaxConnections), 1, 100_000)
	v.number("server.shutdown_grace_period", float64(c.Server.ShutdownGracePeriod), 0, 3600)
	if dir := c.Server.StateDir; dir != "" && !filepath.IsAbs(dir) {
		v.add("server.state_dir: %q must be an absolute path", dir)
	}
	v.number("security.max_network_size", float64(c.Security.MaxNetworkSize), 1, 1<<16)
	v.number("security.max_port_ranges", float64(c.Security.MaxPortRanges), 1, 1000)
	v.number("security.max_args_length", float64(c.Security.MaxArgsLength), 1, 2048)
	v.number("tool.default_timeout", float64(c.Tool.DefaultTimeout), 1, MaxTimeout.Seconds())
	v.number("tool.default_concurrency", float64(c.Tool.DefaultConcurrency), 1, 1000)
	v.number("limits.max_stdout_bytes", float64(c.Limits.MaxStdoutBytes), 1, 64<<20)
	v.number("limits.max_stderr_bytes", float64(c.Limits.MaxStderrBytes), 1, 64<<20)
	v.number("limits.max_memory_mb", float64(c.Limits.MaxMemoryMB), 64, 1<<20)
	v.number("limits.max_file_descriptors", float64(c.Limits.MaxFileDescriptors), 16, 1<<20)
	v.number("circuit_breaker.failure_threshold", float64(c.CircuitBreaker.FailureThreshold), 1, 10)
	v.number("circuit_breaker.recovery_timeout", float64(c.CircuitBreaker.RecoveryTimeout), 1, 600)
	v.number("rate_limit.requests", float64(c.RateLimit.Requests), 1, 1e6)
	v.number("rate_limit.per", float64(c.RateLimit.Per), 1, 86400)
	v.number("rate_limit.max_clients", float64(c.RateLimit.MaxClients), 1, 1e6)
	v.number("plugins.start_timeout", float64(c.Plugins.StartTimeout), 1, 300)
	v.oneOf("auth.mode", c.Auth.Mode, AuthToken, AuthNone)
	v.oneOf("logging.level", strings.ToUpper(c.Logging.Level), "DEBUG", "INFO", "WARN", "WARNING", "ERROR")
	v.oneOf("logging.format", c.Logging.Format, "structured", "simple")
	v.globs("tool.include", c.Tool.Include)
	v.globs("tool.exclude", c.Tool.Exclude)
	c.validateHosts(v)
	c.validateTokens(v)
	c.validateTools(v)
	return errors.Join(v.found...)
}

func (c Config) validateHosts(v *problems) {
	for name, addrs := range c.Scope.Hosts {
		for _, a := range addrs {
			if _, err := netip.ParseAddr(a); err != nil {
				v.add("scope.hosts.%s: %q is not an IP address", name, a)
			}
		}
	}
	for _, s := range c.Scope.AllowedSuffixes {
		if t, err := scope.Parse(strings.TrimPrefix(s, ".")); err != nil || t.Name == "" {
			v.add("scope.allowed_suffixes: %q is not a domain name, such as lab.internal", s)
		}
	}
}

// emptyHash is what sha256sum makes of a variable that was not set.
var emptyHash = sha256.Sum256(nil)

func (c Config) validateTokens(v *problems) {
	seen := make(map[string]bool)
	sums := map[string]bool{string(emptyHash[:]): true}
	for i, t := range c.Auth.Tokens {
		if !tool.ValidName(t.Name) || t.Name == "stdio" || seen[t.Name] {
			v.add("auth.tokens[%d].name: %q must be unique, of [A-Za-z0-9_-], and not \"stdio\"", i, t.Name)
		}
		seen[t.Name] = true
		sum, err := hex.DecodeString(t.SHA256)
		switch {
		case err != nil || len(sum) != sha256.Size:
			v.add("auth.tokens[%d].sha256: must be 64 hexadecimal digits; make them with: printf %%s TOKEN | sha256sum", i)
		case sums[string(sum)]:
			v.add("auth.tokens[%d].sha256: is the hash of another token, or of no text at all", i)
		}
		sums[string(sum)] = true
		v.oneOf(fmt.Sprintf("auth.tokens[%d].role", i), cmp.Or(t.Role, "caller"), "viewer", "caller", "admin")
		v.globs(fmt.Sprintf("auth.tokens[%d].tools", i), t.Tools)
	}
}

func (c Config) validateTools(v *problems) {
	for name, e := range c.Tools {
		key := "tools." + name
		if !tool.ValidName(name) {
			v.add("%s: a tool's name has 1 to 64 characters of [A-Za-z0-9_-]", key)
		}
		optional(v, key+".concurrency", e.Concurrency, 1, 1000)
		optional(v, key+".default_timeout", e.DefaultTimeout, 1, MaxTimeout.Seconds())
		optional(v, key+".max_timeout", e.MaxTimeout, 1, MaxTimeout.Seconds())
		optional(v, key+".failure_threshold", e.FailureThreshold, 1, 10)
		optional(v, key+".recovery_timeout", e.RecoveryTimeout, 1, 600)
		optional(v, key+".rate_requests", e.RateRequests, 1, 1e6)
		optional(v, key+".rate_per", e.RatePer, 1, 86400)
	}
}

// problems collects what is wrong.
type problems struct{ found []error }

func (p *problems) add(format string, args ...any) {
	p.found = append(p.found, fmt.Errorf(format, args...))
}

// number is written so that NaN is refused too.
func (p *problems) number(key string, value, least, most float64) {
	if !(value >= least && value <= most) {
		plain := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
		p.add("%s: %s is out of range; allowed are %s to %s", key, plain(value), plain(least), plain(most))
	}
}

func (p *problems) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		p.add("%s: %q is not one of %s", key, value, strings.Join(allowed, ", "))
	}
}

func (p *problems) globs(key string, patterns []string) {
	for _, g := range patterns {
		if _, err := path.Match(g, ""); err != nil {
			p.add("%s: %q is not a pattern: %w", key, g, err)
		}
	}
}

func optional[T ~int | ~float64](p *problems, key string, value *T, least, most float64) {
	if value != nil {
		p.number(key, float64(*value), least, most)
	}
}

// ScopePolicy is the scope in force.
func (c Config) ScopePolicy() scope.Policy {
	p := scope.Policy{Networks: scope.RFC1918(), MaxAddresses: c.Security.MaxNetworkSize}
	if c.Scope.AllowLoopback {
		p.Networks = append(p.Networks, scope.Loopback())
	}
	for _, s := range c.Scope.AllowedSuffixes {
		p.Suffixes = append(p.Suffixes, strings.ToLower(strings.TrimPrefix(s, ".")))
	}
	return p
}

// Hosts is the static table of names.
func (c Config) Hosts() map[string][]netip.Addr {
	hosts := make(map[string][]netip.Addr, len(c.Scope.Hosts))
	for name, addrs := range c.Scope.Hosts {
		for _, a := range addrs {
			hosts[strings.ToLower(name)] = append(hosts[strings.ToLower(name)], netip.MustParseAddr(a)) // validated
		}
	}
	return hosts
}

// PluginPolicy is what a plugin is told with Configure.
func (c Config) PluginPolicy(string) tool.Policy {
	p := c.ScopePolicy()
	return tool.Policy{
		AllowIntrusive: c.Security.AllowIntrusive, Networks: p.Networks, Suffixes: p.Suffixes,
		MaxNetworkSize: p.MaxAddresses, MaxPortRanges: c.Security.MaxPortRanges, MaxArgsLength: c.Security.MaxArgsLength,
		MaxMemory: uint64(c.Limits.MaxMemoryMB) << 20, MaxOpenFiles: uint64(c.Limits.MaxFileDescriptors),
	}
}

// Settings resolves the numbers of one tool: its own section, else what it says of itself, else the defaults.
func (c Config) Settings(s tool.Spec) catalog.Settings {
	e := c.Tools[s.Name]
	set := catalog.Settings{
		Enabled:          pick(e.Enabled, true),
		Concurrency:      pick(e.Concurrency, cmp.Or(s.Concurrency, c.Tool.DefaultConcurrency)),
		DefaultTimeout:   seconds(e.DefaultTimeout, cmp.Or(s.DefaultTimeout, c.Tool.DefaultTimeout.Duration())),
		MaxTimeout:       seconds(e.MaxTimeout, cmp.Or(s.MaxTimeout, MaxTimeout)),
		BreakerThreshold: pick(e.FailureThreshold, cmp.Or(s.Breaker.Threshold, c.CircuitBreaker.FailureThreshold)),
		BreakerRecovery:  seconds(e.RecoveryTimeout, cmp.Or(s.Breaker.Recovery, c.CircuitBreaker.RecoveryTimeout.Duration())),
		RateRequests:     pick(e.RateRequests, c.RateLimit.Requests),
		RatePer:          seconds(e.RatePer, c.RateLimit.Per.Duration()),
	}
	set.MaxTimeout = min(max(set.MaxTimeout, time.Second), MaxTimeout)
	set.DefaultTimeout = min(max(set.DefaultTimeout, time.Second), set.MaxTimeout)
	return set
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
