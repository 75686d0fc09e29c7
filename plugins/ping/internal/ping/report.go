package ping

import "github.com/gatehouse-mcp/gatehouse/sdk"

// Report is the result of a ping.
type Report struct {
	Address     string  `json:"address" jsonschema:"the IPv4 address that was pinged"`
	Transmitted int     `json:"transmitted" jsonschema:"count of requests that were sent; more than -c when some were not answered"`
	Received    int     `json:"received" jsonschema:"count of replies, duplicates not among them"`
	Duplicates  int     `json:"duplicates" jsonschema:"count of replies to a request that had been answered before"`
	Corrupted   int     `json:"corrupted" jsonschema:"count of replies that were damaged on the way"`
	ErrorCount  int     `json:"error_count" jsonschema:"count of ICMP errors that came in place of a reply"`
	LossPercent float64 `json:"loss_percent" jsonschema:"share of requests without a reply, in percent"`
	Elapsed     float64 `json:"elapsed_ms" jsonschema:"time from the first request to the end, in milliseconds; 0 when ping was cut short"`
	Pipe        int     `json:"pipe" jsonschema:"count of the requests that were on their way at a time, at most; 0 when ping does not say so"`
	RTT         *RTT    `json:"rtt,omitempty" jsonschema:"round-trip times; absent when nothing came back"`
	Replies     []Reply `json:"replies" jsonschema:"the replies in the order in which they came; empty with -q and -f"`
	Lost        []int   `json:"lost" jsonschema:"icmp_seq, a count of requests from 1, of those without a reply; empty with -q and -f"`
	Errors      []Error `json:"errors" jsonschema:"what other machines answered in place of a reply"`
	Complete    bool    `json:"complete" jsonschema:"false when ping was ended before its summary"`
	Truncated   bool    `json:"truncated" jsonschema:"whether replies, lost or errors were left out to bound the size; the counts are whole"`
}

// RTT are round-trip times in milliseconds.
type RTT struct {
	Min  float64 `json:"min_ms" jsonschema:"shortest, in milliseconds"`
	Avg  float64 `json:"avg_ms" jsonschema:"mean, in milliseconds"`
	Max  float64 `json:"max_ms" jsonschema:"longest, in milliseconds"`
	Mdev float64 `json:"mdev_ms" jsonschema:"standard deviation, in milliseconds"`
}

// Reply is one echo reply.
type Reply struct {
	Seq       int     `json:"seq" jsonschema:"icmp_seq of the request, a count of requests from 1"`
	TTL       int     `json:"ttl" jsonschema:"time to live on arrival, in hops"`
	Time      float64 `json:"time_ms" jsonschema:"round-trip time in milliseconds; 0: not measured"`
	Bytes     int     `json:"bytes" jsonschema:"size of the ICMP message in bytes"`
	Duplicate bool    `json:"duplicate" jsonschema:"whether the request had been answered before"`
	Corrupted bool    `json:"corrupted,omitempty" jsonschema:"whether it was damaged on the way, or cut"`
	From      string  `json:"from,omitempty" jsonschema:"who replied, where it was another address than the one that was asked"`
	At        string  `json:"at,omitempty" jsonschema:"when it came, RFC 3339, UTC; with -D"`
}

// Error is an ICMP error that came in place of a reply.
type Error struct {
	From    string        `json:"from" jsonschema:"address of the machine that said so"`
	Seq     int           `json:"seq" jsonschema:"icmp_seq of the request, a count of requests from 1"`
	Message sdk.Untrusted `json:"message" jsonschema:"what it said in the words of ping, such as Destination Host Unreachable"`
}
