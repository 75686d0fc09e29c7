package main

import (
	"fmt"
	"math/rand/v2"
)

// basicConfig is in every configuration: limits that let the callers through, and a ring of events that a
// listener who was dropped can come back to.
const basicConfig = `server: {max_connections: 1000, max_connections_per_client: 900, max_streams_per_client: 100, shutdown_grace_period: 20}
events: {history: 20000}
audit: {max_file_size: 8388608, max_files: 0}
rate_limit: {requests: 1000000, per: 1}
`

// plainConfig is in force at the beginning and at the end.
const plainConfig = basicConfig + `tools:
  RareTool: {rate_requests: 20, rate_per: 1}
  SlowTool: {queue_length: 4}
`

// anotherConfig is a good configuration with other values.
func anotherConfig(r *rand.Rand) string {
	return basicConfig + fmt.Sprintf(`scope: {allow_loopback: %t}
logging: {level: %s}
security: {allow_intrusive: %t}
tools:
  RareTool: {rate_requests: %d, rate_per: 1}
  SlowTool: {queue_length: %d, concurrency: %d, max_timeout: %d}
  FailTool: {failure_threshold: %d}
  NoopTool: {concurrency: %d, queue_length: %d, enabled: %t}
  PingTool: {concurrency: %d}
`, r.IntN(4) > 0, pick(r, "INFO", "WARN", "DEBUG"), r.IntN(2) == 0, 5+r.IntN(40), r.IntN(8), 1+r.IntN(4),
		1+r.IntN(5), 2+r.IntN(9), 1+r.IntN(64), r.IntN(32), r.IntN(8) > 0, 1+r.IntN(5))
}

// badConfig is one that must change nothing.
func badConfig(r *rand.Rand) string {
	return pick(r,
		basicConfig+"tols: {}\n",
		basicConfig+"tool: {queue_length: many}\n",
		"tools: {NoopTool: {enabled: false}}\nscope: {allow_loopback: [}\n",
		"rate_limit: {requests: -1}\n",
		"scope: {allowed_networks: [not-a-network]}\n",
	)
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }
