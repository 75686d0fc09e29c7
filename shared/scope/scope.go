// Package scope decides what a target is and whether it may be touched. It is used by the host, which holds
// every target argument to it, and by plugins for addresses inside of other arguments. It depends on the
// standard library alone, and it is a list of what is allowed: whatever is not recognised is refused.
//
// A target is written in exactly one way: a canonical dotted quad, a canonical IPv4 network, or a name below
// an allowed suffix. Nothing is trimmed, expanded or repaired. A name is resolved once; every answer must be
// in scope, and the first is pinned:
//
//	p := scope.Default()
//	t, err := p.Pin(ctx, "db.lab.internal", scope.OneHost, scope.DNS(net.DefaultResolver))
//	// t.Prefix is 10.1.2.3/32, t.Text is "db.lab.internal"
package scope

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
)

// MaxLength is the most bytes that a target may have: that of a DNS name.
const MaxLength = 253

// maxAnswers is how many addresses a name may have; beyond that it is no lab machine.
const maxAnswers = 8

// Policy is what is in scope. The zero Policy allows nothing.
type Policy struct {
	Networks     []netip.Prefix // IPv4; a target must be contained in one of them
	Suffixes     []string       // lower case, without a leading dot; names below these may be resolved
	MaxAddresses int            // of one network
}

// Form says what may be written in a place.
type Form int

// The forms.
const (
	OneHost   Form = iota // an address or a name
	OrNetwork             // or a network
)

// Target is what was written, understood. Of Name and Prefix, exactly one is set after [Parse]; Prefix
// always after Pin.
type Target struct {
	Text   string       // as written
	Name   string       // lower case; empty for a literal
	Prefix netip.Prefix // masked
}

// RFC1918 returns the private networks of RFC 1918.
func RFC1918() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.168.0.0/16"),
	}
}

// Loopback returns 127.0.0.0/8.
func Loopback() netip.Prefix { return netip.MustParsePrefix("127.0.0.0/8") }

// Default returns the scope of a fresh Gatehouse: RFC 1918 and loopback, *.lab.internal, networks of 1024
// addresses.
func Default() Policy {
	return Policy{
		Networks:     append(RFC1918(), Loopback()),
		Suffixes:     []string{"lab.internal"},
		MaxAddresses: 1024,
	}
}

// Pin understands a target, holds it to the policy and, for a name, asks lookup once. Errors are [*Error],
// or what lookup returned.
func (p Policy) Pin(ctx context.Context, text string, form Form, lookup Lookup) (Target, error) {
	t, err := Parse(text)
	if err != nil {
		return Target{}, err
	}
	if err := p.Admit(t, form); err != nil {
		return Target{}, err
	}
	if t.Name == "" {
		return t, nil
	}
	addrs, err := lookup(ctx, t.Name)
	if err != nil {
		return Target{}, fmt.Errorf("resolve %s: %w", t.Name, err)
	}
	t.Prefix, err = p.pinAnswer(t.Name, addrs)
	return t, err
}

// Admit holds a parsed target to the policy without resolving it: a literal must be in scope and of a size
// that is allowed, a name must be below an allowed suffix.
func (p Policy) Admit(t Target, form Form) error {
	if t.Name != "" {
		if !p.allowsName(t.Name) {
			return p.outside(fmt.Sprintf("the name %s is not below an allowed suffix", t.Text))
		}
		return nil
	}
	if form == OneHost && strings.Contains(t.Text, "/") {
		return &Error{
			Reason: Syntax, Message: fmt.Sprintf("%s is written as a network; one host is wanted here", t.Text),
			Suggestion: "name one address of it, without a prefix length",
		}
	}
	if !p.Contains(t.Prefix) {
		return p.outside(fmt.Sprintf("%s is outside of the allowed networks", t.Text))
	}
	return p.admitSize(t)
}

// Contains reports whether the whole of a prefix lies in one of the allowed networks. Only IPv4 can.
func (p Policy) Contains(x netip.Prefix) bool {
	if !x.IsValid() || !x.Addr().Is4() {
		return false
	}
	for _, n := range p.Networks {
		if n.Bits() <= x.Bits() && n.Contains(x.Addr()) {
			return true
		}
	}
	return false
}

func (p Policy) allowsName(name string) bool {
	for _, s := range p.Suffixes {
		if strings.HasSuffix(name, "."+s) {
			return true
		}
	}
	return false
}

// pinAnswer takes the first answer if every answer may be touched: a name with one foot outside is outside.
func (p Policy) pinAnswer(name string, addrs []netip.Addr) (netip.Prefix, error) {
	if len(addrs) == 0 || len(addrs) > maxAnswers {
		return netip.Prefix{}, p.outside(
			fmt.Sprintf("%s has %d addresses; allowed are 1 to %d", name, len(addrs), maxAnswers))
	}
	for _, a := range addrs {
		if !a.Is4() || !p.Contains(netip.PrefixFrom(a, 32)) {
			return netip.Prefix{}, p.outside(
				fmt.Sprintf("%s resolves to %s, which is outside of the allowed networks", name, a))
		}
	}
	return netip.PrefixFrom(addrs[0], 32), nil
}

// Addresses is how many addresses a prefix has.
func Addresses(x netip.Prefix) uint64 { return 1 << (x.Addr().BitLen() - x.Bits()) }
