package scope

import (
	"context"
	"errors"
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
		v6, err := r.LookupNetIP(ctx, "ip6", name+".")
		if err != nil && !notFound(err) {
			return nil, fmt.Errorf("look up %s: %w", name, err)
		}
		addrs, err := r.LookupNetIP(ctx, "ip4", name+".")
		if err != nil && (len(v6) == 0 || !notFound(err)) {
			return nil, fmt.Errorf("look up %s: %w", name, err)
		}
		for i, a := range addrs {
			addrs[i] = a.Unmap() // A records may come in their IPv6-mapped form; an AAAA record stays what it is
		}
		return append(addrs, v6...), nil
	}
}

func notFound(err error) bool {
	var e *net.DNSError
	return errors.As(err, &e) && e.IsNotFound
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
