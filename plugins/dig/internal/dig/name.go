package dig

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

// types are the types that may be asked for.
var types = []string{
	"A", "AAAA", "ANY", "CAA", "CNAME", "DNSKEY", "DS", "HTTPS", "MX", "NAPTR", "NS", "PTR", "SOA", "SRV",
	"SSHFP", "SVCB", "TLSA", "TXT",
}

// recordType is one of the types, in capitals or not. It says more about those that people expect.
func recordType() command.Grammar {
	return command.Grammar{
		Want: strings.Join(types, "|"),
		Read: func(text string, _ sdk.Policy) (command.Value, error) {
			upper := strings.ToUpper(text)
			switch {
			case slices.Contains(types, upper):
				return command.Value{Text: upper}, nil
			case upper == "AXFR", strings.HasPrefix(upper, "IXFR"):
				return command.Value{}, errors.New("a zone transfer is no lookup: it copies a whole zone, and is refused")
			}
			return command.Value{}, errors.New("not one of the types")
		},
	}
}

// address is one address in scope.
func address() command.Grammar {
	one := command.Addresses(1)
	return command.Grammar{
		Want: "one IPv4 address in scope",
		Read: func(text string, p sdk.Policy) (command.Value, error) {
			if strings.Contains(text, "/") {
				return command.Value{}, errors.New("a network; one address is wanted")
			}
			return one.Read(text, p)
		},
	}
}

// domain is a DNS name. It becomes absolute. One that is asked about outside of the scope is gated.
func domain() command.Grammar {
	g := command.Name(command.Underscores, command.FinalDot)
	read := g.Read
	g.Read = func(text string, p sdk.Policy) (command.Value, error) {
		v, err := read(text, p)
		if err != nil || v.Text == "." { // the root says nothing about anybody
			return v, err
		}
		name := strings.TrimSuffix(v.Text, ".")
		v.Text = name + "."
		if !inScope(name, p) {
			v.Gated = "the server may carry the question to others, out of the scope; names are to lie below " +
				either(p.Suffixes) + " (scope.allowed_suffixes), or be reverse names in scope"
		}
		return v, nil
	}
	return g
}

// inScope says whether a name is one of an allowed suffix, or a reverse name of addresses in scope.
func inScope(name string, p sdk.Policy) bool {
	for _, s := range p.Suffixes {
		if name == s || strings.HasSuffix(name, "."+s) {
			return true
		}
	}
	x, ok := reversed(name)
	return ok && slices.ContainsFunc(p.Networks, func(n netip.Prefix) bool {
		return n.Bits() <= x.Bits() && n.Contains(x.Addr())
	})
}

// reversed is the network that a name below in-addr.arpa is about: 3.0.10.in-addr.arpa is 10.0.3.0/24. A name with
// anything else in it is none: a resolver would carry that out.
func reversed(name string) (netip.Prefix, bool) {
	rest, ok := strings.CutSuffix(name, ".in-addr.arpa")
	if !ok {
		return netip.Prefix{}, false
	}
	labels := strings.Split(rest, ".")
	slices.Reverse(labels)
	var octets [4]byte
	n := 0
	for n < min(len(labels), len(octets)) {
		v, err := strconv.ParseUint(labels[n], 10, 8)
		if err != nil || labels[n] != strconv.FormatUint(v, 10) {
			break
		}
		octets[n] = byte(v)
		n++
	}
	return netip.PrefixFrom(netip.AddrFrom4(octets), 8*n), n > 0 && n == len(labels)
}

// either lists what an operator has allowed.
func either(suffixes []string) string {
	if len(suffixes) == 0 {
		return "an allowed suffix, of which there is none"
	}
	return strings.Join(suffixes[:min(len(suffixes), 5)], ", ")
}
