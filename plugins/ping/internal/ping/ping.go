// Package ping declares PingTool: what of ping(8) a caller may use, and how its output is read. The
// policy is that of iputils 20221126; facts about the program that shape it stand next to the line that
// they explain.
//
//	os.Exit(sdk.Main(sdk.Plugin{Name: "ping", Version: "1.0.0", Tools: []sdk.Tool{ping.Tool()}}))
package ping

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

const (
	defaultCount = 4

	// budget is the most time that a request may ask for, by count, interval and wait together.
	budget = 300 * time.Second
)

// Tool makes PingTool.
func Tool() *command.Tool {
	return command.New(command.Definition{
		Definition: sdk.Definition{
			Name:  "PingTool",
			Title: "Ping",
			Description: "Sends ICMP echo requests to one IPv4 host in scope and reports replies, loss and " +
				"round-trip times. No reply is an ordinary result (returncode 1), not an error: many hosts " +
				"drop ICMP, so that silence does not mean that the host is down. Waits for 4 replies unless count " +
				"says otherwise; a host that does not answer is asked until the deadline -w, which follows from " +
				"count, interval and wait, and may be at most 300 s. One host at a time: to see which hosts of a " +
				"network are up, and for open ports, use NmapTool. Next: loss or slow replies are worth a second, " +
				"longer ping (count 20); a silent host is worth NmapTool with template quick.",
			Annotations:    sdk.Annotations{ReadOnly: true, Idempotent: true, OpenWorld: true},
			Concurrency:    5,
			DefaultTimeout: 30 * time.Second,
			MaxTimeout:     5 * time.Minute,
			Breaker:        sdk.Breaker{Threshold: 5, Recovery: time.Minute},
			Needs:          []sdk.Need{{Kind: sdk.NeedCapability, Name: "CAP_NET_RAW"}},
		},
		Program: command.Program{Name: "ping", Install: "apt-get install iputils-ping"},
		Target:  command.OneHost,
		Flags:   flags(),
		Fields:  fields(),

		Bytes:         "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-",
		MaxArgsLength: 256,
		Examples:      []string{"-c 10 -i 0.5", "-s 1472 -M do", "-q -c 100 -i 0.2"},
		Fixed:         []string{"-4", "-n"},
		Defaults:      defaults,
		Validate:      validate,
		Argv:          argv,
		Output:        Report{},
		Open:          open,
		Without: func(_ string, groups []int) string {
			return echoSockets("/proc/sys/net/ipv4/ping_group_range", groups)
		},

		// As an ordinary user, where the kernel gives its groups no sockets for echo requests, ping lives by the
		// capability that Debian's file has. All that it does goes with such sockets too, also -R and -T.
		FileCapabilities: true,
	})
}

// flags is the table. ping has no long options; clusters, --, and more than one positional argument (a
// source route!) are refused by the grammar of package command itself.
func flags() []command.Flag {
	const floods = "it sends without waiting for replies"
	table := []command.Flag{
		{
			// With -w, ping counts replies and not requests.
			Name: "-c", Value: command.Int(1, 100), About: "replies to wait for, at the latest until -w",
		},
		{
			// As root, -i 0 and -i -1 are a flood.
			Name: "-i", Value: command.Decimal(0.002, 60).GatedOutside(0.2, 60, "less than 0.2 s between requests"),
			About: "seconds between requests",
		},
		{
			Name: "-s", Value: command.Int(0, 65507).GatedOutside(0, 1472, "packets that have to be fragmented"),
			About: "bytes of payload",
		},
		{Name: "-W", Value: command.Decimal(0.1, 30), About: "seconds to wait for a reply"},
		{Name: "-w", Value: command.Int(1, 300), About: "seconds after which ping ends in any case"},
		{Name: "-t", Value: command.Int(1, 255), About: "time to live"},
		{Name: "-M", Value: command.Enum("do", "dont", "want"), About: "path MTU discovery"},
		{Name: "-n", Implied: true, About: "numeric output, always on"},
		{Name: "-4", Implied: true, About: "IPv4, always on"},
		{Name: "-q", About: "summary only; the replies are then not in the data"},
		{Name: "-D", About: "time stamps"},
		{Name: "-O", About: "report requests without reply, on but for -q and -f"},
		{Name: "-v", About: "verbose"},
		{Name: "-f", Gated: floods, Conflicts: []string{"-i"}, About: "flood"},
		{Name: "-A", Gated: "it adapts its rate to the round-trip time", About: "adaptive rate"},
		{Name: "-l", Value: command.Int(1, 3), Gated: floods, About: "requests sent at once"},
		{Name: "-p", Value: command.Hex(32), Gated: "it chooses the payload", About: "pattern of the payload"},
		{Name: "-R", Gated: "IP options", Conflicts: []string{"-T"}, About: "record route"},
		{
			Name: "-T", Value: command.Enum("tsonly", "tsandaddr"), Gated: "IP options",
			About: "IP time stamps",
		},
	}
	for name, why := range refused {
		table = append(table, command.Flag{Name: name, Refused: why})
	}
	return table
}

