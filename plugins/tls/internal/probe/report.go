package probe

import "github.com/gatehouse-mcp/gatehouse/sdk"

// Report is what was learned of one TLS service.
type Report struct {
	Address    string `json:"address" jsonschema:"the IPv4 address that was asked"`
	Port       int    `json:"port" jsonschema:"the TCP port that was asked, a number from 1 to 65535"`
	ServerName string `json:"server_name" jsonschema:"the name that was asked for (SNI), and that the certificate was held to; empty: none, the address was used"`
	Reachable  bool   `json:"reachable" jsonschema:"whether a TCP connection was made"`
	TLS        bool   `json:"tls" jsonschema:"whether the service speaks TLS at all"`
	Failure    string `json:"failure,omitempty" jsonschema:"why there is less here than was asked for: nobody listens, no TLS, no answer"`
	// NotTLS is here and not in Failure, because a stranger wrote it.
	NotTLS sdk.Untrusted `json:"not_tls,omitempty" jsonschema:"how the answer of a service that does not speak TLS begins"`

	Negotiated *Negotiated   `json:"negotiated,omitempty" jsonschema:"what a client of today gets; absent when no handshake could be completed"`
	Trust      *Trust        `json:"trust,omitempty" jsonschema:"whether the certificate is to be believed; absent when none was seen"`
	Chain      []Certificate `json:"chain" jsonschema:"the certificates in the order in which they were sent, the server's own first; at most 10"`
	ChainSent  int           `json:"chain_sent" jsonschema:"count of the certificates that were sent"`
	Protocols  []Protocol    `json:"protocols" jsonschema:"the versions of the protocol from the newest to the oldest, and what of each is offered"`
	Findings   []Finding     `json:"findings" jsonschema:"what is weak or wrong, the gravest first"`

	Connections int  `json:"connections" jsonschema:"count of the TCP connections that were made"`
	Complete    bool `json:"complete" jsonschema:"false when something that was asked for could not be found out, such as for want of connections"`
}

// Negotiated is what came of a handshake with a client of today.
type Negotiated struct {
	Version           string        `json:"version" jsonschema:"such as TLS 1.3"`
	Suite             string        `json:"suite" jsonschema:"the cipher suite, by its name at IANA"`
	Protocol          sdk.Untrusted `json:"alpn" jsonschema:"what the server chose of h2 and http/1.1; empty: nothing"`
	Completed         bool          `json:"completed" jsonschema:"whether the handshake went through to its end"`
	ClientCertificate bool          `json:"client_certificate" jsonschema:"whether the server asked for a certificate of the client's"`
	Stapled           bool          `json:"ocsp_stapled" jsonschema:"whether it sent a proof that the certificate is not revoked; what it says was not looked at"`

	signed bool // see proven
}

// Trust is what a careful client makes of the chain.
type Trust struct {
	Trusted   bool          `json:"trusted" jsonschema:"whether the chain leads to a certificate that the host's machine trusts, is valid now, and the server proved that it has its key"`
	Problem   sdk.Untrusted `json:"problem,omitempty" jsonschema:"why it does not"`
	NameMatch bool          `json:"name_match" jsonschema:"whether the certificate is for the name, or the address, that was asked for"`
	NameWhy   sdk.Untrusted `json:"name_problem,omitempty" jsonschema:"why it is not"`
}

// Certificate is one certificate of the chain.
type Certificate struct {
	Subject   sdk.Untrusted   `json:"subject" jsonschema:"whom it is for"`
	Issuer    sdk.Untrusted   `json:"issuer" jsonschema:"who signed it, in the words of the certificate"`
	Names     []sdk.Untrusted `json:"names" jsonschema:"the names and addresses that it is for; at most 100"`
	NameCount int             `json:"name_count" jsonschema:"count of these names, the ones that were left out among them"`
	NotBefore string          `json:"not_before" jsonschema:"from when it is valid, RFC 3339, UTC"`
	NotAfter  string          `json:"not_after" jsonschema:"until when it is valid, RFC 3339, UTC"`
	DaysLeft  int             `json:"days_left" jsonschema:"whole days until it expires; below 0: days since then"`
	Key       string          `json:"key" jsonschema:"kind of the key: RSA, ECDSA, Ed25519, DSA or unknown"`
	KeyBits   int             `json:"key_bits" jsonschema:"size of the key in bits; 0: not known"`
	Signature string          `json:"signature_algorithm" jsonschema:"such as SHA256-RSA"`
	Serial    string          `json:"serial" jsonschema:"serial number in hexadecimal digits; at most 64 of them"`
	SHA256    string          `json:"sha256" jsonschema:"fingerprint: SHA-256 of the certificate, in hexadecimal digits"`
	KeySHA256 string          `json:"key_sha256,omitempty" jsonschema:"fingerprint of the key: SHA-256 of its SubjectPublicKeyInfo"`
	CA        bool            `json:"is_ca" jsonschema:"whether it may sign others"`
	Self      bool            `json:"self_signed" jsonschema:"whether it names itself as its issuer"`
	Problem   sdk.Untrusted   `json:"problem,omitempty" jsonschema:"why it could not be read; only its fingerprint is known then"`

	early bool // not valid yet
}

// Protocol is one version of the protocol.
type Protocol struct {
	Version     string  `json:"version" jsonschema:"such as TLS 1.2"`
	Offered     bool    `json:"offered" jsonschema:"whether the server speaks it"`
	Why         string  `json:"why_not,omitempty" jsonschema:"how the server refused, or why it could not be found out"`
	Suites      []Suite `json:"suites" jsonschema:"the cipher suites that the server takes, in its own order of preference where it has one; one alone with quick"`
	ServerOrder *bool   `json:"server_order,omitempty" jsonschema:"whether the server goes by its own order; false: by the client's. Absent: not found out"`
	Complete    bool    `json:"complete" jsonschema:"whether all suites were found out"`
}

// Suite is one cipher suite.
type Suite struct {
	Name string `json:"name" jsonschema:"its name at IANA"`
	ID   string `json:"id" jsonschema:"its number at IANA, such as 0x1301"`
	Weak string `json:"weak,omitempty" jsonschema:"what is weak about it; absent: nothing is known"`
}

// Finding is something that is weak or wrong.
type Finding struct {
	Severity string `json:"severity" jsonschema:"high, medium, low or info"`
	Code     string `json:"code" jsonschema:"the same for the same thing, such as expired or old_protocol"`
	Message  string `json:"message" jsonschema:"what is wrong, and what to do about it"`
}
