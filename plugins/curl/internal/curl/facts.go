package curl

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// maxFacts bounds the line of JSON; the chain of certificates takes most of it. It is what the reader of a
// program's output gets at least: see [command.Reader].
const maxFacts = 4 << 20

// facts are what curl tells of a request when it has ended: --write-out '%{json}'. Its writer of JSON in
// 7.88 spoils control characters and bytes beyond ASCII ("u0001" for \u0001), so that texts of the server's
// are not taken from there but for the message of an error.
type facts struct {
	ExitCode  int     `json:"exitcode"`
	Error     string  `json:"errormsg"`
	Status    int     `json:"response_code"`
	Version   string  `json:"http_version"`
	RemoteIP  string  `json:"remote_ip"`
	Headers   int64   `json:"size_header"`
	Body      int64   `json:"size_download"`
	DNS       float64 `json:"time_namelookup"`
	Connected float64 `json:"time_connect"`
	Secured   float64 `json:"time_appconnect"`
	Prepared  float64 `json:"time_pretransfer"`
	FirstByte float64 `json:"time_starttransfer"`
	Total     float64 `json:"time_total"`
	Certs     string  `json:"certs"`
	CertCount int     `json:"num_certs"`
}

// parseFacts reads what stood on stderr.
func parseFacts(text []byte) (f facts, err error) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return f, errors.New("curl told nothing of the request")
	}
	return f, json.Unmarshal(text, &f)
}

// timing are the parts of the time. What did not come to pass has 0 in the facts.
func (f facts) timing() Timing {
	t := Timing{
		DNS: part(0, f.DNS), Connect: part(f.DNS, f.Connected), TLS: part(f.Connected, f.Secured),
		Wait: part(max(f.Connected, f.Secured, f.Prepared), f.FirstByte), Total: part(0, f.Total),
	}
	if f.FirstByte > 0 {
		t.Download = part(f.FirstByte, f.Total)
	}
	return t
}

// part is the time between two moments, in milliseconds with three decimals.
func part(from, to float64) float64 {
	if !(to > from) || to > 1e6 {
		return 0
	}
	return math.Round((to-from)*1e6) / 1e3
}

// chain are the certificates, as far as they are beyond doubt: curl writes the text of a certificate in
// front of it, as it is, and who can put line feeds there can put the look of further certificates there.
// Then the number is wrong, and none is believed.
func (f facts) chain() []*x509.Certificate {
	const begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
	if f.CertCount < 1 || strings.Count(f.Certs, begin) != f.CertCount ||
		strings.Count(f.Certs, end) != f.CertCount {
		return nil
	}
	var chain []*x509.Certificate
	rest := []byte(f.Certs)
	for range min(f.CertCount, maxChain) {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil
		}
		chain = append(chain, c)
	}
	return chain
}

const (
	maxChain = 10
	maxNames = 20

	// maxKeyBits of an RSA key; signatures of larger ones take long to check.
	maxKeyBits = 8192
)

func certificate(c *x509.Certificate, now time.Time) *Certificate {
	out := &Certificate{
		Subject: sdk.Untrusted(clip(c.Subject.String())), Issuer: sdk.Untrusted(clip(c.Issuer.String())),
		NotAfter: c.NotAfter.UTC().Format(time.RFC3339),
		DaysLeft: int(math.Floor(c.NotAfter.Sub(now).Hours() / 24)),
	}
	for _, name := range c.DNSNames {
		out.Names = append(out.Names, sdk.Untrusted(clip(name)))
	}
	for _, ip := range c.IPAddresses {
		out.Names = append(out.Names, sdk.Untrusted(ip.String()))
	}
	out.Names = out.Names[:min(len(out.Names), maxNames)]
	return out
}

// distrust says what is wrong with a chain, or "": curl does not look when it is told to go on anyway.
func distrust(chain []*x509.Certificate, host string, now time.Time) string {
	if len(chain) == 0 {
		return "not looked at"
	}
	pool := x509.NewCertPool()
	for _, c := range chain {
		if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxKeyBits {
			return "not looked at: a key is too large"
		}
		pool.AddCert(c)
	}
	if err := chain[0].VerifyHostname(host); err != nil {
		return err.Error()
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Intermediates: pool, CurrentTime: now})
	if err != nil {
		return err.Error()
	}
	return ""
}
