package traceroute

import "github.com/gatehouse-mcp/gatehouse/sdk"

// Report is the result of a traceroute.
type Report struct {
	Address   string `json:"address" jsonschema:"the IPv4 address whose path was looked for"`
	Method    string `json:"method" jsonschema:"what was sent: default, icmp, tcp or udp"`
	MaxHops   int    `json:"max_hops" jsonschema:"count of hops after which the search ends"`
	Packet    int    `json:"packet_bytes" jsonschema:"size of the packets that were sent, in bytes; 0 when traceroute did not begin"`
	Reached   bool   `json:"reached" jsonschema:"whether the target itself answered"`
	Distance  int    `json:"distance" jsonschema:"count of hops to the target; 0 when it did not answer"`
	Hops      []Hop  `json:"hops" jsonschema:"the hops in their order"`
	Complete  bool   `json:"complete" jsonschema:"false when traceroute was ended before it was done"`
	Truncated bool   `json:"truncated" jsonschema:"whether hops or probes were left out to bound the size"`
}

// Hop is one step of the path.
type Hop struct {
	TTL    int     `json:"ttl" jsonschema:"which hop, a count of hops from 1"`
	Probes []Probe `json:"probes" jsonschema:"what came of each probe; answers of several addresses mean several paths"`
}

// Probe is what came of one packet.
type Probe struct {
	Address    string        `json:"address,omitempty" jsonschema:"who answered; absent when nobody did"`
	RTT        float64       `json:"rtt_ms" jsonschema:"round-trip time in milliseconds; 0 when lost"`
	Lost       bool          `json:"lost" jsonschema:"whether no answer came in time"`
	Annotation string        `json:"annotation,omitempty" jsonschema:"what the answer says besides: !H host, !N network, !P protocol unreachable, !X prohibited by a firewall, !S source route failed, !F-n fragments needed for an MTU of n bytes, !<n> ICMP code n"`
	Extensions sdk.Untrusted `json:"extensions,omitempty" jsonschema:"ICMP extensions of the answer, such as MPLS labels; with -e"`
}
