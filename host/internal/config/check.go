package config

import (
	"fmt"
	"math"
	"net/netip"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/shared/scope"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// check reports what is impossible in values that are right each for itself.
func (l *loader) check(c Config) {
	l.absolute("server.state_dir", c.Server.StateDir)
	l.absolute("audit.dir", c.Audit.Dir)
	l.absolute("logging.file_path", c.Logging.FilePath)
	l.globs("tool.include", c.Tool.Include)
	l.globs("tool.exclude", c.Tool.Exclude)
	l.checkPorts(c)
	l.checkBreakers(c)
	l.checkScope(c)
	l.checkDoors(c)
	l.checkTLS(c)
	l.checkExposure(c)
	l.checkAuth(c.Auth)
	l.checkOIDC(c)
	l.checkSandbox(c.Sandbox)
	l.checkPluginUser(c.Plugins.RunAs)
	for name := range sorted(c.Tools) {
		l.name("tools."+name, name, "tool")
	}
	for name := range sorted(c.Plugins.Config) {
		l.name("plugins.config."+name, name, "plugin")
	}
	for i, d := range c.Health.Dependencies {
		if !filepath.IsAbs(d) && (!programRE.MatchString(d) || strings.Trim(d, ".") == "") {
			l.problem(fmt.Sprintf("health.dependencies[%d]", i),
				"%s is neither the name of a program nor an absolute path; allowed: [A-Za-z0-9._+-], or /...", quote(d))
		}
	}
}

// checkSandbox looks at the form alone: whether there is such a user, and which layers this machine has, the
// plugins find out.
func (l *loader) checkSandbox(s Sandbox) {
	if !isUser(s.RunAs) {
		l.problem("sandbox.run_as", "%s is no user; allowed: auto, none, the name of a user, or uid:gid",
			quote(s.RunAs))
	}
	for i, name := range s.Require {
		if !layerRE.MatchString(name) {
			l.problem(fmt.Sprintf("sandbox.require[%d]", i),
				"%s is no name of a layer; gatehouse doctor names those of this machine", quote(name))
		}
	}
}

// checkPluginUser looks at the form alone too. The words of sandbox.run_as would pass for names of users.
func (l *loader) checkPluginUser(user string) {
	if user != "" && (!isUser(user) || user == "auto" || user == "none") {
		l.problem("plugins.run_as", "%s is no user; allowed: the name of a user, uid:gid, or an empty text",
			quote(user))
	}
}

// isUser reports whether a text has the form of a user. The highest number means "none" to the kernel.
func isUser(user string) bool {
	if !runAsRE.MatchString(user) {
		return false
	}
	uid, gid, numbers := strings.Cut(user, ":")
	for _, text := range []string{uid, gid} {
		if n, err := strconv.ParseUint(text, 10, 32); numbers && (err != nil || n == math.MaxUint32) {
			return false
		}
	}
	return true
}

var (
	runAsRE = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_.-]{0,31}|[0-9]{1,10}:[0-9]{1,10})$`)
	layerRE = regexp.MustCompile(`^[A-Za-z][A-Za-z -]{0,63}$`)
)

var programRE = regexp.MustCompile(`^[A-Za-z0-9._+-]+$`)

// problem notes what is wrong with a key, where its value came from.
func (l *loader) problem(key, format string, args ...any) {
	if !l.seen[key] {
		l.add(l.place(key), key, format, args...)
	}
}

// spoken is the first of some keys that somebody set; else the first.
func (l *loader) spoken(keys ...string) string {
	for _, key := range keys {
		if l.from[key].Kind != "" {
			return key
		}
	}
	return keys[0]
}

func (l *loader) absolute(key, path string) {
	if path != "" && !filepath.IsAbs(path) {
		l.problem(key, "%s is relative; allowed: an absolute path, or none", quote(path))
	}
}

func (l *loader) name(key, name, what string) {
	if !tool.ValidName(name) {
		l.problem(key, "is no name of a %s; allowed: 1 to %d characters of [A-Za-z0-9_-]", what, tool.MaxNameLength)
	}
}

func (l *loader) globs(key string, patterns []string) {
	for i, g := range patterns {
		if _, err := path.Match(g, ""); err != nil || g == "" {
			l.problem(fmt.Sprintf("%s[%d]", key, i),
				"%s is not a pattern; allowed: names, with *, ? and [a-z]", quote(g))
		}
	}
}

// checkBreakers looks whether each rest fits under its maximum: for all tools, and for each that has one of
// the two for itself.
func (l *loader) checkBreakers(c Config) {
	const rest, most = "recovery_timeout", "max_recovery_timeout"
	all := c.CircuitBreaker
	l.checkRest(l.spoken("circuit_breaker."+rest, "circuit_breaker."+most), rest, all.RecoveryTimeout, most,
		all.MaxRecoveryTimeout)
	for name, e := range sorted(c.Tools) {
		own := "tools." + name + "."
		switch {
		case e.RecoveryTimeout != nil && e.MaxRecoveryTimeout != nil:
			l.checkRest(own+rest, rest, *e.RecoveryTimeout, most, *e.MaxRecoveryTimeout)
		case e.RecoveryTimeout != nil:
			l.checkRest(own+rest, rest, *e.RecoveryTimeout, "circuit_breaker."+most, all.MaxRecoveryTimeout)
		case e.MaxRecoveryTimeout != nil:
			l.checkRest(own+most, "circuit_breaker."+rest, all.RecoveryTimeout, most, *e.MaxRecoveryTimeout)
		}
	}
}

func (l *loader) checkRest(key, restName string, rest Seconds, mostName string, most Seconds) {
	if rest > most {
		l.problem(key, "%s %v is above %s %v; raise the latter, or lower the former", restName, rest, mostName,
			most)
	}
}

func (l *loader) checkScope(c Config) {
	for i, text := range c.Scope.AllowedNetworks {
		if _, err := network(text); err != nil {
			l.problem(fmt.Sprintf("scope.allowed_networks[%d]", i), "%v", err)
		}
	}
	for i, text := range c.Scope.AllowedSuffixes {
		if _, err := suffix(text); err != nil {
			l.problem(fmt.Sprintf("scope.allowed_suffixes[%d]", i), "%v", err)
		}
	}
	for name, addrs := range sorted(c.Scope.Hosts) {
		if t, err := scope.Parse(name); err != nil || t.Name == "" {
			l.problem("scope.hosts."+name, "is not a domain name, such as db.lab.internal")
		}
		for i, a := range addrs {
			if _, err := netip.ParseAddr(a); err != nil {
				l.problem(fmt.Sprintf("scope.hosts.%s[%d]", name, i), "%s is not an IP address", quote(a))
			}
		}
	}
	l.checkTargets(c)
}

// checkTargets looks at the old form of the scope, which stands for two keys of the new one.
func (l *loader) checkTargets(c Config) {
	const key = "security.allowed_targets"
	if len(c.Security.AllowedTargets) == 0 {
		return
	}
	for _, other := range []string{"scope.allowed_networks", "scope.allowed_suffixes"} {
		given := l.from[other].Kind != ""
		if given && (other != "scope.allowed_networks" || len(c.Scope.AllowedNetworks) > 0) {
			l.problem(key, "says the same as %s, and both are given; keep one of them", other)
		}
	}
	networks := 0
	for i, text := range c.Security.AllowedTargets {
		t, err := parseTarget(text)
		if err != nil {
			l.problem(fmt.Sprintf("%s[%d]", key, i), "%v", err)
		}
		networks += len(t.networks)
	}
	if networks == 0 {
		l.warn(key, l.from[key], "%s: names no network, so that nothing but loopback can be touched; add RFC1918 "+
			"or networks (from %v)", key, l.from[key])
	}
}
