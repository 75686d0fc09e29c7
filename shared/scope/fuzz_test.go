package scope

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// toPrivate answers for every name.
func toPrivate(context.Context, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil
}

// inetAton reads an address as the C library does: numbers may be octal or hexadecimal, and the last one of
// fewer than four fills the rest.
func inetAton(s string) (addr uint64, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return 0, false
	}
	for i, p := range parts {
		n, ok := cNumber(p)
		room := uint64(1) << 8
		if i == len(parts)-1 {
			room = 1 << (8 * (4 - i))
		}
		if !ok || n >= room {
			return 0, false
		}
		if i < len(parts)-1 {
			n <<= 8 * (3 - i)
		}
		addr |= n
	}
	return addr, true
}

// cNumber reads a number as strtoul with base 0 does.
func cNumber(s string) (n uint64, ok bool) {
	base, digits := uint64(10), s
	switch {
	case len(s) > 2 && strings.EqualFold(s[:2], "0x"):
		base, digits = 16, s[2:]
	case len(s) > 1 && s[0] == '0':
		base, digits = 8, s[1:]
	}
	for _, c := range []byte(strings.ToLower(digits)) {
		d := uint64(strings.IndexByte("0123456789abcdef", c))
		if d >= base || n > 1<<32 {
			return 0, false
		}
		n = n*base + d
	}
	return n, digits != ""
}

// FuzzParse holds what is accepted to one meaning: whoever reads the text, or what is passed on for it, finds
// the same address.
func FuzzParse(f *testing.F) {
	for _, l := range corpus(f) {
		f.Add(l.Target)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := Parse(s)
		if err != nil {
			return
		}
		if got.Text != s || len(s) > MaxLength || (got.Name == "") == !got.Prefix.IsValid() {
			t.Fatalf("Parse(%q) = %+v, want either a name or a prefix", s, got)
		}
		if got.Name != "" {
			checkName(t, s, got.Name)
			return
		}
		checkLiteral(t, s, got.Prefix)
	})
}

func checkName(t *testing.T, s, name string) {
	if again, err := Parse(name); err != nil || again.Name != name || !strings.EqualFold(s, name) {
		t.Errorf("Parse(%q) has the name %q, which is read as %+v, %v", s, name, again, err)
	}
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" || name[0] == '-' {
		t.Errorf("Parse(%q) accepted foreign bytes", s)
	}
	if _, ok := inetAton(name); ok {
		t.Errorf("Parse(%q) is a name, and the C library reads it as an address", s)
	}
}

func checkLiteral(t *testing.T, s string, p netip.Prefix) {
	if p != p.Masked() || !p.Addr().Is4() {
		t.Errorf("Parse(%q) = %v, want it masked and IPv4", s, p)
	}
	literal := strings.TrimSuffix(p.String(), "/32")
	if strings.Trim(literal, "0123456789./") != "" {
		t.Errorf("Parse(%q) is passed on as %q", s, literal)
	}
	if again, err := Parse(literal); err != nil || again.Prefix != p {
		t.Errorf("Parse(%q) is passed on as %q, which is read as %+v, %v", s, literal, again, err)
	}
	host, _, _ := strings.Cut(s, "/")
	want, err := netip.ParseAddr(host)
	if err != nil || !p.Contains(want) {
		t.Errorf("Parse(%q) = %v; net/netip reads %v, %v", s, p, want, err)
	}
	b := want.As4()
	number, ok := inetAton(host)
	if !ok || number != uint64(b[0])<<24|uint64(b[1])<<16|uint64(b[2])<<8|uint64(b[3]) {
		t.Errorf("Parse(%q): the C library reads %#x, %t; net/netip %v", s, number, ok, want)
	}
}

// FuzzPin gives random answers for names: whatever they are, nothing outside of the networks is pinned.
func FuzzPin(f *testing.F) {
	for _, l := range corpus(f) {
		f.Add(l.Target, []byte{10, 0, 0, 1}, true)
	}
	f.Add("a.lab.internal", []byte{8, 8, 8, 8, 10, 0, 0, 1}, true)
	f.Add("a.lab.internal", slices.Repeat([]byte{10, 1, 2, 3}, 9), false)
	p := Default()
	f.Fuzz(func(t *testing.T, s string, raw []byte, network bool) {
		form := OneHost
		if network {
			form = OrNetwork
		}
		addrs := answers(raw)
		got, err := p.Pin(t.Context(), s, form, func(context.Context, string) ([]netip.Addr, error) {
			return addrs, nil
		})
		if err != nil {
			return
		}
		if !p.Contains(got.Prefix) || Addresses(got.Prefix) > uint64(p.MaxAddresses) ||
			got.Prefix != got.Prefix.Masked() {
			t.Errorf("Pin(%q) with answers %v = %v", s, addrs, got.Prefix)
		}
		if form == OneHost && !got.Prefix.IsSingleIP() {
			t.Errorf("Pin(%q, OneHost) = %v", s, got.Prefix)
		}
		if got.Name == "" {
			return
		}
		if len(addrs) < 1 || len(addrs) > 8 || got.Prefix.Addr() != addrs[0] {
			t.Errorf("Pin(%q) with answers %v = %v, want the first of 1 to 8", s, addrs, got.Prefix)
		}
		for _, a := range addrs {
			if !p.Contains(netip.PrefixFrom(a, a.BitLen())) {
				t.Errorf("Pin(%q) with answers %v is accepted, though %v is outside", s, addrs, a)
			}
		}
	})
}

// answers makes addresses of bytes: IPv4 of four, IPv6 of the sixteen behind a zero.
func answers(raw []byte) (addrs []netip.Addr) {
	for len(raw) >= 4 {
		if raw[0] == 0 && len(raw) > 16 {
			addrs, raw = append(addrs, netip.AddrFrom16([16]byte(raw[1:17]))), raw[17:]
			continue
		}
		addrs, raw = append(addrs, netip.AddrFrom4([4]byte(raw[:4]))), raw[4:]
	}
	return addrs
}

func BenchmarkPin(b *testing.B) {
	p := Default()
	for _, target := range []string{"10.0.3.7", "10.0.0.5/24", "db.lab.internal", "10.0.0.1-5"} {
		b.Run(target, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = p.Pin(b.Context(), target, OrNetwork, toPrivate)
			}
		})
	}
}