// refused says why, where the reason is not plain.
var refused = map[string]string{
	"-6": "only IPv4 is in scope",
	"-a": "bells in the output",
	"-b": "broadcast reaches hosts that nobody named",
	"-I": "the interface is the host's to choose",
	"-m": "it marks packets for policy routing",
	"-r": "it bypasses routing",
	"-h": "it prints help and does nothing",
	"-V": "it prints the version and does nothing",
}

// fields are the flags that most calls need.
func fields() []command.Field {
	return []command.Field{
		{Name: "count", Flag: "-c", Schema: json.RawMessage(`{"type": "integer", "minimum": 1, "maximum": 100,
			"examples": [4, 20], "description": "Count of replies to wait for; 4 unless given."}`)},
		{Name: "interval_sec", Flag: "-i", Schema: json.RawMessage(`{"type": "number", "minimum": 0.002, "maximum": 60,
			"examples": [1, 0.2], "description": "Seconds between requests; 1 unless given. Less than 0.2 needs allow_intrusive."}`)},
		{Name: "size", Flag: "-s", Schema: json.RawMessage(`{"type": "integer", "minimum": 0, "maximum": 65507,
			"examples": [56, 1472], "description": "Payload in bytes; 56 unless given. More than 1472 needs allow_intrusive."}`)},
		{Name: "ttl", Flag: "-t", Schema: json.RawMessage(`{"type": "integer", "minimum": 1, "maximum": 255,
			"examples": [64], "description": "Time to live of the requests, in hops."}`)},
		{Name: "wait_sec", Flag: "-W", Schema: json.RawMessage(`{"type": "number", "minimum": 0.1, "maximum": 30,
			"examples": [2.5], "description": "Seconds to wait for the last reply; 10 unless given."}`)},
	}
}

// floodInterval is the least time between requests that ping allows anybody but root. With -f it bounds the
// flood, which without an interval is refused to an ordinary user and goes as fast as it can for root.
const floodInterval = "0.002"

// defaults writes out what ping does by itself, so that argv and plan say it, and has it report what is not
// answered: nobody should have to wait for the end to see that a host is silent.
func defaults(j *command.Job) {
	j.Default("-c", strconv.Itoa(defaultCount))
	if j.Has("-f") {
		j.Default("-i", floodInterval)
	}
	j.Default("-i", "1")
	j.Default("-W", "10")
	if !j.Has("-q", "-f") {
		j.Default("-O")
	}
}

// plannedTime is how long ping takes when only the last request is not answered: (count - 1) * interval + wait.
func plannedTime(j *command.Job) time.Duration {
	number := func(flag string) float64 {
		o, _ := j.Option(flag) // there, by defaults
		return o.Value.Number
	}
	return time.Duration(((number("-c")-1)*number("-i") + number("-W")) * float64(time.Second))
}

func validate(j *command.Job) error {
	if d := plannedTime(j); d > budget {
		return sdk.Errorf(sdk.KindValidation, "this takes up to %v; allowed are %v", d, budget).
			Suggest("send fewer requests (-c), closer together (-i)")
	}
	return nil
}

// argv adds -w where the caller gave none: even a ping that nobody owns any more ends by itself.
func argv(j *command.Job) []string {
	args := j.Args()
	if !j.Has("-w") {
		seconds := strconv.Itoa(int(min(math.Ceil(plannedTime(j).Seconds())+1, budget.Seconds())))
		j.Explain("deadline in seconds, by count, interval and wait: no ping goes on for ever", "-w", seconds)
		args = append(args, "-w", seconds)
	}
	return args
}
