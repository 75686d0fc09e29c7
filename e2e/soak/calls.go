package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// offered are the tools that are called; tools are these, and those that there are not.
var (
	offered = []string{"NoopTool", "TrueTool", "PingTool", slowTool, failTool, rareTool}
	tools   = append(offered[:len(offered):len(offered)], stranger)
)

// request is one call to be made.
type request struct {
	tool      string
	arguments string        // members of a JSON object, and never none
	leave     time.Duration // after it the caller goes away; zero: stays
	plan      bool          // a dry run, which REST alone offers
}

// mix is what is called, and how often.
var mix = []struct {
	weight int
	what   string
	make   func(r *rand.Rand) request
}{
	{40, "a good call", func(*rand.Rand) request { return noop }},
	{3, "a program", func(*rand.Rand) request {
		return request{tool: "TrueTool", arguments: `"extra_args":""`}
	}},
	{2, "a ping", func(*rand.Rand) request {
		return request{tool: "PingTool", arguments: `"target":"127.0.0.1","extra_args":"-c 1"`}
	}},
	{4, "out of scope", func(*rand.Rand) request {
		return request{tool: "PingTool", arguments: `"target":"8.8.8.8"`}
	}},
	{2, "a forbidden flag", func(*rand.Rand) request {
		return request{tool: "PingTool", arguments: `"target":"127.0.0.1","extra_args":"-f"`}
	}},
	{4, "a wrong type", func(*rand.Rand) request { return request{tool: "NoopTool", arguments: `"text":5`} }},
	{4, "an unknown tool", func(r *rand.Rand) request {
		return request{tool: fmt.Sprintf("NoTool%d", r.IntN(1000)), arguments: `"text":"x"`}
	}},
	{10, "many at a time", func(r *rand.Rand) request { return slowly(1 + r.IntN(30)) }},
	{1, "too slow", func(*rand.Rand) request {
		return request{tool: slowTool, arguments: `"ms":5000,"timeout_sec":1`}
	}},
	{6, "a failure", func(*rand.Rand) request { return request{tool: failTool, arguments: `"ms":0`} }},
	{10, "too often", func(*rand.Rand) request { return request{tool: rareTool, arguments: `"ms":0`} }},
	{5, "gone while it runs", func(r *rand.Rand) request {
		return slowly(300).leaving(time.Duration(r.IntN(100)) * time.Millisecond)
	}},
	{5, "gone at once", func(r *rand.Rand) request {
		return noop.leaving(time.Duration(r.IntN(3000)) * time.Microsecond)
	}},
	{1, "a program that is left", func(r *rand.Rand) request {
		return request{tool: "PingTool", arguments: `"target":"127.0.0.1","extra_args":"-c 3 -i 0.2"`}.
			leaving(time.Duration(r.IntN(400)) * time.Millisecond)
	}},
	{2, "a dry run", func(*rand.Rand) request {
		return request{tool: "PingTool", arguments: `"target":"127.0.0.1"`, plan: true}
	}},
}

var noop = request{tool: "NoopTool", arguments: `"text":"x"`}

func slowly(ms int) request {
	return request{tool: slowTool, arguments: fmt.Sprintf(`"ms":%d`, ms)}
}

func (q request) leaving(after time.Duration) request {
	q.leave = max(after, time.Microsecond)
	return q
}

// anyCall chooses by weight.
func anyCall(r *rand.Rand) request {
	all := 0
	for _, m := range mix {
		all += m.weight
	}
	n := r.IntN(all)
	for _, m := range mix {
		if n -= m.weight; n < 0 {
			return m.make(r)
		}
	}
	panic("the weights do not add up")
}
