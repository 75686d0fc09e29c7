// Package traceroute declares TracerouteTool: what of traceroute(8) a caller may use ([flags]), and how its
// output becomes the tool's data ([Report]). The policy is that of traceroute for Linux 2.1 by Dmitry
// Butskoy.
//
// traceroute reads its command line with a library of its own: a value is a word of its own or glued to one
// letter (-q 3, -q3), a long name takes one behind an equals sign alone (--queries=3), letters without values
// may be joined, options may stand behind the host, and a second word is a size of packets. None of that
// matters here, because argv is written anew:
//
//	traceroute -4 -n -m 30 -q 3 -w 3 -N 16 -- <pinned literal>
//
//	os.Exit(sdk.Main(sdk.Plugin{Name: "traceroute", Version: "1.0.0", Tools: []sdk.Tool{traceroute.Tool()}}))
package traceroute

import (
	"encoding/json"
	"math"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

// budget is the most time that a request may ask for, if no hop answers.
const budget = 300 * time.Second

// description is what a model reads before it calls.
const description = "Finds the path to one IPv4 host in scope: the routers on the way in their order, with " +
	"round-trip times. Hops that stay silent are ordinary (many routers do not answer, or few times a second), " +
	"and so is a path whose end does not answer: reached is false, and the last hop that answered is as far as " +
	"the path is known. Addresses only, no names are looked up. Method default sends UDP to rising ports and needs " +
	"no right; icmp and tcp pass more firewalls: for tcp give the port of a service that is open. Takes seconds, " +
	"or, when nothing answers, about max_hops * probes * wait_sec / 16 seconds. Next: a host that is reached by " +
	"tcp alone is behind a firewall; PingTool says how reliably one hop answers."

// Tool makes TracerouteTool.
func Tool() *command.Tool {
	return command.New(command.Definition{
		Definition: sdk.Definition{
			Name:           "TracerouteTool",
			Title:          "Traceroute",
			Description:    description,
			Annotations:    sdk.Annotations{ReadOnly: true, Idempotent: true, OpenWorld: true},
			Concurrency:    3,
			DefaultTimeout: budget + 10*time.Second, // what is accepted is not cut off
			MaxTimeout:     6 * time.Minute,
			Breaker:        sdk.Breaker{Threshold: 5, Recovery: time.Minute},
			Needs:          []sdk.Need{{Kind: sdk.NeedCapability, Name: capNetRaw, Optional: true}},
		},
		Program: command.Program{Name: "traceroute", Install: "apt-get install traceroute"},
		Target:  command.OneHost,
		Flags:   flags(),
		Fields:  fields(),

		Bytes:         command.Alphanumeric + ".-=",
		MaxArgsLength: 256,
		Examples:      []string{"-q 1 -m 15", "-T -p 443", "-I -w 1 -N 4"},
		Fixed:         []string{"-4", "-n"},
		Validate:      validate,
		Able:          able,
		Output:        Report{},
		Open:          open,
		Probes:        []sdk.Probe{{Name: capNetRaw, Priority: sdk.Informational, Run: probe}},
	})
}

// flags is the table.
func flags() []command.Flag {
	const method = "method"
	table := []command.Flag{
		{Name: "-M", Value: command.Enum("default", "icmp", "tcp", "udp"), Group: method, About: "method by name"},
		{Name: "-I", Group: method, About: "ICMP echo requests"},
		{Name: "-T", Group: method, About: "TCP SYN to one port, 80 unless -p says otherwise"},
		{Name: "-U", Group: method, About: "UDP to one port, 53 unless -p says otherwise"},
		{
			Name: "-p", Value: command.Int(1, 65535),
			About: "port; the first of those of the default method, and the first number of ICMP requests",
		},
		{Name: "-f", Value: command.Int(1, maxHops), About: "the hop to begin with"},
		{Name: "-m", Value: command.Int(1, maxHops), Default: "30", About: "the hop to end with"},
		{Name: "-q", Value: command.Int(1, maxProbes), Default: "3", About: "probes to each hop"},
		{Name: "-w", Value: command.Decimal(0.1, 10), Default: "3", About: "seconds to wait for an answer, at most"},
		{Name: "-N", Value: command.Int(1, 16), Default: "16", About: "probes on their way at a time"},
		{
			// It waits by turning in circles, so that this is processor time.
			Name: "-z", Value: command.Decimal(0, 5), About: "seconds between probes, at least",
		},
		{Name: "-t", Value: command.Int(0, 255), About: "type of service"},
		{Name: "-F", About: "do not fragment"},
		{Name: "-e", About: "show ICMP extensions, such as MPLS"},
		{Name: "-n", Implied: true, About: "no names, always on"},
		{Name: "-4", Implied: true, About: "IPv4, always on"},
	}
	for name, why := range refused {
		table = append(table, command.Flag{Name: name, Refused: why})
	}
	return table
}

// refused says why. Long names take a value behind an equals sign alone, short ones another way, so one way is
// offered.
var refused = map[string]string{
	"-6":     "only IPv4 is in scope",
	"-A":     "it looks addresses up in registries on the Internet",
	"-D":     "DCCP is not offered; see -T and -U",
	"-O":     "options of the methods reach further than this table",
	"-P":     "other protocols are not offered; see -I, -T and -U",
	"-UL":    "UDPLITE is not offered; see -U",
	"-V":     "it prints the version and does nothing",
	"-d":     "it needs a right that is not given away",
	"-g":     "source routes lead through hosts that nobody named",
	"-i":     "the interface is the host's to choose",
	"-l":     "it is for IPv6",
	"-r":     "it bypasses routing",
	"-s":     "the source address is the host's to choose",
	"--back": "the length of the way back is a guess",
	"--mtu": "it sends packets as large as they can be; PingTool with size and -M do finds the MTU as " +
		"well",
	"--sport":  "the source port is the kernel's to choose",
	"--fwmark": "it marks packets for policy routing",
	"--help":   "it prints help and does nothing",

	"--as-path-lookups": "it looks addresses up in registries on the Internet",
	"--dccp":            "DCCP is not offered; see -T and -U",
	"--debug":           "it needs a right that is not given away",
	"--flowlabel":       "it is for IPv6",
	"--gateway":         "source routes lead through hosts that nobody named",
	"--interface":       "the interface is the host's to choose",
	"--options":         "options of the methods reach further than this table",
	"--protocol":        "other protocols are not offered; see -I, -T and -U",
	"--source":          "the source address is the host's to choose",
	"--version":         "it prints the version and does nothing",

	"--dont-fragment": "write -F",
	"--extensions":    "write -e",
	"--first":         "write -f, such as -f 2",
	"--icmp":          "write -I",
	"--max-hops":      "write -m, such as -m 20",
	"--module":        "write -M, such as -M tcp",
	"--port":          "write -p, such as -p 443",
	"--queries":       "write -q, such as -q 1",
	"--sendwait":      "write -z, such as -z 0.5",
	"--sim-queries":   "write -N, such as -N 4",
	"--tcp":           "write -T",
	"--tos":           "write -t, such as -t 16",
	"--udp":           "write -U",
	"--wait":          "write -w, such as -w 2",
}

// fields are the flags that most calls need.
func fields() []command.Field {
	return []command.Field{
		{Name: "method", Flag: "-M", Schema: json.RawMessage(`{"type": "string",
			"enum": ["default", "icmp", "tcp", "udp"],
			"description": "What is sent: default (UDP to rising ports from 33434), icmp (echo requests), ` +
			`tcp (SYN to one port, 80 unless given), udp (to one port, 53 unless given)."}`)},
		{Name: "port", Flag: "-p", Schema: json.RawMessage(`{"type": "integer", "minimum": 1, "maximum": 65535,
			"examples": [443], "description": "Port of the target; with method tcp best that of an open service."}`)},
		{Name: "first_hop", Flag: "-f", Schema: json.RawMessage(`{"type": "integer", "minimum": 1, "maximum": 64,
			"examples": [3], "description": "The hop to begin with, a count of hops; 1 unless given."}`)},
		{Name: "max_hops", Flag: "-m", Schema: json.RawMessage(`{"type": "integer", "minimum": 1, "maximum": 64,
			"examples": [15], "description": "The hop to end with, a count of hops; 30 unless given."}`)},
		{Name: "probes", Flag: "-q", Schema: json.RawMessage(`{"type": "integer", "minimum": 1, "maximum": 10,
			"examples": [1], "description": "Count of probes to each hop; 3 unless given."}`)},
		{Name: "wait_sec", Flag: "-w", Schema: json.RawMessage(`{"type": "number", "minimum": 0.1, "maximum": 10,
			"examples": [1], "description": "Seconds to wait for an answer, at most; 3 unless given."}`)},
	}
}

// number is the value of a flag, or 0.
func number(j *command.Job, flag string) float64 {
	o, _ := j.Option(flag)
	return o.Value.Number
}

// firstHop is the hop that a path begins with.
func firstHop(j *command.Job) float64 { return max(number(j, "-f"), 1) }

// longest is how long traceroute takes when no hop answers.
func longest(j *command.Job) time.Duration {
	probes := (number(j, "-m") - firstHop(j) + 1) * number(j, "-q")
	seconds := math.Ceil(probes/number(j, "-N"))*number(j, "-w") + probes*number(j, "-z")
	return time.Duration(seconds * float64(time.Second))
}

func validate(j *command.Job) error {
	if first, last := firstHop(j), number(j, "-m"); first > last {
		return sdk.Errorf(sdk.KindValidation, "the first hop, %v, is behind the last one, %v", first, last).
			Suggest("make first_hop (-f) the smaller one, or max_hops (-m) larger")
	}
	if d := longest(j); d > budget {
		return sdk.Errorf(sdk.KindValidation, "this takes up to %v; allowed are %v", d, budget).
			Suggest("ask fewer hops (-m), with fewer probes (-q), more of them at a time (-N), or wait less (-w, -z)")
	}
	return nil
}
