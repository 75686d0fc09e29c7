package probe

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// The severities, the gravest first.
var severities = []string{"high", "medium", "low", "info"}

// maxNamed suites stand in a finding by name; all stand with their protocol.
const maxNamed = 5

// soon is when a certificate that expires is worth a word, in days.
const soon = 30

// findings is what of the report is weak or wrong, the gravest first.
func (s *session) findings() []Finding {
	var list []Finding
	add := func(severity, code, format string, args ...any) {
		list = append(list, Finding{severity, code, fmt.Sprintf(format, args...)})
	}
	r := &s.report
	for i, c := range r.Chain {
		c.findings(add, i)
	}
	if s.forged {
		add("high", "wrong_key", "the server has another key than that of the certificate which it shows: it is "+
			"not set up as it should be, or somebody else answers in its place")
	}
	if t := r.Trust; t != nil && !t.Trusted {
		add("medium", "untrusted", "the host's machine does not trust the certificate: see trust.problem. For a "+
			"service of your own that may be as it should be")
	}
	if t := r.Trust; t != nil && !t.NameMatch {
		severity := "medium"
		if r.ServerName == "" { // few certificates are for an address
			severity = "info"
		}
		add(severity, "wrong_name", "the certificate is not for %s: see trust.name_problem", s.nameOrAddress())
	}
	if r.ChainSent > maxChain {
		add("low", "long_chain", "%d certificates were sent; 2 to 4 are usual", r.ChainSent)
	}
	protocols(r, add)
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Compare(slices.Index(severities, a.Severity), slices.Index(severities, b.Severity))
	})
	return list
}

type adding func(severity, code, format string, args ...any)

// findings of one certificate; number 0 is the server's own.
func (c Certificate) findings(add adding, number int) {
	which := "the server's certificate"
	if number > 0 {
		which = fmt.Sprintf("certificate %d of the chain", number+1)
	}
	switch {
	case c.Problem != "":
		add("medium", "unreadable", "%s cannot be read: see its problem", which)
		return
	case c.DaysLeft < 0:
		add("high", "expired", "%s expired %d days ago: replace it", which, -c.DaysLeft)
	case c.DaysLeft < soon:
		add("medium", "expires_soon", "%s expires in %d days: renew it", which, c.DaysLeft)
	}
	if c.early {
		add("high", "not_yet_valid", "%s is valid from %s on: see to the clocks", which, c.NotBefore)
	}
	switch {
	case c.Key == "RSA" && c.KeyBits < 1024, c.Key == "ECDSA" && c.KeyBits < 160:
		add("high", "weak_key", "%s has a key of %s with %d bits, which can be broken", which, c.Key, c.KeyBits)
	case c.Key == "RSA" && c.KeyBits < 2048, c.Key == "ECDSA" && c.KeyBits < 224:
		add("medium", "weak_key", "%s has a key of %s with %d bits; RSA has 2048 at least today, ECDSA 256",
			which,
			c.Key, c.KeyBits)
	case c.Key == "DSA":
		add("medium", "weak_key", "%s has a DSA key, which no client of today takes", which)
	}
	if c.Self && number > 0 {
		return // the signature of a root is not looked at by anybody
	}
	for _, hash := range []string{"MD2", "MD5", "SHA1"} {
		if strings.Contains(c.Signature, hash) {
			add("high", "weak_signature", "%s is signed with %s, which can be forged", which, hash)
		}
	}
	if c.Self {
		add("info", "self_signed", "%s is self-signed", which)
	}
}

// protocols are the findings about versions and suites.
func protocols(r *Report, add adding) {
	weak := make(map[string][]string) // weakness -> suites
	modern, spoken := false, false
	for _, p := range r.Protocols {
		if !p.Offered {
			continue
		}
		spoken = true
		switch p.Version {
		case "SSL 3.0":
			add("high", "old_protocol", "SSL 3.0 is spoken, which is broken (POODLE): switch it off")
		case "TLS 1.0", "TLS 1.1":
			add("medium", "old_protocol", "%s is spoken, which is no longer to be used (RFC 8996): switch it off",
				p.Version)
		default:
			modern = true
		}
		for _, x := range p.Suites {
			if x.Weak != "" && !slices.Contains(weak[x.Weak], x.Name) {
				weak[x.Weak] = append(weak[x.Weak], x.Name)
			}
		}
	}
	if spoken && !modern {
		add("high", "no_modern_protocol", "neither TLS 1.2 nor TLS 1.3 is spoken: clients of today cannot connect")
	}
	for _, w := range weaknesses {
		if names := weak[w.about]; len(names) > maxNamed {
			add(w.severity, w.code, "%s: %s and %d others", w.about, strings.Join(names[:maxNamed], ", "),
				len(names)-maxNamed)
		} else if len(names) > 0 {
			add(w.severity, w.code, "%s: %s", w.about, strings.Join(names, ", "))
		}
	}
}

// weaknesses of suites, by what their names have in them; the first that fits is the one that is told.
var weaknesses = []struct {
	severity, code, about string
	in                    []string
}{
	{"high", "null_cipher", "nothing is encrypted", []string{"_NULL_"}},
	{"high", "anonymous", "nobody is authenticated, so that anybody can listen in", []string{"_anon_"}},
	{"high", "export_cipher", "keys of 40 bits, made to be broken", []string{"_EXPORT_"}},
	{"high", "rc4", "RC4 is broken (RFC 7465)", []string{"_RC4_"}},
	{"high", "des", "keys of 56 bits, which can be broken", []string{"_DES_CBC_", "_RC2_"}},
	{"medium", "3des", "blocks of 64 bits (Sweet32)", []string{"_3DES_", "_IDEA_"}},
	{"low", "no_forward_secrecy", "who gets the server's key reads what was recorded before",
		[]string{"TLS_RSA_", "TLS_DH_", "TLS_ECDH_"}},
	{"info", "cbc", "CBC mode, which has been attacked often", []string{"_CBC_"}},
}

func weakness(suite string) string {
	for _, w := range weaknesses {
		for _, part := range w.in {
			if strings.Contains(suite, part) {
				return w.about
			}
		}
	}
	return ""
}
