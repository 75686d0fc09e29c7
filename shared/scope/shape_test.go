package scope

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

func TestARefusalSaysWhatItLooksLikeAndHowToWriteIt(t *testing.T) {
	for _, c := range []struct{ target, looks, instead string }{
		{"10.0.0.1-5", "a range", "give 10.0.0.0/29"},
		{"10.0.0.1-10.0.0.9", "a range", "give 10.0.0.0/28"},
		{"10.0.0.5-", "a range", "10.0.0.0/29"},
		{"10-11.0.0.1", "a range", "a network"},
		{"-10.0.0.1", "a range", "a network"},
		{"0.0.0.1-255.0.0.1", "a range", "one address"},
		{"10.0.0.1,10.0.0.2", "a list", "once for each target, beginning with 10.0.0.1"},
		{"10.0.0.*", "a pattern", "give 10.0.0.0/24"},
		{"10.*.0.*", "a pattern", "a network"},
		{"http://10.0.0.1:8080/x?y", "a URL", "give 10.0.0.1"},
		{"https://user@db.lab.internal/", "a URL", "give db.lab.internal"},
		{"//10.0.0.1", "a URL", "give 10.0.0.1"},
		{"10.0.0.1#x", "a URL", "give 10.0.0.1"},
		{"user@10.0.0.1", "a user", "the host alone"},
		{"10.0.0.1:80", "a port", "give 10.0.0.1; ports are an argument of their own"},
		{"db.lab.internal:443", "a port", "give db.lab.internal"},
		{"[::1]", "IPv6", "IPv4 address"},
		{"[fd00::1]:80", "IPv6", "IPv4 address"},
		{"::ffff:10.0.0.1", "in the form of IPv6", "give 10.0.0.1"},
		{"10.0.0.1%eth0", "a zone", "give 10.0.0.1"},
		{"a%2elab.internal", "an escape", "the name itself"},
		{"10.0.0.0/255.255.255.0", "a mask", "give 10.0.0.0/24"},
		{"10.0.0.0/0.0.0.255", "a mask", "give 10.0.0.0/24"},
		{"10.0.0.0/255.0.255.0", "a mask", "in bits"},
		{"010.0.0.1", "leading zeros", "give 10.0.0.1, if that is what you mean"},
		{"10.0.0.00", "leading zeros", "give 10.0.0.0, if"},
		{"134744072", "one number", "four decimal numbers"},
		{"0x7f.0.0.1", "hexadecimal", "four decimal numbers"},
		{"127.1", "four numbers", "write all four"},
		{"10.0.0.256", "four numbers", "such as"},
		{"10.0.0.0/024", "prefix length", "from 0 to 32"},
		{"10.0.0.0/33", "prefix length", "from 0 to 32"},
		{"10.0.0.0/", "prefix length", "from 0 to 32"},
		{"/24", "without an address", "10.0.3.0/24"},
		{"db.lab.internal/24", "behind a slash", "give db.lab.internal"},
		{"db.lab.internal.", "a dot at its end", "give db.lab.internal"},
		{"--script=x", "a flag", "another argument"},
		{" 10.0.0.1\n", "byte 1", "give 10.0.0.1, without blanks"},
		{"10.0.0.1 10.0.0.2", "byte 9", "give one address"},
		{"bücher.lab.internal", "byte 2", "in ASCII"},
		{"", "empty", "10.0.3.7"},
		{strings.Repeat("a", 254), "254 bytes", "10.0.3.7"},
		{"x_y.lab.internal", `'_' cannot stand`, "10.0.3.7"},
	} {
		_, err := Default().Pin(t.Context(), c.target, OrNetwork, nil)
		var e *Error
		if !errors.As(err, &e) || e.Reason != Syntax || !strings.Contains(e.Message, c.looks) ||
			!strings.Contains(e.Suggestion, c.instead) {
			t.Errorf("Pin(%q) = %#v, want %q and %q", c.target, err, c.looks, c.instead)
		}
	}
}

// spoilers make something that is no target, or that is out of scope, of anything that is in scope.
var spoilers = map[string]func(string) string{
	"a blank before":        func(s string) string { return " " + s },
	"a blank behind":        func(s string) string { return s + " " },
	"a line feed behind":    func(s string) string { return s + "\n" },
	"a carriage return":     func(s string) string { return s + "\r" },
	"a tab":                 func(s string) string { return "\t" + s },
	"a NUL behind":          func(s string) string { return s + "\x00" },
	"a no-break space":      func(s string) string { return s + "\u00a0" },
	"a zero-width space":    func(s string) string { return "\u200b" + s },
	"a byte order mark":     func(s string) string { return "\ufeff" + s },
	"full-width digits":     fullWidth,
	"an ideographic stop":   func(s string) string { return strings.Replace(s, ".", "\u3002", 1) },
	"bytes that are no UTF": func(s string) string { return s + "\xff" },
	"a port":                func(s string) string { return s + ":80" },
	"a scheme":              func(s string) string { return "http://" + s },
	"a path":                func(s string) string { return s + "/index" },
	"a query":               func(s string) string { return s + "?q" },
	"a fragment":            func(s string) string { return s + "#8.8.8.8" },
	"a user":                func(s string) string { return "root@" + s },
	"a zone":                func(s string) string { return s + "%eth0" },
	"an escape":             func(s string) string { return strings.Replace(s, ".", "%2e", 1) },
	"a list":                func(s string) string { return s + ",10.0.0.2" },
	"a list with a blank":   func(s string) string { return s + " 10.0.0.2" },
	"a list of numbers":     func(s string) string { return s + ",2,3" },
	"a range":               func(s string) string { return s + "-20" },
	"an open range":         func(s string) string { return s + "-" },
	"a range before":        func(s string) string { return "9-" + s },
	"a hyphen before":       func(s string) string { return "-" + s },
	"two hyphens before":    func(s string) string { return "--" + s },
	"a dot at the end":      func(s string) string { return s + "." },
	"a dot before":          func(s string) string { return "." + s },
	"two dots":              func(s string) string { return strings.Replace(s, ".", "..", 1) },
	"a wildcard":            func(s string) string { return s + "*" },
	"quotes":                func(s string) string { return `"` + s + `"` },
	"brackets":              func(s string) string { return "[" + s + "]" },
	"the form of IPv6":      func(s string) string { return "::ffff:" + s },
	"a leading zero":        func(s string) string { return "0" + s },
	"a shell's character":   func(s string) string { return s + ";id" },
	"a backslash":           func(s string) string { return s + `\` },
	"a mask":                func(s string) string { return s + "/255.255.255.0" },
	"two lengths":           func(s string) string { return s + "/24/24" },
	"a length in hex":       func(s string) string { return s + "/0x18" },
	"a length with a zero":  func(s string) string { return s + "/024" },
	"a length with a sign":  func(s string) string { return s + "/+24" },
	"a length too long":     func(s string) string { return s + "/33" },
	"a length of nothing":   func(s string) string { return s + "/" },
	"a public suffix":       func(s string) string { return s + ".example.com" },
	"hexadecimal":           func(s string) string { return "0x" + s },
	"a fifth number":        func(s string) string { return s + ".0.1" },
}

func fullWidth(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
			return r + 0xFEE0
		}
		return r
	}, s)
}

// spelled reports whether a spoiled text has become another target in a way that is fine.
func spelled(name, s string) bool {
	isName := strings.HasSuffix(s, ".lab.internal")
	switch name {
	case "a range before", "a leading zero", "hexadecimal": // a label of a name may begin like that
		return isName
	}
	return false
}

func TestWhatIsInScopeIsOutOfItOnceSpoiled(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		for _, good := range inScope(random) {
			if _, err := Default().Pin(t.Context(), good, OrNetwork, toPrivate); err != nil {
				t.Errorf("Pin(%q) = %v, want it accepted", good, err)
			}
			for name, spoil := range spoilers {
				bad := spoil(good)
				if spelled(name, bad) {
					continue
				}
				if got, err := Default().Pin(t.Context(), bad, OrNetwork, toPrivate); err == nil {
					t.Errorf("Pin(%q), %s = %v, want it refused", bad, name, got.Prefix)
				}
			}
		}
	}
}

// inScope makes a target of each kind.
func inScope(r *rand.Rand) []string {
	a := []string{
		fmt.Sprintf("10.%d.%d.%d", r.IntN(256), r.IntN(256), r.IntN(256)),
		fmt.Sprintf("172.%d.%d.%d", 16+r.IntN(16), r.IntN(256), r.IntN(256)),
		fmt.Sprintf("192.168.%d.%d", r.IntN(256), r.IntN(256)),
		fmt.Sprintf("127.%d.%d.%d", r.IntN(256), r.IntN(256), r.IntN(256)),
	}
	labels := []string{"db", "x1", "1", "a-b", "A", strings.Repeat("z", 63), "10.0.0.1", "lab.internal"}
	return append(a, fmt.Sprintf("%s/%d", a[r.IntN(len(a))], 22+r.IntN(11)),
		labels[r.IntN(len(labels))]+".lab.internal")
}

func TestOnlyTheNetworksOfThePolicyAreInScope(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	allowed := Default().Networks
	for range 20000 {
		b := random.Uint32()
		addr := netip.AddrFrom4([4]byte{byte(b >> 24), byte(b >> 16), byte(b >> 8), byte(b)})
		n := 22 + random.IntN(11)
		text := fmt.Sprintf("%s/%d", addr, n)
		_, err := Default().Pin(t.Context(), text, OrNetwork, nil)
		want := false
		for _, p := range allowed {
			want = want || p.Contains(addr) // all are shorter than the shortest n
		}
		if (err == nil) != want {
			t.Errorf("Pin(%q) = %v, want accepted: %t", text, err, want)
		}
	}
}
