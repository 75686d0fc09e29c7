package nmap

import (
	"math/bits"
	"net/netip"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

// workBudget is the most probes of one request, addresses times ports: 1024 hosts with 4096 ports, or
// 64 with all.
const workBudget = 1024 * 4096

// How many ports nmap scans with -F, without any flag, and with -sO, where ports are protocols.
const (
	fastPorts     = 100
	defaultPorts  = 1000
	protocolPorts = 256
)

// checkWork bounds the work, for ports and for discovery alike: the size of what was asked for. Ports named twice
// count twice, and what is excluded counts all the same; TCP and UDP of one port are one.
func checkWork(j *command.Job) error {
	x := j.Target.Prefix
	hosts := int64(1) << (x.Addr().BitLen() - x.Bits())
	for _, w := range []struct {
		ports int64
		what  string
	}{{portCount(j), "ports"}, {pingCount(j), "ports for discovery"}} {
		if hosts*w.ports > workBudget {
			return tooMuch(x, hosts, w.ports, w.what)
		}
	}
	return nil
}

func tooMuch(x netip.Prefix, hosts, ports int64, what string) error {
	fits := x.Addr().BitLen() - (bits.Len64(uint64(workBudget/ports)) - 1) // workBudget is above all ports
	example := netip.PrefixFrom(x.Addr(), fits).Masked()
	return sdk.Errorf(sdk.KindValidation, "%d addresses with %d %s each are %d probes; allowed are %d",
		hosts, ports, what, hosts*ports, workBudget).
		Suggest("name at most %d %s, or at most %d addresses: a /%d such as %s", workBudget/hosts, what,
			workBudget/ports, fits, example).
		With("hosts", hosts).With("ports", ports).With("probes", hosts*ports).With("max_probes", workBudget).
		With("max_ports", workBudget/hosts).With("suggested_prefix", fits).With("example", example.String())
}

// portCount is how many ports of each host a request is about, whatever number of protocols goes over them.
func portCount(j *command.Job) int64 {
	switch {
	case j.Has("-sn", "-sL"):
		return 1
	case j.Has("-sO"):
		return protocolPorts
	case j.Has("-F"):
		return fastPorts
	}
	for _, name := range []string{"-p", "--top-ports"} {
		if o, ok := j.Option(name); ok {
			return o.Value.Int
		}
	}
	return defaultPorts
}

// pingCount is how many ports of each host are probed to see whether it is up.
func pingCount(j *command.Job) int64 {
	var sum int64
	for _, name := range []string{"-PS", "-PA", "-PU", "-PY"} {
		if o, ok := j.Option(name); ok {
			sum += max(o.Value.Int, 1)
		}
	}
	return max(sum, 1)
}
