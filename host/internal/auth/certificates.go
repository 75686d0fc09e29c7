package auth

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Certificate is a client that is known by its certificate of TLS.
type Certificate struct {
	Name    string
	Subject string // see ParseSubject
	Role    Role
	Tools   []string // names or globs; empty: all
	Rate    Rate     // zero: as for others
}

const maxSubject = 1024 // bytes

// ParseSubject says whether a text can name the subject of a certificate: cn:NAME is its common name,
// dns:NAME, uri:URI and email:ADDRESS are one of its alternative names. Nothing is a pattern: the whole of it
// must be the same, of a DNS name but for the case. What no certificate can have is refused, as it would never
// match.
func ParseSubject(text string) error {
	kind, rest, _ := strings.Cut(text, ":")
	switch {
	case !slices.Contains([]string{"cn", "dns", "uri", "email"}, kind):
		return errors.New("a subject is one of cn:NAME, dns:NAME, uri:URI and email:ADDRESS")
	case rest == "" || len(rest) > maxSubject || strings.TrimSpace(rest) != rest:
		return fmt.Errorf("after %s: stand 1 to %d bytes of the certificate, without blanks around them",
			kind, maxSubject)
	case strings.ContainsFunc(rest, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }):
		return errors.New("a subject has no control characters and is valid UTF-8")
	case kind == "cn":
		return nil
	case strings.ContainsFunc(rest, func(r rune) bool { return r > 0x7e }): // IA5String: RFC 5280, 4.2.1.6
		return errors.New("an alternative name in a certificate is ASCII; write international DNS names as xn--")
	case kind == "uri" && !isWritten(rest):
		return errors.New("it is no URI, or not written as usual, such as spiffe://lab.internal/probe")
	}
	return nil
}

// isWritten reports whether a text is how we write the URI that it is.
func isWritten(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.String() == text
}

// FoldSubject gives two subjects one form that are the same to a certificate: DNS names in any case of letters.
func FoldSubject(text string) string {
	if strings.HasPrefix(text, "dns:") {
		return lowerASCII(text)
	}
	return text
}

// is reports whether a certificate is that of a client.
func (c *Certificate) is(leaf *x509.Certificate) bool {
	kind, want, _ := strings.Cut(c.Subject, ":")
	if want == "" {
		return false
	}
	switch kind {
	case "cn":
		return leaf.Subject.CommonName == want
	case "dns":
		return slices.ContainsFunc(leaf.DNSNames, func(name string) bool { return lowerASCII(name) == lowerASCII(want) })
	case "email":
		return slices.Contains(leaf.EmailAddresses, want)
	case "uri":
		for _, u := range leaf.URIs {
			if u.String() == want {
				return true
			}
		}
	}
	return false
}

// lowerASCII leaves other characters alone: some of them fold into ASCII.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func (c *Clients) certificates() []Certificate {
	if c.cfg.Certificates == nil {
		return nil
	}
	return c.cfg.Certificates()
}

// certificate recognises a client by its certificate, which TLS has verified. The first of the list counts.
func (c *Clients) certificate(leaf *x509.Certificate) (Identity, error) {
	all := c.certificates()
	i := slices.IndexFunc(all, func(known Certificate) bool { return known.is(leaf) })
	if i < 0 {
		return Identity{}, fmt.Errorf("%w: the certificate is nobody's here", ErrBad)
	}
	known := all[i]
	return c.fresh(Identity{
		Client: known.Name, Kind: ByCertificate, Role: known.Role, Tools: known.Tools, Rate: known.Rate,
		Expires: leaf.NotAfter, proof: sha256.Sum256(leaf.Raw), subject: known.Subject,
	})
}

// maps reports whether a client is still known by the subject by which it was, and may what it might.
func (c *Clients) maps(id Identity) bool {
	return slices.ContainsFunc(c.certificates(), func(known Certificate) bool {
		return known.Name == id.Client && known.Subject == id.subject && known.Role == id.Role &&
			slices.Equal(known.Tools, id.Tools)
	})
}
