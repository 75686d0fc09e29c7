package scope

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Parse understands a target by its writing alone. It accepts a canonical dotted quad, a canonical dotted
// quad with a canonical prefix length (host bits are masked off), and a DNS name in letters, digits, hyphens
// and dots. Everything that programs read in more than one way is refused: leading zeros, octal, hexadecimal
// and one-number addresses, netmasks, ranges, wildcards, lists, ports, URLs, zones, IPv6, blanks. Errors are
// [*Error], and say what the text looks like and how to write it.
func Parse(s string) (Target, error) {
	if err := checkBytes(s); err != nil {
		return Target{}, err
	}
	t, err := parse(s)
	if err == nil {
		return t, nil
	}
	if refused := (*Error)(nil); errors.As(err, &refused) {
		return Target{}, refused
	}
	return Target{}, syntax(s, err.Error())
}

// parse reads a text whose bytes are checked. Its errors say why it is no target; an [*Error] says it all.
func parse(s string) (Target, error) {
	host, bits, isNetwork := strings.Cut(s, "/")
	if looksNumeric(host) {
		return parseLiteral(s, host, bits, isNetwork)
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is6() {
		return Target{}, &Error{
			Reason: Outside, Message: fmt.Sprintf("%s is an IPv6 address; only IPv4 is in scope", s),
			Suggestion: "use the machine's IPv4 address",
		}
	}
	if isNetwork {
		return Target{}, errors.New("a prefix length goes with an address, not with a name")
	}
	return parseName(s)
}

func checkBytes(s string) error {
	if s == "" {
		return &Error{Reason: Syntax, Message: "the target is empty", Suggestion: anything}
	}
	if len(s) > MaxLength {
		return &Error{Reason: Syntax, Suggestion: anything,
			Message: fmt.Sprintf("%q... is not a target: it has %d bytes; allowed are %d", s[:40], len(s),
				MaxLength)}
	}
	if i := foreign(s); i >= 0 {
		return &Error{Reason: Syntax, Suggestion: instead(s, s[i]), Message: fmt.Sprintf(
			"%q is not a target: byte %d is not a printable ASCII character; blanks are not trimmed", s, i+1)}
	}
	return nil
}

// foreign is the index of the first byte that no target has, or -1.
func foreign(s string) int {
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e {
			return i
		}
	}
	return -1
}

// instead says what to do about a foreign byte.
func instead(s string, b byte) string {
	if bare := strings.Trim(s, " \t\r\n"); well(bare) {
		return "give " + bare + ", without blanks around it"
	}
	if b >= 0x80 {
		return "write names and addresses in ASCII: letters a to z, digits, hyphens and dots"
	}
	return "give one address, network or name, without blanks and control characters"
}

// looksNumeric reports whether a string could be read as an address by some program: its last label begins
// with a digit, as no top-level domain does.
func looksNumeric(host string) bool {
	last := host[strings.LastIndexByte(strings.TrimRight(host, "."), '.')+1:]
	return last != "" && last[0] >= '0' && last[0] <= '9'
}

func parseLiteral(text, host, bits string, isNetwork bool) (Target, error) {
	addr, err := netip.ParseAddr(host)
	var canonical [15]byte // as long as an IPv4 address can be
	if err != nil || !addr.Is4() || string(addr.AppendTo(canonical[:0])) != host {
		return Target{}, errors.New(
			"an address is four decimal numbers from 0 to 255 without leading zeros, such as 10.0.3.7")
	}
	n := 32
	if isNetwork {
		if n, err = strconv.Atoi(bits); err != nil || n < 0 || n > 32 || strconv.Itoa(n) != bits {
			return Target{}, errors.New(
				"a prefix length is a decimal number from 0 to 32, such as 10.0.3.0/24")
		}
	}
	return Target{Text: text, Prefix: netip.PrefixFrom(addr, n).Masked()}, nil
}

func parseName(s string) (Target, error) {
	name := strings.ToLower(s)
	labels := strings.Split(name, ".")
	for _, l := range labels {
		if why := badLabel(l); why != "" {
			return Target{}, errors.New(why)
		}
	}
	return Target{Text: s, Name: name}, nil
}

// badLabel says what keeps a lower-case label from being one of RFC 1123, or "".
func badLabel(l string) string {
	switch {
	case l == "":
		return "a name has no empty label and no dot at its end"
	case len(l) > 63:
		return "a label of a name has at most 63 characters"
	case l[0] == '-' || l[len(l)-1] == '-':
		return "a label of a name neither begins nor ends with a hyphen"
	case len(l) >= 4 && l[2:4] == "--":
		return "internationalised (xn--) labels are not taken"
	}
	for i := range len(l) {
		if c := l[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return fmt.Sprintf("%q cannot stand in an address, a network or a name", c)
		}
	}
	return ""
}
