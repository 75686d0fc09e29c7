package scope

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// Lookup finds all addresses of a name, IPv4 and IPv6.
type Lookup func(ctx context.Context, name string) ([]netip.Addr, error)

// DNS asks a resolver for the A and the AAAA records of a name. IPv6 answers are kept: they put a name out
// of scope.
func DNS(r *net.Resolver) Lookup {
	return func(ctx context.Context, name string) ([]netip.Addr, error) {
		// The dot at the end keeps the resolver from trying the search list of the machine.
		addrs, err := r.LookupNetIP(ctx, "ip", name+".")
		if err != nil {
			return nil, fmt.Errorf("look up %s: %w", name, err)
		}
		for i, a := range addrs {
			addrs[i] = a.Unmap() // LookupNetIP gives A records in their IPv6-mapped form
		}
		return addrs, nil
	}
}

// Static answers from a table, name in lower case -> addresses, and asks next for what is not in it.
func Static(hosts map[string][]netip.Addr, next Lookup) Lookup {
	return func(ctx context.Context, name string) ([]netip.Addr, error) {
		if addrs, ok := hosts[name]; ok {
			return addrs, nil
		}
		return next(ctx, name)
	}
}
