package probe

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// Bounds of what is kept of a chain.
const (
	maxChain  = 10
	maxNames  = 100
	maxText   = 512 // bytes of a text in a certificate
	maxSerial = 64  // hexadecimal digits

	// maxKeyBits of an RSA key; signatures of larger ones take long to check, and are not.
	maxKeyBits = 8192
)

// certificate tells what stands in one; c is nil where err says why it could not be read.
func certificate(der []byte, c *x509.Certificate, err error, now time.Time) Certificate {
	sum := sha256.Sum256(der)
	out := Certificate{SHA256: hex.EncodeToString(sum[:]), Key: "unknown"}
	if err != nil {
		out.Problem = short(err.Error())
		return out
	}
	key := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	out.KeySHA256 = hex.EncodeToString(key[:])
	out.Subject, out.Issuer = short(c.Subject.String()), short(c.Issuer.String())
	out.Names, out.NameCount = names(c)
	out.NotBefore, out.NotAfter = c.NotBefore.UTC().Format(time.RFC3339), c.NotAfter.UTC().Format(time.RFC3339)
	out.DaysLeft, out.early = days(c.NotAfter.Sub(now)), now.Before(c.NotBefore)
	out.Key, out.KeyBits = keyOf(c)
	out.Signature = signature(c)
	serial := c.SerialNumber.Text(16)
	out.Serial = serial[:min(len(serial), maxSerial)]
	out.CA = c.BasicConstraintsValid && c.IsCA
	out.Self = selfSigned(c)
	return out
}

// selfSigned goes by the names: whoever signs with a key of his own under his own name.
func selfSigned(c *x509.Certificate) bool { return string(c.RawSubject) == string(c.RawIssuer) }

// days is whole days, rounded down.
func days(d time.Duration) int {
	n := int(d / (24 * time.Hour))
	if d < 0 && d%(24*time.Hour) != 0 {
		n--
	}
	return n
}

// names are those of the subject alternative name; the common name, which clients no longer look at, is in
// the subject.
func names(c *x509.Certificate) (list []sdk.Untrusted, count int) {
	add := func(text string) {
		if count++; len(list) < maxNames {
			list = append(list, short(text))
		}
	}
	for _, n := range c.DNSNames {
		add(n)
	}
	for _, ip := range c.IPAddresses {
		add(ip.String())
	}
	for _, m := range c.EmailAddresses {
		add(m)
	}
	for _, u := range c.URIs {
		add(u.String())
	}
	return list, count
}

func short(text string) sdk.Untrusted { return sdk.Untrusted(text[:min(len(text), maxText)]) }

func keyOf(c *x509.Certificate) (kind string, bits int) {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return "RSA", k.N.BitLen()
	case *ecdsa.PublicKey:
		return "ECDSA", k.Curve.Params().BitSize
	case ed25519.PublicKey:
		return "Ed25519", 256
	}
	if c.PublicKeyAlgorithm == x509.DSA {
		return "DSA", 0
	}
	return "unknown", 0
}

func signature(c *x509.Certificate) string {
	if c.SignatureAlgorithm == x509.UnknownSignatureAlgorithm {
		return "unknown"
	}
	return c.SignatureAlgorithm.String()
}

// trust holds a chain to the certificates that this machine trusts, and its first one to a name or an
// address.
func (s *session) trust(chain []*x509.Certificate, now time.Time) *Trust {
	t := new(Trust)
	if err := chain[0].VerifyHostname(s.nameOrAddress()); err != nil {
		t.NameWhy = short(err.Error())
	} else {
		t.NameMatch = true
	}
	roots, err := s.roots()
	if err != nil {
		t.Problem = short("the certificates that this machine trusts cannot be read: " + err.Error())
		return t
	}
	t.Problem = verified(chain, roots, now)
	if t.Problem == "" && !s.report.Negotiated.proven() {
		t.Problem = "the server did not prove that it has the key of this certificate: no handshake was completed"
	}
	t.Trusted = t.Problem == ""
	return t
}

// verified says why a chain is not to be believed, or "".
func verified(chain []*x509.Certificate, roots *x509.CertPool, now time.Time) sdk.Untrusted {
	pool := x509.NewCertPool()
	for _, c := range chain {
		if _, bits := keyOf(c); bits > maxKeyBits {
			return "one of the keys is too large to check signatures with"
		}
		pool.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: pool, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return short(err.Error())
	}
	return ""
}
