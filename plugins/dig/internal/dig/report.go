package dig

import "github.com/gatehouse-mcp/gatehouse/sdk"

// Report is the result of a lookup.
type Report struct {
	Server    string   `json:"server" jsonschema:"the IPv4 address of the server that was asked"`
	Port      int      `json:"port" jsonschema:"its port, a number from 1"`
	Name      string   `json:"name" jsonschema:"the name that was looked up, with a dot at its end"`
	Type      string   `json:"type" jsonschema:"the type of record that was asked for"`
	Status    string   `json:"status" jsonschema:"how the server answered: NOERROR, NXDOMAIN, SERVFAIL, REFUSED, ...; empty when no answer could be read"`
	Failure   string   `json:"failure" jsonschema:"why there is no answer; empty when there is one"`
	Flags     []string `json:"flags" jsonschema:"flags of the answer: qr answer, aa authoritative, tc cut short, rd recursion wanted, ra recursion offered, ad proved authentic, cd checking off"`
	Transport string   `json:"transport" jsonschema:"UDP or TCP, over which the answer came; empty when there is none"`
	Retried   bool     `json:"retried" jsonschema:"whether the answer did not fit over UDP, so that it was asked again over TCP"`
	QueryTime float64  `json:"query_time_ms" jsonschema:"time until the answer, in milliseconds"`
	Size      int      `json:"size" jsonschema:"size of the answer in bytes"`
	Counts    Counts   `json:"counts" jsonschema:"how many records the answer says that it has"`
	EDNS      *EDNS    `json:"edns,omitempty" jsonschema:"extensions that the server answered with; absent when there are none"`

	Answers    []Record        `json:"answers" jsonschema:"the records that were asked for, and aliases on the way to them"`
	Authority  []Record        `json:"authority" jsonschema:"the servers of the zone, or its SOA when there is nothing"`
	Additional []Record        `json:"additional" jsonschema:"what the server added, such as addresses of servers"`
	Remarks    []sdk.Untrusted `json:"remarks" jsonschema:"what dig found worth saying, such as a message that was malformed"`
	Truncated  bool            `json:"truncated" jsonschema:"whether records were cut or left out to bound the size; counts are whole"`
}

// Counts are what the header of an answer says.
type Counts struct {
	Answer     int `json:"answer" jsonschema:"count of records in answers"`
	Authority  int `json:"authority" jsonschema:"count of records in authority"`
	Additional int `json:"additional" jsonschema:"count of records in additional, with one for EDNS itself"`
}

// EDNS are the extensions of an answer, RFC 6891.
type EDNS struct {
	Version int             `json:"version" jsonschema:"version of EDNS, a number from 0"`
	Flags   []string        `json:"flags" jsonschema:"do: the server sends signatures"`
	UDP     int             `json:"udp" jsonschema:"size of the largest message that the server takes over UDP, in bytes"`
	Errors  []Extended      `json:"errors" jsonschema:"extended errors, RFC 8914"`
	Options []sdk.Untrusted `json:"options" jsonschema:"other options, as dig writes them"`
}

// Extended is one extended error.
type Extended struct {
	Code    int           `json:"code" jsonschema:"the INFO-CODE, a number from 0"`
	Meaning sdk.Untrusted `json:"meaning" jsonschema:"what the code stands for"`
	Text    sdk.Untrusted `json:"text" jsonschema:"what the server says about it"`
}

// Record is one record. Bytes that are no printable ASCII are written as \DDD, in decimal.
type Record struct {
	Name  sdk.Untrusted `json:"name" jsonschema:"the name that the record belongs to, with a dot at its end"`
	TTL   int64         `json:"ttl" jsonschema:"how long it may be kept, in seconds"`
	Class string        `json:"class" jsonschema:"IN"`
	Type  string        `json:"type" jsonschema:"the type, such as A; TYPE65280 for one without a name"`
	Data  sdk.Untrusted `json:"data" jsonschema:"what the record says, in the form of a zone file"`
}
