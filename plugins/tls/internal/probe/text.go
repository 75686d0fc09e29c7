package probe

import (
	"bytes"
	"fmt"
	"io"
)

// write tells the report to people.
func (s *session) write(w io.Writer) {
	r := &s.report
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s port %d", r.Address, r.Port)
	if r.ServerName != "" {
		fmt.Fprintf(&b, ", asked for %s", r.ServerName)
	}
	b.WriteByte('\n')
	if r.Failure != "" {
		fmt.Fprintf(&b, "%s\n", r.Failure)
	}
	if r.NotTLS != "" {
		fmt.Fprintf(&b, "it begins with: %q\n", r.NotTLS.Clean())
	}
	if n := r.Negotiated; n != nil {
		fmt.Fprintf(&b, "negotiated     %s, %s\n", n.Version, n.Suite)
	}
	if len(r.Chain) > 0 {
		c := r.Chain[0]
		fmt.Fprintf(&b, "certificate    %s, by %s\n", c.Subject.Clean(), c.Issuer.Clean())
		fmt.Fprintf(&b, "valid          %s to %s (%d days left)\n", c.NotBefore, c.NotAfter, c.DaysLeft)
		fmt.Fprintf(&b, "key            %s %d bits, signed with %s\n", c.Key, c.KeyBits, c.Signature)
		fmt.Fprintf(&b, "trusted        %t, for the right name %t\n", r.Trust.Trusted, r.Trust.NameMatch)
	}
	for _, p := range r.Protocols {
		if !p.Offered {
			fmt.Fprintf(&b, "%-14s no: %s\n", p.Version, p.Why)
			continue
		}
		fmt.Fprintf(&b, "%-14s yes\n", p.Version)
		for _, x := range p.Suites {
			fmt.Fprintf(&b, "               %s\n", x.Name)
		}
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%-14s %s\n", f.Severity, f.Message)
	}
	_, _ = w.Write(b.Bytes())
}
