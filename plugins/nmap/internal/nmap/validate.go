package nmap

import (
	"fmt"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

// workBudget is the most probes of one request, addresses times ports: 1024 hosts with 4096 ports, or
// 64 with all.
const workBudget = 1024 * 4096

// ordered are pairs of flags of which the first must not be above the second.
var ordered = [][2]string{
	{"--min-parallelism", "--max-parallelism"},
	{"--min-hostgroup", "--max-hostgroup"},
	{"--min-rate", "--max-rate"},
	{"--scan-delay", "--max-scan-delay"},
	{"--min-rtt-timeout", "--max-rtt-timeout"},
	{"--min-rtt-timeout", "--initial-rtt-timeout"},
	{"--initial-rtt-timeout", "--max-rtt-timeout"},
}

// validate holds a request to what is about more than one flag, or about the target.
func validate(j *command.Job, p Privileges) error {
	for _, pair := range ordered {
		lo, okLo := j.Option(pair[0])
		hi, okHi := j.Option(pair[1])
		if okLo && okHi && lo.Value.Number > hi.Value.Number {
			return sdk.Errorf(sdk.KindValidation, "%s %s is above %s %s", pair[0], quantity(lo), pair[1],
				quantity(hi)).
				Suggest("make it the smaller one")
		}
	}
	for _, name := range []string{"-p", "--exclude-ports"} {
		if o, _ := j.Option(name); strings.Contains(o.Value.Text, "U:") && !j.Has("-sU") {
			return sdk.Errorf(sdk.KindValidation, "%s %s has UDP ports, but there is no -sU", name, o.Value.Text).
				Suggest("add -sU, or leave the U: out")
		}
	}
	if err := p.check(j); err != nil {
		return err
	}
	return checkWork(j)
}

// checkWork bounds the number of probes.
func checkWork(j *command.Job) error {
	hosts, ports := int64(1)<<(32-j.Target.Prefix.Bits()), portCount(j)
	if hosts*ports <= workBudget {
		return nil
	}
	return sdk.Errorf(sdk.KindValidation, "%d addresses with %d ports each are %d probes; allowed are %d",
		hosts, ports, hosts*ports, workBudget).
		Suggest("scan a smaller network, or at most %d ports", workBudget/hosts).
		With("hosts", hosts).With("ports", ports).With("max_probes", workBudget)
}

// portCount is how many ports of each host a request is about.
func portCount(j *command.Job) int64 {
	if j.Has("-sn", "-sL") {
		return 1
	}
	if j.Has("-F") {
		return 100
	}
	for _, name := range []string{"-p", "--top-ports"} {
		if o, ok := j.Option(name); ok {
			return o.Value.Int
		}
	}
	return 1000
}

// scannedPorts says in words which ports a request is about.
func scannedPorts(j *command.Job) string {
	switch o, ok := j.Option("-p"); {
	case j.Has("-sn", "-sL"):
		return "none"
	case ok:
		return o.Value.Text
	}
	return fmt.Sprintf("the %d most common", portCount(j))
}
