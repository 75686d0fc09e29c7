package scope

import (
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// shapes are ways to write a target that other programs take, in the order in which they are tried. Each says
// what a text looks like and how to write it here, or nothing. The text has printable ASCII alone.
var shapes = []func(string) (looks, instead string){
	url, userinfo, ipv6, list, netmask, port, wildcard, dashed, zone, octal, foreignNumber, shortForm, prefix,
	dotEnd,
}

// anything is what a target may be.
const anything = "give an IPv4 address (10.0.3.7), a network (10.0.3.0/24) or a name below an allowed suffix"

// syntax refuses a text that is no target. It says what the text looks like, as far as that can be told.
func syntax(text, why string) *Error {
	for _, shape := range shapes {
		if looks, instead := shape(text); looks != "" {
			return &Error{
				Reason: Syntax, Suggestion: instead,
				Message: fmt.Sprintf("%q is not a target: it is %s", text, looks),
			}
		}
	}
	return &Error{
		Reason: Syntax, Message: fmt.Sprintf("%q is not a target: %s", text, why),
		Suggestion: anything,
	}
}

// well reports whether a text could stand as it is, so that it may be suggested.
func well(text string) bool {
	if text == "" || len(text) > MaxLength || foreign(text) >= 0 {
		return false
	}
	_, err := parse(text)
	return err == nil
}

// give suggests a text, if it is a target.
func give(text, otherwise string) string {
	if well(text) {
		return "give " + text
	}
	return otherwise
}

func url(s string) (looks, instead string) {
	scheme, rest, ok := strings.Cut(s, "//")
	switch {
	case ok && (scheme == "" || strings.HasSuffix(scheme, ":")):
	case strings.ContainsAny(s, "?#"):
		rest = s
	default:
		return "", ""
	}
	host := rest[:indexAny(rest, "/?#")]
	host = host[strings.LastIndexByte(host, '@')+1:]
	host = host[:indexAny(host, ":")]
	return "a URL, or a part of one", give(host, "give the host alone, without scheme, port and path")
}

func indexAny(s, chars string) int {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return i
	}
	return len(s)
}

func userinfo(s string) (looks, instead string) {
	if strings.Contains(s, "@") {
		return "a host behind a user", "give the host alone, without what stands before the @"
	}
	return "", ""
}

func ipv6(s string) (looks, instead string) {
	bare := strings.TrimPrefix(s[:indexAny(s, "]/%")], "[")
	addr, err := netip.ParseAddr(bare)
	switch {
	case err != nil || !addr.Is6():
		return "", ""
	case addr.Is4In6():
		return "an IPv4 address in the form of IPv6", "give " + addr.Unmap().String()
	}
	return "an IPv6 address", "give the machine's IPv4 address; only IPv4 is in scope"
}

func list(s string) (looks, instead string) {
	if i := strings.IndexAny(s, ",;|"); i > 0 {
		return "a list", "call the tool once for each target, beginning with " + first(s[:i]) +
			", or give a network that holds them, such as 10.0.3.0/29"
	}
	return "", ""
}

// first is the first of many, if it is a target, or an example.
func first(s string) string {
	if well(s) {
		return s
	}
	return "10.0.3.7"
}

// netmask knows the masks of networks, and their inverse.
func netmask(s string) (looks, instead string) {
	host, mask, ok := strings.Cut(s, "/")
	m, err := netip.ParseAddr(mask)
	if !ok || err != nil || !m.Is4() {
		return "", ""
	}
	b := m.As4()
	word := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	if word>>31 == 0 {
		word = ^word // a host mask
	}
	n := bits.LeadingZeros32(^word)
	if word<<n != 0 {
		return "a network with a mask", "write its length in bits instead of the mask, such as 10.0.3.0/24"
	}
	return "a network with a mask", give(host+"/"+strconv.Itoa(n),
		"write its length in bits instead of the mask, such as 10.0.3.0/24")
}

func port(s string) (looks, instead string) {
	host, digits, ok := strings.Cut(s, ":")
	if !ok || strings.Trim(digits, "0123456789") != "" {
		return "", ""
	}
	return "a host with a port", give(host, "give the host alone") +
		"; ports are an argument of their own, if the tool has one"
}

func wildcard(s string) (looks, instead string) {
	if !strings.Contains(s, "*") {
		return "", ""
	}
	network := strings.ReplaceAll(s, "*", "0") + "/24"
	if strings.Count(s, "*") == 1 && strings.HasSuffix(s, ".*") && well(network) {
		return "a pattern", "give " + network + " for all of it"
	}
	return "a pattern", "give a network, such as 10.0.3.0/24, or one name"
}

