package config

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/shared/scope"
)

// ScopePolicy is the scope in force.
func (c Config) ScopePolicy() scope.Policy {
	p := scope.Policy{MaxAddresses: c.Security.MaxNetworkSize}
	for _, t := range c.targets() {
		p.Networks = append(p.Networks, t.networks...)
		if t.suffix != "" {
			p.Suffixes = append(p.Suffixes, t.suffix)
		}
	}
	if c.Scope.AllowLoopback {
		p.Networks = append(p.Networks, scope.Loopback())
	}
	return p
}

// targets are what may be touched, in whichever form it was said. All was validated.
func (c Config) targets() []target {
	var all []target
	for _, text := range c.Security.AllowedTargets {
		t, _ := parseTarget(text)
		all = append(all, t)
	}
	if len(all) > 0 {
		return all
	}
	for _, text := range c.Scope.AllowedNetworks {
		if n, err := network(text); err == nil {
			all = append(all, target{networks: []netip.Prefix{n}})
		}
	}
	if len(c.Scope.AllowedNetworks) == 0 {
		all = append(all, target{networks: scope.RFC1918()})
	}
	for _, text := range c.Scope.AllowedSuffixes {
		s, _ := suffix(text)
		all = append(all, target{suffix: s})
	}
	return all
}

// target is one item of what may be touched.
type target struct {
	networks []netip.Prefix
	suffix   string
}

// parseTarget reads an item of security.allowed_targets.
func parseTarget(text string) (target, error) {
	name, wild := strings.CutPrefix(text, "*")
	switch {
	case strings.EqualFold(text, "RFC1918"):
		return target{networks: scope.RFC1918()}, nil
	case strings.HasPrefix(name, "."):
		s, err := suffix(name)
		return target{suffix: s}, err
	case wild:
		return target{}, fmt.Errorf("%s is not a suffix, such as *.lab.internal", quote(text))
	}
	n, err := network(text)
	if err != nil {
		return target{}, fmt.Errorf("%w; allowed besides: RFC1918, and suffixes such as .lab.internal", err)
	}
	return target{networks: []netip.Prefix{n}}, nil
}

// suffix reads a name below which others lie, with or without its dot in front.
func suffix(text string) (string, error) {
	t, err := scope.Parse(strings.TrimPrefix(text, "."))
	if err != nil || t.Name == "" {
		return "", fmt.Errorf("%s is not a domain name, such as lab.internal", quote(text))
	}
	return t.Name, nil
}

// network reads an address or a network of RFC 1918. One with bits of a host is refused: it is either a
// mistake in the address or one in the length.
func network(text string) (netip.Prefix, error) {
	t, err := scope.Parse(text)
	if err != nil || t.Name != "" {
		return netip.Prefix{}, fmt.Errorf("%s is not an IPv4 address or network, such as 10.0.0.0/8", quote(text))
	}
	if written, _, ok := strings.Cut(text, "/"); ok && written != t.Prefix.Addr().String() {
		return netip.Prefix{}, fmt.Errorf("%s has bits set behind its length; write %v, or the address alone",
			quote(text), t.Prefix)
	}
	if private := (scope.Policy{Networks: scope.RFC1918()}); !private.Contains(t.Prefix) {
		return netip.Prefix{}, fmt.Errorf("%s is outside of RFC 1918; allowed: networks within 10.0.0.0/8, "+
			"172.16.0.0/12 and 192.168.0.0/16 (loopback: scope.allow_loopback)", quote(text))
	}
	return t.Prefix, nil
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
