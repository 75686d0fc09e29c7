package curl

import "github.com/gatehouse-mcp/gatehouse/sdk"

// Report is the result of a call: one step for each request, the redirects that were followed among them.
type Report struct {
	Status   int           `json:"status" jsonschema:"status code of the last response, such as 200; 0: there was none"`
	URL      sdk.Untrusted `json:"url" jsonschema:"what was asked for last"`
	Failure  string        `json:"failure,omitempty" jsonschema:"why the last request got no whole response, in words; absent: it did"`
	Followed int           `json:"redirects_followed" jsonschema:"count of the redirects that were followed"`
	Steps    []Step        `json:"steps" jsonschema:"the requests in the order in which they were made"`
}

// Step is one request, and what came of it.
type Step struct {
	URL         sdk.Untrusted `json:"url" jsonschema:"what was asked for"`
	Method      string        `json:"method" jsonschema:"GET, HEAD or OPTIONS"`
	Address     string        `json:"address" jsonschema:"the IPv4 address that the connection went to"`
	Port        int           `json:"port" jsonschema:"the TCP port, a number from 1 to 65535"`
	Status      int           `json:"status" jsonschema:"status code of the response; 0: there was none"`
	Reason      sdk.Untrusted `json:"reason,omitempty" jsonschema:"what the server wrote behind the status"`
	HTTPVersion string        `json:"http_version,omitempty" jsonschema:"1.0, 1.1 or 2; absent: there was no response"`
	Headers     []Header      `json:"headers" jsonschema:"headers of the response, as they came; at most 100"`
	HeaderCount int           `json:"header_count" jsonschema:"count of the headers that came"`
	Truncated   bool          `json:"headers_truncated" jsonschema:"whether headers were left out or cut"`
	Timing      Timing        `json:"timing" jsonschema:"how long each part took"`
	HeaderBytes int64         `json:"header_bytes" jsonschema:"size of the headers in bytes"`
	BodyBytes   int64         `json:"body_bytes" jsonschema:"size of the body that was fetched, in bytes"`
	Redirect    *Redirect     `json:"redirect,omitempty" jsonschema:"where the response leads; absent: nowhere"`
	TLS         *TLS          `json:"tls,omitempty" jsonschema:"the TLS of the connection; absent: there was none"`
	Failure     string        `json:"failure,omitempty" jsonschema:"why there was no whole response, in words"`
	FailureCode int           `json:"failure_code,omitempty" jsonschema:"exit code of curl, a number, such as 7: no connection; 0: it was ended, or there was no failure"`
	Detail      sdk.Untrusted `json:"failure_detail,omitempty" jsonschema:"why, in the words of curl"`
}

// Header is one header of a response.
type Header struct {
	Name  sdk.Untrusted `json:"name" jsonschema:"name, as the server wrote it"`
	Value sdk.Untrusted `json:"value" jsonschema:"value, without the blanks around it; cut at 1024 bytes"`
}

// Timing says how long the parts of a request took, in milliseconds; 0: it did not come to that.
type Timing struct {
	DNS      float64 `json:"dns_ms" jsonschema:"finding the address, in milliseconds: always about 0, for the host has done it before"`
	Connect  float64 `json:"connect_ms" jsonschema:"TCP connection, in milliseconds"`
	TLS      float64 `json:"tls_ms" jsonschema:"TLS handshake, in milliseconds; 0 without TLS"`
	Wait     float64 `json:"wait_ms" jsonschema:"from the request to the first byte of the answer, in milliseconds: what the server needs"`
	Download float64 `json:"download_ms" jsonschema:"from the first byte to the last, in milliseconds"`
	Total    float64 `json:"total_ms" jsonschema:"all of it, in milliseconds"`
}

// Redirect is where a response leads.
type Redirect struct {
	Location  sdk.Untrusted `json:"location" jsonschema:"what the server wrote; cut at 1024 bytes; empty: it was not seen"`
	Followed  bool          `json:"followed" jsonschema:"whether the next step is the request to it"`
	Why       sdk.Untrusted `json:"why_not,omitempty" jsonschema:"why it was not followed"`
	Downgrade bool          `json:"downgrade,omitempty" jsonschema:"whether it leads from https to http"`
}

// TLS is what is known of the TLS of a connection. TLSTool knows more.
type TLS struct {
	Version     string        `json:"version,omitempty" jsonschema:"such as TLSv1.3; absent: the handshake failed"`
	Suite       string        `json:"suite,omitempty" jsonschema:"the cipher suite, as OpenSSL calls it"`
	ALPN        string        `json:"alpn,omitempty" jsonschema:"what the server chose of h2 and http/1.1"`
	Verified    bool          `json:"verified" jsonschema:"whether the certificate is trusted by the host's machine, valid now, and for the name or address that was asked for"`
	Problem     sdk.Untrusted `json:"problem,omitempty" jsonschema:"why it is not"`
	Certificate *Certificate  `json:"certificate,omitempty" jsonschema:"the server's own certificate; absent where the handshake failed"`
}

// Certificate is the server's own.
type Certificate struct {
	Subject  sdk.Untrusted   `json:"subject" jsonschema:"whom it is for"`
	Issuer   sdk.Untrusted   `json:"issuer" jsonschema:"who signed it, in the words of the certificate"`
	Names    []sdk.Untrusted `json:"names" jsonschema:"the names and addresses that it is for; at most 20"`
	NotAfter string          `json:"not_after" jsonschema:"until when it is valid, RFC 3339, UTC"`
	DaysLeft int             `json:"days_left" jsonschema:"whole days until it expires; below 0: days since then"`
}