// dashed knows ranges in the last number (10.0.0.1-5, 10.0.0.-), in others, and of whole addresses.
func dashed(s string) (looks, instead string) {
	if strings.HasPrefix(s, "-") && strings.Trim(s, "-0123456789.") != "" {
		return "a flag", "give an address or a name here; flags are another argument"
	}
	if !strings.Contains(s, "-") || strings.Trim(s, "-0123456789./") != "" || strings.Trim(s, "-") == "" {
		return "", ""
	}
	low, high, _ := strings.Cut(s, "-")
	from, err := netip.ParseAddr(low)
	if err != nil || !from.Is4() {
		return "a range", "give a network, such as 10.0.0.0/29, or one address"
	}
	if n := cover(from, high); n >= 8 {
		return "a range", fmt.Sprintf("give %s, which holds it, or one address",
			netip.PrefixFrom(from, n).Masked())
	}
	return "a range", fmt.Sprintf("give a network, such as %s, or one address",
		netip.PrefixFrom(from, 29).Masked())
}

// cover is the length of the smallest network that holds the addresses from one to another, which is written
// as a last number or in full; 0: it cannot be read.
func cover(from netip.Addr, to string) int {
	b := from.As4()
	if last, err := strconv.ParseUint(to, 10, 8); err == nil {
		b[3] = byte(last)
	} else if full, err := netip.ParseAddr(to); err == nil && full.Is4() {
		b = full.As4()
	} else {
		return 0
	}
	for n := 32; n >= 0; n-- {
		if netip.PrefixFrom(from, n).Contains(netip.AddrFrom4(b)) {
			return n
		}
	}
	return 0
}

func zone(s string) (looks, instead string) {
	host, _, ok := strings.Cut(s, "%")
	switch {
	case !ok:
		return "", ""
	case looksNumeric(host):
		return "an address with a zone", give(host, "give an IPv4 address, such as 10.0.3.7")
	}
	return "a text with an escape", "give the name itself, in letters, digits, hyphens and dots"
}

// octal knows leading zeros, which some programs read as decimal and others as octal.
func octal(s string) (looks, instead string) {
	host, _, _ := strings.Cut(s, "/")
	if strings.Trim(host, "0123456789.") != "" || host == "" {
		return "", ""
	}
	parts := strings.Split(host, ".")
	zeros := false
	for i, p := range parts {
		if len(p) > 1 && p[0] == '0' {
			zeros = true
			parts[i] = strings.TrimLeft(p[:len(p)-1], "0") + p[len(p)-1:]
		}
	}
	if !zeros {
		return "", ""
	}
	return "written with leading zeros, which some programs read as octal",
		give(strings.Join(parts, "."), "give four decimal numbers without leading zeros, such as 10.0.3.7") +
			", if that is what you mean"
}

// foreignNumber knows one number for all of an address, and hexadecimal ones.
func foreignNumber(s string) (looks, instead string) {
	host, _, _ := strings.Cut(s, "/")
	const write = "write the address as four decimal numbers, such as 10.0.3.7"
	switch {
	case host == "":
		return "", ""
	case strings.Contains(strings.ToLower(s), "0x"):
		return "written with hexadecimal numbers", write
	case strings.Trim(host, "0123456789") == "":
		return "one number, which some programs read as an address", write
	}
	return "", ""
}

// shortForm knows 127.1 and 10.0/16, and addresses with too many numbers or too large ones.
func shortForm(s string) (looks, instead string) {
	host, _, _ := strings.Cut(s, "/")
	if strings.Trim(host, "0123456789.") != "" || strings.Trim(host, ".") == "" || well(host) {
		return "", ""
	}
	return "no address of four numbers from 0 to 255", "write all four, such as 10.0.3.7"
}

func prefix(s string) (looks, instead string) {
	host, length, ok := strings.Cut(s, "/")
	switch {
	case !ok:
		return "", ""
	case host == "":
		return "a prefix length without an address", "write a network as 10.0.3.0/24"
	case !looksNumeric(host):
		return "a name with something behind a slash", give(host, "give the host alone")
	}
	return fmt.Sprintf("an address with %q for a prefix length", length),
		"give a decimal number from 0 to 32 behind the slash, such as 10.0.3.0/24, or the address alone"
}

func dotEnd(s string) (looks, instead string) {
	if bare := strings.TrimRight(s, "."); bare != s {
		return "a name with a dot at its end", give(bare, "write it without")
	}
	return "", ""
}
