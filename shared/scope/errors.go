package scope

import (
	"fmt"
	"math/bits"
	"net/netip"
	"strings"
)

// Reason says why a target is refused.
type Reason int

// The reasons.
const (
	Syntax   Reason = iota + 1 // it is no target, or not one that may stand in this place
	Outside                    // it is not in scope
	TooLarge                   // the network is in scope, but too large
)

// Error refuses a target.
type Error struct {
	Reason     Reason
	Message    string
	Suggestion string // what to do next
	// For TooLarge: network_size, max_network_size, suggested_prefix, example, prefix_sizes.
	Metadata map[string]any
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

func (p Policy) outside(message string) *Error {
	return &Error{Reason: Outside, Message: message, Suggestion: "allowed are " + p.String()}
}

// String lists what is in scope, for people.
func (p Policy) String() string {
	var parts []string
	for _, n := range p.Networks {
		parts = append(parts, n.String())
	}
	for _, s := range p.Suffixes {
		parts = append(parts, "*."+s)
	}
	if len(parts) == 0 {
		return "no targets at all"
	}
	return strings.Join(parts, ", ")
}

// admitSize holds a network to the maximum, and teaches what would fit.
func (p Policy) admitSize(t Target) error {
	size := Addresses(t.Prefix)
	if size <= uint64(max(p.MaxAddresses, 1)) {
		return nil
	}
	fit := 33 - bits.Len(uint(max(p.MaxAddresses, 1))) // the widest prefix whose size is within the maximum
	example := netip.PrefixFrom(t.Prefix.Addr(), fit).String()
	return &Error{
		Reason:  TooLarge,
		Message: fmt.Sprintf("%s has %d addresses; at most %d are allowed", t.Text, size, p.MaxAddresses),
		Suggestion: fmt.Sprintf(
			"use a prefix of /%d or longer, for example %s, and scan it part by part", fit, example),
		Metadata: map[string]any{
			"network_size":     size,
			"max_network_size": p.MaxAddresses,
			"suggested_prefix": fit,
			"example":          example,
			"prefix_sizes":     prefixSizes(fit),
		},
	}
}

// prefixSizes is a small table, prefix -> addresses, from the widest prefix that fits.
func prefixSizes(from int) map[string]any {
	sizes := make(map[string]any)
	for b := from; b <= min(from+4, 32); b++ {
		sizes[fmt.Sprintf("/%d", b)] = 1 << (32 - b)
	}
	return sizes
}
